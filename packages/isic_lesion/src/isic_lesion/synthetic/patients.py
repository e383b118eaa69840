"""Who the patients are and which lesion is whose: the part of a made-up table that all its rows share.

Everything here follows from the seed and the sizes alone, so any part of the table can be made anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.dependence import FREE
from isic_lesion.synthetic.marginals import GRID, marginal, normal_cdf
from isic_lesion.synthetic.parameters import published

__all__ = ["BENIGN", "INDETERMINATE", "MALIGNANT", "UNSEEN_HOSPITALS", "Lesions", "Patients", "Plan", "Sizes", "plan"]

BENIGN, MALIGNANT, INDETERMINATE = 0, 1, 2

UNSEEN_HOSPITALS = (("FNQH Cairns", 0.189, 3), ("Alfred Hospital", 0.032, 4))
"""Hospitals of the test table alone: name, share of its patients, and the published one whose lesions they resemble."""

_UNSEEN_SHIFT = (
    0.3  # standard deviation of how far, in normal scores, an unseen hospital's columns are from its model's
)
_LARGEST_PATIENT = 9184 / 384.9  # lesions of the largest patient, in means
_LOG_SPREAD = (2 * np.log(384.9 / 241.5)) ** 0.5  # of lesions per patient: the log-normal with their mean and median
_MORE_VISITS = 0.17  # share of patients who were seen again five years of recorded age later (estimated)
_BOTH_TILES = 0.08  # share of patients with tiles of both kinds (estimated)
_EXACT = 0.5  # share of patients whose numbers have 15 digits instead of 7 (estimated)
_IDS = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large a made-up table is.

    Args:
        rows: lesions, at least 1.
        patients: patients, 1 to `rows`.
        malignant: malignant lesions, 0 to `rows`.
        seed: of everything random.
        split: "train", or "test" for other patients of the same seed.
        unseen_hospitals: whether some patients are of the two hospitals that no training table knows.
    """

    rows: int
    patients: int
    malignant: int
    seed: int
    split: Literal["train", "test"] = "train"
    unseen_hospitals: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.patients <= self.rows:
            raise ValueError(f"expected 1 <= patients <= rows, got {self.patients} and {self.rows}")
        if not 0 <= self.malignant <= self.rows:
            raise ValueError(f"expected 0 <= malignant <= rows, got {self.malignant} and {self.rows}")
        if self.seed < 0:
            raise ValueError(f"expected seed >= 0, got {self.seed}")
        if self.rows > _IDS // 2:
            raise ValueError(f"expected at most {_IDS // 2} rows, got {self.rows}")


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


class Lesions(NamedTuple):
    """N lesions, by ascending id.

    Attributes:
        number: of the id, distinct; shape (N,).
        patient: whose it is; shape (N,).
        kind: BENIGN, MALIGNANT or INDETERMINATE; shape (N,).
        diagnosis: place among the published diagnoses; shape (N,).
        lesion_id: number of the lesion_id, -1 without one; shape (N,).
    """

    number: NDArray[np.int64]
    patient: NDArray[np.int64]
    kind: NDArray[np.int64]
    diagnosis: NDArray[np.int64]
    lesion_id: NDArray[np.int64]


class Plan(NamedTuple):
    """The patients, their lesions, and how far each unseen hospital is from the one it resembles, (F,) each."""

    patients: Patients
    lesions: Lesions
    unseen_shifts: NDArray[np.float64]


@lru_cache(maxsize=4)
def plan(sizes: Sizes) -> Plan:
    """Return who is who in a made-up table."""
    stream = np.random.SeedSequence(sizes.seed, spawn_key=(0 if sizes.split == "train" else 1, 0))
    generator = np.random.Generator(np.random.PCG64(stream))
    counts = _lesions_per_patient(sizes, generator)
    owner = generator.permutation(np.repeat(np.arange(sizes.patients), counts))
    kind, with_malignant = _kinds(sizes, owner, counts, generator)
    patients = _patients(sizes, counts, with_malignant, generator)
    diagnosis, has_lesion_id = _diagnoses(sizes, kind, generator)
    lesions = Lesions(
        number=_numbers(sizes.rows, sizes),
        patient=owner,
        kind=kind,
        diagnosis=diagnosis,
        lesion_id=np.where(has_lesion_id, generator.permutation(_numbers(sizes.rows, sizes, kind=2)), -1),
    )
    apart = np.random.Generator(np.random.PCG64(np.random.SeedSequence(20240906)))
    shifts = apart.normal(0, _UNSEEN_SHIFT, (len(UNSEEN_HOSPITALS), len(FREE)))
    return Plan(patients, lesions, shifts)


