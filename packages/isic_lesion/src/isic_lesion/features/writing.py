"""Features computed and written, some columns at a time. (io)

Files are written whole, one batch of columns after another, so that no more than a batch for each thread is ever in
memory. A batch that is there and was computed from the same rows, features and training rows is not computed again;
`features.json` is written last, so a folder that has one is whole.

Features that need a population (see `population`) are there once for all rows as training rows, and once per fold,
fitted on that fold's training rows alone; the others once. The populations lie beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, write_json
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from isic_lesion.features.computing import compute_columns, rows_for
from isic_lesion.features.feature import Feature
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.layout import BATCH_MARK, FORMAT, ISIC_IDS, RECORD, Fit, mark_of, population_file
from isic_lesion.features.population import Population, fit_rows
from isic_lesion.features.population_files import read_population, write_population
from isic_lesion.features.rows import Rows
from isic_lesion.features.table import FeatureTable, open_features

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["write_features"]

_MEANING = 1
"""Raised when the same feature would get other values."""
_BATCH = 64
_ROW_GROUP = 1 << 16


class _Batch(NamedTuple):
    """One file: some features under one fit; None where they need no population."""

    file: str
    fit: Fit | None
    features: tuple[Feature, ...]
    mark: str


def write_features(
    rows: DataFrame,
    feature_set: FeatureSet,
    folder: Path,
    folds: Folds | None = None,
    *,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> FeatureTable:
    """Compute features and write them, batch by batch; what is there already stays.

    Args:
        rows: as `compute` takes them.
        feature_set: what to compute.
        folder: made if it is missing; batches of other rows or features in it are removed.
        folds: whose training rows fit a population each, beside that of all rows.
        threads: how many work at once, each with a batch in memory; the values are the same.
        on_progress: called with the batches that are done, and how many there are.

    Raises:
        InputError: if the rows cannot be used, or the folder cannot be written.
        WorkError: if the disk is full.
    """
    import polars as pl

    folder = Path(folder)
    canonical = rows_for(rows, feature_set)
    masks = _masks(rows, folds)
    origin = _fingerprint_of_rows(rows, feature_set)
    marks = {fit: fingerprint([_MEANING, origin, _digest(mask)]) for fit, mask in masks.items()}
    batches = _batches(feature_set, fingerprint([_MEANING, origin]), marks)
    _make_room(folder, {batch.file for batch in batches} | {population_file(fit) for fit in masks})
    waiting = [batch for batch in batches if mark_of(folder / batch.file) != batch.mark]
    done = len(batches) - len(waiting)
    if on_progress is not None:
        on_progress(done, len(batches))
    needs_population = any(feature.crosses_patients for feature in feature_set.features)
    for fit in (None, *masks):
        population = None
        if fit is not None and needs_population:
            mark = fingerprint([marks[fit], feature_set.fingerprint])
            population = _population(folder / population_file(fit), mark, canonical, masks[fit], feature_set, threads)
        of_fit = [batch for batch in waiting if batch.fit == fit]
        for _ in _written(folder, of_fit, canonical, population, threads):
            done += 1
            if on_progress is not None:
                on_progress(done, len(batches))
    with atomic_writer(folder / ISIC_IDS) as stream:
        rows.select(pl.col("isic_id").cast(pl.String)).write_parquet(stream)
    record = {
        "format": FORMAT,
        "set": feature_set.as_document(),
        "fingerprint": feature_set.fingerprint,
        "rows": {"number": len(rows), "fingerprint": origin},
        "fits": list(masks),
        "folds": folds.fingerprint if folds is not None else None,
        "batches": [
            {"file": batch.file, "fit": batch.fit, "names": [feature.name for feature in batch.features]}
            for batch in batches
        ],
    }
    write_json(folder / RECORD, record)
    return open_features(folder)


def _masks(rows: DataFrame, folds: Folds | None) -> dict[Fit, NDArray[np.bool_]]:
    masks: dict[Fit, NDArray[np.bool_]] = {"all": np.ones(len(rows), dtype=bool)}
    if folds is not None:
        try:
            for k in range(folds.num_folds):
                masks[k] = folds.split(rows["isic_id"], k)[0]
        except ValueError as error:
            raise InputError(f"the folds are not of these rows: {error}", fix="Make folds of them") from error
    return masks


def _digest(mask: NDArray[np.bool_]) -> str:
    return hashlib.sha256(mask.tobytes()).hexdigest()


def _fingerprint_of_rows(rows: DataFrame, feature_set: FeatureSet) -> str:
    """Return the SHA-256 of all that a set reads of the rows, in their order."""
    import polars as pl

    digest = hashlib.sha256()
    for name in sorted({"isic_id", *feature_set.columns, *{"patient_id"}.intersection(rows.columns)}):
        column = rows[name]
        digest.update(f"{name}\0".encode())
        if column.dtype.is_numeric():
            digest.update(column.cast(pl.Float64).fill_null(float("nan")).to_numpy().tobytes())
        else:
            texts = column.cast(pl.String)
            digest.update(texts.str.len_bytes().cast(pl.Float64).fill_null(-1.0).to_numpy().tobytes())
            digest.update("".join(texts.drop_nulls()).encode())
    return digest.hexdigest()


def _batches(feature_set: FeatureSet, own: str, marks: Mapping[Fit, str]) -> list[_Batch]:
    """Return the files; they depend on the set alone, never on what is there, and keep together what shares a formula.

    Args:
        feature_set: what to compute.
        own: the mark of what needs no population.
        marks: fit -> the mark of what does.
    """
    batches: list[_Batch] = []
    for fit in (None, *marks):
        by_formula: dict[tuple[str, ...], list[Feature]] = {}
        for feature in feature_set.features:
            if feature.crosses_patients == (fit is not None):
                by_formula.setdefault(feature.formulas, []).append(feature)
        parts: list[list[Feature]] = []
        for shared in by_formula.values():
            for first in range(0, len(shared), _BATCH):
                piece = shared[first : first + _BATCH]
                if parts and len(parts[-1]) + len(piece) <= _BATCH:
                    parts[-1].extend(piece)
                else:
                    parts.append(piece)
        name = "own" if fit is None else "all" if fit == "all" else f"fold-{fit}"
        for number, part in enumerate(parts):
            mark = fingerprint([own if fit is None else marks[fit], [feature.as_document() for feature in part]])
            batches.append(_Batch(f"{name}-{number:03d}.parquet", fit, tuple(part), mark))
    return batches


def _make_room(folder: Path, wanted: set[str]) -> None:
    """Make the folder; what is in it is no whole table from here on, and files of another table are removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)
        for file in (*folder.glob("*-[0-9][0-9][0-9].parquet"), *folder.glob("population-*.parquet")):
            if file.name not in wanted:
                file.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})", fix="Choose another") from error


def _population(
    path: Path, mark: str, rows: Rows, training: NDArray[np.bool_], feature_set: FeatureSet, threads: int
) -> Population:
    if mark_of(path) == mark:
        return read_population(path)
    population = fit_rows(rows.among(training), feature_set, threads=threads)
    write_population(population, path, metadata={BATCH_MARK: mark})
    return population


def _written(
    folder: Path, batches: Sequence[_Batch], rows: Rows, population: Population | None, threads: int
) -> Iterator[_Batch]:
    """Compute and write batches, several at a time, and yield each that is on the disk."""
    pool = ThreadPoolExecutor(threads)
    try:
        for future in as_completed([pool.submit(_write, folder, batch, rows, population) for batch in batches]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write(folder: Path, batch: _Batch, rows: Rows, population: Population | None) -> _Batch:
    import polars as pl

    columns = compute_columns(rows, batch.features, population)
    frame = pl.DataFrame([pl.Series(feature.name, columns[feature.name]) for feature in batch.features])
    with atomic_writer(folder / batch.file) as stream:
        frame.write_parquet(
            stream, compression="lz4", statistics=False, row_group_size=_ROW_GROUP, metadata={BATCH_MARK: batch.mark}
        )
    return batch
