"""Questions of spelling that are made up during a game, when the table has nothing left to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from twenty_questions.questions import Question, alphabetical, answer_by_spelling, letter, names_listed
from twenty_questions.table import code_of, probability_of
from twenty_questions.words import normalise, spellings

__all__ = ["halving_question", "honest_answers", "letter_questions", "recognise"]

_BEFORE, _AFTER = (part.casefold() for part in alphabetical("\0").text.split("\0"))


@cache
def letter_questions() -> Mapping[str, Question]:
    """Return every letter question that can be made up, by its case-folded wording."""
    questions = [
        *(letter(test, value) for test in ("starts", "ends", "contains", "before") for value in ascii_lowercase),
        *(letter("longer", str(length)) for length in range(2, 21)),
        *(letter("words", str(count)) for count in range(1, 5)),
    ]
    return {question.text.casefold(): question for question in questions}


def recognise(text: str) -> Question | None:
    """Return the letter or alphabetical question that is worded like this, or None."""
    folded = text.casefold()
    if folded.startswith(_BEFORE) and folded.endswith(_AFTER) and len(text) > len(_BEFORE) + len(_AFTER):
        # Case folding may change a text's length, but not that of the fixed words around the argument.
        return alphabetical(text[len(_BEFORE) : len(text) - len(_AFTER)])
    return letter_questions().get(folded)


def honest_answers(question: Question, names: Sequence[str]) -> NDArray[np.float64]:
    """Return P(yes) of a spelling question for each name, shape (K,), as near to 0 and 1 as a table's codes come."""
    if question.kind == "list":
        # What `answer_by_spelling` says of each name, with the forms of the list looked at once.
        forms = {form for listed in names_listed(question) for form in spellings(listed)}
        answers = np.array([normalise(name) in forms for name in names], dtype=np.float64)
    else:
        answers = np.fromiter((bool(answer_by_spelling(question, name)) for name in names), np.float64, len(names))
    return probability_of(code_of(answers))


def halving_question(names: Sequence[str], posterior: NDArray[np.float64]) -> Question:
    """Return the alphabetical question whose word has as nearly half of the mass before it as can be.

    Args:
        names: one for each keyword.
        posterior: shape (K,), sums to 1.
    """
    order: list[int] = sorted(np.flatnonzero(posterior).tolist(), key=lambda row: names[row].lower())
    before = np.cumsum(posterior[order]) - posterior[order]
    return alphabetical(names[order[int(np.abs(before - 0.5).argmin())]].lower())
