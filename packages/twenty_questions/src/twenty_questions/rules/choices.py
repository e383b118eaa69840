"""What may follow "starts with" or "contains": letters, kinds of letters, ranges, longer texts, and lists of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from twenty_questions.rules.clauses import Clause
from twenty_questions.rules.items import read_items
from twenty_questions.rules.patterns import pattern
from twenty_questions.rules.reading import QUOTED
from twenty_questions.spelling import plain

__all__ = ["HALF", "SOUND", "Choice", "one_letter", "read_choice", "read_letter_test", "sounds"]

LetterTest = Callable[[str], bool]

_A_LETTER = (
    r"(?:(?:an?|any|one of the|the) )?(?:letters? )?(?:(?:that|which) )?"
    r"(?:(?:is|are|comes?|appears?|occurs?|falls?|lies) )?"
)
SOUND = pattern(
    r"(?:(?:an?|the|any|at least one) )?(?P<sound>vowel|consonant)s?(?: letter)?s?(?: ?\([^)]*\))?",
)
"""A vowel or a consonant."""
HALF = pattern(
    _A_LETTER + r"(?:(?:in|within|from|of|part of|among) )?the (?:(?P<half>first|second|last|latter|former|other) half"
    r"|(?P<edge>first|last) (?P<size>\d{1,2}|thirteen|ten) letters) of the (?:english )?alphabet"
    r"(?:,? ?\((?P<range>[^)]*)\))?"
)
"""One half of the alphabet, or its first or last few letters."""
_SIDE = pattern(
    _A_LETTER + r"(?:(?P<before>before|earlier than|prior to|preceding|precedes|less than|smaller than|ahead of)"
    r"|(?:after|later than|following|follows|greater than|larger than|beyond))(?P<equal> or equal to)? "
    r"(?:(?:the )?letters? )?(?P<bound>{one})"
)
_RANGE = pattern(
    _A_LETTER + r"(?P<head>(?:(?:in|within|inside|from|between|among|of) )?(?:the )?(?:alphabetical )?"
    r"(?:range |interval |letters )?(?:of |from |between )?)(?:(?:the )?letters? )?(?P<low>{one}) ?"
    r"(?P<to>and|to|through|thru|-|up to) ?(?:(?:the )?letters? )?(?P<high>{one})(?:,? \(?inclusive(?:ly)?\)?)?"
)
_CHOICE = pattern(
    r"(?P<need>(?:at least one|any one|one or more|exactly one|any|one|either|some|all|both|none|neither)"
    r"(?: (?:of|from|in))? )?(?P<among>(?:in|from|among|amongst|within|part of|to) )?"
    r"(?:(?:the|these|this|those|following|set of|list of|group of|consecutive|exact|single|letter in"
    r"|an?(?! (?:(?:or|and|to|through)\b|\w \w\b))) ){0,5}(?:(?:lower|upper) ?-?case |capital )?"
    r"(?P<noun>(?:letter |consecutive )?(?:letters?|characters?|(?:sub)?strings?|numbers?|digits?|vowels?(?! ?[(,]|$)"
    r"|consonants?(?! ?[(,]|$)|sequences?|combinations?|prefix(?:es)?|suffix(?:es)?|words?)(?: of letters)?"
    r"|list|set|following)?(?: (?:from|in|of) (?:the|this) (?:following )?(?:list|set))?(?(noun)\b|)\s*[:?]?\s*"
    r"(?P<items>.*)",
    re.IGNORECASE | re.DOTALL,
)
_FILLERS = pattern(
    r"(?:\b(?:the|an?) )?\bletters? (?=\S)|(?<!\b\w )\b(?:an?|the) (?=(?:{q}|\w)\b(?! \w\b))"
    r"|(?<={q})'?s\b|(?<=\b\w)'s\b"
)
_TOKEN = re.compile(r"[\w'-]+")
_AFFIX = re.compile(r"-\w+|\w+-")


class Choice(NamedTuple):
    """Letters or texts that a question lists.

    Attributes:
        texts: lower case, at least one.
        need: how many of them are asked for; "listed" when the question names several and does not say.
        noun: what the question calls them, singular: "letter", "word", "string", ..., or "".
        quoted: whether all stand in quotes.
    """

    texts: tuple[str, ...]
    need: Literal["any", "all", "none", "listed"]
    noun: str
    quoted: bool

    @property
    def of_letters(self) -> bool:
        """Whether every one is a single letter or digit."""
        return all(len(text) == 1 and text.isalnum() for text in self.texts)

    def spelled(self, *, sure: bool) -> bool:
        """Whether longer texts are meant as spelling: quoted, or single tokens under a noun of spelling, or "-er"."""
        if self.quoted or all(_AFFIX.fullmatch(text) for text in self.texts):
            return True
        nouns = {"letter", "string", "sequence", "combination", "prefix", "suffix", "following"}
        return self.noun in (nouns | {"word"} if sure else nouns) and all(_TOKEN.fullmatch(text) for text in self.texts)

    def holds(self, test: Callable[[str], bool | None]) -> bool | None:
        """Return whether as many pass a test as are needed; None when that stays open."""
        results = [test(text) for text in self.texts]
        if self.need == "listed" and len(results) > 1:
            return None
        if self.need == "all":
            return False if False in results else None if None in results else True
        found = True if True in results else None if None in results else False
        return found if found is None or self.need != "none" else not found


def one_letter(text: str, clause: Clause) -> str:
    """Return the single letter that a match of `{one}` names, lower case, or ""."""
    letter = (clause.literal(text) if re.fullmatch(QUOTED, text) else text).strip().lower()
    return letter if len(letter) == 1 and letter.isalpha() else ""


def sounds(sound: str, letter: str) -> bool:
    """Return whether a letter is a "vowel" (a, e, i, o, u) or a "consonant" (the other letters, with y)."""
    return letter.isalpha() and (plain(letter) in "aeiou") == (sound.lower() == "vowel")


def read_choice(wanted: str, clause: Clause) -> Choice | None:
    """Return the letters or texts that are listed, or None when there is nothing after the words of listing."""
    match = _CHOICE.fullmatch(wanted)
    items = read_items(_FILLERS.sub("", match["items"]), clause.literals) if match else None
    if match is None or items is None or not items.texts:
        return None
    texts = tuple(text.lower() if items.quoted else text.lower().strip("'") for text in items.texts)
    if not all(texts):
        return None
    said = re.sub(r" (?:of|from|in)$", "", (match["need"] or "").strip().lower())
    noun = re.sub(r"^letter |^consecutive | of letters$", "", (match["noun"] or "").lower())
    noun = re.sub(r"(?:(?<=x)es|s)$", "", noun).removeprefix("sub")
    need: Literal["any", "all", "none", "listed"] = "listed"
    if said in ("none", "neither"):
        need = "none"
    elif said in ("all", "both"):
        need = "all"
    elif said or match["among"] or noun in ("list", "set") or items.joined == "or" or len(texts) == 1:
        need = "any"
    elif items.joined == "and":
        need = "all"
    return Choice(texts, need, noun, items.quoted)


def read_letter_test(wanted: str, clause: Clause, *, needs_letter: bool) -> LetterTest | None:
    """Return the test that a kind or a range of letters stands for; None when `wanted` is neither.

    Args:
        wanted: such as "a vowel", "a letter before M", "between A and M", "in the first half of the alphabet".
        clause: where it stands; it holds the quotes.
        needs_letter: whether it must say that it is about letters.
    """
    if match := SOUND.fullmatch(wanted):
        sound = match["sound"]
        return lambda letter: sounds(sound, letter)
    if match := HALF.fullmatch(wanted):
        # A range in brackets says more exactly which letters are meant.
        if match["range"] and (test := read_letter_test(match["range"], clause, needs_letter=False)):
            return test
        first = (match["half"] or match["edge"]).lower() in ("first", "former")
        size = 13 if match["half"] else {"thirteen": 13, "ten": 10}.get(match["size"].lower()) or int(match["size"])
        low, high = ("a", chr(ord("a") + size - 1)) if first else (chr(ord("z") - size + 1), "z")
        return (lambda letter: low <= plain(letter) <= high) if 0 < size <= 26 else None
    if needs_letter and not re.search(r"letter|between|range|from|[^\W_]-[^\W_]", wanted, re.IGNORECASE):
        return None
    if (match := _SIDE.fullmatch(wanted)) and (bound := plain(one_letter(match["bound"], clause) or " ")) != " ":
        before, equal = bool(match["before"]), bool(match["equal"])
        return lambda letter: (
            letter.isalpha()
            and ((plain(letter) < bound if before else plain(letter) > bound) or (equal and plain(letter) == bound))
        )
    if (match := _RANGE.fullmatch(wanted)) and (match["head"] or match["to"].lower() != "and"):
        low, high = one_letter(match["low"], clause), one_letter(match["high"], clause)
        if low and low <= high:
            return lambda letter: letter.isalpha() and low <= plain(letter) <= high
    return None
