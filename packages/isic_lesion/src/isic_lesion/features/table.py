"""Features on disk, of which no more is read than is asked for. (io)"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.layout import FORMAT, ISIC_IDS, RECORD, Fit, population_file
from isic_lesion.features.population import Population
from isic_lesion.features.population_files import read_population

if TYPE_CHECKING:
    from polars import Series

__all__ = ["FeatureTable", "open_features"]

_BLOCK = 4096
_AGAIN = "Run the same `isic features` command again"


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
        return read_population(self.folder / population_file(fit))

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
            raise InputError(f"{self.folder / file}: is missing or damaged ({str(error)[:80]})", fix=_AGAIN) from error
        if len(frame) != (len(self) if number is None else number):
            raise InputError(f"{self.folder / file}: has {len(frame)} rows, not {number or len(self)}", fix=_AGAIN)
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
    path = folder / RECORD
    if folder.is_dir() and not path.exists() and any(folder.glob("*.parquet")):
        raise InputError(f"{folder}: was not finished", fix=_AGAIN)
    record = read_json(path)
    try:
        if record["format"] != FORMAT:
            raise InputError(f"{path}: is of format {record['format']}, not {FORMAT}", fix="Write the features again")
        files = {(name, batch["fit"]): str(batch["file"]) for batch in record["batches"] for name in batch["names"]}
        table = FeatureTable(
            folder=folder,
            feature_set=FeatureSet.from_document(record["set"]),
            isic_ids=_read_ids(folder / ISIC_IDS),
            fits=tuple(record["fits"]),
            files=files,
            rows_fingerprint=record["rows"]["fingerprint"],
            folds_fingerprint=record["folds"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is no record of features ({error})") from error
    if len(table) != record["rows"]["number"]:
        raise InputError(f"{folder / ISIC_IDS}: has {len(table)} rows, not {record['rows']['number']}")
    return table


def _read_ids(path: Path) -> Series:
    from isic_lesion.parquet import read_parquet

    return read_parquet(path, fix=_AGAIN).frame["isic_id"]
