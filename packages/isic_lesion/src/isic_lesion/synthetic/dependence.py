"""How the columns of a lesion hang together: a Gaussian copula for each class, with hospitals and patients inside it.

A lesion's normal scores are the sum of four parts: what age and place on the body foretell, its hospital's shift, its
patient's own part, and its own. Together they have the published rank correlations: a Spearman correlation rho belongs
to the normal correlation 2 sin(pi rho / 6) (Kruskal 1958), projected to the nearest positive definite matrix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.marginals import GRID, normal_cdf
from isic_lesion.synthetic.parameters import Class, published

__all__ = ["FREE", "GIVEN", "Dependence", "dependence", "free_scores", "nearest_positive", "normal_correlation"]

GIVEN = ("age_approx", "tbp_lv_x", "tbp_lv_y", "tbp_lv_z")
"""The columns that are there before the lesion is: its patient's age and its place on the body."""

PATIENT_SHARES = {
    "clin_size_long_diam_mm": 0.12,
    "tbp_lv_Aext": 0.40,
    "tbp_lv_deltaA": 0.22,
    "tbp_lv_Bext": 0.35,
    "tbp_lv_deltaB": 0.18,
    "tbp_lv_Lext": 0.40,
    "tbp_lv_deltaLBnorm": 0.18,
    "tbp_lv_area_perim_ratio": 0.12,
    "tbp_lv_color_std_mean": 0.15,
    "tbp_lv_radial_color_std_max": 0.12,
    "tbp_lv_eccentricity": 0.03,
    "tbp_lv_nevi_confidence": 0.25,
    "tbp_lv_stdL": 0.14,
    "tbp_lv_stdLExt": 0.20,
    "tbp_lv_symm_2axis": 0.16,
    "tbp_lv_dnn_lesion_confidence": 0.28,
}
"""Column -> share of its variance within hospital, age and place that is its patient's (intraclass correlation;
estimated)."""

FREE = tuple(PATIENT_SHARES)
"""The columns that the copula makes; all other measured columns follow from them."""

_HOSPITAL_SHRINKAGE = 8.0  # rows: a hospital's means count as if so many rows without any shift were added
_RIDGE = 0.1


class Dependence(NamedTuple):
    """The copula of one class; F free and 4 given columns, H hospitals.

    Attributes:
        given: weights of the given columns' scores; shape (F, 4).
        shifts: of each hospital; shape (H, F).
        patient: factor of the patient's part, which is `patient @ standard normal`; shape (F, F).
        lesion: factor of the lesion's own part; shape (F, F).
        uniform: for each free column, the normal score that a raw score at `GRID` stands for; shape (F, G).
        whole: correlations of the free columns' normal scores over all lesions of the class; shape (F, F).
    """

    given: NDArray[np.float64]
    shifts: NDArray[np.float64]
    patient: NDArray[np.float64]
    lesion: NDArray[np.float64]
    uniform: NDArray[np.float64]
    whole: NDArray[np.float64]


@lru_cache(maxsize=2)
def dependence(lesion_class: Class) -> Dependence:
    """Return the copula of a class."""
    facts = published()
    known = [column for column in facts.columns if not np.isnan(facts.spearman[lesion_class]).any()]
    at = {column: place for place, column in enumerate(known)}
    whole = nearest_positive(normal_correlation(facts.spearman[lesion_class]))
    free, given = [at[column] for column in FREE], [at[column] for column in GIVEN]
    weights = np.linalg.solve(whole[np.ix_(given, given)], whole[np.ix_(given, free)]).T
    shares = np.array([getattr(hospital, lesion_class).rows for hospital in facts.hospitals], dtype=np.float64)
    shares /= shares.sum()
    shifts = _hospital_shifts(lesion_class, whole, at)
    shifts -= shares @ shifts
    between = (shifts.T * shares) @ shifts
    foretold = weights @ whole[np.ix_(given, free)]
    within = nearest_positive(whole[np.ix_(free, free)] - foretold - between)
    part = np.sqrt(np.array(list(PATIENT_SHARES.values())))
    patient = within * np.outer(part, part)
    lesion = nearest_positive(within - patient)
    spread = np.sqrt(np.diag(foretold) + np.diag(patient) + np.diag(lesion))
    uniform = np.empty((len(FREE), len(GRID)))
    for place in range(len(FREE)):
        mixed = sum(
            share * normal_cdf((GRID - shift) / spread[place])
            for share, shift in zip(shares, shifts[:, place], strict=True)
        )
        uniform[place] = np.interp(mixed, normal_cdf(GRID), GRID)
    return Dependence(
        np.asarray(weights, dtype=np.float64),
        shifts,
        np.asarray(np.linalg.cholesky(patient), dtype=np.float64),
        np.asarray(np.linalg.cholesky(lesion), dtype=np.float64),
        uniform,
        np.asarray(whole[np.ix_(free, free)], dtype=np.float64),
    )


