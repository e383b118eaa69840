"""Rules for the shape of a name: how many letters and words, spaces, hyphens, digits, capitals, plural.

Letters are counted alone: neither spaces nor hyphens, apostrophes or digits. Words are what spaces separate, so
"T-shirt" is one. Characters are all that stands between the ends of the name.
"""

from __future__ import annotations

import re

from twenty_questions.rules.clauses import Clause
from twenty_questions.rules.counts import COUNT, read_count
from twenty_questions.rules.patterns import pattern
from twenty_questions.spelling import characters, letters, plain, words

__all__ = ["capital", "compound", "count", "marks", "parity", "plural"]

_UNIT = (
    r"(?:(?:separate|different|distinct|individual) )?"
    r"(?P<unit>letters?|characters?|words?|vowels?|consonants?|digits?|spaces?|hyphens?)"
)
_IN_NAME = r"(?: (?:in|within) ⟨(?P<owner>keyword|it)⟩)?"
_OR_MORE = r"or (?:more|fewer|less|longer|shorter|greater)"
_LONG = r"(?: long| in length| in total| total)?"
_A_WORD = r"(?:word|phrase|term|name|noun|answer|keyword|expression|⟨keyword⟩|item|thing|object)"

_COUNTED = pattern(
    rf"(?:an? (?:total|length|compound|combination|phrase) of )?(?:{COUNT}) {_UNIT}(?: (?P<late>{_OR_MORE}))?{_LONG}"
    rf"(?: (?P<later>{_OR_MORE}))?{_IN_NAME}(?: \(inclusive\))?"
)
_SIZED = pattern(rf"(?:an? )?(?:{COUNT})[- ]{_UNIT}(?:[- ]long)? {_A_WORD}")
_MULTI = pattern(rf"(?:an? )?(?:(?P<multi>(?:multi|multiple)-? ?word)|(?:single|one)-? ?word)(?: {_A_WORD})?")
_NUMBER = pattern(rf"(?:equal to )?(?:{COUNT})(?: {_UNIT})?(?: (?P<late>{_OR_MORE}))?{_LONG}(?: \(inclusive\))?")
_PARITY = pattern(rf"an (?P<parity>even|odd) number of {_UNIT}{_IN_NAME}")

_MARKS = {
    "space": r"(?:blank |white ?)?spaces?",
    "hyphen": r"hyphens?(?: or dash(?:es)?)?|dash(?:es)?",
    "apostrophe": r"apostrophes?",
    "digit": r"digits?|numbers?(?: or digits?)?|numerals?|numeric(?:al)? (?:characters?|digits?)",
    "special": r"punctuation(?: marks?| characters?)?|special characters?|non-?alphabetic(?:al)? characters?",
    "capital": r"capital(?:i[sz]ed)? letters?|upper-? ?case (?:letters?|characters?)|capitals",
}
_MARK = pattern(
    r"(?:(?:an?|any|at least one|one or more|the|some) )?(?:"
    + "|".join(f"(?P<{kind}>{names})" for kind, names in _MARKS.items())
    + rf")(?: character)?(?:,? anywhere)?{_IN_NAME}"
)
_HYPHENATED = pattern(r"(?:a )?hyphenated(?: word)?")
_CAPITAL_LETTER = pattern(r"an? (?:capital(?:i[sz]ed)?|upper-? ?case) letter")
_CAPITALISED = pattern(r"(?:usually |always |normally )?capitali[sz]ed")
_COMPOUND = pattern(r"(?:made up of )?(?:an? )?compound (?:word|noun|term|name)")
_PLURAL = pattern(
    r"(?:in )?(?:an? |the |its )?(?:grammatically )?(?:(?P<plural>plural)|singular)"
    rf"(?: (?:form|{_A_WORD}))?(?: form)?(?: of an? {_A_WORD})?"
)
_PLURALS = frozenset(
    ("alumni", "cacti", "children", "dice", "feet", "fungi", "geese", "larvae", "lice", "men", "mice", "oxen", "people")
) | {"teeth", "women"}
_BOTH_NUMBERS = frozenset(
    [
        *("aircraft", "alms", "bacteria", "data", "deer", "fish", "gallows", "headquarters", "lens", "means", "media"),
        *("moose", "news", "salmon", "series", "sheep", "shrimp", "species", "squid", "trout"),
        *("binoculars", "glasses", "goggles", "jeans", "pajamas", "pants", "pliers", "scissors", "shorts", "tights"),
        *("trousers", "tweezers", "hercules", "james", "mars", "paris", "texas"),
    ]
)
"""Words that are singular and plural alike, or plural in form alone."""


