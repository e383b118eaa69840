"""Scores of models on disk: Parquet or CSV files of the tables that `score_tables` describes. (io)

A file names the folds it was made with. Scores that were made with other folds are refused: a stack that learns from
them would have seen its own answers. Image models score lesions of past contests too, which have folds of their own
beside this contest's (see `past.history`); who knows of this contest's folds alone gets its lesions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import InputError
from isic_lesion.parquet import distinct_values, is_parquet, read_parquet
from isic_lesion.score_tables import (
    SCORE_COLUMNS,
    Coverage,
    average_members,
    check_scores,
    coverage_of,
    may_repeat,
)

if TYPE_CHECKING:
    from polars import DataFrame, Expr

    from isic_lesion.folds.dealing import Folds

__all__ = [
    "SCORE_COLUMNS",
    "Coverage",
    "average_members",
    "check_scores",
    "coverage_of",
    "read_many_scores",
    "read_scores",
    "read_scores_by_model",
    "score_models",
    "write_scores",
]

_FORMAT = "furikaeri scores 1"
_PAST = "folds_with_past"
_SHAPE = "Scores have the columns isic_id, fold, model and score"


def write_scores(path: Path, frame: DataFrame, folds: Folds | None = None, *, base: Folds | None = None) -> None:
    """Write scores atomically, in the order isic_id, fold, model: the same scores give the same bytes.

    Args:
        path: the file.
        frame: isic_id, fold, model, score; other columns are refused.
        folds: what they were made with; None where every fold is null.
        base: this contest's folds, where `folds` extends them by lesions of past contests (`past.extend_folds`). The
            file says that it holds such lesions, and readers who know the base alone leave them out.

    Raises:
        ValueError: if `folds` does not extend `base`.
        InputError: if the scores break the contract, or the file cannot be written there.
    """
    import polars as pl

    if set(frame.columns) != set(SCORE_COLUMNS):
        raise ValueError(f"expected columns {SCORE_COLUMNS}, got {tuple(frame.columns)}")
    checked = check_scores(frame, folds, source=str(path))
    if folds is None and checked["fold"].null_count() < len(checked):
        raise ValueError("expected folds with scores that have a fold, got None")
    metadata = {"format": _FORMAT}
    if folds is not None:
        metadata |= {"folds": (base or folds).fingerprint, "scheme": folds.scheme}
    if folds is not None and base is not None and base.fingerprint != folds.fingerprint:
        if len(base.frame.join(folds.frame, on=folds.frame.columns, how="anti", nulls_equal=True)):
            raise ValueError("expected folds that extend base, got other folds of its lesions")
        metadata |= {_PAST: folds.fingerprint}
    with atomic_writer(path) as stream:
        checked.sort("isic_id", "fold", "model").select(pl.col(SCORE_COLUMNS)).write_parquet(stream, metadata=metadata)


def read_scores(path: Path, folds: Folds | None = None, *, model: str | None = None) -> DataFrame:
    """Read a file of scores: Parquet as `write_scores` writes it, or a CSV with the same columns.

    In a CSV the model may be missing: the file's name is taken; an empty fold is null. `.csv.gz` is read as well.

    Args:
        path: the file.
        folds: what the scores are to be used with. None: rows are not compared with any folds. Where the file says that
            it holds lesions of past contests beside those of these very folds, it is read without them; with folds
            that are extended by them, they are kept.
        model: of this one and its members alone, which must have scores there; None: of all.

    Returns:
        isic_id (String), fold (UInt8), model (String), score (Float64, finite); sorted by isic_id, fold and model.

    Raises:
        InputError: if it is no such file, an (isic_id, fold, model) repeats, a score is not finite, or the scores were
            made with other folds; the message names the file, the model and the first lesion.
    """
    path = Path(path)
    metadata: dict[str, str] = {}
    if is_parquet(path):
        frame, metadata = read_parquet(path, where=None if model is None else _is_of(model))
    else:
        frame = _read_csv(path)
        frame = frame if model is None else frame.filter(_is_of(model))
    scheme = metadata.get("scheme")
    if folds is not None and scheme is not None and scheme != folds.scheme:
        raise InputError(
            f"{path}: its scores were made with folds of the scheme {scheme!r}, not {folds.scheme!r}",
            fix="Score the models again with these folds",
        )
    if folds is not None and _PAST in metadata:
        frame = _without_past(frame, folds, metadata, path)
    return check_scores(frame, folds, source=str(path)).sort("isic_id", "fold", "model")


def _without_past(frame: DataFrame, folds: Folds, metadata: dict[str, str], path: Path) -> DataFrame:
    """Return the rows that the folds are about; all of them where the folds are extended by past lesions too."""
    import polars as pl

    checked = check_scores(frame, source=str(path))
    ours = pl.col("fold").is_null() | pl.col("isic_id").is_in(folds.frame["isic_id"].implode())
    if metadata.get("folds") == folds.fingerprint:
        return checked.filter(ours)
    strange = checked.filter(~ours)
    if len(strange):
        if len(strange) < len(checked):
            check_scores(checked.filter(ours), folds, source=str(path))
        raise InputError(
            f"{path}: its scores were made with other folds: {strange['isic_id'][0]} is in fold {strange['fold'][0]}, "
            f"but not in these folds at all ({len(strange)} rows in all)",
            fix="Score the models again with these folds",
        )
    return checked


def score_models(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the models that files have scores of, each with its members, sorted.

    Raises:
        InputError: as `read_many_scores`.
    """
    return tuple(sorted({model for file in _all_files(paths) for model in _models_of(file)}))


