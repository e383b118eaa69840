"""The measured columns of lesions: free ones from the copula, all others by the rules that real rows keep.

Lengths lie on the grid of the camera's mask, whose pixels are 10/73 mm wide: an area is a whole number of them, a
perimeter a chain of straight steps (an even number) and diagonal ones. Rules marked "estimated" were measured on
811 openly licensed real rows; the rest of the rules hold on those rows exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.body import place_on_body
from isic_lesion.synthetic.dependence import FREE, GIVEN, free_scores
from isic_lesion.synthetic.marginals import marginal
from isic_lesion.synthetic.parameters import Class
from isic_lesion.synthetic.patients import BENIGN, Plan

__all__ = ["measure", "norm_border_of", "norm_color_of"]

PIXEL_MM = 10 / 73

# Estimated: residuals about the ellipse, in logarithms.
_MINOR = (-0.033, 0.866, 0.060)  # constant, weight of the ellipse's ratio, spread
_AREA = (0.6, -0.2646, -0.086, -0.0736, 0.060)
_DELTA_LB = (-2.42, -0.91, 0.053, 0.226, 0.53)
_DELTA_LB_NORM = (0.3811, 0.0172, 0.024)
_COLOURLESS = (8.05, -5.61, -5.94)  # log odds of no colour spread: constant, log minor axis, log area


def measure(table: Plan, rows: slice, generator: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return the measured columns of some rows of a made-up table.

    Args:
        table: who is who.
        rows: which rows.
        generator: of what is random about these rows.

    Returns:
        Column -> values, with `location` (place among the published ones) and `visit` (0 or 1) among them; shape (N,).
    """
    kind, patient = table.lesions.kind[rows], table.lesions.patient[rows]
    number, people = len(kind), table.patients
    own = generator.standard_normal((len(FREE), number))
    visit = (people.visits[patient] & (generator.random(number) < 0.5)).astype(np.float64)
    place = place_on_body(kind, people.height[patient], generator)
    noise = generator.standard_normal((8, number))
    columns: dict[str, NDArray[np.float64]] = {}
    for lesion_class, here in _by_class(kind):
        whose = patient[here]
        extra = np.zeros((len(FREE), len(whose)))
        for order, shift in enumerate(table.unseen_shifts):
            extra[:, people.hospital[whose] == len(_hospitals()) + order] = shift[:, None]
        given = np.stack(
            [
                marginal("age_approx", lesion_class).scores_of(people.years[whose]),
                *(marginal(column, lesion_class).scores_of(place[column][here]) for column in GIVEN[1:]),
            ]
        )
        scores = free_scores(
            lesion_class, given, people.like[whose], people.part[:, whose], own[:, here], extra_shift=extra
        )
        free = dict(zip(FREE, scores, strict=True))
        made = _derived(lesion_class, free, noise[:, here])
        for name, values in made.items():
            columns.setdefault(name, np.empty(number))[here] = values
    angle = (5 * generator.integers(0, 36, number)).astype(np.float64)
    return {**place, **columns, "tbp_lv_symm_2axis_angle": angle, "visit": visit}


