"""How far scores can be read as probabilities: reliability, proper scores, slope and intercept.

A score is calibrated when, of the lesions with score p, the share p is malignant. The order of the scores, which is all
that the contest's metric sees, says nothing of that. Rank averages lie in [0, 1] and are no probabilities: recalibrate
them first (see `recalibration`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isic_lesion.metrics.recalibration import Logistic, fit_logistic, logit

__all__ = [
    "BrierParts",
    "Reliability",
    "brier_decomposition",
    "brier_score",
    "calibration_line",
    "expected_calibration_error",
    "log_loss",
    "observed_to_expected",
    "reliability_by_count",
    "reliability_by_width",
    "wilson_interval",
]

_Z95 = 1.959963984540054


class Reliability(NamedTuple):
    """What was predicted and what was observed, bin by bin, upwards; bins without lesions are left out.

    Attributes:
        lowest: the least probability in each bin, in [0, 1]; shape (B,).
        highest: the largest one; shape (B,).
        predicted: the mean probability in each bin, in [0, 1]; shape (B,).
        observed: the share of malignant lesions in each bin, in [0, 1]; shape (B,).
        low: the lower end of the observed share's 95 % interval (Wilson); shape (B,).
        high: its upper end; shape (B,).
        weight: the lesions in each bin, by weight; shape (B,).
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    weight: NDArray[np.float64]


class BrierParts(NamedTuple):
    """The Brier score and what it is made of: score = reliability - resolution + uncertainty + within_bins.

    Attributes:
        score: the mean squared difference of probability and outcome, in [0, 1]; less is better.
        reliability: how far the bins' predictions are from what was observed in them, at least 0; less is better.
        resolution: how far what was observed in the bins is from the base rate, at least 0; more is better.
        uncertainty: the variance of the outcome, in [0, 0.25]: the score of the base rate said of every lesion.
        within_bins: what probabilities that differ inside a bin add (Stephenson et al.); 0 when none do.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def reliability_by_width(
    target: ArrayLike, probability: ArrayLike, *, num_bins: int = 10, weights: ArrayLike | None = None
) -> Reliability:
    """Return the reliability curve over bins of equal width, [0, 1/B), [1/B, 2/B), ..., the last one closed.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        probability: of being malignant, in [0, 1]; shape (N,).
        num_bins: how many bins the range is cut into, at least 1.
        weights: how often each lesion counts, finite and at least 0; shape (N,). None: once.

    Returns:
        One entry for each bin that holds a lesion. Intervals of weighted lesions use Kish's effective sample size,
        (sum w)^2 / sum w^2.

    Raises:
        TypeError: if an input is not of a real dtype.
        ValueError: if shapes differ, a value is out of its range, or nothing has weight.

    >>> curve = reliability_by_width([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.8], num_bins=2)
    >>> curve.observed.tolist(), curve.predicted.round(3).tolist()
    ([0.0, 1.0], [0.2, 0.75])
    """
    outcome, chance, mass = _checked(target, probability, weights)
    _check_bins(num_bins)
    return _reliability(outcome, chance, mass, np.minimum((chance * num_bins).astype(np.intp), num_bins - 1))


def reliability_by_count(
    target: ArrayLike, probability: ArrayLike, *, num_bins: int = 10, weights: ArrayLike | None = None
) -> Reliability:
    """Return the reliability curve over bins that hold the same weight of lesions, as nearly as ties allow.

    Equal probabilities are never parted: they go where the middle of their run falls, so the result does not depend on
    the order of the rows. Where malignant lesions are one in a thousand, these bins say more than those of equal width,
    nearly all of which are almost empty.

    Arguments, result and errors are those of `reliability_by_width`.
    """
    outcome, chance, mass = _checked(target, probability, weights)
    _check_bins(num_bins)
    levels, place = np.unique(chance, return_inverse=True)
    level_mass = np.bincount(place, mass, len(levels))
    middle = (level_mass.cumsum() - level_mass / 2) / level_mass.sum()
    return _reliability(outcome, chance, mass, np.minimum((middle * num_bins).astype(np.intp), num_bins - 1)[place])


def expected_calibration_error(curve: Reliability) -> float:
    """Return the mean distance of predicted and observed over a curve's bins, by weight; in [0, 1].

    Source: Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning". The
    value depends on the bins: compare only curves that were cut alike.
    """
    return float(np.average(np.abs(curve.predicted - curve.observed), weights=curve.weight))


def brier_score(target: ArrayLike, probability: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean squared difference of probability and outcome, in [0, 1]; less is better.

    Arguments and errors are those of `reliability_by_width`. Source: Brier (1950).

    >>> round(brier_score([1, 0], [0.8, 0.4]), 6)
    0.1
    """
    outcome, chance, mass = _checked(target, probability, weights)
    return float(np.average((chance - outcome) ** 2, weights=mass))


def brier_decomposition(
    target: ArrayLike, probability: ArrayLike, *, num_bins: int = 10, weights: ArrayLike | None = None
) -> BrierParts:
    """Return the Brier score in parts, over bins of equal count.

    Arguments and errors are those of `reliability_by_width`.

    Source: Murphy (1973), "A New Vector Partition of the Probability Score"; the part within bins from Stephenson,
    Coelho and Jolliffe (2008), "Two Extra Components in the Brier Score Decomposition", their two taken together.
    """
    curve = reliability_by_count(target, probability, num_bins=num_bins, weights=weights)
    score = brier_score(target, probability, weights=weights)
    base_rate = float(np.average(curve.observed, weights=curve.weight))
    reliability = float(np.average((curve.predicted - curve.observed) ** 2, weights=curve.weight))
    resolution = float(np.average((curve.observed - base_rate) ** 2, weights=curve.weight))
    uncertainty = base_rate * (1 - base_rate)
    return BrierParts(score, reliability, resolution, uncertainty, score - reliability + resolution - uncertainty)


