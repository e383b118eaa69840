"""A folder in the contest's layout: a table of lesions and, beside it, their images. (io)

The table may be far larger than what is needed of it, so it is read lazily and typed as `schema` says, never by what
its first rows look like. Reading refuses what no later step can work with: cells that are not of their type, lesions
without an id or with one that another has. Whether the rest makes sense is for `checking` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from furikaeri_common.errors import InputError
from isic_lesion.data.metadata_files import (
    MISSING,
    check_end,
    check_table,
    find_table,
    has_table,
    line_numbers,
    row_word,
    scan_cells,
    telling_of,
)
from isic_lesion.data.schema import TRAIN_ONLY, Kind, Split, columns_of, frame_schema

if TYPE_CHECKING:
    from polars import DataFrame, Expr, LazyFrame

__all__ = ["Lesions", "cast_cells", "has_split", "check_header_known", "open_lesions"]

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Lesions:
    """Where the lesions of a split are told of. Nothing is kept open and nothing is held in memory.

    Args:
        folder: what was opened.
        split: "train" (55 columns) or "test" (44).
        metadata: the table: CSV, gzipped CSV or Parquet.
        images: the HDF5 file of JPEGs; None where there is none.
    """

    folder: Path
    split: Split
    metadata: Path
    images: Path | None

    def scan(self) -> LazyFrame:
        """Return the table, lazily: the split's columns in the contest's order, typed, in the file's order.

        Columns of the file that the contest does not know are left out. Where a cell is not of its column's type,
        collecting raises polars' own error; `read` names the row.

        Raises:
            InputError: if the table cannot be opened or lacks a column.
        """
        import polars as pl

        schema = frame_schema(self.split)
        with telling_of(self.metadata):
            if self.metadata.suffix == ".parquet":
                frame = pl.scan_parquet(self.metadata, glob=False)
                held = frame.collect_schema()
                self._check_header(held.names())
                texts = [name for name, dtype in held.items() if not dtype.is_numeric() and dtype != pl.Boolean]
                frame = frame.with_columns(_text(name) for name in texts)
                return frame.select(_typed(known.name, known.kind) for known in columns_of(self.split))
            header = pl.scan_csv(self.metadata, infer_schema=False, glob=False).collect_schema().names()
            self._check_header(header)
            check_end(self.metadata)
            numbers = {name: pl.Float64() for name, dtype in schema.items() if dtype != pl.String}
            missing = {name: MISSING for name in schema if name in header}
            frame = pl.scan_csv(
                self.metadata, infer_schema=False, schema_overrides=numbers, null_values=missing, glob=False
            )
            return frame.select(_typed(known.name, known.kind) for known in columns_of(self.split))

    def read(self, columns: Sequence[str] | None = None) -> DataFrame:
        """Return the table, or some columns of it, typed, in the file's order.

        Args:
            columns: which to read, in this order; None: all of the split's.

        Raises:
            InputError: if the table cannot be read, lacks a column, has a cell that is not of its column's type, or
                an isic_id, patient_id or target is missing, or two rows have one isic_id; the message names the line.
            KeyError: if the split has no column of a name asked for.
        """
        import polars as pl

        known = frame_schema(self.split)
        names = list(known) if columns is None else list(columns)
        if unknown := [name for name in names if name not in known]:
            raise KeyError(f"expected columns of a {self.split} table, got {unknown[0]!r}")
        lazy = self.scan()
        ends = self._required_end()
        needed = [name for name in known if name in {*names, "isic_id", ends}]
        try:
            frame = lazy.select(needed).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            self._explain(error)
        if ends in frame.columns and frame[ends].has_nulls():
            check_table(self.metadata)  # a line with too few fields ends in missing values
        self._check_keys(frame)
        return frame.select(names)

    def _required_end(self) -> str:
        """Return the last column of a CSV if every row has a value there, as in the contest's; else an empty name."""
        if self.metadata.suffix == ".parquet":
            return ""
        last = scan_cells(self.metadata).collect_schema().names()[-1]
        return last if any(known.name == last and known.required for known in columns_of(self.split)) else ""

    def _check_header(self, header: Sequence[str]) -> None:
        check_header_known(self.metadata, header, self.split)
        missing = [known.name for known in columns_of(self.split) if known.name not in header]
        if missing:
            shown = ", ".join(missing[:_SHOWN])
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            is_test = self.split == "train" and set(missing) == set(TRAIN_ONLY)
            fix = "It looks like a test table: name it test-metadata.csv" if is_test else "Mend its header line"
            raise InputError(f"{self.metadata}: lacks the column{'s' * (len(missing) > 1)} {shown}{more}", fix=fix)

    def _check_keys(self, frame: DataFrame) -> None:
        for name in ("isic_id", "patient_id", "target"):
            if name in frame.columns and frame[name].null_count():
                position = int(frame[name].is_null().arg_max() or 0)
                row = frame.row(position, named=True)
                named = f" ({row['isic_id']})" if row["isic_id"] is not None else ""
                raise InputError(f"{self._line(position, len(frame))}{named}: has no {name}", fix="Fill or remove it")
        if frame["isic_id"].hash().n_unique() == len(frame):
            return  # told in 8 bytes a row; only where hashes are alike are ids compared
        repeated = frame["isic_id"].is_duplicated()
        if repeated.any():
            name = frame["isic_id"][int(repeated.arg_max() or 0)]
            first, second = frame["isic_id"].eq(name).arg_true()[:2]
            word = row_word(self.metadata)
            line = line_numbers(self.metadata, len(frame))[first]
            total = frame["isic_id"].filter(repeated).n_unique()
            raise InputError(
                f"{self._line(second, len(frame))}: {name} was already on {word} {line}"
                f" ({total} of the ids are not unique)",
                fix="Keep one row of each lesion",
            )

    def _line(self, position: int, num_rows: int) -> str:
        line = line_numbers(self.metadata, num_rows)[position]
        return f"{self.metadata}, {row_word(self.metadata)} {line}"

    def _explain(self, error: Exception) -> Any:
        """Raise about the first cell that is not of its type, found the slow way."""
        import polars as pl

        check_table(self.metadata)
        with telling_of(self.metadata):
            cells = scan_cells(self.metadata).select(frame_schema(self.split).names()).collect()
        typed = cast_cells(cells, self.split)
        for known in columns_of(self.split):
            wrong = (cells[known.name].is_not_null() & typed[known.name].is_null()).arg_true()
            if len(wrong):
                position = wrong[0]
                expected = "0 or 1" if known.kind == "target" else "a number"
                more = f" ({len(wrong)} rows in all)" if len(wrong) > 1 else ""
                raise InputError(
                    f"{self._line(position, len(cells))} ({cells['isic_id'][position]}): expected {expected} in "
                    f"{known.name}, got {cells[known.name][position][:40]!r}{more}"
                ) from error
        reason = str(error).strip().splitlines()[0] if isinstance(error, pl.exceptions.PolarsError) else str(error)
        raise InputError(f"{self.metadata}: cannot be read as a table: {reason[:200]}") from error


