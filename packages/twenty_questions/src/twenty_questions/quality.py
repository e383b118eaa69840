"""How good an answer table is: how its questions split, how its keywords differ, and how it agrees with other labels.

A cell is definite when its P(yes) is at most 0.25 or at least 0.75; the rest is uncertain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.words import normalise, spellings

__all__ = [
    "Agreement",
    "Label",
    "Recall",
    "definite",
    "difference_counts",
    "gold_agreement",
    "majority_shares",
    "recall_of",
    "signs_of",
    "uncertain_share",
]

DEFINITE = 0.75
_CELLS_AT_ONCE = 1 << 22


class Label(NamedTuple):
    """One answer given by somebody else: keyword, question text, yes or no."""

    keyword: str
    question: str
    answer: bool


class Agreement(NamedTuple):
    """How a table's cells agree with other labels.

    Attributes:
        balanced_accuracy: mean of the two recalls.
        yes_recall: share of the labels "yes" where the table says yes (an uncertain cell counts one half).
        no_recall: the same for "no".
        shared_keywords: how many of the labelled keywords the table knows.
        keywords: how many keywords are labelled.
        cells: labels that were compared.
        uncertain: share of the compared cells that the table leaves uncertain.
        mistakes: the labels that a definite cell contradicts.
    """

    balanced_accuracy: float
    yes_recall: float
    no_recall: float
    shared_keywords: int
    keywords: int
    cells: int
    uncertain: float
    mistakes: tuple[Label, ...]


class Recall(NamedTuple):
    """How much of a list of words the table's keywords cover, by two ways of matching.

    Attributes:
        exact: share of the words that are a keyword's name or alt, letter for letter in lower case.
        by_the_game: share of the words that a keyword would win against, by the game's matching rule.
        words: number of words.
        missing: the words not covered by the game's rule.
    """

    exact: float
    by_the_game: float
    words: int
    missing: tuple[str, ...]


def signs_of(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return +1 where a code of a table says yes, -1 where it says no, 0 where it is uncertain; same shape."""
    sign = np.zeros(256, dtype=np.int8)
    probabilities = probability_of(np.arange(256))
    sign[probabilities >= DEFINITE] = 1
    sign[probabilities <= 1 - DEFINITE] = -1
    return np.asarray(sign[codes])


def definite(table: AnswerTable) -> NDArray[np.int8]:
    """Return the signs of all cells (see `signs_of`), as large as the table; shape (K, Q)."""
    return signs_of(table.codes)


def uncertain_share(table: AnswerTable) -> float:
    """Return the share of cells that are not definite, in [0, 1]."""
    return sum(int(np.count_nonzero(signs == 0)) for signs in _signs_in_blocks(table)) / table.codes.size


def majority_shares(table: AnswerTable) -> NDArray[np.float64]:
    """Return, per question, the share of keywords that have its more common answer, in [0, 1]; shape (Q,).

    Uncertain cells count for neither answer.
    """
    yes, no = np.zeros((2, len(table.questions)), dtype=np.int64)
    for signs in _signs_in_blocks(table):
        yes += (signs > 0).sum(axis=0)
        no += (signs < 0).sum(axis=0)
    return np.asarray(np.maximum(yes, no) / len(table.keywords))


def _signs_in_blocks(table: AnswerTable) -> Iterator[NDArray[np.int8]]:
    """Yield the signs of some rows after the others', so that a large table has no second copy in memory."""
    rows = max(1, _CELLS_AT_ONCE // len(table.questions))
    for start in range(0, len(table.keywords), rows):
        yield signs_of(table.codes[start : start + rows])


def difference_counts(table: AnswerTable, columns: Sequence[int] | None = None) -> NDArray[np.int32]:
    """Return on how many questions each two keywords have opposite definite answers; shape (K, K), zero diagonal.

    With signs s in {-1, 0, 1}: |s_i| . |s_j| = agreements + differences and s_i . s_j = agreements - differences.
    """
    signs = definite(table).astype(np.float32)
    if columns is not None:
        signs = signs[:, list(columns)]
    certain = np.abs(signs)
    return np.asarray(np.rint((certain @ certain.T - signs @ signs.T) / 2), dtype=np.int32)


def gold_agreement(table: AnswerTable, labels: Iterable[Label]) -> Agreement:
    """Compare a table with other labels, on the keywords (by the game's matching) and questions (by text) they share.

    Raises:
        ValueError: if no label is about a shared keyword and question, or one of the two answers does not occur.
    """
    rows: dict[str, int] = {}
    for position, keyword in enumerate(table.keywords):
        for name in keyword.names:
            rows.setdefault(normalise(name), position)
    columns = {question.text: column for column, question in enumerate(table.questions)}
    scores: dict[bool, list[float]] = {True: [], False: []}
    mistakes: list[Label] = []
    keywords: set[str] = set()
    shared: set[str] = set()
    for label in labels:
        keywords.add(label.keyword)
        row = next((rows[form] for form in spellings(label.keyword) if form in rows), None)
        column = columns.get(label.question)
        if row is None or column is None:
            continue
        shared.add(label.keyword)
        sign = int(signs_of(table.codes[row, column])) * (1 if label.answer else -1)
        scores[label.answer].append((sign + 1) / 2)
        if sign < 0:
            mistakes.append(label)
    if not scores[True] or not scores[False]:
        raise ValueError("expected labels of both answers on keywords and questions of the table")
    yes_recall, no_recall = float(np.mean(scores[True])), float(np.mean(scores[False]))
    compared = scores[True] + scores[False]
    return Agreement(
        balanced_accuracy=(yes_recall + no_recall) / 2,
        yes_recall=yes_recall,
        no_recall=no_recall,
        shared_keywords=len(shared),
        keywords=len(keywords),
        cells=len(compared),
        uncertain=float(np.mean([score == 0.5 for score in compared])),
        mistakes=tuple(mistakes),
    )


def recall_of(table: AnswerTable, words: Iterable[Sequence[str]]) -> Recall:
    """Return how much of a list the table covers.

    Args:
        table: the table.
        words: each word as its names (the word, then its alts); any of them counts.

    Raises:
        ValueError: if the list is empty.
    """
    names = {name.lower() for keyword in table.keywords for name in keyword.names}
    forms = {normalise(name) for name in names}
    listed = [tuple(entry) for entry in words]
    if not listed:
        raise ValueError("expected at least one word")
    missing = tuple(
        entry[0] for entry in listed if not any(form in forms for name in entry for form in spellings(name))
    )
    exact = sum(any(name.lower() in names for name in entry) for entry in listed)
    return Recall(exact / len(listed), 1 - len(missing) / len(listed), len(listed), missing)
