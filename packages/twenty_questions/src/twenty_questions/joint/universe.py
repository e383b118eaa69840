"""What can be guessed and asked: a vocabulary joined to an answer table.

Most words of a large vocabulary have no row in the table; the table's keywords that the vocabulary lacks are added to
it. Names are joined when the game compares them as the same text (`words.normalise`): the keyword's own name first,
then its other names. What a guess would win against is found by 64-bit hashes of those forms, sorted, so that a million
words need no dictionary; a hit is compared as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twenty_questions.bisection import WordList, word_list
from twenty_questions.joint.spelled import Spelled, spelled
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.word_forms import normal_forms
from twenty_questions.words import normalise, spellings

__all__ = ["Universe", "boundary", "positions_matching", "universe_of"]

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
        forms: int64, hashes of all normal forms, ascending: the words', and those other names of the table's keywords
            that are no words themselves.
        position_of_form: int32, the word that each form stands for.
    """

    words: WordList
    table: AnswerTable
    row_of_word: NDArray[np.int32]
    rowed: NDArray[np.int32]
    spelling: Spelled
    marginal: NDArray[np.float64]
    askable: NDArray[np.bool_]
    forms: NDArray[np.int64]
    position_of_form: NDArray[np.int32]


@lru_cache(maxsize=4)
def universe_of(table: AnswerTable, words: WordList | None = None) -> Universe:
    """Join a table and a vocabulary; the last few are kept.

    Args:
        table: what is known about meaning.
        words: the vocabulary; by default the table's own keywords with the table's prior. Keywords that it lacks are
            added, each as probable as the middle one of those that it has (as a mean word, if it has none).
    """
    words = _own_words(table) if words is None else _with_keywords(words, table)
    forms = _hashes(normal_forms(words.words))
    order = np.argsort(forms, kind="stable").astype(np.int32)
    ordered = forms[order]
    row_of_word = np.full(len(words.words), -1, dtype=np.int32)
    extra_forms: list[str] = []
    extra_positions: list[int] = []
    names = [(row, keyword.name) for row, keyword in enumerate(table.keywords)]
    alts = [(row, alt) for row, keyword in enumerate(table.keywords) for alt in keyword.alts]
    position_of_row: dict[int, int] = {}
    for given, alternative in ((names, False), (alts, True)):
        wanted = [normalise(name) for _, name in given]
        for (row, _), form, found in zip(given, wanted, _look_up(wanted, ordered, order, words.words), strict=True):
            for position in found:
                if row_of_word[position] < 0:
                    row_of_word[position] = row
                    position_of_row.setdefault(row, position)
            if alternative and not found and form:
                extra_forms.append(form)
                extra_positions.append(position_of_row[row])
    if extra_forms:
        forms = np.append(ordered, _hashes(extra_forms))
        positions = np.append(order, np.array(extra_positions, dtype=np.int32))
        again = np.argsort(forms, kind="stable")
        ordered, order = forms[again], positions[again]
    return Universe(
        words=words,
        table=table,
        row_of_word=row_of_word,
        rowed=np.flatnonzero(row_of_word >= 0).astype(np.int32),
        spelling=spelled(words.words),
        marginal=_marginal(table),
        askable=np.array([question.kind == "table" for question in table.questions]) & ~_named(table, words.words),
        forms=ordered,
        position_of_form=order,
    )


def positions_matching(universe: Universe, guesses: Sequence[str]) -> NDArray[np.int32]:
    """Return the positions of the words that one of the guesses would win against, ascending.

    A word counts by its own name and, if it is the table's keyword, by the keyword's other names that are no words of
    the vocabulary: those that are stand for themselves.
    """
    wanted = sorted({form for guess in guesses for form in spellings(guess)})
    keys = _hashes(wanted)
    low, high = (np.searchsorted(universe.forms, keys, side=side) for side in ("left", "right"))
    found: set[int] = set()
    for form, first, last in zip(wanted, low.tolist(), high.tolist(), strict=True):
        for position in universe.position_of_form[first:last].tolist():
            if form in _forms_of(universe, position):
                found.add(position)
    return np.array(sorted(found), dtype=np.int32)


def boundary(words: Sequence[str], argument: str) -> int:
    """Return how many of the words precede a text, in code-point order of the lower-cased word."""
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) // 2
        if words[middle].lower() < argument:
            low = middle + 1
        else:
            high = middle
    return low


def _own_words(table: AnswerTable) -> WordList:
    """Return the table's keywords as a word list; names that differ only in case become one."""
    weights: dict[str, float] = {}
    names: dict[str, str] = {}
    for keyword, prior in zip(table.keywords, table.prior, strict=True):
        name = names.setdefault(keyword.name.lower(), keyword.name)
        weights[name] = weights.get(name, 0.0) + float(prior)
    return word_list(weights, list(weights.values()))


def _with_keywords(words: WordList, table: AnswerTable) -> WordList:
    """Return the vocabulary with the table's keywords that it lacks."""
    forms = _hashes(normal_forms(words.words))
    order = np.argsort(forms, kind="stable").astype(np.int32)
    wanted = [normalise(keyword.name) for keyword in table.keywords]
    found = _look_up(wanted, forms[order], order, words.words)
    known = [position for positions in found for position in positions]
    lacking: dict[str, str] = {}
    for keyword, positions in zip(table.keywords, found, strict=True):
        if not positions:
            lacking.setdefault(keyword.name.lower(), keyword.name)
    if not lacking:
        return words
    weight = float(np.median(words.prior[known])) if known else float(words.prior.mean())
    return word_list([*words.words, *lacking.values()], np.append(words.prior, np.full(len(lacking), weight)))


def _hashes(forms: Sequence[str]) -> NDArray[np.int64]:
    """Return Python's hash of each text: it differs between processes, which nothing here lets through."""
    return np.fromiter(map(hash, forms), dtype=np.int64, count=len(forms))


def _look_up(
    wanted: Sequence[str], forms: NDArray[np.int64], positions: NDArray[np.int32], names: Sequence[str]
) -> list[list[int]]:
    """Return for each normal form the positions of the names that have it, ascending."""
    keys = _hashes(wanted)
    low, high = (np.searchsorted(forms, keys, side=side).tolist() for side in ("left", "right"))
    return [
        sorted(position for position in positions[first:last].tolist() if normalise(names[position]) == form)
        for form, first, last in zip(wanted, low, high, strict=True)
    ]


def _forms_of(universe: Universe, position: int) -> set[str]:
    """Return the normal forms that may stand for a word: its own, and its keyword's if that is what it is named."""
    name = universe.words.words[position]
    row = int(universe.row_of_word[position])
    names = (name, *universe.table.keywords[row].alts) if row >= 0 else (name,)
    return {normalise(one) for one in names}


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
    places = [boundary(words, text) for text in texts]
    return np.array(
        [
            text in names or (place < len(words) and words[place].lower().strip() == text)
            for text, place in zip(texts, places, strict=True)
        ]
    )
