"""How well yes and no are told: accuracy, balanced accuracy, AUC, log-loss and Brier score.

Counts have a last axis of four: yes said rightly, yes missed, no said rightly, no missed. Where a figure is not
defined, as balanced accuracy is without both answers, it is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Wins",
    "accuracy_of",
    "auc",
    "auc_of",
    "balanced_accuracy_of",
    "brier_score",
    "counts_by_group",
    "log_loss",
    "wins_by_group",
]

_LEAST = 0.5 / 255  # the surest that an answer table can hold


def counts_by_group(
    answers: NDArray[np.bool_], decisions: NDArray[np.bool_], group_of: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    """Return counts for each group of pairs.

    Args:
        answers: the right ones, shape (n,).
        decisions: what was said, shape (..., n).
        group_of: shape (n,), in 0..groups-1: keywords, questions or folds.
        groups: how many there are.

    Returns:
        Shape (..., groups, 4).
    """
    said = np.asarray(decisions, dtype=bool)
    member = np.zeros((len(answers), 2 * groups), dtype=np.float32)
    member[np.arange(len(answers)), 2 * np.asarray(group_of) + answers] = 1
    # Sums of ones are exact in float32 up to 2^24 pairs a group.
    said_yes = (said.astype(np.float32) @ member).reshape(*said.shape[:-1], groups, 2)
    all_pairs = member.sum(axis=0).reshape(groups, 2)
    parts = (said_yes[..., 1], all_pairs[:, 1] - said_yes[..., 1], all_pairs[:, 0] - said_yes[..., 0], said_yes[..., 0])
    return np.stack(parts, axis=-1).astype(np.float64)


def accuracy_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of right answers, in [0, 1]; shape (...,) of counts (..., 4)."""
    return _ratio(counts[..., 0] + counts[..., 2], counts.sum(axis=-1))


def balanced_accuracy_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the recalls of yes and no, in [0, 1]; shape (...,) of counts (..., 4)."""
    yes = _ratio(counts[..., 0], counts[..., 0] + counts[..., 1])
    no = _ratio(counts[..., 2], counts[..., 2] + counts[..., 3])
    return np.asarray((yes + no) / 2)


def auc(answers: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the chance that a yes outscores a no, ties counting one half.

    It is the Mann-Whitney statistic, exact with ties.

    Args:
        answers: shape (n,).
        scores: shape (n,), not NaN.

    Returns:
        In [0, 1]; NaN without both answers.
    """
    group = np.zeros(len(answers), dtype=np.int64)
    return float(auc_of(wins_by_group(answers, scores, group, 1), np.ones((1, 1)))[0])


class Wins(NamedTuple):
    """What the AUC of any weighting of groups is made of.

    Attributes:
        won: shape (groups, groups): of the pairs of a yes in the row's group and a no in the column's, how many the yes
            outscores, ties counting one half.
        yes: shape (groups,): how many yes each group has.
        no: shape (groups,): how many no.
    """

    won: NDArray[np.float64]
    yes: NDArray[np.float64]
    no: NDArray[np.float64]


def wins_by_group(
    answers: NDArray[np.bool_], scores: NDArray[np.float64], group_of: NDArray[np.int64], groups: int
) -> Wins:
    """Return which yes outscore which no, counted by group.

    Args:
        answers: shape (n,).
        scores: shape (n,), not NaN.
        group_of: shape (n,), in 0..groups-1.
        groups: how many there are.
    """
    yes = np.asarray(answers, dtype=bool)
    scores_of_yes, group_of_yes = scores[yes], group_of[yes]
    won = np.zeros((groups, groups))
    order = np.lexsort((scores[~yes], group_of[~yes]))
    sorted_no, group_of_no = scores[~yes][order], group_of[~yes][order]
    for group in np.unique(group_of_no):
        low, high = np.searchsorted(group_of_no, [group, group + 1])
        rivals = sorted_no[low:high]
        below = np.searchsorted(rivals, scores_of_yes, "left") + np.searchsorted(rivals, scores_of_yes, "right")
        won[:, group] = np.bincount(group_of_yes, weights=below / 2, minlength=groups)
    return Wins(
        won,
        np.bincount(group_of_yes, minlength=groups).astype(np.float64),
        np.bincount(group_of_no, minlength=groups).astype(np.float64),
    )


def auc_of(wins: Wins, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the AUC of each weighting of the groups, shape (draws,); NaN where an answer has no weight.

    Args:
        wins: of the groups.
        weights: shape (draws, groups), at least 0.
    """
    return _ratio(((weights @ wins.won) * weights).sum(axis=1), (weights @ wins.yes) * (weights @ wins.no))


def log_loss(answers: NDArray[np.bool_], probabilities: ArrayLike) -> float:
    """Return the mean of -ln P(the right answer), at least 0.

    Args:
        answers: shape (n,), n at least 1.
        probabilities: P(yes), shape (n,). As in an answer table, NaN reads as 1/2 and nothing is surer than 1/510.
    """
    p = np.clip(_known(probabilities), _LEAST, 1 - _LEAST)
    return float(-np.log(np.where(answers, p, 1 - p)).mean())


def brier_score(answers: NDArray[np.bool_], probabilities: ArrayLike) -> float:
    """Return the mean squared distance of P(yes) from the answer, in [0, 1]; NaN reads as 1/2."""
    return float(((_known(probabilities) - answers) ** 2).mean())


def _known(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(probabilities, dtype=np.float64)
    return np.where(np.isnan(p), 0.5, p)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    undefined = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=np.asarray(whole) > 0))
