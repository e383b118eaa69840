"""What keywords mean, for prompts that say it (io).

WordNet's first sense of a name is often not the thing: a crane is a writer first. Keywords are things, so the first
sense that is a kind of physical entity is taken before any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from twenty_questions.sources.wordnet import (
    Synset,
    WordNet,
    find_synset,
    is_below,
    meaning_of,
    read_wordnet,
    senses,
    synset_at,
)

__all__ = ["NO_DEFINITIONS", "Definitions", "physical_definitions"]

_ROOT = "physical_entity.n.01"


class Definitions(NamedTuple):
    """A way to look up what a keyword means.

    Attributes:
        of: keyword -> its definition; "" where there is none.
        identity: what the definitions depend on; "" for none at all.
    """

    of: Callable[[str], str]
    identity: str


NO_DEFINITIONS = Definitions(lambda keyword: "", "")


def physical_definitions(folder: Path | None = None) -> Definitions:
    """Return WordNet's definitions of physical things.

    Args:
        folder: of WordNet's files; None: where they usually are.

    Raises:
        InputError: if there is no WordNet, or it is damaged.
    """
    wordnet = read_wordnet(folder)
    root = find_synset(wordnet, _ROOT)

    @cache
    def of(keyword: str) -> str:
        known = [synset_at(wordnet, offset) for offset in senses(wordnet, keyword)]
        meant = min(known, key=lambda sense: _unlikely(wordnet, sense, root), default=None)
        return "" if meant is None else meaning_of(meant)

    return Definitions(of, hashlib.sha256(wordnet.data).hexdigest())


def _unlikely(wordnet: WordNet, sense: Synset, root: Synset) -> tuple[bool, bool]:
    """Return what speaks against a sense, the gravest first: it is no thing; it is one person or place."""
    return not is_below(wordnet, sense.offset, root), sense.lemmas[0][:1].isupper()
