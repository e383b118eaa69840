"""Leanings of questions learned from a gold set, and what they are worth on keywords that did not teach them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twenty_questions.labelling.leanings import Leanings, fit_leanings, without_leanings
from twenty_questions.studies.gold_pairs import GoldPairs

__all__ = ["corrected_by_folds", "leanings_of"]


def leanings_of(pairs: GoldPairs, p_yes: NDArray[np.floating], rows: NDArray[np.bool_]) -> Leanings:
    """Return the leanings that some of the pairs teach.

    Args:
        pairs: n labelled pairs.
        p_yes: what the model said, shape (n,).
        rows: which pairs, shape (n,).

    Raises:
        ValueError: if one of the two answers does not occur among them.
    """
    learned = fit_leanings(p_yes[rows], pairs.answers[rows], [pairs.questions[one] for one in pairs.question_of[rows]])
    return replace(learned, keywords=tuple(pairs.keywords[one] for one in np.unique(pairs.keyword_of[rows])))


def corrected_by_folds(
    pairs: GoldPairs, models: NDArray[np.float64], fold_of: NDArray[np.int64], rows: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Return P(yes) without the leanings that are learned on the other folds; None where a fold cannot teach.

    Args:
        pairs: n labelled pairs.
        models: P(yes), shape (models, n).
        fold_of: shape (n,): the fold of each pair; all pairs of a keyword lie in one.
        rows: which pairs teach and are corrected, shape (n,); the others stay as they are.

    Returns:
        Shape (models, n).
    """
    corrected = models.copy()
    for fold in np.unique(fold_of):
        held_out, others = (fold_of == fold) & rows, (fold_of != fold) & rows
        asked = [pairs.questions[column] for column in pairs.question_of[held_out]]
        for row, model in enumerate(models):
            try:
                leanings = leanings_of(pairs, model, others)
            except ValueError:
                return None
            corrected[row, held_out] = without_leanings(leanings, model[held_out], asked)
    return corrected
