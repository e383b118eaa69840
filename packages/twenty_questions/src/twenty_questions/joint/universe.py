"""What can be guessed and asked: a vocabulary joined to an answer table.

Most words of a large vocabulary have no row in the table; the table's keywords that the vocabulary lacks are added to
it. Names are joined when the game compares them as the same text (`words.normalise`): the keyword's own name first,
then its other names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twenty_questions.bisection import WordList, forms_of, num_before, word_list
from twenty_questions.joint.spelled import Spelled, spelled
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import words_of
from twenty_questions.word_forms import WordForms
from twenty_questions.words import normalise, spellings

__all__ = ["Universe", "positions_matching", "universe_of"]

_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """All words that can be the secret, with what the table knows of them.

    Attributes:
        words: the N words, sorted by their lower-cased form, and their prior.
        table: the answer table, K rows and Q columns.
        row_of_word: int32, shape (N,), the row of the table for each word; -1 for none.
        rowed: int32, the positions of the words that have a row, ascending.
        spelling: of the words.
        marginal: float64, shape (Q,), the prior-weighted mean of P(yes) in each column.
        askable: bool, shape (Q,), questions of meaning whose wording is no word's name, which the game forbids.
        forms: the look-ups of the words.
        other_names: the look-ups of those other names of the table's keywords that are no words themselves.
        position_of_other: int32, the word that each of these stands for.
    """

    words: WordList
    table: AnswerTable
    row_of_word: NDArray[np.int32]
    rowed: NDArray[np.int32]
    spelling: Spelled
    marginal: NDArray[np.float64]
    askable: NDArray[np.bool_]
    forms: WordForms
    other_names: WordForms
    position_of_other: NDArray[np.int32]


@lru_cache(maxsize=4)
def universe_of(table: AnswerTable, words: WordList | None = None) -> Universe:
    """Join a table and a vocabulary; the last few are kept.

    Args:
        table: what is known about meaning.
        words: the vocabulary; by default the table's own keywords with the table's prior. Keywords that it lacks are
            added, each as probable as the middle one of those that it has (as a mean word, if it has none).
    """
    words = words_of(table) if words is None else _with_keywords(words, table)
    forms = forms_of(words)
    row_of_word = np.full(len(words.words), -1, dtype=np.int32)
    own = [forms.of_forms([normalise(keyword.name)]) for keyword in table.keywords]
    for row, positions in enumerate(own):
        row_of_word[positions[row_of_word[positions] < 0]] = row
    other_names: list[str] = []
    position_of_other: list[int] = []
    for row, keyword in enumerate(table.keywords):
        for name in keyword.alts:
            positions = forms.of_forms([normalise(name)])
            row_of_word[positions[row_of_word[positions] < 0]] = row
            if not positions.size and normalise(name):
                other_names.append(name)
                position_of_other.append(int(own[row][0]))
    return Universe(
        words=words,
        table=table,
        row_of_word=row_of_word,
        rowed=np.flatnonzero(row_of_word >= 0).astype(np.int32),
        spelling=spelled(words.words),
        marginal=_marginal(table),
        askable=np.array([question.kind == "table" for question in table.questions]) & ~_named(table, words.words),
        forms=forms,
        other_names=WordForms(other_names),
        position_of_other=np.array(position_of_other, dtype=np.int32),
    )


def positions_matching(universe: Universe, guesses: Sequence[str]) -> NDArray[np.int32]:
    """Return the positions of the words that one of the guesses would win against, ascending.

    A word counts by its own name and, if it is the table's keyword, by the keyword's other names that are no words of
    the vocabulary: those that are stand for themselves.
    """
    wanted = {form for guess in guesses for form in spellings(guess)}
    by_other_names = universe.position_of_other[universe.other_names.of_forms(wanted)]
    return np.union1d(universe.forms.of_forms(wanted), by_other_names).astype(np.int32)


def _with_keywords(words: WordList, table: AnswerTable) -> WordList:
    """Return the vocabulary with the table's keywords that it lacks."""
    forms = forms_of(words)
    found = [forms.of_forms([normalise(keyword.name)]).tolist() for keyword in table.keywords]
    known = [position for positions in found for position in positions]
    lacking: dict[str, str] = {}
    for keyword, positions in zip(table.keywords, found, strict=True):
        if not positions:
            lacking.setdefault(keyword.name.lower(), keyword.name)
    if not lacking:
        return words
    weight = float(np.median(words.prior[known])) if known else float(words.prior.mean())
    return word_list([*words.words, *lacking.values()], np.append(words.prior, np.full(len(lacking), weight)))


def _marginal(table: AnswerTable) -> NDArray[np.float64]:
    """Return the mean of each column, a few rows at a time: a large table has no float copy."""
    total = np.zeros(len(table.questions))
    for start in range(0, len(table.keywords), _ROWS):
        rows = slice(start, start + _ROWS)
        total += table.prior[rows] @ probability_of(table.codes[rows])
    return total


def _named(table: AnswerTable, words: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each question whether its wording is a name of the vocabulary or of the table."""
    names = {name.lower().strip() for keyword in table.keywords for name in keyword.names}
    texts = [question.text.lower().strip() for question in table.questions]
    places = [num_before(words, text) for text in texts]
    return np.array(
        [
            text in names or (place < len(words) and words[place].lower().strip() == text)
            for text, place in zip(texts, places, strict=True)
        ]
    )
