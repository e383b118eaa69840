"""Bisection of a word list with a prior: ask for half of the remaining mass, guess the most probable word left.

Partners that keep the contest's protocol answer "does the keyword precede X in alphabetical order?" exactly, in
code-point order of the lower-cased name. So a list is kept in that order, what is known is an interval of it, and a
question is a boundary between two words. Every round also guesses, and a wrong guess strikes a word out, so the mass to
halve is that of the words not struck out.

A list may hold more than a million words. The mass before a boundary is a prefix sum less what was struck out before
it, so a long interval is halved by binary search; and between words struck out, the most probable word is that of a
slice, which is not copied.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.alphabetical_players import halve_and_guess_best
from twenty_questions.questions import Question, alphabetical
from twenty_questions.split_costs import soonest_boundary
from twenty_questions.word_forms import WordForms, lower_case

__all__ = [
    "Interval",
    "Split",
    "WordList",
    "best_word",
    "exclude",
    "expected_rounds",
    "forms_of",
    "narrow",
    "num_before",
    "num_left",
    "remaining",
    "soonest_split",
    "split",
    "start",
    "word_list",
]

SOONEST_WORDS = 32_768
"""`soonest_split` weighs boundaries in intervals of at most so many words, and takes a second look at an eighth."""

_SHORT = 2048
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WordList:
    """Words in the order that bisection needs.

    Attributes:
        words: as they are guessed, sorted by code point of their lower-cased form, which is unique.
        prior: float64, shape (N,), positive, sums to 1.
        before: float64, shape (N + 1,), the mass before each word, and that of all; derived.
    """

    words: tuple[str, ...]
    prior: NDArray[np.float64]
    before: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        if not self.words or self.prior.shape != (len(self.words),):
            raise ValueError(f"expected a prior for each of at least one word, got {self.prior.shape}")
        if not (np.isfinite(self.prior).all() and (self.prior > 0).all() and abs(self.prior.sum() - 1) < 1e-9):
            raise ValueError("expected a prior of positive numbers that sum to 1")
        lowered = lower_case(self.words)
        if not all(map(operator.lt, lowered, islice(lowered, 1, None))):
            before, after = next((before, after) for before, after in pairwise(lowered) if not before < after)
            raise ValueError(f"expected words sorted by their lower-cased form and unique, got {before!r}, {after!r}")
        object.__setattr__(self, "before", np.concatenate(([0.0], np.cumsum(self.prior))))

    def __repr__(self) -> str:
        return f"WordList of {len(self.words):,} words, {self.words[0]!r} to {self.words[-1]!r}"


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
    lowered = lower_case(words)
    if all(map(operator.lt, lowered, islice(lowered, 1, None))):
        return WordList(tuple(words), given / given.sum())
    order = sorted(range(len(words)), key=lowered.__getitem__)
    prior = given[order]
    return WordList(tuple(map(words.__getitem__, order)), prior / prior.sum())


@lru_cache(maxsize=4)
def forms_of(words: WordList) -> WordForms:
    """Return the look-ups of the words that the game takes for a guess; the last few lists keep theirs."""
    return WordForms(words.words)


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
    boundary = num_before(words.words, argument)
    if precedes:
        return interval._replace(high=min(interval.high, boundary))
    return interval._replace(low=max(interval.low, boundary))


def exclude(words: WordList, interval: Interval, guess: str) -> Interval:
    """Return the interval without the words that the game takes for a wrong guess.

    The first guess of a list builds its look-ups (see `forms_of`), which takes half a microsecond a word.
    """
    found = forms_of(words).positions(guess).tolist()
    return interval._replace(excluded=interval.excluded.union(at for at in found if interval.low <= at < interval.high))


def remaining(words: WordList, interval: Interval) -> NDArray[np.float64]:
    """Return the prior of the words low..high-1, zero where struck out; empty if the answers contradict each other."""
    mass = words.prior[interval.low : max(interval.low, interval.high)].copy()
    mass[[position - interval.low for position in _struck_out(interval)]] = 0.0
    return mass


def num_before(words: Sequence[str], argument: str) -> int:
    """Return how many words, sorted as in a `WordList`, precede a text, compared as it is given."""
    return bisect_left(words, argument, key=str.lower)


def num_left(words: WordList, interval: Interval) -> int:
    """Return how many words are left."""
    return max(0, interval.high - interval.low) - len(_struck_out(interval))


def split(words: WordList, interval: Interval) -> Split | None:
    """Return the question that splits the remaining mass most evenly, or None if fewer than two words are left."""
    if num_left(words, interval) < 2:
        return None
    if interval.high - interval.low <= _SHORT:
        left = _left(interval)
        return _split_at(words, left, _half(words.prior[left]))
    return _split_long(words, interval)


def soonest_split(
    words: WordList, interval: Interval, *, rounds_left: int | None = None, most_words: int = SOONEST_WORDS
) -> Split | None:
    """Return the question after which the words can be found soonest, or None if fewer than two are left.

    Long intervals are halved as in `split`; in shorter ones `split_costs.soonest_boundary` also counts in which rounds
    the words of either side can be guessed. It takes some 25 ms at most.

    Args:
        words: the list.
        interval: what is known.
        rounds_left: how many rounds are left, this one included, if the game has an end.
        most_words: how many words an interval may have for boundaries to be weighed.
    """
    if num_left(words, interval) < 2:
        return None
    if interval.high - interval.low > most_words:
        return split(words, interval)
    left = _left(interval)
    looks = 8 if left.size <= SOONEST_WORDS // 8 else 0
    return _split_at(words, left, soonest_boundary(words.prior[left], second_looks=looks, rounds_left=rounds_left))


def best_word(words: WordList, interval: Interval) -> str | None:
    """Return the most probable word left, the first of equals, or None if none is."""
    if num_left(words, interval) < 1:
        return None
    edges = [interval.low - 1, *_struck_out(interval), interval.high]
    bests = [low + 1 + int(words.prior[low + 1 : high].argmax()) for low, high in pairwise(edges) if high - low > 1]
    return words.words[max(bests, key=words.prior.__getitem__)]


def expected_rounds(prior: Sequence[float] | NDArray[np.float64], *, handshake: bool = False) -> float:
    """Return the exact mean number of rounds in which halving the mass finds a word drawn from the prior.

    Each round asks for half of the remaining mass (see `split`), which is answered without error, and then guesses the
    most probable word; with a handshake the first round asks about the partner instead, and guesses all the same. To
    compare with `evaluation.fewest_rounds`.

    Args:
        prior: positive weights of the words in alphabetical order; they need not sum to 1.
        handshake: whether the first round is spent on the handshake.
    """
    mass = np.asarray(prior, dtype=np.float64)
    if mass.ndim != 1 or not mass.size or not (np.isfinite(mass).all() and (mass > 0).all()):
        raise ValueError("expected at least one word, with positive, finite weights")
    return float(mass @ halve_and_guess_best(mass, handshake=handshake) / mass.sum())


def _half(mass: NDArray[np.float64]) -> int:
    """Return the boundary in 1..m-1 that splits m words of positive mass most evenly, the first of equals."""
    before = np.cumsum(mass)
    apart = np.abs(2 * before[:-1] - before[-1])
    return 1 + int(np.flatnonzero(apart <= apart.min() + _TIE * before[-1])[0])


def _split_at(words: WordList, left: NDArray[np.intp], boundary: int) -> Split:
    """Return the question that parts the first words left from the others."""
    mass = words.prior[left]
    question = alphabetical(words.words[int(left[boundary])].lower())
    return Split(question, float(mass[:boundary].sum() / mass.sum()))


def _split_long(words: WordList, interval: Interval) -> Split:
    """Return the most even split by prefix sums, in time logarithmic in the length of the interval."""
    low, high = interval.low, interval.high
    struck = _struck_out(interval)
    struck_before = np.concatenate(([0.0], np.cumsum(words.prior[struck])))

    def before(boundary: int) -> float:
        return float(words.before[boundary] - words.before[low] - struck_before[bisect_left(struck, boundary)])

    total = before(high)
    after_half = bisect_left(range(low, high), total / 2, key=before) + low
    first, last = _left_from(struck, low, 1), _left_from(struck, high - 1, -1)
    options = [min(max(boundary, first + 1), last) for boundary in (after_half - 1, after_half)]
    options = [_left_from(struck, boundary, 1) for boundary in options]
    apart = [abs(2 * before(option) - total) for option in options]
    boundary = options[apart[0] > apart[1] + _TIE * total]
    return Split(alphabetical(words.words[boundary].lower()), before(boundary) / total)


def _left_from(struck: Sequence[int], position: int, step: int) -> int:
    """Return the first position from the given one on, up or down, that is not struck out."""
    while position in struck:
        position += step
    return position


def _left(interval: Interval) -> NDArray[np.intp]:
    """Return the positions of the words left."""
    kept = np.ones(max(0, interval.high - interval.low), dtype=np.bool_)
    kept[[position - interval.low for position in _struck_out(interval)]] = False
    return np.flatnonzero(kept) + interval.low


def _struck_out(interval: Interval) -> list[int]:
    """Return the positions within the interval that were struck out, in order."""
    return sorted(position for position in interval.excluded if interval.low <= position < interval.high)
