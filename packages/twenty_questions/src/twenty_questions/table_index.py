"""What a table is looked up by during a game: wordings, keys, and the normal forms of names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.bisection import WordList, word_list
from twenty_questions.table import AnswerTable
from twenty_questions.words import normalise, spellings

__all__ = ["TableIndex", "index_of", "positions_matching", "words_of"]


class TableIndex(NamedTuple):
    """Look-ups into one table.

    Attributes:
        column_of_key: the column of each question key.
        column_of_text: the column of each wording, case folded.
        rows_of_form: the rows whose keyword has a name of this normal form.
        names: the keywords' names, in order.
        is_table: bool, shape (Q,), questions of meaning, which only the table answers.
        askable: bool, shape (Q,), all but handshakes and texts that are a keyword's name, which the game forbids.
    """

    column_of_key: Mapping[str, int]
    column_of_text: Mapping[str, int]
    rows_of_form: Mapping[str, tuple[int, ...]]
    names: tuple[str, ...]
    is_table: NDArray[np.bool_]
    askable: NDArray[np.bool_]


@lru_cache(maxsize=4)
def index_of(table: AnswerTable) -> TableIndex:
    """Return the look-ups of a table; the last few tables keep theirs."""
    rows_of_form: dict[str, tuple[int, ...]] = {}
    column_of_text: dict[str, int] = {}
    for row, keyword in enumerate(table.keywords):
        for form in {normalise(name) for name in keyword.names}:
            rows_of_form[form] = (*rows_of_form.get(form, ()), row)
    for column, question in enumerate(table.questions):
        column_of_text.setdefault(question.text.strip().casefold(), column)
    names = {name.lower().strip() for keyword in table.keywords for name in keyword.names}
    return TableIndex(
        column_of_key={question.key: column for column, question in enumerate(table.questions)},
        column_of_text=column_of_text,
        rows_of_form=rows_of_form,
        names=tuple(keyword.name for keyword in table.keywords),
        is_table=np.array([question.kind == "table" for question in table.questions]),
        askable=np.array(
            [
                question.kind != "handshake" and question.text.lower().strip() not in names
                for question in table.questions
            ]
        ),
    )


def positions_matching(index: TableIndex, guess: str) -> list[int]:
    """Return the rows of the keywords that a guess would win against, in order (see `words.matches`)."""
    return sorted({row for form in spellings(guess) for row in index.rows_of_form.get(form, ())})


def words_of(table: AnswerTable) -> WordList:
    """Return the table's keywords as a word list; names that differ only in case become one."""
    weights: dict[str, float] = {}
    names: dict[str, str] = {}
    for keyword, prior in zip(table.keywords, table.prior, strict=True):
        name = names.setdefault(keyword.name.lower(), keyword.name)
        weights[name] = weights.get(name, 0.0) + float(prior)
    return word_list(weights, list(weights.values()))
