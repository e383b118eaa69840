"""The rows that a stack learns from: lesions that were held out, with the scores of every model side by side."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polars import DataFrame, Series

    from isic_lesion.folds.dealing import Folds

__all__ = ["HeldOutRows", "held_out_rows", "models_among"]


class HeldOutRows(NamedTuple):
    """Lesions in the rounds that held them out, sorted by isic_id.

    Attributes:
        isic_ids: shape (N,); a lesion is there once, for a blend looks at one of its rounds.
        fold: the round, uint8, shape (N,).
        models: the names of the columns.
        scores: NaN where a model did not score the row; shape (models, N).
    """

    isic_ids: Series
    fold: NDArray[np.uint8]
    models: tuple[str, ...]
    scores: NDArray[np.float64]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which rows all models have scored, shape (N,)."""
        missing: NDArray[np.bool_] = np.any(np.isnan(self.scores), axis=0)
        return ~missing


def held_out_rows(scores: DataFrame, folds: Folds, models: Sequence[str], *, unseen: bool) -> HeldOutRows:
    """Return the rows that at least one of the models has scored.

    Args:
        scores: isic_id, fold, model, score, of these folds.
        folds: who is held out when.
        models: the models, in the order of the columns.
        unseen: the rounds that held out the lesions' hospitals, instead of those that held out their patients alone.
            Folds of the scheme "patients" have none of the former; there the latter are taken.
    """
    import polars as pl

    rows = folds.frame.select("isic_id", "fold", "hospital_fold").sort("isic_id")
    if folds.scheme == "hospitals":
        rows = (
            rows.drop_nulls("hospital_fold").with_columns(fold="hospital_fold")
            if unseen
            else rows.filter(pl.col("fold").ne_missing(pl.col("hospital_fold")))
        )
    rows = rows.select("isic_id", "fold")
    columns = []
    for model in models:
        of_model = scores.filter(pl.col("model") == model).select("isic_id", "fold", "score")
        joined = rows.join(of_model, on=["isic_id", "fold"], how="left", maintain_order="left")
        columns.append(joined["score"].fill_null(float("nan")).to_numpy())
    table = np.array(columns).reshape(len(models), len(rows))
    there = ~np.isnan(table).all(axis=0) if len(models) else np.zeros(len(rows), bool)
    kept = rows.filter(pl.Series(there, dtype=pl.Boolean))
    return HeldOutRows(kept["isic_id"], kept["fold"].to_numpy(), tuple(models), table[:, there])


def models_among(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names that match any of the patterns (`*`, `?`), sorted; without patterns all of them.

    Raises:
        InputError: if a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"no model matches {pattern!r}", fix=f"There are: {', '.join(sorted(names))}")
    return tuple(
        sorted(name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns))
    )
