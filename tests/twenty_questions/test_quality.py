"""Figures about a table, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twenty_questions.quality import (
    Label,
    definite,
    difference_counts,
    gold_agreement,
    majority_shares,
    recall_of,
)
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable, code_of
from twenty_questions.words import Keyword


def make(probabilities: list[list[float]], keywords: list[Keyword] | None = None) -> AnswerTable:
    codes = code_of(probabilities)
    number, width = codes.shape
    return AnswerTable(
        keywords=tuple(keywords or [Keyword(f"thing {row}") for row in range(number)]),
        questions=tuple(Question(f"q{column}", f"Question {column}?") for column in range(width)),
        codes=codes,
        prior=np.full(number, 1 / number),
    )


def test_definite_has_a_wide_middle() -> None:
    table = make([[0.0, 0.24, 0.26, 0.5, 0.74, 0.76, 1.0, np.nan]])
    assert definite(table).tolist() == [[-1, -1, 0, 0, 0, 1, 1, 0]]


def test_majority_share_counts_definite_cells() -> None:
    table = make([[1, 1, 0.5], [1, 0, 0.5], [1, 0, 0], [1, 0, 1]])
    assert majority_shares(table).tolist() == [1.0, 0.75, 0.25]


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 7)),
        elements=st.sampled_from([0.0, 0.5, 1.0]),
    )
)
def test_difference_counts_are_what_counting_gives(probabilities: np.ndarray) -> None:
    table = make(probabilities.tolist())
    slow = [
        [sum(1 for x, y in zip(a, b, strict=True) if {x, y} == {0.0, 1.0}) for b in probabilities]
        for a in probabilities
    ]
    assert difference_counts(table).tolist() == slow
    assert difference_counts(table, [0]).max() <= 1


def test_gold_agreement_by_hand() -> None:
    table = make([[1, 0, 0.5], [0, 1, 1]], [Keyword("pants", ("trousers",)), Keyword("dog")])
    labels = [
        Label("Trouser", "Question 0?", True),
        Label("pants", "Question 1?", True),
        Label("pants", "Question 2?", True),
        Label("the dogs", "Question 0?", False),
        Label("dog", "Question 9?", False),
        Label("cat", "Question 0?", True),
    ]
    agreement = gold_agreement(table, labels)
    assert agreement.yes_recall == pytest.approx((1 + 0 + 0.5) / 3)
    assert agreement.no_recall == 1
    assert agreement.balanced_accuracy == pytest.approx((0.5 + 1) / 2)
    assert (agreement.shared_keywords, agreement.keywords, agreement.cells) == (3, 5, 4)
    assert agreement.uncertain == 0.25
    assert agreement.mistakes == (labels[1],)


def test_gold_agreement_needs_both_answers() -> None:
    with pytest.raises(ValueError, match="both answers"):
        gold_agreement(make([[1.0]]), [Label("thing 0", "Question 0?", True)])


def test_recall_by_both_matchings() -> None:
    table = make([[1.0], [0.0]], [Keyword("pants", ("trousers",)), Keyword("Dog")])
    recall = recall_of(table, [["dog"], ["the Pant"], ["cat", "kitty"], ["slacks", "Trousers"]])
    assert (recall.exact, recall.by_the_game, recall.words) == (0.5, 0.75, 4)
    assert recall.missing == ("cat",)


def test_names_that_share_a_plural_are_not_the_same() -> None:
    table = make([[1.0], [0.0]], [Keyword("tap"), Keyword("can")])
    assert recall_of(table, [["tape"], ["cane"], ["taps"]]).missing == ("tape", "cane")
    labels = [
        Label("tape", "Question 0?", False),
        Label("tap", "Question 0?", True),
        Label("can", "Question 0?", False),
    ]
    assert gold_agreement(table, labels).shared_keywords == 2
