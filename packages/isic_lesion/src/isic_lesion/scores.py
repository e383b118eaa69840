"""Scores of models on disk: one row per lesion, round and model. (io)

The columns are isic_id, fold, model and score. `fold` is the round whose model gave the score and had never seen the
lesion's patient; it is null for lesions that no model was trained on (a test set). Several fits of one model, such as
seeds or the rounds that score a test set, are its members, named `model#member`: `average_members` makes one of them.

A file names the folds it was made with. Scores that were made with other folds are refused: a stack that learns from
them would have seen its own answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import InputError
from isic_lesion.parquet import is_parquet, read_parquet

if TYPE_CHECKING:
    from polars import DataFrame, Expr

    from isic_lesion.folds import Folds

__all__ = [
    "SCORE_COLUMNS",
    "Coverage",
    "average_members",
    "coverage_of",
    "read_many_scores",
    "read_scores",
    "write_scores",
]

SCORE_COLUMNS = ("isic_id", "fold", "model", "score")

_FORMAT = "furikaeri scores 1"
_SHAPE = "Scores have the columns isic_id, fold, model and score"


class Coverage(NamedTuple):
    """What a model has scored.

    Attributes:
        model: its name.
        rows: how many scores there are.
        lesions: of how many lesions.
        missing: how many lesions of the folds have none; 0 where no folds were given.
        per_fold: rows of each round from 0 on; empty for scores without rounds.
    """

    model: str
    rows: int
    lesions: int
    missing: int
    per_fold: tuple[int, ...]


def write_scores(path: Path, frame: DataFrame, folds: Folds | None = None) -> None:
    """Write scores atomically, in the order isic_id, fold, model: the same scores give the same bytes.

    Args:
        path: the file.
        frame: isic_id, fold, model, score; other columns are refused.
        folds: what they were made with; None where every fold is null.

    Raises:
        InputError: if the scores break the contract, or the file cannot be written there.
    """
    import polars as pl

    if set(frame.columns) != set(SCORE_COLUMNS):
        raise ValueError(f"expected columns {SCORE_COLUMNS}, got {tuple(frame.columns)}")
    checked = _checked(frame.select(SCORE_COLUMNS), path, folds)
    if folds is None and checked["fold"].null_count() < len(checked):
        raise ValueError("expected folds with scores that have a fold, got None")
    metadata = {"format": _FORMAT}
    if folds is not None:
        metadata |= {"folds": folds.fingerprint, "scheme": folds.scheme}
    with atomic_writer(path) as stream:
        checked.sort("isic_id", "fold", "model").select(pl.col(SCORE_COLUMNS)).write_parquet(stream, metadata=metadata)


def read_scores(path: Path, folds: Folds | None = None) -> DataFrame:
    """Read a file of scores: Parquet as `write_scores` writes it, or a CSV with the same columns.

    In a CSV the model may be missing: the file's name is taken; an empty fold is null. `.csv.gz` is read as well.

    Args:
        path: the file.
        folds: what the scores are to be used with. None: rows are not compared with any folds.

    Returns:
        isic_id (String), fold (UInt8), model (String), score (Float64, finite); sorted by isic_id, fold and model.

    Raises:
        InputError: if it is no such file, an (isic_id, fold, model) repeats, a score is not finite, or the scores were
            made with other folds; the message names the file, the model and the first lesion.
    """
    path = Path(path)
    metadata: dict[str, str] = {}
    if is_parquet(path):
        frame, metadata = read_parquet(path)
    else:
        frame = _read_csv(path)
    for column in SCORE_COLUMNS:
        if column not in frame.columns:
            raise InputError(f"{path}: no column {column!r}", fix=_SHAPE)
    scheme = metadata.get("scheme")
    if folds is not None and scheme is not None and scheme != folds.scheme:
        raise InputError(
            f"{path}: its scores were made with folds of the scheme {scheme!r}, not {folds.scheme!r}",
            fix="Score the models again with these folds",
        )
    return _checked(frame.select(SCORE_COLUMNS), path, folds).sort("isic_id", "fold", "model")


def read_many_scores(paths: Sequence[Path], folds: Folds | None = None) -> DataFrame:
    """Read several files of scores as one; a folder stands for every Parquet file in it.

    Returns:
        As `read_scores`.

    Raises:
        InputError: as `read_scores`, if there is none, and if two files score the same lesions with the same model.
    """
    import polars as pl

    files = [file for path in paths for file in _files_of(Path(path))]
    if not files:
        raise InputError("no file of scores was given")
    frames = [read_scores(file, folds).with_columns(file=pl.lit(str(file))) for file in files]
    together = pl.concat(frames)
    key = ["isic_id", "fold", "model"]
    repeated = together.filter(pl.struct(key).is_duplicated()).sort(*key, maintain_order=True)
    if len(repeated):
        first, second = repeated.row(0, named=True), repeated.row(1, named=True)
        raise InputError(
            f"{second['file']}: {first['isic_id']} has a score of {first['model']!r} in {first['file']} already",
            fix="Rename one of the models, or leave one of the files out",
        )
    return together.drop("file").sort(*key)


def coverage_of(frame: DataFrame, folds: Folds | None = None) -> list[Coverage]:
    """Return what each model of a table of scores has scored, in the order of the names."""
    import polars as pl

    wanted = 0 if folds is None else len(folds.frame)
    found = []
    for (model,), rows in frame.sort("model").group_by("model", maintain_order=True):
        lesions = rows["isic_id"].n_unique()
        rounds = rows["fold"].drop_nulls().value_counts()
        number = 1 + int(rounds["fold"].max()) if len(rounds) else 0  # type: ignore[arg-type]
        count = dict(rounds.iter_rows())
        per_fold = tuple(int(count.get(k, 0)) for k in range(folds.num_folds if folds is not None else number))
        of_folds = rows.filter(pl.col("fold").is_not_null())["isic_id"].n_unique()
        found.append(Coverage(str(model), len(rows), lesions, max(0, wanted - of_folds), per_fold if count else ()))
    return found


def average_members(frame: DataFrame) -> DataFrame:
    """Return the scores with the members of each model (`model#member`) averaged per lesion and round.

    Members must score the same rows, or the average would mix scales from row to row.

    Raises:
        InputError: if a member lacks a row that another one has; it names both and the lesion.
    """
    import polars as pl

    base = pl.col("model").str.split("#").list.first()
    named = frame.with_columns(member=pl.col("model"), model=base)
    members = named.group_by("model").agg(pl.col("member").unique().sort())
    key = ["isic_id", "fold", "model"]
    averaged = named.sort(*key, "member").group_by(key, maintain_order=True).agg(pl.col("score").mean(), pl.len())
    counted = averaged.join(members.select("model", number=pl.col("member").list.len()), on="model", how="left")
    lacking = counted.filter(pl.col("len") < pl.col("number")).sort(*key)
    if len(lacking):
        row = lacking.row(0, named=True)
        here = named.filter(
            (pl.col("isic_id") == row["isic_id"])
            & pl.col("fold").eq_missing(row["fold"])
            & (pl.col("model") == row["model"])
        )["member"]
        everyone = members.filter(pl.col("model") == row["model"])["member"][0]
        other = next(member for member in everyone if member not in set(here))
        raise InputError(
            f"{other!r} has no score of {row['isic_id']}, but {here[0]!r} has", fix="Score all rows with it"
        )
    return averaged.select(SCORE_COLUMNS).sort("isic_id", "fold", "model")


def _files_of(path: Path) -> list[Path]:
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def _read_csv(path: Path) -> DataFrame:
    import polars as pl

    try:
        frame = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except pl.exceptions.NoDataError:
        raise InputError(f"{path}: is empty", fix=_SHAPE) from None
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: is neither Parquet nor CSV ({str(error).splitlines()[0][:80]})", fix=_SHAPE
        ) from error
    if "model" not in frame.columns:
        frame = frame.with_columns(model=pl.lit(path.name.partition(".")[0]))
    frame = frame.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    for column, dtype, expected in (("fold", pl.UInt8, "a whole number from 0"), ("score", pl.Float64, "a number")):
        if column not in frame.columns:
            continue
        number = frame[column].cast(dtype, strict=False)
        wrong = frame.filter(number.is_null() & frame[column].is_not_null())
        if len(wrong):
            line = int((number.is_null() & frame[column].is_not_null()).arg_max() or 0) + 2
            raise InputError(f"{path}, line {line}: expected {expected} in {column}, got {wrong[column][0][:40]!r}")
        frame = frame.with_columns(number.alias(column))
    return frame


def _checked(frame: DataFrame, path: Path, folds: Folds | None) -> DataFrame:
    """Return scores of the contract's types; raise about the first row that breaks it."""
    import polars as pl

    try:
        frame = frame.cast({"isic_id": pl.String, "fold": pl.UInt8, "model": pl.String, "score": pl.Float64})
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0][:80]
        raise InputError(f"{path}: a column is not of its type ({reason})", fix=_SHAPE) from error
    if frame.is_empty():
        raise InputError(f"{path}: holds no scores")
    _refuse(frame, pl.col("isic_id").is_null(), path, "has a row without an isic_id")
    _refuse(frame, pl.col("model").is_null() | (pl.col("model") == ""), path, "{isic_id} has a score of no model")
    _refuse(
        frame,
        ~pl.col("score").is_finite().fill_null(value=False),
        path,
        "{model}: expected a finite score of {isic_id}, got {score}",
    )
    repeated = pl.struct("isic_id", "fold", "model").is_duplicated()
    _refuse(frame, repeated, path, "{model}: {isic_id} is there more than once in fold {fold}")
    if folds is None:
        return frame
    rows = frame.join(
        folds.frame.select("isic_id", expected="fold", hospital_fold="hospital_fold"),
        on="isic_id",
        how="left",
        maintain_order="left",
    )
    known, outside = pl.col("expected").is_not_null(), pl.col("fold").is_null()
    held_out = pl.col("fold") == pl.col("expected")
    if folds.scheme == "hospitals":
        held_out |= (pl.col("fold") == pl.col("hospital_fold")).fill_null(value=False)
    _refuse(rows, ~known & ~outside, path, "{model}: {isic_id} is in fold {fold}, but not in the folds at all")
    _refuse(rows, known & outside, path, "{model}: {isic_id} has no fold, but is in fold {expected} of the folds")
    _refuse(
        rows,
        (known & ~outside & ~held_out).fill_null(value=False),
        path,
        "{model}: {isic_id} was held out in fold {fold}, but is in fold {expected} of the folds",
        fix="Score the model again with these folds",
    )
    return frame


def _refuse(frame: DataFrame, wrong: Expr, path: Path, message: str, *, fix: str = "") -> None:
    rows = frame.filter(wrong)
    if len(rows):
        others = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
        raise InputError(f"{path}: {message.format(**rows.row(0, named=True))}{others}", fix=fix)
