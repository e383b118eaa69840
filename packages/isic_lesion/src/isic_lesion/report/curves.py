"""The curves behind the figures, as few points as they need: one or two for each distinct malignant score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "NntCurve", "RocCurve", "histogram", "nnt_curve", "roc_curve"]


class RocCurve(NamedTuple):
    """Corners of a ROC curve from (0, 0) to (1, 1), joined by straight lines; both of shape (K,), not descending."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]


class NntCurve(NamedTuple):
    """Lesions flagged per malignant one found, at each sensitivity that can be had; both of shape (K,)."""

    sensitivity: NDArray[np.float64]
    number: NDArray[np.float64]


class Histogram(NamedTuple):
    """Shares of each class in bins of the score.

    Attributes:
        edges: of the bins, ascending; shape (B + 1,). Log-odds if `on_log_odds`, else scores.
        malignant: share of the malignant lesions in each bin; shape (B,).
        benign: share of the benign ones, or of all where truth is unknown; shape (B,).
        on_log_odds: whether all scores lie in [0, 1] and the bins are equal in log-odds.
    """

    edges: NDArray[np.float64]
    malignant: NDArray[np.float64]
    benign: NDArray[np.float64]
    on_log_odds: bool


def roc_curve(target: NDArray[np.int8], score: NDArray[np.float64]) -> RocCurve:
    """Return the corners of the ROC curve; both classes are there, shapes (N,)."""
    above, flagged, wrongly_above, wrongly = _steps(target, score)
    num_ill, num_well = flagged[-1], len(target) - flagged[-1]
    # Before and after each level: between two levels the curve goes straight to the right.
    fpr = np.column_stack([wrongly_above, wrongly]).ravel() / num_well
    tpr = np.column_stack([above, flagged]).ravel() / num_ill
    return RocCurve(np.concatenate([[0.0], fpr, [1.0]]), np.concatenate([[0.0], tpr, [1.0]]))


def nnt_curve(target: NDArray[np.int8], score: NDArray[np.float64]) -> NntCurve:
    """Return how many lesions are flagged per malignant one found, from the highest malignant score down."""
    _, flagged, _, wrongly = _steps(target, score)
    return NntCurve(flagged / flagged[-1], (flagged + wrongly) / flagged)


def histogram(target: NDArray[np.int8] | None, score: NDArray[np.float64], *, num_bins: int = 40) -> Histogram:
    """Return how the scores of each class are spread.

    Probabilities of a rare disease crowd at 0, so scores within [0, 1] are laid out by their log-odds, the outermost
    0.01 % drawn to the ends; other scores as they are, the outermost 0.5 % drawn to the ends.
    """
    on_log_odds = bool((score >= 0).all() and (score <= 1).all())
    values, cut = score, 0.005
    if on_log_odds:
        inside = np.clip(score, 1e-6, 1 - 1e-6)
        values, cut = np.log(inside / (1 - inside)), 0.0001
    low, high = np.quantile(values, [cut, 1 - cut])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, num_bins + 1)
    malignant = np.zeros(len(values), dtype=np.bool_) if target is None else target == 1
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, num_bins - 1)
    shares = [np.bincount(place[of], minlength=num_bins) / max(1, int(of.sum())) for of in (malignant, ~malignant)]
    return Histogram(edges, shares[0], shares[1], on_log_odds)


def _steps(
    target: NDArray[np.int8], score: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return malignant lesions above and from each distinct malignant score downwards, and benign ones likewise."""
    ill, well = np.sort(score[target == 1]), np.sort(score[target == 0])
    levels = np.unique(ill)[::-1]
    return (
        len(ill) - ill.searchsorted(levels, side="right"),
        len(ill) - ill.searchsorted(levels, side="left"),
        len(well) - well.searchsorted(levels, side="right"),
        len(well) - well.searchsorted(levels, side="left"),
    )
