"""A submission and the truth it is measured against: two CSVs about the same lesions. (io)

Both have the columns `isic_id,target` of the contest, in any order and among any others. What is wrong with a file is
told in one line that names the file, the line in it and the lesion.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame, Expr

__all__ = ["GROUP_COLUMNS", "ScoredLesions", "read_submission"]

GROUP_COLUMNS = ("attribution", "anatom_site_general", "sex", "age_approx", "tbp_tile_type")
"""What a truth may say of a lesion beside its patient: hospital, body site, sex, age, tile type."""

_COLUMNS = ("isic_id", "target")
_GZIP = b"\x1f\x8b"
_SHOWN_COLUMNS = 8


class ScoredLesions(NamedTuple):
    """Lesions with truth and score, in the order of the truth's rows.

    Attributes:
        target: 1 for malignant, 0 for benign, both present; int8, shape (N,).
        score: higher is more suspicious, finite; float64, shape (N,).
        patient: whose lesion it is, as text, shape (N,); None where the truth names no patients.
        groups: those of the columns `GROUP_COLUMNS` that the truth has, as text, null where a cell is empty or `NA`;
            shape (N, any).
    """

    target: NDArray[np.int8]
    score: NDArray[np.float64]
    patient: NDArray[np.object_] | None
    groups: DataFrame


def read_submission(submission: Path, solution: Path) -> ScoredLesions:
    """Read a submission beside the truth, joined on isic_id whatever the order of the rows.

    Args:
        submission: a CSV with columns isic_id and target (any finite number).
        solution: one with columns isic_id and target (0 or 1), and patient_id where it is known: the contest's
            train-metadata.csv is one. Either may be gzipped, or a pipe.

    Raises:
        InputError: if a file is no such CSV, or the two are not about the same lesions.
    """
    import polars as pl

    truth, scores = _read_truth(solution), _read_scores(submission)
    _check_same_ids(truth, scores, solution, submission)
    joined = truth.join(scores, on="isic_id", how="left", maintain_order="left", suffix="_submitted")
    target = joined["target"].to_numpy()
    if target.all() or not target.any():
        raise InputError(f"{solution}: every target is {target[0]}", fix="A score needs malignant and benign lesions")
    patient = joined["patient_id"].to_numpy() if "patient_id" in joined.columns else None
    groups = joined.select(
        pl.col(name).str.strip_chars().replace(["", "NA"], None) for name in GROUP_COLUMNS if name in joined.columns
    )
    return ScoredLesions(target, joined["target_submitted"].to_numpy(), patient, groups)


def write_submission(frame: DataFrame, path: Path) -> None:
    """Write a submission atomically.

    Args:
        frame: isic_id (String) and target (Float64, finite), in the order of the rows.
        path: the CSV.

    Raises:
        InputError: if the file cannot be written there.
        ValueError: if a score is not finite.
    """
    if not frame["target"].is_finite().all():
        raise ValueError("expected finite scores")
    with atomic_writer(path) as stream:
        frame.select(_COLUMNS).write_csv(stream)


def _check_same_ids(truth: DataFrame, scores: DataFrame, solution: Path, submission: Path) -> None:
    missing = truth.join(scores, on="isic_id", how="anti", maintain_order="left")
    if len(missing):
        raise InputError(
            f"{submission}: lacks {missing['isic_id'][0]}, line {missing['line'][0]} of {solution}"
            f" ({len(missing)} of its {len(truth)} ids are missing)"
        )
    extra = scores.join(truth, on="isic_id", how="anti", maintain_order="left")
    if len(extra):
        raise InputError(
            f"{submission}, line {extra['line'][0]}: {extra['isic_id'][0]} is not in {solution}"
            f" ({len(extra)} of {len(scores)} ids are not)"
        )


def _read_truth(path: Path) -> DataFrame:
    import polars as pl

    frame = _read(path, optional=("patient_id", *GROUP_COLUMNS))
    number = pl.col("target").str.strip_chars().cast(pl.Float64, strict=False)
    _refuse(frame, (number == 0) | (number == 1), path, "target", "0 or 1")
    if "patient_id" in frame.columns:
        _refuse(frame, pl.col("patient_id") != "", path, "patient_id", "a patient")
    return frame.with_columns(number.cast(pl.Int8))


def _read_scores(path: Path) -> DataFrame:
    import polars as pl

    frame = _read(path)
    number = pl.col("target").str.strip_chars().cast(pl.Float64, strict=False)
    _refuse(frame, number.is_finite(), path, "target", "a finite number")
    return frame.with_columns(number)


def _read(path: Path, *, optional: tuple[str, ...] = ()) -> DataFrame:
    """Return `line` and the named columns as text; ids are there and distinct. Wholly empty lines are skipped."""
    import polars as pl

    data = _bytes_of(path)
    _check_encoding(path, data)
    try:
        header = pl.read_csv(data, infer_schema=False, n_rows=0).columns
        _check_header(path, header)
        columns = [*_COLUMNS, *(name for name in optional if name in header)]
        frame = pl.read_csv(data, infer_schema=False, columns=columns).select(columns)
    except pl.exceptions.NoDataError:
        raise InputError(f"{path}: is empty", fix="Give a CSV with the columns isic_id and target") from None
    except pl.exceptions.PolarsError as error:
        _not_a_table(path, data, str(error))
    frame = frame.with_row_index("line", offset=2).filter(~pl.all_horizontal(pl.col(columns).is_null()))
    if frame.is_empty():
        raise InputError(f"{path}: has a header but no rows")
    _refuse(frame, pl.col("isic_id") != "", path, "isic_id", "an id")
    repeated = frame.filter(pl.col("isic_id").is_duplicated())
    if len(repeated):
        name = repeated["isic_id"][0]
        lines = repeated.filter(pl.col("isic_id") == name)["line"]
        raise InputError(
            f"{path}, line {lines[1]}: {name} was already on line {lines[0]}"
            f" ({repeated['isic_id'].n_unique()} of the ids are not unique)"
        )
    return frame


def _bytes_of(path: Path) -> bytes:
    """Read a file, a pipe too, unpacked where it is gzip."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP) else data
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_encoding(path: Path, data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not a CSV in UTF-8", fix="Save it as CSV in UTF-8") from None


def _check_header(path: Path, header: list[str]) -> None:
    for name in _COLUMNS:
        if name not in header:
            shown = ", ".join(repr(column[:40]) for column in header[:_SHOWN_COLUMNS])
            more = f" and {len(header) - _SHOWN_COLUMNS} more" if len(header) > _SHOWN_COLUMNS else ""
            raise InputError(f"{path}: no column {name!r} among {shown}{more}", fix="Give a CSV with that header")
        if f"{name}_duplicated_0" in header:
            raise InputError(f"{path}: more than one column {name!r}")


def _refuse(frame: DataFrame, fits: Expr, path: Path, column: str, expected: str) -> None:
    """Raise about the first row that does not fit, if any; an empty cell never does."""
    wrong = frame.filter(~fits.fill_null(value=False))
    if wrong.is_empty():
        return
    row = wrong.row(0, named=True)
    value = row[column]
    named = f" ({row['isic_id']})" if row["isic_id"] and column != "isic_id" else ""
    others = f" ({len(wrong)} rows in all)" if len(wrong) > 1 else ""
    got = f"got {value[:40]!r}" if value else "it is empty"
    raise InputError(f"{path}, line {row['line']}{named}: expected {expected} in {column}, {got}{others}")


def _not_a_table(path: Path, data: bytes, reason: str) -> NoReturn:
    """Raise about the line that keeps the file from being a CSV, found the slow way."""
    rows = csv.reader(data.decode("utf-8-sig").splitlines(keepends=True), strict=True)
    try:
        width = len(next(rows))
        for row in rows:
            if len(row) > width:
                raise InputError(f"{path}, line {rows.line_num}: {len(row)} fields, but the header has {width}")
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: not a CSV: {error}") from error
    raise InputError(f"{path}: not a CSV: {reason.splitlines()[0]}")
