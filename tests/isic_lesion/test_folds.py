"""Folds: whoever is held out is held out whole, whatever the order of the rows; their file says what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import open_lesions
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import check_patients, read_folds, write_folds
from isic_lesion.folds.summary import summarise_folds


def made_up(seed: int, rows: int = 300, patients: int = 40, hospitals: int = 4, *, nulls: bool = True) -> pl.DataFrame:
    """Return lesions whose patients may be seen in several hospitals, some without a patient or a hospital."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, patients, rows)
    home = (owner + (rng.random(rows) < 0.1)) % hospitals
    hide = rng.random((2, rows)) < (0.05 if nulls else 0)
    return pl.DataFrame(
        {
            "isic_id": [f"ISIC_{number:04d}" for number in rng.permutation(rows)],
            "patient_id": [None if lost else f"IP_{name}" for name, lost in zip(owner, hide[0], strict=True)],
            "target": (rng.random(rows) < 0.2).astype(np.int8),
            "attribution": [None if lost else f"Hospital {name}" for name, lost in zip(home, hide[1], strict=True)],
        },
        schema_overrides={"patient_id": pl.String, "attribution": pl.String},
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_folds=st.integers(2, 7),
    patients=st.integers(7, 80),
    hospitals=st.integers(2, 9),
    by_hospital=st.booleans(),
)
def test_no_patient_crosses(seed: int, num_folds: int, patients: int, hospitals: int, by_hospital: bool) -> None:
    metadata = made_up(seed, patients=patients, hospitals=hospitals)
    assign = assign_hospital_folds if by_hospital else assign_patient_folds
    folds = assign(metadata, num_folds=num_folds, seed=seed % 1000)
    ids, hospital = metadata["isic_id"], metadata["attribution"].to_list()
    patient = metadata.select(pl.coalesce("patient_id", "isic_id")).to_series().to_list()
    times = np.zeros(len(metadata), dtype=int)
    for k, (training, held_out) in enumerate(folds.splits(ids)):
        assert not (training & held_out).any()
        trained_on = {patient[row] for row in np.flatnonzero(training)}
        assert trained_on.isdisjoint(patient[row] for row in np.flatnonzero(held_out))
        unseen = folds.unseen(ids, k)
        assert (held_out == (folds.fold_of(ids) == k) | unseen).all()
        assert {hospital[row] for row in np.flatnonzero(training)}.isdisjoint(
            hospital[row] for row in np.flatnonzero(unseen)
        )
        if not by_hospital:
            assert (training == ~held_out).all()
        times += held_out
    assert (times >= 1).all()
    assert (times <= (2 if by_hospital else 1)).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), by_hospital=st.booleans())
def test_the_order_of_rows_does_not_matter(seed: int, by_hospital: bool) -> None:
    metadata = made_up(seed % 100)
    assign = assign_hospital_folds if by_hospital else assign_patient_folds
    first, second = assign(metadata), assign(metadata.sample(fraction=1, shuffle=True, seed=seed % 1000))
    assert first.fingerprint == second.fingerprint
    assert first.frame.sort("isic_id").equals(second.frame.sort("isic_id"))
    assert first.frame["isic_id"].equals(metadata["isic_id"])


def test_both_schemes_have_the_same_folds_of_patients() -> None:
    metadata = made_up(1)
    patients, hospitals = assign_patient_folds(metadata, seed=3), assign_hospital_folds(metadata, seed=3)
    assert patients.frame["fold"].equals(hospitals.frame["fold"])
    assert patients.frame["hospital_fold"].null_count() == len(metadata)
    assert patients.fingerprint != hospitals.fingerprint
    assert patients.fingerprint != assign_patient_folds(metadata, seed=4).fingerprint


def test_masks_are_aligned_with_any_lesions_asked_for() -> None:
    metadata = made_up(2)
    folds = assign_hospital_folds(metadata)
    whole = dict(zip(metadata["isic_id"], zip(*folds.split(metadata["isic_id"], 1), strict=True), strict=True))
    some = metadata["isic_id"].sample(50, shuffle=True, seed=1)
    training, held_out = folds.split(some.rename("anything"), 1)
    assert [whole[name] for name in some] == list(zip(training, held_out, strict=True))
    twice = pl.concat([some, some])
    assert (folds.fold_of(twice) == np.tile(folds.fold_of(some), 2)).all()
    with pytest.raises(ValueError, match=r"got 'ISIC_X' \(1 of 51 have none\)"):
        folds.split(pl.concat([some, pl.Series(["ISIC_X"])]), 0)
    with pytest.raises(ValueError, match="expected k from 0 to 4, got 5"):
        folds.split(some, 5)


