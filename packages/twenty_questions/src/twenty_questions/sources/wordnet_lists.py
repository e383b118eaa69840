"""Keyword lists out of WordNet: everything below a synset, or what lies near given words."""

from __future__ import annotations

from collections.abc import Sequence

from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.merging import merge_samples
from twenty_questions.sources.neighbours import wordnet_neighbours
from twenty_questions.sources.wordnet import Lemmas, WordNet, descendants, find_synset, lemma_names
from twenty_questions.words import Keyword

__all__ = ["PHYSICAL", "words_below", "words_near"]

PHYSICAL = "physical_entity.n.01"
"""Above everything that can be touched."""


def words_below(wordnet: WordNet, synset: str, *, lemmas: Lemmas = "first", instances: bool = False) -> KeywordList:
    """Return everything below a synset; a word's count is the number of its meanings there.

    Args:
        wordnet: the database.
        synset: a name such as `physical_entity.n.01`.
        lemmas: which words of a meaning are taken.
        instances: whether single persons, places and works count.

    Raises:
        InputError: if there is no such synset, or nothing below it.
    """
    below = descendants(wordnet, find_synset(wordnet, synset), instances=instances)
    if not below:
        raise InputError(f"{synset}: nothing lies below this synset", fix="Name a wider one")
    return merge_samples([lemma_names([one], lemmas) for one in below], source="wordnet")


def words_near(
    wordnet: WordNet, given: Sequence[Keyword], *, steps: int = 1, num_senses: int = 1, lemmas: Lemmas = "all"
) -> KeywordList:
    """Return the neighbours of given words; a word's count is the number of given words that it is near to.

    Args:
        wordnet: the database.
        given: the words.
        steps, num_senses, lemmas: see `neighbours.wordnet_neighbours`.

    Raises:
        InputError: if no word has a neighbour.
    """
    samples = wordnet_neighbours(wordnet, given, steps=steps, num_senses=num_senses, lemmas=lemmas)
    if not any(samples):
        raise InputError(
            "none of the given words has a neighbour in WordNet", fix="Give more words, or take more steps"
        )
    return merge_samples(samples, source="neighbours by wordnet")
