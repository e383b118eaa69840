"""Statistics of groups that cross patients, fitted on training rows and applied to any.

What is kept of a column in a group: count, sum, mean, sd, min, max, and 129 quantiles at p = 0, 1/128, ..., 1. The
quantiles stand for the group's empirical distribution function, so the rank of a training value is within 1/128 + 1/2n
of the exact one among n; a value equal to several quantiles has the middle of their shares, as ties have. A row whose
group was not in training, or whose category is missing, has NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isic_lesion.features.clusters import CLUSTER_FORMULAS, Clusters, fit_clusters, nearest_cluster
from isic_lesion.features.feature import CLUSTER
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.groups import Extremes, extremes, moments, sorted_in_groups
from isic_lesion.features.rows import Groups, Rows, canonical_rows, groups_of_codes

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["NUM_QUANTILES", "GroupStatistics", "Population", "fit_population", "fit_rows", "grid_ranks"]

NUM_QUANTILES = 129

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupStatistics:
    """One measure in the groups of some columns.

    Args:
        statistics: name -> of each group, for seen, sum, mean, sd, min and max; float64, shape (G,).
        quantiles: float64, shape (G, 129), NaN where the group has no value; None where no rank is wanted.
    """

    statistics: Mapping[str, Numbers]
    quantiles: Numbers | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """What training rows say of groups that cross patients.

    Args:
        keys: group columns -> the categories of each group, sorted; length G.
        sizes: group columns -> how many training rows each group has; float64, shape (G,).
        measures: (group columns, formula) -> its statistics there.
        clusters: lesions that look alike, where a feature asks for them.
        num_rows: how many rows it was fitted on.
    """

    keys: Mapping[tuple[str, ...], list[tuple[str, ...]]]
    sizes: Mapping[tuple[str, ...], Numbers]
    measures: Mapping[tuple[tuple[str, ...], str], GroupStatistics]
    clusters: Clusters | None
    num_rows: int

    def code(self, columns: tuple[str, ...], rows: Rows) -> NDArray[np.intp]:
        """Return the group of each row, -1 where training had none such; intp, shape (N,)."""
        if columns == (CLUSTER,):
            return rows.once(self._cluster_of)
        place = {key: code for code, key in enumerate(self.keys[columns])}
        here = rows.categories(columns)
        translated = np.array([*(place.get(key, -1) for key in here.keys), -1], dtype=np.intp)
        return translated[here.code]

    def _cluster_of(self, rows: Rows) -> NDArray[np.intp]:
        assert self.clusters is not None
        return _cluster_of(rows, self.clusters)


def fit_population(rows: DataFrame, feature_set: FeatureSet, *, threads: int = 1) -> Population:
    """Fit the statistics that a set's features over groups of several patients need.

    Args:
        rows: the training rows, in any order.
        feature_set: what will be computed; features that need no fitting are passed over.
        threads: how many work at once; the values are the same.

    Raises:
        InputError: if a column is missing, or an isic_id is missing or repeated.
    """
    needed = [feature for feature in feature_set.features if feature.crosses_patients]
    columns = sorted({"patient_id"}.intersection(rows.columns).union(*(feature.columns for feature in needed)))
    return fit_rows(canonical_rows(rows, columns), feature_set, threads=threads)


def fit_rows(rows: Rows, feature_set: FeatureSet, *, threads: int = 1) -> Population:
    """Do what `fit_population` does, on rows in canonical order."""
    needed = [feature for feature in feature_set.features if feature.crosses_patients]
    by_formula: dict[str, dict[tuple[str, ...], bool]] = {}
    group_columns: dict[tuple[str, ...], None] = {}
    for feature in needed:
        group_columns[feature.group] = None
        for formula in feature.formulas:
            wanted = by_formula.setdefault(formula, {})
            wanted[feature.group] = wanted.get(feature.group, False) or feature.statistic == "rank"
    clusters = None
    if (CLUSTER,) in group_columns:
        clusters = fit_clusters([rows.values(formula) for formula in CLUSTER_FORMULAS])
    keys: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    all_groups: dict[tuple[str, ...], Groups] = {}
    for columns in group_columns:
        if columns == (CLUSTER,) and clusters is not None:
            keys[columns] = [(str(number),) for number in range(len(clusters.centres))]
            all_groups[columns] = groups_of_codes(_cluster_of(rows, clusters), len(clusters.centres))
        else:
            keys[columns] = rows.categories(columns).keys
            all_groups[columns] = rows.groups(columns)

    def work(formula: str) -> list[GroupStatistics]:
        values, wanted = rows.values(formula), by_formula[formula]
        by_value = np.argsort(values)[: np.count_nonzero(~np.isnan(values))] if any(wanted.values()) else None
        return [
            _statistics(values, by_value if ranked else None, all_groups[columns]) for columns, ranked in wanted.items()
        ]

    measures: dict[tuple[tuple[str, ...], str], GroupStatistics] = {}
    with ThreadPoolExecutor(threads) as pool:
        for (formula, wanted), found in zip(by_formula.items(), pool.map(work, by_formula), strict=True):
            measures.update(((columns, formula), one) for columns, one in zip(wanted, found, strict=True))
    return Population(
        keys=keys,
        sizes={columns: groups.sizes.astype(np.float64) for columns, groups in all_groups.items()},
        measures=measures,
        clusters=clusters,
        num_rows=len(rows),
    )


def _cluster_of(rows: Rows, clusters: Clusters) -> NDArray[np.intp]:
    return nearest_cluster([rows.values(formula) for formula in CLUSTER_FORMULAS], clusters)


def _statistics(values: Numbers, by_value: NDArray[np.intp] | None, groups: Groups) -> GroupStatistics:
    told = moments(values, groups)
    if by_value is None:
        ends, grid = extremes(values, groups), None
    else:
        rows, seen = sorted_in_groups(by_value, groups.code, len(groups.starts))
        grid = _quantiles(values[rows], seen)
        ends = Extremes(grid[:, 0], grid[:, -1])
    return GroupStatistics(statistics={**told._asdict(), **ends._asdict()}, quantiles=grid)


def _quantiles(ordered: Numbers, seen: NDArray[np.intp]) -> Numbers:
    """Return the quantiles of each group, between two values by straight lines; shape (G, 129).

    Args:
        ordered: the values that are not missing, by group and then ascending.
        seen: how many of them each group has; shape (G,).
    """
    grid = np.full((len(seen), NUM_QUANTILES), np.nan)
    there = seen > 0
    start, last = (np.cumsum(seen) - seen)[there], seen[there] - 1
    # Whole-number arithmetic, so that a quantile that falls on a value is that very value.
    below, rest = np.divmod(last[:, None] * np.arange(NUM_QUANTILES), NUM_QUANTILES - 1)
    lower = ordered[start[:, None] + below]
    upper = ordered[start[:, None] + np.minimum(below + 1, last[:, None])]
    grid[there] = lower + (upper - lower) * (rest / (NUM_QUANTILES - 1))
    return grid


def grid_ranks(values: Numbers, by_value: NDArray[np.intp], code: NDArray[np.intp], quantiles: Numbers) -> Numbers:
    """Return the share of each row's group below its value, by the group's quantiles; in [0, 1], shape (N,).

    The rows of a group are sorted, so what is searched is where the quantiles fall among the rows, not where every row
    falls among the quantiles.

    Args:
        values: NaN where missing; shape (N,).
        by_value: rows sorted by value, without those whose value is missing; equal ones in any order.
        code: each row's group, -1 for none; shape (N,).
        quantiles: of each group, ascending, all NaN where nothing is known; shape (G, 129).
    """
    out = np.full(len(values), np.nan)
    rows, seen = sorted_in_groups(by_value, code, len(quantiles))
    if not len(rows):
        return out
    ordered = values[rows]
    ends = np.cumsum(seen)
    # How many quantiles lie below a row, and how many below or at it, changes only where a quantile falls.
    below = np.empty((len(quantiles), quantiles.shape[1] + 2), dtype=np.intp)
    below[:, 0], below[:, -1] = ends - seen, ends
    at_or_below = below.copy()
    for group in np.flatnonzero(seen):
        start, end = ends[group] - seen[group], ends[group]
        below[group, 1:-1] = start + np.searchsorted(ordered[start:end], quantiles[group], "right")
        at_or_below[group, 1:-1] = start + np.searchsorted(ordered[start:end], quantiles[group], "left")
    empty = seen == 0
    below[empty], at_or_below[empty] = ends[empty, None], ends[empty, None]
    lengths = np.diff(below, axis=1).ravel()
    origin, base, slope = (np.repeat(part.ravel(), lengths) for part in _cells(quantiles))
    share = base + (ordered - origin) * slope
    cells = np.tile(np.arange(quantiles.shape[1] + 1), len(quantiles))
    first = np.repeat(cells, lengths)
    last = np.repeat(cells, np.diff(at_or_below, axis=1).ravel())
    tied = np.flatnonzero(first != last)
    share[tied] = (first[tied] + last[tied] - 1) / 2
    out[rows] = share / (quantiles.shape[1] - 1)
    return out


def _cells(quantiles: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return origin, base and slope of the cells before, between and after the quantiles; shape (G, 130) each."""
    groups, number = quantiles.shape
    origin, base, slope = (np.zeros((groups, number + 1)) for _ in range(3))
    origin[:, 1:] = quantiles
    origin[:, 0] = quantiles[:, 0]
    base[:, 1:] = np.arange(number)
    width = np.diff(quantiles, axis=1)
    with np.errstate(divide="ignore"):
        slope[:, 1:-1] = np.where(width > 0, 1 / width, 0.0)
    base[np.isnan(quantiles[:, 0])] = np.nan
    return origin, base, slope
