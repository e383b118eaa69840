"""Statistics of groups of rows, and of a row beside its group.

Values are float64 with NaN for missing; a missing value counts in no statistic, and neither does a row without a group.
Sums run over the canonical order of `rows`; the deviation is computed in a second pass from the mean, so nothing
cancels. Conventions:

- sd is that of a sample (divisor n - 1), NaN of fewer than two values, and 0 where it is within rounding of 0.
- z = (v - mean) / sd is NaN where sd is 0 or NaN: there is no yardstick, and a booster has a direction for that.
- ratio = v / mean, the mean moved away from 0 as in `formulas`.
- rank = (values below + half of those equal, itself among them) / n, in (0, 1): 0.5 of a single value, and comparable
  between groups of any size.
- sum is 0, and mean, min and max are NaN, of a group in which every value is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.features.formulas import guarded
from isic_lesion.features.rows import Groups

__all__ = [
    "Extremes",
    "Moments",
    "Ranked",
    "beside_group",
    "extremes",
    "moments",
    "of_group",
    "ranks",
    "sorted_in_groups",
]

_ROUNDING = 1e-12
_SMALL = (1 << 16) - 1

Numbers = NDArray[np.float64]


class Moments(NamedTuple):
    """Statistics of every group; float64, shape (G,) each.

    Attributes:
        seen: how many values are not missing.
        sum: their sum.
        mean: their mean.
        sd: their standard deviation.
    """

    seen: Numbers
    sum: Numbers
    mean: Numbers
    sd: Numbers


class Extremes(NamedTuple):
    """The least and the largest value of every group; float64, shape (G,) each."""

    min: Numbers
    max: Numbers


def moments(values: Numbers, groups: Groups) -> Moments:
    """Return count, sum, mean and standard deviation of each group's values."""
    if not len(groups.starts):
        return Moments(*(np.zeros(0) for _ in range(4)))
    members = values if groups.in_order else values[groups.order]
    missing = np.isnan(members)
    any_missing = bool(missing.any())
    if any_missing:
        members = np.where(missing, 0.0, members)
        seen = np.add.reduceat(~missing, groups.starts, dtype=np.float64)
    else:
        seen = groups.sizes.astype(np.float64)
    total = np.add.reduceat(members, groups.starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / seen
        apart = members - np.repeat(mean, groups.sizes)
        if any_missing:
            apart[missing] = 0.0
        sd = np.sqrt(np.add.reduceat(apart * apart, groups.starts) / (seen - 1))
        sd = np.where(seen < 2, np.nan, np.where(sd <= _ROUNDING * np.abs(mean), 0.0, sd))
    return Moments(seen, total, mean, sd)


def extremes(values: Numbers, groups: Groups) -> Extremes:
    """Return the least and the largest of each group's values, NaN where it has none."""
    if not len(groups.starts):
        return Extremes(np.zeros(0), np.zeros(0))
    members = values if groups.in_order else values[groups.order]
    # fmin and fmax pass over NaN, and give it where there is nothing else.
    return Extremes(np.fmin.reduceat(members, groups.starts), np.fmax.reduceat(members, groups.starts))


def of_group(statistic: Numbers, code: NDArray[np.intp]) -> Numbers:
    """Return the statistic of each row's group, NaN where it has none; shape (N,).

    Args:
        statistic: of each group; shape (G,).
        code: the group of each row, -1 for none; shape (N,).
    """
    return np.append(statistic, np.nan)[code]


def beside_group(statistic: str, values: Numbers, told: Mapping[str, Numbers], code: NDArray[np.intp]) -> Numbers:
    """Return how values lie beside their groups; shape (N,).

    Args:
        statistic: "z", "difference" or "ratio".
        values: of the rows; shape (N,).
        told: "mean" and "sd" of each group; shape (G,) each.
        code: the group of each row, -1 for none; shape (N,).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if statistic == "ratio":
            return values / of_group(guarded(told["mean"]), code)
        apart = values - of_group(told["mean"], code)
        if statistic == "z":
            apart /= of_group(np.where(told["sd"] > 0, told["sd"], np.nan), code)
        return apart


def sorted_in_groups(
    by_value: NDArray[np.intp], code: NDArray[np.intp], number: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that have a group, by group and then by value, and how many of them each group has.

    One sort of a column serves every group: what is left is a stable sort of small whole numbers.

    Args:
        by_value: rows of each group sorted by value, without those whose value is missing.
        code: the group of each row, -1 for none.
        number: how many groups there are.
    """
    # The largest number of the smaller type stands for no group, so that such rows come last.
    codes = code.astype(np.dtype("u2" if number <= _SMALL else "u4"))[by_value]
    rows = by_value[np.argsort(codes, kind="stable")]
    seen = np.bincount(codes[codes < number], minlength=number) if number else np.zeros(0, np.intp)
    return rows[: seen.sum()], seen


class Ranked(NamedTuple):
    """Ranks, and what else came of sorting.

    Attributes:
        rank: of each value in its group, in (0, 1); NaN where the value or the group is missing; shape (N,).
        rows: those that have a rank, by group and then by value.
    """

    rank: Numbers
    rows: NDArray[np.intp]


def ranks(values: Numbers, by_value: NDArray[np.intp], groups: Groups) -> Ranked:
    """Return each value's rank in its group.

    Args:
        values: shape (N,).
        by_value: rows of each group sorted by value, without those whose value is missing; equal ones in any order.
        groups: of the rows.
    """
    out = np.full(len(values), np.nan)
    rows, seen = sorted_in_groups(by_value, groups.code, len(groups.starts))
    if not len(rows):
        return Ranked(out, rows)
    starts = np.cumsum(seen) - seen
    place = np.arange(len(rows)) + 0.5
    value = values[rows]
    same = np.append(False, value[1:] == value[:-1])
    same[starts[seen > 0]] = False
    if same.any():
        first = np.flatnonzero(~same)
        length = np.diff(np.append(first, len(rows)))
        place = np.repeat(first + length / 2, length)
    place -= np.repeat(starts, seen)
    place /= np.repeat(seen, seen)
    out[rows] = place
    return Ranked(out, rows)
