"""A game with a person who thinks of something, as a value: every step returns a new session.

Unlike the contest's rounds, a person is asked to confirm a guess only when the guess is worth a turn; a wrong one is
excluded and the game goes on. What has happened is kept as a list of events, from which any earlier point can be
rebuilt: undo is a replay without the last event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from twenty_questions import guesser
from twenty_questions.belief import Answer, posterior
from twenty_questions.guesser import GuesserConfig, GuesserState
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable

__all__ = ["Event", "Session", "SessionConfig", "Turn", "answer", "answers_given", "begin", "confirm", "undo"]

Stage = Literal["asking", "guessing", "found", "lost"]


class SessionConfig(NamedTuple):
    """How a game with a person goes.

    Attributes:
        guesser: how questions are chosen and answers believed.
        turns: questions and guesses together, after which the game is lost; 0 for no end.
        confidence: a guess is made once its probability reaches this.
        seed: breaks near-ties between questions.
    """

    guesser: GuesserConfig
    turns: int = 20
    confidence: float = 0.6
    seed: int = 0


class Event(NamedTuple):
    """What the person said: an answer to a question, or that a guess was wrong or right."""

    question: Question | None
    answer: Answer | None
    guess: str | None = None
    correct: bool | None = None


class Turn(NamedTuple):
    """One question or guess that is behind us.

    Attributes:
        event: what happened.
        bits: how much the answer told: the divergence KL(after || before) of the posteriors. Its expectation over
            the answers is the information gain by which the question was chosen; it is never negative.
        top: the most probable keywords after it, with probabilities.
    """

    event: Event
    bits: float
    top: tuple[tuple[str, float], ...]


class Session(NamedTuple):
    """A game at one point.

    Attributes:
        stage: whether a question or a guess is open, or how the game ended.
        state: the guesser's.
        turns: what is behind us.
        question: the open question.
        expected_bits: what its answer is expected to tell.
        guess: the open guess, or the right one once found.
        top: the most probable keywords now.
    """

    stage: Stage
    state: GuesserState
    turns: tuple[Turn, ...]
    question: Question | None
    expected_bits: float
    guess: str | None
    top: tuple[tuple[str, float], ...]


def begin(table: AnswerTable, config: SessionConfig) -> Session:
    """Return a new game, its first question open."""
    return _open(table, config, guesser.start(table, config.guesser), ())


def answer(table: AnswerTable, config: SessionConfig, session: Session, given: Answer) -> Session:
    """Return the game after an answer to the open question.

    Raises:
        ValueError: if no question is open.
    """
    if session.stage != "asking" or session.question is None:
        raise ValueError(f"expected an open question, got a game that is {session.stage}")
    state = guesser.observe(table, session.state, session.question.text, given, config.guesser)
    bits = divergence_bits(posterior(state.belief), posterior(session.state.belief))
    turn = Turn(Event(session.question, given), bits, _top(table, state, config))
    return _open(table, config, state, (*session.turns, turn))


def confirm(table: AnswerTable, config: SessionConfig, session: Session, correct: bool) -> Session:
    """Return the game after the open guess was called right or wrong.

    Raises:
        ValueError: if no guess is open.
    """
    if session.stage != "guessing" or session.guess is None:
        raise ValueError(f"expected an open guess, got a game that is {session.stage}")
    event = Event(None, None, session.guess, correct)
    if correct:
        return session._replace(stage="found", turns=(*session.turns, Turn(event, 0.0, session.top)))
    state = guesser.exclude(table, session.state, session.guess)
    bits = divergence_bits(posterior(state.belief), posterior(session.state.belief))
    return _open(table, config, state, (*session.turns, Turn(event, bits, _top(table, state, config))))


def undo(table: AnswerTable, config: SessionConfig, session: Session) -> Session:
    """Return the game as it was before the last answer or verdict; unchanged at the start."""
    return _replay(table, config, [turn.event for turn in session.turns[:-1]])


def answers_given(session: Session) -> dict[str, Answer]:
    """Return the answers so far, by question key."""
    return {
        turn.event.question.key: turn.event.answer
        for turn in session.turns
        if turn.event.question is not None and turn.event.answer is not None
    }


def divergence_bits(after: np.ndarray, before: np.ndarray) -> float:
    """Return KL(after || before) in bits; keywords without mass afterwards count nothing.

    Infinite only if mass appears where there was none, which the steps of a game cannot do.
    """
    held = after > 0
    return max(0.0, float(after[held] @ np.log2(after[held] / before[held])))


def _replay(table: AnswerTable, config: SessionConfig, events: Sequence[Event]) -> Session:
    session = begin(table, config)
    for event in events:
        if event.answer is not None:
            session = answer(table, config, session, event.answer)
        else:
            session = confirm(table, config, session, bool(event.correct))
    return session


def _top(table: AnswerTable, state: GuesserState, config: SessionConfig) -> tuple[tuple[str, float], ...]:
    return guesser.choose_guess(table, state, config.guesser)[1].top


def _open(table: AnswerTable, config: SessionConfig, state: GuesserState, turns: tuple[Turn, ...]) -> Session:
    guess, info = guesser.choose_guess(table, state, config.guesser)
    if config.turns and len(turns) >= config.turns:
        return Session("lost", state, turns, None, 0.0, None, info.top)
    last_turn = bool(config.turns) and len(turns) == config.turns - 1
    if info.top[0][1] >= config.confidence or last_turn:
        return Session("guessing", state, turns, None, 0.0, guess, info.top)
    rng = np.random.default_rng([config.seed, len(turns)])
    question, expected = guesser.choose_question(table, state, config.guesser, rng)
    if expected.information_bits <= 0:
        return Session("guessing", state, turns, None, 0.0, guess, info.top)
    return Session("asking", state, turns, question, expected.information_bits, None, info.top)
