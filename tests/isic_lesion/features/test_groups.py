"""Statistics within groups, against the slow obvious way."""

from __future__ import annotations

import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion.features import Feature, FeatureSet, compute, fit_population
from isic_lesion.features.feature import STATISTICS

measures = st.one_of(
    st.none(), st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e-3, 1e6]), st.floats(-1e6, 1e6).map(lambda v: round(v, 3))
)
rows_of = st.lists(st.tuples(measures, st.sampled_from([None, "a", "b", "c"]), st.sampled_from("pq")), max_size=25)


def frame_of(rows: list[tuple[float | None, str | None, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "isic_id": [f"ISIC_{number:03d}" for number in range(len(rows))],
            "patient_id": [who for _, _, who in rows],
            "anatom_site_general": [site for _, site, _ in rows],
            "tbp_lv_A": [value for value, _, _ in rows],
        },
        schema={
            "isic_id": pl.String,
            "patient_id": pl.String,
            "anatom_site_general": pl.String,
            "tbp_lv_A": pl.Float64,
        },
    )


def all_statistics(group: tuple[str, ...]) -> FeatureSet:
    return FeatureSet(
        name="all",
        features=tuple(
            Feature(name=name, kind="group", formulas=() if name == "count" else ("A",), group=group, statistic=name)
            for name in STATISTICS["group"]
        ),
    )


def slowly(value: float | None, group: list[float | None]) -> dict[str, float]:
    """Return every statistic by its definition."""
    seen = [other for other in group if other is not None]
    told = {"count": float(len(group)), "sum": math.fsum(seen)} | dict.fromkeys(("mean", "sd", "min", "max"), math.nan)
    told |= dict.fromkeys(("z", "difference", "ratio", "rank"), math.nan)
    if not seen:
        return told
    mean = math.fsum(seen) / len(seen)
    told |= {"mean": mean, "min": min(seen), "max": max(seen)}
    if len(seen) > 1:
        told["sd"] = 0.0 if min(seen) == max(seen) else statistics.stdev(seen)
    if value is not None:
        told["difference"] = value - mean
        told["ratio"] = value / (mean + (-1e-6 if mean < 0 else 1e-6))
        if told["sd"] > 0:
            told["z"] = (value - mean) / told["sd"]
        told["rank"] = (sum(v < value for v in seen) + sum(v == value for v in seen) / 2) / len(seen)
    return told


@pytest.mark.parametrize("group", [("patient_id",), ("patient_id", "anatom_site_general")])
@given(rows=rows_of)
@settings(deadline=None, max_examples=60)
def test_within_patients(group: tuple[str, ...], rows: list[tuple[float | None, str | None, str]]) -> None:
    frame = frame_of(rows)
    computed = compute(frame, all_statistics(group)).to_dicts()
    for row, (value, site, who) in zip(computed, rows, strict=True):
        if site is None and len(group) == 2:
            assert all(math.isnan(told) for told in row.values())
            continue
        mates = [v for v, s, w in rows if w == who and (len(group) == 1 or s == site)]
        expected = slowly(value, mates)
        scale = max((abs(v) for v in mates if v is not None), default=0.0)
        for name, told in row.items():
            if name == "ratio" and abs(expected["mean"]) < 1e-6:
                continue  # the divisor is all guard and rounding
            if name == "z" and expected["sd"] < 1e-9 * scale:
                continue  # a spread that rounding makes or unmakes
            assert told == pytest.approx(expected[name], rel=2e-6, abs=1e-6 * scale, nan_ok=True), name


@given(rows=rows_of.filter(len))
@settings(deadline=None, max_examples=60)
def test_across_patients_of_training_rows(rows: list[tuple[float | None, str | None, str]]) -> None:
    """A group of a few values has quantiles that hold every value: the rank of a training row is nearly exact."""
    frame = frame_of(rows)
    chosen = all_statistics(("anatom_site_general",))
    computed = compute(frame, chosen, fit_population(frame, chosen)).to_dicts()
    for row, (value, site, _) in zip(computed, rows, strict=True):
        if site is None:
            assert all(math.isnan(told) for told in row.values())
            continue
        mates = [v for v, s, _ in rows if s == site]
        expected = slowly(value, mates)
        scale = max((abs(v) for v in mates if v is not None), default=0.0)
        for name in ("count", "sum", "mean", "sd", "min", "max", "difference"):
            assert row[name] == pytest.approx(expected[name], rel=2e-6, abs=1e-6 * scale, nan_ok=True), name
        assert math.isnan(row["rank"]) == math.isnan(expected["rank"])
        assert math.isnan(row["rank"]) or 0 <= row["rank"] <= 1


def test_nothing_cancels() -> None:
    """A spread of 1e-3 about 1e6 keeps its digits, as sums of squares would not."""
    values = 1e6 + 1e-3 * np.arange(1000)
    frame = pl.DataFrame({"isic_id": np.arange(1000).astype(str), "patient_id": ["p"] * 1000, "tbp_lv_A": values})
    found = compute(frame, all_statistics(("patient_id",)))
    exact = (np.arange(1000) - 499.5) / np.std(np.arange(1000), ddof=1)
    assert np.abs(found["z"].to_numpy() - exact).max() < 1e-5


@pytest.mark.parametrize("values", [[0.1] * 7, [1e300, 1e300], [0.0, 0.0]])
def test_a_constant_group_has_no_yardstick(values: list[float]) -> None:
    frame = pl.DataFrame({"isic_id": [str(i) for i in range(len(values))], "patient_id": "p", "tbp_lv_A": values})
    found = compute(frame, all_statistics(("patient_id",)))
    assert found["sd"].to_list() == [0.0] * len(values)
    assert found["z"].is_nan().all()
    assert found["rank"].to_list() == [0.5] * len(values)


def test_many_groups() -> None:
    """More groups than 16 bits hold are ranked all the same."""
    number = 70_000
    frame = pl.DataFrame({"isic_id": np.arange(number).astype(str), "tbp_lv_A": np.arange(number) % 5.0}).with_columns(
        patient_id=pl.col("isic_id").str.slice(0, 4), anatom_site_general=pl.col("isic_id")
    )
    chosen = all_statistics(("patient_id", "anatom_site_general")).select(["rank", "count"])
    found = compute(frame, chosen)
    assert found["rank"].unique().to_list() == [0.5]
    assert found["count"].unique().to_list() == [1.0]
