"""From the labels of several models to an answer table: averaged, calibrated, spelled, and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from twenty_questions.labelling.agreement import (
    ModelFigures,
    PairFigures,
    add_block,
    empty_tally,
    model_figures,
    pair_figures,
)
from twenty_questions.labelling.calibration import UNCHANGED, Calibration, apply_calibration
from twenty_questions.labelling.calibration_report import CalibrationReport, Choice, calibrate
from twenty_questions.labelling.consensus import Average, consensus
from twenty_questions.labelling.grid import PairGrid, asked_questions
from twenty_questions.quality import Label
from twenty_questions.questions import Question, answer_by_spelling
from twenty_questions.table import AnswerTable, code_of
from twenty_questions.words import Keyword, normalise, spellings

__all__ = ["ConsensusConfig", "LabelledTable", "gold_cells", "labelled_table", "require_fitting"]

ReadShard = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsensusConfig:
    """How several models' labels become one.

    Attributes:
        average: what is averaged.
        weights: of the models; None: alike.
        calibration: the kind of map, "auto", or "none".
        calibrated: whether one map is fitted to the average, or one to each model before they are averaged.
    """

    average: Average = "mean"
    weights: tuple[float, ...] | None = None
    calibration: Choice = "auto"
    calibrated: Literal["average", "models"] = "average"


class LabelledTable(NamedTuple):
    """A table and what was found on the way.

    Attributes:
        table: the table; its provenance tells the models, how they were averaged, and the calibration.
        models: what each said.
        agreement: of each two.
        unlabelled: pairs that no model labelled.
        calibrations: by model, or by "average"; empty without a gold set.
    """

    table: AnswerTable
    models: tuple[ModelFigures, ...]
    agreement: tuple[PairFigures, ...]
    unlabelled: int
    calibrations: dict[str, CalibrationReport]


def labelled_table(
    keywords: Sequence[Keyword],
    prior: NDArray[np.float64],
    questions: Sequence[Question],
    grid: PairGrid,
    models: Sequence[tuple[str, Any]],
    read_shard: ReadShard,
    *,
    config: ConsensusConfig,
    gold: Sequence[Label] = (),
) -> LabelledTable:
    """Make a table of labels that all lie in shards, holding a few of them at a time.

    Args:
        keywords: the K rows.
        prior: shape (K,), positive, sums to 1.
        questions: the columns; those of spelling are answered exactly.
        grid: what was labelled: the keywords' names and the other questions' texts.
        models: name and identity of each of the M labellers.
        read_shard: gives P(yes) of a shard, shape (M, its keywords, the grid's questions).
        config: how the labels become one.
        gold: answers to calibrate with; none: no calibration.

    Raises:
        InputError: if the gold set and the table share too little.
    """
    names = [name for name, _ in models]
    asked = {text: column for column, text in enumerate(grid.questions)}
    column_of = [asked[question.text] if question.kind == "table" else -1 for question in questions]
    calibrations = _fit(keywords, grid, names, read_shard, config, gold) if gold and grid.num_shards else {}
    of_models = [calibrations[name].calibration if name in calibrations else UNCHANGED for name in names]
    of_average = calibrations["average"].calibration if "average" in calibrations else UNCHANGED
    codes = np.empty((len(keywords), len(questions)), dtype=np.uint8)
    for column, question in enumerate(questions):
        if column_of[column] < 0:
            codes[:, column] = code_of([_spelled(question, keyword.name) for keyword in keywords])
    tally, unlabelled = empty_tally(len(names)), 0
    meaning = np.asarray([place >= 0 for place in column_of], dtype=bool)
    sources = [place for place in column_of if place >= 0]
    for shard, p_yes in _blocks(grid, read_shard):
        tally = add_block(tally, p_yes)
        average = _average(p_yes, of_models, config)
        unlabelled += int(np.isnan(average).sum())
        mapped = apply_calibration(of_average, average) if of_average.kind != "none" else average
        codes[grid.rows_of(shard), meaning] = code_of(mapped)[:, sources]
    figures = model_figures(tally, names)
    provenance = _provenance(models, figures, config, calibrations, unlabelled)
    table = AnswerTable(tuple(keywords), tuple(questions), codes, prior, provenance)
    return LabelledTable(table, tuple(figures), tuple(pair_figures(tally, names)), unlabelled, calibrations)


def require_fitting(keywords: Sequence[Keyword], questions: Sequence[Question], gold: Sequence[Label]) -> None:
    """Refuse, before anything is labelled, what could not become a table afterwards.

    Raises:
        InputError: if a question is about no keyword, or the gold set shares too little with the table to calibrate.
    """
    for question in questions:
        if question.kind != "table":
            _spelled(question, "a")
    if gold:
        _, answers, of = _gold_of(keywords, asked_questions(questions), gold)
        calibrate("none", np.full(len(of), 0.5), answers, of)


def gold_cells(
    keywords: Sequence[Keyword], questions: Sequence[str], gold: Sequence[Label]
) -> list[tuple[int, int, Label]]:
    """Return row, column and label of the gold answers about known keywords (by the game's matching) and questions.

    Two gold keywords that the game takes for one share a row; a pair counts once, as it came first.
    """
    rows: dict[str, int] = {}
    for row, keyword in enumerate(keywords):
        for name in keyword.names:
            rows.setdefault(normalise(name), row)
    columns = {text: column for column, text in enumerate(questions)}
    cells: dict[tuple[int, int], Label] = {}
    for label in gold:
        known = [rows[form] for form in spellings(label.keyword) if form in rows]
        if known and label.question in columns:
            cells.setdefault((known[0], columns[label.question]), label)
    return [(row, column, label) for (row, column), label in sorted(cells.items(), key=lambda cell: cell[0])]


def _fit(
    keywords: Sequence[Keyword],
    grid: PairGrid,
    names: Sequence[str],
    read_shard: ReadShard,
    config: ConsensusConfig,
    gold: Sequence[Label],
) -> dict[str, CalibrationReport]:
    cells, answers, of = _gold_of(keywords, grid.questions, gold)
    found = np.empty((len(names), len(cells)), dtype=np.float32)
    by_shard: dict[int, list[int]] = {}
    for place, (row, _, _) in enumerate(cells):
        by_shard.setdefault(row // grid.per_shard, []).append(place)
    for shard, places in by_shard.items():
        rows = [cells[place][0] - shard * grid.per_shard for place in places]
        found[:, places] = read_shard(shard)[:, rows, [cells[place][1] for place in places]]
    if config.calibrated == "models":
        return {
            name: calibrate(config.calibration, p_yes, answers, of) for name, p_yes in zip(names, found, strict=True)
        }
    average = consensus(found, weights=config.weights, average=config.average)
    return {"average": calibrate(config.calibration, average, answers, of)}


def _gold_of(
    keywords: Sequence[Keyword], questions: Sequence[str], gold: Sequence[Label]
) -> tuple[list[tuple[int, int, Label]], NDArray[np.bool_], list[str]]:
    cells = gold_cells(keywords, questions, gold)
    if not cells:
        raise InputError(
            "the gold set shares no pair with the table: keywords match by the game's rule, questions word for word",
            fix="Give answers about these keywords and questions",
        )
    return cells, np.asarray([label.answer for *_, label in cells]), [label.keyword for *_, label in cells]


def _average(
    p_yes: NDArray[np.float32], of_models: Sequence[Calibration], config: ConsensusConfig
) -> NDArray[np.float64]:
    mapped = [
        apply_calibration(calibration, p) if calibration.kind != "none" else p
        for calibration, p in zip(of_models, p_yes, strict=True)
    ]
    return consensus(mapped, weights=config.weights, average=config.average)


def _blocks(grid: PairGrid, read_shard: ReadShard) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for shard in range(grid.num_shards):
        yield shard, read_shard(shard)


def _spelled(question: Question, name: str) -> float:
    try:
        answer = answer_by_spelling(question, name)
    except (ValueError, IndexError):
        answer = None
    if answer is None:
        raise InputError(
            f"the question {question.key!r} ({question.text!r}) has no answer for a keyword",
            fix="Remove it from the questions",
        )
    return float(answer)


def _provenance(
    models: Sequence[tuple[str, Any]],
    figures: Sequence[ModelFigures],
    config: ConsensusConfig,
    reports: dict[str, CalibrationReport],
    unlabelled: int,
) -> dict[str, Any]:
    told = [
        {"name": name, "identity": identity, "yes_share": figure.yes_share, "unlabelled": figure.unlabelled}
        for (name, identity), figure in zip(models, figures, strict=True)
    ]
    calibrated = {
        name: {**report.calibration._asdict(), "fitted_pairs": report.fitted_pairs} for name, report in reports.items()
    }
    return dict(
        jsonable(
            {
                "made_by": "language models",
                "models": told,
                "average": config.average,
                "weights": config.weights,
                "calibration": calibrated,
                "unlabelled": unlabelled,
            }
        )
    )
