"""What a table knows about a question put in any words: an answer for the answerer, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from twenty_questions.table import UNLABELLED, AnswerTable, probability_of
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.understanding import Index, Wording, index_wordings, understand

__all__ = ["table_answers"]


def table_answers(table: AnswerTable, wordings: Sequence[Wording] | None = None) -> Callable[[str, str], bool | None]:
    """Return a function of (question, keyword) to yes, no, or None for "not known".

    A question in the table's own words is looked up; any other is taken for the nearest one, if one is near enough.
    None too for a keyword that the table lacks (by the game's matching rule), and for a cell that leans neither way.

    Args:
        table: holds the answers.
        wordings: other ways to ask its questions; by default their own texts.
    """
    index = index_of(table)
    own_texts = (Wording(column, question.text) for column, question in enumerate(table.questions))
    understood = _index(tuple(wordings or own_texts))

    def known(question: str, keyword: str) -> bool | None:
        rows = positions_matching(index, keyword)
        if not rows:
            return None
        row = next((row for row in rows if index.names[row] == keyword), rows[0])
        column, opposite = index.column_of_text.get(question.strip().casefold()), False
        if column is None:
            meant = understand(understood, question)
            if meant is None:
                return None
            column, opposite = meant.column, meant.opposite
        code = table.codes[row, column]
        p_yes = float(probability_of(code))
        return None if code == UNLABELLED or p_yes == 0.5 else (p_yes > 0.5) != opposite

    return known


@lru_cache(maxsize=4)
def _index(wordings: tuple[Wording, ...]) -> Index:
    return index_wordings(wordings)
