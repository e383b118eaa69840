"""A population as one Parquet file. (io)

A row is a group and a measure: `group` (its columns) and `key` (its categories) are JSON lists; `formula` is null in
the row that tells how many rows the group has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import InputError
from isic_lesion.features.clusters import Clusters
from isic_lesion.features.population import GroupStatistics, Population
from isic_lesion.parquet import read_parquet

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["read_population", "write_population"]

_STATISTICS = ("seen", "sum", "mean", "sd", "min", "max")
_MARK = "furikaeri_population"
_FORMAT = 1


def write_population(population: Population, path: Path, *, metadata: dict[str, str] | None = None) -> None:
    """Write a population atomically.

    Args:
        population: what `fit_population` returned.
        path: the file.
        metadata: more to keep in the file's own metadata.
    """
    import polars as pl

    frames = [_frame({})]
    for columns, keys in population.keys.items():
        names = {"group": [json.dumps(columns)] * len(keys), "key": [json.dumps(key) for key in keys]}
        frames.append(_frame({**names, "size": population.sizes[columns]}))
        for (group, formula), measure in population.measures.items():
            if group == columns:
                told: dict[str, Any] = {**names, "formula": [formula] * len(keys), **measure.statistics}
                frames.append(_frame({**told, "quantiles": measure.quantiles}))
    mark: dict[str, Any] = {"format": _FORMAT, "num_rows": population.num_rows, "clusters": None}
    if population.clusters is not None:
        mark["clusters"] = {name: part.tolist() for name, part in population.clusters._asdict().items()}
    with atomic_writer(path) as stream:
        pl.concat(frames).write_parquet(stream, metadata={_MARK: json.dumps(mark), **(metadata or {})})


def _frame(told: dict[str, Any]) -> DataFrame:
    """Return rows with every column of the file, null where nothing is told."""
    import polars as pl

    schema = {"group": pl.String(), "key": pl.String(), "formula": pl.String(), "size": pl.Float64()}
    schema |= dict.fromkeys(_STATISTICS, pl.Float64())
    number = len(told["key"]) if told else 0
    columns = []
    for name, dtype in schema.items():
        columns.append(pl.Series(name, told.get(name, [None] * number), dtype))
    grid = told.get("quantiles")
    grids = [None] * number if grid is None else [row.tolist() for row in grid]
    return pl.DataFrame([*columns, pl.Series("quantiles", grids, pl.List(pl.Float64()))])


def read_population(path: Path) -> Population:
    """Read a population.

    Raises:
        InputError: if the file is missing, damaged, or no population.
    """
    fix = "Give a file that `isic features` wrote"
    frame, metadata = read_parquet(path, fix=fix)
    try:
        mark = json.loads(metadata[_MARK])
        if mark["format"] != _FORMAT:
            raise InputError(f"{path}: is of format {mark['format']}, not {_FORMAT}", fix="Write it again")
        clusters = mark["clusters"]
        if clusters is not None:
            clusters = Clusters(*(np.array(clusters[name], dtype=np.float64) for name in Clusters._fields))
        return _population(frame, int(mark["num_rows"]), clusters)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is no population of features", fix=fix) from error


def _population(frame: DataFrame, num_rows: int, clusters: Clusters | None) -> Population:
    import polars as pl

    keys: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    sizes, measures = {}, {}
    for (group, formula), part in frame.group_by(["group", "formula"], maintain_order=True):
        columns = tuple(json.loads(str(group)))
        if formula is None:
            keys[columns] = [tuple(json.loads(key)) for key in part["key"]]
            sizes[columns] = part["size"].to_numpy().copy()
            continue
        grids = part["quantiles"]
        measures[columns, str(formula)] = GroupStatistics(
            statistics={name: part[name].to_numpy().copy() for name in _STATISTICS},
            quantiles=None if grids.null_count() else np.vstack(grids.cast(pl.List(pl.Float64)).to_list()),
        )
    return Population(keys=keys, sizes=sizes, measures=measures, clusters=clusters, num_rows=num_rows)
