"""Turn the readable knowledge into the answer table that ships with the package (io).

    knowledge/*.txt -> Knowledge -> AnswerTable -> table/

Letter questions are computed from the names. Of either kind, a question that has one answer for almost every keyword is
left out. What a person judged becomes a probability by two constants: the chance
that a partner answers a written yes, and a written no, with yes.
"""

from __future__ import annotations

import hashlib
import string
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.builtin.knowledge import NO, UNCERTAIN, YES, Knowledge, read_knowledge
from twenty_questions.questions import Question, answer_by_spelling, letter
from twenty_questions.table import AnswerTable, code_of
from twenty_questions.words import Keyword

__all__ = ["FAME_BASE", "KNOWLEDGE_FOLDER", "TABLE_FOLDER", "JudgementRates", "build_table", "letter_questions"]

KNOWLEDGE_FOLDER = Path(__file__).parent / "knowledge"
TABLE_FOLDER = Path(__file__).parent / "table"

FAME_BASE = 1.5
"""Prior odds between neighbouring levels of fame; over the five levels the prior's max/min ratio is 1.5^4, about 5."""

_LEAST_SHARE = 0.005


class JudgementRates(NamedTuple):
    """How sure a written judgement is: P(yes) of the three values a cell can have."""

    yes: float = 0.96
    uncertain: float = 0.5
    no: float = 0.03


def letter_questions(keywords: tuple[Keyword, ...]) -> tuple[Question, ...]:
    """Return every letter question whose rarer answer holds for at least 0.5 % of these keywords."""
    letters = string.ascii_lowercase
    candidates = (
        [letter("before", character) for character in letters[1:]]
        + [letter("starts", character) for character in letters]
        + [letter("contains", character) for character in letters]
        + [letter("ends", character) for character in letters]
        + [letter("longer", str(count)) for count in range(3, 18)]
        + [letter("words", str(count)) for count in (1, 2)]
    )
    kept = []
    for question in candidates:
        share = np.mean([bool(answer_by_spelling(question, keyword.name)) for keyword in keywords])
        if min(share, 1 - share) >= _LEAST_SHARE:
            kept.append(question)
    return tuple(kept)


def build_table(folder: Path = KNOWLEDGE_FOLDER, rates: JudgementRates | None = None) -> AnswerTable:
    """Build the answer table from a knowledge folder.

    Args:
        folder: holds `questions.txt` and `things/*.txt`.
        rates: P(yes) of a written yes, uncertain and no. Letter questions are certain (codes 254 and 0).

    Raises:
        InputError: for a fault in the knowledge, naming file and line.
    """
    knowledge = read_knowledge(folder)
    keywords = tuple(thing.keyword for thing in knowledge.things)
    kept = _splitting(knowledge)
    asked = tuple(Question(knowledge.questions[column].key, knowledge.questions[column].text) for column in kept)
    letters = letter_questions(keywords)
    weights = FAME_BASE ** (knowledge.fame.astype(np.float64) - 3)
    return AnswerTable(
        keywords=keywords,
        questions=asked + letters,
        codes=np.hstack([_judged(knowledge, rates or JudgementRates())[:, kept], _spelled(keywords, letters)]),
        prior=weights / weights.sum(),
        provenance={
            "source": "written by hand, one text file per category",
            "knowledge_sha256": _fingerprint(folder),
            "judged": len(asked),
            "left_out": [question.key for column, question in enumerate(knowledge.questions) if column not in kept],
            "computed_from_spelling": len(letters),
        },
    )


def _splitting(knowledge: Knowledge) -> list[int]:
    """Return the columns whose more common definite answer leaves at least 0.5 % of the things to the others."""
    common = np.maximum((knowledge.answers == YES).mean(axis=0), (knowledge.answers == NO).mean(axis=0))
    return [int(column) for column in np.flatnonzero(common <= 1 - _LEAST_SHARE)]


def _judged(knowledge: Knowledge, rates: JudgementRates) -> NDArray[np.uint8]:
    yes, uncertain, no = code_of([rates.yes, rates.uncertain, rates.no])
    codes = np.where(knowledge.answers == YES, yes, np.where(knowledge.answers == UNCERTAIN, uncertain, no))
    return np.asarray(codes, dtype=np.uint8)


def _spelled(keywords: tuple[Keyword, ...], letters: tuple[Question, ...]) -> NDArray[np.uint8]:
    answers = [[bool(answer_by_spelling(question, keyword.name)) for question in letters] for keyword in keywords]
    return np.where(np.asarray(answers, dtype=np.bool_).reshape(len(keywords), len(letters)), 254, 0).astype(np.uint8)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in [folder / "questions.txt", *sorted((folder / "things").glob("*.txt"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
