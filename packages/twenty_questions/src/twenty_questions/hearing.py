"""What a question in anybody's words asks of every keyword of a table.

A question may be worded as the table or the guesser words it; it may be one that spelling alone answers; or it may mean
about the same as one of the table's. In this order it is tried.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.guesser import recognise
from twenty_questions.questions import Question
from twenty_questions.rules import answer_by_rule
from twenty_questions.spelling_questions import honest_answers
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.table_index import index_of
from twenty_questions.understanding import Index, understand

__all__ = ["Heard", "How", "hear"]

How = Literal["worded", "spelling", "understood"]
"""The table's or the guesser's own wording; a rule of spelling; or the table's question that is nearest in meaning."""


class Heard(NamedTuple):
    """A question that was understood.

    Attributes:
        how: by what it was.
        p_yes: float64, shape (K,), P(yes) to the text itself for each keyword, as near to 0 and 1 as a table comes.
        about_meaning: whether people judge it; else spelling decides.
        question: what it was taken for; None for a rule of spelling.
        rule: the name of that rule, or "".
        opposite: whether the text asks the opposite of `question`.
        score: how alike text and question are, in [0, 1].
    """

    how: How
    p_yes: NDArray[np.float64]
    about_meaning: bool
    question: Question | None = None
    rule: str = ""
    opposite: bool = False
    score: float = 1.0


def hear(table: AnswerTable, wordings: Index, text: str) -> Heard | None:
    """Return what a text asks, or None if it is not understood; the handshake asks nothing about a keyword."""
    question = recognise(table, text)
    if question is not None and question.kind == "handshake":
        return None
    if question is not None:
        column = index_of(table).column_of_key.get(question.key)
        names = index_of(table).names
        p_yes = honest_answers(question, names) if column is None else probability_of(table.codes[:, column])
        return Heard("worded", p_yes, question.kind == "table", question)
    spelled = _by_spelling(table, text)
    if spelled is not None and spelled.score > 0.5:
        return spelled
    meant = understand(wordings, text)
    if meant is None:
        return spelled
    p_yes = probability_of(table.codes[:, meant.column])
    return Heard(
        "understood",
        1 - p_yes if meant.opposite else p_yes,
        True,
        table.questions[meant.column],
        opposite=meant.opposite,
        score=meant.score,
    )


def _by_spelling(table: AnswerTable, text: str) -> Heard | None:
    """Return what the rules make of a text, scored by the share of keywords that they answer it for.

    "Is it a kettle?" is answered for a kettle alone. If nothing else understands it, the others are a no.
    """
    verdicts = [answer_by_rule(text, name) for name in index_of(table).names]
    answered = [verdict for verdict in verdicts if verdict.answer is not None]
    if not answered:
        return None
    p_yes = probability_of(code_of([bool(verdict.answer) for verdict in verdicts]))
    return Heard("spelling", p_yes, False, rule=answered[0].rule, score=len(answered) / len(verdicts))
