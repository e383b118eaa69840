"""One column at a time: the quantile function through its published quantiles.

A column's value is a monotone function of a normal score. Between the published quantiles it is a monotone cubic in a
scale on which the column is roughly bell-shaped, so that tails reach the published minimum and maximum and no further.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.parameters import Class, published

__all__ = ["GRID", "Marginal", "marginal", "monotone_cubic", "normal_cdf"]

Scale = Literal["linear", "log", "logit"]

GRID: NDArray[np.float64] = np.linspace(-5.5, 5.5, 4401)
"""The normal scores at which functions of a score are tabulated."""

_SCALES: dict[str, Scale] = {
    "clin_size_long_diam_mm": "log",
    "tbp_lv_deltaLBnorm": "log",
    "tbp_lv_area_perim_ratio": "log",
    "tbp_lv_color_std_mean": "log",
    "tbp_lv_radial_color_std_max": "log",
    "tbp_lv_stdL": "log",
    "tbp_lv_stdLExt": "log",
    "tbp_lv_symm_2axis": "logit",
    "tbp_lv_nevi_confidence": "logit",
    "tbp_lv_dnn_lesion_confidence": "logit",
}
_PERCENT = ("tbp_lv_nevi_confidence", "tbp_lv_dnn_lesion_confidence")
# Least positive values seen: what a quantile of zero means where zeros are a case of their own.
_LEAST_COLOUR = {"tbp_lv_color_std_mean": 0.048, "tbp_lv_radial_color_std_max": 0.0143}
# Confidences are float32 shares, which are 1 from here on: quantiles above it say no more than that.
_ONE = 1 - 6e-8
_FULL_QUARTILES = {0.25: "25%", 0.5: "50%", 0.75: "75%"}
_CLASS_QUANTILES = {0.01: "p01", 0.05: "p05", 0.25: "p25", 0.5: "p50", 0.75: "p75", 0.95: "p95", 0.99: "p99"}


class Marginal(NamedTuple):
    """A column's quantile function of the normal score, tabulated.

    Attributes:
        values: the column's value at each score of `GRID`, ascending.
        zero: the share of rows whose value is exactly zero; the values are those of the other rows.
    """

    values: NDArray[np.float64]
    zero: float

    def at(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at normal scores."""
        return np.interp(scores, GRID, self.values)

    def scores_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the normal scores at which the column has these values, within +-5.5."""
        rising = self.values + np.arange(len(GRID)) * 1e-12
        return np.interp(values, rising, GRID)


@cache
def marginal(column: str, lesion_class: Class) -> Marginal:
    """Return a column's quantile function within a class.

    Benign lesions take minimum, quartiles and maximum from the full table, of which they are 99.9 %, and the quantiles
    outside the quartiles from the class's own sample; malignant ones take all from theirs, which is all there are.

    Args:
        column: a numeric column with published quantiles.
        lesion_class: "benign" or "malignant".
    """
    full, own = published().full[column], published().classes[column][lesion_class]
    knots = {share: own[name] for share, name in _CLASS_QUANTILES.items()}
    count = own["n"]
    least, most = own["min"], own["max"]
    if lesion_class == "benign":
        knots |= {share: full[name] for share, name in _FULL_QUARTILES.items()}
        count, least, most = full["count"], full["min"], full["max"]
    zero = own["frac_zero"] if column in _LEAST_COLOUR else 0.0
    if zero:
        least = _LEAST_COLOUR[column]
        knots = {(share - zero) / (1 - zero): value for share, value in knots.items() if share > zero and value > least}
        count *= 1 - zero
    knots = {0.5 / count: least, **knots, 1 - 0.5 / count: most}
    if column in _PERCENT:
        knots = {share: value for share, value in knots.items() if value < 100 * _ONE}
    shares = sorted(knots)
    places = np.array([NormalDist().inv_cdf(share) for share in shares])
    heights = _scaled(column, np.array([knots[share] for share in shares]))
    heights = monotone_cubic(places, np.maximum.accumulate(heights), GRID)
    if column in _PERCENT:
        # Beyond what a float32 can tell, as steep as just before.
        slope = (np.interp(places[-1], GRID, heights) - np.interp(places[-2], GRID, heights)) / np.diff(places[-2:])
        heights = heights + slope * np.maximum(GRID - places[-1], 0)
    return Marginal(_unscaled(column, heights), zero)


def monotone_cubic(
    places: NDArray[np.float64], heights: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the monotone cubic through points, constant outside them.

    Slopes are the harmonic means of Fritsch and Butland (1984), so the curve never turns between two points.

    Args:
        places: where the points are, ascending; shape (K,), K >= 2.
        heights: how high they are, never falling; shape (K,).
        at: where the curve is wanted; shape (N,).

    Returns:
        The heights there; shape (N,).
    """
    widths = np.diff(places)
    slopes = np.diff(heights) / widths
    inner = np.zeros(len(places))
    before, after = slopes[:-1], slopes[1:]
    first, second = 2 * widths[1:] + widths[:-1], widths[1:] + 2 * widths[:-1]
    rising = (before > 0) & (after > 0)
    inner[1:-1][rising] = ((first + second)[rising]) / (first[rising] / before[rising] + second[rising] / after[rising])
    inner[0], inner[-1] = slopes[0], slopes[-1]
    x = np.clip(at, places[0], places[-1])
    piece = np.clip(np.searchsorted(places, x, side="right") - 1, 0, len(widths) - 1)
    t = (x - places[piece]) / widths[piece]
    return np.asarray(
        heights[piece] * (1 + 2 * t) * (1 - t) ** 2
        + heights[piece + 1] * t**2 * (3 - 2 * t)
        + widths[piece] * (inner[piece] * t * (1 - t) ** 2 - inner[piece + 1] * t**2 * (1 - t))
    )


def normal_cdf(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard normal distribution function, to about 1e-7 within +-5.5."""
    return np.asarray(np.interp(scores, GRID, _CDF))


_CDF: NDArray[np.float64] = np.array([NormalDist().cdf(score) for score in GRID.tolist()])


def _scaled(column: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    match _SCALES.get(column, "linear"):
        case "log":
            return np.log(values)
        case "logit":
            shares = np.maximum(values / (100 if column in _PERCENT else 1), 1e-31)
            return np.asarray(np.log(shares) - np.log1p(-shares))
        case "linear":
            return values


def _unscaled(column: str, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    match _SCALES.get(column, "linear"):
        case "log":
            return np.exp(heights)
        case "logit":
            return np.asarray((100 if column in _PERCENT else 1) / (1 + np.exp(-heights)))
        case "linear":
            return heights
