"""Lists inside a question: "A, B or C", brackets, bullets, numbers, quotes."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from twenty_questions.rules.reading import QUOTED, literal

__all__ = ["Items", "read_items"]

_NEWLINE_BULLET = re.compile(r"\n+\s*(?:[-*•·]\s*|\(?\d{1,3}[.)]\s+|\(?[a-z][.)]\s+)?", re.I)
_LEADING_BULLET = re.compile(r"^\s*(?:[-*•·]|\(?\d{1,3}[.)])\s+")
_NUMBERING = re.compile(r"(?:^|(?<=[,;:] ))\(?(?:\d{1,3}|[a-z])\) *", re.I)
_BRACKETS = re.compile(r"[\[\]{}()]")
_SEPARATOR = re.compile(r"\s*[,;|/]+\s*(?:(and|or|nor)\b(?:/or\b)?)?\s*|\s+(and/or|and|or|nor)\s+", re.I)
_LONE_LETTERS = re.compile(r"[^\W_](?: +[^\W_])*")


class Items(NamedTuple):
    """The members of a list.

    Attributes:
        texts: the members, outer white space removed, quotes taken off.
        joined: "or" or "and" where one of them joins members (both: "mixed"), else "".
        quoted: whether every member stands in quotes.
    """

    texts: tuple[str, ...]
    joined: Literal["", "and", "or", "mixed"]
    quoted: bool


def read_items(text: str, literals: tuple[str, ...]) -> Items:
    """Split a list into its members; a text without separators is one member."""
    text = _LEADING_BULLET.sub("", text.strip())
    text = _NUMBERING.sub("", text)
    text = " ".join(_BRACKETS.sub(" ", _NEWLINE_BULLET.sub(" , ", text)).split()).strip(" ,;:.?!")
    words = {word.lower() for match in _SEPARATOR.finditer(text) for word in match.groups() if word}
    if words & {"and/or", "nor"}:
        words.add("or")
    joined: Literal["", "and", "or", "mixed"] = (
        "mixed" if {"and", "or"} <= words else "and" if "and" in words else "or" if "or" in words else ""
    )
    pieces = [piece.strip(" .?!:\n") for piece in _SEPARATOR.sub("\n", text).split("\n")]
    pieces = [piece for piece in pieces if piece]
    if all(_LONE_LETTERS.fullmatch(piece) for piece in pieces):
        pieces = [letter for piece in pieces for letter in piece.split()]
    return Items(
        texts=tuple(re.sub(QUOTED, lambda match: literal(match[0], literals), piece).strip() for piece in pieces),
        joined=joined,
        quoted=bool(pieces) and all(re.fullmatch(QUOTED, piece) for piece in pieces),
    )
