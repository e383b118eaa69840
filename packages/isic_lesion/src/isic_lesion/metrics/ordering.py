"""How well scores put malignant lesions first: the contest's metric, and what its organisers report beside it.

Everything here depends on the order of the scores alone, so any strictly increasing transform leaves it unchanged.
A lesion is positive when it is malignant; it is flagged at a threshold when its score is at least that.
"""

from __future__ import annotations

from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["auc", "number_needed_to_treat", "partial_auc", "se_top_k"]

_ROUNDING = 1e-12


class _Lesions(NamedTuple):
    """Checked input, split by class; weights are None where every lesion counts once."""

    malignant: NDArray[Any]
    benign: NDArray[Any]
    malignant_weights: NDArray[np.float64] | None
    benign_weights: NDArray[np.float64] | None


def partial_auc(
    target: ArrayLike, score: ArrayLike, *, min_tpr: float = 0.8, weights: ArrayLike | None = None
) -> float:
    """Return the area between the ROC curve and FPR = 1 where the TPR is at least `min_tpr`: ISIC 2024's metric.

    The area is integral of (1 - FPR) dTPR over TPR in [min_tpr, 1]. The curve joins one point per distinct score by
    straight lines, so lesions of equal score count as if in random order, and a line that crosses `min_tpr` is cut
    there. With the defaults, perfect order gives 0.2, constant scores 0.02, random ones about that, reversed order 0.

    Only a step of the TPR adds area, so nothing is sorted but the malignant scores: the benign lesions are counted
    below and at those of them that are reached above `min_tpr`.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        score: higher is more suspicious; any real numbers but NaN, infinities included; shape (N,).
        min_tpr: where the area begins, in [0, 1).
        weights: how often each lesion counts, finite and at least 0; shape (N,). None: once.

    Returns:
        The area, in [0, 1 - min_tpr].

    Raises:
        TypeError: if an input is not of a real dtype.
        ValueError: if shapes differ, a value is out of its range, or one of the classes has no weight.

    Source: the metric of the ISIC 2024 contest. It equals `0.02 + 0.36 * (A - 0.5)` with scikit-learn's
    `A = roc_auc_score(1 - target, -score, max_fpr=0.2)`, the standardised area of McClish (1989).

    >>> round(partial_auc([0, 0, 0, 1, 1], [0.1, 0.2, 0.4, 0.3, 0.9]), 6)
    0.133333
    """
    if not 0 <= min_tpr < 1:
        raise ValueError(f"expected min_tpr in [0, 1), got {min_tpr}")
    lesions = _checked(target, score, weights)
    levels, mass, reached = _malignant_levels(lesions)
    tpr_after = reached / reached[0]
    tpr_before = (reached - mass) / reached[0]
    counted = tpr_after > np.maximum(tpr_before, min_tpr)  # a weight may vanish in rounding: no step, no area
    levels, tpr_before, tpr_after = levels[counted], tpr_before[counted], tpr_after[counted]

    below, tied = _benign_shares(levels, lesions.benign, lesions.benign_weights)
    tpr_start = np.maximum(tpr_before, min_tpr)
    middle = (tpr_start + tpr_after) / 2
    passed = (middle - tpr_before) / (tpr_after - tpr_before)
    return float(np.sum((tpr_after - tpr_start) * (below + tied * (1 - passed))))


def auc(target: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the area under the whole ROC curve: how likely a malignant lesion scores above a benign one.

    Equal scores count one half. Arguments and errors are those of `partial_auc`.

    Returns:
        The area, in [0, 1]; 0.5 for constant scores.
    """
    return partial_auc(target, score, min_tpr=0.0, weights=weights)


def number_needed_to_treat(
    target: ArrayLike, score: ArrayLike, *, sensitivity: float, weights: ArrayLike | None = None
) -> float:
    """Return how many lesions are flagged per malignant one found, (TP + FP) / TP, at a required sensitivity.

    The threshold is the highest score at which TP / P is at least `sensitivity`; lesions of that very score are all
    flagged, so the sensitivity reached may be higher than the one required. Nothing is interpolated.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        score: higher is more suspicious; any real numbers but NaN; shape (N,).
        sensitivity: the share of malignant lesions to find, in (0, 1]; 0.8 and 0.9 give NNT80 and NNT90.
        weights: as in `partial_auc`; the sensitivity is compared to within rounding of their sum.

    Returns:
        The number, at least 1; N / P when the least malignant score is the least of all and is needed.

    Raises:
        TypeError: if an input is not of a real dtype.
        ValueError: if shapes differ, a value is out of its range, or one of the classes has no weight.

    >>> number_needed_to_treat([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1], sensitivity=0.8)
    1.5
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"expected sensitivity in (0, 1], got {sensitivity}")
    lesions = _checked(target, score, weights)
    levels, _, reached = _malignant_levels(lesions)
    at = np.count_nonzero(reached >= sensitivity * reached[0] * (1 - _ROUNDING)) - 1
    flagged = lesions.benign >= levels[at]
    wrongly = np.count_nonzero(flagged) if lesions.benign_weights is None else lesions.benign_weights[flagged].sum()
    return float((reached[at] + wrongly) / reached[at])


