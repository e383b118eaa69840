"""Maps from what models say to probabilities: fitted on some keywords, better on others."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from twenty_questions.labelling.calibration import (
    KINDS,
    UNCHANGED,
    Calibration,
    apply_calibration,
    choose_kind,
    fit_calibration,
    hash_of,
    is_fitted_on,
)
from twenty_questions.labelling.calibration_report import calibrate, quality_of
from twenty_questions.labelling.consensus import SUREST

FITTED = ("shrink", "platt", "isotonic")


def drawn(seed: int, number: int, truth) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """P(yes) drawn evenly, answers of which `truth(P)` are yes, ten pairs a keyword."""
    rng = np.random.default_rng(seed)
    p = rng.random(number)
    return p, rng.random(number) < truth(p), [f"thing {place // 10}" for place in range(number)]


def log_loss(p, yes) -> float:
    return float(-np.log(np.where(yes, p, 1 - p)).mean())


@pytest.mark.parametrize("kind", FITTED)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 60), st.booleans())
def test_a_map_is_monotone_never_sure_and_no_worse_where_it_was_fitted(
    kind, seed: int, number: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(number)
    p = np.round(p * 4) / 4 if coarse else p
    yes = rng.random(number) < 0.4
    yes[:2] = [True, False]
    fitted = fit_calibration(kind, p, yes)
    along = apply_calibration(fitted, np.linspace(0, 1, 201))
    assert (np.diff(along) >= -1e-12).all()
    assert ((along >= SUREST) & (along <= 1 - SUREST)).all()
    mapped, before = apply_calibration(fitted, p), apply_calibration(UNCHANGED, p)
    slack = {"shrink": 1e-6, "platt": 2 / number, "isotonic": 4 / number}[kind]  # what keeps them from being sure
    assert log_loss(mapped, yes) <= log_loss(before, yes) + slack
    assert fitted == Calibration(kind, json.loads(json.dumps(fitted.parameters)))


def test_nan_stays_and_shapes_are_kept() -> None:
    given_p = np.asarray([[0.2, np.nan], [0.9, 0.5]])
    for kind in KINDS:
        mapped = apply_calibration(fit_calibration(kind, [0.1, 0.4, 0.6, 0.9], [False, True, False, True]), given_p)
        assert mapped.shape == (2, 2)
        assert np.isnan(mapped).tolist() == [[False, True], [False, False]]


def test_shrinking_finds_the_strength_with_the_least_loss() -> None:
    p, yes, _ = drawn(1, 4000, lambda p: 0.5 + 0.6 * (p - 0.5))
    strength = fit_calibration("shrink", p, yes).parameters["strength"]
    kept = np.clip(p, SUREST, 1 - SUREST)
    losses = {c: log_loss(0.5 + c * (kept - 0.5), yes) for c in np.linspace(0, 1, 1001)}
    assert strength == pytest.approx(min(losses, key=losses.__getitem__), abs=1e-3)
    assert strength == pytest.approx(0.6, abs=0.06)


@pytest.mark.parametrize(("yes", "strength"), [([True, False], 1.0), ([False, True], 0.0)])
def test_shrinking_ends_at_its_bounds(yes: list[bool], strength: float) -> None:
    assert fit_calibration("shrink", [0.7, 0.3], yes).parameters["strength"] == pytest.approx(strength, abs=1e-9)


def test_platt_finds_the_logistic_curve() -> None:
    p, yes, _ = drawn(2, 20_000, lambda p: 1 / (1 + np.exp(-(0.5 + 0.7 * np.log(p / (1 - p))))))
    parameters = fit_calibration("platt", p, yes).parameters
    odds = np.log(p / (1 - p)).clip(math.log(SUREST / (1 - SUREST)), -math.log(SUREST / (1 - SUREST)))
    reference = LogisticRegression(C=1e9).fit(odds[:, None], yes)
    assert parameters["slope"] == pytest.approx(reference.coef_[0, 0], abs=5e-3)
    assert parameters["intercept"] == pytest.approx(reference.intercept_[0], abs=5e-3)


def test_platt_stays_finite_and_rising_where_answers_part_wholly_or_run_against_it() -> None:
    apart = fit_calibration("platt", [0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert 0 < apart.parameters["slope"] < 100
    against = fit_calibration("platt", [0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    assert against.parameters["slope"] == 0
    assert apply_calibration(against, 0.3) == pytest.approx(0.5)


def test_isotonic_steps_are_those_of_the_reference() -> None:
    p, yes, _ = drawn(3, 500, lambda p: p**2)
    fitted = fit_calibration("isotonic", p, yes)
    both_p, both_yes = [*p, p.min(), p.max()], [*yes, True, False]
    reference = IsotonicRegression(out_of_bounds="clip").fit(both_p, both_yes)
    np.testing.assert_allclose(apply_calibration(fitted, p), reference.predict(p).clip(SUREST, 1 - SUREST), atol=1e-9)
    assert len(fitted.parameters["from_p"]) < 60


def test_a_fit_needs_both_answers_and_true_probabilities() -> None:
    for kind in FITTED:
        with pytest.raises(ValueError, match="both answers"):
            fit_calibration(kind, [0.2, 0.3], [True, True])
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            fit_calibration(kind, [0.2, 1.3], [True, False])
        with pytest.raises(ValueError, match="one shape"):
            fit_calibration(kind, [0.2, 0.3], [True])
    assert fit_calibration("none", [0.2], [True]) == UNCHANGED


@pytest.mark.parametrize(
    ("truth", "chosen"),
    [
        (lambda p: np.clip(p, 0.01, 0.99), {"none", "shrink", "platt"}),
        (lambda p: 0.5 + 0.5 * (p - 0.5), {"shrink", "platt"}),
        (lambda p: 1 / (1 + np.exp(-(-2 + 0.6 * np.log(p / (1 - p))))), {"platt"}),
        (lambda p: np.where(p < 0.7, 0.05, 0.6), {"isotonic"}),
    ],
)
def test_cross_validation_chooses_what_fits(truth, chosen: set[str]) -> None:
    p, yes, keywords = drawn(4, 4000, truth)
    kind, losses = choose_kind(p, yes, keywords)
    assert kind in chosen
    assert set(losses) == set(KINDS)
    assert losses[kind] == min(losses.values())


def test_the_halves_are_of_keywords_and_nearly_equal() -> None:
    names = [f"thing {number}" for number in range(400)]
    assert 160 < sum(map(is_fitted_on, names)) < 240
    assert hash_of("Anesthesia") % 2 == int(not is_fitted_on("Anesthesia"))


def test_a_report_fits_on_one_half_and_judges_on_the_other() -> None:
    p, yes, keywords = drawn(5, 3000, lambda p: 0.5 + 0.4 * (p - 0.5))
    p[::7] = np.nan
    report = calibrate("auto", p, yes, keywords)
    inside = np.asarray([is_fitted_on(keyword) for keyword in keywords]) & ~np.isnan(p)
    outside = ~np.asarray([is_fitted_on(keyword) for keyword in keywords]) & ~np.isnan(p)
    assert (report.fitted_pairs, report.after.pairs) == (inside.sum(), outside.sum())
    assert report.calibration == fit_calibration(report.calibration.kind, p[inside], yes[inside])
    assert report.before == quality_of(
        p[outside], yes[outside], [k for k, o in zip(keywords, outside, strict=True) if o]
    )
    assert report.after.log_loss < report.before.log_loss
    assert report.after.brier < report.before.brier
    assert report.after.ece < report.before.ece / 2
    # What the other half answers has no part in the map.
    flipped = np.where(inside, yes, ~yes)
    assert calibrate("auto", p, flipped, keywords).calibration == report.calibration
    assert jsonable(report)["after"]["bins"]


def test_a_half_without_both_answers_cannot_calibrate() -> None:
    with pytest.raises(InputError, match="the gold set is too small to calibrate with"):
        calibrate("shrink", [0.2, 0.8], [True, False], ["a", "a"])
    with pytest.raises(InputError, match="of its 0 pairs"):
        calibrate("shrink", [np.nan, np.nan], [True, False], ["a", "b"])


def test_quality_is_what_its_parts_are_by_hand() -> None:
    quality = quality_of([0.9, 0.9, 0.2, 0.5], [True, False, False, True], ["a", "a", "b", "b"])
    assert quality.log_loss == pytest.approx(-np.log([0.9, 0.1, 0.8, 0.5]).mean())
    assert quality.brier == pytest.approx(np.mean([0.01, 0.81, 0.04, 0.25]))
    assert quality.balanced_accuracy == pytest.approx((0.75 + 0.5) / 2)
    assert [tuple(b) for b in quality.bins] == [
        (pytest.approx(0.2), 0.0, 1),
        (pytest.approx(0.5), 1.0, 1),
        (pytest.approx(0.9), 0.5, 2),
    ]
    assert quality.ece == pytest.approx((0.2 + 0.5 + 2 * 0.4) / 4)
    assert (quality.pairs, quality.keywords) == (4, 2)
    sure = quality_of([1.0, 0.0], [False, False], ["a", "b"])
    assert sure.log_loss == pytest.approx(-(math.log(SUREST) + math.log(1 - SUREST)) / 2)
    assert math.isnan(sure.balanced_accuracy)
    with pytest.raises(ValueError, match="at least one"):
        quality_of([], [], [])
