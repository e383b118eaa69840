"""Which features a model can do without: those no split uses, and those whose shuffling does it no harm.

Both look at boosters that were trained already. Permutation importance is measured on held-out rows, and choosing by
it makes the same rows' scores a little too good; choosing by use looks at training rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.boosters.booster import Matrix
from isic_lesion.metrics.ordering import partial_auc

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = [
    "Selection",
    "correlated_groups",
    "permutation_drops",
    "sample_held_out",
    "select_by_drop",
    "used_features",
]


class Selection(NamedTuple):
    """Which features are kept, and why.

    Attributes:
        method: "zero-importance" or "permutation".
        settings: of the method, JSON values.
        features: fingerprint of the set that was chosen from.
        names: those that are kept, in the set's order.
        dropped: the others, in the set's order.
    """

    method: str
    settings: Mapping[str, Any]
    features: str
    names: tuple[str, ...]
    dropped: tuple[str, ...]


def used_features(importances: DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Return the features that some split of some booster uses, in the order of `names`.

    Args:
        importances: as `importances.importance_frame` returns them.
        names: all features.
    """
    import polars as pl

    used = set(importances.filter((pl.col("splits") > 0) | (pl.col("gain") > 0))["feature"])
    return tuple(name for name in names if name in used)


def correlated_groups(features: Matrix, *, threshold: float = 0.95) -> tuple[tuple[int, ...], ...]:
    """Return columns in groups of those that go together: each is as correlated with the first of its group.

    A column joins the first group it fits, in the order of the columns. Missing values count as the column's mean; a
    column without variance is a group of its own.

    Args:
        features: float32, shape (N, F).
        threshold: of the absolute correlation (Pearson's), in (0, 1]; at 1, only multiples of each other fit.

    Returns:
        Positions of columns, ascending in each group; groups in the order of their first columns.

    Raises:
        ValueError: if the threshold is out of its range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"expected threshold in (0, 1], got {threshold}")
    values = np.where(np.isfinite(features), features, np.float32(np.nan)).astype(np.float64)
    seen = ~np.isnan(values)
    counts = np.maximum(seen.sum(axis=0), 1)
    centred = np.where(seen, values - np.where(seen, values, 0).sum(axis=0) / counts, 0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    directions = centred / np.where(lengths > 0, lengths, 1)
    leaders: list[int] = []
    groups: list[list[int]] = []
    for column in range(features.shape[1]):
        alike = np.abs(directions[:, leaders].T @ directions[:, column]) >= threshold - 1e-9
        if alike.any():
            groups[int(alike.argmax())].append(column)
        else:
            leaders.append(column)
            groups.append([column])
    return tuple(tuple(group) for group in groups)


def permutation_drops(
    predict: Callable[[Matrix], NDArray[np.float64]],
    features: Matrix,
    target: NDArray[Any],
    groups: Sequence[Sequence[int]],
    *,
    generator: np.random.Generator,
    repeats: int = 3,
    measure: Callable[[NDArray[Any], NDArray[np.float64]], float] = partial_auc,
) -> NDArray[np.float64]:
    """Return how much worse the scores get when each group of columns is shuffled among the rows, its rows kept whole.

    Args:
        predict: features -> scores, of a model that has not seen these rows.
        features: float32, shape (N, F); not changed.
        target: 0 or 1, both present, shape (N,).
        groups: positions of columns, G of them.
        generator: of the shuffles; the same ones are used for every group.
        repeats: shuffles of each group, at least 1.
        measure: (target, scores) -> how good they are.

    Returns:
        Falls of the measure, negative where shuffling made it better; float64, shape (G, repeats).

    Raises:
        ValueError: if `repeats` is below 1.

    Source: Breiman, Random Forests (2001), section 10; on held-out rows, and for groups as in Gregorutti, Michel and
    Saint-Pierre (2015).
    """
    if repeats < 1:
        raise ValueError(f"expected repeats >= 1, got {repeats}")
    before = measure(target, predict(features))
    orders = [generator.permutation(len(features)) for _ in range(repeats)]
    work = features.copy()
    drops = np.empty((len(groups), repeats))
    for place, group in enumerate(groups):
        columns = np.asarray(group, dtype=np.intp)
        for repeat, order in enumerate(orders):
            work[:, columns] = features[np.ix_(order, columns)]
            drops[place, repeat] = before - measure(target, predict(work))
        work[:, columns] = features[:, columns]
    return drops


def sample_held_out(target: NDArray[Any], most_negatives: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Return all positive rows and at most so many of the negative ones, drawn, ascending.

    The metric's FPR is a share of the negatives, so it keeps its meaning.
    """
    negatives = np.flatnonzero(target == 0)
    if len(negatives) > most_negatives:
        negatives = generator.choice(negatives, most_negatives, replace=False)
    rows: NDArray[np.intp] = np.sort(np.concatenate([np.flatnonzero(target == 1), negatives]))
    return rows


def select_by_drop(
    drops: Sequence[NDArray[np.float64]],
    groups: Sequence[Sequence[int]],
    names: Sequence[str],
    *,
    candidates: Collection[int],
    least: float = 0.0,
) -> tuple[str, ...]:
    """Return the features of the groups whose mean fall over all rounds and shuffles is above `least`.

    Args:
        drops: of each round, as `permutation_drops` returns them.
        groups: the same in all rounds.
        names: of all features.
        candidates: columns that may be kept at all; those that no split uses are none.
        least: a fall of the measure.

    Returns:
        Names in the order of `names`.
    """
    means = np.mean(np.concatenate(list(drops), axis=1), axis=1)
    kept = {column for group, mean in zip(groups, means, strict=True) if mean > least for column in group}
    return tuple(name for column, name in enumerate(names) if column in kept and column in candidates)
