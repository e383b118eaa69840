"""The measured columns of lesions: free ones from the copula, all others by the rules that real rows keep.

Rules marked "estimated" were measured on 811 openly licensed real rows; the rest of the rules hold on those exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.body import place_on_body
from isic_lesion.synthetic.dependence import FREE, GIVEN, dependence, free_scores
from isic_lesion.synthetic.marginals import GRID, marginal, normal_cdf
from isic_lesion.synthetic.parameters import Class, published
from isic_lesion.synthetic.plan import Plan
from isic_lesion.synthetic.shapes import is_colourless, shape_of, weighed
from isic_lesion.synthetic.sizes import BENIGN

__all__ = ["measure", "norm_border_of", "norm_color_of"]

_KEPT = ("tbp_lv_Aext", "tbp_lv_Bext", "tbp_lv_Lext", "tbp_lv_stdL", "tbp_lv_stdLExt")
_CONFIDENCES = ("tbp_lv_nevi_confidence", "tbp_lv_dnn_lesion_confidence")
_COLOUR_SPREADS = ("tbp_lv_color_std_mean", "tbp_lv_radial_color_std_max")
_TRIAL = 50_000

# Estimated, in logarithms. deltaLB over hypot(deltaL, deltaB), less one: it is a mean over the lesion, to which
# unevenness adds.
_EXCESS = {"one": -0.3886, "apart": -2.1439, "stdL": 0.8496, "stdLExt": 0.3512, "size": 0.1026}
_EXCESS_SPREAD = 0.479
# deltaLB over deltaLBnorm.
_NORM = {"one": -0.0818, "skin": 1.0060, "difference": -0.0137, "deltaL": 0.0014, "Aext": 0.0048}
_NORM |= {"stdLExt": 0.0056, "stdL": 0.0032}
_NORM_SPREAD = 0.0145
BENIGN_LOOKING = 0.08
"""Share of malignant lesions that are measured as benign ones are: with it, LightGBM comes as far as on real rows."""


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
    looks = np.where(generator.random(number) < BENIGN_LOOKING, BENIGN, kind)
    for lesion_class, here in _by_class(looks):
        whose = patient[here]
        extra = np.zeros((len(FREE), len(whose)))
        for order, shift in enumerate(table.unseen_shifts):
            extra[:, people.hospital[whose] == len(published().hospitals) + order] = shift[:, None]
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


def _by_class(kind: NDArray[np.int64]) -> list[tuple[Class, NDArray[np.int64]]]:
    """Return which rows are made as benign and as malignant ones; what is indeterminate looks malignant, mostly."""
    groups: list[tuple[Class, NDArray[np.int64]]] = [
        ("benign", np.flatnonzero(kind == BENIGN)),
        ("malignant", np.flatnonzero(kind != BENIGN)),
    ]
    return [(name, here) for name, here in groups if len(here)]


def _derived(
    lesion_class: Class, scores: Mapping[str, NDArray[np.float64]], noise: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    free = {column: marginal(column, lesion_class).at(values) for column, values in scores.items()}
    made = {column: free[column] for column in _KEPT}
    for column in _CONFIDENCES:
        # A share kept as float32, in percent.
        made[column] = 100 * (free[column] / 100).astype(np.float32).astype(np.float64)
    made |= shape_of(lesion_class, free, noise)
    made |= _difference(lesion_class, made, free, noise)
    colourless = is_colourless(made, noise[3])
    coloured = _scores_where_coloured(lesion_class)
    for column in _COLOUR_SPREADS:
        values = marginal(column, lesion_class).at(np.interp(scores[column], GRID, coloured[column]))
        made[column] = np.where(colourless, 0.0, values)
    made["tbp_lv_norm_color"] = norm_color_of(made["tbp_lv_color_std_mean"], made["tbp_lv_radial_color_std_max"])
    made["tbp_lv_norm_border"] = norm_border_of(made["tbp_lv_area_perim_ratio"], made["tbp_lv_symm_2axis"])
    return made


@lru_cache(maxsize=2)
def _scores_where_coloured(lesion_class: Class) -> dict[str, NDArray[np.float64]]:
    """Return, for each colour spread, the normal score among coloured lesions at each score of `GRID` among all.

    Lesions without colours are the smallest, and small lesions have low scores in these columns: what is left is
    shifted upwards, by how much is found by making many lesions.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(2024)))
    whole = dependence(lesion_class).whole
    raw = np.linalg.cholesky(whole / np.sqrt(np.outer(np.diag(whole), np.diag(whole)))) @ generator.standard_normal(
        (len(FREE), _TRIAL)
    )
    scores = dict(zip(FREE, raw, strict=True))
    noise = generator.standard_normal((8, _TRIAL))
    free = {column: marginal(column, lesion_class).at(values) for column, values in scores.items()}
    shape = shape_of(lesion_class, free, noise)
    coloured = ~is_colourless(shape, noise[3])
    evenly = np.interp((np.arange(coloured.sum()) + 0.5) / coloured.sum(), normal_cdf(GRID), GRID)
    return {column: np.interp(GRID, np.sort(scores[column][coloured]), evenly) for column in _COLOUR_SPREADS}


