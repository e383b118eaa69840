"""What an English question says, apart from how it says it: its words as stems, and which way it points.

"Isn't it smaller than a shoe box?" speaks of size, compares with a shoebox, points down and is not negated; so it is
"Is it bigger than a shoe box?" turned around. Stems are crude on purpose: they only have to be the same for the forms
of one word. The words that are treated in a way of their own are in `english_words`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from twenty_questions import english_words

__all__ = ["COMPARISON", "LIGHT", "Reading", "agreement", "opposed", "read", "stem"]

COMPARISON = ">"
"""The word that stands for a comparison, whichever way it points."""


class Reading(NamedTuple):
    """What a question says.

    Attributes:
        words: its words in order, as stems or what stands for them; words that say nothing are gone.
        about: who its first words are about: "it" ("does it"), "you" ("can I", "do people"), "there", or "" for others.
        negated: whether "not" or the like turns it around ("isn't it" at the start or the end does not).
        direction: 1 where it asks for more than something, -1 for less, 0 where it does not compare.
        scale: what it compares by: "size", "weight" and so on, or "" where it does not say.
        numbers: the numbers among the words.
        referent: what it compares with: the words after the comparison.
    """

    words: tuple[str, ...]
    about: str = ""
    negated: bool = False
    direction: int = 0
    scale: str = ""
    numbers: frozenset[str] = frozenset()
    referent: frozenset[str] = frozenset()


_OTHER_NUMBER, _OTHER_REFERENT, _OTHER_SCALE, _ONE_COMPARES, _ONE_NEGATED = 0.3, 0.5, 0.5, 0.8, 0.9


def agreement(text: Reading, wording: Reading) -> float:
    """Return what the likeness of two readings is worth, in (0, 1], by what likeness of words does not see.

    "More than 50 dollars" shares most words with "more than 100 dollars" and is another question.
    """
    worth = 1.0
    if text.numbers and wording.numbers and text.numbers.isdisjoint(wording.numbers):
        worth *= _OTHER_NUMBER
    if text.referent and wording.referent and text.referent.isdisjoint(wording.referent):
        worth *= _OTHER_REFERENT
    if text.scale and wording.scale and text.scale != wording.scale:
        worth *= _OTHER_SCALE
    if (text.direction == 0) != (wording.direction == 0):
        worth *= _ONE_COMPARES
    return worth if text.negated == wording.negated else worth * _ONE_NEGATED


def opposed(text: Reading, wording: Reading) -> bool:
    """Say whether yes to one of two readings of like words means no to the other."""
    return (text.negated != wording.negated) != (text.direction * wording.direction < 0)


_ENDINGS = ("ings", "ing", "edly", "ed", "able", "ible", "es", "s", "ly")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a word without its commonest English endings: "carried" and "carries" become "carri"."""
    if word.isdigit():
        return word
    word = _IRREGULAR.get(word, word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word


def _entries(lines: str, separator: str | None = None) -> list[tuple[str, list[str]]]:
    pairs = (line.partition(":") for line in lines.strip().splitlines())
    return [(head.strip(), [part.strip() for part in rest.split(separator)]) for head, _, rest in pairs]


_IRREGULAR = {form: word for word, forms in _entries(english_words.IRREGULAR) for form in forms}
_SAME = {stem(other): stem(word) for word, others in _entries(english_words.SAME) for other in others}
_IGNORED = frozenset(map(stem, english_words.IGNORED.split()))
_ABOUT = {word: about for about, words in _entries(english_words.ASKERS) for word in words}
_NEGATIONS = frozenset(english_words.NEGATIONS.split())
_NUMBERS = {word: str(value) for value, word in enumerate(english_words.NUMBERS.split(), start=2)}
_ZEROS = {"hundred": "00", "thousand": "000", "k": "000", "million": "000000"}
_MEASURES = {word: scale for scale, words in _entries(english_words.MEASURES) for word in words}
_SPANS = {"decade": ("10", "year"), "decades": ("10", "year"), "century": ("100", "year"), "dozen": ("12",)}
_UP, _DOWN = frozenset(english_words.UP.split()), frozenset(english_words.DOWN.split())
LIGHT = frozenset(map(stem, english_words.LIGHT.split()))
"""Stems that say little."""


def _scales() -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """Return the scale and direction of comparatives, and of plain words."""
    compared: dict[str, tuple[str, int]] = {}
    plain: dict[str, tuple[str, int]] = {}
    for scale, (more, less, much, little) in _entries(english_words.SCALES, "|"):
        for table, up, down in ((compared, more, less), (plain, much, little)):
            table.update(dict.fromkeys(up.split(), (scale, 1)) | dict.fromkeys(down.split(), (scale, -1)))
    return compared, plain


def _phrases() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Return by first stem the phrases that start with it, longest first, and the stem that stands for each."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for word, phrases in _entries(english_words.PHRASES, ","):
        for phrase in phrases:
            stems = tuple(map(stem, phrase.split()))
            found.setdefault(stems[0], []).append((stems, stem(word)))
    return {first: sorted(entries, key=lambda entry: -len(entry[0])) for first, entries in found.items()}


_COMPARED, _PLAIN = _scales()
_PHRASES = _phrases()

_LONGEST = 1000
_AUXILIARY = "(?:is|are|does|do|did|has|have|can|could|would|will|was|were|should|may|might|must|wo|ca)"
_LEADING_CONTRACTION = re.compile(rf"^\W*{_AUXILIARY}n'?t\b")
_TAG = re.compile(rf",\s*{_AUXILIARY}(?:n'?t)? (?:it|they|you)\W*$")
_CONTRAST = re.compile(r"\b(?:rather than|instead of|as opposed to|and not|but not)\b.*|, not\b.*")
_OPENING = re.compile(rf"^\W*{_AUXILIARY}(?:n'?t)?\s+([a-z]+)\b")
_FREE_OF = re.compile(r"\bfree (?:of|from)\b")
_DOLLARS = re.compile(r"\$\s*([0-9][0-9,]*k?)")
_YEAR = re.compile(r"1[0-9]{3}|20[0-9]{2}")
_TOKEN = re.compile(r"[0-9][0-9,]*|[a-z]+")


def read(text: str) -> Reading:
    """Read a question of up to a thousand characters; what follows "rather than" or the like is left out."""
    lowered = text[:_LONGEST].lower().replace("’", "'").strip()
    plain = _CONTRAST.sub("", _TAG.sub("", _LEADING_CONTRACTION.sub(" ", lowered)))
    spelled_out = _DOLLARS.sub(r"\1 dollar", _FREE_OF.sub("without", plain)).replace("n't", " not")
    tokens = _TOKEN.findall(spelled_out)
    kept, direction, scale = _without_directions(_with_digits(tokens))
    if direction and not scale:
        scale = next((_MEASURES[token] for token in kept if token in _MEASURES), "")
    negations = sum(token in _NEGATIONS for token in kept)
    stems = _without_phrases([stem(token) for token in kept if token not in _NEGATIONS])
    words = tuple(word for word in (_SAME.get(word, word) for word in stems) if word not in _IGNORED)
    opening = _OPENING.match(lowered)
    return Reading(
        words=words,
        about=_ABOUT.get(opening[1], "") if opening else "",
        negated=negations % 2 == 1,
        direction=direction,
        scale=scale,
        numbers=frozenset(filter(str.isdigit, words)),
        referent=frozenset(words[words.index(COMPARISON) + 1 :] if COMPARISON in words else ()),
    )


def _with_digits(tokens: list[str]) -> list[str]:
    """Write numbers in digits: "twenty thousand" and "20k" are "20000"."""
    found: list[str] = []
    for token in tokens:
        if token in _SPANS:
            found.extend(_SPANS[token])
        elif token in _ZEROS and found and found[-1].isdigit():
            found[-1] += _ZEROS[token]
        elif token in _ZEROS and token != "k":
            found.append("1" + _ZEROS[token])
        else:
            found.append(_NUMBERS.get(token, token.replace(",", "")))
    return found


def _without_directions(tokens: list[str]) -> tuple[list[str], int, str]:
    """Replace words that point up or down by their scale and `COMPARISON`; return direction and scale of the first."""
    kept: list[str] = []
    direction, first_scale, position = 0, "", 0
    while position < len(tokens):
        scale, sign, length = _direction_at(tokens, position)
        kept.extend([scale, COMPARISON][not scale :] if sign else tokens[position : position + 1])
        direction, first_scale = (direction, first_scale) if direction else (sign, scale)
        position += length
    return [token for token in kept if token != "than"], direction, first_scale


def _direction_at(tokens: list[str], position: int) -> tuple[str, int, int]:
    """Return scale, direction and number of the words at a position that point up or down; ("", 0, 1) if none do.

    What is newer than 1950 is of after 1950: beside a year age points the other way.
    """
    first, second, third = (*tokens[position : position + 3], "", "")[:3]
    if second in _PLAIN and ((first == third == "as") or (first == "too" and "to" in tokens[position:])):
        return *_PLAIN[second], 3 if first == "as" else 2
    if first in _COMPARED and "than" in tokens[position:]:
        scale, sign = _COMPARED[first]
        year = scale == "age" and second == "than" and _YEAR.fullmatch(third) and "years" not in tokens[position:]
        return scale, -sign if year else sign, 1
    if first in _UP or first in _DOWN:
        sign = 1 if first in _UP else -1
        if second in _PLAIN and third == "than":
            scale, up = _PLAIN[second]
            return scale, sign * up, 2
        beside = [token for token in tokens[position + 1 : position + 4] if token not in ("a", "an", "the", "dollar")]
        if beside and (beside[0] == "than" or beside[0].isdigit()):
            return "", sign, 1
    return "", 0, 1


def _without_phrases(stems: list[str]) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(stems):
        for phrase, word in _PHRASES.get(stems[position], ()):
            if tuple(stems[position : position + len(phrase)]) == phrase:
                found.append(word)
                position += len(phrase)
                break
        else:
            found.append(stems[position])
            position += 1
    return found
