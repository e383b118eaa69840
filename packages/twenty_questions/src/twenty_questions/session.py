"""A game with a person who thinks of something, as a value: every step returns a new session.

In the contest every round ends with a guess. A person is asked to confirm a guess only when it is worth a turn: once
it is probable enough, when nothing else is worth asking, and on the last turn. A wrong guess rules itself out, and the
game goes on.

People find questions of spelling dull, so these wait until late in the game, or until no question of meaning tells
much.

A session remembers the one before it, so undo is exact and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions import guesser
from twenty_questions.belief import Answer, Belief, entropy_bits, posterior
from twenty_questions.guesser import GuesserConfig, GuesserState
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable
from twenty_questions.transcripts import Round

__all__ = [
    "PERSON",
    "Session",
    "SessionConfig",
    "Stage",
    "Turn",
    "answer",
    "answers_given",
    "begin",
    "confirm",
    "divergence_bits",
    "transcript_of",
    "undo",
]

Stage = Literal["asking", "guessing", "found", "lost", "stuck"]
"""A question or a guess is open; or the game is over: found, out of turns, or with nothing left to ask or to guess."""

PERSON = GuesserConfig(handshake=False, noise=0.08, letter_noise=0.08, letters_from=15, tie_bits=0.03, endgame_words=1)
"""How to ask and believe a person.

They see some things otherwise than the table does, find questions of spelling dull, and like games to differ from the
first question on. The end game counts on a guess in every round, so it is left out.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionConfig:
    """How a game with a person goes.

    Attributes:
        guesser: how questions are chosen and answers believed; without its `letters` no question of spelling is asked.
        turns: questions and guesses together, after which the game is lost; 0 for no end.
        confidence: a guess is made once its probability reaches this, in [0, 1].
        spelling_below: before the guesser's `letters_from`, a question of spelling is asked only when no question of
            meaning is expected to tell so many bits.
        worth_asking: a question that is expected to tell fewer bits is not asked at all.
        worth_guessing: with nothing left to ask, a guess less probable than this is not made either.
        seed: breaks near-ties between questions.
    """

    guesser: GuesserConfig = PERSON
    turns: int = 20
    confidence: float = 0.5
    spelling_below: float = 0.3
    worth_asking: float = 0.005
    worth_guessing: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.turns < 0 or self.seed < 0:
            raise ValueError(f"expected turns and seed of at least 0, got {self.turns} and {self.seed}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected confidence in [0, 1], got {self.confidence}")
        if self.guesser.handshake:
            raise ValueError("expected a guesser without the handshake: a person does not know it")


class Turn(NamedTuple):
    """One question or guess that is behind us.

    Attributes:
        question: what was asked; None if it was a guess.
        answer: what the person said to it.
        guess: what was guessed; None if it was a question.
        correct: whether the guess was right.
        bits: how much the reply told: the divergence KL(after || before) of the posteriors. Its expectation over the
            answers is the information gain by which the question was chosen; it is never negative.
        left_bits: the entropy that is left: about 2 ** left_bits things are still likely.
        top: the most probable keywords after it, with probabilities.
    """

    question: Question | None
    answer: Answer | None
    guess: str | None
    correct: bool | None
    bits: float
    left_bits: float
    top: tuple[tuple[str, float], ...]


class Session(NamedTuple):
    """A game at one point.

    Attributes:
        stage: whether a question or a guess is open, or how the game ended.
        state: the guesser's.
        turns: what is behind us.
        top: the most probable keywords now, with probabilities; empty if everything is ruled out.
        question: the open question.
        expected_bits: what its answer is expected to tell.
        guess: the open guess, or the right one once found.
        before: the game before the last reply; None at its start.
    """

    stage: Stage
    state: GuesserState
    turns: tuple[Turn, ...]
    top: tuple[tuple[str, float], ...]
    question: Question | None = None
    expected_bits: float = 0.0
    guess: str | None = None
    before: Session | None = None


def begin(table: AnswerTable, config: SessionConfig) -> Session:
    """Return a new game, its first question open."""
    return _open(table, config, guesser.start(table, config.guesser), (), None)


def answer(table: AnswerTable, config: SessionConfig, session: Session, given: Answer) -> Session:
    """Return the game after an answer to the open question.

    Raises:
        ValueError: if no question is open.
    """
    if session.stage != "asking" or session.question is None:
        raise ValueError(f"expected an open question, got a game that is {session.stage}")
    state = guesser.observe(table, session.state, session.question.text, given, config.guesser)
    turn = _turn(table, config, session, state, question=session.question, answer=given)
    return _open(table, config, state, (*session.turns, turn), session)


