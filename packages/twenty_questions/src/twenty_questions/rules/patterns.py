"""The pieces that patterns are made of, and how to put them in: `{in}` in a pattern stands for `SLOTS["in"]`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property

from twenty_questions.rules.reading import QUOTED

__all__ = ["ORDINALS", "SLOTS", "Pattern", "pattern"]

ORDINALS = {
    **dict.fromkeys(("second to last", "second-to-last", "penultimate", "next to last", "second last"), -2),
    **dict.fromkeys(("third to last", "third-to-last"), -3),
    **dict.fromkeys(("first", "initial", "starting", "opening", "1st", "leading"), 0),
    **dict.fromkeys(("second", "2nd"), 1),
    **dict.fromkeys(("third", "3rd"), 2),
    **dict.fromkeys(("fourth", "4th"), 3),
    **dict.fromkeys(("fifth", "5th"), 4),
    **dict.fromkeys(("sixth", "6th"), 5),
    **dict.fromkeys(("seventh", "7th"), 6),
    **dict.fromkeys(("eighth", "8th"), 7),
    **dict.fromkeys(("ninth", "9th"), 8),
    **dict.fromkeys(("tenth", "10th"), 9),
    **dict.fromkeys(("last", "final", "ending", "closing"), -1),
}
"""Positions by what they are called; negative ones count from the end."""

SLOTS = {
    "q": QUOTED,
    "one": rf"(?:{QUOTED}|[^\W\d_])",
    "aux": r"(?:does|do|did|is|are|was|were|would|will|can|could|should|has|have)",
    "nth": rf"(?:very )?(?P<nth>{'|'.join(ORDINALS)})",
    "in": r"(?:in|inside|within|of)",
    "inside": r"(?:anywhere )?(?:in|inside|within)",
    "thing": r"(?:thing|object|item|entity|place|person|animal|food)",
    "keyword": r"key-? ?word",
    "name": r"(?:name|spelling|title|word|term)",
    "the": r"(?:the |your |this |our |my |that |its )?",
    "secret": (
        r"(?:(?:secret|hidden|target|mystery|correct|actual|given|whole|entire|full|lower-?cased?|english|exact) ){0,3}"
    ),
    "letter": (
        r"(?:(?:(?:the|an?|any|both|both the|either) )?(?:lowercase |double )?"
        rf"(?:(?:letter|character|(?:sub)?string|word)s? )?(?:{QUOTED}|[^\W\d_])(?:'?s\b)?)"
    ),
    "any letters": (
        r"(?:any|one|at least one|either|all|both|none)(?: one)? of (?:the |these |the following )?"
        r"(?:letters?|characters?)"
    ),
    "times": (
        r"(?: (?:(?:more|less|fewer) than |at least |at most |exactly |only )?"
        r"(?:once|twice|thrice|\w+ times|\w+ or more times))?"
    ),
    "appear": r"(?:appear|occur|exist|show up|be found|be present|feature)s?",
    "present": r"(?:present |contained |included |found |used )?",
    "sort": r"(?:sorted|listed|ordered|arranged|ranked|compared|put|placed)",
    "whole": r"(?P<whole>⟨(?:keyword|it|word [-\d]+|any word|every word)⟩)",
    "of whole": r"(?: (?:of|in|from|for|within) (?P<whole>⟨(?:keyword|it|word [-\d]+|any word|every word)⟩))?",
    "place": r"⟨(?:letter|character) -?\d+⟩",
    "not": r"(?P<no>not )?",
}  # fmt: skip
SLOTS["letters"] = rf"(?:{SLOTS['letter']}(?:(?:,? (?:and|or) |, ){SLOTS['letter']}){{0,9}})"

_SLOT = re.compile(r"\{([a-z][a-z ]*)\}")


class Pattern:
    """A regular expression with slots, compiled when it is first used: all of them at once take a third of a second."""

    def __init__(self, text: str, flags: re.RegexFlag) -> None:
        self._text = text
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression with its slots filled; braces around numbers stay what they are."""
        return re.compile(_SLOT.sub(lambda match: SLOTS[match[1]], self._text), self._flags)

    def match(self, text: str) -> re.Match[str] | None:
        """Match at the start."""
        return self.compiled.match(text)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Match the whole text."""
        return self.compiled.fullmatch(text)

    def search(self, text: str) -> re.Match[str] | None:
        """Match anywhere."""
        return self.compiled.search(text)

    def sub(self, replacement: str | Callable[[re.Match[str]], str], text: str) -> str:
        """Replace every match."""
        return self.compiled.sub(replacement, text)

    def split(self, text: str) -> list[str]:
        """Split at every match; groups stand between the pieces."""
        return self.compiled.split(text)


def pattern(text: str, flags: re.RegexFlag = re.IGNORECASE) -> Pattern:
    """Return a pattern; case never matters unless `flags` says so."""
    return Pattern(text, flags)
