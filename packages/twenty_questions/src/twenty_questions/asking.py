"""What to ask from an answer table, and what to ask when it has nothing new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.belief import Answer, entropy_bits, through_noise
from twenty_questions.guesser_config import GuesserConfig
from twenty_questions.information import NEGLIGIBLE_BITS, binary_entropy, choose, information_gain
from twenty_questions.lookahead import entropy_left_after_guess
from twenty_questions.questions import Question
from twenty_questions.spelling_questions import halving_question, honest_answers, letter_questions
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import index_of

__all__ = ["QuestionInfo", "ask", "largest", "p_yes"]

_SPELLED_KEYWORDS = 256
"""Spelling questions are made up for so many of the most probable keywords."""


class QuestionInfo(NamedTuple):
    """Why a question was chosen.

    Attributes:
        information_bits: what its answer is expected to tell about the keyword.
        p_yes: how probable the answer "yes" is.
        entropy_bits: the uncertainty about the keyword before it is asked.
    """

    information_bits: float
    p_yes: float
    entropy_bits: float


def p_yes(
    table: AnswerTable, question: Question, config: GuesserConfig, rows: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return P(yes) for each keyword, noise included: from the table, or from the names if it lacks the question.

    Args:
        table: the table.
        question: one of the table's, or one of spelling.
        config: holds the noise.
        rows: the keywords; all by default.
    """
    index = index_of(table)
    rows = np.arange(len(index.names)) if rows is None else rows
    column = index.column_of_key.get(question.key)
    if column is None:
        honest = honest_answers(question, [index.names[row] for row in rows])
    else:
        honest = probability_of(table.codes[rows, column])
    return through_noise(honest, config.noise if question.kind == "table" else config.letter_noise)


def ask(
    table: AnswerTable,
    posterior: NDArray[np.float64],
    answers: Mapping[str, Answer],
    config: GuesserConfig,
    rng: np.random.Generator,
    *,
    spelling: bool,
) -> tuple[Question, QuestionInfo]:
    """Return the question that leaves the least entropy, and why.

    A question is not repeated while the table holds another. After that, the most informative of two kinds is asked:
    one that was answered without certainty, or a spelling question made up for the keywords that are left.

    Args:
        table: the table.
        posterior: shape (K,), sums to 1.
        answers: the last answer to each question asked, by key.
        config: how to play.
        rng: breaks ties.
        spelling: whether letter questions are allowed.
    """
    index = index_of(table)
    allowed = index.askable if spelling else index.askable & index.is_table
    fresh = allowed.copy()
    fresh[[index.column_of_key[key] for key in answers if key in index.column_of_key]] = False
    if fresh.any():
        question = table.questions[_best_column(table, posterior, fresh, config, rng)]
        return question, _info(posterior, p_yes(table, question, config))

    likely = largest(posterior, _SPELLED_KEYWORDS)
    p = posterior[likely] / posterior[likely].sum()
    made_up = [halving_question([index.names[row] for row in likely], p)]
    if spelling:
        made_up += letter_questions().values()
    candidates = [
        *(table.questions[i] for i in np.flatnonzero(allowed) if answers[table.questions[i].key] not in ("yes", "no")),
        *(question for question in made_up if question.key not in answers),
    ] or made_up
    infos = [_info(p, p_yes(table, question, config, likely)) for question in candidates]
    best = choose(-np.array([info.information_bits for info in infos]), rng, tolerance=config.tie_bits)
    return candidates[best], infos[best]


def largest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the positions of the largest values, the largest first and the first of equals first."""
    if values.size <= count:
        return np.argsort(-values, kind="stable")
    least = np.partition(values, -count)[-count]
    near = np.flatnonzero(values >= least)
    return near[np.argsort(-values[near], kind="stable")][:count]


def _best_column(
    table: AnswerTable,
    posterior: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    config: GuesserConfig,
    rng: np.random.Generator,
) -> int:
    noise = np.where(index_of(table).is_table, config.noise, config.letter_noise)
    information = information_gain(
        table.codes,
        posterior,
        noise=noise,
        negligible_bits=max(NEGLIGIBLE_BITS, config.tie_bits / 10),
        kernel=config.kernel,
    )
    scores = np.where(fresh, -information, np.inf)
    if entropy_bits(posterior) > np.log2(config.endgame_words):
        return choose(scores, rng, tolerance=config.tie_bits)
    near = np.flatnonzero(scores <= scores.min() + config.endgame_bits)
    left = entropy_left_after_guess(table.codes, posterior, noise=noise, columns=near)
    return int(near[choose(left, rng)])


def _info(posterior: NDArray[np.float64], heard_yes: NDArray[np.float64]) -> QuestionInfo:
    mean = float(posterior @ heard_yes)
    information = float(binary_entropy(mean) - posterior @ binary_entropy(heard_yes))
    return QuestionInfo(max(0.0, information), mean, entropy_bits(posterior))
