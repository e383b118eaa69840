"""Statistics of groups that cross patients, fitted on training rows and applied to any.

What is kept of a column in a group: count, sum, mean, sd, min, max, and 129 quantiles at p = 0, 1/128, ..., 1. The
quantiles stand for the group's empirical distribution function, so a rank is within 1/128 of the exact one; a value
equal to several quantiles has the middle of their shares, as ties have. A row whose group was not in training, or
whose category is missing, has NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isic_lesion.features.clusters import CLUSTER_FORMULAS, Clusters, fit_clusters
from isic_lesion.features.feature import CLUSTER, Feature, FeatureSet
from isic_lesion.features.groups import extremes, moments, sorted_in_groups
from isic_lesion.features.rows import Groups, Rows, canonical_rows, groups_of_codes

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["NUM_QUANTILES", "GroupStatistics", "Population", "fit_population", "grid_ranks"]

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
            assert self.clusters is not None
            return rows.clusters(self.clusters)
        place = {key: code for code, key in enumerate(self.keys[columns])}
        here = rows.categories(columns)
        translated = np.array([*(place.get(key, -1) for key in here.keys), -1], dtype=np.intp)
        return translated[here.code]


def fit_population(rows: DataFrame, feature_set: FeatureSet) -> Population:
    """Fit the statistics that a set's features over groups of several patients need.

    Args:
        rows: the training rows, in any order.
        feature_set: what will be computed; features that need no fitting are passed over.

    Raises:
        InputError: if a column is missing, or an isic_id is missing or repeated.
    """
    needed = [feature for feature in feature_set.features if feature.crosses_patients]
    columns = sorted({"patient_id"}.intersection(rows.columns).union(*(feature.columns for feature in needed)))
    return _fit(canonical_rows(rows, columns), needed)


def _fit(rows: Rows, needed: list[Feature]) -> Population:
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
            all_groups[columns] = groups_of_codes(rows.clusters(clusters), len(clusters.centres))
        else:
            keys[columns] = rows.categories(columns).keys
            all_groups[columns] = rows.groups(columns)
    measures = {}
    for formula, wanted in by_formula.items():
        values = rows.values(formula)
        by_value = np.argsort(values)[: np.count_nonzero(~np.isnan(values))] if any(wanted.values()) else None
        for columns, ranked in wanted.items():
            groups = all_groups[columns]
            told = {**moments(values, groups)._asdict(), **extremes(values, groups)._asdict()}
            grid = _quantiles(values, by_value, groups) if ranked and by_value is not None else None
            measures[columns, formula] = GroupStatistics(statistics=told, quantiles=grid)
    return Population(
        keys=keys,
        sizes={columns: groups.sizes.astype(np.float64) for columns, groups in all_groups.items()},
        measures=measures,
        clusters=clusters,
        num_rows=len(rows),
    )


def _quantiles(values: Numbers, by_value: NDArray[np.intp], groups: Groups) -> Numbers:
    """Return the quantiles of each group, between two values by straight lines; shape (G, 129)."""
    grid = np.full((len(groups.starts), NUM_QUANTILES), np.nan)
    ordered = values[sorted_in_groups(by_value, groups.code, len(groups.starts))]
    seen = np.bincount(groups.code[by_value][groups.code[by_value] >= 0], minlength=len(groups.starts))
    there = seen > 0
    start, last = (np.cumsum(seen) - seen)[there], seen[there] - 1
    # Whole-number arithmetic, so that a quantile that falls on a value is that very value.
    numerator = last[:, None] * np.arange(NUM_QUANTILES)
    below, rest = np.divmod(numerator, NUM_QUANTILES - 1)
    at = start[:, None] + below
    above = start[:, None] + np.minimum(below + 1, last[:, None])
    grid[there] = ordered[at] + (ordered[above] - ordered[at]) * (rest / (NUM_QUANTILES - 1))
    return grid


def grid_ranks(values: Numbers, code: NDArray[np.intp], quantiles: Numbers) -> Numbers:
    """Return the share of each row's group below its value, by the group's quantiles; in [0, 1], shape (N,).

    Args:
        values: NaN where missing; shape (N,).
        code: each row's group, -1 for none; shape (N,).
        quantiles: of each group, ascending; shape (G, 129).
    """
    out = np.full(len(values), np.nan)
    known = np.flatnonzero((code >= 0) & ~np.isnan(values))
    order = known[np.argsort(code[known], kind="stable")]
    bounds = np.searchsorted(code[order], np.arange(len(quantiles) + 1))
    for group, (begin, end) in enumerate(itertools.pairwise(bounds)):
        if begin < end and not np.isnan(quantiles[group, 0]):
            out[order[begin:end]] = _shares_below(values[order[begin:end]], quantiles[group])
    return out


def _shares_below(values: Numbers, grid: Numbers) -> Numbers:
    last = len(grid) - 1
    left, right = np.searchsorted(grid, values, "left"), np.searchsorted(grid, values, "right")
    lower, upper = grid[np.clip(left - 1, 0, last)], grid[np.clip(left, 0, last)]
    with np.errstate(invalid="ignore", divide="ignore"):
        between = left - 1 + (values - lower) / (upper - lower)
    between = np.where(left == 0, 0.0, np.where(left > last, float(last), between))
    return np.where(right > left, (left + right - 1) / 2, between) / last
