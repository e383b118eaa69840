"""The shape of a lesion: lengths, area, outline and symmetry, on the grid of the camera's mask.

The mask's pixels are 10/73 mm wide. An area is a whole number of them, a perimeter a chain of straight steps (an even
number) and diagonal ones, a length mostly the distance between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.parameters import Class

__all__ = ["PIXEL_MM", "is_colourless", "shape_of", "weighed"]

PIXEL_MM = 10 / 73
"""The width of a pixel of the camera's mask."""

# Estimated, in logarithms. Minor axis over length, about the ellipse's own ratio.
_MINOR = {"one": -0.0207, "ellipse": 0.9216, "wavy": -0.0061, "asymmetry": -0.0166, "size": -0.0230}
_MINOR |= {"ellipse^2": -0.0906, "ellipse wavy": -0.2339}
_MINOR_SPREAD = {"benign": 0.0528, "malignant": 0.0626}
# Area over the ellipse's.
_AREA = {"one": 0.1005, "wavy": -0.3268, "asymmetry": 0.2111, "size": -0.0685, "ratio": 0.1248}
_AREA |= {"wavy^2": 0.0786, "asymmetry^2": -0.7489, "ratio^2": 0.2132}
_AREA_LIFT = {"benign": -0.007, "malignant": 0.017}
_AREA_SPREAD = {"benign": 0.050, "malignant": 0.0616}
_COLOURLESS = {"one": 8.05, "minor": -5.61, "area": -5.94}  # log odds that a lesion is too small for colours
_ALIGNED = 0.12  # share of lesions whose length runs along the grid


def shape_of(
    lesion_class: Class, free: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of shape of N lesions.

    Args:
        lesion_class: whose residuals.
        free: column -> value off the grid, for length, eccentricity, area_perim_ratio and symm_2axis; shape (N,).
        noise: standard normal; shape (8, N).
    """
    size = _length_on_grid(free["clin_size_long_diam_mm"], noise[7])
    flat, asymmetry = free["tbp_lv_eccentricity"], free["tbp_lv_symm_2axis"]
    about = {
        "ellipse": 0.5 * np.log1p(-(flat**2)),
        "wavy": np.log(free["tbp_lv_area_perim_ratio"] / (4 * np.pi)),
        "asymmetry": asymmetry,
        "size": np.log(size / 3.5),
    }
    about |= {"ellipse^2": about["ellipse"] ** 2, "ellipse wavy": about["ellipse"] * about["wavy"]}
    ratio = np.minimum(weighed(_MINOR, about) + _MINOR_SPREAD[lesion_class] * noise[0], -0.006)
    about |= {"wavy^2": about["wavy"] ** 2, "asymmetry^2": asymmetry**2, "ratio": ratio, "ratio^2": ratio**2}
    minor = size * np.exp(ratio)
    filled = weighed(_AREA, about) + _AREA_LIFT[lesion_class] + _AREA_SPREAD[lesion_class] * noise[1]
    pixels = np.maximum(np.round(np.pi / 4 * size * minor * np.exp(filled) / PIXEL_MM**2), 20)
    chain = _on_grid(np.sqrt(free["tbp_lv_area_perim_ratio"] * pixels))
    symmetric = np.maximum(np.round(pixels * (1 + 0.02 * noise[2])), 20)
    return {
        "clin_size_long_diam_mm": np.round(size, 2),
        "tbp_lv_eccentricity": flat,
        "tbp_lv_minorAxisMM": minor,
        "tbp_lv_areaMM2": pixels * PIXEL_MM**2,
        "tbp_lv_perimeterMM": chain * PIXEL_MM,
        "tbp_lv_area_perim_ratio": chain**2 / pixels,
        "tbp_lv_symm_2axis": np.minimum(np.round(asymmetry * symmetric), symmetric - 1) / symmetric,
    }


def weighed(weights: Mapping[str, float], of: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return `weights["one"]` plus the weighted sum of what is named; shape (N,)."""
    total = np.full(len(next(iter(of.values()))), weights["one"])
    for name, weight in weights.items():
        if name != "one":
            total += weight * of[name]
    return total


def _length_on_grid(lengths: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest distances between two pixels in mm; along the grid where the noise is lowest."""
    pixels = lengths / PIXEL_MM
    place = np.clip(np.searchsorted(_PIXEL_DISTANCES, pixels), 1, len(_PIXEL_DISTANCES) - 1)
    below, above = _PIXEL_DISTANCES[place - 1], _PIXEL_DISTANCES[place]
    nearest = np.where(pixels - below < above - pixels, below, above)
    aligned = noise < NormalDist().inv_cdf(_ALIGNED)
    return np.where(aligned, np.maximum(np.round(pixels), 8), nearest) * PIXEL_MM


_PIXEL_DISTANCES = np.array(sorted({along * along + across * across for along in range(225) for across in range(160)}))
_PIXEL_DISTANCES = np.sqrt(_PIXEL_DISTANCES[(_PIXEL_DISTANCES >= 53) & (_PIXEL_DISTANCES <= 43_100)])


def _on_grid(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest length of an even number of straight steps and some diagonal ones, about 42 % of it."""
    best = np.zeros_like(lengths)
    error = np.full_like(lengths, np.inf)
    first = np.round(0.42 * lengths / np.sqrt(2))
    for more in range(-3, 4):
        diagonal = np.maximum(first + more, 0) * np.sqrt(2)
        found = diagonal + 2 * np.round((lengths - diagonal) / 2)
        nearer = np.abs(found - lengths) < error
        best[nearer], error[nearer] = found[nearer], np.abs(found - lengths)[nearer]
    return best


def is_colourless(made: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a lesion is too small for its colours to be compared within it."""
    about = {"minor": np.log(made["tbp_lv_minorAxisMM"]), "area": np.log(made["tbp_lv_areaMM2"])}
    # About a logistic draw.
    return np.asarray(weighed(_COLOURLESS, about) + 1.7 * noise > 0)