def se_top_k(target: ArrayLike, score: ArrayLike, patient: ArrayLike, k: int = 15) -> float:
    """Return the share of malignant lesions that are among the `k` highest scores of their own patient.

    Where equal scores straddle the k-th place, each of them counts for the share of them that fits: the mean over
    all orders of the tied, whatever the order of the rows.

    Args:
        target: 1 for malignant, 0 for benign; shape (N,).
        score: higher is more suspicious; any real numbers but NaN; shape (N,).
        patient: whose lesion it is, as text or whole numbers; shape (N,).
        k: how many lesions of each patient are looked at, at least 1; patients with fewer are looked at wholly.

    Returns:
        The share, in [0, 1].

    Raises:
        TypeError: if target or score is not of a real dtype, or patient is neither text nor whole numbers.
        ValueError: if shapes differ, a value is out of its range, or no lesion is malignant.

    >>> se_top_k([1, 0, 0, 1], [0.9, 0.2, 0.8, 0.3], ["a", "a", "b", "b"], k=1)
    0.5
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    malignant, scores = _checked_target(target), _real("score", score)
    owner = _numbered(patient)
    _same_shape(malignant, score=scores, patient=owner)
    if not malignant.any():
        raise ValueError("expected at least one malignant lesion (target 1), got none")

    # Only patients with a malignant lesion matter: usually a few of them.
    involved = np.isin(owner, owner[malignant])
    malignant, scores, owner = malignant[involved], scores[involved], owner[involved]
    order = np.lexsort((scores, owner))
    malignant, scores, owner = malignant[order], scores[order], owner[order]
    last_of_owner = np.append(owner[1:] != owner[:-1], True)
    last_of_tied = last_of_owner | np.append(scores[1:] != scores[:-1], True)
    owner_end, _ = _runs(last_of_owner)
    tied_end, tied = _runs(last_of_tied)
    fitting = np.clip((k - (owner_end - tied_end)) / tied, 0, 1)
    return float(fitting[malignant].mean())


def _malignant_levels(lesions: _Lesions) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the distinct malignant scores upwards, the weight at each, and the weight at or above each."""
    levels, place = np.unique(lesions.malignant, return_inverse=True)
    mass = np.bincount(place, weights=lesions.malignant_weights)
    return levels, mass, mass[::-1].cumsum()[::-1]


def _benign_shares(
    levels: NDArray[Any], benign: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of benign lesions below each of the ascending levels, and at it."""
    total = len(benign) if weights is None else weights.sum()
    lower, within = benign < levels[0], benign <= levels[-1]
    underneath = np.count_nonzero(lower) if weights is None else weights[lower].sum()
    within &= ~lower
    inside, inside_weights = benign[within], None if weights is None else weights[within]
    place = levels.searchsorted(inside)
    tied = levels[place] == inside
    up_to = np.bincount(place, inside_weights, len(levels)).cumsum() + underneath
    at = np.bincount(place[tied], None if inside_weights is None else inside_weights[tied], len(levels))
    return (up_to - at) / total, at / total


def _runs(last: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for each row, where its run ends (exclusive) and how long it is, given which rows end a run."""
    ends = np.flatnonzero(last) + 1
    lengths = np.diff(ends, prepend=0)
    return np.repeat(ends, lengths), np.repeat(lengths, lengths)


def _checked(target: ArrayLike, score: ArrayLike, weights: ArrayLike | None) -> _Lesions:
    malignant, scores = _checked_target(target), _real("score", score)
    _same_shape(malignant, score=scores)
    benign = ~malignant
    if weights is None:
        lesions = _Lesions(scores[malignant], scores[benign], None, None)
    else:
        counts = _real("weights", weights).astype(np.float64)
        _same_shape(malignant, weights=counts)
        _refuse(~np.isfinite(counts) | (counts < 0), counts, "finite weights of at least 0")
        malignant &= counts > 0
        benign &= counts > 0
        lesions = _Lesions(scores[malignant], scores[benign], counts[malignant], counts[benign])
    for name, value, members in (("malignant", 1, lesions.malignant), ("benign", 0, lesions.benign)):
        if not len(members):
            raise ValueError(f"expected at least one {name} lesion (target {value}), got none")
    return lesions


def _checked_target(target: ArrayLike) -> NDArray[np.bool_]:
    values = _real("target", target)
    malignant: NDArray[np.bool_] = values == 1
    _refuse(~malignant & (values != 0), values, "target of 0 and 1")
    return malignant


def _real(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected {name} of a real dtype, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"expected {name} of shape (N,), got {array.shape}")
    if array.dtype.kind == "f":
        _refuse(np.isnan(array), array, f"{name} without NaN")
    return array


def _numbered(patient: ArrayLike) -> NDArray[np.intp]:
    names = np.asarray(patient)
    if names.ndim != 1:
        raise ValueError(f"expected patient of shape (N,), got {names.shape}")
    listed = names.tolist()
    numbers = {name: number for number, name in enumerate(dict.fromkeys(listed))}
    for name in numbers:
        if not isinstance(name, str | SupportsIndex):
            raise TypeError(f"expected patient as text or whole numbers, got {name!r}")
    return np.fromiter((numbers[name] for name in listed), dtype=np.intp, count=len(listed))


def _same_shape(target: NDArray[np.bool_], **others: NDArray[Any]) -> None:
    for name, array in others.items():
        if array.shape != target.shape:
            raise ValueError(f"expected {name} of target's shape {target.shape}, got {array.shape}")


def _refuse(wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    if wrong.any():
        position = int(wrong.argmax())
        raise ValueError(f"expected {expected}, got {values[position].item()} at position {position}")
