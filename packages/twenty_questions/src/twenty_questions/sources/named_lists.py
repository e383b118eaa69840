"""Lists of words by name (io): the contest's and its halves, the built-in table's, or a file's."""

from __future__ import annotations

from pathlib import Path

from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.sources.keyword_lists import KeywordList, keyword_list, read_keyword_list
from twenty_questions.sources.public_list import read_public_list
from twenty_questions.sources.recall import split_words

__all__ = ["BUILT_IN", "PUBLIC", "PUBLIC_HELD_OUT", "PUBLIC_TRAIN", "is_public", "place_of", "read_named_list"]

PUBLIC = "public"
PUBLIC_TRAIN, PUBLIC_HELD_OUT = "public-train", "public-held-out"
"""The half of the contest's list that the vocabulary of the package is learned from, and the half that judges it."""

BUILT_IN = "built-in"


def read_named_list(name: str) -> KeywordList:
    """Read a list: `public`, its halves and `built-in`, if no such file is here, are the contest's and the table's.

    Raises:
        InputError: if it cannot be read, or `public` is asked for where the contest's engine is not installed.
    """
    if not is_public(name):
        return read_keyword_list(place_of(name))
    everything = read_public_list()
    if name == PUBLIC:
        return everything
    halves = split_words(everything.keywords, train_share=0.5)
    return keyword_list(halves.train if name == PUBLIC_TRAIN else halves.validation, sources=PUBLIC)


def is_public(name: str) -> bool:
    """Return whether a name is the contest's list or a half of it, and not a file that is here."""
    return name in (PUBLIC, PUBLIC_TRAIN, PUBLIC_HELD_OUT) and not Path(name).exists()


def place_of(name: str) -> Path:
    """Return where a list lies, `built-in` being the built-in table's folder if no such file is here."""
    return TABLE_FOLDER if name == BUILT_IN and not Path(name).exists() else Path(name).expanduser()
