"""Questions that say the same in other words: the more often met one is kept, the others are merged into it.

Questions are taken in order of their counts; each is kept unless it is a near-duplicate of one that was kept before,
and then belongs to the likest of those. So every question is compared with what stands for its group and never with
another member, and likeness does not pass along a chain of questions.

Two questions are near-duplicates if the cosine of their embeddings reaches a threshold, or if they are the same words
but for endings, synonyms and filling words (`english.read`). That alone would merge "more than 50 dollars" with "more
than 100 dollars", so questions that compare with different numbers or things, or by different scales, never are.
An opposite ("Is it lighter than a car?" beside "Is it heavier than a car?") splits the keywords along the same line:
its answer tells nothing more, so it counts as a near-duplicate, and is marked as opposite where the words show it.

Questions that rules of spelling answer are never compared: "starts with a" is as like "starts with b" as can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.embedders import Encoder
from twenty_questions.english import LIGHT, Reading, opposed, read
from twenty_questions.question_sources.letters import answered_by_rules
from twenty_questions.question_sources.question_lists import CountedQuestion, unique

__all__ = ["THRESHOLD", "Merged", "Pair", "apart", "merge_near_duplicates", "same_words"]

THRESHOLD = 0.79
"""The default cosine: where F0.5, which counts precision twice, is largest on pairs of paraphrases under
all-MiniLM-L6-v2 (`benchmarks/near_duplicates.py`). Precision comes first because a question that is merged wrongly is
lost, while a duplicate that is kept costs labels and adds next to nothing in the ranking."""

_BELOW = 0.1
_BLOCK = 512
_DECIMALS = 4


class Pair(NamedTuple):
    """Two questions and how alike they are.

    Attributes:
        kept: position of the one that stands for the group.
        other: position of the other.
        cosine: of their embeddings, to four decimals; NaN without an encoder.
        opposite: whether their words show that yes to one means no to the other.
    """

    kept: int
    other: int
    cosine: float
    opposite: bool


class Merged(NamedTuple):
    """Questions without near-duplicates; positions are those of the questions as given, after `unique`.

    Attributes:
        questions: what is kept, most often met first; a count is its whole group's.
        all: the questions that positions speak of.
        merged: each question that went, beside what stands for it, least alike first.
        below: pairs of kept questions whose cosine comes next below the threshold, most alike first.
        apart: pairs above the threshold that are kept because numbers, scales or things compared differ, most alike
            first.
    """

    questions: list[CountedQuestion]
    all: list[CountedQuestion]
    merged: list[Pair]
    below: list[Pair]
    apart: list[Pair]


def apart(one: Reading, other: Reading) -> bool:
    """Say whether two readings compare with different numbers or things, or by different scales."""
    if one.scale and other.scale and one.scale != other.scale:
        return True
    pairs = ((one.numbers, other.numbers), (one.referent, other.referent))
    return any(mine and theirs and mine.isdisjoint(theirs) for mine, theirs in pairs)


def same_words(one: Reading, other: Reading) -> bool:
    """Say whether two readings say the same words of the same thing, either way round, and not only light words."""
    same = (one.words, one.about, one.scale) == (other.words, other.about, other.scale)
    return same and any(word not in LIGHT for word in one.words)


def merge_near_duplicates(
    counted: Sequence[CountedQuestion], encoder: Encoder | None, *, threshold: float = THRESHOLD
) -> Merged:
    """Return questions without near-duplicates.

    Args:
        counted: questions of any lists; equal texts are joined first.
        encoder: sentences to unit vectors; None: only the words are compared.
        threshold: least cosine of near-duplicates, in (0, 1].

    Raises:
        ValueError: if the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"expected a threshold in (0, 1], got {threshold}")
    held = unique(counted)
    # Most often met first; sorting is stable, so that of equals the earlier comes first.
    held.sort(key=lambda one: -one.count)
    compared = [
        position
        for position, one in enumerate(held)
        if one.question.kind == "table" and not answered_by_rules(one.question.text)
    ]
    readings = {position: read(held[position].question.text) for position in compared}
    vectors = None if encoder is None else encoder([held[position].question.text for position in compared])
    stands_for, merged, below, separate = dict[int, int](), list[Pair](), list[Pair](), list[Pair]()
    by_words: dict[tuple[str, ...], list[int]] = {}
    places = {position: place for place, position in enumerate(compared)}
    for place, earlier in enumerate(_like_earlier(vectors, len(compared), threshold - _BELOW)):
        position = compared[place]
        cosines = {compared[other]: cosine for other, cosine in earlier.items() if compared[other] not in stands_for}
        reading = readings[position]
        alike: list[tuple[float, int]] = []
        for other in dict.fromkeys([*cosines, *by_words.get(reading.words, ())]):
            cosine = cosines[other] if other in cosines else _cosine(vectors, place, places[other])
            if apart(reading, readings[other]):
                if cosine >= threshold:
                    separate.append(_pair(other, position, cosine, readings))
            elif cosine >= threshold or same_words(reading, readings[other]):
                alike.append((cosine, other))
            else:
                below.append(_pair(other, position, cosine, readings))
        if alike:
            cosine, other = max(alike, key=lambda one: (np.nan_to_num(one[0]), -one[1]))
            stands_for[position] = other
            merged.append(_pair(other, position, cosine, readings))
        else:
            by_words.setdefault(reading.words, []).append(position)
    gone = set(stands_for)
    return Merged(
        questions=_joined(held, stands_for),
        all=held,
        merged=sorted(merged, key=lambda pair: (np.nan_to_num(pair.cosine), pair)),
        below=sorted((pair for pair in below if pair.other not in gone), key=lambda pair: (-pair.cosine, pair)),
        apart=sorted((pair for pair in separate if pair.other not in gone), key=lambda pair: (-pair.cosine, pair)),
    )


def _like_earlier(vectors: NDArray[np.float32] | None, number: int, least: float) -> Iterator[dict[int, float]]:
    """Yield for each text in order which earlier ones it is like, and how much."""
    if vectors is None:
        yield from ({} for _ in range(number))
        return
    for start in range(0, number, _BLOCK):
        cosines = (vectors[start : start + _BLOCK] @ vectors[: start + _BLOCK].T).astype(np.float64).round(_DECIMALS)
        for row, likeness in enumerate(cosines):
            near = np.flatnonzero(likeness[: start + row] >= least)
            yield dict(zip(near.tolist(), likeness[near].tolist(), strict=True))


def _cosine(vectors: NDArray[np.float32] | None, place: int, other: int) -> float:
    return float("nan") if vectors is None else round(float(vectors[place] @ vectors[other]), _DECIMALS)


def _pair(kept: int, other: int, cosine: float, readings: Mapping[int, Reading]) -> Pair:
    return Pair(kept, other, cosine, opposed(readings[kept], readings[other]))


def _joined(held: Sequence[CountedQuestion], stands_for: Mapping[int, int]) -> list[CountedQuestion]:
    """Return the kept questions with the counts and sources of their groups."""
    counts = [one.count for one in held]
    sources = [dict.fromkeys(one.source.split(", ")) for one in held]
    for position, kept in stands_for.items():
        counts[kept] += counts[position]
        sources[kept] |= sources[position]
    kept_ones = [
        replace(one, count=counts[position], source=", ".join(source for source in sources[position] if source))
        for position, one in enumerate(held)
        if position not in stands_for
    ]
    return sorted(kept_ones, key=lambda one: -one.count)
