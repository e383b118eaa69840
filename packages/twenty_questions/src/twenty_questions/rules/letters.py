"""Rules for letters: what a name starts and ends with, contains, doubles and repeats.

Letters are compared without case, and an accented letter is also its plain one. What a name starts and ends with leaves
out punctuation at its ends; its first, second, ... letters leave out all that is not a letter, so the third letter of
"T-shirt" is h.
"""

from __future__ import annotations

import itertools
import re

from twenty_questions.rules.choices import HALF, SOUND, one_letter, read_choice, read_letter_test, sounds
from twenty_questions.rules.clauses import Clause
from twenty_questions.rules.counts import COUNT, read_count
from twenty_questions.rules.patterns import pattern
from twenty_questions.spelling import bare, characters, is_letter, letters, plain, words

__all__ = [
    "contains",
    "double_letter",
    "edge",
    "letter_at",
    "letter_times",
    "repeated_letter",
    "run_of_letters",
    "same_edges",
]

_TAIL = pattern(
    r"(?: in (?:that|this) (?:exact )?order| consecutively| in sequence)?(?:,? (?:anywhere|somewhere|at all))?"
    r"(?: (?:in|inside|within|of) ⟨(?P<owner>keyword|it|word [-\d]+)⟩)?(?:,? (?:anywhere|somewhere|at all))?$"
)
_IS_AT = pattern(
    r"^(?:(?:come|fall|lie|appear|occur|be|belong|equal|match|happen|rank)(?:s|es)? )(?:to (?:be )?)?",
)
_LETTER = r"(?P<letter>{one})(?:'?s)?"
_OFTEN = r"(?P<often>(?:(?:(?:more|less|fewer) than|at least|at most|exactly|only|no more than) )?(?:once|twice|thrice)"
_TIMES = pattern(
    rf"(?:the |an? |any )?(?:letter )?{_LETTER}(?: {{inside}} ⟨(?:keyword|it)⟩)? {_OFTEN}|.{{1,40}}?(?= times))"
    r"(?: times)?(?: {inside} ⟨(?:keyword|it)⟩)?"
)
_COUNTED = pattern(
    rf"(?:{COUNT}) (?:letters? |(?:(?:instances?|occurrences?) )?of (?:the letter )?|the letter )?{_LETTER}"
)
_ROW = r"(?: in a row| next to each other| side by side| together| back to back| consecutively| adjacent to each other)"
_DOUBLED = pattern(
    r"(?:an? )?double (?:letter )?(?P<letter>{one})(?:'?s)?"
    rf"|two (?:consecutive |adjacent )?(?:letter )?(?P<letters>{{one}})(?:'?s)?{_ROW}"
)
_SAME = r"(?:identical|repeated|repeating|duplicate|duplicated|same|matching|equal)"
_DOUBLE = pattern(
    r"(?:an? |any |at least one |at least one pair of |a set of )?"
    rf"(?:double|doubled|(?:consecutive|adjacent) {_SAME}|{_SAME} (?:consecutive|adjacent)) letters?"
    rf"|(?:a pair of |any |two (?:of )?)?(?:the )?{_SAME} letters?(?: twice)?{_ROW}"
    rf"|two (?:of the )?(?:(?:consecutive|adjacent) )?{_SAME} (?:(?:consecutive|adjacent) )?letters?{_ROW}"
    rf"|(?:a pair of |two )(?:consecutive|adjacent) {_SAME} letters"
    r"|(?:two |any )(?:consecutive|adjacent) letters that are the same"
)
_REPEATED = pattern(
    rf"(?:an? |any |at least one )?(?:{_SAME}|recurring) letters?"
    r"|(?:an?|any|the same|some|one|at least one) letters? (?:(?:that|which) )?"
    r"(?:(?:appears?|occurs?|is used|is repeated|repeats?) ?)?"
    r"(?:more than once|twice|at least twice|multiple times|two or more times|more than one time"
    r"|(?<=repeated)|(?<=repeats))"
)
_THE_SAME = r"(?:the )?(?:same|identical|equal|alike|an identical)(?: (?:as|to))?(?: letters?)?"
_SAME_LETTER = pattern(_THE_SAME)
_SAME_AS_OTHER = pattern(_THE_SAME + r" ⟨letter (?P<other>0|-1)⟩ of ⟨(?:keyword|it)⟩")