def count(clause: Clause, name: str) -> bool | None:
    """How many letters, characters, words, vowels or consonants: "more than 5", "at least six", "one word", "4 to 6".

    Applies only when the unit is named; "longer than 5 feet" or "more than two wheels" is not mine. About "it", only
    letters, words and hyphens: a film has characters too.
    """
    if clause.subject is None:
        return None
    if clause.subject.kind == "number":
        match = _NUMBER.fullmatch(clause.object)
        unit = clause.subject.unit
        said = match["unit"].lower() if match and match["unit"] else unit
        if unit == "length":
            unit = said if said != "length" else "letters"
        elif said.rstrip("s") != unit.rstrip("s"):
            return None
    elif clause.subject.kind == "name" and clause.verb in ("contain", "be"):
        if clause.verb == "be" and (multi := _MULTI.fullmatch(clause.object)):
            return (len(words(name)) > 1) == bool(multi["multi"])
        match = _COUNTED.fullmatch(clause.object) or _SIZED.fullmatch(clause.object)
        unit = match["unit"].lower() if match else ""
        owner = match.groupdict().get("owner") if match else None
        if not (clause.subject.sure or owner == "keyword" or unit.startswith(("letter", "word", "hyphen"))):
            return None
    else:
        return None
    if match is None:
        return None
    groups = match.groupdict()
    return read_count(match, groups.get("late") or groups.get("later") or "").fits(_how_many(unit, name))


def parity(clause: Clause, name: str) -> bool | None:
    """An even or odd number of letters, characters or words."""
    if clause.subject is None:
        return None
    if clause.subject.kind == "number":
        asked = re.sub(r"^an? | number$", "", clause.object.lower())
        unit = clause.subject.unit.replace("length", "letters")
    elif clause.subject.kind == "name" and clause.verb == "contain" and (match := _PARITY.fullmatch(clause.object)):
        asked, unit = match["parity"].lower(), match["unit"]
    else:
        return None
    return (_how_many(unit, name) % 2 == 0) == (asked == "even") if asked in ("even", "odd") else None


def marks(clause: Clause, name: str) -> bool | None:
    """A space, hyphen, apostrophe, digit, special character or capital letter; "hyphenated".

    About "it" only hyphens, apostrophes and digits: "is there a space inside it" is not mine. A number must be
    contained: "does the keyword have numbers" may ask about a clock.
    """
    if clause.subject is None or clause.subject.kind != "name":
        return None
    if clause.verb == "be" and _HYPHENATED.fullmatch(clause.object):
        return _has_mark("hyphen", name)
    match = _MARK.fullmatch(clause.object) if clause.verb == "contain" else None
    if match is None:
        return None
    kind, said = next((kind, match[kind].lower()) for kind in _MARKS if match[kind])
    ambiguous = said.startswith(("number", "dash", "capitals"))
    if match["owner"] != "keyword" and (
        (clause.loosely and ambiguous and not said.startswith("dash"))
        or (not clause.subject.sure and (ambiguous or kind not in ("hyphen", "apostrophe", "digit")))
    ):
        return None
    return _has_mark(kind, name)


def capital(clause: Clause, name: str) -> bool | None:
    """Starts with a capital letter, is capitalised: as the keyword is written."""
    if clause.subject is None or clause.subject.kind != "name" or not clause.subject.sure:
        return None
    starts = clause.verb == "start" and _CAPITAL_LETTER.fullmatch(clause.object)
    is_so = clause.verb == "be" and _CAPITALISED.fullmatch(clause.object)
    return name.strip()[:1].isupper() if starts or is_so else None


def compound(clause: Clause, name: str) -> bool | None:
    """A compound word: yes for several words or a hyphen; a single word may still be one, so it stays open."""
    if clause.subject is None or clause.subject.kind != "name" or clause.verb not in ("be", "contain"):
        return None
    return True if _COMPOUND.fullmatch(clause.object) and (len(words(name)) > 1 or "-" in name.strip("-")) else None


def plural(clause: Clause, name: str) -> bool | None:
    """Plural or singular, by the last word's ending: no without a final s, yes with a common plural ending.

    Open for words that look alike in both ("sheep"), are always plural ("scissors") or end in -as, -is, -os or -ics.
    """
    if clause.subject is None or clause.subject.kind != "name" or clause.verb not in ("be", "contain"):
        return None
    match = _PLURAL.fullmatch(clause.object)
    found = words(name)
    answer = _is_plural(found[-1]) if match and found else None
    return None if match is None or answer is None else answer == bool(match["plural"])


def _is_plural(word: str) -> bool | None:
    if word in _BOTH_NUMBERS or not word.isalpha():
        return None
    if word in _PLURALS:
        return True
    if not word.endswith("s"):
        return False
    if len(word) < 3 or word.endswith(("as", "is", "os", "ics")):
        return None
    return not word.endswith(("ss", "us"))


def _has_mark(kind: str, name: str) -> bool:
    match kind:
        case "space":
            return any(character.isspace() for character in name.strip())
        case "hyphen":
            return any(character in "-‐‑‒–—" for character in name)
        case "apostrophe":
            return any(character in "'’" for character in name)
        case "digit":
            return any(character.isdecimal() for character in name)
        case "capital":
            return any(character.isupper() for character in name)
    return any(not (character.isalnum() or character.isspace()) for character in name)


def _how_many(unit: str, name: str) -> int:
    match unit.lower().rstrip("s"):
        case "letter":
            return len(letters(name))
        case "word":
            return len(words(name))
        case "vowel":
            return sum(plain(letter) in "aeiou" for letter in letters(name))
        case "consonant":
            return sum(plain(letter) not in "aeiou" for letter in letters(name))
        case "digit":
            return sum(character.isdecimal() for character in name)
        case "space":
            return sum(character.isspace() for character in name.strip())
        case "hyphen":
            return name.count("-")
    return len(characters(name))
