"""Recalibration against scikit-learn, closed forms and properties."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from isic_lesion.metrics import recalibration
from isic_lesion.metrics.recalibration import (
    Logistic,
    apply_isotonic,
    apply_logistic,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    logit,
    shift_prior,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row = st.tuples(st.integers(0, 1), st.integers(-4, 4), st.integers(0, 3))
    rows = [*draw(st.lists(row, max_size=30)), (0, draw(st.integers(-4, 4)), 1), (1, draw(st.integers(-4, 4)), 2)]
    target, score, weights = np.array(rows).T
    return target, score.astype(float), weights


def overlapping(seed: int = 0, number: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(3, 20, number)
    return (rng.random(number) < 1 / (1 + np.exp(2 - 0.1 * score))).astype(int), score


def test_examples() -> None:
    assert doctest.testmod(recalibration).failed == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_logistic_curve_is_scikit_learns_without_penalty(seed: int) -> None:
    target, score = overlapping(seed)
    weights = np.random.default_rng(seed).integers(0, 3, len(target))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(score[:, None], target, sample_weight=weights)
    fitted = fit_logistic(target, score, weights=weights)
    assert fitted.slope == pytest.approx(model.coef_[0, 0], rel=1e-5)
    assert fitted.intercept == pytest.approx(model.intercept_[0], rel=1e-5)
    np.testing.assert_allclose(apply_logistic(fitted, score), model.predict_proba(score[:, None])[:, 1], atol=1e-5)


def test_two_scores_give_the_log_odds_at_each() -> None:
    fitted = fit_logistic([0, 0, 0, 1, 0, 1, 1], [2.0, 2, 2, 2, 5, 5, 5])
    np.testing.assert_allclose(apply_logistic(fitted, [2.0, 5.0]), [1 / 4, 2 / 3], atol=1e-9)
    assert fitted.slope == pytest.approx((np.log(2) + np.log(3)) / 3, abs=1e-9)


def test_platt_draws_the_outcomes_in_and_bears_parted_classes() -> None:
    fitted = fit_platt([0, 0, 0, 1, 1], [-1.0, -1, -1, 1, 1])
    np.testing.assert_allclose(apply_logistic(fitted, [-1.0, 1.0]), [1 / 5, 3 / 4], atol=1e-8)
    with pytest.raises(ValueError, match="one threshold parts them"):
        fit_logistic([0, 0, 0, 1, 1], [-1.0, -1, -1, 1, 1])
    with pytest.raises(ValueError, match="one threshold parts them"):
        fit_logistic([1, 0, 1], [1.0, 1.0, 0.5])


@given(cases())
def test_the_gradient_vanishes_at_platts_curve(case) -> None:
    target, score, weights = case
    counted = weights > 0
    if len(set(score[counted])) == 1:
        with pytest.raises(ValueError, match="expected scores that differ"):
            fit_platt(target, score, weights=weights)
        return
    ill, well = weights[target == 1].sum(), weights[target == 0].sum()
    outcome = np.where(target == 1, (ill + 1) / (ill + 2), 1 / (well + 2))
    rest = weights * (apply_logistic(fit_platt(target, score, weights=weights), score) - outcome)
    assert abs(rest.sum()) < 1e-6
    assert abs(rest @ score) < 1e-5


def test_far_scores_and_rare_disease() -> None:
    rng = np.random.default_rng(0)
    target = (np.arange(50_000) % 1000 == 0).astype(int)
    score = rng.normal(size=50_000) * 1e6 + 1e9 + 2e6 * target
    fitted = fit_platt(target, score)
    assert apply_logistic(fitted, score).mean() == pytest.approx(target.mean(), rel=0.05)


@given(cases())
def test_isotonic_is_scikit_learns(case) -> None:
    target, score, weights = case
    counted = weights > 0
    fitted = fit_isotonic(target, score, weights=weights)
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    model.fit(score[counted], target[counted], sample_weight=weights[counted])
    probe = np.linspace(-6, 6, 49)
    np.testing.assert_allclose(apply_isotonic(fitted, probe), model.predict(probe), atol=1e-9)
    assert (np.diff(fitted.probability) >= 0).all()
    assert (np.diff(fitted.score) > 0).all()
    assert np.average(apply_isotonic(fitted, score), weights=weights) == pytest.approx(
        np.average(target, weights=weights)
    )


def test_isotonic_on_many_lesions() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(100_000) < 0.001).astype(int)
    score = rng.normal(size=100_000) + 3 * target
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, target)
    np.testing.assert_allclose(apply_isotonic(fit_isotonic(target, score), score), model.predict(score), atol=1e-12)


@given(st.floats(0, 1), st.floats(1e-6, 1e3))
def test_the_prior_shift_is_undone_by_its_inverse(chance: float, rate: float) -> None:
    shifted = shift_prior([chance], rate)
    assert 0 <= shifted[0] <= 1
    if 1e-6 < chance < 1 - 1e-6:
        assert shifted[0] / (1 - shifted[0]) == pytest.approx(rate * chance / (1 - chance), rel=1e-6)
        assert shift_prior(shifted, 1 / rate)[0] == pytest.approx(chance, rel=1e-6)


def test_a_model_of_undersampled_lesions_is_put_right() -> None:
    rng = np.random.default_rng(0)
    true = rng.beta(0.5, 6, 200_000)
    target = rng.random(200_000) < true
    kept = target | (rng.random(200_000) < 0.1)
    seen = true / (true + 0.1 * (1 - true))
    assert seen[kept].mean() == pytest.approx(target[kept].mean(), rel=0.02)
    assert shift_prior(seen, 0.1).mean() == pytest.approx(target.mean(), rel=0.02)


def test_ends_of_the_range() -> None:
    assert shift_prior([0.0, 1.0], 0.01).tolist() == [0, 1]
    assert np.isfinite(logit([0.0, 1.0])).all()
    np.testing.assert_allclose(apply_logistic(Logistic(0, 1), logit([0.001, 0.5])), [0.001, 0.5])
    assert apply_logistic(Logistic(0, 1), [-1e5, 1e5]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("error", "target", "score", "weights", "message"),
    [
        (ValueError, [0, 0], [1.0, 2.0], None, "got one class"),
        (ValueError, [0, 1], [1.0, 2.0], [1, 0], "got one class"),
        (ValueError, [], [], None, "got one class"),
        (ValueError, [0, 1], [1.0], None, "expected score of shape"),
        (ValueError, [0, 1], [1.0, np.inf], None, "expected finite score, got inf"),
        (ValueError, [0, 1], [1.0, np.nan], None, "expected finite score, got nan"),
        (ValueError, [0, 3], [1.0, 2.0], None, "expected target of 0 and 1"),
        (ValueError, [0, 1], [1.0, 2.0], [-1, 1], "expected weights of at least 0"),
        (TypeError, [0, 1], ["a", "b"], None, "expected score of a real dtype"),
    ],
)
def test_bad_input(error, target, score, weights, message) -> None:
    for fit in (fit_platt, fit_isotonic, fit_logistic):
        with pytest.raises(error, match=message):
            fit(np.array(target, dtype=float if not target else None), np.array(score), weights=weights)


def test_bad_rates() -> None:
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected sampling_rate"):
            shift_prior([0.5], rate)
    with pytest.raises(ValueError, match="expected probability"):
        shift_prior([1.5], 0.5)
