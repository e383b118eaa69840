"""The values of features: rows and a population in, a frame of Float32 columns out.

What a row's features are depends on the set of rows, never on their order (but for the kind `file_order`, which is
named after it), nor on which other features are computed, nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.features.feature import Feature
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.groups import beside_group, extremes, moments, of_group, ranks, sorted_in_groups
from isic_lesion.features.history import history, row_before, visits_of
from isic_lesion.features.outliers import local_outlier_factor
from isic_lesion.features.population import Population, grid_ranks
from isic_lesion.features.rows import Rows, canonical_rows

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["compute", "compute_columns", "rows_for"]

Numbers = NDArray[np.float64]
Column = NDArray[np.float32]

_NOWHERE = np.zeros(0, dtype=np.intp)


def compute(
    rows: DataFrame, feature_set: FeatureSet, population: Population | None = None, *, threads: int = 1
) -> DataFrame:
    """Return the features of lesions, one Float32 column each in the set's order, one row per given row.

    Args:
        rows: with isic_id and every column that a feature depends on; patients should have all their rows here, for
            a feature within a patient sees those that are given.
        feature_set: what to compute.
        population: from `fit_population` of this set on training rows; None where no feature crosses patients.
        threads: how many work at once; the values are the same.

    Raises:
        InputError: if a column is missing, an isic_id is missing or repeated, or the population lacks a feature.
    """
    import polars as pl

    columns = compute_columns(rows_for(rows, feature_set), feature_set.features, population, threads=threads)
    return pl.DataFrame([pl.Series(feature.name, columns[feature.name]) for feature in feature_set.features])


def rows_for(rows: DataFrame, feature_set: FeatureSet) -> Rows:
    """Return the rows in canonical order, with the columns that a set depends on.

    Raises:
        InputError: if a column is missing, or an isic_id is missing or repeated.
    """
    needed = {"patient_id"}.intersection(rows.columns) | feature_set.columns
    for feature in feature_set.features:
        missing = feature.columns.difference(rows.columns)
        if missing:
            raise InputError(
                f"the rows have no column {min(missing)!r}, which the feature {feature.name!r} depends on",
                fix="Add it, or leave the feature out",
            )
    return canonical_rows(rows, sorted(needed))


def compute_columns(
    rows: Rows, features: Sequence[Feature], population: Population | None = None, *, threads: int = 1
) -> dict[str, Column]:
    """Return name -> values of some features, in the order of the rows that were given; float32, shape (N,).

    Features of one formula are computed together, for they share its values, its order and its groups' means.
    """
    by_formula: dict[tuple[str, ...], list[Feature]] = {}
    for feature in features:
        if feature.crosses_patients:
            _require(population, feature)
        by_formula.setdefault(feature.formulas, []).append(feature)

    def work(shared: list[Feature]) -> dict[str, Column]:
        return {name: rows.as_given(values) for name, values in _of_one_formula(rows, shared, population)}

    found: dict[str, Column] = {}
    if threads == 1 or len(by_formula) < 2:
        for shared in by_formula.values():
            found.update(work(shared))
    else:
        with ThreadPoolExecutor(threads) as pool:
            for part in pool.map(work, by_formula.values()):
                found.update(part)
    return found


def _require(population: Population | None, feature: Feature) -> None:
    if population is None or feature.group not in population.keys:
        raise InputError(f"the feature {feature.name!r} needs a population that was fitted for it")
    if feature.formulas and (feature.group, feature.formulas[0]) not in population.measures:
        raise InputError(f"the population was not fitted for the feature {feature.name!r}")
    if feature.statistic == "rank" and population.measures[feature.group, feature.formulas[0]].quantiles is None:
        raise InputError(f"the population was fitted without the ranks of the feature {feature.name!r}")


def _of_one_formula(
    rows: Rows, features: Sequence[Feature], population: Population | None
) -> Iterator[tuple[str, Numbers]]:
    formulas = features[0].formulas
    values = rows.values(formulas[0]) if formulas else np.zeros(0)
    by_group: dict[tuple[str, ...], list[Feature]] = {}
    for feature in features:
        match feature.kind:
            case "lesion":
                yield feature.name, values
            case "group":
                by_group.setdefault(feature.group, []).append(feature)
            case "one_hot":
                yield feature.name, _one_hot(rows, feature)
            case "any_of":
                yield feature.name, _any_of(rows, feature)
            case "history":
                yield feature.name, history(feature.statistic, rows.once(visits_of), lambda: values)
            case "file_order":
                yield feature.name, row_before(feature.statistic, rows, values)
            case "outlier":
                measures = [rows.values(formula) for formula in formulas]
                patients = rows.groups(("patient_id",))
                yield feature.name, local_outlier_factor(measures, patients, feature.neighbours)
    ranked = any(feature.statistic == "rank" for members in by_group.values() for feature in members)
    order = _Order(np.argsort(values)[: len(values) - np.count_nonzero(np.isnan(values))] if ranked else _NOWHERE)
    for group, members in by_group.items():
        if "patient_id" in group:
            yield from _within_patients(rows, group, members, values, order)
        else:
            assert population is not None
            yield from _across_patients(rows, group, members, values, order, population)


class _Order:
    """Rows sorted by value; and, once that was needed, by patient and then by value.

    The second serves groups within patients as well, and is kinder to the cache.
    """

    def __init__(self, by_value: NDArray[np.intp]) -> None:
        self.by_value = by_value
        self.in_patients: NDArray[np.intp] | None = None


def _one_hot(rows: Rows, feature: Feature) -> Numbers:
    categories = rows.categories(feature.group)
    is_it = np.array([*(float(key == feature.category) for key in categories.keys), np.nan])
    return is_it[categories.code]


def _any_of(rows: Rows, feature: Feature) -> Numbers:
    categories = rows.categories(feature.group)
    is_one = np.array([*(float(key[0] in feature.category) for key in categories.keys), np.nan])
    return is_one[categories.code]


def _within_patients(
    rows: Rows, group: tuple[str, ...], features: Sequence[Feature], values: Numbers, order: _Order
) -> Iterator[tuple[str, Numbers]]:
    groups = rows.groups(group)
    told: dict[str, Numbers] = {"count": groups.sizes.astype(np.float64)}
    wanted = {feature.statistic for feature in features}
    if wanted - {"count", "rank", "min", "max"}:
        told |= moments(values, groups)._asdict()
    if wanted & {"min", "max"}:
        told |= extremes(values, groups)._asdict()

    def rank() -> Numbers:
        if order.in_patients is None:
            order.in_patients = sorted_in_groups(order.by_value, *_patients(rows))[0]
        return ranks(values, order.in_patients, groups).rank

    yield from _beside(features, values, groups.code, told, rank)


def _patients(rows: Rows) -> tuple[NDArray[np.intp], int]:
    patients = rows.groups(("patient_id",))
    return patients.code, len(patients.starts)


def _across_patients(
    rows: Rows,
    group: tuple[str, ...],
    features: Sequence[Feature],
    values: Numbers,
    order: _Order,
    population: Population,
) -> Iterator[tuple[str, Numbers]]:
    code = population.code(group, rows)
    told: dict[str, Numbers] = {"count": population.sizes[group]}
    formulas = features[0].formulas
    if formulas:
        measure = population.measures[group, formulas[0]]
        told |= measure.statistics

    def rank() -> Numbers:
        assert measure.quantiles is not None
        return grid_ranks(values, order.by_value, code, measure.quantiles)

    yield from _beside(features, values, code, told, rank)


def _beside(
    features: Sequence[Feature],
    values: Numbers,
    code: NDArray[np.intp],
    told: dict[str, Numbers],
    rank: Callable[[], Numbers],
) -> Iterator[tuple[str, Numbers]]:
    """Yield the statistics of rows and of their groups."""
    for feature in features:
        match feature.statistic:
            case "rank":
                yield feature.name, rank()
            case "z" | "difference" | "ratio":
                yield feature.name, beside_group(feature.statistic, values, told, code)
            case statistic:
                yield feature.name, of_group(told[statistic], code)
