"""Bootstrap over patients: each resample is the weighted metric, and intervals behave as they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion import auc, partial_auc
from isic_lesion.metrics.bootstrap import (
    bootstrap_difference,
    bootstrap_partial_auc,
    partial_auc_of_resamples,
    partial_aucs_of_resamples,
    percentile_interval,
)


def drawn(seed: int, number: int = 3000, patients: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.random(number) < 0.03
    return target.astype(int), rng.normal(size=number) + 1.5 * target, rng.integers(0, patients, number)


@st.composite
def cases(draw: st.DrawFn) -> np.ndarray:
    row = st.tuples(st.integers(0, 1), st.integers(-2, 2), st.integers(0, 3))
    return np.array([*draw(st.lists(row, max_size=20)), (1, draw(st.integers(-2, 2)), 0), (0, 0, 1)]).T


@settings(max_examples=50)
@given(cases(), st.sampled_from([0.0, 0.8]))
def test_a_resample_is_the_metric_with_patients_as_weights(case: np.ndarray, min_tpr: float) -> None:
    target, score, patient = case
    areas = partial_auc_of_resamples(target, score, patient, seed=5, min_tpr=min_tpr, num_resamples=20)
    owners, owner = np.unique(patient, return_inverse=True)
    draws = np.random.default_rng(5).multinomial(len(owners), np.full(len(owners), 1 / len(owners)), size=20)
    for area, times in zip(areas, draws, strict=True):
        weights = times[owner]
        if weights[target == 1].sum() == 0 or weights[target == 0].sum() == 0:
            assert np.isnan(area)
        else:
            assert area == pytest.approx(partial_auc(target, score, min_tpr=min_tpr, weights=weights), abs=1e-12)


def test_seeded_named_patients_and_blocks() -> None:
    target, score, patient = drawn(0)
    one = bootstrap_partial_auc(target, score, patient, seed=3, num_resamples=600)
    names = np.array([f"IP_{number:03}" for number in patient])
    assert bootstrap_partial_auc(target, score, names, seed=3, num_resamples=600) == one
    assert bootstrap_partial_auc(target, score, patient, seed=4, num_resamples=600) != one
    assert one.value == partial_auc(target, score)
    assert one.low < one.value < one.high
    assert one.defined == 1
    first = partial_auc_of_resamples(target, score, patient, seed=3, num_resamples=256)
    np.testing.assert_array_equal(
        first, partial_auc_of_resamples(target, score, patient, seed=3, num_resamples=600)[:256]
    )


def test_several_areas_at_once() -> None:
    target, score, patient = drawn(0)
    together = partial_aucs_of_resamples(target, score, patient, seed=3, min_tprs=(0.8, 0.0), num_resamples=300)
    for row, min_tpr in zip(together, (0.8, 0.0), strict=True):
        alone = partial_auc_of_resamples(target, score, patient, seed=3, min_tpr=min_tpr, num_resamples=300)
        np.testing.assert_array_equal(row, alone)


def test_as_many_patients_as_lesions(monkeypatch) -> None:
    target, score, patient = drawn(0)
    expected = partial_auc_of_resamples(target, score, patient, seed=3, num_resamples=50)
    monkeypatch.setattr("isic_lesion.metrics.bootstrap._MOST_CELLS", 1000)
    found = partial_auc_of_resamples(target, score, patient, seed=3, num_resamples=50)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_whole_area_is_the_auc() -> None:
    target, score, patient = drawn(1)
    assert bootstrap_partial_auc(target, score, patient, seed=0, min_tpr=0.0).value == auc(target, score)


def test_patients_that_agree_within_widen_the_interval() -> None:
    target, score, _ = drawn(2, number=400)
    alone = np.arange(400)
    wide = bootstrap_partial_auc(np.tile(target, 5), np.tile(score, 5), np.tile(alone, 5), seed=0)
    narrow = bootstrap_partial_auc(np.tile(target, 5), np.tile(score, 5), np.arange(2000), seed=0)
    assert wide.standard_error == pytest.approx(2.2 * narrow.standard_error, rel=0.25)


def test_a_difference_is_paired() -> None:
    target, score, patient = drawn(3)
    close = score + np.random.default_rng(0).normal(size=len(score)) * 0.1
    difference = bootstrap_difference(target, score, close, patient, seed=0)
    assert difference.value == pytest.approx(partial_auc(target, score) - partial_auc(target, close))
    assert difference.standard_error < 0.5 * bootstrap_partial_auc(target, score, patient, seed=0).standard_error
    same = bootstrap_difference(target, score, 2 * score, patient, seed=0)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_one_patient_with_the_disease_has_no_interval() -> None:
    found = bootstrap_partial_auc([1, 0, 0, 0], [0.9, 0.2, 0.3, 0.1], ["a", "b", "c", "d"], seed=0)
    assert found.value == pytest.approx(0.2)
    assert np.isnan([found.low, found.high, found.standard_error]).all()
    assert 0.5 < found.defined < 0.8


@pytest.mark.parametrize("patients", [1, 4, 5])
def test_few_patients_have_no_interval(patients: int) -> None:
    target, score, _ = drawn(4, number=400)
    found = bootstrap_partial_auc(target, score, np.arange(400) % patients, seed=0, num_resamples=50)
    assert found.defined == 1
    assert np.isnan(found.low) == np.isnan(found.standard_error) == (patients < 5)
    assert not np.isnan(found.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_resamples": 0}, "expected num_resamples"),
        ({"confidence": 1.0}, "expected confidence"),
        ({"min_tpr": 1.0}, "expected min_tpr"),
        ({"patient": [1]}, "expected patient of target's shape"),
        ({"score": [0.1, float("nan")]}, "without NaN"),
        ({"target": [1, 1]}, "at least one benign"),
    ],
)
def test_bad_arguments(keywords, message) -> None:
    arguments = {"target": [0, 1], "score": [0.1, 0.2], "patient": [0, 1], "seed": 0, **keywords}
    with pytest.raises(ValueError, match=message):
        bootstrap_partial_auc(**arguments)


def test_an_interval_of_normal_resamples() -> None:
    found = percentile_interval(5.0, np.random.default_rng(0).normal(5, 2, 100_000), confidence=0.9)
    assert found.low == pytest.approx(5 - 1.6449 * 2, abs=0.05)
    assert found.high == pytest.approx(5 + 1.6449 * 2, abs=0.05)
    assert found.standard_error == pytest.approx(2, abs=0.02)
