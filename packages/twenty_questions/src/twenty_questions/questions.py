"""The kinds of question, and those that spelling alone answers.

- `table`: about meaning; only a table, a person or a language model can answer it.
- `letter`: about the letters of the keyword's name; `argument` holds the test, e.g. `starts:a`.
- `alphabetical`: whether the name comes before a word; `argument` is the word.
- `list`: whether the keyword is one of some names, by the game's rule of matching; `argument` is the list.
- `handshake`: the protocol's opening, which asks about the partner and not about the keyword.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from twenty_questions.spelling import bare, characters, is_letter, letters, plain, words
from twenty_questions.words import names_match, normalise

__all__ = [
    "HANDSHAKE",
    "LETTER_TESTS",
    "LONGEST_QUESTION",
    "Kind",
    "Question",
    "alphabetical",
    "answer_by_spelling",
    "can_be_listed",
    "letter",
    "names_listed",
    "one_of",
    "read_list",
]

Kind = Literal["table", "letter", "alphabetical", "list", "handshake"]

LONGEST_QUESTION = 750
"""The game cuts a question after so many characters."""

_LIST = "Is the keyword one of the following? "
_PLAIN_NAME = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_JOINING = re.compile(r"\b(?:and|or|nor)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """A yes/no question.

    Attributes:
        key: a short name, unique in its table.
        text: the wording that the partner reads, at most 750 characters.
        kind: how it can be answered.
        argument: what a letter, alphabetical or list question is about.
    """

    key: str
    text: str
    kind: Kind = "table"
    argument: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"expected a question kind among {', '.join(get_args(Kind))}, got {self.kind!r}")
        if not self.text.strip() or len(self.text) > LONGEST_QUESTION:
            raise ValueError(f"expected a question of 1 to 750 characters, got {len(self.text)}: {self.text[:60]!r}")


HANDSHAKE = Question(key="handshake", text="Is it Agent Alpha?", kind="handshake")

LETTER_TESTS = {
    "starts": 'Does the keyword start with the letter "{}"?',
    "ends": 'Does the keyword end with the letter "{}"?',
    "contains": 'Does the keyword contain the letter "{}"?',
    "before": 'Does the keyword start with a letter that comes before "{}" in the alphabet?',
    "longer": "Does the keyword have more than {} letters?",
    "words": "Does the keyword have more than {} words?",
}
"""Wordings by test; the argument of a letter question is `test:value`."""


def letter(test: str, value: str) -> Question:
    """Return the letter question of one test, such as `letter("starts", "a")` or `letter("longer", "8")`.

    Letters are asked for in lower case and numbers without leading zeros, so that one question has one key.

    Raises:
        ValueError: if the test is unknown, or its value is not a letter (`longer`, `words`: a number).
    """
    if test not in LETTER_TESTS:
        raise ValueError(f"expected a letter test among {', '.join(LETTER_TESTS)}, got {test!r}")
    if test in ("longer", "words"):
        if not (value.isdecimal() and len(value) <= 6):
            raise ValueError(f"expected a number of at most 6 digits for {test}, got {value!r}")
        value = str(int(value))
    else:
        value = value.lower()
        if not (len(value) == 1 and value.isalpha()):
            raise ValueError(f"expected a letter for {test}, got {value!r}")
    text = LETTER_TESTS[test].format(value)
    if (test, value) == ("words", "1"):
        text = "Does the keyword have more than one word?"
    return Question(key=f"{test}:{value}", text=text, kind="letter", argument=f"{test}:{value}")


def alphabetical(word: str) -> Question:
    """Return the bisection question of the contest's protocol, in its fixed wording."""
    return Question(
        key=f"before-word:{word}",
        text=f'Does the keyword (in lowercase) precede "{word}" in alphabetical order?',
        kind="alphabetical",
        argument=word,
    )


def can_be_listed(name: str) -> bool:
    """Return whether a name stands in a list as one member for every reader.

    Letters and digits, joined by single spaces or hyphens, without "and", "or" and "nor", and not letters alone ("x y"
    may be read as two members).
    """
    return bool(
        _PLAIN_NAME.fullmatch(name)
        and not _JOINING.search(name)
        and any(len(word) > 1 for word in name.split(" "))
        and normalise(name)
    )


def one_of(names: Sequence[str]) -> Question:
    """Return the question whether the keyword is one of these names.

    Raises:
        ValueError: if there is no name, one cannot be listed, or the wording is longer than the game allows.
    """
    if not names:
        raise ValueError("expected at least one name to list, got none")
    for name in names:
        if not can_be_listed(name):
            raise ValueError(f"expected a name of letters, digits, spaces and hyphens, without 'or', got {name!r}")
    argument = ", ".join(names)
    return Question(key=f"one-of:{argument}", text=_LIST + argument, kind="list", argument=argument)


def names_listed(question: Question) -> tuple[str, ...]:
    """Return the names that a list question is about."""
    return tuple(question.argument.split(", "))


def read_list(text: str) -> Question | None:
    """Return the list question that is worded like this, or None."""
    text = text.strip()
    if not text.casefold().startswith(_LIST.casefold()):
        return None
    names = text[len(_LIST) :].split(", ")
    return one_of(names) if len(text) <= LONGEST_QUESTION and all(map(can_be_listed, names)) else None


def answer_by_spelling(question: Question, name: str) -> bool | None:
    """Answer a letter, alphabetical or list question exactly; None for the other kinds.

    An alphabetical question compares the lower-cased name with the word as given, in code-point order, strictly. A list
    holds a name that the game would take for a member. The others leave out case, accents, and punctuation at the ends;
    see `spelling`.
    """
    if question.kind == "alphabetical":
        return name.lower() < question.argument
    if question.kind == "list":
        return any(names_match(name, listed) for listed in names_listed(question))
    if question.kind != "letter":
        return None
    test, value = question.argument.split(":", 1)
    match test:
        case "starts":
            return is_letter(bare(name)[:1], value)
        case "ends":
            return is_letter(bare(name)[-1:], value)
        case "contains":
            return any(is_letter(character, value) for character in characters(name))
        case "before":
            first = bare(name)[:1]
            return first.isalpha() and plain(first) < plain(value)
        case "longer":
            return len(letters(name)) > int(value)
        case _:
            return len(words(name)) > int(value)
