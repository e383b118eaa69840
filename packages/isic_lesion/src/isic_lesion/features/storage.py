"""A folder of features on disk: `features.json` beside Parquet files of some columns each. (io)

Files are written whole, one batch of columns after another, so that no more than a batch is ever in memory. A batch
that is there and was computed from the same rows, features and training rows is not computed again; `features.json` is
written last, so a folder that has one is whole.

Features that need a population (see `population`) are there once for all rows as training rows, and once per fold,
fitted on that fold's training rows alone; the others once. The populations lie beside them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, read_json, write_json
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, WorkError
from isic_lesion.features.computing import compute_columns, rows_for
from isic_lesion.features.feature import Feature, FeatureSet
from isic_lesion.features.population import Population, fit_rows
from isic_lesion.features.population_files import read_population, write_population

if TYPE_CHECKING:
    from polars import DataFrame, Series

    from isic_lesion.folds import Folds

__all__ = ["FeatureTable", "Fit", "open_features", "read_feature_set", "write_feature_set", "write_features"]

Fit = int | Literal["all"]
"""On which rows a population was fitted: the training rows of a fold, or all."""

_FORMAT = 1
_MEANING = 1
"""Raised when the same feature would get other values."""
_MARK = "furikaeri_batch"
_RECORD = "features.json"
_IDS = "isic_ids.parquet"
_BATCH = 64
_ROW_GROUP = 1 << 16
_BLOCK = 4096


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
        threads: how many work at once; the values are the same.
        on_progress: called with the batches that are done, and how many there are.

    Raises:
        InputError: if the rows cannot be used, or the folder cannot be written.
        WorkError: if the disk is full.
    """
    import polars as pl

    folder = Path(folder)
    canonical = rows_for(rows, feature_set)
    masks = _masks(rows, folds)
    marks = {
        "rows": _fingerprint_of_rows(rows, feature_set),
        **{str(fit): _digest(mask) for fit, mask in masks.items()},
    }
    batches = _batches(feature_set, tuple(masks), marks)
    _make_room(folder, batches)
    done = 0
    for fit in (None, *masks):
        waiting = []
        for batch in batches:
            if batch.fit == fit and type(batch.fit) is type(fit):
                if _mark_of(folder / batch.file) == batch.mark:
                    done += 1
                else:
                    waiting.append(batch)
        if on_progress is not None and len(batches):
            on_progress(done, len(batches))
        population = None
        if fit is not None and any(feature.crosses_patients for feature in feature_set.features):
            mark = fingerprint([marks["rows"], marks[str(fit)], feature_set.fingerprint, _MEANING])
            path = folder / _population_file(fit)
            if _mark_of(path) == mark:
                population = read_population(path)
            else:
                population = fit_rows(canonical.among(masks[fit]), feature_set, threads=threads)
                write_population(population, path, metadata={_MARK: mark})
        for batch in waiting:
            columns = compute_columns(canonical, batch.features, population, threads=threads)
            frame = pl.DataFrame([pl.Series(feature.name, columns[feature.name]) for feature in batch.features])
            with atomic_writer(folder / batch.file) as stream:
                frame.write_parquet(
                    stream,
                    compression="lz4",
                    statistics=False,
                    row_group_size=_ROW_GROUP,
                    metadata={_MARK: batch.mark},
                )
            done += 1
            if on_progress is not None:
                on_progress(done, len(batches))
    with atomic_writer(folder / _IDS) as stream:
        rows.select(pl.col("isic_id").cast(pl.String)).write_parquet(stream, metadata={_MARK: marks["rows"]})
    record = {
        "format": _FORMAT,
        "set": feature_set.as_document(),
        "fingerprint": feature_set.fingerprint,
        "rows": {"number": len(rows), "fingerprint": marks["rows"]},
        "fits": list(masks),
        "folds": folds.fingerprint if folds is not None else None,
        "batches": [
            {"file": batch.file, "fit": batch.fit, "names": [feature.name for feature in batch.features]}
            for batch in batches
        ],
    }
    write_json(folder / _RECORD, record)
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


