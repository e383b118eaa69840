"""Who is who in a made-up table: the part that all its rows share.

Everything here follows from the seed and the sizes alone, so any part of the table can be made anywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.dependence import FREE
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.patients import UNSEEN_HOSPITALS, Patients, draw_patients
from isic_lesion.synthetic.sizes import BENIGN, INDETERMINATE, MALIGNANT, Sizes, draw_numbers, stream_of

__all__ = ["Lesions", "Plan", "plan"]

_UNSEEN_SHIFT = 0.3  # how far, in normal scores, an unseen hospital's columns are from its model's: a spread
_LARGEST_PATIENT = 9184 / 384.9  # lesions of the largest patient, in means
_LOG_SPREAD = (2 * np.log(384.9 / 241.5)) ** 0.5  # of lesions per patient: the log-normal with their mean and median


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
    generator = stream_of(sizes, 0)
    counts = _lesions_per_patient(sizes, generator)
    owner = generator.permutation(np.repeat(np.arange(sizes.patients), counts))
    kind, with_malignant = _kinds(sizes, owner, counts, generator)
    patients = draw_patients(sizes, counts, with_malignant, generator)
    diagnosis, has_lesion_id = _diagnoses(sizes, kind, generator)
    lesions = Lesions(
        number=draw_numbers(sizes, sizes.rows, place=1),
        patient=owner,
        kind=kind,
        diagnosis=diagnosis,
        lesion_id=np.where(has_lesion_id, generator.permutation(draw_numbers(sizes, sizes.rows, place=2)), -1),
    )
    apart = np.random.Generator(np.random.PCG64(np.random.SeedSequence(20240906)))
    shifts = apart.normal(0, _UNSEEN_SHIFT, (len(UNSEEN_HOSPITALS), len(FREE)))
    return Plan(patients, lesions, shifts)


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
