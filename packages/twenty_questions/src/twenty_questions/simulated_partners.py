"""Partners of known behaviour: who answers in simulated games.

A partner is a function of the secret, the question and a generator. `table_partner` and `labelled_partner` know what is
true; the others turn some of their answers round: `flipping` any of them, `careless` by the kind of question, as
language models do with spelling, and `lying` all but the handshake, to which it says yes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from twenty_questions.belief import Answer
from twenty_questions.quality import signs_of
from twenty_questions.questions import Kind, Question, answer_by_spelling
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.words import Keyword, spellings

__all__ = [
    "Partner",
    "accepting",
    "alpha_partner",
    "careless",
    "flipping",
    "labelled_partner",
    "lying",
    "table_partner",
]

Partner = Callable[[Keyword, Question, np.random.Generator], Answer]
"""Answers one question about the secret."""

_OPPOSITE: Mapping[Answer, Answer] = {"yes": "no", "no": "yes", "probably": "probably not", "probably not": "probably"}


def table_partner(table: AnswerTable) -> Partner:
    """Return a partner that answers as the table says: definite cells as they are, uncertain ones by a draw.

    Questions about spelling are answered exactly, and the handshake with no. Of a thing that the table lacks it says
    what the table says of a thing drawn by its prior.
    """
    on_the_whole: dict[int, float] = {}
    rows = {keyword.name: row for row, keyword in enumerate(table.keywords)}
    columns = {question.key: column for column, question in enumerate(table.questions)}
    probabilities = probability_of(np.arange(256))

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        spelled = answer_by_spelling(question, keyword.name)
        if spelled is not None:
            return "yes" if spelled else "no"
        column = columns.get(question.key)
        if column is None:
            return "no"
        row = rows.get(keyword.name)
        if row is None:
            if column not in on_the_whole:
                on_the_whole[column] = float(table.prior @ probability_of(table.codes[:, column]))
            return "yes" if rng.random() < on_the_whole[column] else "no"
        sign = signs_of(table.codes[row, column])
        if sign == 0:
            return "yes" if rng.random() < probabilities[table.codes[row, column]] else "no"
        return "yes" if sign > 0 else "no"

    return answer


def accepting(partner: Partner) -> Partner:
    """Return a partner that follows the protocol: yes to the handshake, and else as another one."""

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        return "yes" if question.kind == "handshake" else partner(keyword, question, rng)

    return answer


def alpha_partner(table: AnswerTable) -> Partner:
    """Return a partner that follows the protocol and answers from a table."""
    return accepting(table_partner(table))


def labelled_partner(labels: Mapping[tuple[str, str], bool], otherwise: Answer = "unknown") -> Partner:
    """Return a partner that answers from labels, (keyword's normal form, question text) -> yes or no.

    Args:
        labels: see `words.spellings` for the normal form; every spelling of the keyword is tried.
        otherwise: the answer where there is no label. Spelling questions are answered exactly.
    """

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        spelled = answer_by_spelling(question, keyword.name)
        for form in () if spelled is not None else (form for name in keyword.names for form in spellings(name)):
            if (form, question.text) in labels:
                spelled = labels[form, question.text]
                break
        if spelled is None:
            return otherwise
        return "yes" if spelled else "no"

    return answer


def flipping(partner: Partner, rate: float) -> Partner:
    """Return a partner that gives the opposite answer with probability `rate`, in [0, 1], independently each time."""
    if not 0 <= rate <= 1:
        raise ValueError(f"expected a flip rate in [0, 1], got {rate}")

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        given = partner(keyword, question, rng)
        return _OPPOSITE.get(given, given) if rng.random() < rate else given

    return answer


def careless(partner: Partner, errors: Mapping[Kind, float], *, handshake: float = 0.0, seed: int = 0) -> Partner:
    """Return a partner that answers each kind of question wrongly at a rate of its own, as language models do.

    The same question about the same thing gets the same answer every time, so that asking again tells nothing.

    Args:
        partner: who knows better.
        errors: the share of wrong answers by kind, in [0, 1]; 0 for the kinds that are left out.
        handshake: P(yes) to the handshake, whatever the partner says.
        seed: of what it gets wrong.
    """
    if not all(0 <= rate <= 1 for rate in (*errors.values(), handshake)):
        raise ValueError(f"expected rates in [0, 1], got {dict(errors)} and {handshake}")

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        own = np.random.default_rng([seed, zlib.crc32(f"{keyword.name}\n{question.text}".encode())])
        if question.kind == "handshake":
            return "yes" if own.random() < handshake else "no"
        given = partner(keyword, question, rng)
        return _OPPOSITE.get(given, given) if own.random() < errors.get(question.kind, 0.0) else given

    return answer


def lying(partner: Partner, rate: float) -> Partner:
    """Return a partner that says yes to the handshake and the opposite of what it knows at a rate, in [0, 1]."""
    unreliable = flipping(partner, rate)

    def answer(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        return "yes" if question.kind == "handshake" else unreliable(keyword, question, rng)

    return answer
