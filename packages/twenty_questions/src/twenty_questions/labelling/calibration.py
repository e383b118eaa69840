"""From what models say to what is true: P(yes) mapped so that it can be read as a probability.

A map is fitted on a gold set by log-loss. The kinds, from the stiffest to the most pliant:

- `none`: P(yes) as it is;
- `shrink`: 1/2 + strength (P - 1/2), strength in [0, 1];
- `platt`: log-odds intercept + slope log-odds(P), slope at least 0 (Platt, 1999);
- `isotonic`: the best non-decreasing steps (Barlow et al., 1972), joined by straight lines.

None ever gives 0 or 1. All but `none` need a gold set that holds both answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from furikaeri_common.errors import MissingExtraError
from twenty_questions.labelling.consensus import SUREST
from twenty_questions.labelling.yes_no import log_odds

__all__ = [
    "KINDS",
    "UNCHANGED",
    "Calibration",
    "Kind",
    "apply_calibration",
    "choose_kind",
    "fit_calibration",
    "hash_of",
    "is_fitted_on",
]

Kind = Literal["none", "shrink", "platt", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_HALVINGS = 60


class Calibration(NamedTuple):
    """A fitted map; JSON can hold it.

    Attributes:
        kind: which formula.
        parameters: `strength`; `intercept` and `slope`; or the knots `from_p` and `to_p`, both non-decreasing.
    """

    kind: Kind
    parameters: Mapping[str, Any]


UNCHANGED = Calibration("none", {})


def apply_calibration(calibration: Calibration, p_yes: ArrayLike) -> NDArray[np.float64]:
    """Return calibrated P(yes), in [1/510, 1 - 1/510], same shape; NaN stays."""
    given, parameters = np.asarray(p_yes, dtype=np.float64), calibration.parameters
    match calibration.kind:
        case "none":
            mapped = given
        case "shrink":
            mapped = 0.5 + parameters["strength"] * (given - 0.5)
        case "platt":
            mapped = 1 / (1 + np.exp(-(parameters["intercept"] + parameters["slope"] * log_odds(given, least=SUREST))))
        case _:
            mapped = np.interp(given, parameters["from_p"], parameters["to_p"])
    return np.asarray(np.clip(mapped, SUREST, 1 - SUREST))


def fit_calibration(kind: Kind, p_yes: ArrayLike, answers: ArrayLike) -> Calibration:
    """Fit a map on pairs with known answers.

    Args:
        kind: which formula.
        p_yes: in [0, 1]; shape (N,).
        answers: whether yes is right; shape (N,).

    Raises:
        ValueError: if shapes differ, P(yes) is out of its range, or an answer does not occur.
        MissingExtraError: if `platt` or `isotonic` lacks scipy.
    """
    p, yes = np.asarray(p_yes, dtype=np.float64), np.asarray(answers, dtype=bool)
    if p.ndim != 1 or p.shape != yes.shape:
        raise ValueError(f"expected P(yes) and answers of one shape (N,), got {p.shape} and {yes.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("expected P(yes) in [0, 1]")
    if kind == "none":
        return UNCHANGED
    if yes.all() or not yes.any():
        raise ValueError("expected both answers among the pairs")
    return Calibration(kind, {"shrink": _shrink, "platt": _platt, "isotonic": _isotonic}[kind](p, yes))


def choose_kind(
    p_yes: ArrayLike, answers: ArrayLike, keywords: Sequence[str], *, num_folds: int = 5
) -> tuple[Kind, dict[Kind, float]]:
    """Choose the kind that predicts best what it was not fitted on.

    Args:
        p_yes: in [0, 1]; shape (N,).
        answers: whether yes is right; shape (N,).
        keywords: of each pair; shape (N,). A keyword's pairs fall into one fold.
        num_folds: at least 2.

    Returns:
        The kind, the stiffest among equals, and the mean held-out log-loss of each.
    """
    p, yes = np.asarray(p_yes, dtype=np.float64), np.asarray(answers, dtype=bool)
    folds = np.asarray([hash_of(keyword) // 2 % num_folds for keyword in keywords])
    losses: dict[Kind, float] = {}
    for kind in KINDS:
        held_out = np.empty(len(p))
        for fold in range(num_folds):
            inside = folds == fold
            fits = yes[~inside].any() and not yes[~inside].all()
            fitted = fit_calibration(kind, p[~inside], yes[~inside]) if fits else UNCHANGED
            held_out[inside] = apply_calibration(fitted, p[inside])
        losses[kind] = float(-np.log(np.where(yes, held_out, 1 - held_out)).mean())
    return min(KINDS, key=lambda kind: losses[kind]), losses


def hash_of(keyword: str) -> int:
    """Return the SHA-256 of a keyword as a number, by which it is dealt into a half or a fold."""
    return int(hashlib.sha256(keyword.encode()).hexdigest(), 16)


def is_fitted_on(keyword: str) -> bool:
    """Return whether maps are fitted on a keyword (its hash is even) or reported on it."""
    return hash_of(keyword) % 2 == 0


def _shrink(p: NDArray[np.float64], yes: NDArray[np.bool_]) -> dict[str, Any]:
    """Find the strength c with the least -sum log(1/2 + c s), s the signed distance from 1/2: a convex function."""
    signed = np.where(yes, 1, -1) * (np.clip(p, SUREST, 1 - SUREST) - 0.5)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (signed / (0.5 + middle * signed)).sum() > 0:
            low = middle
        else:
            high = middle
    return {"strength": round((low + high) / 2, 12)}


def _platt(p: NDArray[np.float64], yes: NDArray[np.bool_]) -> dict[str, Any]:
    """Fit slope and intercept to targets that are drawn in from 0 and 1, as Platt does, so that they stay finite."""
    optimize = _scipy_optimize()
    odds = log_odds(p, least=SUREST)
    target = np.where(yes, (yes.sum() + 1) / (yes.sum() + 2), 1 / ((~yes).sum() + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = parameters[0] + parameters[1] * odds
        residual = 1 / (1 + np.exp(-value)) - target
        mean = float((np.logaddexp(0.0, value) - target * value).mean())
        return mean, np.array([residual.mean(), (residual * odds).mean()])

    found = optimize.minimize(
        loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B", bounds=[(None, None), (0.0, None)]
    )
    return {"intercept": float(found.x[0]), "slope": float(found.x[1])}


def _isotonic(p: NDArray[np.float64], yes: NDArray[np.bool_]) -> dict[str, Any]:
    """Pool adjacent violators; one yes at the least P and one no at the largest are added, so that no step is sure."""
    optimize = _scipy_optimize()
    levels, place = np.unique(np.concatenate([p, [p.min(), p.max()]]), return_inverse=True)
    truth = np.concatenate([yes, [True, False]]).astype(np.float64)
    weight = np.bincount(place)
    fitted = optimize.isotonic_regression(np.bincount(place, truth) / weight, weights=weight).x
    ends = np.flatnonzero(np.diff(fitted) > 1e-12)
    knots = np.unique(np.concatenate([[0], ends, ends + 1, [len(levels) - 1]])).astype(np.intp)
    return {"from_p": [float(x) for x in levels[knots]], "to_p": [float(y) for y in fitted[knots]]}


def _scipy_optimize() -> Any:
    try:
        from scipy import optimize
    except ModuleNotFoundError as error:
        raise MissingExtraError("calibration", distribution="furikaeri-twenty-questions", extra="precompute") from error
    return cast(Any, optimize)
