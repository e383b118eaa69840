"""The contest's agent: an observation to an action, in either role.

It keeps nothing between calls that it could not work out again: each move folds the whole history of its observation,
so it plays on correctly after a restart, a lost move, or in any number of matches at once.

In the contest an exception or an empty text ends the match for four, so an action is always given: whatever goes wrong
inside, `make_agent` falls back on a plain action that breaks no rule of the game.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from twenty_questions.answerer import answer
from twenty_questions.belief import Answer
from twenty_questions.bisection import WordList
from twenty_questions.builtin.phrasing import wordings_of
from twenty_questions.guesser import GuesserConfig
from twenty_questions.joint.config import JointConfig
from twenty_questions.match import GUESS_LENGTH, QUESTION_LENGTH
from twenty_questions.strategies import Strategy, strategy_of
from twenty_questions.table import AnswerTable, builtin_table
from twenty_questions.table_answers import table_answers
from twenty_questions.understanding import Wording
from twenty_questions.vocabulary.packed import builtin_vocabulary
from twenty_questions.words import names_match, normalise, spellings

__all__ = ["Seen", "agent", "make_agent", "read_observation"]

MOST_ROUNDS = 64
"""More rounds than any game has; what an observation holds beyond them is passed over."""

PLAIN_QUESTION = "Is it something that a person can hold in one hand?"

Event: TypeAlias = tuple[str, Answer | None]
"""A question and its answer, or a wrong guess and None."""


class Seen(NamedTuple):
    """What an observation tells.

    Attributes:
        turn: what is wanted.
        events: the answered questions and wrong guesses, in order.
        guesses: every guess so far.
        question: the open question, for an answerer; "" if there is none.
        keyword: the secret, for an answerer; "" if it is not told.
    """

    turn: Literal["ask", "guess", "answer"] = "answer"
    events: tuple[Event, ...] = ()
    guesses: tuple[str, ...] = ()
    question: str = ""
    keyword: str = ""


def read_observation(observation: Any) -> Seen:
    """Return what an observation tells; what is missing or is not what it should be counts as not there.

    Args:
        observation: a mapping, or an object with attributes. Without a valid `turnType` the role and the lists' lengths
            tell whose turn it is; without a role either, it is the answerer's.
    """
    questions, answers, guesses = (_list(observation, name) for name in ("questions", "answers", "guesses"))
    turn, role = _field(observation, "turnType"), _field(observation, "role")
    if turn not in ("ask", "guess", "answer"):
        behind = len(guesses) < len(questions)
        turn = "answer" if role != "guesser" else "guess" if behind else "ask"
    return Seen(
        turn=turn,
        events=tuple(_events(questions, answers, guesses)),
        guesses=tuple(guess for guess in guesses if isinstance(guess, str) and guess),
        question=_text(questions[-1])[:QUESTION_LENGTH] if questions else "",
        keyword=_text(_field(observation, "keyword")),
    )


def make_agent(
    table: AnswerTable,
    config: GuesserConfig | JointConfig | None = None,
    seed: int = 0,
    *,
    words: WordList | None = None,
    wordings: Sequence[Wording] | None = None,
    fallback: Callable[[str, str], bool | None] | None = None,
) -> Callable[[Any, Any], str]:
    """Return an agent that guesses and answers from a table.

    Args:
        table: what the guesser asks from, and what the answerer knows.
        config: how the guesser plays: by one belief over partner and keyword, or from the table, as it does with None.
        seed: breaks near-ties between questions, the same way whenever the same history comes up.
        words: what the guesser can guess besides the table's keywords; from the table it bisects them with a partner
            who accepts the handshake. By default the table's keywords. They are made ready at the first question.
        wordings: other ways in which a partner may ask the table's questions.
        fallback: asked about (question, keyword) when neither the rules nor the table know the answer; None is "no".

    Returns:
        A function of an observation and a configuration (which it does not need) that never raises. A question is 1 to
        750 characters and names no word that the guesser can guess; a guess is 1 to 100 characters and, by the game's
        matching rule, never one that was wrong before; an answer is "yes" or "no".
    """
    known = table_answers(table, wordings)

    @cache
    def thinking() -> tuple[Strategy, Callable[[tuple[Event, ...]], Any]]:
        strategy = strategy_of(table, config, words)

        @lru_cache(maxsize=strategy.kept_states)
        def state_after(events: tuple[Event, ...]) -> Any:
            if not events:
                return strategy.start()
            text, heard = events[-1]
            before = state_after(events[:-1])
            return strategy.miss(before, text) if heard is None else strategy.hear(before, text, heard)

        return strategy, state_after

    def ask(seen: Seen) -> str:
        strategy, state_after = thinking()
        state = state_after(seen.events)
        question = strategy.ask(state, np.random.default_rng([seed, len(seen.events)]))
        guess = strategy.guess(state)
        asked = dict(seen.events)
        others = (other.text for other in table.questions if other.text not in asked)
        return next(
            text
            for text in itertools.chain([question.text], others, [PLAIN_QUESTION])
            if text.strip()
            and len(text) <= QUESTION_LENGTH
            and not strategy.is_name(text)
            and not names_match(text, guess)
        )

    def guess(seen: Seen) -> str:
        strategy, state_after = thinking()
        state = state_after(seen.events)
        return _new_guess(itertools.chain([strategy.guess(state)], strategy.ranked(state)), seen.guesses)

    def knows(question: str, keyword: str) -> bool | None:
        found = known(question, keyword)
        return fallback(question, keyword) if found is None and fallback else found

    def reply(seen: Seen) -> str:
        return "yes" if answer(seen.question, seen.keyword, knows).answer else "no"

    moves = {"ask": ask, "guess": guess, "answer": reply}

    def act(observation: Any, configuration: Any = None) -> str:
        seen = Seen()
        try:
            seen = read_observation(observation)
            return moves[seen.turn](seen)
        except Exception:  # the one place where anything may go wrong: an exception ends the match for all four
            return _plain_action(seen, table)

    return act


def agent(observation: Any, configuration: Any = None) -> str:
    """Play by one belief over the built-in vocabulary and table: `make_agent`'s promises hold once these are open.

    Raises:
        InputError: if the built-in vocabulary or table is missing or damaged.
    """
    return _builtin_agent()(observation, configuration)


@cache
def _builtin_agent() -> Callable[[Any, Any], str]:
    table = builtin_table()
    return make_agent(table, JointConfig(), words=builtin_vocabulary(), wordings=wordings_of(table))


def _plain_action(seen: Seen, table: AnswerTable) -> str:
    """Return an action that needs no thinking and breaks no rule."""
    if seen.turn == "guess":
        return _new_guess((keyword.name for keyword in table.keywords), seen.guesses)
    return PLAIN_QUESTION if seen.turn == "ask" else "no"


def _new_guess(candidates: Iterable[str], guesses: Iterable[str]) -> str:
    """Return the first candidate that fits, and that no earlier guess has ruled out; at worst a name made up."""
    ruled_out = {form for guess in guesses for form in spellings(guess)}
    made_up = (f"item {number}" for number in itertools.count(1))
    return next(
        name
        for name in itertools.chain(candidates, made_up)
        if name.strip() and len(name) <= GUESS_LENGTH and normalise(name) not in ruled_out
    )


def _events(questions: list[Any], answers: list[Any], guesses: list[Any]) -> Iterator[Event]:
    for said in itertools.islice(itertools.zip_longest(questions, answers, guesses), MOST_ROUNDS):
        question, reply, guess = (_text(item) for item in said)
        if question and reply:
            yield question[:QUESTION_LENGTH], _heard(reply)
        if guess:
            yield guess, None


def _heard(reply: str) -> Answer:
    said = reply.lower()
    return "yes" if "yes" in said else "no" if "no" in said else "unknown"


def _field(observation: Any, name: str) -> Any:
    return observation.get(name) if isinstance(observation, Mapping) else getattr(observation, name, None)


def _list(observation: Any, name: str) -> list[Any]:
    value = _field(observation, name)
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