def _batches(feature_set: FeatureSet, fits: Sequence[Fit], marks: dict[str, str]) -> list[_Batch]:
    """Return the files, by what is computed from one formula; they depend on the set alone, never on what is there."""
    batches: list[_Batch] = []
    for fit in (None, *fits):
        by_formula: dict[tuple[str, ...], list[Feature]] = {}
        for feature in feature_set.features:
            if feature.crosses_patients == (fit is not None):
                by_formula.setdefault(feature.formulas, []).append(feature)
        name = "own" if fit is None else fit if fit == "all" else f"fold-{fit}"
        parts: list[list[Feature]] = []
        for shared in by_formula.values():
            for first in range(0, len(shared), _BATCH):
                piece = shared[first : first + _BATCH]
                if parts and len(parts[-1]) + len(piece) <= _BATCH:
                    parts[-1].extend(piece)
                else:
                    parts.append(piece)
        for number, part in enumerate(parts):
            mark = fingerprint(
                [
                    *(_MEANING, marks["rows"], marks[str(fit)] if fit is not None else None),
                    [feature.as_document() for feature in part],
                ]
            )
            batches.append(_Batch(f"{name}-{number:03d}.parquet", fit, tuple(part), mark))
    return batches


def _make_room(folder: Path, batches: Sequence[_Batch]) -> None:
    """Make the folder; what is in it is no whole table from here on, and files that no batch has are removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _RECORD).unlink(missing_ok=True)
        wanted = {batch.file for batch in batches}
        for file in folder.glob("*-[0-9][0-9][0-9].parquet"):
            if file.name not in wanted:
                file.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})", fix="Choose another") from error


def _mark_of(path: Path) -> str | None:
    import polars as pl

    if not path.is_file():
        return None
    try:
        return pl.read_parquet_metadata(path).get(_MARK)
    except (OSError, pl.exceptions.PolarsError):
        return None


def _population_file(fit: Fit) -> str:
    return "population-all.parquet" if fit == "all" else f"population-fold-{fit}.parquet"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTable:
    """Features on disk, of which no more is read than is asked for.

    Args:
        folder: where they lie.
        feature_set: what they are.
        isic_ids: the lesions, in the order of the rows.
        fits: the fits that features with a population are there for.
        files: (name, fit) -> the file; fit is None where the feature needs no population.
        rows_fingerprint: of what they were computed from.
        folds_fingerprint: of the folds that the fits belong to; None without folds.
    """

    folder: Path
    feature_set: FeatureSet
    isic_ids: Series
    fits: tuple[Fit, ...]
    files: dict[tuple[str, Fit | None], str]
    rows_fingerprint: str
    folds_fingerprint: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return self.feature_set.names

    def __len__(self) -> int:
        return len(self.isic_ids)

    def population(self, fit: Fit = "all") -> Population:
        """Return the population of a fit, to compute the same features of other rows.

        Raises:
            InputError: if there is none, or its file is damaged.
        """
        return read_population(self.folder / _population_file(fit))

    def matrix(
        self, names: Sequence[str] | None = None, rows: NDArray[Any] | None = None, fit: Fit = "all"
    ) -> NDArray[np.float32]:
        """Return features as a matrix, NaN where missing.

        Beside the matrix itself one batch of columns is in memory at a time.

        Args:
            names: the columns, in order; None: all.
            rows: a mask of shape (len(self),), or places of rows in any order; None: all.
            fit: which population; a fold's number for models that train on that fold.

        Returns:
            float32, C order, shape (N, F).

        Raises:
            ValueError: if a name or the fit is not there.
            InputError: if a file is missing or damaged.
        """
        chosen = self.names if names is None else tuple(names)
        places = None if rows is None else np.flatnonzero(rows) if rows.dtype == bool else rows
        out = np.empty((len(self) if places is None else len(places), len(chosen)), dtype=np.float32)
        for file, wanted in self._by_file(chosen, fit).items():
            columns = self._read(file, [chosen[at] for at in wanted])
            self._place(out, wanted, columns if places is None else columns[:, places])
        return out

    def chunks(
        self, rows_per_chunk: int = 50_000, names: Sequence[str] | None = None, fit: Fit = "all"
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the matrix in pieces of consecutive rows, as (rows, float32 of shape (n, F)).

        Raises:
            ValueError: if a name or the fit is not there, or a chunk has no rows.
            InputError: if a file is missing or damaged.
        """
        if rows_per_chunk < 1:
            raise ValueError(f"expected rows_per_chunk >= 1, got {rows_per_chunk}")
        chosen = self.names if names is None else tuple(names)
        by_file = self._by_file(chosen, fit)
        for first in range(0, len(self), rows_per_chunk):
            number = min(rows_per_chunk, len(self) - first)
            out = np.empty((number, len(chosen)), dtype=np.float32)
            for file, wanted in by_file.items():
                self._place(out, wanted, self._read(file, [chosen[at] for at in wanted], first, number))
            yield slice(first, first + number), out

    def _by_file(self, names: Sequence[str], fit: Fit) -> dict[str, list[int]]:
        if fit not in self.fits:
            raise ValueError(f"expected a fit among {', '.join(map(str, self.fits))}, got {fit!r}")
        by_file: dict[str, list[int]] = {}
        for at, name in enumerate(names):
            file = self.files.get((name, None)) or self.files.get((name, fit))
            if file is None:
                raise ValueError(f"expected names of features in {self.folder}, got {name!r}")
            by_file.setdefault(file, []).append(at)
        return by_file

    def _read(self, file: str, names: Sequence[str], first: int = 0, number: int | None = None) -> NDArray[np.float32]:
        """Return some columns of a file, as float32 of shape (F, n)."""
        import polars as pl

        distinct = list(dict.fromkeys(names))
        try:
            frame = pl.scan_parquet(self.folder / file).select(distinct).slice(first, number).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            fix = "Run the same `isic features` command again"
            raise InputError(f"{self.folder / file}: is missing or damaged ({str(error)[:80]})", fix=fix) from error
        if len(frame) != (len(self) if number is None else number):
            raise WorkError(f"{self.folder / file}: has {len(frame)} rows where {number or len(self)} were expected")
        return np.stack([frame[name].to_numpy() for name in names])

    @staticmethod
    def _place(out: NDArray[np.float32], wanted: Sequence[int], columns: NDArray[np.float32]) -> None:
        """Write columns to their places, some rows at a time, for the cache's sake."""
        breaks = [0, *(i for i in range(1, len(wanted)) if wanted[i] != wanted[i - 1] + 1), len(wanted)]
        for begin, end in itertools.pairwise(breaks):
            target = out[:, wanted[begin] : wanted[begin] + end - begin]
            for top in range(0, len(out), _BLOCK):
                target[top : top + _BLOCK] = columns[begin:end, top : top + _BLOCK].T


