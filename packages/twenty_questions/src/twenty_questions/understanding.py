"""Which of the table's questions a person means, when they ask in their own words.

Every question has its own wording and others that mean the same; some wordings ask the opposite ("Is it lighter than a
person?" for "heavier"). A text is compared with all of them by the cosine of TF-IDF vectors over word stems, pairs of
neighbouring stems, and pieces of words; with an encoder of sentences, by the mean of that and the cosine of embeddings.

    weight(t) = kind(t) * (ln((1 + W) / (1 + df(t))) + 1)        score = cos(text, wording) in [0, 1]

with W wordings, df(t) of which hold the feature t (Salton & Buckley 1988, "Term-weighting approaches in automatic text
retrieval"). A feature that no wording holds has df 0 and counts in the text's length alone, so that a text about
something else scores low. What scores below a threshold, or is not clearly ahead of the next question, is not
understood.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Encoder", "Index", "Thresholds", "Understood", "Wording", "index_wordings", "rank", "understand"]

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (texts, dimensions)."""

_STOP = frozenset(
    """a an the is it its are be been being was were do does did doing has have had having can could will would should
    may might must this that these those thing things something anything object item keyword word you i we they them
    your my our one some any of to in on at for with by from as and or if then so there here what which who when where
    generally commonly usually typically often normally mostly mainly most likely ever really actually just also very
    kind sort type considered called known people person someone somebody everyday example like""".split()  # noqa: SIM905
)
_KEPT_IN_CONTEXT = frozenset({"person", "people", "like"})
_NEGATIONS = frozenset({"not", "never", "nt", "cannot", "without", "neither", "nor"})
_LEADING_CONTRACTION = re.compile(r"^\W*(?:is|are|does|do|did|has|have|can|could|would|will|was|were)n[’']?t\b", re.I)
_WORD = re.compile(r"[a-z0-9]+")
_PIECE = 4


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


class Understood(NamedTuple):
    """What a text was taken to mean.

    Attributes:
        column: the question.
        opposite: whether the text asks the opposite of it.
        score: how alike the text and the best wording are, in [0, 1].
        margin: how far the next question's score lies behind.
        wording: the wording that was most alike.
    """

    column: int
    opposite: bool
    score: float
    margin: float
    wording: str


class Thresholds(NamedTuple):
    """When a text counts as understood."""

    score: float = 0.5
    margin: float = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Wordings ready to be compared with.

    Attributes:
        wordings: all of them.
        idf: inverse document frequency by feature.
        postings: per feature the wordings that hold it and their normalised weights.
        embeddings: unit vectors of the wordings, shape (W, dimensions), or None.
        encoder: turns a text into such a vector, or None.
    """

    wordings: tuple[Wording, ...]
    idf: dict[str, float]
    postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
    embeddings: NDArray[np.float32] | None
    encoder: Encoder | None


def stem(word: str) -> str:
    """Return a word without its commonest English endings: "carried" and "carries" become "carri"."""
    for ending in ("ings", "ing", "edly", "ed", "es", "s", "ly", "er"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word


def _content(text: str) -> tuple[list[str], bool]:
    """Return the stems that carry meaning, and whether the text is negated ("isn't it" at the start is not)."""
    lowered = _LEADING_CONTRACTION.sub(" ", text.strip()).lower().replace("’", "'").replace("n't", " not")
    words = _WORD.findall(lowered)
    negated = sum(word in _NEGATIONS for word in words) % 2 == 1
    kept = [word for word in words if word not in _NEGATIONS]
    content = [word for word in kept if word not in _STOP]
    if len(content) < 2:
        content = [word for word in kept if word not in _STOP or word in _KEPT_IN_CONTEXT]
    return [stem(word) for word in content or kept], negated


def _features(stems: Sequence[str]) -> Counter[str]:
    features: Counter[str] = Counter(f"w {word}" for word in stems)
    features.update(f"p {first} {second}" for first, second in itertools.pairwise(stems))
    for word in stems:
        padded = f"^{word}$"
        features.update(f"c {padded[start : start + _PIECE]}" for start in range(max(1, len(padded) - _PIECE + 1)))
    return features


_KIND_WEIGHT = {"w": 1.0, "p": 0.5, "c": 0.35}


def _vector(features: Counter[str], idf: dict[str, float], unseen: float) -> dict[str, float]:
    weights = {
        feature: _KIND_WEIGHT[feature[0]] * (1 + np.log(count)) * idf.get(feature, unseen)
        for feature, count in features.items()
    }
    norm = float(np.sqrt(sum(weight**2 for weight in weights.values())))
    return {feature: weight / norm for feature, weight in weights.items()} if norm else {}


def index_wordings(wordings: Iterable[Wording], encoder: Encoder | None = None) -> Index:
    """Return an index over wordings.

    Args:
        wordings: the questions' own wordings and any others.
        encoder: adds the comparison of embeddings.

    Raises:
        ValueError: if there is no wording.
    """
    held = tuple(wordings)
    if not held:
        raise ValueError("expected at least one wording")
    bags = [_features(_content(wording.text)[0]) for wording in held]
    frequency = Counter(feature for bag in bags for feature in bag)
    idf = {feature: float(np.log((1 + len(held)) / (1 + count)) + 1) for feature, count in frequency.items()}
    collected: dict[str, tuple[list[int], list[float]]] = {}
    for position, bag in enumerate(bags):
        for feature, weight in _vector(bag, idf, 0.0).items():
            positions, weights = collected.setdefault(feature, ([], []))
            positions.append(position)
            weights.append(weight)
    return Index(
        wordings=held,
        idf=idf,
        postings={feature: (np.asarray(p), np.asarray(w)) for feature, (p, w) in collected.items()},
        embeddings=None if encoder is None else encoder([wording.text for wording in held]),
        encoder=encoder,
    )


def _scores(index: Index, text: str) -> NDArray[np.float64]:
    stems, _ = _content(text)
    unseen = float(np.log(1 + len(index.wordings)) + 1)
    scores = np.zeros(len(index.wordings))
    for feature, weight in _vector(_features(stems), index.idf, unseen).items():
        if feature in index.postings:
            positions, weights = index.postings[feature]
            scores[positions] += weight * weights
    if index.encoder is not None and index.embeddings is not None:
        scores = (scores + np.clip(index.embeddings @ index.encoder([text])[0], 0, 1)) / 2
    return scores


def rank(index: Index, text: str, number: int = 5) -> list[Understood]:
    """Return the questions most like a text, best first, each with its best wording; margins are to the next one."""
    scores = _scores(index, text)
    negated = _content(text)[1]
    best: dict[int, tuple[float, Wording]] = {}
    for position in np.argsort(-scores, kind="stable").tolist():
        wording = index.wordings[position]
        best.setdefault(wording.column, (float(scores[position]), wording))
        if len(best) > number:
            break
    ordered = list(best.values())
    following = [score for score, _ in ordered[1:]] + [0.0]
    return [
        Understood(
            wording.column,
            wording.opposite != (negated != _content(wording.text)[1]),
            score,
            score - after,
            wording.text,
        )
        for (score, wording), after in zip(ordered, following, strict=True)
    ][:number]


def understand(index: Index, text: str, thresholds: Thresholds | None = None) -> Understood | None:
    """Return the question that a text means, or None if none is alike enough or two are about equally so."""
    limits = thresholds or Thresholds()
    best = next(iter(rank(index, text, 1)), None)
    if best is None or best.score < limits.score or best.margin < limits.margin:
        return None
    return best
