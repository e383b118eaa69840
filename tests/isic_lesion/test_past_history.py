"""What the past adds: a patient's history by age, rows below, and folds that keep patients and lesions together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic_lesion.data.dataset import open_lesions
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.past.history import (
    HISTORY_COLUMNS,
    append_past,
    extend_folds,
    join_past,
    past_folds,
    with_owners,
)
from isic_lesion.past.reading import empty_past, read_past

PATIENTS = st.sampled_from([None, "a", "b", "c"])
AGES = st.sampled_from([None, 40.0, 45.0, 50.0])
DIAGNOSES = st.sampled_from([("nevus", "Benign"), ("melanoma", "Malignant"), ("actinic keratosis", "Indeterminate")])


def past_of(*images: dict[str, object]) -> pl.DataFrame:
    """Past rows; what is not said is null."""
    schema = empty_past().frame.schema
    return pl.DataFrame([{**dict.fromkeys(schema), **image} for image in images], schema=schema)


@st.composite
def pasts(draw: st.DrawFn) -> pl.DataFrame:
    images = []
    for number in draw(st.lists(st.integers(0, 30), unique=True, max_size=12)):
        diagnosis, kind = draw(DIAGNOSES)
        images.append(
            {
                "isic_id": f"I{number}",
                "patient_id": draw(PATIENTS),
                "lesion_id": draw(st.sampled_from([None, "L1", "L2", "L3"])),
                "age_approx": draw(AGES),
                "diagnosis": diagnosis,
                "iddx_1": kind,
                "target": int(kind == "Malignant"),
            }
        )
    return past_of(*images)


@st.composite
def rows(draw: st.DrawFn) -> pl.DataFrame:
    numbers = draw(st.lists(st.integers(0, 30), unique=True, max_size=12))
    owned = [(f"I{number}", draw(st.sampled_from(["a", "b", "d"])), draw(AGES)) for number in numbers]
    schema = {"isic_id": pl.String, "patient_id": pl.String, "age_approx": pl.Float64}
    return pl.DataFrame(owned, schema=schema, orient="row")


@given(rows(), pasts())
def test_history_against_counting_by_hand(here: pl.DataFrame, past: pl.DataFrame) -> None:
    joined = join_past(here, past)
    assert joined.select(here.columns).equals(here)
    assert joined.columns == [*here.columns, *HISTORY_COLUMNS]
    own = set(here["isic_id"])
    for row in joined.rows(named=True):
        images = [
            image
            for image in past.rows(named=True)
            if image["patient_id"] == row["patient_id"]
            and image["isic_id"] not in own
            and None not in (image["age_approx"], row["age_approx"])
            and image["age_approx"] < row["age_approx"]
        ]
        if not images:
            assert all(row[name] is None for name in HISTORY_COLUMNS)
            continue
        ages = [image["age_approx"] for image in images]
        malignant = sum(image["target"] for image in images)
        assert [row[name] for name in HISTORY_COLUMNS] == [
            len(images),
            len({image["lesion_id"] or image["isic_id"] for image in images}),
            malignant,
            sum(image["diagnosis"] == "melanoma" for image in images),
            sum(image["iddx_1"] == "Indeterminate" for image in images),
            pytest.approx(malignant / len(images)),
            min(ages),
            max(ages),
            row["age_approx"] - max(ages),
        ]


def test_history_is_joined_once_and_is_all_numbers() -> None:
    here = pl.DataFrame({"isic_id": ["x"], "patient_id": ["a"], "age_approx": [45.0]})
    joined = join_past(here, empty_past().frame)
    assert set(joined.select(HISTORY_COLUMNS).dtypes) == {pl.Float64}
    with pytest.raises(ValueError, match="without a history, got column 'past_images'"):
        join_past(joined, empty_past().frame)


def test_appended_rows_stand_below() -> None:
    here = pl.DataFrame(
        {"isic_id": ["I2", "I1"], "target": pl.Series([0, 1], dtype=pl.Int8), "patient_id": ["a", "b"], "mine": [1, 2]}
    )
    past = past_of(
        {"isic_id": "I9", "patient_id": "c", "target": 1, "source": "ISIC 2020"},
        {"isic_id": "I1", "target": 0, "source": "ISIC 2019"},
        {"isic_id": "I3", "target": 0, "lesion_id": "L", "source": "ISIC 2019"},
    )
    assert append_past(here, past).rows() == [
        ("I2", 0, "a", 1, "ISIC 2024"),
        ("I1", 1, "b", 2, "ISIC 2024"),
        ("I9", 1, "c", None, "ISIC 2020"),
        ("I3", 0, "lesion L", None, "ISIC 2019"),
    ]
    twice = append_past(append_past(here, past), past)
    assert twice.equals(append_past(here, past))


def folds_of(patients: dict[str, tuple[str, int]], num_folds: int = 5, seed: int = 42) -> Folds:
    frame = pl.DataFrame(
        [(name, patient, fold, None) for name, (patient, fold) in patients.items()],
        schema={"isic_id": pl.String, "patient_id": pl.String, "fold": pl.UInt8, "hospital_fold": pl.UInt8},
        orient="row",
    )
    return Folds(frame=frame, scheme="patients", num_folds=num_folds, seed=seed)


@given(pasts())
def test_no_patient_and_no_lesion_is_torn_apart(past: pl.DataFrame) -> None:
    folds = folds_of({"I1": ("a", 3), "I99": ("b", 1)})
    dealt = past_folds(past, folds)
    extended = extend_folds(folds, past)
    assert extended.frame.head(2).equals(folds.frame)
    assert set(dealt["isic_id"]) == set(past["isic_id"]) - {"I1"}
    told = past.join(dealt.select("isic_id", "fold"), on="isic_id")
    assert told.filter(pl.col("patient_id") == "a")["fold"].unique().to_list() in ([], [3])
    assert told.filter(pl.col("patient_id") == "b")["fold"].unique().to_list() in ([], [1])
    assert told.drop_nulls("patient_id").group_by("patient_id").agg(pl.col("fold").n_unique())["fold"].max() in (
        None,
        1,
    )
    # A lesion whose images name two patients goes with them.
    whole = past.drop_nulls("lesion_id").group_by("lesion_id").agg(pl.col("patient_id").drop_nulls().n_unique())
    single = whole.filter(pl.col("patient_id") <= 1)["lesion_id"]
    of_lesion = told.filter(pl.col("lesion_id").is_in(single.implode())).group_by("lesion_id")
    assert of_lesion.agg(pl.col("fold").n_unique())["fold"].max() in (None, 1)
    assert past_folds(past.sample(fraction=1, shuffle=True, seed=1), folds).equals(dealt)
    assert dealt["patient_id"].null_count() == 0


def test_more_past_moves_nothing_and_seeds_do() -> None:
    images = [{"isic_id": f"I{number}", "lesion_id": f"L{number // 2}"} for number in range(4000)]
    few, many = past_of(*images[:1000]), past_of(*images)
    folds = folds_of({"x": ("p", 0)})
    dealt = past_folds(many, folds)
    assert dealt.join(few.select("isic_id"), on="isic_id", how="semi").equals(past_folds(few, folds))
    sizes = np.bincount(dealt["fold"].to_numpy(), minlength=5)
    assert sizes.min() > 600
    other = past_folds(many, folds_of({"x": ("p", 0)}, seed=7))
    assert (dealt["fold"] != other["fold"]).sum() > 2000


def test_owners_keep_the_order() -> None:
    past = past_of(
        {"isic_id": "I3", "lesion_id": "L1"},
        {"isic_id": "I1"},
        {"isic_id": "I2", "lesion_id": "L1", "patient_id": "a"},
        {"isic_id": "I4", "lesion_id": "L2"},
    )
    owned = with_owners(past)
    assert owned["patient_id"].to_list() == ["a", "image I1", "a", "lesion L2"]
    assert owned.drop("patient_id").equals(past.drop("patient_id"))


def test_real_past_beside_real_rows(real_data: Path) -> None:
    here = open_lesions(real_data / "isic").read()
    past = read_past([real_data / "isic" / "past"]).frame
    joined = join_past(here, past)
    assert joined["past_images"].drop_nulls().len() == 12
    for folds in (assign_patient_folds(here), assign_hospital_folds(here)):
        extended = extend_folds(folds, past)
        everything = append_past(here, past)
        assert everything["patient_id"].to_list()[: len(here)] == here["patient_id"].to_list()
        assert (extended.fold_of(here["isic_id"]) == folds.fold_of(here["isic_id"])).all()
        training, validation = extended.split(everything["isic_id"], 0)
        owners = everything["patient_id"].to_numpy()
        assert not set(owners[training]) & set(owners[validation])
        assert validation[len(here) :].any()