def edge(clause: Clause, name: str) -> bool | None:
    """Starts with, ends with: a letter, one of several, a kind of letter, a range, or a longer text.

    Longer texts need quotes or a noun such as "the prefix", so "does it start with a button" is not mine. "Is the
    keyword in the first half of the alphabet" counts as a question about its start.
    """
    if clause.subject is None or clause.subject.kind != "name":
        return None
    text = bare(name)
    wanted, _ = _object(clause)
    if clause.verb == "be" and clause.subject.sure and HALF.fullmatch(wanted):
        ends = [text[:1]]
    elif clause.verb in ("start", "end", "edges"):
        ends = {"start": [text[:1]], "end": [text[-1:]], "edges": [text[:1], text[-1:]]}[clause.verb]
    else:
        return None
    if test := read_letter_test(wanted, clause, needs_letter=True):
        if SOUND.fullmatch(wanted) and clause.verb != "start" and text.endswith("y"):
            return None
        return all(test(letter) for letter in ends)
    choice = read_choice(wanted, clause)
    if choice is None or (choice.need == "all" and len(choice.texts) > 1):
        return None
    choice = choice._replace(need="none" if choice.need == "none" else "any")
    if choice.of_letters:
        return all(choice.holds(lambda letter, end=end: is_letter(end, letter)) for end in ends)  # type: ignore[misc]
    if clause.verb == "edges" or not choice.spelled(sure=clause.subject.sure):
        return None
    if not all(wanted[0].isalnum() for wanted in choice.texts):
        text = characters(name)
    return choice.holds(lambda wanted: _text_at_edge(text, wanted, clause.verb == "start", choice.noun))


def letter_at(clause: Clause, name: str) -> bool | None:
    """The first, last, n-th letter or character: which it is, its kind, its part of the alphabet.

    A place that the name does not have is answered no; whether a later y is a vowel stays open.
    """
    if clause.subject is None or clause.subject.kind not in ("letter", "character"):
        return None
    if clause.verb not in ("be", "other"):
        return None
    place = clause.subject.place
    found = _at(letters(name) if clause.subject.kind == "letter" else characters(name), place)
    wanted = _IS_AT.sub("", clause.object)
    if test := read_letter_test(wanted, clause, needs_letter=False):
        if found == "y" and place != 0 and SOUND.fullmatch(wanted):
            return None
        return bool(found) and test(found)
    choice = read_choice(wanted, clause)
    if choice is None or not choice.of_letters or (choice.need == "all" and len(choice.texts) > 1):
        return None
    # A digit called a letter is looked for among all characters.
    digit = _at(bare(name), place)
    choice = choice._replace(need="none" if choice.need == "none" else "any")
    return choice.holds(lambda letter: is_letter(digit if letter.isdecimal() else found, letter))


def run_of_letters(clause: Clause, name: str) -> bool | None:
    """The first or last few letters as one text: "Are the first three letters of the keyword "pan"?"."""
    if clause.subject is None or clause.subject.kind != "run" or clause.verb not in ("be", "other"):
        return None
    choice = read_choice(clause.object, clause)
    length = clause.subject.place
    if choice is None or choice.need == "all" or any(len(text) != abs(length) for text in choice.texts):
        return None
    row = letters(name)
    found = row[:length] if length > 0 else row[length:]
    return choice._replace(need="any").holds(lambda text: found == text)


def contains(clause: Clause, name: str) -> bool | None:
    """Contains a letter, several letters, a kind of letter, a text or a word.

    An unquoted text needs a noun such as "the letters" or "the substring"; about "it", so does a quoted one, and a
    letter needs quotes or the noun. "Does it contain vitamin C" and "any of the following: sugar, salt" are not mine.
    Letters listed without "and", "or", "all" or "any" stay open, as does a word that is only part of a longer one.
    """
    if clause.subject is None or clause.subject.kind != "name" or clause.verb != "contain":
        return None
    wanted, owner = _object(clause)
    sure = clause.subject.sure or owner not in ("", "it")
    text = characters(name)
    if sound := SOUND.fullmatch(wanted):
        found = any(sounds(sound["sound"], letter) for letter in text if letter != "y")
        return True if found else None if "y" in text else False
    choice = read_choice(wanted, clause)
    if choice is None or (clause.negated and choice.need == "all" and len(choice.texts) > 1):
        return None
    if choice.of_letters:
        if not (choice.noun in ("letter", "character") or choice.quoted or sure):
            return None
        return choice.holds(lambda letter: any(is_letter(character, letter) for character in text))
    several = len(choice.texts) > 1 and choice.noun in ("", "list", "set", "following")
    if several or not (sure or choice.noun) or not choice.spelled(sure=sure):
        return None
    return choice.holds(lambda wanted: _text_inside(text, wanted, choice.noun))


