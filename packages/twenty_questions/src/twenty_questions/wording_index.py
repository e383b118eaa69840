"""Wordings of questions ready to be compared with a text: how like it each of them is.

By words, with Q questions, df(t) of which use the feature t,

    weight(t) = kind(t) * sqrt(ln((1 + Q) / (1 + df(t))) + 1/2)
    likeness = 7/10 cos(text, wording) + 3/10 sqrt(share)        in [0, 1]

where features are the stems of a reading, pairs of neighbouring ones, the starts of those that say much, and what the
question is about (TF-IDF of Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval", with the
root taken). The share is the part of the text's squared length in features that any wording of the same question uses.
A word that none uses counts in the text's length alone, so that a text about something else is like nothing; unless it
is one letter away from a word that is used.

By meaning it is the same blend of cosines of embeddings: to the wording, and on average to those of its question.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.english import LIGHT, Reading, read

__all__ = [
    "Encoder",
    "Index",
    "Wording",
    "in_known_words",
    "index_wordings",
    "letters",
    "likeness_by_meaning",
    "likeness_by_words",
]

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (texts, dimensions)."""

_WORD, _LIGHT_WORD, _PAIR, _START, _ABOUT = 1.0, 0.35, 0.3, 0.15, 0.2
_START_LENGTH = 5
_WORDS = re.compile(r"[a-z0-9]+")
_WHOLE_QUESTION = 0.3
_LEAST_REPAIRED, _MOST_REPAIRED = 5, 20
_REPAIRED = 0.75


class Wording(NamedTuple):
    """One way to ask a question.

    Attributes:
        column: the question.
        text: the wording.
        opposite: whether yes to this wording means no to the question.
    """

    column: int
    text: str
    opposite: bool = False


class _Uses(NamedTuple):
    """Where a feature is used.

    Attributes:
        wordings: positions of the wordings.
        weights: of the feature in their unit vectors.
        columns: the questions of these wordings.
    """

    wordings: NDArray[np.int64]
    weights: NDArray[np.float64]
    columns: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Wordings ready to be compared with.

    Attributes:
        wordings: all of them.
        readings: what they say, one per wording.
        columns: the question of each wording, shape (W,).
        rarity: the weight of each feature, by how few questions use it.
        unused: the weight of a feature that no question uses.
        uses: where each feature is used.
        exact: positions of the wordings by their letters.
        repairs: the used words by themselves and by what is left of them without one letter.
        embeddings: unit vectors of the wordings, shape (W, dimensions), or None.
        encoder: turns texts into such vectors, or None.
    """

    wordings: tuple[Wording, ...]
    readings: tuple[Reading, ...]
    columns: NDArray[np.int64]
    rarity: dict[str, float]
    unused: float
    uses: dict[str, _Uses]
    exact: dict[str, int]
    repairs: dict[str, list[str]]
    embeddings: NDArray[np.float32] | None
    encoder: Encoder | None


def index_wordings(
    wordings: Iterable[Wording], encoder: Encoder | None = None, embeddings: NDArray[np.float32] | None = None
) -> Index:
    """Return an index over wordings.

    Args:
        wordings: the questions' own wordings and any others.
        encoder: adds the comparison by meaning.
        embeddings: what the encoder makes of the wordings, shape (W, dimensions), where that is known already.

    Raises:
        ValueError: if there is no wording, or not one embedding for each.
    """
    held = tuple(wordings)
    if not held:
        raise ValueError("expected at least one wording")
    if encoder is not None and embeddings is None:
        embeddings = encoder([wording.text for wording in held])
    if embeddings is not None and len(embeddings) != len(held):
        raise ValueError(f"expected {len(held)} embeddings, got {len(embeddings)}")
    readings = tuple(read(wording.text) for wording in held)
    bags = [_features(reading) for reading in readings]
    askers: dict[str, set[int]] = {}
    for wording, bag in zip(held, bags, strict=True):
        for feature in bag:
            askers.setdefault(feature, set()).add(wording.column)
    questions = len({wording.column for wording in held})
    rarity = {feature: _rarity(questions, len(columns)) for feature, columns in askers.items()}
    places: dict[str, tuple[list[int], list[float]]] = {feature: ([], []) for feature in askers}
    for position, bag in enumerate(bags):
        for feature, weight in _unit(bag, rarity, 0.0).items():
            places[feature][0].append(position)
            places[feature][1].append(weight)
    repairs: dict[str, list[str]] = {}
    for word in {word for reading in readings for word in reading.words if len(word) >= _LEAST_REPAIRED}:
        for rest in _rests(word):
            repairs.setdefault(rest, []).append(word)
    return Index(
        wordings=held,
        readings=readings,
        columns=np.asarray([wording.column for wording in held]),
        rarity=rarity,
        unused=_rarity(questions, 0),
        uses={
            feature: _Uses(np.asarray(positions), np.asarray(weights), np.asarray(sorted(askers[feature])))
            for feature, (positions, weights) in places.items()
        },
        exact={letters(wording.text): position for position, wording in reversed(list(enumerate(held)))},
        repairs=repairs,
        embeddings=embeddings,
        encoder=encoder,
    )


def letters(text: str) -> str:
    """Return the letters and digits of a text, in lower case with single spaces between words."""
    return " ".join(_WORDS.findall(text.lower()))


def _rarity(questions: int, askers: int) -> float:
    return math.sqrt(math.log((1 + questions) / (1 + askers)) + 0.5)


def _features(reading: Reading) -> dict[str, float]:
    """Return the features of a reading, and what each weighs for its kind."""
    features = {f"about {reading.about}": _ABOUT} if reading.about else {}
    for word in reading.words:
        light = word in LIGHT
        features[word] = _LIGHT_WORD if light else _WORD
        if not light and len(word) >= _START_LENGTH:
            features[f"{word[:_START_LENGTH]}*"] = _START
    for first, second in itertools.pairwise(reading.words):
        both_light = first in LIGHT and second in LIGHT
        features[f"{first} {second}"] = _PAIR / 2 if both_light else _PAIR
    return features


def _unit(features: dict[str, float], rarity: dict[str, float], unused: float) -> dict[str, float]:
    """Return the features' weights as a unit vector; of no features, none."""
    weights = {feature: kind * rarity.get(feature, unused) for feature, kind in features.items()}
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    return {feature: weight / length for feature, weight in weights.items() if length}


