"""What a table learns from games: lessons about things it knows, and things it did not know.

A cell P(yes) is read as the mean of a Beta prior worth s answers; a lesson's answers are observations:

    P(yes | y yes, n no) = (s P + y) / (s + y + n)

(conjugacy of the Beta with the Bernoulli distribution). A "probably" counts as half an answer, an "unknown" as none.
Observations add up, so the order of lessons does not matter.

For a new thing, P is predicted from the things that would have answered alike: the mean of their cells under the
posterior that the lessons' answers give. That is a guess, so it is worth far fewer answers than a cell of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twenty_questions import belief
from twenty_questions.belief import Answer
from twenty_questions.information import information_gain
from twenty_questions.questions import answer_by_spelling
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.table_index import index_of
from twenty_questions.words import Keyword, spellings

__all__ = ["COUNTS", "Lesson", "learn", "likeness", "surprises", "telling_questions", "things_told"]

COUNTS: Mapping[Answer, tuple[float, float]] = {
    "yes": (1.0, 0.0),
    "probably": (0.5, 0.0),
    "unknown": (0.0, 0.0),
    "probably not": (0.0, 0.5),
    "no": (0.0, 1.0),
}
"""How many yes and no answers each answer is worth."""

_PREDICTING_NOISE = 0.1
_ASKING_NOISE = 0.3
"""What to ask is judged with more doubt than what to predict: a new thing is none of the known ones, so questions
about more of its neighbours are worth asking. Of 150 things left out of the built-in table, and taught with ten
questions, the next game found 71 % so, and 67 % with 0.1 here (53 % when taught no more than the first game's answers).
"""

_CELLS_AT_ONCE = 16_000_000

Told = Sequence[tuple[int, Answer]]
"""Answers by column; a column may come more than once."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one game told about one thing.

    Attributes:
        name: the thing, known or new.
        alts: its other names.
        answers: question key to answer.
    """

    name: str
    alts: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def learn(
    table: AnswerTable,
    lessons: Iterable[Lesson],
    *,
    strength: float = 3.0,
    prediction_strength: float = 0.3,
    noise: float = 0.0,
) -> AnswerTable:
    """Return the table after lessons.

    Answers about a known thing (by the game's matching rule) move its cells; an unknown thing gets a row of its own.
    Only questions of meaning are learned: spelling answers itself. Each lesson also counts as one more time the thing
    was thought of: the prior is the mean of a Dirichlet distribution worth one game for each keyword of `table`.

    Args:
        table: what was known before; it is not changed.
        lessons: keys that are no question of the table are passed over.
        strength: how many answers a cell of the table is worth, positive.
        prediction_strength: how many answers a predicted cell of a new thing is worth, positive.
        noise: how often an answer was flipped, in [0, 1/2), if the guesser reckons with that too: then it is taken out
            of what was heard, y and n becoming (y - noise (y + n)) / (1 - 2 noise) and its counterpart.

    Raises:
        ValueError: if a strength is not positive, or the noise is out of range.
    """
    if not (strength > 0 and prediction_strength > 0):
        raise ValueError(f"expected positive strengths, got {strength} and {prediction_strength}")
    if not 0 <= noise < 0.5:
        raise ValueError(f"expected a noise in [0, 1/2), got {noise}")
    things = _things(table, lessons)
    if not things:
        return table
    keywords, weights = list(table.keywords), table.prior * len(table.keywords)
    codes = np.array(table.codes)
    new = [thing for thing in things if thing.row is None]
    for thing in things:
        if thing.row is None:
            continue
        keywords[thing.row] = replace(keywords[thing.row], alts=thing.alts)
        weights[thing.row] += thing.times
        codes[thing.row] = _observed(codes[thing.row], probability_of(codes[thing.row]), thing.told, strength, noise)
    if new:
        keywords += [Keyword(thing.name, thing.alts) for thing in new]
        weights = np.append(weights, [float(thing.times) for thing in new])
        codes = np.vstack([codes, *(_new_row(table, thing, prediction_strength, noise) for thing in new)])
    return AnswerTable(
        keywords=tuple(keywords),
        questions=table.questions,
        codes=codes,
        prior=weights / weights.sum(),
        provenance={**table.provenance, "lessons": sum(thing.times for thing in things)},
    )


def things_told(table: AnswerTable, lessons: Iterable[Lesson]) -> list[tuple[int, Told]]:
    """Return the rows of the known things that lessons are about, each with its answers by column."""
    return [(thing.row, thing.told) for thing in _things(table, lessons) if thing.row is not None]


@dataclass(slots=True)
class _Thing:
    """All that lessons told about one thing; `row` is None for a new one."""

    row: int | None
    name: str
    alts: tuple[str, ...]
    times: int = 0
    told: list[tuple[int, Answer]] = field(default_factory=list)


def _things(table: AnswerTable, lessons: Iterable[Lesson]) -> list[_Thing]:
    """Gather the lessons by thing, each found under any of its names; a name that is another thing's is left to it."""
    index = index_of(table)
    things: dict[int | str, _Thing] = {}
    thing_of_form: dict[str, int | str] = {}

    def owner(name: str) -> int | str | None:
        for form in spellings(name):
            if form in thing_of_form:
                return thing_of_form[form]
            if form in index.rows_of_form:
                return index.rows_of_form[form][0]
        return None

    for lesson in lessons:
        names = (lesson.name, *lesson.alts)
        found = next((key for key in map(owner, names) if key is not None), None)
        key = lesson.name if found is None else found
        if key not in things:
            row = key if isinstance(key, int) else None
            things[key] = _Thing(row, lesson.name, () if row is None else table.keywords[row].alts)
        thing = things[key]
        for name in names:
            if owner(name) is None:
                thing_of_form[spellings(name)[0]] = key
                if name != thing.name or thing.row is not None:
                    thing.alts = (*thing.alts, name)
        thing.times += 1
        thing.told += [
            (column, answer)
            for question, answer in lesson.answers.items()
            if (column := index.column_of_key.get(question)) is not None and index.is_table[column]
        ]
    return list(things.values())


def _observed(
    codes: NDArray[np.uint8], p_yes: NDArray[np.float64], told: Told, strength: float, noise: float
) -> NDArray[np.uint8]:
    """Return a row's codes with the cells that answers are about moved from P(yes)."""
    counts: dict[int, tuple[float, float]] = {}
    for column, answer in told:
        yes, no = counts.get(column, (0.0, 0.0))
        counts[column] = (yes + COUNTS[answer][0], no + COUNTS[answer][1])
    heard = {column: told_of for column, told_of in counts.items() if any(told_of)}
    columns = np.array(list(heard), dtype=np.intp)
    num_yes, num_no = np.array(list(heard.values()), dtype=np.float64).reshape(-1, 2).T
    honest = (num_yes - noise * (num_yes + num_no)) / (1 - 2 * noise)
    moved = codes.copy()
    moved[columns] = code_of(np.clip((strength * p_yes[columns] + honest) / (strength + num_yes + num_no), 0.0, 1.0))
    return moved


def _new_row(table: AnswerTable, thing: _Thing, strength: float, noise: float) -> NDArray[np.uint8]:
    weights = likeness(table, thing.told, _PREDICTING_NOISE)
    p_yes = np.zeros(len(table.questions))
    rows = max(1, _CELLS_AT_ONCE // len(table.questions))
    for start in range(0, len(weights), rows):
        block = slice(start, start + rows)
        p_yes += weights[block] @ probability_of(table.codes[block])
    # Rounding may carry a mean of ones past 1.
    p_yes = np.clip(p_yes, 0.0, 1.0)
    for column, question in enumerate(table.questions):
        spelled = answer_by_spelling(question, thing.name)
        if spelled is not None:
            p_yes[column] = float(spelled)
    return _observed(code_of(p_yes), p_yes, thing.told, strength, noise)


def likeness(table: AnswerTable, told: Told, noise: float) -> NDArray[np.float64]:
    """Return how much each keyword of the table answers like this: a posterior, shape (K,).

    Args:
        table: what is known.
        told: answers by column.
        noise: how often an answer differs from the table's, in [0, 1/2].
    """
    held = belief.start(table.prior)
    for column, answer in told:
        p_yes = probability_of(table.codes[:, column])
        held = belief.update(held, belief.through_noise(p_yes, noise), answer)
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
    index = index_of(table)
    told = [(index.column_of_key[key], answer) for key, answer in answers.items() if key in index.column_of_key]
    gains = information_gain(table.codes, likeness(table, told, _ASKING_NOISE), noise=_PREDICTING_NOISE)
    given = {column for column, _ in told}
    ranked: list[int] = np.argsort(-gains, kind="stable").tolist()
    return [column for column in ranked if column not in given and index.is_table[column]][:number]


def surprises(table: AnswerTable, row: int, answers: Mapping[str, Answer]) -> list[tuple[int, float]]:
    """Return the answers that a keyword's row did not expect: (column, bits of surprise), most surprising first.

    The surprise is -log2 of the probability that the table gave to the answer; only answers less likely than not are
    listed, and "unknown" never is.
    """
    index = index_of(table)
    found = []
    for key, answer in answers.items():
        yes, no = COUNTS[answer]
        if key not in index.column_of_key or yes == no:
            continue
        column = index.column_of_key[key]
        p_yes = float(probability_of(table.codes[row, column]))
        expected = p_yes if yes > no else 1 - p_yes
        if expected < 0.5:
            found.append((column, float(-np.log2(expected))))
    return sorted(found, key=lambda pair: -pair[1])
