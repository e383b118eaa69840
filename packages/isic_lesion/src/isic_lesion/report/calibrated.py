"""How the headline model's scores do as probabilities: as they are, and recalibrated by folds that were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.metrics.calibration import (
    BrierParts,
    Reliability,
    brier_decomposition,
    calibration_line,
    expected_calibration_error,
    log_loss,
    observed_to_expected,
    reliability_by_count,
)
from isic_lesion.metrics.recalibration import (
    Logistic,
    apply_isotonic,
    apply_logistic,
    fit_isotonic,
    fit_platt,
    logit,
)

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Calibrated", "CalibrationRow", "calibrate", "calibration_row"]


class CalibrationRow(NamedTuple):
    """Scores as probabilities.

    Attributes:
        brier: the Brier score in its parts.
        log_loss: in nats; infinite where a lesion was called certain and was not.
        expected_calibration_error: over ten bins of equal count.
        observed_to_expected: malignant lesions seen over those that the probabilities sum to.
        line: slope and intercept of the log-odds, 1 and 0 when calibrated; None where a threshold parts the classes.
        curve: the reliability curve over ten bins of equal count.
    """

    brier: BrierParts
    log_loss: float
    expected_calibration_error: float
    observed_to_expected: float
    line: Logistic | None
    curve: Reliability


class Calibrated(NamedTuple):
    """A model's calibration.

    Attributes:
        rows: "as scored", where the scores lie in [0, 1]; "Platt" and "isotonic", where there are two folds or more:
            each fold's scores recalibrated by a fit to the others'.
        platt: the fit to all scores, for lesions that are scored later: over the log-odds where the scores lie in
            [0, 1], else over the scores; None where scores do not differ.
        on_log_odds: which of the two.
    """

    rows: dict[str, CalibrationRow]
    platt: Logistic | None
    on_log_odds: bool


def calibrate(pooled: DataFrame, by_fold: DataFrame) -> Calibrated:
    """Return how scores do as probabilities.

    Args:
        pooled: target and score, one row a lesion, both classes among them.
        by_fold: fold, target and score, one row for each score of a round; may be empty.
    """
    target, score = pooled["target"].to_numpy(), pooled["score"].to_numpy()
    is_probability = bool((score >= 0).all() and (score <= 1).all())
    rows = {"as scored": calibration_row(target, score)} if is_probability else {}
    fold, held_target, held_score = (by_fold[name].to_numpy() for name in ("fold", "target", "score"))
    linear = logit(held_score) if is_probability else held_score
    folds = np.unique(fold)
    if len(folds) > 1 and all(_can_fit(held_target[fold != k], linear[fold != k]) for k in folds):
        platt, isotonic = np.empty(len(fold)), np.empty(len(fold))
        for k in folds:
            inside, outside = fold == k, fold != k
            platt[inside] = apply_logistic(fit_platt(held_target[outside], linear[outside]), linear[inside])
            isotonic[inside] = apply_isotonic(
                fit_isotonic(held_target[outside], held_score[outside]), held_score[inside]
            )
        rows["Platt"] = calibration_row(held_target, platt)
        rows["isotonic"] = calibration_row(held_target, isotonic)
    whole = logit(score) if is_probability else score
    return Calibrated(rows, fit_platt(target, whole) if _can_fit(target, whole) else None, is_probability)


def calibration_row(target: NDArray[np.int8], probability: NDArray[np.float64]) -> CalibrationRow:
    """Return every measure of calibration; both are of shape (N,), probabilities in [0, 1]."""
    curve = reliability_by_count(target, probability)
    try:
        line = calibration_line(target, probability)
    except ValueError:  # the classes are parted wholly, or one of them or a second probability is missing
        line = None
    return CalibrationRow(
        brier=brier_decomposition(target, probability),
        log_loss=log_loss(target, probability),
        expected_calibration_error=expected_calibration_error(curve),
        observed_to_expected=observed_to_expected(target, probability),
        line=line,
        curve=curve,
    )


def _can_fit(target: NDArray[np.int8], score: NDArray[np.float64]) -> bool:
    return bool(target.any() and not target.all() and score.min() < score.max())
