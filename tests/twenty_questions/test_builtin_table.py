"""The table that ships: it is what its sources say, it can tell everything apart, and it agrees with other labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from twenty_questions.builtin.build import KNOWLEDGE_FOLDER, TABLE_FOLDER, build_table
from twenty_questions.builtin.knowledge import read_knowledge
from twenty_questions.quality import Label, difference_counts, gold_agreement, majority_shares
from twenty_questions.table import builtin_table, open_table


def test_the_shipped_table_is_built_from_the_shipped_knowledge() -> None:
    shipped, rebuilt = open_table(TABLE_FOLDER, verify=True), build_table()
    assert shipped.keywords == rebuilt.keywords
    assert shipped.questions == rebuilt.questions
    np.testing.assert_array_equal(shipped.codes, rebuilt.codes)
    np.testing.assert_allclose(shipped.prior, rebuilt.prior, rtol=1e-12)
    assert shipped.provenance["knowledge_sha256"] == rebuilt.provenance["knowledge_sha256"]


def test_it_is_large_enough_and_small_enough() -> None:
    table = builtin_table()
    assert len(table.keywords) >= 2000
    assert sum(question.kind == "table" for question in table.questions) >= 300
    assert sum(path.stat().st_size for path in TABLE_FOLDER.iterdir()) < 3_000_000


def test_every_question_splits_and_every_two_things_differ() -> None:
    table = builtin_table()
    assert majority_shares(table).max() <= 0.995
    meaning = [column for column, question in enumerate(table.questions) if question.kind == "table"]
    different = difference_counts(table, meaning)
    np.fill_diagonal(different, 99)
    assert different.min() >= 2


def test_at_least_half_of_every_things_cells_are_stated() -> None:
    known = read_knowledge(KNOWLEDGE_FOLDER)
    assert known.stated.mean(axis=1).min() >= 0.5


def test_it_agrees_with_labels_made_without_it(real_data: Path) -> None:
    with (real_data / "tq" / "gold_answers.csv").open(encoding="utf-8", newline="") as stream:
        labels = [Label(row["keyword"], row["question"], row["answer"] == "yes") for row in csv.DictReader(stream)]
    assert {label.question for label in labels} <= {question.text for question in builtin_table().questions}
    agreement = gold_agreement(builtin_table(), labels)
    assert agreement.balanced_accuracy >= 0.95
    assert agreement.shared_keywords >= 60
