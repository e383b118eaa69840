"""One score out of many models': the weighted mean of their ranks, with weights that were chosen on held-out scores.

With folds of the scheme "hospitals" the weights for unknown hospitals are chosen on scores of hospitals that the models
had truly never seen; with "patients" there are no such scores, and they are chosen, among the models allowed for it, on
the same rows as the weights for known hospitals.

What is reported beside a stack is honest about the choice: in the nested estimate each fold is scored with weights that
were chosen on the other folds. The same weights give the stack's own out-of-fold scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.score_tables import check_scores
from isic_lesion.stack.applying import apply_stack, submission_of
from isic_lesion.stack.blending import choose_weights, weighted_sum
from isic_lesion.stack.ranks import place, rank_shares, reference_of
from isic_lesion.stack.rows import HeldOutRows, held_out_rows, models_among
from isic_lesion.stack.values import Blend, Estimate, Line, Stack, StackConfig

if TYPE_CHECKING:
    from polars import DataFrame, Series

    from isic_lesion.folds.dealing import Folds

__all__ = [
    "EQUAL",
    "NESTED",
    "STACK",
    "STACK_BLIND",
    "STACK_UNKNOWN",
    "Blend",
    "Estimate",
    "Line",
    "Stack",
    "StackConfig",
    "apply_stack",
    "fit_stack",
    "stack_held_out",
    "submission_of",
]

STACK, STACK_UNKNOWN, STACK_BLIND = "stack", "stack-unknown", "stack-blind"
"""The models that a stack's own held-out scores are of: with the weights for known hospitals; with those for unknown
ones, on hospitals that were held out; and with these on known hospitals, where none was held out."""

EQUAL, NESTED = "equal weights", "stack, nested"
"""The lines of a stack's table, beside `STACK`, that are no models."""


def fit_stack(scores: DataFrame, labels: DataFrame, folds: Folds, config: StackConfig | None = None) -> Stack:
    """Choose the weights of a stack on held-out scores.

    Only rows that all models of a blend have scored take part in it. Members of a model must have been averaged (see
    `scores.average_members`). The same arguments give the same stack, whatever the order of the rows.

    Args:
        scores: isic_id, fold, model, score (see `scores`); rows without a fold are not looked at.
        labels: isic_id and target (0 or 1) of every lesion that was scored.
        folds: what the scores were made with.
        config: how; None: as `StackConfig` has it.

    Raises:
        InputError: if the scores break their contract or are of other folds, a pattern matches no model, a lesion
            has no label, or the rows that all models have scored lack a class.
        MissingExtraError: if Optuna is not installed.
    """
    config = config or StackConfig()
    checked = check_scores(scores, folds)
    held_out = checked.filter(checked["fold"].is_not_null())
    if held_out.is_empty():
        raise InputError("no score is of a lesion that was held out", fix="Give scores that have a fold")
    names = held_out["model"].unique().to_list()
    for_known, for_unknown = (models_among(names, of) for of in (config.known_models, config.unknown_models))
    known = _fit(held_out_rows(held_out, folds, for_known, unseen=False), labels, folds, config)
    if folds.scheme == "patients" and for_known == for_unknown:
        unknown = known
    else:
        unknown = _fit(held_out_rows(held_out, folds, for_unknown, unseen=True), labels, folds, config)
    return Stack(known=known, unknown=unknown, config=config, scheme=folds.scheme, folds=folds.fingerprint)


def stack_held_out(stack: Stack, scores: DataFrame, folds: Folds) -> DataFrame:
    """Return the stack's own held-out scores: each fold with the weights that were chosen on the others.

    Without nested weights the final ones are taken, which have seen the labels of what they score (equal ones
    have not).

    Returns:
        isic_id, fold, model, score: `STACK` for rows of known hospitals, `STACK_UNKNOWN` for those of unknown ones (or
        `STACK_BLIND`, with folds by patients)
        where these are other rows or have other weights.
    """
    import polars as pl

    made = []
    blends = [(stack.known, STACK, False)]
    if stack.unknown != stack.known or stack.scheme == "hospitals":
        blends.append((stack.unknown, STACK_UNKNOWN if stack.scheme == "hospitals" else STACK_BLIND, True))
    for blend, name, unseen in blends:
        if blend is None:
            continue
        rows = held_out_rows(check_scores(scores, folds), folds, blend.models, unseen=unseen)
        complete = rows.complete
        shares = _shares(rows, stack.config)[:, complete]
        values = _nested(np.array(blend.fold_weights or [blend.weights] * folds.num_folds), shares, rows.fold[complete])
        made.append(
            pl.DataFrame(
                {
                    "isic_id": rows.isic_ids.filter(pl.Series(complete, dtype=pl.Boolean)),
                    "fold": pl.Series(rows.fold[complete], dtype=pl.UInt8),
                    "model": pl.repeat(name, int(complete.sum()), eager=True),
                    "score": values,
                }
            )
        )
    return pl.concat(made).sort("isic_id", "fold", "model")


