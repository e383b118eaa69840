"""Scores of different models made comparable: each becomes the share of lesions that score no higher.

Only the order of a model's scores survives, so that models of any scale can be averaged. Ranks are taken within a set
of lesions; where lesions come one at a time, `place` reads their rank off the scores of a reference set instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Reference", "place", "rank_shares", "reference_of"]

_KNOTS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """How a model's scores are distributed over lesions it had not seen: points of their cumulative distribution.

    Args:
        scores: strictly increasing, finite; at least one.
        shares: strictly increasing, in (0, 1); as many.
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.shares) or not self.scores:
            raise ValueError(f"expected as many shares as scores, got {len(self.shares)} and {len(self.scores)}")
        for name, values in (("scores", self.scores), ("shares", self.shares)):
            if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
                raise ValueError(f"expected strictly increasing {name}")
        if not 0 < self.shares[0] <= self.shares[-1] < 1:
            raise ValueError(f"expected shares in (0, 1), got {self.shares[0]} to {self.shares[-1]}")


def rank_shares(scores: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return each score's rank over the number of scores: in (0, 1], the highest near 1, ties sharing their mean rank.

    Args:
        scores: real numbers; NaN where a lesion was not scored, which stays NaN and does not count; shape (N,).
        groups: whole numbers, shape (N,): scores are ranked within their group. None: all together.

    Raises:
        ValueError: if shapes differ.

    >>> rank_shares([0.3, 0.1, 0.3, 0.9])
    array([0.625, 0.25 , 0.625, 1.   ])
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected scores of shape (N,), got {values.shape}")
    shares = np.full(len(values), np.nan)
    there = ~np.isnan(values)
    if groups is None:
        shares[there] = _ranked(values[there])
        return shares
    group = np.asarray(groups)
    if group.shape != values.shape:
        raise ValueError(f"expected groups of shape {values.shape}, got {group.shape}")
    for one in np.unique(group[there]):
        members = there & (group == one)
        shares[members] = _ranked(values[members])
    return shares


def reference_of(scores: ArrayLike) -> Reference:
    """Return the distribution of scores, to read later scores' ranks off.

    The share of a score is its mean rank less one half, over the number of scores, so that there is room beyond both
    ends. Of very many scores about a thousand are kept, dense at both ends: their log-odds are about evenly spaced.

    Args:
        scores: finite, at least one; shape (N,).

    Raises:
        ValueError: if there is none, or one is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("expected at least one score, all finite")
    levels, counts = np.unique(values, return_counts=True)
    shares = (counts.cumsum() - counts / 2) / len(values)
    if len(levels) > _KNOTS:
        log_odds = np.log(shares / (1 - shares))
        wanted = np.linspace(log_odds[0], log_odds[-1], _KNOTS)
        kept = np.unique(np.append(log_odds.searchsorted(wanted[:-1]), [0, len(levels) - 1]))
        levels, shares = levels[kept], shares[kept]
    return Reference(scores=tuple(levels.tolist()), shares=tuple(shares.tolist()))


def place(reference: Reference, scores: ArrayLike) -> NDArray[np.float64]:
    """Return where scores would rank in a reference set, in (0, 1).

    Between the reference's scores the share runs straight; beyond the ends it nears 0 and 1 without reaching them, so
    a higher score always has a higher share (as far as floating point goes), however far outside it is.

    Args:
        reference: the distribution.
        scores: finite, or NaN where a lesion was not scored, which stays NaN; shape (N,).
    """
    values = np.asarray(scores, dtype=np.float64)
    levels, shares = np.array(reference.scores), np.array(reference.shares)
    low, high = float(levels[0]), float(levels[-1])
    # One measure of distance for both ends; the logarithm keeps very far scores apart too.
    spread = max(high - low, 1e-9 * max(abs(low), abs(high)), 1e-9)
    placed: NDArray[np.float64] = np.interp(values, levels, shares)
    above, below = values > high, values < low
    placed[above] = 1 - (1 - shares[-1]) / (1 + np.log1p((values[above] - high) / spread))
    placed[below] = shares[0] / (1 + np.log1p((low - values[below]) / spread))
    placed[np.isnan(values)] = np.nan  # a single point would give its own share
    return placed


def _ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = counts.cumsum() - (counts - 1) / 2
    ranked: NDArray[np.float64] = mean_rank[level] / max(len(values), 1)
    return ranked