def _difference(
    lesion_class: Class,
    made: Mapping[str, NDArray[np.float64]],
    free: Mapping[str, NDArray[np.float64]],
    noise: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return the lesion's colour and its difference from the skin's.

    What is given is how far they are apart by the norm, and by yellow: the rest is how much darker the lesion is.
    """
    skin = {letter: made[f"tbp_lv_{letter}ext"] for letter in "ABL"}
    norm, yellow = free["tbp_lv_deltaLBnorm"], free["tbp_lv_deltaB"]
    about = {
        "stdL": np.log(made["tbp_lv_stdL"]),
        "stdLExt": np.log(made["tbp_lv_stdLExt"]),
        "size": np.log(made["clin_size_long_diam_mm"] / 3.5),
    }
    of_norm = {"skin": np.log(0.3811 + 0.0172 * skin["L"]), "Aext": skin["A"]}
    of_norm |= {"stdL": made["tbp_lv_stdL"], "stdLExt": made["tbp_lv_stdLExt"]}
    difference = norm * np.exp(of_norm["skin"])
    darker = 0.95 * difference
    for _ in range(4):
        of_norm |= {"difference": np.log(difference / 9), "deltaL": -darker}
        difference = norm * np.exp(weighed(_NORM, of_norm) + _NORM_SPREAD * noise[5])
        logs = weighed(_EXCESS, {**about, "apart": np.log(difference)}) + _EXCESS_SPREAD * np.clip(noise[4], -2.5, 2.5)
        apart = difference / (1 + np.minimum(np.exp(logs), 0.15))
        side = np.clip(yellow, -0.95 * apart, 0.95 * apart)
        darker = np.sqrt(apart**2 - side**2)
    colour = {
        "A": _within("tbp_lv_A", lesion_class, skin["A"] + free["tbp_lv_deltaA"]),
        "B": _within("tbp_lv_B", lesion_class, skin["B"] + side),
        "L": _within("tbp_lv_L", lesion_class, skin["L"] - darker),
    }
    found = {f"tbp_lv_{letter}": values for letter, values in colour.items()}
    for suffix, red_of, yellow_of in (("", colour["A"], colour["B"]), ("ext", skin["A"], skin["B"])):
        found[f"tbp_lv_C{suffix}"] = np.hypot(red_of, yellow_of)
        found[f"tbp_lv_H{suffix}"] = np.degrees(np.arctan2(yellow_of, red_of))
    for letter in "ABL":
        found[f"tbp_lv_delta{letter}"] = colour[letter] - skin[letter]
    # Where a colour had to be set back into its range, the differences follow.
    scale = np.hypot(found["tbp_lv_deltaL"], found["tbp_lv_deltaB"]) / apart
    found["tbp_lv_deltaLB"], found["tbp_lv_deltaLBnorm"] = difference * scale, np.maximum(norm * scale, 3.0012)
    return found


def _within(column: str, lesion_class: Class, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with those beyond the published least and largest set back from them a little."""
    own, full = published().classes[column][lesion_class], published().full[column]
    least, most = (full["min"], full["max"]) if lesion_class == "benign" else (own["min"], own["max"])
    values = np.where(values < least, least + 0.3 * np.minimum(least - values, 5), values)
    return np.where(values > most, most - 0.3 * np.minimum(values - most, 5), values)
