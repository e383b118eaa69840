"""What no strategy can beat: limits to judge results by."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["fewest_rounds", "find_rate_limit"]


def fewest_rounds(prior: ArrayLike, *, handshake: bool = False) -> float:
    """Return a lower bound on the mean number of rounds to find a secret, whatever the strategy.

    A round asks one yes/no question, answered without error, and then makes one guess. There are 2^r histories of r
    answers, so at most 2^r words can be guessed in round r and 2 + 4 + ... + 2^r = 2^(r+1) - 2 by then: the i-th most
    probable word is not found before round floor(log2(i + 1)). If the first round is a handshake, whose answer says
    nothing about the word, one word can be guessed in it and 2^(r-1) in round r: floor(log2 i) + 1.

    Args:
        prior: weights of the words in any order, at least 0; they need not sum to 1.
        handshake: whether the first round's answer says nothing about the word.
    """
    p = _largest_first(prior)
    rank = np.arange(1, p.size + 1, dtype=np.float64)
    # The exponent that frexp gives is floor(log2 x) + 1, exactly.
    rounds = np.frexp(rank)[1] if handshake else np.frexp(rank + 1)[1] - 1
    return float(p @ rounds)


def find_rate_limit(prior: ArrayLike, rounds: int, noise: float = 0.0, *, handshake: bool = False) -> float:
    """Return an upper bound on the share of secrets found within some rounds, whatever the strategy.

    It is the smaller of two bounds. The first holds for answers without error, and so for any: in r rounds at most
    2^(r+1) - 2 words can be guessed (see `fewest_rounds`), so it is the mass of so many most probable words.

    The second is a finite-length converse for answers that are flipped independently. Fix a deterministic strategy. Its
    next question depends on the answers alone, so for each word the 2^r patterns of flips lead one to one to the 2^r
    histories of answers. The word is found along the histories that guess it; if they are N, with at most the
    probability of the N likeliest patterns. A history makes r guesses, so the N of all words sum to at most r 2^r.
    Spending that budget on words and patterns in order of p_i times the pattern's probability is best. A strategy that
    draws lots is a mixture of deterministic ones.

    With a handshake r - 1 answers tell something and r guesses are made: 2^r - 1 words, and a budget of r 2^(r-1).

    Args:
        prior: weights of the words in any order, at least 0; they need not sum to 1.
        rounds: r, from 0 to 60.
        noise: flip rate in [0, 1/2].
        handshake: whether the first round's answer says nothing about the word.

    Returns:
        A probability. With noise it is not tight, since it lets the histories that guess a word be the likeliest ones
        for every word at once.

    Raises:
        ValueError: if a number is out of range.
    """
    if not 0 <= rounds <= 60:
        raise ValueError(f"expected 0 to 60 rounds, got {rounds}")
    if not 0 <= noise <= 0.5:
        raise ValueError(f"expected a noise in [0, 1/2], got {noise}")
    p = _largest_first(prior)
    reach = (2**rounds if handshake else 2 ** (rounds + 1) - 1) - 1
    without_error = float(p[:reach].sum())

    answers = max(0, rounds - handshake)
    flips = np.arange(answers + 1)
    num_patterns = np.array([math.comb(answers, int(count)) for count in flips], dtype=np.float64)
    chance = noise**flips * (1 - noise) ** (answers - flips)
    gain, cost = np.outer(p, chance).ravel(), np.tile(num_patterns, p.size)
    order = np.argsort(-gain, kind="stable")
    spent = np.cumsum(cost[order])
    taken = np.clip(cost[order] - (spent - rounds * 2.0**answers), 0, cost[order])
    return min(1.0, without_error, float(gain[order] @ taken))


def _largest_first(prior: ArrayLike) -> NDArray[np.float64]:
    """Return the prior as probabilities, the largest first."""
    p = np.asarray(prior, dtype=np.float64)
    if p.ndim != 1 or not (np.isfinite(p).all() and (p >= 0).all() and p.sum() > 0):
        raise ValueError("expected weights of shape (N,), at least 0 and not all 0")
    return np.sort(p / p.sum())[::-1]
