"""Names out of what a language model wrote: lists in any of the forms that models like, without the talk around them.

A name is what is left of a line once its bullet or number, its marks of emphasis, and an explanation after it are gone.
JSON is read as JSON; a line with commas holds several names.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence

from twenty_questions.words import Keyword, matches, normalise

__all__ = ["LONGEST", "MOST_WORDS", "clean_names", "names_in"]

MOST_WORDS = 5
LONGEST = 100
"""Characters of a guess that the game takes."""

_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:(?:[-*+•‣◦·–—>#]+|\(?\d{1,3}\s*[.):\]]|\(?[a-zA-Z][.)](?=\s)|\[(?:[ x]?|\d{1,3})\])\s*)+")
_INLINE_NUMBER = re.compile(r"\s+\(?\d{1,3}[.)]\s+")
_EXPLANATION = re.compile(r"\s+[-–—=|→]+>?\s+.*$|\s*:\s.*$|\s*\([^)]*\)?\s*$")
_EDGES = " \t\"'`*_“”‘’«»[]{}\\.,;:"
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+")
_TALK = frozenset(
    {"here", "sure", "these", "those", "this", "that", "i", "it", "its", "you", "we", "they", "he", "she", "is", "are"}
    | {"was", "were", "be", "do", "does", "please", "note", "as", "if", "what", "how", "why", "when", "where", "there"}
    | {"let", "of", "course", "certainly", "ok", "okay", "yes", "no", "thank", "thanks", "sorry", "output", "input"}
)
_SENTENCE_END = re.compile(r"[a-z]{4}\. ")
_MOST_BRACKETS = 20  # places where JSON may begin; a text of brackets alone would take forever
_KEYS = ("name", "keyword", "word", "item")


def names_in(text: str) -> list[str]:
    """Return what a text lists, in order, as it is written there; see `clean_names` for what of it is a name."""
    bare = _FENCE.sub("", text)
    found = _names_in_json(bare)
    return list(_names_in_lines(bare)) if found is None else found


def clean_names(names: Sequence[str], *, given: Sequence[Keyword] = (), most: int | None = None) -> list[str]:
    """Return the names that can be keywords, each once by the game's normal form.

    Dropped are: more than five words or a hundred characters; nothing left of it in the game's normal form, or no
    letter; what reads as talk (it begins as a sentence does, or asks or exclaims); and echoes of the words given.

    Args:
        names: as `names_in` returns them.
        given: the words that the model was shown.
        most: how many to keep at most, from the front.
    """
    kept: dict[str, str] = {}
    for name in names:
        bare = _ARTICLE.sub("", " ".join(name.split()).strip(_EDGES)).strip(_EDGES)
        if _is_name(bare) and not any(matches(bare, keyword) for keyword in given):
            kept.setdefault(normalise(bare), bare)
    return list(kept.values())[:most]


def _is_name(name: str) -> bool:
    words = name.split()
    return (
        1 <= len(words) <= MOST_WORDS
        and len(name) <= LONGEST
        and any(character.isalpha() for character in name)
        and bool(normalise(name))
        and words[0].lower().strip(_EDGES) not in _TALK
        and not any(mark in name for mark in "?!<>{}=|\ufffd")
        and name.isprintable()
        and _SENTENCE_END.search(name) is None
    )


def _names_in_json(text: str) -> list[str] | None:
    """Return the names in the first JSON list or object of a text; None if it holds none."""
    for match in itertools.islice(re.finditer(r"[\[{]", text), _MOST_BRACKETS):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if found := list(_strings(value)):
            return found
    return None


def _strings(value: object) -> Iterator[str]:
    """Yield the names in a JSON value: texts of lists, and of objects the texts under a key for names, or in lists."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            named = [item[key] for key in _KEYS if isinstance(item.get(key), str)]
            yield from named[:1] or (
                name for held in item.values() if isinstance(held, list) for name in _strings(held)
            )


def _names_in_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for part in _INLINE_NUMBER.split(" ".join(line.split())):
            bare = _BULLET.sub("", part).strip()
            if bare.endswith(":"):  # announces a list, or heads one
                continue
            announcement, _, rest = bare.partition(": ")
            if rest and announcement.split()[0].lower() in _TALK:
                bare = rest
            for piece in re.split(r"\s*[,;、，]\s*(?:and\s+|or\s+)?", _EXPLANATION.sub("", bare)):
                if piece:
                    yield piece