def read_scores_by_model(paths: Sequence[Path]) -> Iterator[DataFrame]:
    """Yield the scores of one model after the other, its members averaged.

    They are those of `average_members(read_many_scores(paths))`, but no more than one model's are in memory.

    Raises:
        InputError: as these two.
    """
    held = {file: _models_of(file) for file in _all_files(paths)}
    for model in sorted(set().union(*held.values())):
        yield average_members(_together([file for file, models in held.items() if model in models], model=model))


def read_many_scores(paths: Sequence[Path], folds: Folds | None = None) -> DataFrame:
    """Read several files of scores as one; a folder stands for every Parquet file in it.

    Returns:
        As `read_scores`.

    Raises:
        InputError: as `read_scores`, if there is none, and if two files score the same lesions with the same model.
    """
    return _together(_all_files(paths), folds)


def _all_files(paths: Sequence[Path]) -> list[Path]:
    files = list(dict.fromkeys(file for path in paths for file in _files_of(Path(path))))
    if not files:
        raise InputError("no file of scores was given", fix="Give one with --scores, or a folder of Parquet files")
    return files


def _models_of(file: Path) -> set[str]:
    """Return the models of a file, their members taken together."""
    import polars as pl

    names = distinct_values(file, "model") if is_parquet(file) else _read_csv(file)["model"].unique()
    if names is None or names.dtype != pl.String or names.is_empty() or names.has_nulls() or (names == "").any():
        names = read_scores(file)["model"]  # which tells what is amiss
    return set(names.str.split("#").list.first().unique())


def _is_of(model: str) -> Expr:
    import polars as pl

    name = pl.col("model").cast(pl.String)
    return (name == model) | name.str.starts_with(f"{model}#")


def _together(files: Sequence[Path], folds: Folds | None = None, model: str | None = None) -> DataFrame:
    import polars as pl

    if len(files) == 1:
        return read_scores(files[0], folds, model=model)
    together = pl.concat([read_scores(file, folds, model=model).with_columns(file=pl.lit(str(file))) for file in files])
    key = ["isic_id", "fold", "model"]
    repeated = together.filter(pl.struct(key).is_duplicated()) if may_repeat(together, key) else together.clear()
    if len(repeated):
        repeated = repeated.sort(*key, maintain_order=True)
        first, second = repeated.row(0, named=True), repeated.row(1, named=True)
        raise InputError(
            f"{second['file']}: {first['isic_id']} has a score of {first['model']!r} in {first['file']} already",
            fix="Rename one of the models, or leave one of the files out",
        )
    return together.drop("file").sort(*key)


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.parquet") if not file.name.startswith("."))
    if not files:
        raise InputError(f"{path}: holds no file named *.parquet", fix="Name the files of scores themselves")
    return files


def _read_csv(path: Path) -> DataFrame:
    import polars as pl

    try:
        frame = pl.read_csv(path, infer_schema=False, glob=False)
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
