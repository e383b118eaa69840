"""Prompts: what a conversation holds, what a form must hold, and prompts in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from twenty_questions.labelling.prompts import EXAMPLES, ORIGINAL, PROMPTS, Prompt, Turn, read_prompt


def test_the_original_asks_as_the_original_did() -> None:
    assert ORIGINAL.conversation("kettle", "Is it alive?") == [
        {
            "role": "system",
            "content": "You are an AI that answers with 'yes' or 'no' to determine if a statement based on a keyword "
            "is true. Answer yes or no only.",
        },
        {"role": "user", "content": "Keyword: kettle, Question: Is it alive?"},
    ]


def test_examples_stand_between_system_and_question() -> None:
    roles = [turn["role"] for turn in EXAMPLES.conversation("kettle", "Is it alive?")]
    assert roles == ["system", *["user", "assistant"] * 12, "user"]
    assert [turn.answer for turn in EXAMPLES.turns].count("yes") == 6


@pytest.mark.kaggle
def test_examples_tell_nothing_about_the_public_list() -> None:
    from twenty_questions.sources.public_list import read_public_list
    from twenty_questions.words import names_match

    public = [name for keyword in read_public_list().keywords for name in keyword.names]
    assert not [turn.keyword for turn in EXAMPLES.turns if any(names_match(turn.keyword, name) for name in public)]


def test_what_is_put_in_is_never_read_as_a_form() -> None:
    said = ORIGINAL.conversation("a {question} b\n\nc", "Is it {keyword}?")[-1]["content"]
    assert said == "Keyword: a {question} b c, Question: Is it {keyword}?"


def test_a_definition_is_said_where_there_is_a_place_for_it() -> None:
    prompt = Prompt(system="", user_with_definition="{keyword}: {definition}. {question}")
    assert prompt.conversation("kettle", "Is it?", "a pot") == [{"role": "user", "content": "kettle: a pot. Is it?"}]
    assert prompt.conversation("kettle", "Is it?")[0]["content"] == "Keyword: kettle, Question: Is it?"
    assert ORIGINAL.conversation("kettle", "Is it?", "a pot") == ORIGINAL.conversation("kettle", "Is it?")


@pytest.mark.parametrize("form", ["{keyword}", "{question} {keyword}", "{keyword} {keyword} {question}", ""])
def test_a_form_without_its_places_in_order_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="expected user to hold"):
        Prompt(system="", user=form)
    with pytest.raises(ValueError, match="yes or no, got 'maybe'"):
        Turn(keyword="a", question="b", answer="maybe")


def test_a_prompt_is_read_by_name_or_from_a_file(tmp_path: Path) -> None:
    assert read_prompt("original") is PROMPTS["original"]
    file = tmp_path / "mine.toml"
    file.write_text(
        'system = "Be short."\nuser = "{keyword}? {question}"\n[[turns]]\nkeyword = "dog"\nquestion = "Is it alive?"\n'
        'answer = "yes"\n'
    )
    assert read_prompt(str(file)).conversation("cat", "Is it red?")[1]["content"] == "dog? Is it alive?"
    file.write_text('system = "x"\nuser = "{question}"\n')
    with pytest.raises(InputError, match=r"mine\.toml: expected user to hold"):
        read_prompt(str(file))
    file.write_text("system =")
    with pytest.raises(InputError, match=r"mine\.toml: not TOML"):
        read_prompt(str(file))
    with pytest.raises(InputError, match="there is no prompt 'exampels'"):
        read_prompt("exampels")
