"""The answerer: rules of spelling first, then whatever else can tell, and "no" when nothing can.

"No" is the safe default: most questions of a game are answered no (88 of 100 in a large labelled sample).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twenty_questions.rules import answer_by_rule

__all__ = ["AnswerInfo", "Fallback", "answer"]

Fallback = Callable[[str, str], bool | None]
"""Question, keyword -> yes, no, or None for "cannot tell"."""


class AnswerInfo(NamedTuple):
    """An answer and where it comes from.

    Attributes:
        answer: yes or no.
        by: the name of the rule that answered, "fallback", or "default".
    """

    answer: bool
    by: str


def answer(question: str, keyword: str, fallback: Fallback | None = None) -> AnswerInfo:
    """Answer a question about a keyword; total over any text.

    Args:
        question: as the partner sent it.
        keyword: the secret's name.
        fallback: asked when no rule answers, such as a table (`table_answers.table_answers`) or a vote of models
            (`voting.make_fallback`).
    """
    verdict = answer_by_rule(question, keyword)
    if verdict.answer is not None:
        return AnswerInfo(verdict.answer, verdict.rule)
    told = fallback(question, keyword) if fallback is not None else None
    return AnswerInfo(False, "default") if told is None else AnswerInfo(told, "fallback")
