"""What a lesion's own columns say: the columns themselves, their ratios and interactions, and categories as 0 and 1.

The formulas are those that public solutions of ISIC 2024 found to work. The category "site x location" is not among
them, for the site follows from the location.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from isic_lesion.data.schema import NUMERIC_COLUMNS, column
from isic_lesion.features.feature import Feature

__all__ = ["CATEGORIES", "FORMULAS", "columns", "interactions", "one_hot", "one_hots"]

_COLOR = "deltaA * deltaA + deltaB * deltaB + deltaL * deltaL"
_DISTANCE = "sqrt(x * x + y * y + z * z)"
_AREA_PER_PERIMETER2 = "areaMM2 / (perimeterMM * perimeterMM)"

FORMULAS: Mapping[str, str] = {
    "axis_ratio": "minorAxisMM / size",
    "area_per_perimeter2": _AREA_PER_PERIMETER2,
    "hue_contrast": "abs(H - Hext)",
    "luminance_contrast": "abs(L - Lext)",
    "color_difference": f"sqrt({_COLOR})",
    "border_complexity": "norm_border + symm_2axis",
    "color_uniformity": "color_std_mean / radial_color_std_max",
    "distance": _DISTANCE,
    "perimeter_per_area": "perimeterMM / areaMM2",
    "area_per_perimeter": "areaMM2 / perimeterMM",
    "visibility": "deltaLBnorm + norm_color",
    "symmetry_border": "symm_2axis * norm_border",
    "symmetry_border_balance": "symm_2axis * norm_border / (symm_2axis + norm_border)",
    "luminance_sd_per_skin": "stdL / Lext",
    "luminance_sd_skin_balance": "stdL * Lext / (stdL + Lext)",
    "size_age": "size * age",
    "hue_color_sd": "H * color_std_mean",
    "irregularity": "(norm_border + norm_color + eccentricity) / 3",
    "border_complexity_shape": f"norm_border + symm_2axis + {_AREA_PER_PERIMETER2}",
    "color_contrast_sum": "deltaA + deltaB + deltaL + deltaLBnorm",
    "log_area": "log1p(areaMM2)",
    "size_per_age": "size / age",
    "mean_hue": "(H + Hext) / 2",
    "color_contrast_rms": f"sqrt(({_COLOR}) / 3)",
    "color_shape_mean": "(color_std_mean + area_perim_ratio + symm_2axis) / 3",
    "body_angle": "atan2(y, x)",
    "color_contrast_mean": "(deltaA + deltaB + deltaL) / 3",
    "symmetry_perimeter": "symm_2axis * perimeterMM",
    "shape_color_mean": "(area_perim_ratio + eccentricity + norm_color + symm_2axis) / 4",
    "color_sd_per_skin_luminance_sd": "color_std_mean / stdLExt",
    "border_color": "norm_border * norm_color",
    "border_color_balance": "norm_border * norm_color / (norm_border + norm_color)",
    "size_per_contrast": "size / deltaLBnorm",
    "nevi_confidence_per_age": "nevi_confidence / age",
    "size_age_norm": "hypot(size, age)",
    "radial_color_symmetry": "radial_color_std_max * symm_2axis",
    "area_distance": f"areaMM2 * {_DISTANCE}",
    "contrast_sum": "abs(L - Lext) + abs(A - Aext) + abs(B - Bext)",
    "eccentricity_color_sd": "eccentricity * color_std_mean",
    "roundness": "perimeterMM / (2 * 3.141592653589793 * sqrt(areaMM2 / 3.141592653589793))",
    "age_size_symmetry": "age * size * symm_2axis",
    "age_area_symmetry": "age * areaMM2 * symm_2axis",
    "chroma_contrast": "C - Cext",
    "chroma_ratio": "C / Cext",
    "luminance_ratio": "L / Lext",
    "luminance_sd_ratio": "stdL / stdLExt",
    "equivalent_diameter_ratio": "sqrt(areaMM2) / size",
    "size_border": "size * norm_border",
    "size_color": "size * norm_color",
}
"""Name -> formula of every ratio and interaction."""

_CATEGORICAL = (
    "sex",
    "anatom_site_general",
    "tbp_tile_type",
    "tbp_lv_location",
    "tbp_lv_location_simple",
    "attribution",
)
CATEGORIES: Mapping[str, tuple[str, ...]] = {name: column(name).categories for name in _CATEGORICAL}
"""Column -> the categories that the contest's training set has."""

_SLUG_LENGTH = 60


def columns() -> tuple[Feature, ...]:
    """Return every numeric column as it is, under its own name."""
    return tuple(Feature(name=column, kind="lesion", formulas=(column,)) for column in NUMERIC_COLUMNS)


def interactions() -> tuple[Feature, ...]:
    """Return every ratio and interaction of `FORMULAS`."""
    return tuple(Feature(name=name, kind="lesion", formulas=(formula,)) for name, formula in FORMULAS.items())


def one_hot(column: str, category: str) -> Feature:
    """Return the 0/1 column of a category, such as `sex=male`."""
    plain = unicodedata.normalize("NFKD", category).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^0-9A-Za-z]+", "_", plain).strip("_")[:_SLUG_LENGTH].rstrip("_")
    return Feature(name=f"{column}={slug}", kind="one_hot", group=(column,), category=(category,))


def one_hots(*columns: str) -> tuple[Feature, ...]:
    """Return the 0/1 columns of all known categories of some columns; by default of every one."""
    return tuple(one_hot(column, category) for column in columns or CATEGORIES for category in CATEGORIES[column])