def open_lesions(folder: Path, split: Split = "train") -> Lesions:
    """Find a split's table and images in a folder of the contest's layout; nothing of them is read yet.

    Args:
        folder: holds `train-metadata.csv` (or `.csv.gz` or `.parquet`; the first of these counts) and
            `train-image.hdf5`, or the same of `test`. Images may be absent.
        split: "train" or "test".

    Raises:
        InputError: if the folder or the table is missing.
        ValueError: if the split is neither.
    """
    if split not in ("train", "test"):
        raise ValueError(f"expected split 'train' or 'test', got {split!r}")
    folder = Path(folder)
    metadata = find_table(folder, f"{split}-metadata")
    images = folder / f"{split}-image.hdf5"
    return Lesions(folder, split, metadata, images if images.exists() else None)


def check_header_known(path: Path, header: Sequence[str], split: Split) -> None:
    """Refuse a table that has no column of the contest, as one with other separators or in another encoding.

    Raises:
        InputError: if the header has none of the split's columns or a line break, or the file is no UTF-8 text.
    """
    if any("\r" in name or "\n" in name for name in header):
        raise InputError(f"{path}: line breaks in its header", fix="Save it with the line ends of Unix or Windows")
    if any(known.name in header for known in columns_of(split)):
        return
    check_table(path)
    shown = ", ".join(repr(name[:40]) for name in header[:_SHOWN])
    raise InputError(
        f"{path}: its header has none of the contest's columns: {shown}",
        fix="Save it as CSV with commas between the columns and the contest's header",
    )


def has_split(folder: Path, split: Split) -> bool:
    """Say whether a folder holds a split's table."""
    return has_table(Path(folder), f"{split}-metadata")


def cast_cells(cells: DataFrame, split: Split) -> DataFrame:
    """Return text cells as the split's types, null where a cell is not of its column's; other columns are left out.

    Args:
        cells: columns of a `split` table, all String, shape (N, any).
        split: "train" or "test".
    """
    return cells.select(
        _typed(known.name, known.kind, strict=False) for known in columns_of(split) if known.name in cells.columns
    )


def _text(name: str) -> Expr:
    """Return the expression that reads a column as text, null where a cell is empty or `NA`."""
    import polars as pl

    text = pl.col(name).cast(pl.String)
    return pl.when(text != "", text != MISSING).then(text).alias(name)


def _typed(name: str, kind: Kind, *, strict: bool = True) -> Expr:
    """Return the expression that gives a column its type; what is not of it raises if `strict`, else becomes null."""
    import polars as pl

    if kind not in ("number", "target"):
        return _text(name)
    number = pl.col(name).cast(pl.Float64, strict=strict)
    if kind == "number":
        return number
    if strict:
        return number.replace_strict({0.0: 0, 1.0: 1}, return_dtype=pl.Int8)
    return number.replace_strict({0.0: 0, 1.0: 1}, return_dtype=pl.Int8, default=None)
