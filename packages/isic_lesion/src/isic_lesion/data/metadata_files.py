"""A table's file as it stands: text cells, line numbers, and what keeps it from being read. (io)

CSV, gzipped CSV and Parquet. Nothing here knows what the columns mean; a file is refused only when it is no table, in
one line that names the file and the line in it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import LazyFrame, Series

__all__ = [
    "MISSING",
    "RaggedLine",
    "check_end",
    "check_table",
    "find_table",
    "has_table",
    "line_numbers",
    "ragged_lines",
    "row_word",
    "scan_cells",
    "telling_of",
]

MISSING = "NA"
"""What the contest's files write for a missing value, beside nothing at all."""

_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_CHUNK = 1 << 22
_GZIP = b"\x1f\x8b"
_MEND = "Mend that line"
_TAIL = 1 << 16  # bytes: far more than a line


class RaggedLine(NamedTuple):
    """A line that is not of the header's width.

    Attributes:
        line: its number, from 1.
        fields: how many it has; 0 if it is empty.
        width: how many the header has.
    """

    line: int
    fields: int
    width: int


def has_table(folder: Path, stem: str) -> bool:
    """Say whether a folder holds a file that `find_table` would return."""
    return any((folder / (stem + suffix)).is_file() for suffix in _SUFFIXES)


def find_table(folder: Path, stem: str) -> Path:
    """Return the file `stem` with `.csv`, `.csv.gz` or `.parquet`, the first of these that is there.

    Raises:
        InputError: if the folder or the file is missing.
    """
    if not folder.is_dir():
        wrong = "is not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {wrong}", fix=f"Give the folder that holds {stem}.csv")
    for suffix in _SUFFIXES:
        path = folder / (stem + suffix)
        if path.is_file():
            return path
    raise InputError(f"{folder}: holds no {stem}.csv (nor .csv.gz or .parquet)", fix="Unpack the contest's files there")


def row_word(path: Path) -> str:
    """Return what a row's number counts: "line" of a CSV, header included, or "row" of a Parquet file, from 1."""
    return "row" if path.suffix == ".parquet" else "line"


def scan_cells(path: Path, *, cut_long_lines: bool = False) -> LazyFrame:
    """Return the whole table as text, all its columns in the file's order; null where a cell is empty or `NA`.

    Cells of a Parquet file that are no text are written as text.

    Args:
        path: the table.
        cut_long_lines: whether to pass over cells beyond the header's width instead of raising.

    Raises:
        InputError: if the file is missing, empty, or has no header that can be read.
    """
    import polars as pl

    with telling_of(path):
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path, glob=False)
            flags = [name for name, dtype in frame.collect_schema().items() if dtype == pl.Boolean]
            cells = frame.with_columns(pl.col(flags).cast(pl.Int8)).select(pl.all().cast(pl.String))
        else:
            cells = pl.scan_csv(path, infer_schema=False, glob=False, truncate_ragged_lines=cut_long_lines)
        cells.collect_schema()
    return cells.select(pl.when((pl.all() != "") & (pl.all() != MISSING)).then(pl.all()))


@contextmanager
def telling_of(path: Path) -> Iterator[None]:
    """Turn what polars says of a file into one clear line."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        check_table(path)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: cannot be read as a table: {reason[:200]}", fix="Copy it again or save it anew"
        ) from error


def check_table(path: Path) -> None:
    """Go through a CSV line by line: its bytes, its text, its quotes, and that each line has the header's width.

    Slow beside reading it as columns, so for files that are suspected. Parquet is not looked into.

    Raises:
        InputError: about the first thing that keeps the file from being a table.
    """
    for line, fields, width in ragged_lines(path):
        raise InputError(
            f"{path}, line {line}: {_fields(fields)}, but the header has {width}"
            if fields
            else f"{path}, line {line}: is empty",
            fix="Copy the file again if it was cut short; else mend or remove that line",
        )


def ragged_lines(path: Path) -> Iterator[RaggedLine]:
    """Yield the lines of a CSV that are not of the header's width; none of a Parquet file.

    Raises:
        InputError: if the file is missing, empty, no UTF-8 text, or its quotes do not close.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".parquet":
        return
    _check_encoding(path)
    with _open_text(path) as text:
        rows = _records(text, path)
        _, header = next(rows, (0, []))
        if not header:
            raise InputError(f"{path}: is empty", fix="Give a CSV with a header line")
        for line, row in rows:
            if len(row) != len(header):
                yield RaggedLine(line, len(row), len(header))


