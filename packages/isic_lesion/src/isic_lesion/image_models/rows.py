"""The lesions that an image model learns from or scores: one row each, and the file that holds its picture. (io)

Only `isic_id` and, to train, `target` are needed; every other column may be absent and is then missing in all rows.
Folders of past contests come in the same layout. Their rows stand below this contest's, so that adding them changes
no place of a row above.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import cast_cells, check_header_known, open_lesions
from isic_lesion.data.images import open_images
from isic_lesion.data.metadata_files import check_end, check_table, line_numbers, row_word, scan_cells, telling_of
from isic_lesion.data.schema import Split, column

if TYPE_CHECKING:
    from polars import DataFrame, Schema

__all__ = ["OPTIONAL_COLUMNS", "ImageRows", "open_image_folder", "read_image_rows", "row_schema"]

OPTIONAL_COLUMNS = (
    "patient_id",
    "lesion_id",
    "age_approx",
    "sex",
    "anatom_site_general",
    "tbp_lv_location_simple",
    "attribution",
    "tbp_tile_type",
    "clin_size_long_diam_mm",
    "iddx_1",
)
"""What a table may tell of a lesion beside its target: its patient, and what auxiliary heads can learn."""

_MOST_FILES = 255  # of an index in 8 bits


class ImageRows(NamedTuple):
    """Lesions and where their pictures are.

    Attributes:
        frame: one row a lesion, each isic_id once, with the columns of `row_schema`; this contest's rows first, in
            their file's order, then those of each past folder.
        files: the HDF5 files that the column `source` counts, from 0.
    """

    frame: DataFrame
    files: tuple[Path, ...]


def row_schema() -> Schema:
    """Return names and types of the columns of `ImageRows.frame`.

    `source` is the index of the file that holds the picture, `target` 0 or 1 (null for test rows), `is_past` whether
    the row is of a past contest; the rest is `OPTIONAL_COLUMNS`, text as String and numbers as Float64.
    """
    import polars as pl

    optional = {name: pl.Float64() if column(name).kind == "number" else pl.String() for name in OPTIONAL_COLUMNS}
    kept = {"isic_id": pl.String(), "source": pl.UInt8(), "target": pl.Int8(), "is_past": pl.Boolean()}
    return pl.Schema({**kept, **optional})


def open_image_folder(folder: Path, split: Split = "train") -> tuple[Path, Path]:
    """Return the table and the file of pictures of a folder in the contest's layout.

    Args:
        folder: holds `SPLIT-metadata.csv` (or `.csv.gz` or `.parquet`) and `SPLIT-image.hdf5`.
        split: "train" or "test".

    Raises:
        InputError: if the folder or one of the files is missing.
        ValueError: if the split is neither.
    """
    lesions = open_lesions(folder, split)
    if lesions.images is None:
        raise InputError(
            f"{lesions.folder}: holds no {split}-image.hdf5", fix="Put the contest's file of images beside its table"
        )
    return lesions.metadata, lesions.images


def read_image_rows(
    metadata: Path, images: Path, *, past: Sequence[tuple[Path, Path]] = (), split: Split = "train"
) -> ImageRows:
    """Read the lesions of a table, and of tables of past contests, and look their pictures up.

    Args:
        metadata: CSV, gzipped CSV or Parquet with the column isic_id and, to train, target (0 or 1). Empty cells and
            `NA` are missing values.
        images: the HDF5 file of their pictures, in the contest's layout; it may hold more.
        past: table and pictures of each past contest, with targets. A lesion that was read already, of this contest or
            an earlier one of these, is left out.
        split: "train", or "test" for rows without target; a target that they have is not read.

    Raises:
        InputError: if a file is missing or damaged, a table lacks a column, a cell is not of its column's type, an
            isic_id or a target is missing, an isic_id comes twice in one table, or a lesion has no picture.
        ValueError: if the split is neither.
    """
    import polars as pl

    if split not in ("train", "test"):
        raise ValueError(f"expected split 'train' or 'test', got {split!r}")
    if len(past) >= _MOST_FILES:
        raise InputError(f"{len(past)} past folders: expected fewer than {_MOST_FILES}")
    sources = [(Path(metadata), Path(images)), *((Path(table), Path(file)) for table, file in past)]
    read: list[DataFrame] = []
    for source, (table, file) in enumerate(sources):
        rows = _read_table(table, split if source == 0 else "train")
        for before in read:
            rows = rows.join(before, on="isic_id", how="anti", maintain_order="left")
        _check_pictures_exist(rows, file, table)
        marked = rows.with_columns(source=pl.lit(source, pl.UInt8), is_past=pl.lit(source > 0))
        read.append(marked.select(row_schema().names()))
    return ImageRows(pl.concat(read), tuple(file for _, file in sources))


def _read_table(path: Path, split: Split) -> DataFrame:
    """Return a table's rows with the columns of `row_schema` that are its own, in the file's order."""
    import polars as pl

    schema = row_schema()
    with telling_of(path):
        cells = scan_cells(path)
        header = cells.collect_schema().names()
        check_header_known(path, header, split)
        needed = ["isic_id", "target"] if split == "train" else ["isic_id"]
        if missing := [name for name in needed if name not in header]:
            raise InputError(f"{path}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
        check_end(path)
        wanted = [name for name in (*needed, *OPTIONAL_COLUMNS) if name in header]
        frame = cells.select(*wanted, pl.col(header[-1]).alias("line end")).collect()
    if frame.is_empty():
        raise InputError(f"{path}: holds no lesion")
    if frame["line end"].has_nulls():
        check_table(path)  # a line with too few fields ends in missing values
    typed = cast_cells(frame.select(wanted), "train")
    _check_cells(path, frame, typed)
    for name in needed:
        if typed[name].has_nulls():
            position = int(typed[name].is_null().arg_max() or 0)
            held = f" ({typed['isic_id'][position]})" if name != "isic_id" else ""
            raise InputError(f"{_line(path, position, len(typed))}{held}: has no {name}", fix="Fill or remove it")
    _check_distinct(path, typed)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in typed.columns]
    return typed.with_columns(absent).fill_nan(None)  # pandas writes missing numbers to Parquet as NaN


def _check_cells(path: Path, cells: DataFrame, typed: DataFrame) -> None:
    for name in typed.columns:
        lost = cells[name].is_not_null() & typed[name].is_null()
        wrong = (lost | typed[name].is_infinite() if typed[name].dtype.is_float() else lost).arg_true()
        if len(wrong):
            position = int(wrong[0])
            expected = "0 or 1" if name == "target" else "a number"
            more = f" ({len(wrong)} rows in all)" if len(wrong) > 1 else ""
            raise InputError(
                f"{_line(path, position, len(cells))} ({cells['isic_id'][position]}): expected {expected} in {name}, "
                f"got {cells[name][position][:40]!r}{more}",
                fix="Mend that cell",
            )


def _check_distinct(path: Path, rows: DataFrame) -> None:
    repeated = rows["isic_id"].is_duplicated()
    if repeated.any():
        name = rows["isic_id"][int(repeated.arg_max() or 0)]
        first, second = rows["isic_id"].eq(name).arg_true()[:2]
        line = line_numbers(path, len(rows))[first]
        raise InputError(
            f"{_line(path, second, len(rows))}: {name} was already on {row_word(path)} {line} "
            f"({rows['isic_id'].filter(repeated).n_unique()} of the ids are not unique)",
            fix="Keep one row of each lesion",
        )


def _check_pictures_exist(rows: DataFrame, images: Path, metadata: Path) -> None:
    with open_images(images) as held:
        known = set(held.isic_ids())  # one walk over the file's names: far quicker than a look-up for each
    missing = [name for name in rows["isic_id"] if name not in known]
    if missing:
        count = "has no picture" if len(missing) == 1 else f"and {len(missing) - 1:,} more have no picture"
        raise InputError(
            f"{images}: {missing[0]} {count}, of {len(rows):,} lesions in {metadata}",
            fix="Copy the file again, or leave those lesions out of the table",
        )


def _line(path: Path, position: int, num_rows: int) -> str:
    return f"{path}, {row_word(path)} {line_numbers(path, num_rows)[position]}"
