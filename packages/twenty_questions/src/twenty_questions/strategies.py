"""Ways to play the guesser, each as one value that a simulation or the contest's agent can drive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from twenty_questions import guesser
from twenty_questions.belief import Answer, posterior
from twenty_questions.bisection import WordList, forms_of
from twenty_questions.guesser import GuesserConfig, GuesserState
from twenty_questions.joint import belief as joint_beliefs
from twenty_questions.joint import guesser as joint
from twenty_questions.joint import universe as universes
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.guesser import JointState
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable
from twenty_questions.table_index import index_of, positions_matching

__all__ = ["Strategy", "joint_strategy", "strategy_of", "table_strategy"]


class Strategy(NamedTuple):
    """A guesser as functions of a state, which is a value of its own.

    Attributes:
        start: () to the state before the first round.
        ask: (state, generator) to the next question.
        hear: (state, text of a question, answer) to the state after it.
        guess: (state) to the guess that follows.
        miss: (state, guess) to the state after a wrong guess.
        ranked: (state) to what may be guessed if that cannot be, the most probable first.
        is_name: (text) to whether it names, by the game's rule, a word that can be the secret.
        shared_rounds: games with equal histories share the thinking of so many rounds; states are kept for it.
        kept_states: how many states of one game are worth their memory.
    """

    start: Callable[[], Any]
    ask: Callable[[Any, np.random.Generator], Question]
    hear: Callable[[Any, str, Answer], Any]
    guess: Callable[[Any], str]
    miss: Callable[[Any, str], Any]
    ranked: Callable[[Any], Iterable[str]]
    is_name: Callable[[str], bool]
    shared_rounds: int = 10
    kept_states: int = 64


def strategy_of(
    table: AnswerTable, config: GuesserConfig | JointConfig | None = None, words: WordList | None = None
) -> Strategy:
    """Return the guesser that a configuration is of.

    Args:
        table: its table.
        config: how it plays: by one belief, or from the table, as it does with None.
        words: the words that can be guessed (by one belief: besides the table's), or are bisected; the table's own
            keywords if None.
    """
    if isinstance(config, JointConfig):
        return joint_strategy(universe_of(table, words), config)
    return table_strategy(table, config or GuesserConfig(), words)


def table_strategy(table: AnswerTable, config: GuesserConfig, words: WordList | None = None) -> Strategy:
    """Return the guesser that plays from an answer table (see `guesser`).

    Args:
        table: its table.
        config: how it plays.
        words: the word list to bisect; the table's own keywords if None.
    """

    def ranked(state: GuesserState) -> Iterator[str]:
        yield from (name for name, _ in guesser.choose_guess(table, state, config)[1].top)
        by_probability = np.argsort(-posterior(state.belief), kind="stable")
        yield from (table.keywords[row].name for row in by_probability.tolist())

    def is_name(text: str) -> bool:
        listed = words is not None and forms_of(words).positions(text).size > 0
        return bool(listed or positions_matching(index_of(table), text))

    return Strategy(
        start=lambda: guesser.start(table, config, words),
        ask=lambda state, rng: guesser.choose_question(table, state, config, rng)[0],
        hear=lambda state, text, answer: guesser.observe(table, state, text, answer, config),
        guess=lambda state: guesser.choose_guess(table, state, config)[0],
        miss=lambda state, guess: guesser.exclude(table, state, guess),
        ranked=ranked,
        is_name=is_name,
    )


def joint_strategy(universe: Universe, config: JointConfig) -> Strategy:
    """Return the guesser with one belief over partner and keyword (see `joint.guesser`)."""

    def ranked(state: JointState) -> Iterator[str]:
        by_probability = np.argsort(-joint_beliefs.word_posterior(state.belief), kind="stable")
        yield from (universe.words.words[position] for position in state.belief.support[by_probability].tolist())

    return Strategy(
        start=lambda: joint.start(universe, config),
        ask=lambda state, rng: joint.choose_question(universe, state, config, rng)[0],
        hear=lambda state, text, answer: joint.observe(universe, state, text, answer, config),
        guess=lambda state: joint.choose_guess(universe, state, config)[0],
        miss=lambda state, guess: joint.exclude(universe, state, guess),
        ranked=ranked,
        is_name=lambda text: bool(universes.positions_matching(universe, [text]).size),
        # A state holds a weight for every word and type of partner: 24 MB at a million words.
        shared_rounds=3,
        kept_states=4,
    )
