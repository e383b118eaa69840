"""The patients of a made-up table: hospital, sex, age, and what their lesions have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.dependence import FREE
from isic_lesion.synthetic.marginals import GRID, marginal, normal_cdf
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.sizes import Sizes, draw_numbers

__all__ = ["UNSEEN_HOSPITALS", "Patients", "draw_patients"]

UNSEEN_HOSPITALS = (("FNQH Cairns", 0.189, 3), ("Alfred Hospital", 0.032, 4))
"""Hospitals of the test table alone: name, share of its patients, and the published one whose lesions they resemble."""

_MORE_VISITS = 0.17  # share of patients who were seen again five years of recorded age later (estimated)
_BOTH_TILES = 0.08  # share of patients with tiles of both kinds (estimated)
_EXACT = 0.5  # share of patients whose numbers have 15 digits instead of 7 (estimated)


class Patients(NamedTuple):
    """P patients.

    Attributes:
        number: of the id, distinct; shape (P,).
        hospital: place among the published hospitals, then `UNSEEN_HOSPITALS`; shape (P,).
        like: the published hospital whose lesions theirs resemble; shape (P,).
        sex: 0 female, 1 male, -1 unknown; shape (P,).
        age: years, in steps of five, at the first visit; NaN unknown; shape (P,).
        years: age before rounding, known always; shape (P,).
        visits: whether there is a second visit, five years of recorded age later; shape (P,).
        white: probability that a tile is white; shape (P,).
        exact: whether numbers have 15 digits instead of 7; shape (P,).
        part: the standard normal scores that their lesions share; shape (F, P).
        height: factor of the height above the ground at which places of the body are; shape (P,).
    """

    number: NDArray[np.int64]
    hospital: NDArray[np.int64]
    like: NDArray[np.int64]
    sex: NDArray[np.int64]
    age: NDArray[np.float64]
    years: NDArray[np.float64]
    visits: NDArray[np.bool_]
    white: NDArray[np.float64]
    exact: NDArray[np.bool_]
    part: NDArray[np.float64]
    height: NDArray[np.float64]


def draw_patients(
    sizes: Sizes, counts: NDArray[np.int64], with_malignant: NDArray[np.bool_], generator: np.random.Generator
) -> Patients:
    """Draw the patients of a made-up table.

    Args:
        sizes: of the table.
        counts: lesions of each patient; shape (P,).
        with_malignant: which of them have a malignant one; shape (P,).
        generator: of what is random.
    """
    facts = published()
    total = sizes.patients
    hospital = np.empty(total, dtype=np.int64)
    for ill in (False, True):
        group = np.flatnonzero(with_malignant == ill)
        shares = np.array([one.malignant.patients if ill else one.rows for one in facts.hospitals], dtype=np.float64)
        ends = (shares / shares.sum()).cumsum()[:-1]
        weights = np.ones(len(group)) if ill else counts[group]
        hospital[group] = np.searchsorted(ends, _spread_evenly(weights, generator))
    like = hospital.copy()
    if sizes.unseen_hospitals:
        drawn = generator.random(total)
        start = 0.0
        for place, (_, share, model) in enumerate(UNSEEN_HOSPITALS):
            here = (drawn >= start) & (drawn < start + share)
            hospital[here], like[here] = len(facts.hospitals) + place, model
            start += share
    men, women, white = (np.empty(total) for _ in range(3))
    for place, one in enumerate(facts.hospitals):
        for ill in (False, True):
            seen = one.malignant if ill else one.benign
            here = (like == place) & (with_malignant == ill)
            men[here], women[here] = seen.male, seen.female
            white[here] = (one.benign.white_tiles + one.malignant.white_tiles) / (one.benign.rows + one.malignant.rows)
    sex = (generator.random(total) < men / (men + women)).astype(np.int64)
    nameless = np.array([one.benign.sex_missing for one in facts.hospitals])[like] > 0
    sex[_some(counts, nameless, facts.missing["sex"] * sizes.rows, generator)] = -1
    scores = _normal(np.where(with_malignant, 1, counts), generator)
    years = np.where(
        with_malignant, marginal("age_approx", "malignant").at(scores), marginal("age_approx", "benign").at(scores)
    )
    # A quantile of ages in steps of five is anywhere within its step; where, the published means tell. A quarter of
    # the benign lesions are of patients who also have a malignant one, and are older.
    age = np.clip(5 * np.round((years - np.where(with_malignant, 0.2, 2.9)) / 5), 5, 85)
    age[_some(counts, np.ones(total, dtype=bool), facts.missing["age_approx"] * sizes.rows, generator)] = np.nan
    # A patient's tiles are of one kind, or of both where he or she was seen with two machines.
    kinds = generator.random(total)
    white = np.where(kinds < _BOTH_TILES * np.where(white > 0, 1, 0), 0.5, (generator.random(total) < white) * 1.0)
    return Patients(
        number=generator.permutation(draw_numbers(sizes, total, place=3)),
        hospital=hospital,
        like=like,
        sex=sex,
        age=age,
        years=years,
        visits=(generator.random(total) < _MORE_VISITS) & (counts > 1),
        white=white,
        exact=generator.random(total) < _EXACT,
        part=np.stack([_normal(counts, generator) for _ in FREE]),
        height=1 + 0.035 * _normal(counts, generator),
    )


def _spread_evenly(
    weights: NDArray[np.int64] | NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return numbers within (0, 1) in random order, evenly spread when each counts by its weight; shape (P,).

    Few patients have a large share of the lesions: drawn freely, their age or hospital would tilt the whole table.
    """
    order = generator.permutation(len(weights))
    heaped = np.cumsum(weights[order], dtype=np.float64)
    places = np.empty(len(weights))
    places[order] = (heaped - generator.random(len(weights)) * weights[order]) / max(heaped[-1:].sum(), 1)
    return np.clip(places, 1e-6, 1 - 1e-6)


def _normal(weights: NDArray[np.int64] | NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return evenly spread standard normal numbers; shape (P,)."""
    return np.asarray(np.interp(_spread_evenly(weights, generator), normal_cdf(GRID), GRID))


def _some(
    counts: NDArray[np.int64], among: NDArray[np.bool_], rows: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return patients, drawn among some, whose lesions are about so many rows."""
    chosen: list[int] = []
    left = rows
    for patient in generator.permutation(np.flatnonzero(among)).tolist():
        if counts[patient] <= left:
            chosen.append(patient)
            left -= float(counts[patient])
    return np.array(chosen, dtype=np.int64)
