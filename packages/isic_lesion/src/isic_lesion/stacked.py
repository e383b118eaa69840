"""Scores that a stack gives to lesions which no model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.inference import known_hospitals
from isic_lesion.ranks import place, rank_shares
from isic_lesion.score_tables import check_scores
from isic_lesion.stack import Blend, Stack

if TYPE_CHECKING:
    from collections.abc import Collection

    from polars import DataFrame, Series

__all__ = ["apply_stack", "submission_of"]


def apply_stack(
    stack: Stack,
    scores: DataFrame,
    isic_ids: Series,
    known: NDArray[np.bool_],
    *,
    ranks: Literal["set", "reference"] = "set",
) -> NDArray[np.float64]:
    """Return one score for each lesion, from the models' scores of a set that no model was trained on.

    The score is the share of lesions that are no more suspicious, by the weighted mean of their ranks: of the lesions
    of this set, or of the held-out ones that the stack was made of. Either way scores of known and of unknown hospitals
    are on one scale. A model that has not scored a lesion gives its weight to the others.

    Args:
        stack: the weights.
        scores: isic_id, fold (null), model, score; members averaged; other models and lesions do no harm, but lesions
            that are not asked for are ranked with the others.
        isic_ids: the lesions, shape (N,).
        known: whether each is of a hospital that the models were trained on, shape (N,).
        ranks: "set": among all lesions in `scores`, as the contest does it, so that a score depends on which lesions
            come together; "reference": on the stack's held-out scores, so that a lesion can come alone.

    Returns:
        Shape (N,); in (0, 1].

    Raises:
        ValueError: if shapes differ.
        InputError: if scores have a fold, a lesion has no score of any model that counts for it, or the stack has no
            weights for its hospital.
    """
    if known.shape != (len(isic_ids),):
        raise ValueError(f"expected known of shape ({len(isic_ids)},), got {known.shape}")
    checked = check_scores(scores)
    if checked["fold"].null_count() < len(checked):
        name = checked.filter(checked["fold"].is_not_null())["isic_id"][0]
        raise InputError(
            f"{name} was held out when models were trained: its hospital's and patient's rows were trained on",
            fix="Give scores without a fold",
        )
    blended = np.full(len(isic_ids), np.nan)
    for blend, rows, which in ((stack.known, known, "a known"), (stack.unknown, ~known, "an unknown")):
        if not rows.any():
            continue
        if blend is None:
            name = isic_ids.to_numpy()[rows][0]
            raise InputError(f"{name} is of {which} hospital, for which the stack has no weights")
        blended[rows] = _applied(blend, checked, isic_ids, ranks)[rows]
    if np.isnan(blended).any():
        name = isic_ids[int(np.isnan(blended).argmax())]
        raise InputError(
            f"{name} has no score of any model that counts for it", fix="Score it with the models of the stack"
        )
    return blended


def submission_of(
    stack: Stack, scores: DataFrame, test: DataFrame | None, hospitals: Collection[str]
) -> tuple[DataFrame, int | None]:
    """Return a submission for the lesions of a test set.

    Args:
        stack: the weights.
        scores: isic_id, fold (null), model, score; members averaged.
        test: isic_id and attribution (the hospital, may be null) of the test set, in the order of the submission. None
            where there is no such table: the lesions that were scored, taken to be of known hospitals.
        hospitals: those that the models were trained on.

    Returns:
        isic_id and target, and how many of the lesions are of unknown hospitals; None without a table.

    Raises:
        InputError: as `apply_stack`, and if a score is of no lesion of the test set.
    """
    import polars as pl

    if test is None:
        ids = scores["isic_id"].unique(maintain_order=True)
        known, unknown = np.ones(len(ids), dtype=bool), None
    else:
        ids = test["isic_id"]
        strange = scores.join(test, on="isic_id", how="anti")
        if len(strange):
            raise InputError(
                f"{strange['isic_id'][0]} has a score without a fold, but is not in the test set",
                fix="Give the fold that held it out, or leave its score out",
            )
        known = known_hospitals(test["attribution"], hospitals)
        unknown = int((~known).sum())
    values = apply_stack(stack, scores, ids, known)
    return pl.DataFrame({"isic_id": ids, "target": pl.Series(values, dtype=pl.Float64)}), unknown


def _applied(
    blend: Blend, scores: DataFrame, isic_ids: Series, ranks: Literal["set", "reference"]
) -> NDArray[np.float64]:
    """Return the blend's score of each lesion; NaN where no model that counts has scored it."""
    import polars as pl

    everyone = pl.concat([scores["isic_id"], isic_ids.rename("isic_id")]).unique(maintain_order=True).to_frame()
    total, weight_of = np.zeros(len(everyone)), np.zeros(len(everyone))
    for model, weight, reference in zip(blend.models, blend.weights, blend.references, strict=True):
        if weight == 0:
            continue
        of_model = scores.filter(pl.col("model") == model).select("isic_id", "score")
        values = everyone.join(of_model, on="isic_id", how="left", maintain_order="left")["score"]
        scored = values.fill_null(float("nan")).to_numpy()
        shares = rank_shares(scored) if ranks == "set" else place(reference, scored)
        there = ~np.isnan(shares)
        total[there] += weight * shares[there]
        weight_of[there] += weight
    with np.errstate(invalid="ignore"):
        mean = total / weight_of
    final = rank_shares(mean) if ranks == "set" else place(blend.reference, mean)
    placed = everyone.with_columns(final=pl.Series(final))
    asked = isic_ids.rename("isic_id").to_frame().join(placed, on="isic_id", how="left", maintain_order="left")
    return asked["final"].to_numpy()