def letter_times(clause: Clause, name: str) -> bool | None:
    """How often a letter stands in the name: "more than once", "at least two a's", "a double o".

    A plain "twice" or "two a's" is open when there are more.
    """
    if clause.subject is None or clause.subject.kind != "name" or clause.verb != "contain":
        return None
    wanted, _ = _object(clause)
    if match := _DOUBLED.fullmatch(wanted):
        letter = one_letter(match["letter"] or match["letters"], clause)
        return letter + letter in "".join(map(plain, characters(name))) if letter else None
    if match := _TIMES.fullmatch(clause.object):
        often = re.sub(r"\b(?:once|twice|thrice)\b", lambda m: _OFTEN_NUMBER[m[0].lower()], match["often"], flags=re.I)
        counted = re.fullmatch(COUNT, often, re.IGNORECASE)
    else:
        counted = match = _COUNTED.fullmatch(wanted)
    letter = one_letter(match["letter"], clause) if match else ""
    if not letter or counted is None:
        return None
    number = sum(is_letter(character, letter) for character in letters(name))
    count = read_count(counted)
    return None if count.bare and number > count.low else count.fits(number)


def double_letter(clause: Clause, name: str) -> bool | None:
    """A letter twice in a row, within one word."""
    if clause.subject is None or clause.verb != "contain" or not _DOUBLE.fullmatch(_object(clause)[0]):
        return None
    return any(a == b and a.isalpha() for a, b in itertools.pairwise(characters(name)))


def repeated_letter(clause: Clause, name: str) -> bool | None:
    """Some letter more than once, anywhere in the name."""
    if clause.subject is None or clause.verb != "contain" or not _REPEATED.fullmatch(_object(clause)[0]):
        return None
    return len(set(letters(name))) < len(letters(name))


def same_edges(clause: Clause, name: str) -> bool | None:
    """The first and the last letter are the same."""
    row = letters(name)
    if clause.subject is None or not row:
        return None
    if clause.subject.kind == "edges" or clause.verb == "edges":
        asked = bool(_SAME_LETTER.fullmatch(clause.object))
    else:
        match = _SAME_AS_OTHER.fullmatch(clause.object) if clause.subject.kind == "letter" else None
        asked = match is not None and {int(match["other"]), clause.subject.place} == {0, -1}
    return row[0] == row[-1] if asked else None


_OFTEN_NUMBER = {"once": "1", "twice": "2", "thrice": "3"}


def _object(clause: Clause) -> tuple[str, str]:
    """Return what follows the verb without "anywhere in the keyword", and the owner so named, or ""."""
    tail = _TAIL.search(clause.object)
    return (clause.object[: tail.start()], tail["owner"] or "") if tail else (clause.object, "")


def _at(row: str, place: int) -> str:
    return row[place] if -len(row) <= place < len(row) else ""


def _text_at_edge(text: str, wanted: str, at_start: bool, noun: str) -> bool | None:
    wanted = wanted.strip()
    if noun in ("suffix", "prefix") or wanted.startswith("-") or wanted.endswith("-"):
        wanted = wanted.strip("-")
    if not wanted:
        return None
    found = text.startswith(wanted) if at_start else text.endswith(wanted)
    if not found or noun != "word":
        return found
    length = len(words(wanted))
    outer = words(text)[:length] if at_start else words(text)[-length:]
    return True if outer == words(wanted) else None


def _text_inside(text: str, wanted: str, noun: str) -> bool | None:
    wanted = wanted.strip() or wanted
    if wanted not in text:
        return False
    return True if noun != "word" or f" {wanted} " in f" {text} " else None
