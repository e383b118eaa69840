"""The kinds of question, and those that spelling alone answers.

- `table`: about meaning; only a table, a person or a language model can answer it.
- `letter`: about the letters of the keyword's name; `argument` holds the test, e.g. `starts:a`.
- `alphabetical`: whether the name comes before a word; `argument` is the word.
- `handshake`: the protocol's opening, which asks about the partner and not about the keyword.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from twenty_questions.spelling import bare, characters, is_letter, letters, plain, words

__all__ = [
    "HANDSHAKE",
    "LETTER_TESTS",
    "Kind",
    "Question",
    "alphabetical",
    "answer_by_spelling",
    "letter",
]

Kind = Literal["table", "letter", "alphabetical", "handshake"]


@dataclass(frozen=True, slots=True)
class Question:
    """A yes/no question.

    Attributes:
        key: a short name, unique in its table.
        text: the wording that the partner reads, at most 750 characters.
        kind: how it can be answered.
        argument: what a letter or alphabetical question is about.
    """

    key: str
    text: str
    kind: Kind = "table"
    argument: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"expected a question kind among {', '.join(get_args(Kind))}, got {self.kind!r}")
        if not self.text.strip() or len(self.text) > 750:
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


def answer_by_spelling(question: Question, name: str) -> bool | None:
    """Answer a letter or alphabetical question exactly; None for the other kinds.

    An alphabetical question compares the lower-cased name with the word as given, in code-point order, strictly. The
    others leave out case, accents, and punctuation at the ends; see `spelling`.
    """
    if question.kind == "alphabetical":
        return name.lower() < question.argument
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
