"""Reading Parquet files that people hand in: one clear line about what is no Parquet file. (io)"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame, Expr, Series

__all__ = ["ParquetFile", "distinct_values", "is_parquet", "read_parquet"]

_MAGIC = b"PAR1"


class ParquetFile(NamedTuple):
    """A table and what its file says of it."""

    frame: DataFrame
    metadata: dict[str, str]


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as Parquet files do.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_parquet(path: Path, *, where: Expr | None = None, fix: str = "") -> ParquetFile:
    """Read a Parquet file and its own metadata (name -> text).

    Args:
        path: the file.
        where: which rows; the others are never held together. None: all.
        fix: what to do where it is none.

    Raises:
        InputError: if it is missing, is none, or is damaged.
    """
    import polars as pl

    if not is_parquet(path):
        raise InputError(f"{path}: is not a Parquet file", fix=fix)
    with _telling_of(path, fix):
        if where is not None:
            some = pl.scan_parquet(path, glob=False).filter(where).collect(engine="streaming")
            return ParquetFile(some, pl.read_parquet_metadata(path))
        content = Path(path).read_bytes()
        return ParquetFile(pl.read_parquet(content), pl.read_parquet_metadata(io.BytesIO(content)))


def distinct_values(path: Path, column: str, *, fix: str = "") -> Series | None:
    """Return the distinct values of a column of a Parquet file, in no order; None if it has no such column.

    Raises:
        InputError: as `read_parquet`.
    """
    import polars as pl

    if not is_parquet(path):
        raise InputError(f"{path}: is not a Parquet file", fix=fix)
    with _telling_of(path, fix):
        lazy = pl.scan_parquet(path, glob=False)
        if column not in lazy.collect_schema().names():
            return None
        return lazy.select(pl.col(column).unique()).collect(engine="streaming")[column]


@contextmanager
def _telling_of(path: Path, fix: str) -> Iterator[None]:
    """Turn what reading a damaged file leads to into one clear line."""
    import polars as pl

    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        # A damaged file raises what its damage leads to; polars' panics are no Exception.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:80]
        raise InputError(f"{path}: is cut short or damaged ({reason})", fix=fix) from error
