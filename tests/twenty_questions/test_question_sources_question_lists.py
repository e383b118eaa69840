"""Question lists: what a text becomes, keys that depend on nothing else, and files with one clear complaint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.question_sources.question_lists import (
    CountedQuestion,
    clean,
    normal_form,
    question_of,
    read_counted,
    read_questions,
    unique,
    write_questions,
)
from twenty_questions.questions import Question, letter
from twenty_questions.table import builtin_table


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("is it alive", "Is it alive?"),
        ("  Is \t it\n alive ?? ", "Is it alive?"),
        ("Is it alive.", "Is it alive?"),
        ("When used, does it make noise?", "When used, does it make noise?"),
        ("Is it a place where people eat?", "Is it a place where people eat?"),
        ("Whole grain?", "Whole grain?"),
        ("\u200bIs it\u2028alive?\x07", "Is it alive?"),
    ],
)
def test_a_text_is_tidied(text: str, tidy: str) -> None:
    assert clean(text) == tidy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a question"),
        ("?!", "a question"),
        ("What is it?", "yes or no"),
        ("So, where do you find it?", "yes or no"),
        ("In which country is it found?", "yes or no"),
        ("who's it for?", "yes or no"),
        ("Name a use for it.", "yes or no"),
        ("Is it alive? Is it big?", "several"),
        ("Is it " + "very " * 150 + "big?", "750"),
    ],
)
def test_what_is_no_yes_no_question_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        clean(text)


def test_the_longest_question_is_kept_whole() -> None:
    text = "Is it " + "a" * 743 + "?"
    assert len(text) == 750
    assert clean(text) == text
    with pytest.raises(ValueError, match="750"):
        clean(text.replace("?", "a?"))


def test_the_built_in_questions_are_tidy_already() -> None:
    for question in builtin_table().questions:
        assert clean(question.text) == question.text


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_text_becomes_one_question_or_is_refused(text: str) -> None:
    try:
        question = question_of(text)
    except ValueError:
        return
    if question.kind == "table":
        assert question.text == clean(question.text) == clean(text)
        assert question.text.endswith("?")
        assert len(question.text) <= 750
    assert question.key == question_of(question.text).key


@pytest.mark.parametrize("text", ["is it ALIVE", "Is it alive?", "is it, alive", " Is it  alive ?"])
def test_wordings_of_one_question_have_one_key(text: str) -> None:
    assert question_of(text).key == "is-it-alive"


def test_signs_and_decimals_make_other_questions() -> None:
    texts = ["Is it > 5 kg?", "Is it < 5 kg?", "Is it 5 kg?", "Is it 0.5 kg?", "Is it 05 kg?", "Is it $5?", "Is it 5%?"]
    assert len({normal_form(text) for text in texts}) == len(texts)
    assert len({question_of(text).key for text in texts}) == len(texts)


def test_long_questions_with_one_beginning_have_keys_of_their_own() -> None:
    beginning = "Is it something that people would usually expect to find in the house of"
    one, other = question_of(f"{beginning} a baker?"), question_of(f"{beginning} a doctor?")
    assert one.key != other.key
    assert one.key[:40] == other.key[:40]
    assert len(one.key) <= 67


def test_letter_questions_are_recognised() -> None:
    assert question_of('does the keyword start with the letter "k"?') == letter("starts", "k")


def test_equal_texts_are_joined_and_keys_made_unique() -> None:
    counted = [
        CountedQuestion(Question("alive", "Is it alive?"), 2, "games"),
        CountedQuestion(question_of("is it alive"), 3, "a model"),
        CountedQuestion(Question("alive", "Does it breathe?"), 1, "games"),
    ]
    first, second = unique(counted)
    assert (first.question, first.count, first.source) == (Question("alive", "Is it alive?"), 5, "games, a model")
    assert second.question.text == "Does it breathe?"
    assert second.question.key.startswith("alive-")
    assert unique([first, second]) == [first, second]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    counted = [CountedQuestion(question_of("is it “blue”"), 4, "games"), CountedQuestion(letter("ends", "é"), 1, "x")]
    write_questions(file, counted)
    assert read_counted(file) == counted
    assert read_counted(tmp_path) == counted
    write_questions(file, [one.question for one in counted])
    assert read_questions(file) == tuple(one.question for one in counted)
    assert "count" not in json.loads(file.read_text(encoding="utf-8").splitlines()[0])


def test_a_table_is_a_list(toy_folder: Path) -> None:
    assert len(read_questions(toy_folder)) == 26
    assert {question.kind for question in read_questions(toy_folder)} == {"table", "letter"}


def test_plain_text_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("# comment\n\nis it alive\nIs it alive?\nCan it fly?\n", encoding="utf-8")
    assert [(one.question.text, one.count) for one in read_counted(file)] == [("Is it alive?", 2), ("Can it fly?", 1)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "is it alive\nwhat is it\n", r"a\.txt, line 2: expected a question that yes or no answers"),
        ("a.txt", "\n# nothing\n", r"a\.txt: holds no question"),
        ("a.jsonl", "", r"a\.jsonl: holds no question"),
        ("a.jsonl", '{"key": "a"}\n', r"a\.jsonl, row 1: not a question \(no field 'text'\)"),
        ("a.jsonl", '{"text": "Is it?", "count": 0}\n', "row 1: .*count of at least 1"),
        ("a.jsonl", '{"text": "Is it?", "count": true}\n', "row 1: .*whole number"),
        ("a.jsonl", '{"text": "Is it?", "kind": "odd"}\n', "row 1: .*kind among"),
        ("a.jsonl", '{"text": ["Is it?"]}\n', "row 1: .*text to be text"),
        ("a.jsonl", '{"text": "Is it?"}\n{"text": "is it"}\n', "row 2: 'is-it' is already in row 1"),
    ],
)
def test_a_bad_list_is_one_clear_line(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_counted(tmp_path / name)


def test_missing_and_unreadable_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read"):
        read_counted(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"is it caf\xe9\n")
    with pytest.raises(InputError, match=r"latin\.txt: is not UTF-8"):
        read_counted(tmp_path / "latin.txt")


def test_nothing_else_is_replaced(tmp_path: Path, toy_folder: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("dear diary", encoding="utf-8")
    questions = [question_of("is it alive")]
    for place, words in (
        (notes, "something else"),
        (tmp_path, "is a folder"),
        (toy_folder / "questions.jsonl", "table"),
    ):
        with pytest.raises(InputError, match=words):
            write_questions(place, questions)
    assert notes.read_text(encoding="utf-8") == "dear diary"
    with pytest.raises(ValueError, match="twice"):
        write_questions(tmp_path / "new.jsonl", questions * 2)
    assert not (tmp_path / "new.jsonl").exists()
