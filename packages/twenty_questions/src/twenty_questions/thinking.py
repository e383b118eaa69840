"""A game in which the machine thinks of something and a person asks, as a value: every turn returns a new game.

The machine answers as its table says, so what was told rules keywords out for certain: those for which it would have
said something else. A turn tells -log2 of the share of prior mass that still fits after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.belief import Answer
from twenty_questions.hearing import Heard
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.transcripts import Round
from twenty_questions.words import matches

__all__ = ["ThinkingGame", "Told", "answer", "begin", "guess", "hint", "spoken_answers"]

_LEAST: Mapping[Answer, float] = {"yes": 0.9, "probably": 0.6, "unknown": 0.4, "probably not": 0.1, "no": 0.0}
"""From which probability of yes on each answer is given."""

_ROWS = 256


class ThinkingGame(NamedTuple):
    """A game at one point.

    Attributes:
        row: the secret.
        fits: bool, shape (K,), the keywords for which the person would have been told the same.
        turns: how many are behind them.
        told: keys of the questions whose answer they know.
        rounds: what was asked, answered and guessed.
        found: whether the last guess was right.
    """

    row: int
    fits: NDArray[np.bool_]
    turns: int = 0
    told: frozenset[str] = frozenset()
    rounds: tuple[Round, ...] = ()
    found: bool = False


class Told(NamedTuple):
    """How much a turn told in bits, and how many keywords fit after it."""

    bits: float
    left: int


def begin(table: AnswerTable, rng: np.random.Generator) -> ThinkingGame:
    """Return a new game, its secret drawn from the table's prior."""
    row = int(rng.choice(len(table.keywords), p=table.prior))
    return ThinkingGame(row, np.ones(len(table.keywords), dtype=np.bool_))


def spoken_answers(p_yes: NDArray[np.float64]) -> list[Answer]:
    """Return what the machine says to a question about each keyword, whose P(yes) are these, in [0, 1]."""
    return [next(answer for answer, least in _LEAST.items() if p >= least) for p in p_yes.tolist()]


def answer(table: AnswerTable, game: ThinkingGame, text: str, heard: Heard) -> tuple[ThinkingGame, Answer, Told]:
    """Return the game after a question, the answer to it, and what that told."""
    answers = spoken_answers(heard.p_yes)
    said = answers[game.row]
    after = _narrowed(game, np.array([other == said for other in answers]))
    known = game.told | ({heard.question.key} if heard.question else set())
    after = after._replace(told=known, rounds=(*game.rounds, Round(text, said)))
    return after, said, _told(table, game, after)


def guess(table: AnswerTable, game: ThinkingGame, name: str) -> tuple[ThinkingGame, Told] | None:
    """Return the game after a guess, and what it told; None for a name that no keyword has, which costs no turn."""
    rows = positions_matching(index_of(table), name)
    found = matches(name, table.keywords[game.row])
    if not rows:
        return None
    named = np.zeros(len(table.keywords), dtype=np.bool_)
    named[rows] = True
    after = _narrowed(game, named == found)._replace(found=found, rounds=_with_guess(game.rounds, name))
    return after, _told(table, game, after)


def hint(table: AnswerTable, game: ThinkingGame) -> tuple[ThinkingGame, Question, Told] | None:
    """Return the game after a hint: the question to which the secret is a sure yes, and as little else as can be.

    None if they know every such answer.
    """
    is_sure = probability_of(np.arange(256)) >= _LEAST["yes"]
    possible = np.flatnonzero(is_sure[table.codes[game.row]] & index_of(table).is_table)
    columns = [column for column in possible.tolist() if table.questions[column].key not in game.told]
    if not columns:
        return None
    fits = np.flatnonzero(game.fits)
    shares = np.zeros(len(columns))
    for start in range(0, fits.size, _ROWS):
        rows = fits[start : start + _ROWS]
        shares += table.prior[rows] @ is_sure[table.codes[rows][:, columns]]
    column = columns[int(shares.argmin())]
    question = table.questions[column]
    after = _narrowed(game, is_sure[table.codes[:, column]])
    after = after._replace(told=game.told | {question.key}, rounds=(*game.rounds, Round(question.text, "yes")))
    return after, question, _told(table, game, after)


def _narrowed(game: ThinkingGame, also: NDArray[np.bool_]) -> ThinkingGame:
    return game._replace(fits=game.fits & also, turns=game.turns + 1)


def _told(table: AnswerTable, before: ThinkingGame, after: ThinkingGame) -> Told:
    share = table.prior[after.fits].sum() / table.prior[before.fits].sum()
    return Told(max(0.0, -float(np.log2(share))), int(after.fits.sum()))


def _with_guess(rounds: tuple[Round, ...], name: str) -> tuple[Round, ...]:
    """Return the rounds with a guess: in the last one, unless that has one already."""
    if rounds and rounds[-1].guess is None:
        return (*rounds[:-1], replace(rounds[-1], guess=name))
    return (*rounds, Round(guess=name))
