"""A gold set as arrays: which keyword, which question, and the answer; sampled and dealt into folds by keyword."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.quality import Label
from twenty_questions.rules import answer_by_rule

__all__ = ["GoldPairs", "deal_folds", "gold_pairs", "sample_keywords", "spelled"]


class GoldPairs(NamedTuple):
    """n labelled pairs of K keywords and Q questions, each pair once.

    Attributes:
        keywords: in the order in which they come first.
        questions: likewise.
        keyword_of: int64, shape (n,): the position of each pair's keyword; rises.
        question_of: int64, shape (n,): the position of its question.
        answers: bool, shape (n,).
    """

    keywords: tuple[str, ...]
    questions: tuple[str, ...]
    keyword_of: NDArray[np.int64]
    question_of: NDArray[np.int64]
    answers: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """The number of pairs."""
        return len(self.answers)

    def texts(self) -> list[tuple[str, str]]:
        """Return keyword and question of every pair."""
        return [
            (self.keywords[keyword], self.questions[question])
            for keyword, question in zip(self.keyword_of, self.question_of, strict=True)
        ]


def gold_pairs(labels: Iterable[Label]) -> GoldPairs:
    """Return labels as arrays, the pairs of a keyword together.

    Raises:
        ValueError: if there is no label, or a pair is labelled both ways.
    """
    answers: dict[str, dict[str, bool]] = {}
    questions: dict[str, int] = {}
    for label in labels:
        told = answers.setdefault(label.keyword, {})
        if told.setdefault(label.question, label.answer) != label.answer:
            raise ValueError(f"expected one answer about {label.keyword!r} to {label.question!r}, got yes and no")
        questions.setdefault(label.question, len(questions))
    if not answers:
        raise ValueError("expected at least one label, got none")
    rows = [
        (row, questions[question], answer)
        for row, told in enumerate(answers.values())
        for question, answer in told.items()
    ]
    return GoldPairs(
        tuple(answers),
        tuple(questions),
        np.asarray([row for row, _, _ in rows], dtype=np.int64),
        np.asarray([column for _, column, _ in rows], dtype=np.int64),
        np.asarray([answer for _, _, answer in rows], dtype=np.bool_),
    )


def sample_keywords(labels: Sequence[Label], count: int, seed: int) -> list[Label]:
    """Return the labels of some keywords, drawn without replacement, in the order given; of all if there are fewer."""
    names = list(dict.fromkeys(label.keyword for label in labels))
    order = np.random.default_rng(seed).permutation(len(names))[:count]
    chosen = {names[position] for position in order}
    return [label for label in labels if label.keyword in chosen]


def deal_folds(keywords: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold in 0..folds-1 for each keyword, at random, the sizes equal to within one.

    Raises:
        ValueError: unless 2 <= folds <= keywords.
    """
    if not 2 <= folds <= keywords:
        raise ValueError(f"expected 2 to {keywords} folds of {keywords} keywords, got {folds}")
    return np.asarray(np.random.default_rng(seed).permutation(np.arange(keywords) % folds), dtype=np.int64)


def spelled(pairs: GoldPairs) -> NDArray[np.float64]:
    """Return 1 or 0 for the pairs that the answerer's rules of spelling answer, NaN for the others; shape (n,)."""
    told = [answer_by_rule(question, keyword).answer for keyword, question in pairs.texts()]
    return np.asarray([np.nan if answer is None else float(answer) for answer in told], dtype=np.float64)