def _rests(word: str) -> list[str]:
    """Return a word and what is left of it without one letter."""
    return [word, *{word[:place] + word[place + 1 :] for place in range(len(word))}]


def _may_be_typed_for(word: str, other: str) -> bool:
    """Say whether a word one letter away is a likely typing error: in short words few errors are."""
    if len(word) > _LEAST_REPAIRED:
        return True
    return word[0] == other[0] and len(word) != len(other)


def in_known_words(index: Index, reading: Reading) -> tuple[Reading, frozenset[str]]:
    """Return a reading in which unused words are mended where they can be, and the words that replaced typing errors.

    "Unsafe" is "safe" negated; "vehical" is "vehicle", for without one letter each they are the same.
    """
    words, negated, repaired = [], reading.negated, set()
    for word in reading.words:
        known = word
        if word not in index.rarity and word.startswith("un") and word[2:] in index.rarity:
            known, negated = word[2:], not negated
        elif word not in index.rarity and not word.isdigit() and len(word) <= _MOST_REPAIRED:
            meant = [other for rest in _rests(word) for other in index.repairs.get(rest, ())]
            alike = [other for other in meant if _may_be_typed_for(word, other)]
            if alike:
                known = max(alike, key=lambda other: (alike.count(other), other))
                repaired.add(known)
        words.append(known)
    return reading._replace(words=tuple(words), negated=negated), frozenset(repaired)


def likeness_by_words(index: Index, reading: Reading, repaired: frozenset[str] = frozenset()) -> NDArray[np.float64]:
    """Return how like a reading every wording is, shape (W,).

    Args:
        index: the wordings.
        reading: of the text.
        repaired: those of its words that are less certain.
    """
    cosines = np.zeros(len(index.wordings))
    shares = np.zeros(int(index.columns.max()) + 1)
    for feature, weight in _unit(_features(reading), index.rarity, index.unused).items():
        if (used := index.uses.get(feature)) is not None:
            certain = weight * _REPAIRED if feature in repaired else weight
            cosines[used.wordings] += certain * used.weights
            shares[used.columns] += certain**2
    return (1 - _WHOLE_QUESTION) * cosines + _WHOLE_QUESTION * np.sqrt(shares)[index.columns]


def likeness_by_meaning(index: Index, text: str) -> NDArray[np.float64] | None:
    """Return how like a text every wording is by their embeddings, shape (W,); None without an encoder."""
    if index.encoder is None or index.embeddings is None:
        return None
    cosines = np.clip(index.embeddings @ index.encoder([text])[0], 0, 1).astype(np.float64)
    means = np.bincount(index.columns, cosines) / np.maximum(np.bincount(index.columns), 1)
    return np.asarray((1 - _WHOLE_QUESTION) * cosines + _WHOLE_QUESTION * means[index.columns])
