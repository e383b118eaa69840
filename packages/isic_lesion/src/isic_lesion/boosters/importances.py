"""Which features boosters use, as tables: of every booster, and on average."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from isic_lesion.boosters.booster import Booster

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["importance_frame", "mean_importances"]


def importance_frame(boosters: Iterable[tuple[int | None, int, Booster]]) -> DataFrame:
    """Return how much each feature is used by each booster.

    Args:
        boosters: the round (None: of all rows), the seed, and the booster.

    Returns:
        feature (String), fold (UInt8, null: of all rows), seed (Int64), gain (Float64, a share), splits (Int64).
    """
    import polars as pl

    schema = {"feature": pl.String, "fold": pl.UInt8, "seed": pl.Int64, "gain": pl.Float64, "splits": pl.Int64}
    frames = [pl.DataFrame(schema=schema)]
    for fold, seed, booster in boosters:
        used = booster.importances()
        frames.append(
            pl.DataFrame({"feature": booster.names, "gain": used.gain, "splits": used.splits})
            .with_columns(pl.lit(fold, pl.UInt8).alias("fold"), pl.lit(seed, pl.Int64).alias("seed"))
            .select(list(schema))
        )
    return pl.concat(frames)


def mean_importances(importances: DataFrame) -> DataFrame:
    """Return feature, gain (mean share) and splits (all boosters' together), the most important first."""
    import polars as pl

    by_feature = importances.group_by("feature", maintain_order=True)
    means = by_feature.agg(pl.col("gain").mean(), pl.col("splits").sum())
    return means.sort("gain", "feature", descending=[True, False])
