"""Lists of words by name (io): the contest's, the built-in table's, or a file's."""

from __future__ import annotations

from pathlib import Path

from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.sources.keyword_lists import KeywordList, read_keyword_list
from twenty_questions.sources.public_list import read_public_list

__all__ = ["BUILT_IN", "PUBLIC", "place_of", "read_named_list"]

PUBLIC = "public"
BUILT_IN = "built-in"


def read_named_list(name: str) -> KeywordList:
    """Read a list: `public` and `built-in`, if no such file is here, are the contest's and the built-in table's.

    Raises:
        InputError: if it cannot be read, or `public` is asked for where the contest's engine is not installed.
    """
    if name == PUBLIC and not Path(name).exists():
        return read_public_list()
    return read_keyword_list(place_of(name))


def place_of(name: str) -> Path:
    """Return where a list lies, `built-in` being the built-in table's folder if no such file is here."""
    return TABLE_FOLDER if name == BUILT_IN and not Path(name).exists() else Path(name).expanduser()
