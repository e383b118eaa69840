"""The local outlier factor is scikit-learn's, within each patient, whatever how many lesions there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import LocalOutlierFactor

from isic_lesion.features import Feature, FeatureSet, compute
from isic_lesion.features.outliers import outlier_factors

MEASURES = ("A", "B", "L", "size", "minorAxisMM / size")


def isolation(neighbours: int) -> FeatureSet:
    feature = Feature(
        name="o", kind="outlier", formulas=MEASURES, statistic="local_outlier_factor", neighbours=neighbours
    )
    return FeatureSet(name="o", features=(feature,))


@given(number=st.integers(2, 60), wide=st.integers(1, 20), neighbours=st.integers(1, 30), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=30)
def test_it_is_scikit_learns(number: int, wide: int, neighbours: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(number, wide))
    nearest = min(neighbours, number - 1)
    theirs = -LocalOutlierFactor(n_neighbors=nearest, algorithm="brute").fit(points).negative_outlier_factor_
    assert outlier_factors(points, nearest) == pytest.approx(theirs, rel=1e-6)  # theirs cancels a little


def test_equal_points_are_no_outliers() -> None:
    points = np.zeros((50, 3))
    assert outlier_factors(points, 20) == pytest.approx(np.ones(50))
    points[0] = 5.0
    factors = outlier_factors(points, 20)
    assert factors[0] > 1e6
    assert factors[1:] == pytest.approx(np.ones(49))


def test_many_lesions_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(300, 6))
    whole = outlier_factors(points, 20)
    monkeypatch.setattr("isic_lesion.features.outliers._BLOCK", 7 * 300)
    assert outlier_factors(points, 20) == pytest.approx(whole, rel=1e-12)


def test_a_patient_is_among_its_own(some_rows) -> None:
    rows = some_rows(0)
    found = compute(rows, isolation(10))["o"].to_numpy()
    counts = rows.group_by("patient_id").len()
    alone = counts.filter(counts["len"] == 1)["patient_id"].to_list()
    assert alone
    for patient in rows["patient_id"].unique():
        own = (rows["patient_id"] == patient).to_numpy()
        if patient in alone:
            assert np.isnan(found[own]).all()
            continue
        columns = [rows[name].fill_null(np.nan).to_numpy()[own] for name in ("tbp_lv_A", "tbp_lv_B", "tbp_lv_L")]
        size = rows["clin_size_long_diam_mm"].fill_null(np.nan).to_numpy()[own]
        columns += [size, rows["tbp_lv_minorAxisMM"].fill_null(np.nan).to_numpy()[own] / (size + 1e-6)]
        points = np.stack(columns, axis=1)
        scaled = np.nan_to_num((points - np.nanmean(points, axis=0)) / np.nanstd(points, axis=0, ddof=1))
        model = LocalOutlierFactor(n_neighbors=min(10, len(scaled) - 1), algorithm="brute").fit(scaled)
        assert found[own] == pytest.approx(-model.negative_outlier_factor_, rel=1e-5)
