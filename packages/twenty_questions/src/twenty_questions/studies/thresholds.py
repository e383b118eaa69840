"""Where yes begins: the threshold on P(yes) that serves best, judged on keywords that it was not fitted on."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.studies.votes import Rule, decide, mean_probability, score_of
from twenty_questions.studies.yes_no_scores import accuracy_of, balanced_accuracy_of

__all__ = ["Measure", "Refitted", "best_threshold", "fit_thresholds", "refit"]

Measure = Literal["balanced_accuracy", "accuracy", "auc"]


class Refitted(NamedTuple):
    """Thresholds fitted on the other folds of each pair.

    Attributes:
        thresholds: fitted on all pairs: one a model for the majority, one for the mean.
        decisions: bool, shape (n,): each by thresholds that were fitted without its keyword's fold.
    """

    thresholds: tuple[float, ...]
    decisions: NDArray[np.bool_]


def best_threshold(
    answers: NDArray[np.bool_], probabilities: NDArray[np.floating], measure: Measure = "balanced_accuracy"
) -> float:
    """Return the threshold with the highest accuracy or balanced accuracy.

    Candidates are 0, 1, and the middles between neighbouring values; of equally good ones the nearest to 1/2 is taken.

    Args:
        answers: shape (n,).
        probabilities: P(yes), shape (n,); NaN counts as 0.
        measure: what is highest; for "auc", which no threshold changes, balanced accuracy.

    Returns:
        In [0, 1]; 1/2 where the measure is not defined.
    """
    scores = score_of(probabilities)
    order = np.argsort(scores, kind="stable")
    sorted_scores, yes = scores[order], np.asarray(answers, dtype=bool)[order]
    ends = np.flatnonzero(np.diff(sorted_scores) > 0) + 1
    limits = np.concatenate(([0.0], (sorted_scores[ends - 1] + sorted_scores[ends]) / 2, [1.0]))
    # How many lie at or below each limit, and so are taken for no.
    below = np.concatenate(([np.searchsorted(sorted_scores, 0.0, side="right")], ends, [len(scores)]))
    missed = np.concatenate(([0], np.cumsum(yes)))[below].astype(np.float64)
    right_no = below - missed
    counts = np.stack((yes.sum() - missed, missed, right_no, (~yes).sum() - right_no), axis=-1)
    values = accuracy_of(counts) if measure == "accuracy" else balanced_accuracy_of(counts)
    if not np.isfinite(values).any():
        return 0.5
    best = np.flatnonzero(values >= np.nanmax(values) - 1e-12)
    return float(limits[best[np.argmin(np.abs(limits[best] - 0.5))]])


def fit_thresholds(
    answers: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    rule: Rule = "majority",
    measure: Measure = "balanced_accuracy",
) -> NDArray[np.float64]:
    """Return each model's best threshold, shape (models,), or the best one of the mean, shape ().

    Args:
        answers: shape (n,).
        probabilities: shape (models, n).
        rule: how the models vote.
        measure: see `best_threshold`.
    """
    if rule == "mean":
        return np.asarray(best_threshold(answers, mean_probability(probabilities), measure))
    return np.asarray([best_threshold(answers, p, measure) for p in probabilities])


def refit(
    answers: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    fold_of: NDArray[np.int64],
    rule: Rule = "majority",
    measure: Measure = "balanced_accuracy",
) -> Refitted:
    """Return the decisions of a vote whose thresholds are fitted by cross-validation.

    Args:
        answers: shape (n,).
        probabilities: shape (models, n).
        fold_of: shape (n,): the fold of each pair; all pairs of a keyword lie in one.
        rule: how the models vote.
        measure: what a threshold is fitted for.
    """
    decisions = np.zeros(len(answers), dtype=bool)
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        limits = fit_thresholds(answers[~held_out], probabilities[:, ~held_out], rule, measure)
        decisions[held_out] = decide(probabilities[:, held_out], limits, rule)
    final = np.atleast_1d(fit_thresholds(answers, probabilities, rule, measure))
    return Refitted(tuple(float(limit) for limit in final), decisions)
