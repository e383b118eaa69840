"""Lesions that look alike: k-means clusters of appearance, fitted on training rows.

Each measure is scaled to mean 0 and sd 1 over the training rows; a missing value counts as the mean. The centres are
those of Lloyd's algorithm from a k-means++ start (Arthur and Vassilvitskii, 2007) on at most 20,000 rows, all drawn
with one seed. Distances are summed measure by measure, never by a matrix product, so a row has the same cluster
whatever other rows it is computed with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLUSTER_FORMULAS", "NUM_CLUSTERS", "Clusters", "fit_clusters", "nearest_cluster"]

NUM_CLUSTERS = 29
CLUSTER_FORMULAS = (
    *("size", "log1p(areaMM2)", "minorAxisMM / size", "eccentricity", "symm_2axis", "norm_border", "norm_color"),
    *("color_std_mean", "stdL", "stdLExt", "A", "B", "L", "Aext", "Bext", "Lext", "deltaLBnorm", "nevi_confidence"),
)
"""What likeness is measured by: size, shape, colours and contrast, but not who or where."""

_MOST_ROWS = 20_000
_MOST_ROUNDS = 30
_SEED = 42

Numbers = NDArray[np.float64]


class Clusters(NamedTuple):
    """Fitted clusters.

    Attributes:
        mean: of each measure over the training rows; shape (D,).
        sd: the same, 1 where a measure is constant; shape (D,).
        centres: in scaled measures; shape (K, D), K at most 29.
    """

    mean: Numbers
    sd: Numbers
    centres: Numbers


def fit_clusters(measures: Sequence[Numbers]) -> Clusters:
    """Return the clusters of training rows.

    Args:
        measures: the values of `CLUSTER_FORMULAS`, NaN where missing; D arrays of shape (N,), in canonical order.
    """
    mean, sd = np.zeros(len(measures)), np.ones(len(measures))
    for at, values in enumerate(measures):
        seen = values[~np.isnan(values)]
        if len(seen):
            mean[at] = np.add.reduce(seen) / len(seen)
            spread = np.sqrt(np.add.reduce((seen - mean[at]) ** 2) / len(seen))
            sd[at] = spread if spread > 1e-12 * abs(mean[at]) else 1.0
    rng = np.random.default_rng(_SEED)
    number = len(measures[0])
    chosen = np.sort(rng.choice(number, min(number, _MOST_ROWS), replace=False))
    points = [_scaled(values[chosen], mean[at], sd[at]) for at, values in enumerate(measures)]
    centres = _spread_out(points, rng)
    assigned = np.full(len(chosen), -1)
    for _ in range(_MOST_ROUNDS):
        nearest = _nearest(points, centres)
        if np.array_equal(nearest, assigned):
            break
        assigned = nearest
        sizes = np.bincount(assigned, minlength=len(centres))
        for at, values in enumerate(points):
            sums = np.bincount(assigned, values, minlength=len(centres))
            centres[:, at] = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres[:, at])
    return Clusters(mean, sd, centres)


def nearest_cluster(measures: Sequence[Numbers], clusters: Clusters) -> NDArray[np.intp]:
    """Return the cluster of each row whose centre is nearest, from 0; intp, shape (N,).

    Args:
        measures: as in `fit_clusters`, of any rows.
        clusters: what it returned.
    """
    points = [_scaled(values, clusters.mean[at], clusters.sd[at]) for at, values in enumerate(measures)]
    return _nearest(points, clusters.centres)


def _scaled(values: Numbers, mean: float, sd: float) -> Numbers:
    return np.nan_to_num((values - mean) / sd, nan=0.0)


def _spread_out(points: Sequence[Numbers], rng: np.random.Generator) -> Numbers:
    """Return rows as first centres, each drawn in proportion to its squared distance from those before."""
    number = len(points[0])
    if not number:
        return np.zeros((0, len(points)))
    at = int(rng.integers(number))
    centres: list[list[float]] = []
    apart = np.full(number, np.inf)
    while len(centres) < NUM_CLUSTERS:
        centres.append([float(values[at]) for values in points])
        apart = np.minimum(apart, _squared_distance(points, np.array(centres[-1])))
        reach = np.cumsum(apart)
        if reach[-1] <= 0:
            break  # every row is a centre already
        at = int(np.searchsorted(reach, rng.random() * reach[-1], side="right"))
        at = min(at, number - 1)
    return np.array(centres)


def _squared_distance(points: Sequence[Numbers], centre: Numbers) -> Numbers:
    total = np.zeros(len(points[0]))
    for values, middle in zip(points, centre, strict=True):
        apart = values - middle
        apart *= apart
        total += apart
    return total


def _nearest(points: Sequence[Numbers], centres: Numbers) -> NDArray[np.intp]:
    best = np.full(len(points[0]), np.inf)
    nearest = np.zeros(len(points[0]), dtype=np.intp)
    for number, centre in enumerate(centres):
        distance = _squared_distance(points, centre)
        closer = distance < best
        best[closer] = distance[closer]
        nearest[closer] = number
    return nearest
