"""Calibration against closed forms, scikit-learn and slow obvious versions."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from isic_lesion.metrics import calibration
from isic_lesion.metrics.calibration import (
    brier_decomposition,
    brier_score,
    calibration_line,
    expected_calibration_error,
    log_loss,
    observed_to_expected,
    reliability_by_count,
    reliability_by_width,
    wilson_interval,
)
from isic_lesion.metrics.recalibration import apply_logistic, logit


def drawn(number: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lesions whose probabilities are right."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.5, 3, number)
    return (rng.random(number) < chance).astype(int), chance


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row = st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3))
    rows = [*draw(st.lists(row, min_size=1, max_size=30)), (draw(st.integers(0, 1)), draw(st.integers(0, 8)), 1)]
    target, eighths, weights = np.array(rows).T
    return target, eighths / 8, weights


def test_examples() -> None:
    assert doctest.testmod(calibration).failed == 0


def test_scores_are_those_of_scikit_learn() -> None:
    target, chance = drawn()
    weights = np.random.default_rng(1).integers(0, 4, len(target))
    assert brier_score(target, chance) == pytest.approx(brier_score_loss(target, chance), abs=1e-14)
    assert log_loss(target, chance) == pytest.approx(sklearn_log_loss(target, chance), abs=1e-12)
    assert brier_score(target, chance, weights=weights) == pytest.approx(
        brier_score_loss(target, chance, sample_weight=weights), abs=1e-14
    )
    assert log_loss(target, chance, weights=weights) == pytest.approx(
        sklearn_log_loss(target, chance, sample_weight=weights), abs=1e-12
    )


@given(cases(), st.integers(1, 9))
def test_weights_are_repeated_rows_and_rows_have_no_order(case, num_bins: int) -> None:
    target, chance, weights = case
    repeated = np.repeat(np.arange(len(target)), weights)
    shuffled = np.random.default_rng(0).permutation(repeated)
    for curve in (reliability_by_width, reliability_by_count):
        weighted = curve(target, chance, num_bins=num_bins, weights=weights)
        plain = curve(target[shuffled], chance[shuffled], num_bins=num_bins)
        for name in ("lowest", "highest", "predicted", "observed", "weight"):
            np.testing.assert_allclose(getattr(weighted, name), getattr(plain, name), atol=1e-12)
        assert plain.weight.sum() == len(repeated)
    assert brier_score(target, chance, weights=weights) == pytest.approx(
        brier_score(target[repeated], chance[repeated])
    )
    assert log_loss(target, chance, weights=weights) == pytest.approx(log_loss(target[repeated], chance[repeated]))


@given(cases(), st.integers(1, 9))
def test_the_parts_of_brier_add_up(case, num_bins: int) -> None:
    target, chance, weights = case
    parts = brier_decomposition(target, chance, num_bins=num_bins, weights=weights)
    assert parts.score == pytest.approx(
        parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins, abs=1e-12
    )
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= -1e-12


def test_murphys_parts_where_bins_hold_one_probability() -> None:
    target, chance = np.array([0, 0, 0, 1, 1, 1, 0, 1]), np.repeat([0.1, 0.8], 4)
    parts = brier_decomposition(target, chance, num_bins=2)
    assert parts.within_bins == pytest.approx(0, abs=1e-15)
    assert parts.reliability == pytest.approx((0.15**2 + 0.05**2) / 2)
    assert parts.resolution == pytest.approx(0.25**2)
    assert parts.uncertainty == pytest.approx(0.25)


def test_bins_of_equal_width_by_hand() -> None:
    curve = reliability_by_width([0, 1, 0, 1, 1], [0.0, 0.1, 0.5, 0.95, 1.0], num_bins=10)
    assert curve.weight.tolist() == [1, 1, 1, 2]
    assert curve.observed.tolist() == [0, 1, 0, 1]
    assert curve.highest.tolist() == [0.0, 0.1, 0.5, 1.0]
    assert curve.predicted[-1] == pytest.approx(0.975)
    assert expected_calibration_error(curve) == pytest.approx((0 + 0.9 + 0.5 + 2 * 0.025) / 5)


def test_bins_of_equal_count_are_equal_and_keep_ties_together() -> None:
    target, chance = drawn()
    curve = reliability_by_count(target, chance, num_bins=8)
    assert curve.weight.tolist() == [500] * 8
    assert (curve.lowest[1:] >= curve.highest[:-1]).all()
    assert ((curve.low <= curve.predicted) & (curve.predicted <= curve.high)).mean() >= 0.75
    tied = reliability_by_count([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.9], num_bins=4)
    assert tied.weight.tolist() == [3, 1]


def test_wilson_by_its_quadratic() -> None:
    share, count, z = 0.2, 25, 1.96
    low, high = wilson_interval(share, count, z=z)
    for end in (low, high):
        assert (share - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / count)
    assert low < share < high
    assert wilson_interval([0.0, 1.0], [5, 5])[:, 1].tolist() == pytest.approx([0.565518, 1.0], abs=1e-6)


def test_the_line_of_right_probabilities_and_of_bent_ones() -> None:
    target, chance = drawn(40_000)
    kept = (chance > 1e-3) & (chance < 0.999)  # bent ones stay clear of the ends
    target, chance = target[kept], chance[kept]
    line = calibration_line(target, chance)
    assert line.slope == pytest.approx(1, abs=0.05)
    assert line.intercept == pytest.approx(0, abs=0.1)
    bent = calibration_line(target, apply_logistic(line._replace(intercept=0.7, slope=2.0), logit(chance)))
    assert bent.slope == pytest.approx(line.slope / 2, abs=1e-6)
    assert bent.intercept == pytest.approx(line.intercept - line.slope * 0.35, abs=1e-6)


def test_certain_and_wrong_is_infinite_but_certain_and_right_is_not() -> None:
    assert log_loss([1, 0], [0.0, 0.5]) == float("inf")
    assert log_loss([1, 0], [1.0, 0.0]) == 0.0
    assert log_loss([1, 0], [0.0, 0.5], weights=[0, 1]) == pytest.approx(np.log(2))
    assert log_loss([0], [1e-20]) == pytest.approx(1e-20, rel=1e-9)


def test_observed_to_expected() -> None:
    assert observed_to_expected([1, 0, 0, 0], [0.2, 0.1, 0.1, 0.1]) == pytest.approx(2)
    assert observed_to_expected([1, 0], [0.2, 0.8], weights=[1, 0]) == pytest.approx(5)
    assert observed_to_expected([1], [0.0]) == float("inf")


@pytest.mark.parametrize("measure", [brier_score, log_loss, reliability_by_count, reliability_by_width])
@pytest.mark.parametrize(
    ("error", "arguments", "keywords", "message"),
    [
        (ValueError, ([0, 1], [0.5]), {}, "expected probability of target's shape"),
        (ValueError, ([0, 2], [0.5, 0.5]), {}, "expected target of 0 and 1, got 2 at position 1"),
        (ValueError, ([0, 1], [0.5, 1.5]), {}, r"expected probability in \[0, 1\], got 1.5 at position 1"),
        (ValueError, ([0, 1], [0.5, np.nan]), {}, r"expected probability in \[0, 1\], got nan"),
        (ValueError, ([0, 1], [0.5, 0.5]), {"weights": [1, -1]}, "expected finite weights of at least 0, got -1"),
        (ValueError, ([0, 1], [0.5, 0.5]), {"weights": [0, 0]}, "expected at least one lesion with weight"),
        (ValueError, ([], []), {}, "expected at least one lesion with weight"),
        (ValueError, ([[0]], [[0.5]]), {}, r"expected target of shape \(N,\)"),
        (TypeError, (["0"], [0.5]), {}, "expected target of a real dtype"),
    ],
)
def test_bad_input(measure, error, arguments, keywords, message) -> None:
    with pytest.raises(error, match=message):
        measure(*(np.array(argument) for argument in arguments), **keywords)


def test_no_bins() -> None:
    with pytest.raises(ValueError, match="num_bins of at least 1"):
        reliability_by_count([0], [0.5], num_bins=0)
