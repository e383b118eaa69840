"""Features for a few hundred to some thousand lesions: what is worth a column there, and nothing else.

With some hundred rows every column costs: of what the larger sets have, statistics within the patient and most ratios
made held-out scores of 811 real lesions worse, since few of a patient's lesions are there. What was left made them
better: hue, colours beside those of the same hospital, optical densities, and where on the body the sun comes.
"""

from __future__ import annotations

from collections.abc import Mapping

from isic_lesion.features.feature import Feature
from isic_lesion.features.lesion import columns, one_hots
from isic_lesion.features.optics import OPTICS

__all__ = ["HOSPITAL_COLOURS", "HUES", "PLACES", "few_features"]

HUES: Mapping[str, str] = {
    "hue_difference": "H - Hext",
    "chroma_difference": "C - Cext",
    "a_ratio": "A / Aext",
    "b_ratio": "B / Bext",
    "luminance_ratio": "L / Lext",
    "chroma_ratio": "C / Cext",
    "red_less_yellow": "deltaA - deltaB",
    "red_per_darkness": "deltaA / (abs(deltaL) + 1)",
    "yellow_per_darkness": "deltaB / (abs(deltaL) + 1)",
    "mean_hue": "(H + Hext) / 2",
}
"""Name -> formula of hue beside the skin's."""

HOSPITAL_COLOURS = tuple(
    f"tbp_lv_{name}" for name in ("A", "Aext", "B", "Bext", "L", "Lext", "C", "Cext", "H", "Hext", "stdLExt", "stdL")
)
"""Columns that are also told as z-scores within the hospital: cameras and light differ."""

_FLAGS: Mapping[str, str] = {
    # The contest's data hold hardly any benign lesion below 2.5 mm: of 68 among 811 real ones, 61 are malignant. That
    # is how the data were collected, and no sign of disease.
    "small_diameter": "below(size, 2.45)",
    # Of one colour throughout, as the camera's software sees it: no point of a scale that goes on from there.
    "one_colour": "below(norm_color, 0.000001)",
}

_LOWER_LIMBS = tuple(f"{side} {limb} - Lower" for side in ("Left", "Right") for limb in ("Arm", "Leg"))
PLACES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sun_exposed": ("tbp_lv_location", ("Head & Neck", *_LOWER_LIMBS)),
    "trunk": ("tbp_lv_location_simple", ("Torso Back", "Torso Front")),
    "legs": ("tbp_lv_location_simple", ("Left Leg", "Right Leg")),
}
"""Name -> column and its categories, any of which makes the flag 1."""

_CATEGORICAL = ("sex", "tbp_tile_type", "tbp_lv_location", "tbp_lv_location_simple", "attribution")


def few_features() -> tuple[Feature, ...]:
    """Return the features; `catalogue.few` makes a set of them."""
    formulas = {**HUES, **OPTICS, **_FLAGS}
    return (
        *columns(),
        *one_hots(*_CATEGORICAL),
        *(Feature(name=name, kind="lesion", formulas=(formula,)) for name, formula in formulas.items()),
        *(
            Feature(name=name, kind="any_of", group=(column,), category=categories)
            for name, (column, categories) in PLACES.items()
        ),
        *(
            Feature(
                name=f"hospital.z.{column}", kind="group", formulas=(column,), group=("attribution",), statistic="z"
            )
            for column in HOSPITAL_COLOURS
        ),
    )
