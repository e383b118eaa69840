"""Yes and no among next tokens: which tokens spell them, P(yes), and how to take a model's leaning out of it.

    P(yes) = sum of p(t), t spelling yes / sum of p(t), t spelling yes or no

so that what the model would say beside the two does not count. A token spells a word if it is the word after case,
surrounding space and punctuation are left out: "yes", " Yes", "YES" and "yes." all say yes.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ENGLISH",
    "YesNoTokens",
    "YesNoWords",
    "centre",
    "log_odds",
    "p_yes_from_texts",
    "p_yes_of",
    "read_answer",
    "tokens_of",
]

_AROUND = string.punctuation + string.whitespace + "▁Ġ。、！「」“”„‘’«»–—…"


class YesNoWords(NamedTuple):
    """The words that answer, each without space in it; other languages put theirs beside the English ones."""

    yes: tuple[str, ...] = ("yes",)
    no: tuple[str, ...] = ("no",)

    def require_telling(self) -> None:
        """Refuse words that cannot be read.

        Raises:
            ValueError: if there is none for one of the two, one is empty or holds a space, or one says both.
        """
        for name, spellings in (("yes", self.yes), ("no", self.no)):
            if not spellings or not all(_core(word) and len(word.split()) == 1 for word in spellings):
                raise ValueError(
                    f"expected {name}_words of one word each, got {', '.join(map(repr, spellings)) or 'none'}"
                )
        both = {_core(word) for word in self.yes} & {_core(word) for word in self.no}
        if both:
            raise ValueError(f"expected words that say either yes or no, got {', '.join(sorted(both))} for both")


ENGLISH = YesNoWords()


class YesNoTokens(NamedTuple):
    """The tokens that answer; int64, ascending, at least one each."""

    yes: NDArray[np.int64]
    no: NDArray[np.int64]


def _core(text: str) -> str:
    return text.strip(_AROUND).casefold()


def tokens_of(texts: Mapping[int, str], words: YesNoWords = ENGLISH) -> YesNoTokens:
    """Return the tokens that spell yes and no.

    Args:
        texts: token -> what it decodes to by itself; all of the vocabulary, or those that may spell a word.
        words: what counts.

    Raises:
        ValueError: if no token spells one of the two.
    """
    found = []
    for name, spellings in (("yes", words.yes), ("no", words.no)):
        wanted = {_core(word) for word in spellings}
        found.append(np.asarray(sorted(token for token, text in texts.items() if _core(text) in wanted), np.int64))
        if not len(found[-1]):
            raise ValueError(f"expected tokens that spell {name}, got none for {', '.join(spellings)}")
    return YesNoTokens(*found)


def p_yes_of(log_yes: ArrayLike, log_no: ArrayLike) -> NDArray[np.float64]:
    """Return P(yes) from the log of the mass on yes and on no, each up to the same constant; NaN where both are nil.

    Args:
        log_yes: log of the yes mass, any shape; -inf for nil.
        log_no: the same for no.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        difference = np.asarray(log_no, dtype=np.float64) - np.asarray(log_yes, dtype=np.float64)
        return np.asarray(1 / (1 + np.exp(difference)))


def p_yes_from_texts(log_probabilities: Mapping[str, float], words: YesNoWords = ENGLISH) -> float:
    """Return P(yes) from the likeliest tokens as a server names them; NaN where none of them says yes or no.

    Args:
        log_probabilities: token text -> natural log of its probability; a NaN counts as not given.
        words: what counts.
    """
    mass = {True: 0.0, False: 0.0}
    sides = [({_core(word) for word in words.yes}, True), ({_core(word) for word in words.no}, False)]
    for text, log_probability in log_probabilities.items():
        if not math.isnan(log_probability):
            for wanted, side in sides:
                if _core(text) in wanted:
                    mass[side] += math.exp(min(log_probability, 0.0))
    total = mass[True] + mass[False]
    return mass[True] / total if total > 0 else math.nan


def read_answer(text: str, words: YesNoWords = ENGLISH) -> bool | None:
    """Return what a written answer says by its first word that is yes or no; None if there is none."""
    for word in text.split():
        for wanted, side in ((words.yes, True), (words.no, False)):
            if _core(word) in {_core(one) for one in wanted}:
                return side
    return None


def log_odds(p_yes: ArrayLike, *, least: float = 1e-6) -> NDArray[np.float64]:
    """Return log(P / (1 - P)), with P kept within [least, 1 - least]; NaN stays NaN."""
    clipped = np.clip(np.asarray(p_yes, dtype=np.float64), least, 1 - least)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def centre(p_yes: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Return P(yes) measured against each question's own leaning.

    A model may lean towards yes or no whatever the keyword, more for some questions than for others. With reference
    things r that stand for any keyword,

        logit P'(k, q) = logit P(k, q) - mean_r logit P(r, q)

    (contextual calibration with things in place of content-free input: Zhao et al. 2021, "Calibrate Before Use"). The
    mean over things also holds how common a yes really is, so that P' = 1/2 says "as much as for the usual thing": a
    threshold or calibration fitted on labelled keywords belongs behind it.

    Args:
        p_yes: shape (keywords, questions).
        reference: the same model's answers about reference things, shape (references, questions); NaN does not count.

    Returns:
        float64, shape (keywords, questions); NaN where p_yes is, and where no reference thing got an answer.
    """
    odds = log_odds(reference)
    there = ~np.isnan(odds)
    with np.errstate(invalid="ignore"):
        leaning = np.where(there, odds, 0.0).sum(axis=0) / there.sum(axis=0)
    return np.asarray(1 / (1 + np.exp(leaning - log_odds(p_yes))))
