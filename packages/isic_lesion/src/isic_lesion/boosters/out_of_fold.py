"""Out-of-fold scores of one model, and how good they are.

The seeds of a round are averaged as log-odds, not as ranks: a mean of log-odds is a property of the lesion alone, so a
test set may be scored in pieces. The score is the probability of that mean, not calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.boosters.booster import sigmoid
from isic_lesion.metrics.ordering import auc, partial_auc

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["FoldQuality", "mean_log_odds", "oof_frame", "quality_by_fold"]


class FoldQuality(NamedTuple):
    """How good the scores of some held-out rows are.

    Attributes:
        fold: the round; None: all rounds together, where a row that two rounds held out counts twice.
        lesions: how many rows.
        malignant: how many of them are.
        partial_auc: in [0, 0.2]; None where all are of one class.
        auc: in [0, 1]; None where all are of one class.
    """

    fold: int | None
    lesions: int
    malignant: int
    partial_auc: float | None
    auc: float | None


def oof_frame(
    log_odds: Mapping[int, Sequence[NDArray[np.float64]]],
    held_out: Mapping[int, NDArray[np.intp]],
    isic_ids: Series,
    model: str,
) -> DataFrame:
    """Return the out-of-fold scores of a model: the seeds of each round averaged as log-odds, then as probabilities.

    Args:
        log_odds: round -> those of each seed, of the rows that the round held out.
        held_out: round -> the rows it held out.
        isic_ids: of all rows.
        model: its name.

    Returns:
        isic_id (String), fold (UInt8), model (String), score (Float64, in [0, 1]), round by round.
    """
    import polars as pl

    frames = []
    for fold, rows in held_out.items():
        score = sigmoid(mean_log_odds(log_odds[fold]))
        frames.append(
            pl.DataFrame({"isic_id": isic_ids.gather(rows), "score": score}).select(
                "isic_id",
                pl.lit(fold, pl.UInt8).alias("fold"),
                pl.lit(model, pl.String).alias("model"),
                "score",
            )
        )
    return pl.concat(frames)


def mean_log_odds(log_odds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of several boosters' log-odds of the same rows, added up in the order given."""
    total = np.zeros_like(log_odds[0])
    for odds in log_odds:
        total += odds
    return total / len(log_odds)


def quality_by_fold(oof: DataFrame, isic_ids: Series, target: NDArray[Any]) -> tuple[FoldQuality, ...]:
    """Return how good out-of-fold scores are, round by round and then all together.

    Args:
        oof: as `oof_frame` returns them, of one model.
        isic_ids: of the rows of `target`.
        target: 0 or 1, shape (N,).
    """
    import polars as pl

    truth = pl.DataFrame({"isic_id": isic_ids, "target": np.asarray(target, dtype=np.int8)})
    rows = oof.join(truth, on="isic_id", how="left", maintain_order="left")
    found = [
        _quality(int(fold), group["target"].to_numpy(), group["score"].to_numpy())
        for (fold,), group in rows.sort("fold", maintain_order=True).group_by("fold", maintain_order=True)
    ]
    return (*found, _quality(None, rows["target"].to_numpy(), rows["score"].to_numpy()))


def _quality(fold: int | None, target: NDArray[Any], score: NDArray[np.float64]) -> FoldQuality:
    malignant = int(target.sum())
    if malignant in (0, len(target)):
        return FoldQuality(fold, len(target), malignant, None, None)
    return FoldQuality(fold, len(target), malignant, partial_auc(target, score), auc(target, score))
