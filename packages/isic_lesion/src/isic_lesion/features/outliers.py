"""How isolated a lesion is among its patient's: the ugly duckling, as a number.

The local outlier factor (Breunig, Kriegel, Ng and Sander, 2000) is how much sparser a point's neighbourhood is than
those of its neighbours: about 1 inside a crowd of any density, more the further it lies apart. Here a point is a lesion
among its own patient's, in measures scaled to that patient's mean and standard deviation; a missing value, and a
measure that does not vary, counts as the mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isic_lesion.features.groups import beside_group, moments
from isic_lesion.features.rows import Groups

__all__ = ["local_outlier_factor", "outlier_factors"]

_BLOCK = 1 << 22
"""How many distances are held at once."""
_LEAST = 1e-10
"""Added to a mean reach distance, so that a heap of equal points has a density; as scikit-learn does."""

Numbers = NDArray[np.float64]


def local_outlier_factor(measures: Sequence[Numbers], patients: Groups, neighbours: int) -> Numbers:
    """Return the local outlier factor of each row within its patient; float64, shape (N,).

    Args:
        measures: NaN where missing; D arrays of shape (N,).
        patients: of the rows.
        neighbours: how many make a neighbourhood; all others where a patient has fewer.

    Returns:
        NaN for rows without a patient, and for the only lesion of one.
    """
    factors = np.full(len(patients.code), np.nan)
    points = np.empty((len(patients.order), len(measures)))
    for at, values in enumerate(measures):
        told = moments(values, patients)
        scaled = beside_group("z", values, told._asdict(), patients.code)
        points[:, at] = np.nan_to_num(scaled[patients.order], nan=0.0)
    for start, size in zip(patients.starts, patients.sizes, strict=True):
        if size > 1:
            own = slice(start, start + size)
            factors[patients.order[own]] = outlier_factors(points[own], min(neighbours, int(size) - 1))
    return factors


def outlier_factors(points: Numbers, neighbours: int) -> Numbers:
    """Return the local outlier factor of each point among all; float64, shape (n,).

    Args:
        points: finite; shape (n, D).
        neighbours: from 1 to n - 1.
    """
    near, distance = _nearest(points, neighbours)
    reach = np.maximum(distance, distance.max(axis=1)[near])
    density = 1 / (reach.mean(axis=1) + _LEAST)
    return np.asarray(density[near].mean(axis=1) / density)


def _nearest(points: Numbers, neighbours: int) -> tuple[NDArray[np.intp], Numbers]:
    """Return the nearest others of each point, and how far they are; shape (n, k) each.

    Candidates come from a matrix product, which is fast; their distances are then taken by differences, which is
    exact also for points that nearly coincide.
    """
    number = len(points)
    near = np.empty((number, neighbours), dtype=np.intp)
    squares = np.einsum("ij,ij->i", points, points)
    step = max(1, _BLOCK // number)
    for first in range(0, number, step):
        some = slice(first, min(first + step, number))
        apart = points[some] @ points.T
        apart *= -2
        apart += squares
        apart[np.arange(some.stop - first), np.arange(first, some.stop)] = np.inf
        near[some] = np.argpartition(apart, neighbours - 1, axis=1)[:, :neighbours]
    squared = np.zeros((number, neighbours))
    for column in points.T:
        difference = column[near] - column[:, None]
        difference *= difference
        squared += difference
    return near, np.sqrt(squared)
