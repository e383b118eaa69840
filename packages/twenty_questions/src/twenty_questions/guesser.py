"""The guesser: a history of questions and answers to the next question, and to the next guess.

It opens as the contest's original did: the first round asks the handshake. A partner who says yes keeps the protocol of
alphabetical questions, and the guesser bisects a word list; any other partner is asked from the answer table, always
the question with the least expected posterior entropy. Alphabetical answers also count as evidence in the table, at the
noise of spelling questions: when bisection runs out of words, because the list lacks the secret or the partner lied,
play goes on from the table with those answers discounted.

State in, state out: `start`, then in each round `choose_question`, `observe`, `choose_guess`, and after a wrong guess
`exclude`; or `replay` for a whole history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from twenty_questions import belief as beliefs
from twenty_questions import bisection
from twenty_questions.asking import QuestionInfo, ask, largest, p_yes
from twenty_questions.belief import Answer, Belief, entropy_bits
from twenty_questions.bisection import Interval, WordList
from twenty_questions.guesser_config import GuesserConfig
from twenty_questions.information import binary_entropy
from twenty_questions.questions import HANDSHAKE, Question, read_list
from twenty_questions.spelling_questions import recognise as recognise_spelling
from twenty_questions.table import AnswerTable
from twenty_questions.table_index import index_of, positions_matching, words_of

__all__ = [
    "GuessInfo",
    "GuesserConfig",
    "GuesserState",
    "Mode",
    "QuestionInfo",
    "choose_guess",
    "choose_question",
    "exclude",
    "observe",
    "recognise",
    "replay",
    "start",
]

Mode: TypeAlias = Literal["opening", "table", "bisection"]


class GuesserState(NamedTuple):
    """What the guesser knows.

    Attributes:
        belief: over the table's keywords.
        mode: "opening" before the handshake is answered; what questions come from after it.
        rounds: how many answers were observed.
        asked: key and answer of each recognised question, in order.
        guesses: wrong guesses, in order.
        words: the list for bisection, if one was given or is in use.
        interval: what bisection knows, once the partner has accepted the handshake.
    """

    belief: Belief
    mode: Mode
    rounds: int = 0
    asked: tuple[tuple[str, Answer], ...] = ()
    guesses: tuple[str, ...] = ()
    words: WordList | None = None
    interval: Interval | None = None


class GuessInfo(NamedTuple):
    """The most probable guesses with their probabilities, the best first."""

    top: tuple[tuple[str, float], ...]


def start(table: AnswerTable, config: GuesserConfig, words: WordList | None = None) -> GuesserState:
    """Return the state before the first round.

    Args:
        table: what is asked from when the partner declines the handshake.
        config: how to play.
        words: the list to bisect when the partner accepts it; by default the table's own keywords.
    """
    return GuesserState(beliefs.start(table.prior), "opening" if config.handshake else "table", words=words)


def observe(
    table: AnswerTable, state: GuesserState, question_text: str, answer: Answer, config: GuesserConfig
) -> GuesserState:
    """Return the state after an answer.

    The question is recognised by its wording; one that is not the guesser's own changes nothing but the round count.
    """
    question = recognise(table, question_text)
    state = state._replace(rounds=state.rounds + 1)
    if question is None:
        return state
    state = state._replace(asked=(*state.asked, (question.key, answer)))
    if question.kind == "handshake":
        return _accept_handshake(table, state) if answer in ("yes", "probably") else state._replace(mode="table")
    heard_yes = p_yes(table, question, config)
    state = state._replace(belief=beliefs.update(state.belief, heard_yes, answer, probably=config.probably))
    if state.mode == "opening":
        state = state._replace(mode="table")
    if question.kind == "alphabetical" and state.words and state.interval:
        if answer == "unknown":
            return state._replace(mode="table")
        precedes = answer in ("yes", "probably")
        interval = bisection.narrow(state.words, state.interval, question.argument, precedes)
        return _leave_if_empty(state._replace(interval=interval))
    return state


def exclude(table: AnswerTable, state: GuesserState, guess: str) -> GuesserState:
    """Return the state after a wrong guess: whatever it would have matched by the game's rule is ruled out."""
    positions = positions_matching(index_of(table), guess)
    state = state._replace(belief=beliefs.exclude(state.belief, positions), guesses=(*state.guesses, guess))
    if state.words and state.interval:
        state = _leave_if_empty(state._replace(interval=bisection.exclude(state.words, state.interval, guess)))
    return state


