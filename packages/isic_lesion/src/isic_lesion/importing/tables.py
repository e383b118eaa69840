"""Tables of lesions that are to become a data folder: the contest's columns, or files of earlier contests. (io)

Whatever a table calls its images, a row is known by the image's name without its folder and its ending.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import cast_cells
from isic_lesion.data.metadata_files import check_end, line_numbers, row_word, scan_cells, telling_of
from isic_lesion.data.schema import Split, columns_of, frame_schema
from isic_lesion.past.formats import recognise
from isic_lesion.past.history import with_owners
from isic_lesion.past.reading import past_notes, read_past
from isic_lesion.past.tidying import IMAGE_ENDING

if TYPE_CHECKING:
    from polars import DataFrame, Expr

__all__ = ["ID_COLUMNS", "ImportTable", "name_of_image", "read_import_tables"]

ID_COLUMNS = ("isic_id", "image_id", "image_name", "image", "filename", "file_name", "file", "id")
"""The names of the column of images, tried in this order."""

_SHOWN = 8


class ImportTable(NamedTuple):
    """Rows to import.

    Attributes:
        frame: the split's columns, typed, in the table's order; isic_id and patient_id in every row, and in training
            rows an iddx_1: where the table has none, Malignant or Benign as the target says.
        places: where each row is told of, such as "line 7"; "" for rows of earlier contests' files.
        repeated: for each row whether an earlier one has the same isic_id; bool.
        stand_ins: rows without a patient, now of one that is named after the lesion or the image.
        left_out: columns that the contest does not know.
        notes: what was noticed in files of earlier contests.
    """

    frame: DataFrame
    places: tuple[str, ...]
    repeated: tuple[bool, ...]
    stand_ins: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def name_of_image(name: str) -> str:
    """Return the isic_id that a file's name means.

    >>> name_of_image("train/ISIC_0000030_downsampled.jpg")
    'ISIC_0000030'
    """
    return re.sub(IMAGE_ENDING, "", name.strip().replace("\\", "/").rpartition("/")[2])


def read_import_tables(tables: Sequence[Path], split: Split, *, id_column: str | None = None) -> ImportTable:
    """Read one table with any of the contest's columns, or files of earlier contests that complete each other.

    Args:
        tables: CSV, gzipped CSV or Parquet; several only if all are earlier contests'.
        split: "train" needs the column target, "test" leaves out what is known only later.
        id_column: the column of the images' names; None: the first of `ID_COLUMNS` that is there.

    Raises:
        InputError: if a table cannot be read, has no column of names or no target, or a cell is not of its column's
            type.
    """
    import polars as pl

    if not tables:
        raise InputError("no table is given", fix="Name the table of the lesions after the folder of their images")
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    headers = [_header(path) for path in tables]
    known = [recognise(header) is not None for header in headers]
    if len(tables) > 1 and not all(known):
        raise InputError(
            f"{tables[known.index(False)]}: only files of earlier contests can be given together",
            fix="Give one table, or their files alone",
        )
    if all(known) and id_column is None:
        past = read_past(tables, is_test=split == "test")
        frame, left_out, notes = past.frame, (), past_notes(past)
        places = ("",) * len(frame)
    else:
        frame, left_out = _read_table(tables[0], headers[0], split, id_column)
        notes = ()
        word = row_word(tables[0])
        places = tuple(f"{word} {line}" for line in line_numbers(tables[0], len(frame)))
    stand_ins = frame["patient_id"].null_count()
    frame = with_owners(frame)
    schema = frame_schema(split)
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    frame = frame.with_columns(*lacking).select(schema.names())
    if split == "train":
        said = pl.when(pl.col("target") == 1).then(pl.lit("Malignant")).otherwise(pl.lit("Benign"))
        frame = frame.with_columns(iddx_1=pl.coalesce("iddx_1", said))
    repeated = tuple((~frame["isic_id"].is_first_distinct()).to_list())
    return ImportTable(frame, places, repeated, stand_ins, left_out, notes)


def _header(path: Path) -> list[str]:
    return scan_cells(path).collect_schema().names()


def _read_table(
    path: Path, header: list[str], split: Split, id_column: str | None
) -> tuple[DataFrame, tuple[str, ...]]:
    """Return the columns that the contest knows, typed, with patient_id and lesion_id among them."""
    import polars as pl

    images = _id_column(path, header, id_column)
    with telling_of(path):
        cells = scan_cells(path).collect()
    check_end(path)
    if cells.is_empty():
        raise InputError(f"{path}: has a header but no rows")
    if split == "train" and "target" not in header:
        raise InputError(
            f"{path}: has no column 'target'", fix="Add it, 0 or 1, or import lesions without truth with --split test"
        )
    names = [known.name for known in columns_of("train")]
    cells = cells.with_columns(isic_id=_name(images))
    frame = cast_cells(cells, "train")
    needed = ("isic_id", *(("target",) if split == "train" else ()))
    lines = line_numbers(path, len(cells))
    for name in frame.columns:
        lost = frame[name].is_null() & (cells[name].is_not_null() | (name in needed))
        if lost.any():
            position = lost.arg_true()[0]
            expected = {"target": "0 or 1", "isic_id": "an image's name"}.get(name, "a number")
            value = cells[name][position]
            got = "it is empty" if value is None else f"got {value[:40]!r}"
            more = f" ({lost.sum()} rows in all)" if lost.sum() > 1 else ""
            told = images if name == "isic_id" else name
            raise InputError(f"{path}, {row_word(path)} {lines[position]}: expected {expected} in {told}, {got}{more}")
    owned = [pl.lit(None, pl.String).alias(name) for name in ("patient_id", "lesion_id") if name not in frame.columns]
    return frame.with_columns(*owned), tuple(name for name in header if name not in (*names, images))


def _id_column(path: Path, header: list[str], asked: str | None) -> str:
    shown = ", ".join(map(repr, header[:_SHOWN])) + (
        f" and {len(header) - _SHOWN} more" if len(header) > _SHOWN else ""
    )
    if asked is not None:
        if asked not in header:
            raise InputError(f"{path}: no column {asked!r} among {shown}", fix="Name one with --id-column")
        return asked
    lower = {name.lower(): name for name in reversed(header)}
    found = next((lower[name] for name in ID_COLUMNS if name in lower), None)
    if found is None:
        raise InputError(
            f"{path}: no column of image names among {shown}", fix="Name it with --id-column, or call it isic_id"
        )
    return found


def _name(column: str) -> Expr:
    import polars as pl

    base = pl.col(column).str.strip_chars().str.replace_all("\\", "/", literal=True).str.split("/").list.last()
    name = base.str.replace(IMAGE_ENDING, "")
    return pl.when(name != "").then(name)
