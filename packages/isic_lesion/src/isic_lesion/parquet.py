"""Reading Parquet files that people hand in: one clear line about what is no Parquet file. (io)"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["ParquetFile", "is_parquet", "read_parquet"]

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


def read_parquet(path: Path, *, fix: str = "") -> ParquetFile:
    """Read a whole Parquet file and its own metadata (name -> text).

    Args:
        path: the file.
        fix: what to do where it is none.

    Raises:
        InputError: if it is missing, is none, or is damaged.
    """
    import polars as pl

    if not is_parquet(path):
        raise InputError(f"{path}: is not a Parquet file", fix=fix)
    try:
        content = Path(path).read_bytes()
        return ParquetFile(pl.read_parquet(content), pl.read_parquet_metadata(io.BytesIO(content)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        # A damaged file raises what its damage leads to; polars' panics are no Exception.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:80]
        raise InputError(f"{path}: is cut short or damaged ({reason})", fix=fix) from error
