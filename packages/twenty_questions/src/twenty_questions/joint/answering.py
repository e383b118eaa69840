"""How each type of partner answers each kind of question, and what the answer then says.

A question of any kind has an honest answer for each word, which a type flips at its own rate; the handshake depends on
the type alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twenty_questions.belief import Answer, through_noise
from twenty_questions.bisection import num_before
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint.belief import JointBelief
from twenty_questions.joint.candidates import members_of_letter
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.criterion import marginal_yes
from twenty_questions.joint.partners import error_rates, handshake_yes
from twenty_questions.joint.spelled import holds
from twenty_questions.joint.universe import Universe, positions_matching
from twenty_questions.questions import Question, names_listed
from twenty_questions.table import probability_of
from twenty_questions.table_index import index_of

__all__ = ["after", "answers_to"]

Floats = NDArray[np.float64]


def answers_to(universe: Universe, question: Question, positions: NDArray[np.int32], config: JointConfig) -> Floats:
    """Return P(yes) for each type of partner and each word at these positions, shape (T, M)."""
    population = config.population
    if question.kind == "handshake":
        return np.repeat(handshake_yes(population)[:, None], positions.size, axis=1)
    words = universe.words.words
    if question.kind == "table":
        column = index_of(universe.table).column_of_key[question.key]
        rows = universe.row_of_word[positions]
        cells = probability_of(universe.table.codes[np.maximum(rows, 0), column])
        honest = np.where(rows >= 0, cells, marginal_yes(universe, config.shrink)[column])
    elif question.kind == "letter":
        honest = holds(question, universe.spelling, words, positions).astype(np.float64)
    elif question.kind == "list":
        honest = np.isin(positions, positions_matching(universe, names_listed(question))).astype(np.float64)
    else:
        honest = (positions < num_before(words, question.argument)).astype(np.float64)
    return through_noise(honest, error_rates(population, question.kind)[:, None])


def after(
    universe: Universe, belief: JointBelief, question: Question, answer: Answer, config: JointConfig
) -> JointBelief:
    """Return the belief after the answer to a question."""
    population = config.population
    if question.kind == "handshake":
        return beliefs.after_partner(belief, handshake_yes(population), answer, config.probably)
    errors = error_rates(population, question.kind)
    if question.kind == "alphabetical":
        before = np.searchsorted(belief.support, num_before(universe.words.words, question.argument))
        return beliefs.after_boundary(belief, int(before), errors, answer, config.probably)
    if question.kind == "table":
        column = index_of(universe.table).column_of_key[question.key]
        places = beliefs.local(belief, universe.rowed)
        rows = universe.row_of_word[belief.support[places]]
        honest = probability_of(universe.table.codes[rows, column])
        rest = marginal_yes(universe, config.shrink)[column]
        p_yes = through_noise(honest, errors[:, None])
        return beliefs.after_rows(belief, places, p_yes, through_noise(rest, errors), answer, config.probably)
    if question.kind == "letter":
        members = members_of_letter(universe, belief, question)
    else:
        members = np.zeros(belief.support.size, dtype=np.bool_)
        members[beliefs.local(belief, positions_matching(universe, names_listed(question)))] = True
    return beliefs.after_members(belief, members, errors, answer, config.probably)
