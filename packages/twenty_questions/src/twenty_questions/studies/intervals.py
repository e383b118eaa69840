"""Estimates with intervals: means, and figures of things that come in clusters.

The pairs of one keyword are not independent: a model that does not know a thing is wrong about it many times. So what
is drawn again for a bootstrap is keywords, each with all of its pairs (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DRAWS", "Estimate", "cluster_draws", "mean_estimate", "percentile_estimate"]

DRAWS = 1000
"""Bootstrap draws, unless told otherwise."""

_LEVEL = 0.95
_Z = 1.959963984540054


class Estimate(NamedTuple):
    """A figure and its 95 % interval.

    Attributes:
        value: the figure; NaN where it is not defined.
        low: the interval's lower end; NaN where there is none.
        high: its upper end; NaN likewise.
    """

    value: float
    low: float
    high: float


def cluster_draws(clusters: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Return how often each cluster is drawn, with replacement, in each bootstrap draw.

    Args:
        clusters: how many there are, at least 1.
        draws: at least 1.
        seed: equal seeds draw alike, so that figures of one data set can be compared draw by draw.

    Returns:
        Whole numbers, shape (draws, clusters); each row sums to `clusters`.
    """
    if clusters < 1 or draws < 1:
        raise ValueError(f"expected at least 1 cluster and 1 draw, got {clusters} and {draws}")
    rng = np.random.default_rng(seed)
    return np.asarray(rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws), dtype=np.float64)


def percentile_estimate(value: float, draws: ArrayLike) -> Estimate:
    """Return a figure with the middle 95 % of its bootstrap draws; draws in which it was not defined do not count."""
    drawn = np.asarray(draws, dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size or not np.isfinite(value):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def mean_estimate(values: ArrayLike) -> Estimate:
    """Return the mean of independent values with Student's interval; NaN without values, no interval for one."""
    given = np.asarray(values, dtype=np.float64)
    if given.size < 2:
        return Estimate(float(given[0]) if given.size else float("nan"), float("nan"), float("nan"))
    mean = float(given.mean())
    half = _student(given.size - 1) * float(given.std(ddof=1) / np.sqrt(given.size))
    return Estimate(mean, mean - half, mean + half)


def _student(freedom: int) -> float:
    """Return Student's 97.5 % quantile, within 1 % from 2 degrees of freedom on.

    Source: Abramowitz & Stegun (1964), 26.7.5.
    """
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
