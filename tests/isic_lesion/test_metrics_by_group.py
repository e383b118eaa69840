"""Group-wise metrics: the values of the ungrouped ones, null where there are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic_lesion import auc, number_needed_to_treat, partial_auc, se_top_k
from isic_lesion.metrics.by_group import (
    age_band_expr,
    auc_expr,
    metrics_by,
    metrics_by_each,
    number_needed_to_treat_expr,
    partial_auc_expr,
    within_top_k_expr,
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    row = st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3))
    rows = draw(st.lists(row, min_size=1, max_size=40))
    return pl.DataFrame(
        rows, schema={"site": pl.String, "target": pl.Int8, "score": pl.Float64, "patient_id": pl.Int64}, orient="row"
    )


@given(frames(), st.sampled_from([0.0, 0.3, 0.8]), st.sampled_from([0.01, 0.5, 0.8, 0.9, 1.0]))
def test_each_group_has_the_values_of_its_lesions(frame: pl.DataFrame, min_tpr: float, sensitivity: float) -> None:
    grouped = frame.group_by("site").agg(
        partial_auc_expr("target", "score", min_tpr=min_tpr).alias("area"),
        auc_expr("target", "score"),
        number_needed_to_treat_expr("target", "score", sensitivity=sensitivity),
    )
    for site, area, whole, needed in grouped.iter_rows():
        target, score = frame.filter(site=site).select("target", "score").to_numpy().T
        if 0 < target.sum() < len(target):
            assert area == pytest.approx(partial_auc(target, score, min_tpr=min_tpr), abs=1e-12)
            assert whole == pytest.approx(auc(target, score), abs=1e-12)
            assert needed == pytest.approx(number_needed_to_treat(target, score, sensitivity=sensitivity))
        else:
            assert (area, whole, needed) == (None, None, None)


@given(frames(), st.integers(1, 5))
def test_places_among_all_lesions_of_the_patient(frame: pl.DataFrame, k: int) -> None:
    malignant = frame.with_columns(within_top_k_expr("score", "patient_id", k=k)).filter(target=1)
    if malignant.height:
        expected = se_top_k(frame["target"], frame["score"], frame["patient_id"].to_numpy(), k=k)
        assert malignant[f"within_top_{k}"].mean() == pytest.approx(expected)


def test_a_table_by_group() -> None:
    frame = pl.DataFrame(
        {
            "target": [1, 0, 0, 0, 1, 1],
            "score": [0.9, 0.1, 0.2, 0.3, 0.5, 0.4],
            "patient_id": ["p", "p", "p", "q", "q", None],
            "site": ["leg", "leg", "arm", "arm", None, None],
        }
    )
    table = metrics_by(frame, "site")
    assert table["site"].to_list() == ["arm", "leg", None]
    assert table["lesions"].to_list() == [2, 2, 2]
    assert table["malignant"].to_list() == [0, 1, 2]
    assert table["patients"].to_list() == [2, 1, 2]
    assert table["partial_auc"].to_list() == [None, pytest.approx(0.2), None]
    assert table["nnt80"].to_list() == [None, 1.0, None]
    assert table["se_top_15"].to_list() == [None, 1.0, 1.0]
    without = metrics_by(frame, "site", patient=None)
    assert without.columns == [name for name in table.columns if name not in ("patients", "se_top_15")]
    assert metrics_by(frame, "score", score="score")["lesions"].sum() == 6
    assert metrics_by(frame.clear(), "site").height == 0


def test_several_columns_at_once() -> None:
    frame = pl.DataFrame(
        {
            "target": [1, 0, 0, 1],
            "score": [0.9, 0.1, 0.2, 0.3],
            "patient_id": ["p", "p", "q", "q"],
            "site": ["leg", "leg", "arm", "arm"],
            "sex": [None, "male", "male", None],
        }
    )
    together = metrics_by_each(frame, ["site", "sex"])
    assert list(together) == ["site", "sex"]
    for column, table in together.items():
        assert table.equals(metrics_by(frame, column))


def test_real_out_of_fold_scores(real_data) -> None:
    folder = real_data / "isic" / "oof"
    if not folder.is_dir():
        pytest.skip("no real out-of-fold scores")
    frame = pl.concat(
        pl.read_csv(folder / f"gbdt_fold{fold}.csv.gz").with_columns(fold=pl.lit(fold)) for fold in range(1, 6)
    )
    table = metrics_by(frame, "fold", target="labels", score="preds", patient=None)
    assert table["lesions"].sum() == 401_059
    assert table["partial_auc"].to_list() == pytest.approx(
        [0.16132415030332778, 0.1635478552512124, 0.17584563167278894, 0.14345394165161734, 0.15062410797375386],
        abs=1e-12,
    )


def test_age_bands() -> None:
    ages = pl.DataFrame({"age_approx": [None, 0.0, 19.0, 20.0, 85.0]})
    assert ages.select(age_band_expr()).to_series().to_list() == [None, "0-19", "0-19", "20-39", "80-99"]
    texts = pl.DataFrame({"age": ["45.0", "NA", None]})
    assert texts.select(age_band_expr("age")).to_series().to_list() == ["40-59", None, None]
    assert ages.select(age_band_expr(years=10)).to_series().to_list()[-1] == "80-89"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: partial_auc_expr("t", "s", min_tpr=1), "expected min_tpr"),
        (lambda: number_needed_to_treat_expr("t", "s", sensitivity=0), "expected sensitivity"),
        (lambda: within_top_k_expr("s", "p", k=0), "expected k"),
        (lambda: age_band_expr(years=0), "expected years"),
    ],
)
def test_bad_arguments(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("score", [0.1, None], "expected a number in score, got None in row 1"),
        ("score", [float("nan"), 0.1], "expected a number in score, got nan in row 0"),
        ("target", [0, 2], "expected 0 or 1 in target, got 2 in row 1"),
        ("target", [0, None], "expected 0 or 1 in target, got None in row 1"),
        ("elsewhere", [0, 0], "expected a column 'site'"),
    ],
)
def test_bad_rows(column, values, message) -> None:
    columns = {"target": [0, 1], "score": [0.1, 0.2], "patient_id": ["p", "p"], "site": ["x", "x"]}
    columns[column] = values
    if column == "elsewhere":
        del columns["site"]
    with pytest.raises(ValueError, match=message):
        metrics_by(pl.DataFrame(columns), "site")


def test_groups_of_many_lesions_sum_to_all() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "target": (rng.random(20_000) < 0.01).astype(np.int8),
            "score": rng.normal(size=20_000).astype(np.float32),
            "patient_id": rng.integers(0, 50, 20_000),
            "site": rng.integers(0, 7, 20_000),
        }
    )
    table = metrics_by(frame, "site")
    assert table["lesions"].sum() == 20_000
    for row in table.iter_rows(named=True):
        part = frame.filter(site=row["site"])
        assert row["partial_auc"] == pytest.approx(partial_auc(part["target"], part["score"]), abs=1e-12)
