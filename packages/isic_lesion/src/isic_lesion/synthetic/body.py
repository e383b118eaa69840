"""Where on the body a lesion is: the named place, and x, y, z in mm about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.marginals import normal_cdf
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.sizes import BENIGN

__all__ = ["location_simple", "place_on_body", "site_of"]

_P95 = 1.6449  # normal score of the 95 % quantile
_OTHER_SIDE = 0.08  # share of limbs that are on the other side of the axis (estimated)
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
    names = [place.name for place in places]
    trunk = np.array([name.startswith(("Torso", "Head")) for name in names])[location]
    limb = np.array([name.endswith(("Arm", "Leg", "Upper", "Lower")) for name in names])[location]
    # The trunk is round: its front is deepest, and its back highest, in the middle.
    front = np.array([name.startswith("Torso Front") for name in names])[location]
    back = np.array([name.startswith("Torso Back") for name in names])[location]
    sideways = (np.abs(2 * normal_cdf(noise[0]) - 1) - 0.5) * np.sqrt(12)
    round_by = np.where(front, 0.35, np.where(back, -0.3, 0.0))
    noise[2] = round_by * sideways + np.sqrt(1 - round_by**2) * noise[2]
    found: dict[str, NDArray[np.float64]] = {}
    for axis, scores in zip("xyz", noise, strict=True):
        low, middle, high = np.array([getattr(place, axis) for place in places])[location].T
        below, above = (middle - low) / _P95, (high - middle) / _P95
        if axis == "x":
            # A limb's long tail towards the other side is its mirror image.
            near = np.minimum(below, above)
            far = np.minimum(np.maximum(below, above), 1.8 * near)
            below, above = np.where(limb, np.minimum(below, far), below), np.where(limb, np.minimum(above, far), above)
            # Across the trunk lesions are spread evenly.
            even = _P95 / 0.9 * (2 * normal_cdf(scores) - 1)
            scores = np.where(trunk, even, scores)
        values = middle + np.where(scores < 0, below, above) * scores
        if axis == "x":
            values = np.where(limb & (generator.random(len(kind)) < _OTHER_SIDE), -values, values)
        if axis == "y":
            values = values * height
        ends = published().full[f"tbp_lv_{axis}"]
        values = np.clip(values, ends["min"], ends["max"])
        found[f"tbp_lv_{axis}"] = values.astype(np.float32).astype(np.float64)
    return {"location": location.astype(np.float64), **found}
