"""How sure a pAUC is: bootstrap intervals that resample patients, since lesions of one patient are not independent.

A resample only changes how often each patient counts, and the area needs no more than the malignant and benign weight
at each distinct malignant score. These are counted per patient once; then a resample is a product of matrices, and a
thousand of them over 401,059 lesions take about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isic_lesion.metrics.ordering import partial_auc

__all__ = [
    "LEAST_PATIENTS",
    "Interval",
    "bootstrap_difference",
    "bootstrap_partial_auc",
    "enough_patients",
    "partial_auc_of_resamples",
    "partial_aucs_of_resamples",
    "percentile_interval",
]

LEAST_PATIENTS = 5
"""With a malignant lesion: resamples of fewer say next to nothing of other patients, so there is no interval."""

_BLOCK = 256
_MOST_CELLS = 20_000_000
_LEAST_DEFINED = 0.95


class Interval(NamedTuple):
    """A value and its bootstrap percentile interval.

    Attributes:
        value: measured on the lesions as they are.
        low: the lower end; NaN if fewer than 95 % of the resamples have a value, or (of a bootstrap over patients) if
            fewer than `LEAST_PATIENTS` of them have a malignant lesion.
        high: the upper end, as `low`.
        standard_error: the standard deviation over resamples, as `low`.
        defined: the share of resamples that hold both classes, in [0, 1].
    """

    value: float
    low: float
    high: float
    standard_error: float
    defined: float


def bootstrap_partial_auc(
    target: ArrayLike,
    score: ArrayLike,
    patient: ArrayLike,
    *,
    seed: int,
    min_tpr: float = 0.8,
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Return the partial AUC with an interval over resampled patients.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        score: higher is more suspicious, no NaN; shape (N,).
        patient: whose lesion it is, as text or whole numbers; shape (N,).
        seed: of the resampling; the same seed draws the same patients for any score.
        min_tpr: where the area begins, in [0, 1); 0 gives the AUC.
        num_resamples: how many, at least 1.
        confidence: of the interval, in (0, 1).

    Raises:
        TypeError: if an input is not of a real dtype.
        ValueError: if shapes differ, a value is out of its range, or a class is missing.

    Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", percentile intervals; whole clusters are
    drawn with replacement (Field and Welsh 2007).
    """
    value = partial_auc(target, score, min_tpr=min_tpr)
    areas = partial_auc_of_resamples(target, score, patient, seed=seed, min_tpr=min_tpr, num_resamples=num_resamples)
    return _interval(value, areas, target, patient, confidence)


