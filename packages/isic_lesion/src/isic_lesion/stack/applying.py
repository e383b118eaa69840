"""Scores that a stack gives to lesions which no model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.score_tables import check_scores
from isic_lesion.stack.ranks import place, rank_shares
from isic_lesion.stack.values import Blend, Stack
from isic_lesion.table_models.inference import known_hospitals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from polars import DataFrame, Series

__all__ = ["apply_stack", "blend_columns", "submission_of"]


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
    import polars as pl

    checked = check_scores(scores)
    if checked["fold"].null_count() < len(checked):
        name = checked.filter(checked["fold"].is_not_null())["isic_id"][0]
        raise InputError(
            f"{name} was held out when models were trained: its hospital's and patient's rows were trained on",
            fix="Give scores without a fold",
        )
    asked = isic_ids.rename("isic_id")
    strange = checked.select("isic_id").unique(maintain_order=True).join(asked.to_frame(), on="isic_id", how="anti")
    everyone = pl.concat([asked, strange["isic_id"]]).to_frame()
    counting = {**stack.weights_known, **stack.weights_unknown}
    columns = {
        model: everyone.join(checked.filter(pl.col("model") == model), on="isic_id", how="left", maintain_order="left")[
            "score"
        ]
        .fill_null(float("nan"))
        .to_numpy()
        for model in counting
    }
    return blend_columns(stack, columns, isic_ids, known, ranks=ranks)


def blend_columns(
    stack: Stack,
    columns: Mapping[str, NDArray[np.float64]],
    isic_ids: Series,
    known: NDArray[np.bool_],
    *,
    ranks: Literal["set", "reference"] = "set",
) -> NDArray[np.float64]:
    """Return one score for each lesion, as `apply_stack`, from a column of scores for each model.

    Args:
        stack: the weights.
        columns: model -> its scores, NaN where it has none, shape (M,) with M >= N: rows beyond those of `isic_ids` are
            ranked with the others.
        isic_ids: the lesions, shape (N,).
        known: as in `apply_stack`.
        ranks: as in `apply_stack`.

    Raises:
        As `apply_stack`.
    """
    number = len(isic_ids)
    if known.shape != (number,):
        raise ValueError(f"expected known of shape ({number},), got {known.shape}")
    blended = np.full(number, np.nan)
    for blend, rows, which in ((stack.known, known, "a known"), (stack.unknown, ~known, "an unknown")):
        if not rows.any():
            continue
        if blend is None:
            name = isic_ids.to_numpy()[rows][0]
            raise InputError(f"{name} is of {which} hospital, for which the stack has no weights")
        blended[rows] = _blended(blend, columns, ranks)[:number][rows]
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


def _blended(
    blend: Blend, columns: Mapping[str, NDArray[np.float64]], ranks: Literal["set", "reference"]
) -> NDArray[np.float64]:
    """Return the blend's score of each row; NaN where no model that counts has scored it."""
    total: NDArray[np.float64] | float = 0.0
    weight_of: NDArray[np.float64] | float = 0.0
    for model, weight, reference in zip(blend.models, blend.weights, blend.references, strict=True):
        if weight == 0 or model not in columns:
            continue
        shares = rank_shares(columns[model]) if ranks == "set" else place(reference, columns[model])
        there = ~np.isnan(shares)
        total = total + np.where(there, weight * shares, 0.0)
        weight_of = weight_of + weight * there
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.asarray(total / weight_of) if isinstance(total, np.ndarray) else np.full(_rows(columns), np.nan)
    return rank_shares(mean) if ranks == "set" else place(blend.reference, mean)


def _rows(columns: Mapping[str, NDArray[np.float64]]) -> int:
    return max((len(column) for column in columns.values()), default=0)
