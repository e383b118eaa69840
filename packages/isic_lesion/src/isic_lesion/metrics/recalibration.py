"""Turn scores into probabilities: logistic (Platt), isotonic, and the correction for left-out benign lesions.

Fit on out-of-fold scores, apply to scores of lesions that no model was trained on:

    probability = apply_isotonic(fit_isotonic(target, oof_score), test_score)

An isotonic fit is a step-like curve that needs many malignant lesions; with a few hundred, Platt's two parameters vary
less. Neither changes the order of the scores, except that the isotonic one makes ties.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Isotonic",
    "Logistic",
    "apply_isotonic",
    "apply_logistic",
    "fit_isotonic",
    "fit_logistic",
    "fit_platt",
    "logit",
    "shift_prior",
]

_NEAREST = 1e-7  # to 0 and 1: beyond it a booster's float32 probability carries no information
_STEPS = 100
_TOLERANCE = 1e-10


class Logistic(NamedTuple):
    """The probability 1 / (1 + exp(-(intercept + slope * score)))."""

    intercept: float
    slope: float


class Isotonic(NamedTuple):
    """A non-decreasing curve through points, straight between them and level beyond.

    Attributes:
        score: where the points lie, ascending; float64, shape (K,).
        probability: their height, in [0, 1], not descending; float64, shape (K,).
    """

    score: NDArray[np.float64]
    probability: NDArray[np.float64]


def logit(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the log-odds log(p / (1 - p)); probabilities of 0 and 1 are moved to 1e-7 from the ends."""
    chance = np.clip(np.asarray(probability, dtype=np.float64), _NEAREST, 1 - _NEAREST)
    return np.log(chance) - np.log1p(-chance)


