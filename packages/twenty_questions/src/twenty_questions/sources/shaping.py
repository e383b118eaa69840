"""What is kept of a keyword list, and with which prior: the last step before a list is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.merging import cut_off, without_words
from twenty_questions.sources.priors import cap_ratio, prior_of_counts
from twenty_questions.words import Keyword

__all__ = ["Shaping", "shaped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shaping:
    """What is done to a list, in this order.

    Attributes:
        exclude: words to leave out.
        least: the lowest count that is kept.
        smoothing: added to counts for the prior; None: the prior stays as it is.
        limit: the most keywords, the most probable ones; 0: all.
        cap: the largest ratio of two priors; 0: no limit.
    """

    exclude: Sequence[Keyword] = ()
    least: int = 1
    smoothing: float | None = 0.0
    limit: int = 0
    cap: float = 0.0


def shaped(keywords: KeywordList, shaping: Shaping) -> KeywordList:
    """Return what is kept of a list, in the list's order; with a limit the most probable first.

    Raises:
        InputError: if nothing is left.
    """
    try:
        kept = without_words(keywords, shaping.exclude) if shaping.exclude else keywords
        kept = cut_off(kept, shaping.least)
    except ValueError as error:
        raise InputError(f"no keyword is left: {error}", fix="Ask for a lower count, or exclude less") from error
    prior = kept.prior if shaping.smoothing is None else prior_of_counts(kept.counts, smoothing=shaping.smoothing)
    if 0 < shaping.limit < len(kept):
        rows = np.argsort(-prior, kind="stable")[: shaping.limit]
        prior = prior[rows] / prior[rows].sum()
        kept = dataclasses.replace(
            kept,
            keywords=tuple(kept.keywords[row] for row in rows),
            counts=kept.counts[rows],
            prior=prior,
            sources=tuple(kept.sources[row] for row in rows),
        )
    return dataclasses.replace(kept, prior=cap_ratio(prior, shaping.cap) if shaping.cap else prior)