def open_features(folder: Path) -> FeatureTable:
    """Open a folder that `write_features` finished.

    Raises:
        InputError: if it is none, or was not finished.
    """
    folder = Path(folder)
    path = folder / _RECORD
    if folder.is_dir() and not path.exists() and any(folder.glob("*.parquet")):
        raise InputError(f"{folder}: was not finished", fix="Run the same `isic features` command again")
    record = read_json(path)
    try:
        if record["format"] != _FORMAT:
            raise InputError(f"{path}: is of format {record['format']}, not {_FORMAT}", fix="Write the features again")
        files = {(name, batch["fit"]): str(batch["file"]) for batch in record["batches"] for name in batch["names"]}
        table = FeatureTable(
            folder=folder,
            feature_set=FeatureSet.from_document(record["set"]),
            isic_ids=_read_ids(folder / _IDS),
            fits=tuple(record["fits"]),
            files=files,
            rows_fingerprint=record["rows"]["fingerprint"],
            folds_fingerprint=record["folds"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is no record of features ({error})") from error
    if len(table) != record["rows"]["number"]:
        raise InputError(f"{folder / _IDS}: has {len(table)} rows, not {record['rows']['number']}")
    return table


def _read_ids(path: Path) -> Series:
    from isic_lesion.parquet import read_parquet

    return read_parquet(path, fix="Run the same `isic features` command again").frame["isic_id"]


def write_feature_set(feature_set: FeatureSet, path: Path) -> None:
    """Write a set of features as JSON."""
    write_json(path, feature_set.as_document())


def read_feature_set(path: Path) -> FeatureSet:
    """Read a set of features from JSON.

    Raises:
        InputError: if the file is missing, not JSON, or no set; the message names the file and the feature.
    """
    try:
        return FeatureSet.from_document(read_json(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