def _fit(rows: HeldOutRows, labels: DataFrame, folds: Folds, config: StackConfig) -> Blend | None:
    """Return the blend of a table of held-out rows; None if it is empty."""
    if not len(rows.isic_ids):
        return None
    target = _target_of(rows.isic_ids, labels)
    complete = rows.complete
    shares, fold, malignant = _shares(rows, config)[:, complete], rows.fold[complete], target[complete]
    judged = [malignant] if config.objective == "pooled" else [malignant[fold == k] for k in np.unique(fold)]
    if not any(of.any() and not of.all() for of in judged):
        scored = dict(zip(rows.models, (~np.isnan(rows.scores)).sum(axis=1).tolist(), strict=True))
        least = min(scored, key=lambda model: (scored[model], model))
        raise InputError(
            f"the {len(malignant)} lesions that all of {', '.join(rows.models)} have scored lack a class"
            f"{'' if config.objective == 'pooled' else ' in every fold'}",
            fix=f"Leave out {least!r}, which has scored the fewest ({scored[least]})",
        )

    def choose(chosen_on: NDArray[np.bool_]) -> NDArray[np.float64]:
        if config.weights == "equal":
            return np.full(len(shares), 1 / len(shares))
        return choose_weights(
            shares[:, chosen_on],
            malignant[chosen_on],
            fold[chosen_on],
            objective=config.objective,
            trials=config.trials,
            least_weight=config.least_weight,
            seed=config.seed,
        )

    def line(name: str, values: NDArray[np.float64], weight: float | None = None) -> Line:
        return Line(name=name, weight=weight, estimate=_estimate(values, malignant, fold, folds.num_folds))

    weights = choose(np.ones_like(malignant))
    rounds = [fold != k for k in range(folds.num_folds)]
    wanted = config.nested and config.weights == "chosen"  # equal weights have seen no labels anyway
    can_nest = wanted and len(np.unique(fold)) > 1 and all(_can_judge(malignant[on], fold[on]) for on in rounds)
    fold_weights = np.array([choose(on) for on in rounds]) if can_nest else np.empty((0, len(weights)))
    lines = [
        line(model, values, weight) for model, values, weight in zip(rows.models, shares, weights.tolist(), strict=True)
    ]
    lines += [line(EQUAL, shares.mean(axis=0)), line(STACK, weighted_sum(weights, shares))]
    if can_nest:
        lines.append(line(NESTED, _nested(fold_weights, shares, fold)))
    references = [reference_of(values[~np.isnan(values)]) for values in rows.scores]
    places = np.array([place(of, values) for of, values in zip(references, rows.scores[:, complete], strict=True)])
    return Blend(
        models=rows.models,
        weights=tuple(weights.tolist()),
        fold_weights=tuple(tuple(chosen.tolist()) for chosen in fold_weights),
        lines=tuple(lines),
        lesions=len(malignant),
        malignant=int(malignant.sum()),
        left_out=len(complete) - len(malignant),
        references=tuple(references),
        reference=reference_of(weighted_sum(weights, places)),
    )


def _can_judge(malignant: NDArray[np.bool_], fold: NDArray[np.uint8]) -> bool:
    """Return whether some fold has both classes, so that weights can be judged by either objective."""
    return any(malignant[fold == k].any() and not malignant[fold == k].all() for k in np.unique(fold))


def _shares(rows: HeldOutRows, config: StackConfig) -> NDArray[np.float64]:
    groups = rows.fold if config.rank_within == "fold" else None
    return np.array([rank_shares(values, groups) for values in rows.scores])


def _nested(
    fold_weights: NDArray[np.float64], shares: NDArray[np.float64], fold: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the weighted mean of each row with the weights of its fold."""
    blended = np.empty(shares.shape[1])
    for k in np.unique(fold):
        blended[fold == k] = weighted_sum(fold_weights[k], shares[:, fold == k])
    return blended


def _estimate(
    values: NDArray[np.float64], malignant: NDArray[np.bool_], fold: NDArray[np.uint8], num_folds: int
) -> Estimate:
    per_fold = []
    for k in range(num_folds):
        of_fold = malignant[fold == k]
        scored = of_fold.any() and not of_fold.all()
        per_fold.append(partial_auc(of_fold, values[fold == k]) if scored else None)
    return Estimate(pooled=partial_auc(malignant, values), per_fold=tuple(per_fold))


def _target_of(isic_ids: Series, labels: DataFrame) -> NDArray[np.bool_]:
    import polars as pl

    distinct = labels.select("isic_id", pl.col("target").cast(pl.Float64)).unique("isic_id", maintain_order=True)
    joined = isic_ids.rename("isic_id").to_frame().join(distinct, on="isic_id", how="left", maintain_order="left")
    is_label = (joined["target"] == 0) | (joined["target"] == 1)
    lost = joined.filter(~is_label.fill_null(value=False))
    if len(lost):
        raise InputError(
            f"{lost['isic_id'][0]} has scores, but no target of 0 or 1 ({len(lost)} lesions in all)",
            fix="Give the data that the folds were made of",
        )
    malignant: NDArray[np.bool_] = joined["target"].to_numpy() == 1
    return malignant