def confirm(table: AnswerTable, config: SessionConfig, session: Session, correct: bool) -> Session:
    """Return the game after the open guess was called right or wrong.

    Raises:
        ValueError: if no guess is open.
    """
    if session.stage != "guessing" or session.guess is None:
        raise ValueError(f"expected an open guess, got a game that is {session.stage}")
    if correct:
        bits = max(0.0, -float(np.log2(session.top[0][1])))
        turn = Turn(None, None, session.guess, True, bits, 0.0, ((session.guess, 1.0),))
        return session._replace(stage="found", turns=(*session.turns, turn), top=turn.top, before=session)
    state = guesser.exclude(table, session.state, session.guess)
    turn = _turn(table, config, session, state, guess=session.guess, correct=False)
    return _open(table, config, state, (*session.turns, turn), session)


def undo(session: Session) -> Session:
    """Return the game as it was before the last answer or verdict; unchanged at the start."""
    return session.before or session


def answers_given(session: Session) -> dict[str, Answer]:
    """Return the answers so far, by question key."""
    return {turn.question.key: turn.answer for turn in session.turns if turn.question and turn.answer}


def transcript_of(session: Session) -> tuple[Round, ...]:
    """Return the game as a transcript: a guess belongs to the round of the question before it, if that has none yet."""
    rounds: list[Round] = []
    for turn in session.turns:
        if turn.question is not None:
            rounds.append(Round(turn.question.text, turn.answer))
        elif rounds and rounds[-1].guess is None:
            rounds[-1] = replace(rounds[-1], guess=turn.guess)
        else:
            rounds.append(Round(guess=turn.guess))
    return tuple(rounds)


def divergence_bits(after: Belief, before: Belief) -> float:
    """Return KL(after || before) of two posteriors in bits; 0 where nothing is left to hold any mass.

    Computed from log-probabilities, so that it is finite even when a wrong guess ruled out all but 1e-300 of the mass.

    Args:
        after: a belief that grew out of `before`, so that it rules out all that `before` does.
        before: the belief earlier on.
    """
    if after.excluded.all():
        return 0.0
    left = ~after.excluded
    log_after, log_before = _log_posterior(after), _log_posterior(before)
    total = float(np.exp(log_after[left]) @ (log_after[left] - log_before[left]))
    return max(0.0, total / float(np.log(2)))


def _log_posterior(belief: Belief) -> NDArray[np.float64]:
    log_p = np.where(belief.excluded, -np.inf, belief.log_posterior)
    return np.asarray(log_p - np.logaddexp.reduce(log_p))


def _turn(
    table: AnswerTable,
    config: SessionConfig,
    session: Session,
    state: GuesserState,
    *,
    question: Question | None = None,
    answer: Answer | None = None,
    guess: str | None = None,
    correct: bool | None = None,
) -> Turn:
    bits = divergence_bits(state.belief, session.state.belief)
    top = _top(table, config, state)
    left = entropy_bits(posterior(state.belief)) if top else 0.0
    return Turn(question, answer, guess, correct, bits, left, top)


def _top(table: AnswerTable, config: SessionConfig, state: GuesserState) -> tuple[tuple[str, float], ...]:
    top = guesser.choose_guess(table, state, config.guesser)[1].top
    return tuple(pair for pair in top if pair[1] > 0)


def _open(
    table: AnswerTable, config: SessionConfig, state: GuesserState, turns: tuple[Turn, ...], before: Session | None
) -> Session:
    """Return the session with the next question or guess open, or over."""
    top = _top(table, config, state)
    here = Session("stuck", state, turns, top, before=before)
    turns_left = config.turns - len(turns) if config.turns else None
    if turns_left == 0:
        return here._replace(stage="lost")
    if not top:
        return here
    guess, probability = top[0]
    guessing = here._replace(stage="guessing", guess=guess)
    if turns_left == 1 or probability >= config.confidence:
        return guessing
    question, expected_bits = _next_question(table, config, state, np.random.default_rng([config.seed, len(turns)]))
    if question is not None:
        return here._replace(stage="asking", question=question, expected_bits=expected_bits)
    return guessing if probability >= config.worth_guessing else here


def _next_question(
    table: AnswerTable, config: SessionConfig, state: GuesserState, rng: np.random.Generator
) -> tuple[Question | None, float]:
    """Return the question to ask and the bits it is expected to tell; None if none is new and worth it."""
    late = state.rounds + 1 >= config.guesser.letters_from
    best, expected = None, 0.0
    for letters in (False, True) if config.guesser.letters else (False,):
        if letters and not late and expected >= config.spelling_below:
            break
        how = replace(config.guesser, letters=letters, letters_from=1)
        question, info = guesser.choose_question(table, state, how, rng)
        # With the table's questions used up the guesser repeats itself, or turns to spelling unasked.
        repeated = question.key in dict(state.asked)
        unasked = question.kind != "table" and not letters
        if not repeated and not unasked and info.information_bits >= max(expected, config.worth_asking):
            best, expected = question, info.information_bits
    return best, expected
