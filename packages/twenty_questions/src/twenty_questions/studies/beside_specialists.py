"""What not knowing the partner costs: games of one guesser beside those of another on the same secrets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.studies.intervals import DRAWS, Estimate, cluster_draws, percentile_estimate

__all__ = ["Beside", "beside"]


class Beside(NamedTuple):
    """Two guessers on the same games, with 95 % bootstrap intervals over the games.

    Attributes:
        games: number of games.
        extra_rounds: mean round of the first one's hits less that of the second one's.
        extra_rounds_both: the same over the games that both have won.
        find_ratio: the first one's find rate as a share of the second one's.
        rewards: mean reward of the first less that of the second.
    """

    games: int
    extra_rounds: Estimate
    extra_rounds_both: Estimate
    find_ratio: Estimate
    rewards: Estimate


def beside(ours: NDArray[np.int64], theirs: NDArray[np.int64], *, rounds: int, seed: int) -> Beside:
    """Return the figures of two guessers.

    Args:
        ours: shape (games,): the round of each hit, from 1; 0 for none.
        theirs: the same of the other guesser on the same secrets, in the same order.
        rounds: rounds in a game.
        seed: of the bootstrap (Efron 1979), which draws games, for both guessers alike.

    Raises:
        ValueError: if there is no game, or the games are not the same.
    """
    if ours.shape != theirs.shape or not ours.size:
        raise ValueError(f"expected the same games, at least one, got {ours.shape} and {theirs.shape}")
    counts = np.vstack([np.ones(ours.size), cluster_draws(ours.size, DRAWS, seed)])
    figures = _figures(ours, theirs, counts, rounds)

    def estimate(values: NDArray[np.float64]) -> Estimate:
        return percentile_estimate(float(values[0]), values[1:])

    return Beside(ours.size, *(estimate(values) for values in figures))


def _figures(
    ours: NDArray[np.int64], theirs: NDArray[np.int64], counts: NDArray[np.float64], rounds: int
) -> tuple[NDArray[np.float64], ...]:
    """Return the figures for games that count so often, shape (draws, games), in the order of `Beside`."""
    found, found_there = ours > 0, theirs > 0
    both = found & found_there

    def mean(values: NDArray[np.int64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
        number = counts @ where
        total = counts @ np.where(where, values, 0)
        return np.asarray(np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0))

    rewards = np.where(found, rounds + 1 - ours, -1) - np.where(found_there, rounds + 1 - theirs, -1)
    hits, hits_there = counts @ found, counts @ found_there
    return (
        mean(ours, found) - mean(theirs, found_there),
        mean(ours - theirs, both),
        np.divide(hits, hits_there, out=np.full(len(hits), np.nan), where=hits_there > 0),
        counts @ rewards / counts.sum(axis=1),
    )
