"""From counts to probabilities, and how unequal these may be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cap_ratio", "prior_of_counts"]


def prior_of_counts(counts: ArrayLike, *, smoothing: float = 0.0) -> NDArray[np.float64]:
    """Return probabilities in proportion to count + smoothing.

    Args:
        counts: shape (K,), at least 0.
        smoothing: at least 0; the larger, the closer to uniform (the posterior mean under a symmetric Dirichlet prior
            with this parameter).

    Returns:
        float64, shape (K,), sums to 1.

    Raises:
        ValueError: if a number is out of its range, or a probability would be 0.
    """
    held = np.asarray(counts, dtype=np.float64)
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise ValueError(f"expected smoothing >= 0, got {smoothing}")
    if held.ndim != 1 or not held.size or not (np.isfinite(held).all() and (held >= 0).all()):
        raise ValueError("expected counts of shape (K,), at least 0")
    if not (held + smoothing > 0).all():
        raise ValueError("expected counts above 0 without smoothing, got a 0")
    return np.asarray((held + smoothing) / (held + smoothing).sum())


def cap_ratio(prior: ArrayLike, ratio: float) -> NDArray[np.float64]:
    """Return the prior nearest to a given one whose largest probability is at most `ratio` times its smallest.

    Nearest is the least loss in bits, KL(p || q), where secrets come from p. The conditions of the optimum (Karush,
    Kuhn, Tucker; the problem is convex) leave one form: q = clip(p, a, ratio a), with the one floor a that makes q
    sum to 1. Probabilities between floor and ceiling stay as they are, and the order of keywords never turns round. A
    ratio of 1 gives the uniform prior; a prior that is within the ratio is returned as it is.

    Args:
        prior: shape (K,), positive weights.
        ratio: at least 1.

    Returns:
        float64, shape (K,), sums to 1.

    Raises:
        ValueError: if a number is out of its range.
    """
    weights = np.asarray(prior, dtype=np.float64)
    if weights.ndim != 1 or not weights.size or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("expected a prior of shape (K,) of positive numbers")
    if not ratio >= 1:
        raise ValueError(f"expected a ratio of at least 1, got {ratio}")
    p = weights if abs(weights.sum() - 1) < 1e-9 else np.asarray(weights / weights.sum())
    if p.max() <= ratio * p.min():
        return p
    # The sum of clip(p, a, ratio a) grows with a; it is at most 1 at the low end and at least 1 at the high one.
    low, high = 1 / (p.size * ratio), 1 / p.size
    for _ in range(60):
        middle = (low + high) / 2
        if np.clip(p, middle, ratio * middle).sum() < 1:
            low = middle
        else:
            high = middle
    return _clipped(p, low, ratio)


def _clipped(p: NDArray[np.float64], floor: float, ratio: float) -> NDArray[np.float64]:
    """Return the clipped prior, with the floor computed from the probabilities that a near floor clips."""
    below, above = p < floor, p > ratio * floor
    clipped = below | above
    if clipped.any():
        floor = float(p[clipped].sum() / (below.sum() + ratio * above.sum()))
    q = np.where(below, floor, np.where(above, ratio * floor, p))
    return np.asarray(q / q.sum())
