"""How far models that labelled the same pairs agree, counted block by block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModelFigures", "PairFigures", "Tally", "add_block", "empty_tally", "model_figures", "pair_figures"]


class Tally(NamedTuple):
    """Sums over the pairs that two models both labelled; row: one model, column: the other.

    Attributes:
        cells: all pairs that were looked at.
        both: how many both labelled; shape (M, M).
        p: sum of the row's P(yes); shape (M, M).
        squared: sum of its square; shape (M, M).
        product: sum of the two's product; shape (M, M).
        yes: how often the row said yes (P(yes) above 1/2); shape (M, M).
        both_yes: how often both did; shape (M, M).
    """

    cells: int
    both: NDArray[np.float64]
    p: NDArray[np.float64]
    squared: NDArray[np.float64]
    product: NDArray[np.float64]
    yes: NDArray[np.float64]
    both_yes: NDArray[np.float64]


class ModelFigures(NamedTuple):
    """One model's labels.

    Attributes:
        model: its name.
        labelled: pairs with a label.
        unlabelled: pairs where it said neither yes nor no.
        yes_share: share of the labelled with P(yes) above 1/2; NaN without any.
        mean: mean P(yes) of the labelled; NaN without any.
    """

    model: str
    labelled: int
    unlabelled: int
    yes_share: float
    mean: float


class PairFigures(NamedTuple):
    """Two models' labels of the same pairs.

    Attributes:
        one, other: their names.
        agreement: share of pairs on which both say yes or both say no; NaN without common pairs.
        kappa: the same beyond chance, (agreement - e) / (1 - e), e what two independent models with these shares of
            yes would have (Cohen, 1960); NaN where e is 1.
        correlation: Pearson's, of the two P(yes); NaN where one never varies.
    """

    one: str
    other: str
    agreement: float
    kappa: float
    correlation: float


def empty_tally(models: int) -> Tally:
    """Return a tally of nothing."""
    return Tally(0, *(np.zeros((models, models)) for _ in range(6)))


def add_block(tally: Tally, p_yes: NDArray[np.float32]) -> Tally:
    """Return the tally with a block more.

    Args:
        tally: so far.
        p_yes: in [0, 1] or NaN; shape (M, ...).
    """
    flat = p_yes.reshape(len(p_yes), -1).astype(np.float64)
    there = np.isfinite(flat).astype(np.float64)
    p = np.where(there > 0, flat, 0.0)
    yes = (p > 0.5).astype(np.float64)
    sums = (there @ there.T, p @ there.T, (p * p) @ there.T, p @ p.T, yes @ there.T, yes @ yes.T)
    before = tally[1:]
    return Tally(tally.cells + flat.shape[1], *(old + new for old, new in zip(before, sums, strict=True)))


def model_figures(tally: Tally, names: list[str]) -> list[ModelFigures]:
    """Return what each model said."""
    figures = []
    for place, name in enumerate(names):
        labelled = tally.both[place, place]
        shares = (tally.yes[place, place], tally.p[place, place])
        yes_share, mean = (float(value / labelled) if labelled else float("nan") for value in shares)
        figures.append(ModelFigures(name, int(labelled), tally.cells - int(labelled), yes_share, mean))
    return figures


def pair_figures(tally: Tally, names: list[str]) -> list[PairFigures]:
    """Return how each two models agree."""
    figures = []
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            number = tally.both[one, other]
            if not number:
                figures.append(PairFigures(names[one], names[other], *[float("nan")] * 3))
                continue
            yes_one, yes_other = tally.yes[one, other] / number, tally.yes[other, one] / number
            both = tally.both_yes[one, other] / number
            agreement = 1 - yes_one - yes_other + 2 * both
            chance = yes_one * yes_other + (1 - yes_one) * (1 - yes_other)
            kappa = (agreement - chance) / (1 - chance) if chance < 1 else float("nan")
            correlation = _correlation(tally, one, other)
            figures.append(PairFigures(names[one], names[other], float(agreement), float(kappa), correlation))
    return figures


def _correlation(tally: Tally, one: int, other: int) -> float:
    number = tally.both[one, other]
    mean_one, mean_other = tally.p[one, other] / number, tally.p[other, one] / number
    variance_one = tally.squared[one, other] / number - mean_one**2
    variance_other = tally.squared[other, one] / number - mean_other**2
    if variance_one < 1e-12 or variance_other < 1e-12:
        return float("nan")
    covariance = tally.product[one, other] / number - mean_one * mean_other
    return float(covariance / np.sqrt(variance_one * variance_other))
