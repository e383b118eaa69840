"""What a table learns from games: lessons about things it knows, and things it did not know.

A cell P(yes) is read as the mean of a Beta prior worth `strength` answers; a lesson's answers are observations:

    P(yes | y yes, n no) = (strength * P + y) / (strength + y + n)

(conjugacy of the Beta with the Bernoulli distribution). A "probably" counts as half an answer, an "unknown" as none.

For a new thing, a cell that nobody answered is predicted from the things that would have answered alike: P is the
mean of their cells under the posterior that the lesson's answers give, the table's own posterior predictive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twenty_questions import belief
from twenty_questions.belief import Answer
from twenty_questions.information import information_gain
from twenty_questions.questions import answer_by_spelling
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword, find

__all__ = ["Lesson", "learn", "likeness", "surprises", "telling_questions"]

COUNTS: Mapping[Answer, tuple[float, float]] = {
    "yes": (1.0, 0.0),
    "probably": (0.5, 0.0),
    "unknown": (0.0, 0.0),
    "probably not": (0.0, 0.5),
    "no": (0.0, 1.0),
}
"""How many yes and no answers each answer is worth."""

_PREDICTION_NOISE = 0.1


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one game told about one thing.

    Attributes:
        name: the thing, known or new.
        alts: other names of a new thing.
        answers: question key to answer.
    """

    name: str
    alts: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def learn(table: AnswerTable, lessons: Iterable[Lesson], *, strength: float = 3.0) -> AnswerTable:
    """Return the table after lessons.

    Answers about a known thing (by the game's matching rule) move its cells; an unknown thing gets a row of its own.
    Each lesson also counts as one more time the thing was thought of: the prior is the mean of a Dirichlet
    distribution worth one game for each keyword of `table`.

    Args:
        table: what was known before; it is not changed.
        lessons: in the order in which they were learned; keys that are no question of the table are passed over.
        strength: how many answers a cell of the table is worth, positive.

    Raises:
        ValueError: if strength is not positive.
    """
    if not strength > 0:
        raise ValueError(f"expected a positive strength, got {strength}")
    taught = list(lessons)
    if not taught:
        return table
    keywords = list(table.keywords)
    cells = list(probability_of(table.codes))
    weights = list(table.prior * len(keywords))
    columns = {question.key: column for column, question in enumerate(table.questions)}
    for lesson in taught:
        answers = {columns[key]: answer for key, answer in lesson.answers.items() if key in columns}
        known = find(lesson.name, keywords)
        if known:
            row = known[0]
            weights[row] += 1
        else:
            row = len(keywords)
            keywords.append(Keyword(lesson.name, lesson.alts))
            cells.append(_predicted(table, lesson.name, answers))
            weights.append(1.0)
        cells[row] = _observed(cells[row], answers, strength)
    total = np.asarray(weights)
    return AnswerTable(
        keywords=tuple(keywords),
        questions=table.questions,
        codes=code_of(np.asarray(cells)),
        prior=total / total.sum(),
        provenance={**table.provenance, "lessons": len(taught)},
    )


def _observed(cells: NDArray[np.float64], answers: Mapping[int, Answer], strength: float) -> NDArray[np.float64]:
    moved = cells.copy()
    for column, answer in answers.items():
        yes, no = COUNTS[answer]
        moved[column] = (strength * cells[column] + yes) / (strength + yes + no)
    return moved


def _predicted(table: AnswerTable, name: str, answers: Mapping[int, Answer]) -> NDArray[np.float64]:
    weights = likeness(table, answers)
    cells = weights @ probability_of(table.codes)
    for column, question in enumerate(table.questions):
        spelled = answer_by_spelling(question, name)
        if spelled is not None:
            cells[column] = float(spelled)
    return np.asarray(cells, dtype=np.float64)


def likeness(table: AnswerTable, answers: Mapping[int, Answer]) -> NDArray[np.float64]:
    """Return how much each keyword of the table answers like this: a posterior, shape (K,), from column to answer."""
    held = belief.start(table.prior)
    for column, answer in answers.items():
        p_yes = probability_of(table.codes[:, column])
        held = belief.update(held, _PREDICTION_NOISE + (1 - 2 * _PREDICTION_NOISE) * p_yes, answer)
    return belief.posterior(held)


def telling_questions(table: AnswerTable, answers: Mapping[str, Answer], number: int) -> list[int]:
    """Return the columns of the questions that would tell most about a thing with these answers, best first.

    What counts is the expected information about which known thing it is most like; questions of spelling need no
    asking and are left out.

    Args:
        table: what is known.
        answers: question key to answer, so far.
        number: how many columns to return at most.
    """
    columns = {question.key: column for column, question in enumerate(table.questions)}
    given = {columns[key]: answer for key, answer in answers.items() if key in columns}
    gains = information_gain(table.codes, likeness(table, given), noise=_PREDICTION_NOISE)
    worth_asking = [
        column
        for column in np.argsort(-gains, kind="stable").tolist()
        if column not in given and table.questions[column].kind == "table"
    ]
    return worth_asking[:number]


def surprises(table: AnswerTable, row: int, answers: Mapping[str, Answer]) -> list[tuple[int, float]]:
    """Return the answers that a keyword's row did not expect: (column, bits of surprise), most surprising first.

    The surprise is -log2 of the probability that the table gave to the answer, and half of that for a "probably"; only
    answers less likely than not are listed, and "unknown" never is.
    """
    columns = {question.key: column for column, question in enumerate(table.questions)}
    found = []
    for key, answer in answers.items():
        yes, no = COUNTS[answer]
        if key not in columns or yes == no:
            continue
        p_yes = float(probability_of(table.codes[row, columns[key]]))
        expected = p_yes if yes > no else 1 - p_yes
        if expected < 0.5:
            found.append((columns[key], max(yes, no) * float(-np.log2(expected))))
    return sorted(found, key=lambda pair: -pair[1])
