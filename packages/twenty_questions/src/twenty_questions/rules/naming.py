"""Rewrites of what a question is about: the name by its many names, its words, its letters, their number.

Words in ⟨brackets⟩ are ours: ⟨keyword⟩ is the name for certain, while ⟨it⟩ may be the thing; ⟨word 1⟩ is the second
word, ⟨any word⟩ and ⟨every word⟩ what they say; ⟨letter -1⟩ is the last letter, ⟨character 0⟩ the first character,
⟨run 3⟩ the first three letters, ⟨edges⟩ the first and the last; ⟨letters⟩ and ⟨words⟩ are how many there are, ⟨length⟩
the letters unless another unit is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twenty_questions.rules.patterns import ORDINALS, Pattern, pattern

__all__ = ["NAMING", "Row", "row"]

Row = tuple[Pattern, str | Callable[[re.Match[str]], str]]

_SIDES = {"start": 0, "beginning": 0, "front": 0, "end": -1}
_FEW = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def row(before: str, after: str | Callable[[re.Match[str]], str]) -> Row:
    """Return one rewrite: a pattern with slots, and what takes its place."""
    return pattern(before), after


def _position(match: re.Match[str]) -> int:
    return (ORDINALS | _SIDES)[match["nth"].lower()]


def _word(match: re.Match[str]) -> str:
    return f"⟨word {_position(match)}⟩"


def _letter(match: re.Match[str]) -> str:
    groups = match.groupdict()
    owner = groups.get("whole") or groups.get("owner") or "⟨keyword⟩"
    return f"⟨{match['sign'].lower()} {_position(match)}⟩ of {owner}"


def _run(match: re.Match[str]) -> str:
    length = _FEW.get(match["length"].lower()) or int(match["length"])
    sign = "-" if ORDINALS[match["edge"].lower()] else ""
    return f"⟨run {sign}{length}⟩ of {match['whole'] or '⟨keyword⟩'}"


_SIGNS = (
    row(r" ?<= ?", " less than or equal to "),
    row(r" ?>= ?", " greater than or equal to "),
    row(r" ?< ?", " less than "),
    row(r" ?(?<![-=])> ?", " greater than "),
)

# Where "it", "the word" or "the answer" is the subject or the owner, and not the name of a word that follows.
_HEAD = r"(?P<head>^|^{aux} |\b(?:if|whether|that|of|in|inside|within|and|there) |, )"

_NAMES = (
    row(
        r"{the}{secret}(?:name|spelling|title|term|lower-? ?case (?:version|form)) (?:of|for) "
        r"(?:{the}{secret}(?:{keyword}|word|answer|{thing})|it)\b(?!'|-| ?{q})",
        "⟨keyword⟩",
    ),
    row(r"{the}{secret}(?:{keyword}|word|answer|{thing})'s {name}\b", "⟨keyword⟩"),
    row(r"\bits (?:full )?{name}\b", "⟨keyword⟩"),
    row(r"{the}{secret}{keyword}\b(?!⟩)", "⟨keyword⟩"),
    row(r"^(?P<head>is|was) {the}{secret}(?:answer|term|phrase|{name}) (?={q}(?:$|,| or ))", r"\g<head> ⟨keyword⟩ "),
    row(_HEAD + r"{the}{secret}(?:answer|term|phrase|{name})\b(?!'|-| ?{q}| ⟨)", r"\g<head>⟨keyword⟩"),
    row(r"\b(?:the|this|your) {thing} name\b|⟨keyword⟩ (?:name|string|text)\b", "⟨keyword⟩"),
    row(_HEAD + r"(?:it|(?:the|this|your) {thing})\b(?!'|-)", r"\g<head>⟨it⟩"),
    row(r"^(?=(?:starts|begins|ends|contains) )", "⟨it⟩ "),
    row(
        r"(?:⟨keyword⟩|\bthe (?:{keyword}|word|{thing})) (?:that )?(?:you are|you're|i am|i'm) thinking of\b",
        "⟨keyword⟩",
    ),
    row(r"⟩ itself", "⟩"),
    row(r"(?<=⟩) \((?:the )?(?:secret |hidden |target )?(?:word|name|answer|term)\)", ""),
    row(
        r"(?<=⟩),? ?\(?(?:when |if )?(?:it is )?(?:written |converted |spelled )?"
        r"(?:in|to) (?:all )?lower ?-?case(?: form)?\)?,?",
        "",
    ),
    row(
        r"(?<=⟩),? ?\((?:(?:in )?(?:all )?lower-? ?cased?|ignoring (?:case|(?:any )?spaces)|case[- ]insensitive"
        r"|without spaces)\)",
        "",
    ),
)

_PARTS = (
    row(r"⟨keyword⟩'s {nth} word\b", _word),
    row(
        r"\bthe (?P<sign>letter|character) (?:at|in) the (?:very )?(?P<nth>start|beginning|front|end){of whole}",
        _letter,
    ),
    row(r"(?:the |its )?{nth} word(?: {in} ⟨keyword⟩|\b(?!'| {in} ⟨))", _word),
    row(r"\b(?:any|either|at least one) (?:one )?(?:of )?(?:the |its )?words? {in} ⟨(?:keyword|it)⟩", "⟨any word⟩"),
    row(r"\b(?:every|each|both|all) (?:of )?(?:the |its )?words? {in} ⟨(?:keyword|it)⟩", "⟨every word⟩"),
    row(r"(?:the |its )?(?:first|initial) and (?:the )?(?:last|final) (?:letters?|characters?){of whole}", "⟨edges⟩"),
    row(
        r"(?:the |its )?(?P<edge>first|last|initial|final) (?P<length>[2-6]|two|three|four|five|six) "
        r"(?:letters|characters){of whole}",
        _run,
    ),
    row(r"(?P<owner>⟨[^⟩]*⟩)(?:'s)? {nth} (?P<sign>letter|character)\b", _letter),
    row(r"\b(?:the |its )?{nth} (?P<sign>letter|character)\b{of whole}", _letter),
    row(
        r"(?:the |its )?(?:total )?(?<!even )(?<!odd )(?:number|count|amount) of "
        r"(?P<unit>letters|characters|words|vowels|consonants){of whole}",
        r"⟨\g<unit>⟩",
    ),
    row(r"(?:the |its )(?:total )?(?:letter (?:count|length)|length){of whole}(?= |$)", "⟨length⟩"),
    row(r"⟨keyword⟩(?:'s)? (?:letter count|length)\b|⟨keyword⟩'s number of letters", "⟨length⟩"),
    row(r"⟨keyword⟩'s (?:word count|number of words)", "⟨words⟩"),
)

NAMING: tuple[Row, ...] = (*_SIGNS, *_NAMES, *_PARTS)
"""The rewrites, in the order in which they apply."""