def fit_logistic(target: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> Logistic:
    """Return the most likely logistic curve of outcome over score, with no penalty.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        score: any finite numbers; shape (N,).
        weights: how often each lesion counts, finite and at least 0; shape (N,). None: once.

    Raises:
        TypeError: if an input is not of a real dtype.
        ValueError: if shapes differ, a value is out of its range, a class or a second score is missing, or a threshold
            parts the classes, so that no curve is the most likely (then `fit_platt` still gives one).
    """
    malignant, scores, mass = _checked(target, score, weights)
    ill, well = scores[malignant], scores[~malignant]
    if ill.min() >= well.max() or ill.max() <= well.min():
        raise ValueError("expected classes whose scores overlap, but one threshold parts them")
    return _newton(malignant.astype(np.float64), scores, mass)


def fit_platt(target: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> Logistic:
    """Return Platt's logistic curve, which is finite even where a threshold parts the classes.

    The outcomes are drawn in a little: with P malignant and N benign lesions by weight they are (P + 1) / (P + 2) and
    1 / (N + 2). Give log-odds (see `logit`) rather than probabilities, so that calibrated scores can stay as they are.

    Arguments and errors are those of `fit_logistic`, but classes may be parted. Source: Platt (1999), "Probabilistic
    Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods".
    """
    malignant, scores, mass = _checked(target, score, weights)
    ill, well = mass[malignant].sum(), mass[~malignant].sum()
    return _newton(np.where(malignant, (ill + 1) / (ill + 2), 1 / (well + 2)), scores, mass)


def apply_logistic(calibration: Logistic, score: ArrayLike) -> NDArray[np.float64]:
    """Return the probability at each score; the shape of `score`."""
    linear = calibration.intercept + calibration.slope * np.asarray(score, dtype=np.float64)
    return _expit(linear)


def fit_isotonic(target: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> Isotonic:
    """Return the non-decreasing curve with the least squared error: pooled adjacent violators.

    Arguments and errors are those of `fit_logistic`, but classes may be parted and one score is enough. Infinite scores
    are refused.

    Source: Ayer et al. (1955); as calibration, Zadrozny and Elkan (2002), "Transforming Classifier Scores into Accurate
    Multiclass Probability Estimates".

    >>> fit_isotonic([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]).probability.tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    malignant, scores, mass = _checked(target, score, weights, min_scores=1)
    levels, place = np.unique(scores, return_inverse=True)
    weight = np.bincount(place, mass)
    mean = np.bincount(place, mass * malignant) / weight
    # Runs of one mean (above all the long ones of 0) are one block from the start: the loop sees what is left.
    first = np.flatnonzero(np.append(True, np.diff(mean) != 0))
    last = np.append(first[1:], len(levels)) - 1
    blocks: list[tuple[float, float, int]] = []  # weight, mean, run that ends the block
    for run, total in enumerate(np.add.reduceat(weight, first).tolist()):
        height = float(mean[first[run]])
        while blocks and blocks[-1][1] >= height:
            before, its_mean, _ = blocks.pop()
            height = (before * its_mean + total * height) / (before + total)
            total += before
        blocks.append((total, height, run))
    ends = last[[run for _, _, run in blocks]]
    starts = np.append(0, ends[:-1] + 1)
    heights = np.clip([height for _, height, _ in blocks], 0.0, 1.0)
    kept = np.unique(np.concatenate([starts, ends]))
    return Isotonic(levels[kept], heights[np.searchsorted(ends, kept)])


def apply_isotonic(calibration: Isotonic, score: ArrayLike) -> NDArray[np.float64]:
    """Return the curve's height at each score; the shape of `score`."""
    return np.interp(np.asarray(score, dtype=np.float64), calibration.score, calibration.probability)


def shift_prior(probability: ArrayLike, sampling_rate: float) -> NDArray[np.float64]:
    """Return probabilities as they are among all lesions, of a model that saw only a share of the benign ones.

    The odds are multiplied by the rate: leaving out benign lesions at random divides them by it and changes nothing
    else, so the order stays.

    Args:
        probability: in [0, 1]; any shape.
        sampling_rate: the share of benign lesions that were kept, in (0, 1]; above 1 if malignant ones were left out.

    Raises:
        ValueError: if a probability is out of its range, or the rate is not finite and above 0.

    Source: Elkan (2001), "The Foundations of Cost-Sensitive Learning", theorem 2; Dal Pozzolo et al. (2015).

    >>> shift_prior([0.5], 0.25).tolist()
    [0.2]
    """
    chance = np.asarray(probability, dtype=np.float64)
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(f"expected sampling_rate finite and above 0, got {sampling_rate}")
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError("expected probability in [0, 1]")
    odds_up = sampling_rate * chance
    return np.asarray(odds_up / (odds_up + (1 - chance)))


def _newton(outcome: NDArray[np.float64], scores: NDArray[np.float64], mass: NDArray[np.float64]) -> Logistic:
    """Return the most likely curve, by Newton's method with halved steps, on scores of mean 0 and deviation 1."""
    mean = np.average(scores, weights=mass)
    spread = float(np.sqrt(np.average((scores - mean) ** 2, weights=mass)))
    x = (scores - mean) / spread
    rate = np.average(outcome, weights=mass)
    intercept, slope = float(np.log(rate / (1 - rate))), 0.0
    loss = _loss(outcome, intercept + slope * x, mass)
    for _ in range(_STEPS):
        chance = _expit(intercept + slope * x)
        rest, bend = mass * (chance - outcome), mass * chance * (1 - chance)
        gradient = np.array([rest.sum(), rest @ x])
        hessian = np.array([[bend.sum(), bend @ x], [bend @ x, bend @ x**2]])
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        size = 1.0
        while (new := _loss(outcome, intercept - size * step[0] + (slope - size * step[1]) * x, mass)) > loss:
            size /= 2
            if size < _TOLERANCE:
                break
        else:
            intercept, slope, loss = float(intercept - size * step[0]), float(slope - size * step[1]), new
        if size < _TOLERANCE or size * float(np.abs(step).max()) < _TOLERANCE * (1 + abs(intercept) + abs(slope)):
            break
    return Logistic(intercept - slope * float(mean) / spread, slope / spread)


def _loss(outcome: NDArray[np.float64], linear: NDArray[np.float64], mass: NDArray[np.float64]) -> float:
    return float(mass @ (np.logaddexp(0.0, linear) - outcome * linear))


def _expit(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0.0, -linear)))


def _checked(
    target: ArrayLike, score: ArrayLike, weights: ArrayLike | None, *, min_scores: int = 2
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return outcome, score and weight of the lesions that count: both classes, and enough distinct scores."""
    columns: list[NDArray[Any]] = [np.asarray(target), np.asarray(score)]
    columns.append(np.ones(columns[0].shape) if weights is None else np.asarray(weights))
    for name, column in zip(("target", "score", "weights"), columns, strict=True):
        if column.dtype.kind not in "biuf":
            raise TypeError(f"expected {name} of a real dtype, got {column.dtype}")
        if column.ndim != 1 or column.shape != columns[0].shape:
            raise ValueError(f"expected {name} of shape (N,) as target's {columns[0].shape}, got {column.shape}")
        if not np.isfinite(column).all():
            raise ValueError(f"expected finite {name}, got {column[~np.isfinite(column)][0]}")
    outcome, scores, mass = columns[0], columns[1].astype(np.float64), columns[2].astype(np.float64)
    if ((outcome != 0) & (outcome != 1)).any():
        raise ValueError("expected target of 0 and 1")
    if (mass < 0).any():
        raise ValueError("expected weights of at least 0")
    counted = mass > 0
    malignant, scores, mass = outcome[counted] == 1, scores[counted], mass[counted]
    if malignant.all() or not malignant.any():
        raise ValueError("expected malignant and benign lesions, got one class")
    if min_scores > 1 and scores.min() == scores.max():
        raise ValueError("expected scores that differ, got one")
    return malignant, scores, mass