def normal_correlation(spearman: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlations of normal scores that have these rank correlations, 2 sin(pi rho / 6); shape (K, K)."""
    return np.asarray(2 * np.sin(np.pi * spearman / 6))


def nearest_positive(matrix: NDArray[np.float64], least: float = 1e-3) -> NDArray[np.float64]:
    """Return the nearest matrix of the same diagonal without eigenvalues below `least`, by alternating projections.

    Higham (2002), with Dykstra's correction; the diagonal may fall short by what the last projection changes.

    Args:
        matrix: symmetric, with positive diagonal; shape (K, K).
        least: the least eigenvalue of the result.
    """
    diagonal = np.diag(matrix).copy()
    found, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(100):
        start = found - correction
        values, vectors = np.linalg.eigh((start + start.T) / 2)
        positive = (vectors * np.maximum(values, least)) @ vectors.T
        if np.abs(positive - start).max() < 1e-12:
            break
        correction = positive - start
        found = positive.copy()
        np.fill_diagonal(found, diagonal)
    values, vectors = np.linalg.eigh((found + found.T) / 2)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)


def _hospital_shifts(lesion_class: Class, whole: NDArray[np.float64], at: dict[str, int]) -> NDArray[np.float64]:
    """Return each hospital's mean scores of the free columns, from its published means of other columns; (H, F).

    What is published is regressed on: a column that is itself published keeps its mean, one that is not gets what its
    correlations with the published ones let one expect.
    """
    facts = published()
    groups = [getattr(hospital, lesion_class) for hospital in facts.hospitals]
    measured = [column for column in groups[0].means if column in at and column not in GIVEN]
    places, free = [at[column] for column in measured], [at[column] for column in FREE]
    rows = np.array([group.rows for group in groups], dtype=np.float64)
    means = np.array([[group.means[column][0] for column in measured] for group in groups])
    spreads = np.array([facts.classes[column][lesion_class]["std"] for column in measured])
    scores = (means - rows @ means / rows.sum()) / spreads
    scores *= (rows / (rows + _HOSPITAL_SHRINKAGE))[:, None]
    inner = whole[np.ix_(places, places)] + _RIDGE * np.eye(len(places))
    return np.asarray(scores @ np.linalg.solve(inner, whole[np.ix_(places, free)]))


def free_scores(
    lesion_class: Class,
    given: NDArray[np.float64],
    hospital: NDArray[np.int64],
    patient: NDArray[np.float64],
    own: NDArray[np.float64],
    extra_shift: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the normal scores of the free columns of N lesions of a class; shape (F, N).

    Args:
        lesion_class: whose copula.
        given: normal scores of the given columns; shape (4, N).
        hospital: which of the published hospitals; shape (N,).
        patient: standard normal, the same for all lesions of a patient; shape (F, N).
        own: standard normal; shape (F, N).
        extra_shift: added to the scores, for hospitals that are like a published one but not the same; shape (F, N).
    """
    parts = dependence(lesion_class)
    raw = parts.given @ given + parts.shifts[hospital].T + parts.patient @ patient + parts.lesion @ own
    if extra_shift is not None:
        raw += extra_shift
    return np.stack([np.interp(raw[place], GRID, parts.uniform[place]) for place in range(len(FREE))])