def bootstrap_difference(
    target: ArrayLike,
    score: ArrayLike,
    other: ArrayLike,
    patient: ArrayLike,
    *,
    seed: int,
    min_tpr: float = 0.8,
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Return the partial AUC of `score` less that of `other`, with an interval over the same resampled patients.

    What both scores owe to the patients that were drawn cancels, so the interval is mostly far narrower than two
    separate ones suggest. Arguments and errors are those of `bootstrap_partial_auc`.
    """
    value = partial_auc(target, score, min_tpr=min_tpr) - partial_auc(target, other, min_tpr=min_tpr)
    first, second = (
        partial_auc_of_resamples(target, one, patient, seed=seed, min_tpr=min_tpr, num_resamples=num_resamples)
        for one in (score, other)
    )
    return _interval(value, first - second, target, patient, confidence)


def partial_auc_of_resamples(
    target: ArrayLike,
    score: ArrayLike,
    patient: ArrayLike,
    *,
    seed: int,
    min_tpr: float = 0.8,
    num_resamples: int = 1000,
) -> NDArray[np.float64]:
    """Return the partial AUC of each resample of patients, NaN where a class is missing; shape (num_resamples,).

    It equals `partial_auc` with each lesion weighted by how often its patient was drawn. Arguments and errors are those
    of `bootstrap_partial_auc`.
    """
    areas = partial_aucs_of_resamples(
        target, score, patient, seed=seed, min_tprs=(min_tpr,), num_resamples=num_resamples
    )
    first: NDArray[np.float64] = areas[0]
    return first


def partial_aucs_of_resamples(
    target: ArrayLike,
    score: ArrayLike,
    patient: ArrayLike,
    *,
    seed: int,
    min_tprs: Sequence[float],
    num_resamples: int = 1000,
) -> NDArray[np.float64]:
    """Return `partial_auc_of_resamples` for several beginnings of the area at once, shape (len(min_tprs), R).

    The resamples are the same for each, and most of the work is done once.
    """
    if num_resamples < 1:
        raise ValueError(f"expected num_resamples of at least 1, got {num_resamples}")
    malignant, scores = np.asarray(target) == 1, np.asarray(score)
    for min_tpr in min_tprs:
        partial_auc(malignant, scores, min_tpr=min_tpr)  # refuses what is no such input
    owners, owner = np.unique(np.asarray(patient), return_inverse=True)
    if owner.shape != malignant.shape:
        raise ValueError(f"expected patient of target's shape {malignant.shape}, got {owner.shape}")
    levels, place = np.unique(scores[malignant], return_inverse=True)
    reach = levels.searchsorted(scores[~malignant])  # the first level that a benign lesion does not exceed
    tied = np.append(levels, np.nan)[reach] == scores[~malignant]
    benign = owner[~malignant]
    size = len(levels)
    # Slots of a patient: malignant at each level; benign just below each level or above all; benign at each level.
    slot = np.concatenate([place, size + reach[~tied], 2 * size + 1 + reach[tied]])
    whose = np.concatenate([owner[malignant], benign[~tied], benign[tied]])
    sums = _summed(whose, slot, len(owners), 3 * size + 1)

    rng = np.random.default_rng(seed)
    areas = np.empty((len(min_tprs), num_resamples))
    block = max(1, min(_BLOCK, _MOST_CELLS // len(owners)))
    for start in range(0, num_resamples, block):
        stop = min(start + block, num_resamples)
        drawn = rng.multinomial(len(owners), np.full(len(owners), 1 / len(owners)), size=stop - start)
        ill, between, at = np.split(sums(drawn.astype(np.float64)), [size, 2 * size + 1], axis=1)
        for row, min_tpr in enumerate(min_tprs):
            areas[row, start:stop] = _areas(ill, between, at, min_tpr)
    return areas


def enough_patients(target: ArrayLike, patient: ArrayLike) -> bool:
    """Return whether at least `LEAST_PATIENTS` patients have a malignant lesion; both are of shape (N,)."""
    return len(np.unique(np.asarray(patient)[np.asarray(target) == 1])) >= LEAST_PATIENTS


def percentile_interval(value: float, resampled: NDArray[np.float64], *, confidence: float = 0.95) -> Interval:
    """Return a value with the interval that its resamples span.

    Args:
        value: measured on the lesions as they are.
        resampled: the same measure of each resample, NaN where it is undefined; shape (R,).
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: if confidence is out of its range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"expected confidence in (0, 1), got {confidence}")
    held = resampled[~np.isnan(resampled)]
    defined = len(held) / len(resampled)
    if defined < _LEAST_DEFINED:
        return Interval(value, float("nan"), float("nan"), float("nan"), defined)
    low, high = np.quantile(held, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), float(held.std()), defined)


def _interval(
    value: float, areas: NDArray[np.float64], target: ArrayLike, patient: ArrayLike, confidence: float
) -> Interval:
    found = percentile_interval(value, areas, confidence=confidence)
    nothing = float("nan")
    return found if enough_patients(target, patient) else Interval(value, nothing, nothing, nothing, found.defined)


def _summed(
    whose: NDArray[np.intp], slot: NDArray[np.intp], num_owners: int, num_slots: int
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a function from weights of owners, shape (R, O), to weights of slots, shape (R, S).

    A product with the table of counts where that fits into memory; else, with nearly as many owners as lesions, one sum
    over the lesions for each resample.
    """
    if num_owners * num_slots <= _MOST_CELLS:
        counts = np.bincount(whose * num_slots + slot, minlength=num_owners * num_slots)
        table = counts.reshape(num_owners, num_slots).astype(np.float64)
        return lambda drawn: drawn @ table
    return lambda drawn: np.stack([np.bincount(slot, weights[whose], num_slots) for weights in drawn])


def _areas(
    ill: NDArray[np.float64], between: NDArray[np.float64], at: NDArray[np.float64], min_tpr: float
) -> NDArray[np.float64]:
    """Return the areas of R resamples.

    Args:
        ill: malignant weight at each level upwards, shape (R, L).
        between: benign weight just below each level, and above the last; shape (R, L + 1).
        at: benign weight at each level, shape (R, L).
        min_tpr: where the area begins.
    """
    num_ill = ill.sum(axis=1, keepdims=True)
    num_well = between.sum(axis=1, keepdims=True) + at.sum(axis=1, keepdims=True)
    below = between[:, :-1].cumsum(axis=1) + at.cumsum(axis=1) - at
    reached = ill[:, ::-1].cumsum(axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        after, before = reached / num_ill, (reached - ill) / num_ill
        start = np.maximum(before, min_tpr)
        step = np.clip(after - start, 0.0, None)
        passed = np.where(ill > 0, ((start + after) / 2 - before) / (after - before), 0.0)
        return np.asarray(np.sum(step * (below + at * (1 - passed)) / num_well, axis=1))
