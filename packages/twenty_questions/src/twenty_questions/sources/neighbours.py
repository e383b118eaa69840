"""Words near given words: in WordNet by steps, in a sentence embedder's space by angle.

Both give one list a given word, so that the number of given words that have a word for a neighbour is its count (see
`merging.merge_samples`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.embedders import Encoder
from twenty_questions.sources.wordnet import Lemmas, Synset, WordNet, lemma_names, senses, synset_at
from twenty_questions.words import Keyword, matches

__all__ = ["embedding_neighbours", "nearest", "wordnet_neighbours"]

_ROWS_AT_ONCE = 256


def wordnet_neighbours(
    wordnet: WordNet, given: Sequence[Keyword], *, steps: int = 1, num_senses: int = 1, lemmas: Lemmas = "all"
) -> list[list[str]]:
    """Return the words near each given word: at most `steps` up to wider meanings, then at most `steps` down.

    One step finds the wider meaning, its other kinds (the word's siblings), and the word's own kinds.

    Args:
        wordnet: the database.
        given: the words; one that WordNet does not know has no neighbours.
        steps: at least 1.
        num_senses: how many senses of a word count, the commonest first; at least 1.
        lemmas: which words of a meaning are taken.

    Returns:
        A list a given word, without repetitions, and without what the game takes for the word itself.
    """
    if steps < 1 or num_senses < 1:
        raise ValueError(f"expected steps and num_senses of at least 1, got {steps} and {num_senses}")
    found = []
    for keyword in given:
        own = [synset_at(wordnet, offset) for offset in _known_senses(wordnet, keyword)[:num_senses]]
        near = _spread(wordnet, _spread(wordnet, own, steps, up=True), steps, up=False)
        names = dict.fromkeys(lemma_names(near, lemmas))
        found.append([name for name in names if not matches(name, keyword)])
    return found


def embedding_neighbours(
    given: Sequence[Keyword], candidates: Sequence[str], encode: Encoder, *, number: int = 20
) -> list[list[str]]:
    """Return the candidates whose vectors are nearest to each given word's, the nearest first.

    Args:
        given: the words.
        candidates: the words to choose among.
        encode: a sentence embedder.
        number: how many for each, at least 1; fewer where there are no more.

    Returns:
        A list a given word, without what the game takes for the word itself.
    """
    if number < 1:
        raise ValueError(f"expected a number of at least 1, got {number}")
    if not given or not candidates:
        return [[] for _ in given]
    # A few more than asked for, since some are the word itself in another spelling.
    spare = 4
    rows = nearest(encode([keyword.name for keyword in given]), encode(list(candidates)), number + spare)
    return [
        [candidates[column] for column in row if not matches(candidates[column], keyword)][:number]
        for keyword, row in zip(given, rows, strict=True)
    ]


def nearest(vectors: NDArray[np.float32], candidates: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """Return which candidates have the largest dot product with each vector, the largest first.

    Args:
        vectors: shape (V, D).
        candidates: shape (C, D).
        number: how many, at least 1; at most C are returned.

    Returns:
        int64, shape (V, min(number, C)): rows of `candidates`; of equals the first comes first.
    """
    if vectors.ndim != 2 or candidates.ndim != 2 or vectors.shape[1] != candidates.shape[1]:
        raise ValueError(f"expected vectors of one dimension, got shapes {vectors.shape} and {candidates.shape}")
    parts = [np.empty((0, min(number, len(candidates))), dtype=np.int64)]
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        likeness = vectors[start : start + _ROWS_AT_ONCE] @ candidates.T
        parts.append(np.argsort(-likeness, axis=1, kind="stable")[:, :number])
    return np.concatenate(parts)


def _known_senses(wordnet: WordNet, keyword: Keyword) -> tuple[int, ...]:
    """Return the senses of a keyword's name, or of its first alt that WordNet knows."""
    return next((known for name in keyword.names if (known := senses(wordnet, name))), ())


def _spread(wordnet: WordNet, synsets: Sequence[Synset], steps: int, *, up: bool) -> list[Synset]:
    """Return synsets and what lies within so many steps above or below them, each once."""
    found = {synset.offset: synset for synset in synsets}
    edge = list(found.values())
    for _ in range(steps):
        edge = list(_beyond(wordnet, edge, found, up=up))
    return list(found.values())


def _beyond(wordnet: WordNet, edge: Sequence[Synset], found: dict[int, Synset], *, up: bool) -> Iterator[Synset]:
    for synset in edge:
        for offset in synset.hypernyms if up else (*synset.hyponyms, *synset.instances):
            if offset not in found:
                found[offset] = synset_at(wordnet, offset)
                yield found[offset]
