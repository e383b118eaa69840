"""Populations are fitted on training rows alone, and their quantiles stand for the exact distribution."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion.features import FeatureSet, compute, fit_population, full
from isic_lesion.features.catalogue import in_group
from isic_lesion.features.lesion import columns
from isic_lesion.features.population import grid_ranks

A = next(measure for measure in columns() if measure.name == "tbp_lv_A")
RANK = FeatureSet(name="rank", features=(in_group("hospital", "rank", A),))


def by_rows(values: np.ndarray, code: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the ranks one row at a time."""
    out = np.full(len(values), np.nan)
    for at, (value, group) in enumerate(zip(values, code, strict=True)):
        if group < 0 or np.isnan(value) or np.isnan(quantiles[group, 0]):
            continue
        grid, last = quantiles[group], quantiles.shape[1] - 1
        left, right = np.searchsorted(grid, value, "left"), np.searchsorted(grid, value, "right")
        if right > left:
            out[at] = (left + right - 1) / 2 / last
        elif left in (0, last + 1):
            out[at] = 0.0 if left == 0 else 1.0
        else:
            out[at] = (left - 1 + (value - grid[left - 1]) / (grid[left] - grid[left - 1])) / last
    return out


@given(seed=st.integers(0, 10_000), number=st.integers(0, 60), groups=st.integers(1, 4), tied=st.booleans())
@settings(deadline=None, max_examples=150)
def test_ranks_on_a_grid(seed: int, number: int, groups: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 8, number) + (0.0 if tied else rng.random(number))
    values[rng.random(number) < 0.1] = np.nan
    quantiles = np.sort(rng.integers(0, 8, (groups, 129)) + rng.random((groups, 129)) * rng.integers(0, 2), axis=1)
    quantiles[0] = np.nan if seed % 5 == 0 else quantiles[0]
    code = rng.integers(-1, groups, number).astype(np.intp)
    by_value = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    found = grid_ranks(values, by_value, code, quantiles)
    assert found == pytest.approx(by_rows(values, code, quantiles), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", ["continuous", "tied", "heavy"])
def test_a_rank_is_near_the_exact_one(kind: str) -> None:
    rng = np.random.default_rng(7)
    drawn = {"continuous": rng.lognormal(size=5000), "tied": rng.integers(0, 12, 5000) * 1.0, "heavy": rng.random(5000)}
    training = drawn[kind]
    if kind == "heavy":
        training[rng.random(5000) < 0.4] = 0.0
    rows = pl.DataFrame({"isic_id": np.arange(5000).astype(str), "attribution": "h", "tbp_lv_A": training})
    asked = np.unique(np.concatenate([training, training + 1e-3, [-5.0, 1e9]]))
    other = pl.DataFrame({"isic_id": np.arange(len(asked)).astype(str), "attribution": "h", "tbp_lv_A": asked})
    found = compute(other, RANK, fit_population(rows, RANK)).to_series().to_numpy()
    ordered = np.sort(training)
    exact = (np.searchsorted(ordered, asked, "left") + np.searchsorted(ordered, asked, "right")) / 2 / 5000
    on_values = np.isin(asked, training)
    assert np.abs(found - exact)[on_values | (kind == "continuous")].max() <= 1 / 128
    assert (np.diff(found) >= 0).all()


def test_rows_that_are_no_training_rows_change_nothing(some_rows) -> None:
    rows, chosen = some_rows(0), full()
    chosen = FeatureSet(name="x", features=tuple(f for f in chosen.features if f.crosses_patients))
    training, held_out = rows.head(70), rows.tail(50)
    population = fit_population(training, chosen)
    here = compute(held_out, chosen, population)
    there = compute(rows, chosen, population).tail(50)
    assert here.equals(there, null_equal=True)
    altered = held_out.with_columns(pl.col(pl.Float64) * 3, target=pl.lit(1))
    again = compute(pl.concat([altered, training], how="diagonal"), chosen, population).tail(70)
    assert again.equals(compute(training, chosen, population), null_equal=True)


def test_an_unseen_group_is_missing(some_rows) -> None:
    rows = some_rows(1, missing=0.0)
    hospital = rows["attribution"][0]
    chosen = FeatureSet(name="x", features=tuple(in_group("hospital", s, A) for s in ("z", "rank", "mean", "min")))
    population = fit_population(rows.filter(pl.col("attribution") != hospital), chosen)
    found = compute(rows, chosen, population)
    unseen = rows["attribution"] == hospital
    assert found.filter(unseen).select(pl.all().is_nan().all()).row(0) == (True,) * 4
    assert not found.filter(~unseen)["hospital.mean.tbp_lv_A"].is_nan().any()


def test_a_missing_category_has_no_group(some_rows) -> None:
    rows = some_rows(2).with_columns(attribution=pl.lit(None, pl.String))
    found = compute(rows, RANK, fit_population(rows, RANK))
    assert found.to_series().is_nan().all()
