"""Strategies against a partner who answers alphabetical questions exactly: in which round each of them finds each word.

Rivals are written from what is publicly known of the contest, so that ours can be measured beside them:

- `halve_and_guess_best`: ask for half of the remaining mass, guess the most probable word (`bisection.split`).
- `guess_the_split_word`: split at the weighted median, and guess the very word of the next split; the first place's
  rule. Its words form a binary search tree, and a word is found at its depth.
- `public_agent_alpha`: the same without a prior, so the middle word of an alphabetically sorted list; the public Agent
  Alpha notebook. It cannot strike words out, so its middle word stays in the list until an answer excludes it.
- `find_soonest`: ours, `bisection.soonest_split` and the most probable word.

A round is a question, its answer and a guess. With a handshake the first question is about the partner, and a guess
is made all the same. A deterministic strategy against exact answers is one decision tree. The first three are walked
level by level, all intervals of a round at once, which takes about a second for a million words; `find_soonest` walks
the parts of the tree in which the secrets lie that it is asked for. A guess is right here only if it is the secret
itself, so where the game takes words for each other, secrets may be found sooner than it says.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.split_costs import soonest_boundary
from twenty_questions.word_forms import WordForms

__all__ = [
    "find_soonest",
    "guess_the_split_word",
    "halve_and_guess_best",
    "public_agent_alpha",
    "rounds_of_secrets",
]

_TIE = 1e-9


def halve_and_guess_best(prior: ArrayLike, *, handshake: bool = True) -> NDArray[np.int64]:
    """Return the round in which each word is found by halving the mass and guessing the most probable word left.

    Args:
        prior: positive weights, shape (N,), of words in alphabetical order.
        handshake: whether the first round is spent on the handshake.

    Returns:
        int64, shape (N,), from 1.
    """
    mass = _positive(prior)
    found = np.zeros(mass.size, dtype=np.int64)
    # Words left, and where each interval starts among them.
    left, starts, number = np.arange(mass.size), np.array([0]), 1
    while left.size:
        weights = mass[left]
        if number > 1 or not handshake:
            boundaries = _halves(weights, starts)
            starts = np.union1d(starts, boundaries[boundaries < left.size])
        guessed = _first_of_largest(weights, starts)
        found[left[guessed]] = number
        left = np.delete(left, guessed)
        # Each interval has lost one word; those that had only one are gone.
        starts = np.unique(starts - np.arange(starts.size))
        starts = starts[starts < left.size]
        number += 1
    return found


def guess_the_split_word(prior: ArrayLike, *, handshake: bool = True) -> NDArray[np.int64]:
    """Return the round in which each word is found by guessing the weighted median and then splitting there.

    The median is the first word with which at least half of the mass is reached. Without a handshake the first round
    splits at the median of the list, unguessed, and guesses that of the half.

    Args:
        prior: positive weights, shape (N,), of words in alphabetical order.
        handshake: whether the first round is spent on the handshake.

    Returns:
        int64, shape (N,), from 1.
    """
    mass = _positive(prior)
    found = np.zeros(mass.size, dtype=np.int64)
    before = np.concatenate(([0.0], np.cumsum(mass)))
    low, high, number = np.array([0]), np.array([mass.size]), 1
    if not handshake:
        unguessed = int(_medians(before, low, high)[0])
        low, high = np.array([0, unguessed]), np.array([unguessed, mass.size])
    while (low < high).any():
        low, high = low[low < high], high[low < high]
        median = _medians(before, low, high)
        found[median] = number
        low, high = np.stack([low, median + 1], axis=1).ravel(), np.stack([median, high], axis=1).ravel()
        number += 1
    return found


def public_agent_alpha(prior: ArrayLike, *, handshake: bool = True) -> NDArray[np.int64]:
    """Return the round in which each word is found by halving the range of positions and guessing its middle word.

    Args:
        prior: one number for each word in alphabetical order; only their count is used.
        handshake: whether the first round is spent on the handshake.

    Returns:
        int64, shape (N,), from 1.
    """
    found = np.zeros(np.asarray(prior).size, dtype=np.int64)
    low, high, number = np.array([0]), np.array([found.size]), 1
    while low.size:
        if number > 1 or not handshake:
            middle = (low + high) // 2
            low, high = np.stack([low, middle], axis=1).ravel(), np.stack([middle, high], axis=1).ravel()
            low, high = low[low < high], high[low < high]
        middle = (low + high) // 2
        fresh = middle[found[middle] == 0]
        found[fresh] = number
        going_on = high - low > 1
        low, high, number = low[going_on], high[going_on], number + 1
    return found


def find_soonest(
    prior: ArrayLike,
    secrets: ArrayLike | None = None,
    *,
    handshake: bool = True,
    most_words: int = 32_768,
    rounds: int | None = None,
) -> NDArray[np.int64]:
    """Return the round in which words are found by the boundary of least cost and the most probable word left.

    Args:
        prior: positive weights, shape (N,), of words in alphabetical order.
        secrets: positions of the words to find, shape (S,), any order, repeats allowed; all words by default, which
            takes some tenths of a millisecond each.
        handshake: whether the first round is spent on the handshake.
        most_words: among how many words boundaries are weighed (see `bisection.soonest_split`); more are halved.
        rounds: how many rounds the game has, if it has an end.

    Returns:
        int64, shape (S,), from 1; words are found in later rounds than the last, too.
    """
    mass = _positive(prior)
    wanted = np.arange(mass.size) if secrets is None else np.asarray(secrets, dtype=np.intp)
    targets, where = np.unique(wanted, return_inverse=True)
    found = np.zeros(targets.size, dtype=np.int64)
    # Words left, which of the targets are among them, and the number of the round that begins.
    pending = [(np.arange(mass.size), np.arange(targets.size), 1)]
    while pending:
        left, sought, number = pending.pop()
        sides = [(left, sought)]
        if left.size > 1 and (number > 1 or not handshake):
            boundary = _soonest(mass[left], most_words, None if rounds is None else rounds - number + 1)
            precedes = targets[sought] < left[boundary]
            sides = [(left[:boundary], sought[precedes]), (left[boundary:], sought[~precedes])]
        for side, of_side in sides:
            if of_side.size:
                best = side[mass[side].argmax()]
                hit = targets[of_side] == best
                found[of_side[hit]] = number
                if not hit.all():
                    pending.append((side[side != best], of_side[~hit], number + 1))
    return found[where.reshape(-1)]


def rounds_of_secrets(found: NDArray[np.int64], forms: WordForms, secrets: Iterable[str]) -> NDArray[np.int64]:
    """Return the round in which each secret is found, 0 for those that are not in the list.

    A secret that the list spells in another way that the game takes for it, such as the plural, counts as that word;
    it would be missed if a boundary came to lie between the two.

    Args:
        found: int64, shape (N,), the round of each word of the list.
        forms: the look-ups of the list.
        secrets: names, S of them.

    Returns:
        int64, shape (S,).
    """
    rounds = []
    for secret in secrets:
        near = forms.positions(secret)
        same = [at for at in near if forms.words[at].lower() == secret.lower()]
        rounds.append(int(found[same[0]]) if same else int(found[near].max(initial=0)))
    return np.array(rounds, dtype=np.int64)


def _soonest(mass: NDArray[np.float64], most_words: int, rounds_left: int | None) -> int:
    """Return the boundary that `bisection.soonest_split` takes."""
    if mass.size > most_words:
        return int(_halves(mass, np.array([0]))[0])
    rounds_left = None if rounds_left is None or rounds_left < 1 else rounds_left
    return soonest_boundary(mass, second_looks=8 if mass.size <= most_words // 8 else 0, rounds_left=rounds_left)


def _halves(mass: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the most even boundary of each interval, the first of equals; the end of those that hold one word."""
    ends = np.append(starts[1:], mass.size)
    before = np.concatenate(([0.0], np.cumsum(mass)))
    total = before[ends] - before[starts]
    half = before[starts] + total / 2
    after = np.searchsorted(before, half)
    low, high = starts + 1, np.maximum(ends - 1, starts + 1)
    earlier, later = np.clip(after - 1, low, high), np.clip(after, low, high)
    nearer = np.abs(before[earlier] - half) <= np.abs(before[later] - half) + _TIE * total
    return np.asarray(np.where(nearer, earlier, later))


def _first_of_largest(mass: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the position of the largest mass of each interval, the first of equals."""
    lengths = np.diff(np.append(starts, mass.size))
    largest = np.flatnonzero(mass == np.repeat(np.maximum.reduceat(mass, starts), lengths))
    interval = np.searchsorted(starts, largest, side="right")
    return largest[np.diff(interval, prepend=0) > 0]


def _medians(before: NDArray[np.float64], low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first word of each interval with which half of its mass is reached."""
    half = (before[low] + before[high]) / 2
    return np.clip(np.searchsorted(before, half) - 1, low, high - 1)


def _positive(prior: ArrayLike) -> NDArray[np.float64]:
    mass = np.asarray(prior, dtype=np.float64)
    if mass.ndim != 1 or not mass.size or not (np.isfinite(mass).all() and (mass > 0).all()):
        raise ValueError("expected at least one word, with positive, finite weights")
    return mass
