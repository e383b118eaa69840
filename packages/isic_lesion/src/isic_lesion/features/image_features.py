"""Scores of image models as features of the table models.

A score is joined to the lesions as a column of its own, and its features are like any others: the score, its logit,
and its rank, z-score and ratio among its patient's. For training the scores must be out-of-fold; even so a table model
trusts them too much, for a held-out score is surer on rows like those it was tuned on. Noise in training dampens that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isic_lesion.features.feature import Feature
from isic_lesion.features.feature_set import FeatureSet

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["image_column", "image_features", "join_scores", "unseen_scores"]


def image_column(model: str) -> str:
    """Return the column that holds a model's score, such as `image_convnext_small`."""
    return "image_" + re.sub(r"[^0-9A-Za-z]+", "_", model).strip("_")


def image_features(models: Sequence[str]) -> FeatureSet:
    """Return the features of image models' scores; add them to a set with `FeatureSet.joined`.

    Args:
        models: their names, as in the scores.

    Raises:
        ValueError: if two names make one column.
    """
    features: list[Feature] = []
    for model in models:
        column = image_column(model)
        features.append(Feature(name=column, kind="lesion", formulas=(column,)))
        features.append(Feature(name=f"{column}.logit", kind="lesion", formulas=(f"logit({column})",)))
        for statistic, formula in (("rank", column), ("z", column), ("ratio", column), ("z", f"logit({column})")):
            name = f"patient.{statistic}.{column}{'.logit' if formula != column else ''}"
            features.append(
                Feature(name=name, kind="group", formulas=(formula,), group=("patient_id",), statistic=statistic)
            )
    return FeatureSet(name="image", features=tuple(features))


def unseen_scores(scores: DataFrame, folds: Folds) -> DataFrame:
    """Return one held-out score of each lesion: that of the round that held its whole hospital out, if one did.

    In the scheme "hospitals" two rounds hold a lesion out, and the models of one of them have seen its hospital. A
    feature of both, or of that one, would tell a table model of the other round what it must not know.

    Args:
        scores: isic_id, fold, model, score.
        folds: what they were made with.
    """
    import polars as pl

    held_out = scores.join(folds.frame.select("isic_id", "hospital_fold"), on="isic_id", how="left")
    return held_out.filter(pl.col("hospital_fold").is_null() | (pl.col("fold") == pl.col("hospital_fold"))).select(
        scores.columns
    )


def join_scores(rows: DataFrame, scores: DataFrame, *, noise_sd: float = 0.0, seed: int = 0) -> DataFrame:
    """Return the rows with a column of each model's score on their right; null where a lesion has none.

    A lesion that has several scores of a model has their mean; see `unseen_scores` for folds that hold hospitals out.

    Args:
        rows: with isic_id, shape (N, any), in any order, which is kept.
        scores: isic_id, fold, model, score, as `scores.read_scores` gives them.
        noise_sd: of Gaussian noise that is added to the scores of all rows, those that are held out too; 0.1 is a good
            start with scores in [0, 1], 0 adds none. Noise in training alone is `BoosterConfig.feature_noise`. What a
            lesion gets depends on the seed, the model and the lesions, not on their order.
        seed: of the noise.

    Raises:
        ValueError: if the rows have such a column already, two models make one column, or the noise is negative.
    """
    import polars as pl

    if noise_sd < 0:
        raise ValueError(f"expected noise_sd >= 0, got {noise_sd}")
    joined = rows
    for model in sorted(scores["model"].unique()):
        column = image_column(model)
        if column in joined.columns:
            raise ValueError(f"expected rows without a column {column!r}")
        own = (
            scores.filter(pl.col("model") == model)
            .sort("isic_id", "fold")
            .group_by("isic_id", maintain_order=True)
            .agg(pl.col("score").mean().alias(column))
        )
        if noise_sd:
            rng = np.random.default_rng([seed, *model.encode()])
            own = own.with_columns(pl.col(column) + pl.Series(rng.normal(0.0, noise_sd, len(own))))
        joined = joined.join(own, on="isic_id", how="left", maintain_order="left")
    return joined
