"""Columns brought to one scale by their own distribution, so that distances mean the same in each of them.

A column's value becomes the normal quantile of its place among the training rows' values (van der Waerden's normal
scores; as scikit-learn's `QuantileTransformer` has it): the levels k / (Q - 1), k = 0 .. Q - 1, are interpolated in
the column's quantiles, ties in the middle of their levels, the ends kept `margin` away from 0 and 1. Then mean and
standard deviation of the training rows become 0 and 1.

A column of 0 and 1 has nothing to rank: its mean is taken away and it is multiplied by a scale of its own. A missing
value is 0, the mean of the training rows, in either case; a column without two values is 0 throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NormalScores", "fit_normal_scores", "normal_scores"]

_LEVELS = 101
_MARGIN = 1e-4


class NormalScores(NamedTuple):
    """What the columns are brought to one scale with.

    Attributes:
        quantiles: of each column at the levels k / (Q - 1), ascending; all NaN for a column that is taken as it is;
            float64, shape (F, Q).
        centre: what is taken away, of the normal quantile or of the value itself; float64, shape (F,).
        scale: what the rest is multiplied by, 0 for a column without two values; float64, shape (F,).
    """

    quantiles: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]


def fit_normal_scores(features: NDArray[np.float32], *, binary_scale: float) -> NormalScores:
    """Return how the columns of training rows are brought to one scale.

    Args:
        features: float32, NaN where missing, shape (N, F).
        binary_scale: of columns of 0 and 1, above 0.
    """
    width = features.shape[1]
    quantiles = np.full((width, _LEVELS), np.nan)
    centre, scale = np.zeros(width), np.zeros(width)
    for column, values in enumerate(features.T):
        known = _finite(values[~np.isnan(values)])
        if not len(known) or known.min() == known.max():
            continue
        if np.isin(known, (0, 1)).all():
            centre[column], scale[column] = known.mean(), binary_scale
            continue
        # Rounding in the interpolation can leave neighbours a bit out of order.
        quantiles[column] = np.maximum.accumulate(np.quantile(known, np.linspace(0, 1, _LEVELS)))
        ranked = _ranked(known, quantiles[column])
        centre[column], spread = ranked.mean(), ranked.std()
        scale[column] = 1 / spread if spread > 0 else 0.0
    return NormalScores(quantiles, centre, scale)


def normal_scores(features: NDArray[np.float32], fitted: NormalScores) -> NDArray[np.float32]:
    """Return rows on the scale of the training rows; float32, shape (N, F), 0 where missing.

    Args:
        features: float32, NaN where missing, shape (N, F).
        fitted: what `fit_normal_scores` returned.
    """
    scores = np.zeros(features.shape, dtype=np.float32)
    for column in np.flatnonzero(fitted.scale):
        known = ~np.isnan(features[:, column])
        values = _finite(features[known, column])
        if not np.isnan(fitted.quantiles[column, 0]):
            values = _ranked(values, fitted.quantiles[column])
        scores[known, column] = (values - fitted.centre[column]) * fitted.scale[column]
    return scores


def _ranked(values: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtri

    levels = np.linspace(0, 1, len(quantiles))
    # Upwards a tie ends at its last level, downwards at its first: the mean is its middle.
    last, first = np.interp(values, quantiles, levels), 1 - np.interp(-values, -quantiles[::-1], levels)
    return np.asarray(ndtri(np.clip((last + first) / 2, _MARGIN, 1 - _MARGIN)))


def _finite(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.clip(values.astype(np.float64), -1e30, 1e30)
