"""Questions of spelling for a list of keywords, and which texts ask of nothing but spelling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twenty_questions.question_sources.question_lists import CountedQuestion
from twenty_questions.questions import answer_by_spelling
from twenty_questions.rules import answer_by_rule
from twenty_questions.spelling_questions import letter_questions

__all__ = ["answered_by_rules", "splitting_letters", "yes_shares"]

_PROBES = ("qwzk", "vbnzxs", "Qwzk Vbnz Jtx")
"""Names of several shapes, which no question means: a rule answers a question of spelling for at least one of them."""

_ROUNDING = 1e-12


@lru_cache(maxsize=4096)
def answered_by_rules(text: str) -> bool:
    """Say whether a text is about spelling, so that rules answer it and no table or model needs to.

    The handshake, alphabetical and letter questions in any wording, and lists of names are.
    """
    return any(answer_by_rule(text, name).answer is not None for name in _PROBES)


def yes_shares(names: Sequence[str], prior: NDArray[np.float64]) -> dict[str, float]:
    """Return for the key of every letter question the probability of yes.

    Args:
        names: one for each keyword.
        prior: shape (K,), sums to 1.
    """
    return {
        question.key: float(prior[[bool(answer_by_spelling(question, name)) for name in names]].sum())
        for question in letter_questions().values()
    }


def splitting_letters(
    names: Sequence[str] = (), prior: NDArray[np.float64] | None = None, *, least_share: float = 0.0
) -> list[CountedQuestion]:
    """Return the letter questions that split a list of keywords, in a fixed order.

    Args:
        names: one for each keyword; none: every letter question is returned.
        prior: shape (K,), sums to 1; None: all keywords are equally probable.
        least_share: of the prior on the smaller side, in [0, 1/2]; a side with nothing on it never counts as a split.

    Raises:
        ValueError: if a number or shape is out of range.
    """
    if not 0 <= least_share <= 0.5:
        raise ValueError(f"expected least_share in [0, 1/2], got {least_share}")
    questions = list(letter_questions().values())
    if names:
        weights = np.full(len(names), 1 / len(names)) if prior is None else np.asarray(prior, dtype=np.float64)
        if weights.shape != (len(names),):
            raise ValueError(f"expected a prior of shape ({len(names)},), got {weights.shape}")
        shares = yes_shares(names, weights)
        smaller = {key: min(share, 1 - share) for key, share in shares.items()}
        questions = [
            one for one in questions if smaller[one.key] > _ROUNDING and smaller[one.key] >= least_share - _ROUNDING
        ]
    return [CountedQuestion(question, source="letters") for question in questions]
