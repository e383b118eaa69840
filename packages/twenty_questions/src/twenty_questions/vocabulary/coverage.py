"""What a vocabulary is worth against a list of things: how many it holds among its N most probable names, and at what
price in bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twenty_questions.bisection import WordList
from twenty_questions.word_forms import lower_case, normal_forms
from twenty_questions.words import Keyword, spellings

__all__ = ["SIZES", "AtSize", "Coverage", "coverage"]

SIZES = (10_000, 30_000, 100_000, 300_000)
"""The sizes that are told beside the whole vocabulary's."""


class AtSize(NamedTuple):
    """What the most probable names are worth.

    Attributes:
        size: how many they are.
        mass: their share of the prior, in [0, 1].
        recall: share of the wanted things that one of them wins, by the game's matching.
        recall_exact: the same, letter for letter in lower case.
    """

    size: int
    mass: float
    recall: float
    recall_exact: float


class Coverage(NamedTuple):
    """What a vocabulary is worth.

    Attributes:
        sizes: by the number of names, ascending, the whole vocabulary last.
        bits: mean over the things found of -log2 of the prior of all names that win it: what a perfect guesser has to
            learn of such a thing; NaN if none is found.
        missed: the wanted things that no name wins, in their order.
    """

    sizes: tuple[AtSize, ...]
    bits: float
    missed: tuple[Keyword, ...]


def coverage(words: WordList, wanted: Sequence[Keyword], sizes: Sequence[int] = SIZES) -> Coverage:
    """Judge a vocabulary.

    Args:
        words: the vocabulary; of equally probable names the earlier ones in the alphabet rank higher.
        wanted: the things to find, at least one.
        sizes: numbers of names, at least 1; those beyond the vocabulary count as all of it.

    Raises:
        ValueError: if nothing is wanted, or a size is below 1.
    """
    if not wanted or any(size < 1 for size in sizes):
        raise ValueError("expected at least one wanted thing, and sizes of at least 1")
    number = len(words.words)
    order = np.argsort(-words.prior, kind="stable")
    rank = np.empty(number, dtype=np.int64)
    rank[order] = np.arange(number)
    by_form: dict[str, list[int]] = {form: [] for thing in wanted for name in thing.names for form in spellings(name)}
    for place, form in enumerate(normal_forms(words.words)):
        if form in by_form:
            by_form[form].append(place)
    by_letter = {word: place for place, word in enumerate(lower_case(words.words))}
    ranks, exact, bits, missed = [], [], [], []
    for thing in wanted:
        places = sorted({place for name in thing.names for form in spellings(name) for place in by_form[form]})
        ranks.append(min((int(rank[place]) for place in places), default=number))
        same = [by_letter[name.lower()] for name in thing.names if name.lower() in by_letter]
        exact.append(min((int(rank[place]) for place in same), default=number))
        if places:
            bits.append(-float(np.log2(words.prior[places].sum())))
        else:
            missed.append(thing)
    below = np.cumsum(words.prior[order])
    counts = sorted({min(size, number) for size in (*sizes, number)})
    at = tuple(
        AtSize(
            size=size,
            mass=min(1.0, float(below[size - 1])),
            recall=float(np.mean(np.asarray(ranks) < size)),
            recall_exact=float(np.mean(np.asarray(exact) < size)),
        )
        for size in counts
    )
    return Coverage(at, float(np.mean(bits)) if bits else float("nan"), tuple(missed))
