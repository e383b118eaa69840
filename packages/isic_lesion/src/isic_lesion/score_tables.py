"""Tables of scores: one row per lesion, round and model.

The columns are isic_id, fold, model and score. `fold` is the round whose model gave the score and had never seen the
lesion's patient; it is null for lesions that no model was trained on (a test set). Several fits of one model, such as
seeds or the rounds that score a test set, are its members, named `model#member`: `average_members` makes one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame, Expr

    from isic_lesion.folds.dealing import Folds

__all__ = ["SCORE_COLUMNS", "Coverage", "average_members", "check_scores", "coverage_of", "may_repeat"]

SCORE_COLUMNS = ("isic_id", "fold", "model", "score")

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


def check_scores(frame: DataFrame, folds: Folds | None = None, *, source: str = "the scores") -> DataFrame:
    """Return scores with the contract's columns and types, in the same order of rows.

    Args:
        frame: isic_id, fold, model, score, perhaps of other types; other columns are left out.
        folds: what they were made with; None: rows are not compared with any folds.
        source: where they came from; begins every complaint.

    Raises:
        InputError: as `read_scores`.
    """
    for column in SCORE_COLUMNS:
        if column not in frame.columns:
            raise InputError(f"{source}: no column {column!r}", fix=_SHAPE)
    return _checked(frame.select(SCORE_COLUMNS), source, folds)


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

    Members must score the same rows, or the average would mix scales from row to row; those of held-out rows may be
    others than those of rows without a fold.

    Raises:
        InputError: if a member lacks a row that another one has; it names both and the lesion.
    """
    import polars as pl

    key = ["isic_id", "fold", "model"]
    if not frame["model"].str.contains("#", literal=True).any() and not may_repeat(frame, key):
        return frame.sort(*key).select(SCORE_COLUMNS)
    named = frame.with_columns(
        member=pl.col("model"), model=pl.col("model").str.split("#").list.first(), held_out=pl.col("fold").is_not_null()
    )
    averaged = (
        named.sort(*key, "member")
        .group_by([*key, "held_out"], maintain_order=True)
        .agg(pl.col("score").mean(), pl.col("member"))
    )
    everyone = named.group_by("model", "held_out").agg(everyone=pl.col("member").unique().sort())
    counted = averaged.join(everyone, on=["model", "held_out"], how="left", maintain_order="left")
    lacking = counted.filter(pl.col("member").list.len() < pl.col("everyone").list.len())
    if len(lacking):
        row = lacking.row(0, named=True)
        absent = next(member for member in row["everyone"] if member not in row["member"])
        raise InputError(
            f"{absent!r} has no score of {row['isic_id']}, but {row['member'][0]!r} has",
            fix="Score the same lesions with all members of a model",
        )
    return averaged.select(SCORE_COLUMNS)


def may_repeat(frame: DataFrame, key: Sequence[str]) -> bool:
    """Return False if no two rows have the same values in some columns; told by hashes, 8 bytes a row."""
    return frame.select(key).hash_rows().n_unique() < len(frame)


def _checked(frame: DataFrame, path: str, folds: Folds | None) -> DataFrame:
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
    if may_repeat(frame, ("isic_id", "fold", "model")):
        repeated = pl.struct("isic_id", "fold", "model").is_duplicated()
        again = repeated & pl.col("fold").is_null()
        _refuse(frame, again, path, "{model}: {isic_id} is there more than once without a fold")
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
        fix="Give the folds that it was scored with, or score the model again with these",
    )
    return frame


def _refuse(frame: DataFrame, wrong: Expr, path: str, message: str, *, fix: str = "") -> None:
    rows = frame.filter(wrong)
    if len(rows):
        others = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
        raise InputError(f"{path}: {message.format(**rows.row(0, named=True))}{others}", fix=fix)
