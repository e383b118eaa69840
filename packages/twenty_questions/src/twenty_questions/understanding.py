"""Which of the table's questions a person means, when they ask in their own words.

Every question has its own wording and others that mean the same; some wordings ask the opposite ("Is it blunt?" for
"sharp"). A text is compared with all of them by words, and with an encoder of sentences also by meaning, which then
weighs three fifths (`wording_index`). Likeness is worth less where one of the two compares or is negated and the other
is not, or where they compare with different things or numbers (`english`). What then scores below a threshold, or not
clearly above the next question, is not understood. Where text and best wording are negated or point differently, the
text asks the opposite of the wording. A text that is a wording letter by letter leaves no doubt,
and one that asks who, what or where is never understood: no yes or no answers it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from twenty_questions.english import agreement, opposed, read
from twenty_questions.wording_index import (
    Encoder,
    Index,
    Wording,
    in_known_words,
    index_wordings,
    letters,
    likeness_by_meaning,
    likeness_by_words,
)

__all__ = [
    "BY_MEANING",
    "BY_WORDS",
    "Encoder",
    "Index",
    "Thresholds",
    "Understood",
    "Wording",
    "index_wordings",
    "rank",
    "understand",
]

_MEANING = 0.6
_BESIDE_THE_SAME = 0.5
_OPEN_QUESTION = re.compile(r"\W*(?:who|whom|whose|what|where|why|how|which)\b", re.I)


class Understood(NamedTuple):
    """What a text was taken to mean.

    Attributes:
        column: the question.
        opposite: whether the text asks the opposite of it.
        score: how alike the text and the best wording are, in [0, 1].
        margin: how far the next question's score lies behind.
        wording: the wording that was most alike.
    """

    column: int
    opposite: bool
    score: float
    margin: float
    wording: str


class Thresholds(NamedTuple):
    """When a text counts as understood.

    Attributes:
        score: the least score.
        margin: the least distance to the next question.
    """

    score: float
    margin: float


BY_WORDS = Thresholds(0.64, 0.04)
"""What counts as understood without an encoder."""
BY_MEANING = Thresholds(0.6, 0.02)
"""What counts as understood with one."""


def rank(index: Index, text: str, number: int = 5) -> list[Understood]:
    """Return the questions most like a text, best first, each with its best wording; margins are to the next one.

    Args:
        index: the wordings.
        text: any text; questions that have nothing in common with it are not in the list.
        number: how many at most, at least 1.
    """
    reading, repaired = in_known_words(index, read(text))
    scores = likeness_by_words(index, reading, repaired)
    meaning = likeness_by_meaning(index, text)
    if meaning is not None:
        scores = (1 - _MEANING) * scores + _MEANING * meaning
    for position in np.flatnonzero(scores):
        scores[position] *= agreement(reading, index.readings[position])
    if (same := index.exact.get(letters(text))) is not None:
        scores[index.columns != index.columns[same]] *= _BESIDE_THE_SAME
    best: dict[int, int] = {}
    for position in np.argsort(-scores, kind="stable").tolist():
        if scores[position] <= 0 or len(best) > number:
            break
        best.setdefault(index.wordings[position].column, position)
    ordered = list(best.values())
    following = [*scores[ordered], 0.0][1:]
    return [
        Understood(
            column=index.wordings[position].column,
            opposite=index.wordings[position].opposite != opposed(reading, index.readings[position]),
            score=float(scores[position]),
            margin=float(scores[position] - after),
            wording=index.wordings[position].text,
        )
        for position, after in zip(ordered, following, strict=True)
    ][:number]


def understand(index: Index, text: str, thresholds: Thresholds | None = None) -> Understood | None:
    """Return the question that a text means; None if it asks for more than yes or no, or if no question stands out.

    Args:
        index: the wordings.
        text: any text.
        thresholds: when it counts as understood; None: `BY_MEANING` if the index has an encoder, else `BY_WORDS`.
    """
    least = thresholds or (BY_WORDS if index.encoder is None else BY_MEANING)
    if _OPEN_QUESTION.match(text):
        return None
    best = next(iter(rank(index, text, 1)), None)
    return None if best is None or best.score < least.score or best.margin < least.margin else best