def test_more_hospitals_than_folds_and_fewer() -> None:
    for hospitals, groups in ((9, 5), (5, 5), (2, 2)):
        metadata = made_up(3, rows=600, hospitals=hospitals, nulls=False)
        folds = assign_hospital_folds(metadata)
        joined = folds.frame.join(metadata, on="isic_id")
        assert joined["hospital_fold"].n_unique() == groups
        assert joined.group_by("attribution").agg(pl.col("hospital_fold").n_unique())["hospital_fold"].to_list() == (
            [1] * hospitals
        )
        if hospitals > 5:
            sizes = joined["hospital_fold"].value_counts()["count"]
            assert max(sizes) <= 3 * min(sizes)


def test_a_patient_named_like_a_lesion_is_not_that_lesion() -> None:
    rows = [("a", None, 0), ("b", "a", 1), ("c", "a", 0), ("d", None, 1), ("e", "d", 0)]
    metadata = pl.DataFrame(rows, schema=["isic_id", "patient_id", "target"], orient="row")
    folds = assign_patient_folds(metadata, num_folds=4)
    fold = dict(zip(folds.frame["isic_id"], folds.frame["fold"], strict=True))
    assert fold["b"] == fold["c"]
    assert len(set(fold.values())) == 4


def test_fewer_malignant_patients_than_folds_leave_folds_without() -> None:
    metadata = made_up(4).with_columns(target=(pl.col("patient_id") == "IP_7").fill_null(value=False).cast(pl.Int8))
    malignant = [k.malignant for k in summarise_folds(assign_patient_folds(metadata), metadata)]
    assert sorted(number > 0 for number in malignant) == [False] * 4 + [True]
    assert assign_patient_folds(metadata.with_columns(target=0)).num_folds == 5


@pytest.mark.parametrize(
    ("change", "scheme", "message"),
    [
        ({"drop": "target"}, "patients", "no column 'target'. Folds are for training data"),
        ({"drop": "patient_id"}, "patients", "no column 'patient_id'"),
        ({"drop": "attribution"}, "hospitals", "no column 'attribution'"),
        ({"target": None}, "patients", "ISIC_0001: expected target 0 or 1, it is missing (2 rows in all)"),
        ({"target": 2}, "patients", "ISIC_0001: expected target 0 or 1, got 2 (2 rows in all)"),
        ({"isic_id": "ISIC_9"}, "patients", "ISIC_9 is there more than once"),
        ({"isic_id": None}, "patients", "an isic_id is missing"),
        ({"patient_id": "IP_1"}, "patients", "1 patients cannot fill 5 folds. Ask for fewer folds"),
        ({"attribution": "H"}, "hospitals", "only 'H' is named in column attribution: none can be held out"),
        ({"attribution": None}, "hospitals", "no hospital is named in column attribution"),
    ],
)
def test_what_cannot_be_dealt_is_told(change: dict, scheme: str, message: str) -> None:
    metadata = made_up(5, nulls=False).sort("isic_id")
    for column, value in change.items():
        if column == "drop":
            metadata = metadata.drop(value)
        elif column in ("target", "isic_id"):
            changed = pl.int_range(pl.len()).is_in([1, 2])
            metadata = metadata.with_columns(pl.when(changed).then(pl.lit(value)).otherwise(column).alias(column))
        else:
            metadata = metadata.with_columns(pl.lit(value, pl.String).alias(column))
    assign = assign_hospital_folds if scheme == "hospitals" else assign_patient_folds
    with pytest.raises(InputError) as caught:
        assign(metadata)
    assert message in str(caught.value)


def test_numbers_of_folds_out_of_range() -> None:
    for wrong in (1, 0, 101):
        with pytest.raises(ValueError, match="num_folds from 2 to 100"):
            assign_patient_folds(made_up(1), num_folds=wrong)


def test_folds_that_are_none() -> None:
    good = assign_patient_folds(made_up(1)).frame
    for wrong, message in (
        (good.drop("patient_id"), "expected frame of"),
        (pl.concat([good, good]), "distinct isic_id"),
        (good.with_columns(fold=pl.lit(5, pl.UInt8)), "expected fold below 5, got 5"),
        (good.with_columns(fold=pl.lit(None, pl.UInt8)), "an isic_id and a fold in every row"),
    ):
        with pytest.raises(ValueError, match=message):
            Folds(frame=wrong, scheme="patients", num_folds=5, seed=0)
    with pytest.raises(ValueError, match="expected scheme"):
        Folds(frame=good, scheme="lesions", num_folds=5, seed=0)


