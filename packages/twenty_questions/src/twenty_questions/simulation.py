"""Whole games between a guesser and a partner of known behaviour, many at once, seeded.

A game here is one pair's: ask, answer, guess, at most `rounds` times; there is no rival pair. The reward is the
contest's, `rounds` + 1 - r (there 21 - r) for a hit in round r and -1 for none.

Every game gets its own generator from the seed and its position, so that results do not depend on the order or the
number of games that are played. Games with equal histories share the guesser's thinking, which is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.belief import Answer
from twenty_questions.questions import Question
from twenty_questions.simulated_partners import Partner
from twenty_questions.strategies import Strategy
from twenty_questions.words import Keyword, matches

__all__ = [
    "Outcome",
    "Summary",
    "simulate",
    "summarise",
    "wilson_interval",
]

_Z = 1.959963984540054


class Outcome(NamedTuple):
    """How each game ended.

    Attributes:
        found_in: int64, shape (games,): the round of the hit, from 1; 0 where there was none.
        questions: the keys asked, per game.
        guesses: what was guessed, per game, the hit included.
    """

    found_in: NDArray[np.int64]
    questions: tuple[tuple[str, ...], ...]
    guesses: tuple[tuple[str, ...], ...] = ()


class Summary(NamedTuple):
    """Figures over games, with 95 % intervals.

    Attributes:
        games: number of games.
        find_rate: weighted share of games with a hit.
        find_rate_interval: Wilson interval, for the effective number of games when they are weighted.
        mean_rounds: weighted mean round of the hits; NaN without any.
        mean_reward: weighted mean of rounds + 1 - r, with -1 for no hit.
        mean_reward_interval: normal interval of that mean.
        found_by_round: shape (rounds,): weighted share of games with a hit in round r or before.
    """

    games: int
    find_rate: float
    find_rate_interval: tuple[float, float]
    mean_rounds: float
    mean_reward: float
    mean_reward_interval: tuple[float, float]
    found_by_round: NDArray[np.float64]


def simulate(
    strategy: Strategy,
    partner: Partner,
    keywords: Sequence[Keyword],
    *,
    seed: int,
    first: int = 0,
    rounds: int = 20,
) -> Outcome:
    """Play one game for each keyword.

    Args:
        strategy: the guesser.
        partner: answers for the keyword.
        keywords: the secrets, one a game; any that the partner knows.
        seed: of the partner's draws; near-ties of questions are broken by the same seed, equally in all games.
        first: the number of the first game among all that are simulated, so that a part gives what the whole gives.
        rounds: how many rounds a game has, at least 1.
    """
    tree = _GameTree(strategy, seed)
    found_in = np.zeros(len(keywords), dtype=np.int64)
    asked: list[tuple[str, ...]] = []
    guessed: list[tuple[str, ...]] = []
    for game, keyword in enumerate(keywords):
        rng = np.random.default_rng([seed, first + game])
        node = tree.root()
        keys, guesses = [], []
        for number in range(1, rounds + 1):
            question = tree.question(node)
            keys.append(question.key)
            guess, node = tree.after(node, partner(keyword, question, rng))
            guesses.append(guess)
            if matches(guess, keyword):
                found_in[game] = number
                break
        asked.append(tuple(keys))
        guessed.append(tuple(guesses))
    return Outcome(found_in, tuple(asked), tuple(guessed))


class _Node:
    """A point in the game where a question is due; it is chosen when a game comes by."""

    __slots__ = ("after", "depth", "question", "state")

    def __init__(self, state: Any, depth: int) -> None:
        self.state, self.depth = state, depth
        self.question: Question | None = None
        self.after: dict[Answer, tuple[str, _Node]] = {}


class _GameTree:
    """The guesser's thinking, shared between games that have the same history.

    Only the first rounds are kept: further down few games meet, and each node holds a state.
    """

    def __init__(self, strategy: Strategy, seed: int) -> None:
        self._strategy, self._seed = strategy, seed
        self._root: _Node | None = None

    def root(self) -> _Node:
        """Return the opening."""
        if self._root is None:
            self._root = _Node(self._strategy.start(), depth=0)
        return self._root

    def question(self, node: _Node) -> Question:
        """Return the question at a point."""
        if node.question is None:
            node.question = self._strategy.ask(node.state, np.random.default_rng([self._seed, node.depth]))
        return node.question

    def after(self, node: _Node, answer: Answer) -> tuple[str, _Node]:
        """Return the guess that follows an answer, and where the game stands after that guess has failed."""
        if answer in node.after:
            return node.after[answer]
        heard = self._strategy.hear(node.state, self.question(node).text, answer)
        guess = self._strategy.guess(heard)
        step = (guess, _Node(self._strategy.miss(heard, guess), depth=node.depth + 1))
        if node.depth < self._strategy.shared_rounds:
            node.after[answer] = step
        return step


def summarise(outcome: Outcome, *, rounds: int = 20, weights: NDArray[np.float64] | None = None) -> Summary:
    """Return the figures of many games.

    Args:
        outcome: what happened.
        rounds: how many rounds a game had.
        weights: shape (games,), not negative, not all zero; how much each game counts (all alike if None). With
            weights w that sum to 1 the effective number of games is 1 / sum w^2 (Kish).

    Raises:
        ValueError: if there is no game, or the weights do not fit.
    """
    games = len(outcome.found_in)
    share = np.full(games, 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    if games == 0 or share.shape != (games,) or (share < 0).any() or share.sum() <= 0:
        raise ValueError(f"expected at least one game and a weight for each, got {games} games and {share.shape}")
    share = share / share.sum()
    effective = float(1 / (share**2).sum())
    hit = outcome.found_in > 0
    find_rate = min(1.0, float(share[hit].sum()))
    rewards = np.where(hit, rounds + 1 - outcome.found_in, -1).astype(np.float64)
    mean_reward = float(share @ rewards)
    error = float(np.sqrt(share @ (rewards - mean_reward) ** 2 / max(effective - 1, 1)))
    by_round = np.asarray([share[hit & (outcome.found_in <= number)].sum() for number in range(1, rounds + 1)])
    return Summary(
        games=games,
        find_rate=find_rate,
        find_rate_interval=wilson_interval(find_rate, effective),
        mean_rounds=float(share[hit] @ outcome.found_in[hit] / find_rate) if hit.any() else float("nan"),
        mean_reward=mean_reward,
        mean_reward_interval=(mean_reward - _Z * error, mean_reward + _Z * error),
        found_by_round=by_round,
    )


def wilson_interval(rate: float, trials: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate seen in a (possibly effective, so fractional) number of trials.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if trials <= 0 or not 0 <= rate <= 1:
        raise ValueError(f"expected a rate in [0, 1] and a positive number of trials, got {rate} and {trials}")
    centre = (rate + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
