"""Votes over many pairs at once, as `voting.vote_of` takes them one by one: the majority, or the mean probability.

A NaN is a model that said neither yes nor no: it abstains. Where all abstain the answer is no, as the contest hears any
text without a yes. A model says yes where P(yes) is above its threshold; at the threshold it says no, the commoner
answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.voting import Rule

__all__ = ["Rule", "decide", "mean_probability", "score_of", "votes_of"]


def mean_probability(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean P(yes) of the models that said something; NaN where none did.

    Args:
        probabilities: shape (..., models, n).

    Returns:
        Shape (..., n).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    said = ~np.isnan(p)
    count = said.sum(axis=-2)
    mean = np.where(said, p, 0).sum(axis=-2) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.nan))


def votes_of(
    probabilities: NDArray[np.floating], thresholds: ArrayLike
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return what each model votes, and by how much.

    Args:
        probabilities: shape (models, n).
        thresholds: in [0, 1], shape () or (models,).

    Returns:
        +1 yes, -1 no, 0 abstains, and P(yes) - threshold (0 where it abstains); both of shape (models, n).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), (len(p),))[:, None]
    said = ~np.isnan(p)
    margins = np.where(said, p - limits, 0.0)
    votes = np.where(said, np.where(p > limits, 1, -1), 0).astype(np.int8)
    return votes, margins


def decide(
    probabilities: NDArray[np.floating], thresholds: ArrayLike = 0.5, rule: Rule = "majority"
) -> NDArray[np.bool_]:
    """Return the joint answer to each pair.

    Args:
        probabilities: shape (models, n).
        thresholds: in [0, 1], shape () or, for the majority, (models,).
        rule: "majority" goes by the number of votes, and where they are even by the mean of P(yes) - threshold; "mean"
            by the mean P(yes) against the threshold.
    """
    if rule == "mean":
        return np.asarray(score_of(mean_probability(probabilities)) > float(np.asarray(thresholds)))
    votes, margins = votes_of(probabilities, thresholds)
    balance = votes.sum(axis=0, dtype=np.int64)
    return np.asarray((balance > 0) | ((balance == 0) & (margins.sum(axis=0) > 0)))


def score_of(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return P(yes) to rank or decide by: where a model said neither, 0, for that is heard as no."""
    p = np.asarray(probabilities, dtype=np.float64)
    return np.where(np.isnan(p), 0.0, p)
