"""Kinds of question, and the ones that spelling answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.questions import HANDSHAKE, LETTER_TESTS, Question, alphabetical, answer_by_spelling, letter
from twenty_questions.spelling import bare, characters, is_letter, letters, plain, words

names = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("test", "value", "yes", "no"),
    [
        ("starts", "a", ["Apple", "air filter", "'adobe'", "Ångström"], ["Banana", "3A battery", ""]),
        ("ends", "e", ["Apple", "café", "bird cage!"], ["melon", "e5"]),
        ("contains", "e", ["Apple", "pie chart", "Éclair"], ["fig", ""]),
        ("before", "m", ["Apple", "LASER beam", "éclair"], ["melon", "zinc", "3D printer", ""]),
        ("longer", "5", ["banana", "yoga mat"], ["Apple", "t-shi", "1234567", "ice ax"]),
        ("words", "1", ["yoga mat", " a  b "], ["T-shirt", "apple", ""]),
    ],
)
def test_letter_questions_by_hand(test: str, value: str, yes: list[str], no: list[str]) -> None:
    question = letter(test, value)
    assert [name for name in yes + no if answer_by_spelling(question, name)] == yes


@pytest.mark.parametrize("test", ["starts", "ends", "contains", "before"])
def test_the_case_of_a_letter_makes_no_other_question(test: str) -> None:
    assert letter(test, "E") == letter(test, "e")


def test_numbers_have_one_key() -> None:
    assert letter("longer", "08") == letter("longer", "8")
    assert letter("words", "1").text == "Does the keyword have more than one word?"


@pytest.mark.parametrize(
    ("test", "value"),
    [
        ("starts", "ab"),
        ("starts", ""),
        ("ends", "3"),
        ("before", "?"),
        ("longer", "x"),
        ("words", "-1"),
        ("longer", "9" * 7),
        ("vowel", "a"),
        ("starts", "\u0130"),
    ],
)
def test_a_letter_question_needs_a_fitting_value(test: str, value: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        letter(test, value)


@given(name=names, word=names)
def test_alphabetical_compares_code_points_as_given(name: str, word: str) -> None:
    assert answer_by_spelling(alphabetical(word), name) == (name.lower() < word)


def test_alphabetical_is_strict_and_keeps_the_words_case() -> None:
    assert answer_by_spelling(alphabetical("melon"), "Melon") is False
    assert answer_by_spelling(alphabetical("Melon"), "apple") is False
    assert answer_by_spelling(alphabetical("melon "), "melon") is True


def test_other_kinds_are_not_answered_by_spelling() -> None:
    assert answer_by_spelling(HANDSHAKE, "apple") is None
    assert answer_by_spelling(Question("mammal", "Is it a mammal?"), "apple") is None


@pytest.mark.parametrize(("text", "kind"), [("", "table"), ("  ", "table"), ("x" * 751, "table"), ("Is it?", "guess")])
def test_a_question_has_a_text_and_a_kind(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match="expected a question"):
        Question("key", text, kind)  # type: ignore[arg-type]


@given(name=names, value=st.characters(categories=["Ll", "Lo"]))
def test_letter_questions_agree_with_each_other(name: str, value: str) -> None:
    asked = {
        test: answer_by_spelling(letter(test, value), name) for test in LETTER_TESTS if test not in ("longer", "words")
    }
    assert asked["contains"] or not (asked["starts"] or asked["ends"])


@given(name=names)
def test_what_names_are_made_of(name: str) -> None:
    assert set(letters(name)) <= set(characters(name))
    assert "".join(words(name)) == "".join(characters(name).split())
    assert bare(name) in characters(name)
    assert all(
        is_letter(character, character) and is_letter(character, plain(character)) for character in characters(name)
    )


@pytest.mark.parametrize(
    ("letter", "base"), [("é", "e"), ("å", "a"), ("ñ", "n"), ("ø", "ø"), ("e", "e"), ("ß", "ß"), ("한", "한")]
)
def test_plain_letters(letter: str, base: str) -> None:
    assert plain(letter) == base
