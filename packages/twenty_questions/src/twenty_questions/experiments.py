"""Simulated games by name (io): strategies, partners, and one part of a simulation as a task for the task engine."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.errors import InputError
from twenty_questions.guesser import GuesserConfig
from twenty_questions.quality import Label
from twenty_questions.simulation import (
    Outcome,
    Partner,
    alpha_partner,
    flipping,
    labelled_partner,
    simulate,
    table_partner,
)
from twenty_questions.table import AnswerTable, open_table
from twenty_questions.word_files import read_words
from twenty_questions.words import normalise, spellings

__all__ = ["PARTNERS", "STRATEGIES", "outcome_of", "play_part", "read_labels", "secrets_of"]

STRATEGIES: Mapping[str, GuesserConfig] = {
    "table": GuesserConfig(handshake=False),
    "meaning": GuesserConfig(handshake=False, letters=False),
    "opening": GuesserConfig(handshake=True),
}
"""`table` asks everything, `meaning` leaves out questions of spelling, `opening` asks the handshake first."""

PARTNERS = ("table", "alpha", "labels")
"""`table` answers as the table says, `alpha` also knows the protocol, `labels` answers from a file of labels."""

_MOST_NOISE = 0.45
_LABELS_FIX = "Give a CSV with the columns keyword, question, answer (yes or no)"


def read_labels(path: Path) -> list[Label]:
    """Read answers of somebody else: a CSV with the columns keyword, question, answer (yes or no).

    Raises:
        InputError: naming the file and line that cannot be used.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns, rows = reader.fieldnames, list(reader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})", fix=_LABELS_FIX) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})", fix=_LABELS_FIX) from error
    if columns and (lacking := [name for name in ("keyword", "question", "answer") if name not in columns]):
        raise InputError(f"{path}, line 1: lacks the column {lacking[0]!r}", fix=_LABELS_FIX)
    labels = []
    for number, row in enumerate(rows, start=2):
        if not (row.get("keyword") and row.get("question") and row.get("answer") in ("yes", "no")):
            told = ", ".join(repr(row.get(name)) for name in ("keyword", "question", "answer"))
            raise InputError(f"{path}, line {number}: expected keyword, question and an answer yes or no, got {told}")
        labels.append(Label(row["keyword"], row["question"], row["answer"] == "yes"))
    if not labels:
        raise InputError(f"{path}: holds no answers")
    return labels


def secrets_of(table: AnswerTable, partner: str, labels: Sequence[Label] | None, games: int, seed: int) -> list[int]:
    """Return the rows of the secrets to play, in order.

    Args:
        table: the table.
        partner: a name of `PARTNERS`; with `labels` only labelled keywords are played.
        labels: the labels, or None.
        games: how many secrets to draw from the prior; 0: every possible one once.
        seed: of the draw.

    Raises:
        InputError: if no keyword of the table is labelled.
    """
    rows = np.arange(len(table.keywords))
    if partner == "labels":
        forms = {form for label in labels or () for form in spellings(label.keyword)}
        known = [any(normalise(name) in forms for name in keyword.names) for keyword in table.keywords]
        rows = rows[np.asarray(known)]
        if not len(rows):
            raise InputError("the table knows none of the labelled keywords")
    if games:
        weights = table.prior[rows] / table.prior[rows].sum()
        rows = np.random.default_rng(seed).choice(rows, size=games, p=weights)
    return [int(row) for row in rows]


def play_part(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Play one part of a simulation; a task (see `furikaeri_common.tasks`).

    Args:
        inputs: see `outcome_of`.
        folder: not used.

    Returns:
        `found_in`: the round of the hit of each game, 0 for none.
    """
    return {"found_in": outcome_of(inputs).found_in.tolist()}


def outcome_of(inputs: Mapping[str, Any], partner: Partner | None = None) -> Outcome:
    """Play one part of a simulation.

    Args:
        inputs: table (folder), labels and words (files or None), strategy, partner, noise, secrets (rows), first,
            rounds, seed.
        partner: who answers, before the noise; None: the one that `inputs` names.
    """
    table = _opened(inputs["table"])
    labels = tuple(read_labels(Path(inputs["labels"]))) if inputs["labels"] else ()
    noise = float(inputs["noise"])
    config = STRATEGIES[inputs["strategy"]]
    config = dataclasses.replace(
        config,
        noise=min(max(config.noise, noise), _MOST_NOISE),
        letter_noise=min(noise + config.noise, _MOST_NOISE),
    )
    keywords = [table.keywords[row] for row in inputs["secrets"]]
    return simulate(
        _asked_about(table, labels) if inputs["partner"] == "labels" else table,
        config,
        flipping(partner or _partner(inputs["partner"], table, labels), noise),
        keywords,
        seed=inputs["seed"],
        first=inputs["first"],
        words=read_words(Path(inputs["words"])) if inputs["words"] else None,
        rounds=inputs["rounds"],
    )


@lru_cache(maxsize=2)
def _opened(folder: str) -> AnswerTable:
    return open_table(Path(folder))


def _partner(name: str, table: AnswerTable, labels: Sequence[Label]) -> Partner:
    if name == "labels":
        return labelled_partner({(normalise(label.keyword), label.question): label.answer for label in labels})
    return alpha_partner(table) if name == "alpha" else table_partner(table)


def _asked_about(table: AnswerTable, labels: Sequence[Label]) -> AnswerTable:
    """Return the table without the questions of meaning that have no labels."""
    texts = {label.question for label in labels}
    columns = [
        column for column, question in enumerate(table.questions) if question.kind != "table" or question.text in texts
    ]
    return dataclasses.replace(
        table,
        questions=tuple(table.questions[column] for column in columns),
        codes=np.ascontiguousarray(table.codes[:, columns]),
    )