def _numbers(count: int, sizes: Sizes, *, kind: int = 1) -> NDArray[np.int64]:
    """Return ascending distinct numbers below `_IDS`: even ones in train, odd ones in test, so that none is in both."""
    stream = np.random.SeedSequence(sizes.seed, spawn_key=(0 if sizes.split == "train" else 1, kind))
    generator = np.random.Generator(np.random.PCG64(stream))
    half = np.sort(generator.choice(_IDS // 2, size=count, replace=False, shuffle=False))
    return np.asarray(2 * half + (0 if sizes.split == "train" else 1), dtype=np.int64)


def _lesions_per_patient(sizes: Sizes, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return how many lesions each patient has: log-normal, with the published largest patient; every one has some."""
    scores = np.sort(generator.standard_normal(sizes.patients))
    weights = np.exp(_LOG_SPREAD * scores)
    if sizes.patients >= 100:
        largest = _LARGEST_PATIENT / sizes.patients
        weights[-1] = weights[:-1].sum() * largest / (1 - largest)
    spare = sizes.rows - sizes.patients
    exact = spare * weights / weights.sum()
    counts = np.floor(exact).astype(np.int64)
    rest = spare - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return np.asarray(generator.permutation(counts + 1))


def _kinds(
    sizes: Sizes, owner: NDArray[np.int64], counts: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each lesion's kind, and which patients have a malignant one: few of them, as in the full table."""
    facts = published().patients
    kind = np.full(sizes.rows, BENIGN, dtype=np.int64)
    wanted = min(sizes.malignant, round(sizes.malignant * facts["with_malignant"] / facts["malignant"]), sizes.patients)
    order = generator.permutation(sizes.patients)
    chosen = max(wanted, int(np.searchsorted(counts[order].cumsum(), sizes.malignant)) + 1) if sizes.malignant else 0
    with_malignant = np.zeros(sizes.patients, dtype=bool)
    with_malignant[order[:chosen]] = True
    if sizes.malignant:
        theirs = generator.permutation(np.flatnonzero(with_malignant[owner]))
        _, first = np.unique(owner[theirs], return_index=True)
        firsts = theirs[first][: sizes.malignant]
        others = np.setdiff1d(theirs, firsts, assume_unique=True)
        chances = 1.0 / counts[owner[others]]
        more = sizes.malignant - len(firsts)
        if more:
            firsts = np.append(firsts, generator.choice(others, more, replace=False, p=chances / chances.sum()))
        kind[firsts] = MALIGNANT
        with_malignant[:] = False
        with_malignant[owner[firsts]] = True
    benign = np.flatnonzero(kind == BENIGN)
    unsure = round(len(benign) * facts["indeterminate"] / (facts["rows"] - facts["malignant"]))
    kind[generator.choice(benign, unsure, replace=False)] = INDETERMINATE
    return kind, with_malignant


def _diagnoses(
    sizes: Sizes, kind: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each lesion's diagnosis by the published counts, and whether it has a lesion_id."""
    facts = published()
    names = list(facts.diagnoses)
    diagnosis = np.zeros(sizes.rows, dtype=np.int64)
    has_lesion_id = kind != BENIGN
    for code, word in ((BENIGN, "Benign"), (MALIGNANT, "Malignant"), (INDETERMINATE, "Indeterminate")):
        rows = np.flatnonzero(kind == code)
        places = np.array([place for place, name in enumerate(names) if name.split("::")[0] == word])
        chances = np.array([facts.diagnoses[names[place]] for place in places], dtype=np.float64)
        exact = len(rows) * chances / chances.sum()
        whole = np.floor(exact).astype(np.int64)
        # What does not divide evenly is drawn, so that rare diagnoses turn up in small tables too.
        left = len(rows) - int(whole.sum())
        if left:
            rest = exact - whole
            whole += generator.multinomial(left, rest / rest.sum())
        diagnosis[rows] = generator.permutation(np.repeat(places, whole))
    plain = names.index("Benign")
    has_lesion_id |= diagnosis != plain
    named = round(facts.patients["lesion_ids"] / facts.patients["rows"] * sizes.rows) - int(has_lesion_id.sum())
    if named > 0:
        rows = np.flatnonzero(~has_lesion_id)
        has_lesion_id[generator.choice(rows, min(named, len(rows)), replace=False)] = True
    return diagnosis, has_lesion_id


def _patients(
    sizes: Sizes, counts: NDArray[np.int64], with_malignant: NDArray[np.bool_], generator: np.random.Generator
) -> Patients:
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
    age = np.clip(5 * np.round(years / 5), 5, 85)
    age[_some(counts, np.ones(total, dtype=bool), facts.missing["age_approx"] * sizes.rows, generator)] = np.nan
    # A patient's tiles are of one kind, or of both where he or she was seen with two machines.
    kinds = generator.random(total)
    white = np.where(kinds < _BOTH_TILES * np.where(white > 0, 1, 0), 0.5, (generator.random(total) < white) * 1.0)
    return Patients(
        number=generator.permutation(_numbers(total, sizes, kind=3)),
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
