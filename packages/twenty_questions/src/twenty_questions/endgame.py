"""Play for the reward over the few words that hold the mass: what each question is worth, guesses included.

A round is a question, its answer and a guess. With R rounds left, this one included, a hit is worth R + 1 and no hit by
the end 0: the contest's 21 - r and -1, shifted. The belief is joint over partner types t and words k, w_tk. After
answer a to question q it is w_tk P(a | q, t, k); the word guessed earns (R + 1) times what it holds over all types, is
struck out, and the rest is played for R - 1 rounds. A question is not asked twice, since a partner repeats its answer.

`reward_to_go` looks some rounds ahead, guesses the most probable word, and puts a limit in the place of what follows.
`solve` plays every instance to its end, the choice of guesses included.

**The limit.** Let c be the largest probability of any answer to any question. A history of r answers then has at most
the probability c^r given the word. Round r has at most 2^r histories, each with one guess, so the shares of words that
are found in it, added over words, are at most (2c)^r; and the shares of one word, added over rounds, at most 1. The
value is largest when probable words are found first:

    V <= sum_r (R + 2 - r) (mass of the words of ranks from K_(r-1) to K_r),    K_r = 2c + (2c)^2 + ... + (2c)^r,

where a rank may be shared by two rounds. Without noise c = 1, and this is the limit of `evaluation.fewest_rounds`: 2^r
words in round r. At c = 1/2 answers say nothing, and one word a round can be found. So of a bit, an answer is good for
1 + log2(c). The same holds for each type alone with its own c; that the type were known can only help, so the sum over
types is a limit, too, and the lesser of the two is taken. The values of `reward_to_go` are thus upper bounds that fall
as it looks further, and a question whose bound is less than another's value at full depth needs no further look.

**What it gains.** Over made-up positions of 24 to 32 words, 24 to 32 questions and 4 to 10 rounds left, with a noise of
0 to 0.2, depth 1 earns 0.07 to 0.11 a game more than asking for the most information, with a standard error of 0.04 or
less. What depth 2 adds to that lies within the error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solution", "reward_limit", "reward_to_go", "solve"]

_ROUNDING = 1e-12

Floats = NDArray[np.float64]


class Solution(NamedTuple):
    """The best play.

    Attributes:
        value: the expected utility of the rest of the game: R + 1 for a hit now, R in the next round, ..., 0 for none.
        question: which question to ask now; -1 if there is none.
    """

    value: float
    question: int


def reward_to_go(weights: Floats, p_yes: Floats, rounds_left: int, depth: int, *, beam: int | None = 8) -> Floats:
    """Return what asking each question now is worth, with the most probable word guessed after each answer.

    Args:
        weights: float64, shape (T, M), P(type, word) of the words that may be guessed, at least 0; they sum to at most
            1, and what they lack cannot be found.
        p_yes: float64, shape (Q, T, M), P(yes | question, type, word), noise included, in [0, 1].
        rounds_left: R, at least 1, the round of these questions included.
        depth: how many rounds are played out before the limit stands in, at least 1. From `rounds_left` on nothing
            stands in, and the value is that of this way of guessing.
        beam: beyond depth 1, how many of the best questions are looked at further in each round; None for all that
            may be best. Others are put below the best of these, so that none is preferred for its shallower look.

    Returns:
        float64, shape (Q,), in [0, R + 1]: upper bounds at less than full depth.

    Raises:
        ValueError: if a shape or number is out of range.
    """
    weights, p_yes = _checked(weights, p_yes, rounds_left)
    if depth < 1 or (beam is not None and beam < 1):
        raise ValueError(f"expected a depth and a beam of at least 1, got {depth} and {beam}")
    fresh = np.ones(len(p_yes), dtype=np.bool_)
    return _look(weights, p_yes, fresh, rounds_left, depth, beam, _surest(weights, p_yes))


def solve(weights: Floats, p_yes: Floats, rounds_left: int) -> Solution:
    """Return the value of the best play and a question that begins it, by dynamic programming to the end of the game.

    Every question and every guess is considered, save those that the limit rules out. Positions met before are looked
    up. Without noise they are few: a set of words and the rounds left, whatever was asked. That is quick for some 16
    words and 48 questions; with noise hardly any two histories meet, and it is for some 5 words and 3 rounds.

    Args:
        weights: as in `reward_to_go`.
        p_yes: as in `reward_to_go`.
        rounds_left: as in `reward_to_go`.

    Raises:
        ValueError: if a shape or number is out of range.
    """
    weights, p_yes = _checked(weights, p_yes, rounds_left)
    surest = _surest(weights, p_yes)
    noiseless = bool(((p_yes == 0) | (p_yes == 1)).all())
    known: dict[tuple[int, bytes, bytes], Solution] = {}

    def ask(left: Floats, fresh: NDArray[np.bool_], rounds: int) -> Solution:
        if rounds == 0 or not left.any():
            return Solution(0.0, -1)
        # A noiseless question asked again tells nothing new, so it need not be told apart.
        key = (rounds, left.tobytes(), b"" if noiseless else fresh.tobytes())
        if key not in known:
            known[key] = _best_question(left, fresh, rounds)
        return known[key]

    def _best_question(left: Floats, fresh: NDArray[np.bool_], rounds: int) -> Solution:
        best = Solution(-1.0, -1)
        if not fresh.any():
            return Solution(guess(left, fresh, rounds), -1)
        questions = np.flatnonzero(fresh)
        sides = _answered(left, p_yes[questions])
        bounds = _limit(sides, surest, rounds, guess_first=True).sum(axis=0)
        for position in np.argsort(-bounds, kind="stable"):
            if bounds[position] <= best.value + _ROUNDING:
                break
            others = fresh.copy()
            others[questions[position]] = noiseless
            value = guess(sides[0, position], others, rounds) + guess(sides[1, position], others, rounds)
            if value > best.value + _ROUNDING:
                best = Solution(value, int(questions[position]))
        return best

    def guess(left: Floats, fresh: NDArray[np.bool_], rounds: int) -> float:
        by_word = left.sum(axis=0)
        words = np.argsort(-by_word, kind="stable")[: np.count_nonzero(by_word)]
        rests = np.repeat(left[None], len(words), axis=0)
        rests[np.arange(len(words)), :, words] = 0.0
        bounds = by_word[words] * (rounds + 1) + _limit(rests, surest, rounds - 1)
        best = 0.0
        for position in np.argsort(-bounds, kind="stable"):
            if bounds[position] <= best + _ROUNDING:
                break
            later = ask(rests[position], fresh, rounds - 1).value
            best = max(best, float(by_word[words[position]]) * (rounds + 1) + later)
        return best

    return ask(weights, np.ones(len(p_yes), dtype=np.bool_), rounds_left)


def reward_limit(weights: Floats, p_yes: Floats, rounds_left: int) -> float:
    """Return a limit of the expected utility that no play exceeds, whatever it asks of these questions (see above).

    Args:
        weights: as in `reward_to_go`.
        p_yes: as in `reward_to_go`; an answer's largest probability is taken from it.
        rounds_left: as in `reward_to_go`.
    """
    weights, p_yes = _checked(weights, p_yes, rounds_left)
    return float(_limit(weights, _surest(weights, p_yes), rounds_left))


def _look(
    weights: Floats,
    p_yes: Floats,
    fresh: NDArray[np.bool_],
    rounds_left: int,
    depth: int,
    beam: int | None,
    surest: Floats,
) -> Floats:
    """Return what each question is worth; minus infinity for those asked before."""
    sides = _answered(weights, p_yes)
    by_word = sides.sum(axis=2)
    guessed = by_word.argmax(axis=2)[:, :, None]
    now = (rounds_left + 1) * np.take_along_axis(by_word, guessed, axis=2)[:, :, 0].sum(axis=0)
    np.put_along_axis(sides, guessed[:, :, None], 0.0, axis=3)
    later = _limit(sides, surest, rounds_left - 1)
    values = np.where(fresh, now + later.sum(axis=0), -np.inf)
    if depth == 1 or rounds_left == 1:
        return values
    best = -np.inf
    order = np.argsort(-values, kind="stable")
    for position, question in enumerate(order):
        if values[question] <= best or not fresh[question] or position == beam:
            values[order[position:]] = np.minimum(values[order[position:]], np.nextafter(best, -np.inf))
            break
        others = fresh.copy()
        others[question] = False
        value = float(now[question])
        for side in sides[:, question]:
            if others.any():
                value += float(_look(side, p_yes, others, rounds_left - 1, depth - 1, beam, surest).max())
            else:
                value += _guesses_alone(side, rounds_left - 1)
        values[question] = value
        best = max(best, value)
    return values


def _answered(weights: Floats, p_yes: Floats) -> Floats:
    """Return the joint weights after "yes" and after "no" to each question, shape (2, Q, T, M)."""
    sides = np.empty((2, *p_yes.shape))
    np.multiply(weights, p_yes, out=sides[0])
    np.multiply(weights, 1 - p_yes, out=sides[1])
    return sides


def _limit(weights: Floats, surest: Floats, rounds_left: int, *, guess_first: bool = False) -> Floats:
    """Return the limit for joint weights of shape (..., T, M); with a guess before the first question if asked for."""
    if rounds_left == 0:
        return np.zeros(weights.shape[:-2])
    num_words = weights.shape[-1]
    # Ascending, as numpy sorts, so the payoffs are turned round.
    worth = np.array([_payoffs(num_words, float(sure), rounds_left, guess_first)[::-1] for sure in surest])
    known_type = (np.sort(weights, axis=-1) * worth).sum(axis=(-2, -1))
    if surest.size == 1:
        return np.asarray(known_type)
    pooled = np.sort(weights.sum(axis=-2), axis=-1) @ worth[surest.argmax()]
    return np.asarray(np.minimum(known_type, pooled))


def _payoffs(num_words: int, surest: float, rounds_left: int, guess_first: bool) -> Floats:
    """Return the most that the word of each rank can be worth, a multiple of its mass, shape (M,), descending."""
    answers = np.arange(0 if guess_first else 1, rounds_left + (0 if guess_first else 1))
    shares = (2 * surest) ** answers
    until = np.cumsum(shares)
    worth = rounds_left + 1.0 - np.arange(rounds_left)
    ranks = np.arange(num_words + 1.0)
    taken = np.clip(ranks[:, None] - (until - shares), 0.0, shares)
    return np.asarray(np.diff(taken @ worth))


def _guesses_alone(weights: Floats, rounds_left: int) -> float:
    """Return the value of guessing the words in order of their probability, with nothing left to ask."""
    best = np.sort(weights.sum(axis=0))[::-1][:rounds_left]
    return float(best @ (rounds_left + 1.0 - np.arange(best.size)))


def _surest(weights: Floats, p_yes: Floats) -> Floats:
    """Return each type's largest probability of any answer, shape (T,), over words that are possible."""
    sure = np.maximum(p_yes, 1 - p_yes)
    return np.asarray(np.where(weights > 0, sure, 0.5).max(axis=(0, 2), initial=0.5))


def _checked(weights: Floats, p_yes: Floats, rounds_left: int) -> tuple[Floats, Floats]:
    weights, p_yes = np.asarray(weights, dtype=np.float64), np.asarray(p_yes, dtype=np.float64)
    if weights.ndim != 2 or not weights.size or p_yes.shape[1:] != weights.shape or not len(p_yes):
        raise ValueError(f"expected weights (T, M) and p_yes (Q, T, M), got {weights.shape} and {p_yes.shape}")
    if not ((weights >= 0).all() and weights.sum() <= 1 + 1e-9):
        raise ValueError("expected weights of at least 0 that sum to at most 1")
    if not ((p_yes >= 0) & (p_yes <= 1)).all():
        raise ValueError("expected p_yes in [0, 1]")
    if rounds_left < 1:
        raise ValueError(f"expected at least 1 round left, got {rounds_left}")
    return weights, p_yes