def log_loss(target: ArrayLike, probability: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean of -log of the probability given to what was observed, at least 0, in nats.

    It is infinite where a lesion was called certain (0 or 1) and was not: no bound is put on that.

    Arguments and errors are those of `reliability_by_width`. Source: Good (1952).

    >>> round(log_loss([1, 0], [0.5, 0.5]), 6)
    0.693147
    """
    outcome, chance, mass = _checked(target, probability, weights)
    outcome, chance, mass = outcome[mass > 0], chance[mass > 0], mass[mass > 0]
    if not np.where(outcome, chance, 1 - chance).all():
        return float("inf")
    # log1p keeps what 1 - p would round away from a benign lesion of tiny probability.
    logs = np.where(outcome, np.log(np.where(outcome, chance, 1.0)), np.log1p(-np.where(outcome, 0.0, chance)))
    return float(-np.average(logs, weights=mass))


def observed_to_expected(target: ArrayLike, probability: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return malignant lesions observed over expected, the sum of the probabilities: calibration in the large.

    1 is right, above 1 says too little risk. Infinite where every probability is 0.

    Arguments and errors are those of `reliability_by_width`.
    """
    outcome, chance, mass = _checked(target, probability, weights)
    expected = float(chance @ mass)
    return float(outcome @ mass) / expected if expected else float("inf")


def calibration_line(target: ArrayLike, probability: ArrayLike, *, weights: ArrayLike | None = None) -> Logistic:
    """Return slope and intercept of the outcome's log-odds over the probability's: 1 and 0 when calibrated.

    A slope under 1 says that probabilities are too extreme, as an overfitted model's are; the intercept is the log-odds
    of being malignant where the model says one half. Probabilities of 0 and 1 are moved to 1e-7 from the ends.

    Arguments are those of `reliability_by_width`. Source: Cox (1958), "Two Further Applications of a Model for Binary
    Regression".

    Raises:
        TypeError: as `reliability_by_width`.
        ValueError: as `reliability_by_width`, or if one class is missing or the probabilities part the classes wholly,
            so that no slope is the most likely.
    """
    outcome, chance, mass = _checked(target, probability, weights)
    return fit_logistic(outcome, logit(chance), weights=mass)


def wilson_interval(observed: ArrayLike, count: ArrayLike, *, z: float = _Z95) -> NDArray[np.float64]:
    """Return the score interval of a share, which stays in [0, 1] and has a width where the share is 0 or 1.

    Args:
        observed: shares, in [0, 1]; any shape.
        count: of how many each one is, above 0; a shape that goes with it.
        z: the normal quantile: 1.96 for 95 %.

    Returns:
        Lower and upper ends, shape (2, ...).

    Source: Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".

    >>> wilson_interval(0.0, 10).round(4).tolist()
    [0.0, 0.2775]
    """
    share, number = np.asarray(observed, dtype=np.float64), np.asarray(count, dtype=np.float64)
    shrink = 1 + z**2 / number
    centre = (share + z**2 / (2 * number)) / shrink
    half = z * np.sqrt(share * (1 - share) / number + z**2 / (4 * number**2)) / shrink
    return np.clip(np.stack([centre - half, centre + half]), 0.0, 1.0)


def _reliability(
    outcome: NDArray[np.bool_], chance: NDArray[np.float64], mass: NDArray[np.float64], place: NDArray[np.intp]
) -> Reliability:
    counted = mass > 0
    outcome, chance, mass, place = outcome[counted], chance[counted], mass[counted], place[counted]
    held, place = np.unique(place, return_inverse=True)
    weight = np.bincount(place, mass).astype(np.float64)
    predicted = np.bincount(place, mass * chance) / weight
    observed = np.clip(np.bincount(place, mass * outcome) / weight, 0.0, 1.0)
    low, high = wilson_interval(observed, weight**2 / np.bincount(place, mass**2))
    lowest, highest = np.full(len(held), np.inf), np.full(len(held), -np.inf)
    np.minimum.at(lowest, place, chance)
    np.maximum.at(highest, place, chance)
    return Reliability(lowest, highest, predicted, observed, low, high, weight)


def _check_bins(num_bins: int) -> None:
    if num_bins < 1:
        raise ValueError(f"expected num_bins of at least 1, got {num_bins}")


def _checked(
    target: ArrayLike, probability: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return outcome, probability and weight as arrays of one shape, some weight above 0."""
    outcome, chance = _real("target", target), _real("probability", probability).astype(np.float64)
    mass = np.ones(len(outcome)) if weights is None else _real("weights", weights).astype(np.float64)
    for name, array in (("probability", chance), ("weights", mass)):
        if array.shape != outcome.shape:
            raise ValueError(f"expected {name} of target's shape {outcome.shape}, got {array.shape}")
    _refuse((outcome != 0) & (outcome != 1), outcome, "target of 0 and 1")
    _refuse(~((chance >= 0) & (chance <= 1)), chance, "probability in [0, 1]")
    _refuse(~(np.isfinite(mass) & (mass >= 0)), mass, "finite weights of at least 0")
    if not mass.sum() > 0:
        raise ValueError("expected at least one lesion with weight, got none")
    return outcome == 1, chance, mass


def _real(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"expected {name} of shape (N,), got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected {name} of a real dtype, got {array.dtype}")
    return array


def _refuse(wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    if wrong.any():
        position = int(wrong.argmax())
        raise ValueError(f"expected {expected}, got {values[position].item()} at position {position}")