def test_files_come_back_as_they_went(tmp_path: Path) -> None:
    metadata = made_up(6)
    for name, assign in (("p", assign_patient_folds), ("h", assign_hospital_folds)):
        folds = assign(metadata, num_folds=4, seed=9)
        write_folds(folds, tmp_path / name)
        again = read_folds(tmp_path / name)
        assert again.frame.equals(folds.frame.sort("isic_id"))
        assert (again.scheme, again.num_folds, again.seed) == (folds.scheme, 4, 9)
        assert again.fingerprint == folds.fingerprint
        write_folds(again, tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()


def test_files_that_hold_no_folds(tmp_path: Path) -> None:
    file = tmp_path / "folds.parquet"
    folds = assign_patient_folds(made_up(6))
    write_folds(folds, file)
    content = file.read_bytes()
    with pytest.raises(InputError, match="no such file"):
        read_folds(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_folds(tmp_path)
    for wrong in (b"", b"isic_id,fold\n", content[:100], content[: len(content) // 2], content[:4] + content[9:]):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=r"is not a Parquet file|is cut short or damaged"):
            read_folds(file)
    folds.frame.write_parquet(file)
    with pytest.raises(InputError, match=r"holds no folds\. Make it with `isic folds`"):
        read_folds(file)
    metadata = pl.read_parquet_metadata(content) | {}
    kept = {name: value for name, value in metadata.items() if name != "ARROW:schema"}
    folds.frame.with_columns(fold=pl.lit(0, pl.UInt8)).write_parquet(file, metadata=kept)
    with pytest.raises(InputError, match="was changed after it was written"):
        read_folds(file)
    folds.frame.write_parquet(file, metadata={**kept, "num_folds": "two"})
    with pytest.raises(InputError, match="holds no usable folds"):
        read_folds(file)
    folds.frame.write_parquet(file, metadata={**kept, "scheme": "lesions"})
    with pytest.raises(InputError, match="holds no usable folds"):
        read_folds(file)


def test_a_summary_counts_what_each_round_does() -> None:
    metadata = made_up(7)
    folds = assign_hospital_folds(metadata)
    for k in summarise_folds(folds, metadata):
        training, held_out = folds.split(metadata["isic_id"], k.fold)
        rows = metadata.filter(pl.Series(held_out))
        unseen = metadata.filter(pl.Series(folds.unseen(metadata["isic_id"], k.fold)))
        assert (k.training, k.held_out, k.malignant) == (training.sum(), held_out.sum(), rows["target"].sum())
        assert k.patients == rows["patient_id"].drop_nulls().n_unique() + rows["patient_id"].null_count()
        assert (k.unseen, k.unseen_malignant) == (len(unseen), unseen["target"].sum())
        assert set(k.unseen_hospitals) == set(unseen["attribution"])
    bare = summarise_folds(folds, metadata.drop("attribution"))
    assert bare[0].hospitals is None
    with pytest.raises(InputError, match=r"the folds lack ISIC_X \(1 lesions in all\)"):
        summarise_folds(folds, pl.concat([metadata, metadata[:1].with_columns(isic_id=pl.lit("ISIC_X"))]))
    with pytest.raises(InputError, match="the data lack"):
        summarise_folds(folds, metadata[:-1])


def test_real_lesions_are_dealt_at_least_as_evenly_as_by_scikit_learn(real_data: Path) -> None:
    if not (real_data / "isic" / "train-metadata.csv").is_file():
        pytest.skip("no real metadata")
    metadata = open_lesions(real_data / "isic").read(["isic_id", "patient_id", "target", "attribution"])
    target, patient = metadata["target"].to_numpy(), metadata["patient_id"].to_numpy()
    theirs = np.zeros(len(metadata), dtype=int)
    kfold = StratifiedGroupKFold(5, shuffle=True, random_state=42)
    for k, (_, held_out) in enumerate(kfold.split(target, target, patient)):
        theirs[held_out] = k

    def spread(fold: np.ndarray) -> float:
        shares = [np.bincount(fold[target == one], minlength=5) / (target == one).sum() for one in (0, 1)]
        return float(np.mean([share.std() for share in shares]))

    folds = assign_patient_folds(metadata)
    assert spread(folds.fold_of(metadata["isic_id"])) <= spread(theirs)
    assert [k.malignant for k in summarise_folds(folds, metadata)].count(48) == 4
    hospitals = summarise_folds(assign_hospital_folds(metadata), metadata)
    assert sorted(name for k in hospitals for name in k.unseen_hospitals) == sorted(metadata["attribution"].unique())


def test_folds_of_other_patients_are_refused(tmp_path: Path) -> None:
    metadata = made_up(0)
    folds = assign_patient_folds(metadata, num_folds=3)
    check_patients(folds, metadata, tmp_path / "folds.parquet")
    check_patients(folds, metadata.head(5), tmp_path / "folds.parquet")
    first = pl.int_range(pl.len()) == 0
    moved = metadata.with_columns(pl.when(first).then(pl.lit("IP_other")).otherwise("patient_id").alias("patient_id"))
    with pytest.raises(InputError, match=rf"{metadata['isic_id'][0]} is of another patient there \(1 of "):
        check_patients(folds, moved, tmp_path / "folds.parquet")
    # A patient that has become known is another one too: its lesions may lie in several folds.
    with pytest.raises(InputError, match="another patient"):
        check_patients(
            assign_patient_folds(metadata.with_columns(patient_id=pl.lit(None, pl.String)), num_folds=3),
            metadata,
            tmp_path / "folds.parquet",
        )