def check_end(path: Path) -> None:
    """Refuse a CSV whose last line is cut short, which would read as one with missing values. Quick.

    Raises:
        InputError: if the last line has fewer fields than the header.
    """
    if path.suffix == ".parquet" or _is_gzip(path):
        return  # these tell by themselves
    with path.open("rb") as stream:
        header = stream.readline()
        stream.seek(max(0, path.stat().st_size - _TAIL))
        lines = stream.read().rstrip().splitlines()
    if lines and len(next(_csv_rows(lines[-1]), [])) < len(next(_csv_rows(header), [])):
        check_table(path)  # a cell with a line break looks the same from here


def line_numbers(path: Path, num_rows: int) -> Series:
    """Return where each row begins in its file; UInt32, shape (num_rows,).

    Lines of a CSV count from 1, the header included; rows of a Parquet file count from 1.
    """
    import polars as pl

    if path.suffix == ".parquet":
        return pl.int_range(1, num_rows + 1, dtype=pl.UInt32, eager=True).alias("line")
    with _open_bytes(path) as stream:
        breaks, last = 0, b"\n"
        while chunk := stream.read(_CHUNK):
            breaks += chunk.count(b"\n")
            last = chunk[-1:]
    if breaks + (last != b"\n") == num_rows + 1:
        return pl.int_range(2, num_rows + 2, dtype=pl.UInt32, eager=True).alias("line")
    with _open_text(path) as text:  # a cell holds a line break, or empty lines stand before the header
        lines = [line for line, _ in _records(text, path)][1:]
    return pl.Series("line", lines, dtype=pl.UInt32)


def _records(text: IO[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line that it begins on; empty lines before the header are passed over."""
    quotes = 0

    def lines() -> Iterator[str]:
        nonlocal quotes
        for line in text:
            quotes += line.count('"')
            yield line

    reader = csv.reader(lines(), strict=True)
    begins, seen = 1, False
    try:
        for row in reader:
            if quotes % 2:
                raise InputError(f"{path}, line {begins}: has a quote that does not close", fix=_MEND)
            if row or seen:
                seen = True
                yield begins, row
            begins, quotes = reader.line_num + 1, 0
    except csv.Error as error:
        raise InputError(f"{path}, line {begins}: not a CSV: {error}", fix=_MEND) from error


def _check_encoding(path: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    try:
        with _open_bytes(path) as stream:
            while chunk := stream.read(_CHUNK):
                held = decoder.getstate()[0]
                chunk = held + chunk
                decoder.reset()
                decoder.decode(chunk)
                lines += chunk.count(b"\n")
            chunk = decoder.getstate()[0]
            decoder.reset()
            decoder.decode(chunk, final=True)
    except UnicodeDecodeError as error:
        line = lines + chunk.count(b"\n", 0, error.start)
        raise InputError(f"{path}, line {line}: is not UTF-8 text", fix="Save it as CSV in UTF-8") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip: {error}", fix="Copy or download it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _csv_rows(line: bytes) -> Iterator[list[str]]:
    return csv.reader([line.decode("utf-8-sig", errors="replace")])


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"


def _open_bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if _is_gzip(path) else path.open("rb")


def _is_gzip(path: Path) -> bool:
    """Return whether a file is gzip by its first bytes, as polars tells it too."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


def _open_text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")