def replay(
    table: AnswerTable,
    config: GuesserConfig,
    rounds: Iterable[tuple[str, Answer, str | None]],
    words: WordList | None = None,
) -> GuesserState:
    """Return the state after a history of question, answer and wrong guess (None or empty: not guessed yet)."""
    state = start(table, config, words)
    for question_text, answer, guess in rounds:
        state = observe(table, state, question_text, answer, config)
        if guess:
            state = exclude(table, state, guess)
    return state


def choose_question(
    table: AnswerTable, state: GuesserState, config: GuesserConfig, rng: np.random.Generator
) -> tuple[Question, QuestionInfo]:
    """Return the question to ask next, and why: the handshake, a split of the word list, or one from the table."""
    posterior = beliefs.posterior(state.belief)
    if state.mode == "opening":
        return HANDSHAKE, QuestionInfo(0.0, 0.5, entropy_bits(posterior))
    if state.mode == "bisection" and state.words and state.interval:
        halves = bisection.split(state.words, state.interval)
        if halves:
            mass = bisection.remaining(state.words, state.interval)
            information = float(binary_entropy(halves.p_yes))
            return halves.question, QuestionInfo(information, halves.p_yes, entropy_bits(mass / mass.sum()))
    spelling = config.letters and state.rounds + 1 >= config.letters_from
    return ask(table, posterior, dict(state.asked), config, rng, spelling=spelling)


def choose_guess(table: AnswerTable, state: GuesserState, config: GuesserConfig) -> tuple[str, GuessInfo]:
    """Return the most probable guess that no wrong guess has ruled out, and the best few with their probabilities.

    If every keyword was ruled out, the guess is a text like none before it, with probability 0.
    """
    names: Sequence[str]
    if state.mode == "bisection" and state.words and state.interval:
        mass = bisection.remaining(state.words, state.interval)
        posterior, names = mass / mass.sum(), state.words.words[state.interval.low :]
    else:
        posterior = np.where(state.belief.excluded, 0.0, beliefs.posterior(state.belief))
        names = index_of(table).names
    best = largest(posterior, config.top)
    top = tuple((names[position], float(posterior[position])) for position in best if posterior[position] > 0)
    top = top or ((f"something unknown {len(state.guesses) + 1}", 0.0),)
    return top[0][0], GuessInfo(top)


def recognise(table: AnswerTable, text: str) -> Question | None:
    """Return the question that the guesser words like this, or None; letter case and outer spaces do not matter."""
    text = text.strip()
    if text.casefold() == HANDSHAKE.text.casefold():
        return HANDSHAKE
    column = index_of(table).column_of_text.get(text.casefold())
    if column is not None:
        return table.questions[column]
    return recognise_spelling(text) or read_list(text)


def _accept_handshake(table: AnswerTable, state: GuesserState) -> GuesserState:
    words = state.words or words_of(table)
    interval = bisection.start(words)
    for guess in state.guesses:
        interval = bisection.exclude(words, interval, guess)
    return _leave_if_empty(state._replace(mode="bisection", words=words, interval=interval))


def _leave_if_empty(state: GuesserState) -> GuesserState:
    assert state.words is not None
    assert state.interval is not None
    if state.mode == "bisection" and not bisection.num_left(state.words, state.interval):
        return state._replace(mode="table")
    return state
