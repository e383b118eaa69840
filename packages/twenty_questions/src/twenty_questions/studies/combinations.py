"""Which models should vote together: the best combination of a size, judged on keywords it was not chosen on.

Every combination is tried. The choice for a fold sees the other folds alone, thresholds included, so the figures of the
held-out pairs are those of the procedure, not of the luckiest combination.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.studies.thresholds import Measure, fit_thresholds
from twenty_questions.studies.votes import Rule, decide, mean_probability, score_of, votes_of
from twenty_questions.studies.yes_no_scores import accuracy_of, auc, balanced_accuracy_of, counts_by_group

__all__ = ["MOST_COMBINATIONS", "Chosen", "choose_combination"]

MOST_COMBINATIONS = 100_000
"""More than these are refused: 83 models three at a time are 91,881."""

_CHUNK = 4_000_000  # numbers held at once


class Chosen(NamedTuple):
    """The best combination, and how well choosing one does.

    Attributes:
        members: positions of the models that are best on all pairs.
        value: their measure on all pairs, on which they were chosen: too good.
        thresholds: one for each member, or one for the mean.
        by_fold: the members chosen without each fold, in the order of the folds.
        probabilities: shape (n,): the mean P(yes) of the members chosen without the pair's fold.
        decisions: shape (n,): their joint answer.
        tried: how many combinations there were.
    """

    members: tuple[int, ...]
    value: float
    thresholds: tuple[float, ...]
    by_fold: tuple[tuple[int, ...], ...]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.bool_]
    tried: int


def choose_combination(
    answers: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    fold_of: NDArray[np.int64],
    *,
    size: int = 3,
    rule: Rule = "majority",
    measure: Measure = "balanced_accuracy",
    threshold: float | None = 0.5,
) -> Chosen:
    """Choose the models that vote best together; of equally good combinations the first.

    Args:
        answers: shape (n,).
        probabilities: P(yes), shape (models, n), NaN where a model said neither.
        fold_of: shape (n,): the fold of each pair; all pairs of a keyword lie in one.
        size: how many vote, in 1..models.
        rule: how they vote.
        measure: what is best; "auc" is that of their mean P(yes), whatever the rule.
        threshold: above which P(yes) is a yes, in [0, 1]; None: fitted on the pairs that the choice sees.

    Raises:
        ValueError: if the size does not fit, or there are too many combinations.
    """
    models = len(probabilities)
    if not 1 <= size <= models:
        raise ValueError(f"expected 1 to {models} voters of {models} models, got {size}")
    if math.comb(models, size) > MOST_COMBINATIONS:
        raise ValueError(f"expected at most {MOST_COMBINATIONS:,} combinations, got {math.comb(models, size):,}")
    combinations = np.asarray(list(itertools.combinations(range(models), size)), dtype=np.int64)

    def choose(rows: NDArray[np.bool_]) -> tuple[tuple[int, ...], float, NDArray[np.float64]]:
        values = _values(answers[rows], probabilities[:, rows], combinations, rule, measure, threshold)
        best = int(np.argmax(np.where(np.isnan(values), -np.inf, values)))
        members = combinations[best]
        if threshold is not None:
            limits = np.asarray(threshold) if rule == "mean" else np.full(size, threshold)
        else:
            limits = fit_thresholds(answers[rows], probabilities[members][:, rows], rule, measure)
        return tuple(int(member) for member in members), float(values[best]), limits

    mean, decisions = np.empty(len(answers)), np.zeros(len(answers), dtype=bool)
    by_fold = []
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        members, _, limits = choose(~held_out)
        by_fold.append(members)
        said = probabilities[list(members)][:, held_out]
        mean[held_out] = mean_probability(said)
        decisions[held_out] = decide(said, limits, rule)
    members, value, limits = choose(np.ones(len(answers), dtype=bool))
    final = tuple(float(limit) for limit in np.atleast_1d(limits))
    return Chosen(members, value, final, tuple(by_fold), mean, decisions, len(combinations))


def _values(
    answers: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    combinations: NDArray[np.int64],
    rule: Rule,
    measure: Measure,
    threshold: float | None,
) -> NDArray[np.float64]:
    """Return the measure of every combination on some pairs."""
    if measure == "auc":
        return np.asarray([auc(answers, score_of(mean_probability(probabilities[c]))) for c in combinations])
    if rule == "mean" and threshold is None:
        decisions = (
            decide(probabilities[c], fit_thresholds(answers, probabilities[c], rule, measure), rule)
            for c in combinations
        )
        return np.asarray([_value(answers, decision[None], measure)[0] for decision in decisions])
    limits = np.asarray(threshold) if threshold is not None else fit_thresholds(answers, probabilities, rule, measure)
    votes, margins = votes_of(probabilities, limits)
    step = max(1, _CHUNK // (combinations.shape[1] * max(1, len(answers))))
    values = np.empty(len(combinations))
    for first in range(0, len(combinations), step):
        members = combinations[first : first + step]
        if rule == "mean":
            said = score_of(mean_probability(probabilities[members])) > float(limits)
        else:
            balance = votes[members].sum(axis=1, dtype=np.int16)
            said = balance > 0
            if (balance == 0).any():
                said |= (balance == 0) & (margins[members].sum(axis=1) > 0)
        values[first : first + step] = _value(answers, said, measure)
    return values


def _value(answers: NDArray[np.bool_], decisions: NDArray[np.bool_], measure: Measure) -> NDArray[np.float64]:
    counts = counts_by_group(answers, decisions, np.zeros(len(answers), dtype=np.int64), 1)[..., 0, :]
    return accuracy_of(counts) if measure == "accuracy" else balanced_accuracy_of(counts)
