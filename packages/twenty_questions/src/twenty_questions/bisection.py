"""Bisection of a word list with a prior: ask for half of the remaining mass, guess the most probable word left.

Partners that keep the contest's protocol answer "does the keyword precede X in alphabetical order?" exactly, in
code-point order of the lower-cased name. So a list is kept in that order, what is known is an interval of it, and a
question is a boundary between two words. Every round also guesses, and a wrong guess strikes a word out, so the mass to
halve is that of the words not struck out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.questions import Question, alphabetical
from twenty_questions.words import normalise, spellings

__all__ = [
    "Interval",
    "Split",
    "WordList",
    "best_word",
    "exclude",
    "expected_rounds",
    "narrow",
    "num_left",
    "remaining",
    "split",
    "start",
    "word_list",
]


@dataclass(frozen=True, slots=True, eq=False)
class WordList:
    """Words in the order that bisection needs.

    Attributes:
        words: as they are guessed, sorted by code point of their lower-cased form, which is unique.
        prior: float64, shape (N,), positive, sums to 1.
    """

    words: tuple[str, ...]
    prior: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.words or self.prior.shape != (len(self.words),):
            raise ValueError(f"expected a prior for each of at least one word, got {self.prior.shape}")
        if not (np.isfinite(self.prior).all() and (self.prior > 0).all() and abs(self.prior.sum() - 1) < 1e-9):
            raise ValueError("expected a prior of positive numbers that sum to 1")
        lowered = [word.lower() for word in self.words]
        for before, after in pairwise(lowered):
            if not before < after:
                raise ValueError(
                    f"expected words sorted by their lower-cased form and unique, got {before!r}, {after!r}"
                )


class Interval(NamedTuple):
    """What is known: the secret is among the words low..high-1 that are not struck out.

    Attributes:
        low: position of the first word.
        high: position after the last word; `high <= low` if the answers contradict each other.
        excluded: positions that wrong guesses struck out.
    """

    low: int
    high: int
    excluded: frozenset[int]


class Split(NamedTuple):
    """A question that splits an interval.

    Attributes:
        question: the alphabetical question.
        p_yes: the share of the remaining mass that precedes its word, in (0, 1).
    """

    question: Question
    p_yes: float


def word_list(words: Iterable[str], weights: ArrayLike | None = None) -> WordList:
    """Sort words for bisection.

    Args:
        words: at least one; lower-cased, each once.
        weights: a positive number for each; equal by default.

    Raises:
        ValueError: if a word repeats, or a weight is not positive and finite.
    """
    words = list(words)
    given = np.ones(len(words)) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != (len(words),):
        raise ValueError(f"expected {len(words)} weights, got shape {given.shape}")
    order = sorted(range(len(words)), key=lambda position: words[position].lower())
    prior = given[order]
    return WordList(tuple(words[position] for position in order), prior / prior.sum())


def start(words: WordList) -> Interval:
    """Return the interval of all words."""
    return Interval(0, len(words.words), frozenset())


def narrow(words: WordList, interval: Interval, argument: str, precedes: bool) -> Interval:
    """Return the interval after the answer to an alphabetical question.

    Args:
        words: the list.
        interval: what was known.
        argument: the text that the question compared with; any text, compared as it is given.
        precedes: the answer.
    """
    boundary = _boundary(words.words, argument)
    if precedes:
        return interval._replace(high=min(interval.high, boundary))
    return interval._replace(low=max(interval.low, boundary))


def exclude(words: WordList, interval: Interval, guess: str) -> Interval:
    """Return the interval without the words that the game takes for a wrong guess."""
    ruled_out = set(spellings(guess))
    struck = [
        position for position in range(interval.low, interval.high) if normalise(words.words[position]) in ruled_out
    ]
    return interval._replace(excluded=interval.excluded.union(struck))


def remaining(words: WordList, interval: Interval) -> NDArray[np.float64]:
    """Return the prior of the words low..high-1, zero where struck out; empty if the answers contradict each other."""
    mass = words.prior[interval.low : max(interval.low, interval.high)].copy()
    mass[[position - interval.low for position in interval.excluded if interval.low <= position < interval.high]] = 0.0
    return mass


def num_left(words: WordList, interval: Interval) -> int:
    """Return how many words are left."""
    return int(np.count_nonzero(remaining(words, interval)))


def split(words: WordList, interval: Interval) -> Split | None:
    """Return the question that splits the remaining mass most evenly, or None if fewer than two words are left."""
    mass = remaining(words, interval)
    if np.count_nonzero(mass) < 2:
        return None
    boundary = _half(mass)
    question = alphabetical(words.words[interval.low + boundary].lower())
    return Split(question, float(mass[:boundary].sum() / mass.sum()))


def best_word(words: WordList, interval: Interval) -> str | None:
    """Return the most probable word left, the first of equals, or None if none is."""
    mass = remaining(words, interval)
    return words.words[interval.low + int(mass.argmax())] if mass.any() else None


def expected_rounds(prior: Sequence[float] | NDArray[np.float64], *, handshake: bool = False) -> float:
    """Return the exact mean number of rounds in which this strategy finds a word drawn from the prior.

    Each round asks one question, answered without error, and then guesses; with a handshake the first round asks about
    the partner instead, and guesses all the same. To compare with `evaluation.fewest_rounds`.

    Args:
        prior: positive weights of the words in alphabetical order; they need not sum to 1.
        handshake: whether the first round is spent on the handshake.
    """
    mass = np.asarray(prior, dtype=np.float64)
    if mass.ndim != 1 or not mass.size or not (np.isfinite(mass).all() and (mass > 0).all()):
        raise ValueError("expected at least one word, with positive, finite weights")
    total = float(mass.sum())
    rounds = 0.0
    pending = [(mass, 1)]
    if handshake:
        rounds += float(mass.max())
        pending = [(np.delete(mass, mass.argmax()), 2)]
    while pending:
        left, number = pending.pop()
        if not left.size:
            continue
        boundary = _half(left) if left.size > 1 else 1
        for side in (left[:boundary], left[boundary:]):
            if side.size:
                best = int(side.argmax())
                rounds += number * float(side[best])
                pending.append((np.delete(side, best), number + 1))
    return rounds / total


def _half(mass: NDArray[np.float64]) -> int:
    """Return the boundary that splits the mass most evenly, with a word of positive mass on either side."""
    before = np.cumsum(mass)
    positive = np.flatnonzero(mass)
    boundaries = np.arange(positive[0] + 1, positive[-1] + 1)
    return int(boundaries[np.abs(2 * before[boundaries - 1] - before[-1]).argmin()])


def _boundary(words: Sequence[str], argument: str) -> int:
    """Return how many words precede the argument."""
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) // 2
        if words[middle].lower() < argument:
            low = middle + 1
        else:
            high = middle
    return low
