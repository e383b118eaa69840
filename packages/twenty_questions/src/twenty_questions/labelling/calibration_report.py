"""What a calibration is worth: fitted on one half of a gold set's keywords, reported on the other.

Keywords are dealt by the parity of their SHA-256, so a keyword is always in the same half, whatever else is labelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from furikaeri_common.errors import InputError
from twenty_questions.labelling.calibration import (
    UNCHANGED,
    Calibration,
    Kind,
    apply_calibration,
    choose_kind,
    fit_calibration,
    is_fitted_on,
)

__all__ = ["Bin", "CalibrationReport", "Choice", "Quality", "calibrate", "quality_of"]

Choice: TypeAlias = Kind | Literal["auto"]
"""A kind of map, or the one that cross-validation on the fitting half chooses."""

_NUM_BINS = 10


class Bin(NamedTuple):
    """Pairs of nearly one P(yes).

    Attributes:
        p_yes: their mean P(yes).
        yes_share: the share of them for which yes is right.
        pairs: how many they are.
    """

    p_yes: float
    yes_share: float
    pairs: int


class Quality(NamedTuple):
    """How good P(yes) is on pairs with known answers.

    Attributes:
        log_loss: mean of -log of the probability given to the right answer, in nats; less is better. P(yes) counts as
            at least 1/510 from 0 and 1, as a table holds it.
        brier: mean squared distance from the right answer; less is better.
        ece: mean distance of P(yes) and share of yes over the bins, by pairs (expected calibration error); less is
            better.
        balanced_accuracy: mean of the shares of yes and of no that are right when P(yes) is cut at 1/2 (exactly 1/2
            counts half); NaN where an answer does not occur.
        pairs: how many pairs.
        keywords: of how many keywords.
        bins: ten of equal width, upwards, without the empty ones.
    """

    log_loss: float
    brier: float
    ece: float
    balanced_accuracy: float
    pairs: int
    keywords: int
    bins: tuple[Bin, ...]


class CalibrationReport(NamedTuple):
    """A fitted map, and what it is worth where it was not fitted.

    Attributes:
        calibration: the map.
        cross_validated: log-loss of each kind on held-out folds of the fitting half; empty unless it chose the kind.
        fitted_pairs: pairs that the map was fitted on.
        fitted_keywords: their keywords.
        before: the other half's P(yes) as they were.
        after: the same, mapped.
    """

    calibration: Calibration
    cross_validated: Mapping[Kind, float]
    fitted_pairs: int
    fitted_keywords: int
    before: Quality
    after: Quality


def calibrate(choice: Choice, p_yes: ArrayLike, answers: ArrayLike, keywords: Sequence[str]) -> CalibrationReport:
    """Fit a map on the keywords with an even hash, and report it on the others.

    Args:
        choice: the kind of map, or "auto".
        p_yes: in [0, 1], or NaN, which is left out; shape (N,).
        answers: whether yes is right; shape (N,).
        keywords: of each pair; shape (N,).

    Raises:
        InputError: if one of the halves lacks yes or no.
    """
    p, yes = np.asarray(p_yes, dtype=np.float64), np.asarray(answers, dtype=bool)
    named = np.asarray(keywords, dtype=object)
    there = ~np.isnan(p)
    p, yes, named = p[there], yes[there], named[there]
    inside = np.asarray([is_fitted_on(keyword) for keyword in named], dtype=bool)
    for half, name in ((inside, "fitted"), (~inside, "reported")):
        if not yes[half].any() or yes[half].all():
            raise InputError(
                f"the gold set is too small to calibrate with: of its {len(p)} pairs that were labelled, the half on "
                f"which a calibration is {name} has {int(yes[half].sum())} yes and {int((~yes[half]).sum())} no",
                fix="Give more answers, or leave calibration out",
            )
    losses: dict[Kind, float] = {}
    if choice == "auto":
        kind, losses = choose_kind(p[inside], yes[inside], list(named[inside]))
    else:
        kind = choice
    fitted = UNCHANGED if kind == "none" else fit_calibration(kind, p[inside], yes[inside])
    outside = ~inside
    return CalibrationReport(
        fitted,
        losses,
        int(inside.sum()),
        len(set(named[inside])),
        quality_of(p[outside], yes[outside], list(named[outside])),
        quality_of(apply_calibration(fitted, p[outside]), yes[outside], list(named[outside])),
    )


def quality_of(p_yes: ArrayLike, answers: ArrayLike, keywords: Sequence[str]) -> Quality:
    """Return how good P(yes) is.

    Args:
        p_yes: in [0, 1]; shape (N,), N at least 1.
        answers: whether yes is right; shape (N,).
        keywords: of each pair; shape (N,).

    Raises:
        ValueError: if there is no pair, or P(yes) is out of its range.
    """
    p, yes = np.asarray(p_yes, dtype=np.float64), np.asarray(answers, dtype=bool)
    if not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("expected at least one P(yes), all in [0, 1]")
    kept = apply_calibration(UNCHANGED, p)
    right = np.where(p == 0.5, 0.5, (p > 0.5) == yes)
    recalls = [float(right[part].mean()) if part.any() else float("nan") for part in (yes, ~yes)]
    bins = _bins(p, yes)
    return Quality(
        log_loss=float(-np.log(np.where(yes, kept, 1 - kept)).mean()),
        brier=float(((p - yes) ** 2).mean()),
        ece=sum(abs(b.p_yes - b.yes_share) * b.pairs for b in bins) / len(p),
        balanced_accuracy=sum(recalls) / 2,
        pairs=len(p),
        keywords=len(set(keywords)),
        bins=bins,
    )


def _bins(p: NDArray[np.float64], yes: NDArray[np.bool_]) -> tuple[Bin, ...]:
    place = np.minimum((p * _NUM_BINS).astype(np.intp), _NUM_BINS - 1)
    parts = [place == number for number in np.unique(place)]
    return tuple(Bin(float(p[part].mean()), float(yes[part].mean()), int(part.sum())) for part in parts)
