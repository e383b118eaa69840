"""History looks at earlier ages of the same patient and location alone, in no order."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion.features import CATALOGUE, Feature, FeatureSet, compute
from isic_lesion.features.feature import STATISTICS

HISTORY = FeatureSet(
    name="history",
    features=tuple(
        Feature(name=name, kind="history", formulas=() if name in ("number", "years") else ("B",), statistic=name)
        for name in STATISTICS["history"]
    ),
)
SHIFTS = FeatureSet(
    name="shifts",
    features=tuple(
        Feature(name=name, kind="file_order", formulas=("B",), statistic=name) for name in ("previous", "change")
    ),
)
Row = tuple[str | None, str | None, float | None, float | None]
rows_of = st.lists(
    st.tuples(
        st.sampled_from(["p", "q", None]),
        st.sampled_from(["Left Arm", "Left Leg", None]),
        st.sampled_from([30.0, 35.0, 40.0, 45.0, None]),
        st.sampled_from([1.0, 2.0, 4.5, -3.0, None]),
    ),
    max_size=30,
)


def frame_of(rows: list[Row]) -> pl.DataFrame:
    columns = ("patient_id", "tbp_lv_location", "age_approx", "tbp_lv_B")
    schema = dict(zip(columns, (pl.String, pl.String, pl.Float64, pl.Float64), strict=True))
    return pl.DataFrame(rows, schema=schema, orient="row").with_row_index("isic_id").cast({"isic_id": pl.String})


def slowly(rows: list[Row], at: int) -> dict[str, float]:
    """Return every statistic by its definition."""
    who, where, age, value = rows[at]
    if who is None or where is None or age is None:
        return dict.fromkeys(STATISTICS["history"], math.nan)
    earlier = [(a, v) for w, place, a, v in rows if (w, place) == (who, where) and a is not None and a < age]
    told = dict.fromkeys(STATISTICS["history"], math.nan) | {"number": float(len(earlier))}
    if not earlier:
        return told
    latest = max(a for a, _ in earlier)
    told["years"] = age - latest
    seen = [v for a, v in earlier if a == latest and v is not None]
    if seen:
        told["previous"] = sum(seen) / len(seen)
        if value is not None:
            told["change"] = value - told["previous"]
            told["change_per_year"] = told["change"] / told["years"]
    return told


@given(rows=rows_of)
@settings(deadline=None, max_examples=60)
def test_by_its_definition(rows: list[Row]) -> None:
    computed = compute(frame_of(rows), HISTORY).to_dicts()
    for at, row in enumerate(computed):
        assert row == pytest.approx(slowly(rows, at), rel=1e-6, nan_ok=True)


@given(rows=rows_of, seed=st.integers(0, 99), now=st.sampled_from([30.0, 35.0, 40.0]))
@settings(deadline=None, max_examples=40)
def test_the_future_is_not_seen(rows: list[Row], seed: int, now: float) -> None:
    """Rows of later ages are permuted, altered, dropped and added; what is known by now stays."""
    rng = np.random.default_rng(seed)
    frame = frame_of(rows)
    by_now = frame.filter(pl.col("age_approx") <= now)
    later = frame.filter(pl.col("age_approx") > now).with_columns(pl.col("tbp_lv_B") * 7 - 1, pl.col("age_approx") + 5)
    other = pl.concat([later.sample(fraction=rng.random(), shuffle=True, seed=seed), by_now]).sample(
        fraction=1, shuffle=True, seed=seed
    )
    here = compute(by_now, HISTORY).with_columns(by_now["isic_id"]).sort("isic_id")
    there = compute(other, HISTORY).with_columns(other["isic_id"])
    assert here.equals(there.filter(pl.col("isic_id").is_in(by_now["isic_id"].implode())).sort("isic_id"))


@given(rows=rows_of, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_the_order_of_rows_is_not_seen(rows: list[Row], seed: int) -> None:
    frame = frame_of(rows)
    other = frame.sample(fraction=1, shuffle=True, seed=seed)
    here = compute(frame, HISTORY).with_columns(frame["isic_id"]).sort("isic_id")
    assert here.equals(compute(other, HISTORY).with_columns(other["isic_id"]).sort("isic_id"))


@given(rows=rows_of)
@settings(deadline=None, max_examples=40)
def test_the_shift_of_the_file(rows: list[Row]) -> None:
    before: dict[tuple[str, str], float | None] = {}
    for (who, where, _, value), row in zip(rows, compute(frame_of(rows), SHIFTS).to_dicts(), strict=True):
        previous = None if who is None or where is None else before.get((who, where))
        assert row["previous"] == (pytest.approx(math.nan, nan_ok=True) if previous is None else previous)
        change = None if previous is None or value is None else value - previous
        assert row["change"] == (pytest.approx(math.nan, nan_ok=True) if change is None else change)
        if who is not None and where is not None:
            before[who, where] = value


def test_only_one_set_depends_on_the_order_of_the_file() -> None:
    shifting = {name for name, make in CATALOGUE.items() if any(f.kind == "file_order" for f in make().features)}
    assert shifting == {"original-file-order"}
