"""Where on the body a lesion is: the named place, and x, y, z in mm about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.patients import BENIGN

__all__ = ["location_simple", "place_on_body", "site_of"]

_P95 = 1.6449  # normal score of the 95 % quantile
_OTHER_SIDE = 0.08  # share of limbs that are on the other side of the axis (estimated)
_GROUND, _CROWN = -1052.134, 1887.767
_SITES = {"Torso Front": "anterior torso", "Torso Back": "posterior torso", "Head & Neck": "head/neck"}


def location_simple(location: str) -> str:
    """Return the coarse place of a fine one: "Left Arm - Upper" -> "Left Arm"."""
    if location.startswith("Torso"):
        return " ".join(location.split()[:2])
    return location.split(" - ")[0]


def site_of(simple: str) -> str | None:
    """Return the anatomical site of a coarse place; None where the place is unknown."""
    if simple.endswith(("Arm", "Leg")):
        return "upper extremity" if simple.endswith("Arm") else "lower extremity"
    return _SITES.get(simple)


def place_on_body(
    kind: NDArray[np.int64], height: NDArray[np.float64], generator: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Draw the places of N lesions.

    Args:
        kind: BENIGN, MALIGNANT or INDETERMINATE; shape (N,).
        height: factor of each patient's height; shape (N,).
        generator: of what is random.

    Returns:
        `location` (place among the published ones) and tbp_lv_x, _y, _z in mm, float32 values; shape (N,).
    """
    places = published().locations
    unknown = np.array([place.name == "Unknown" for place in places])
    missing = published().missing["anatom_site_general"]
    location = np.empty(len(kind), dtype=np.int64)
    for benign in (True, False):
        shares = np.array([place.benign if benign else place.malignant for place in places], dtype=np.float64)
        shares[unknown] = 0
        shares *= (1 - missing) / shares.sum()
        shares[unknown] = missing
        here = (kind == BENIGN) == benign
        location[here] = generator.choice(len(places), int(here.sum()), p=shares / shares.sum())
    noise = generator.standard_normal((3, len(kind)))
    found: dict[str, NDArray[np.float64]] = {}
    for axis, scores in zip("xyz", noise, strict=True):
        low, middle, high = np.array([getattr(place, axis) for place in places])[location].T
        below, above = (middle - low) / _P95, (high - middle) / _P95
        if axis == "x":
            # A limb's long tail towards the other side is its mirror image.
            limb = np.array([place.name.endswith(("Arm", "Leg", "Upper", "Lower")) for place in places])[location]
            near = np.minimum(below, above)
            far = np.minimum(np.maximum(below, above), 1.8 * near)
            below, above = np.where(limb, np.minimum(below, far), below), np.where(limb, np.minimum(above, far), above)
        values = middle + np.where(scores < 0, below, above) * scores
        if axis == "x":
            values = np.where(limb & (generator.random(len(kind)) < _OTHER_SIDE), -values, values)
        if axis == "y":
            values = values * height
        ends = published().full[f"tbp_lv_{axis}"]
        found[f"tbp_lv_{axis}"] = np.clip(values, ends["min"], ends["max"])
    return {"location": location.astype(np.float64), **found}