def norm_color_of(spread: NDArray[np.float64], radial: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return norm_color: min(5, 1.4693 color_std_mean) + min(5, 1.5281 radial_color_std_max), as on real rows."""
    return np.minimum(5, 1.46929182 * spread) + np.minimum(5, 1.52811736 * radial)


def norm_border_of(ratio: NDArray[np.float64], asymmetry: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return norm_border: .18226 (area_perim_ratio - 4 pi) within 0 and 5, plus min(5, symm_2axis / .135)."""
    return np.clip(0.182255598 * (ratio - 4 * np.pi), 0, 5) + np.minimum(5, asymmetry / 0.135)


def _hospitals() -> tuple[object, ...]:
    from isic_lesion.synthetic.parameters import published

    return published().hospitals


def _by_class(kind: NDArray[np.int64]) -> list[tuple[Class, NDArray[np.int64]]]:
    """Return which rows are made as benign and as malignant ones; what is indeterminate looks malignant."""
    groups: list[tuple[Class, NDArray[np.int64]]] = [
        ("benign", np.flatnonzero(kind == BENIGN)),
        ("malignant", np.flatnonzero(kind != BENIGN)),
    ]
    return [(name, here) for name, here in groups if len(here)]


def _derived(
    lesion_class: Class, scores: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    free = {column: marginal(column, lesion_class).at(values) for column, values in scores.items()}
    made = {column: free[column] for column in ("tbp_lv_Aext", "tbp_lv_Bext", "tbp_lv_Lext", "tbp_lv_stdLExt")}
    made["tbp_lv_nevi_confidence"] = free["tbp_lv_nevi_confidence"]
    made["tbp_lv_dnn_lesion_confidence"] = free["tbp_lv_dnn_lesion_confidence"]
    made["tbp_lv_stdL"] = free["tbp_lv_stdL"]
    made |= _shape(free, noise)
    made |= _difference(made, free, noise)
    colourless = _is_colourless(made, noise[3])
    for column in ("tbp_lv_color_std_mean", "tbp_lv_radial_color_std_max"):
        made[column] = np.where(colourless, 0.0, free[column])
    made["tbp_lv_norm_color"] = norm_color_of(made["tbp_lv_color_std_mean"], made["tbp_lv_radial_color_std_max"])
    made["tbp_lv_norm_border"] = norm_border_of(made["tbp_lv_area_perim_ratio"], made["tbp_lv_symm_2axis"])
    return made


def _shape(free: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    size = np.round(free["clin_size_long_diam_mm"], 2)
    flat = free["tbp_lv_eccentricity"]
    ratio, asymmetry = free["tbp_lv_area_perim_ratio"], free["tbp_lv_symm_2axis"]
    ellipse = 0.5 * np.log1p(-(flat**2))
    constant, weight, spread = _MINOR
    minor = size * np.exp(np.minimum(constant + weight * ellipse + spread * noise[0], -0.006))
    constant, of_ratio, of_symmetry, of_size, spread = _AREA
    filled = (
        constant
        + of_ratio * np.log(ratio)
        + of_symmetry * np.log(asymmetry)
        + of_size * np.log(size)
        + spread * noise[1]
    )
    pixels = np.maximum(np.round(np.pi / 4 * size * minor * np.exp(filled) / PIXEL_MM**2), 20)
    chain = _on_grid(np.sqrt(ratio * pixels))
    symmetric = np.maximum(np.round(pixels * (1 + 0.02 * noise[2])), 20)
    return {
        "clin_size_long_diam_mm": size,
        "tbp_lv_eccentricity": flat,
        "tbp_lv_minorAxisMM": minor,
        "tbp_lv_areaMM2": pixels * PIXEL_MM**2,
        "tbp_lv_perimeterMM": chain * PIXEL_MM,
        "tbp_lv_area_perim_ratio": chain**2 / pixels,
        "tbp_lv_symm_2axis": np.minimum(np.round(asymmetry * symmetric), symmetric - 1) / symmetric,
    }


def _on_grid(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest length of an even number of straight steps and some diagonal ones, 30 to 50 % of it."""
    best = np.zeros_like(lengths)
    error = np.full_like(lengths, np.inf)
    first = np.round(0.42 * lengths / np.sqrt(2))
    for more in range(-3, 4):
        diagonal = np.maximum(first + more, 0) * np.sqrt(2)
        found = diagonal + 2 * np.round((lengths - diagonal) / 2)
        nearer = np.abs(found - lengths) < error
        best[nearer], error[nearer] = found[nearer], np.abs(found - lengths)[nearer]
    return best


def _difference(
    made: Mapping[str, NDArray[np.float64]], free: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the lesion's colour and its difference from the skin's, none fainter than a lesion is found at."""
    red, yellow, light = free["tbp_lv_deltaA"], free["tbp_lv_deltaB"], free["tbp_lv_deltaL"]
    skin = {letter: made[f"tbp_lv_{letter}ext"] for letter in "ABL"}
    light = -np.minimum(-light, skin["L"] - 4.3)
    apart = np.hypot(light, yellow)
    constant, of_apart, of_skin, of_size, spread = _DELTA_LB
    excess = np.exp(
        constant
        + of_apart * np.log(apart)
        + of_skin * np.log(made["tbp_lv_stdLExt"])
        + of_size * np.log(made["clin_size_long_diam_mm"])
        + spread * np.clip(noise[4], -2.2, 2.5)
    )
    difference = apart * (1 + excess)
    start, slope, spread = _DELTA_LB_NORM
    norm = difference / (start + slope * skin["L"]) * np.exp(spread * noise[5])
    fainter = np.maximum(1, (3.0 + 0.02 * np.abs(noise[6])) / norm)
    light, yellow, difference, norm = light * fainter, yellow * fainter, difference * fainter, norm * fainter
    colour = {"A": skin["A"] + red, "B": skin["B"] + yellow, "L": np.maximum(skin["L"] + light, 4.0)}
    made_now = {f"tbp_lv_{letter}": values for letter, values in colour.items()}
    for suffix, red_of, yellow_of in (("", colour["A"], colour["B"]), ("ext", skin["A"], skin["B"])):
        made_now[f"tbp_lv_C{suffix}"] = np.hypot(red_of, yellow_of)
        made_now[f"tbp_lv_H{suffix}"] = np.degrees(np.arctan2(yellow_of, red_of))
    for letter in "ABL":
        made_now[f"tbp_lv_delta{letter}"] = colour[letter] - skin[letter]
    made_now["tbp_lv_deltaLB"], made_now["tbp_lv_deltaLBnorm"] = difference, norm
    return made_now


def _is_colourless(made: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a lesion is too small for its colours to be compared within it."""
    constant, of_minor, of_area = _COLOURLESS
    odds = constant + of_minor * np.log(made["tbp_lv_minorAxisMM"]) + of_area * np.log(made["tbp_lv_areaMM2"])
    # A logistic draw from a normal one.
    return np.asarray(odds + 1.7 * noise > 0)
