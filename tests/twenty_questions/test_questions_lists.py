"""Lists of names as questions: their wording, reading it back, and that the answerer's rules answer it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.guesser import recognise
from twenty_questions.questions import (
    LONGEST_QUESTION,
    answer_by_spelling,
    can_be_listed,
    names_listed,
    one_of,
    read_list,
)
from twenty_questions.rules import answer_by_rule
from twenty_questions.spelling_questions import honest_answers
from twenty_questions.table import AnswerTable, builtin_table

words = st.text(alphabet="abcdefgh", min_size=2, max_size=8)
names = st.lists(words, min_size=1, max_size=3).map(" ".join)


def test_the_wording_is_fixed() -> None:
    question = one_of(["hammer", "saw horse", "t-square"])
    assert question.text == "Is the keyword one of the following? hammer, saw horse, t-square"
    assert (question.kind, question.argument) == ("list", "hammer, saw horse, t-square")


@given(st.lists(names, min_size=1, max_size=20, unique=True))
def test_a_list_is_read_back_from_its_wording(listed: list[str]) -> None:
    question = one_of(listed)
    assert names_listed(question) == tuple(listed)
    assert read_list(f" {question.text}\n") == question


@pytest.mark.parametrize(
    "text",
    [
        "Is it one of the following? hammer, saw",
        "Is the keyword one of the following? ",
        "Is the keyword one of the following? hammer, salt and pepper",
        "Is the keyword one of the following? " + "hammer, " * 100 + "saw",
    ],
)
def test_other_wordings_are_no_lists_of_ours(text: str) -> None:
    assert read_list(text) is None


@pytest.mark.parametrize(
    "name",
    ["salt and pepper", "bed, double", "a b", "x", "cat's cradle", "either/or", "the", "st. bernard", "", " saw"],
)
def test_names_that_a_reader_might_split_are_not_listed(name: str) -> None:
    assert not can_be_listed(name)
    with pytest.raises(ValueError, match="expected a name"):
        one_of([name])


def test_a_list_too_long_for_the_game_is_refused() -> None:
    with pytest.raises(ValueError, match="750"):
        one_of(["saw"] * (LONGEST_QUESTION // 5 + 1))
    with pytest.raises(ValueError, match="at least one"):
        one_of([])


def test_members_are_what_the_game_takes_for_a_right_guess() -> None:
    question = one_of(["hammer", "horse box"])
    answers = {name: answer_by_spelling(question, name) for name in ("Hammers", "the horse-box", "horse", "hammered")}
    assert answers == {"Hammers": True, "the horse-box": True, "horse": False, "hammered": False}


@given(st.lists(st.text(alphabet="abes -the", min_size=1, max_size=6), min_size=1, max_size=20))
def test_honest_answers_to_a_list_are_those_of_each_name(asked_about: list[str]) -> None:
    question = one_of(["bees", "hat", "the-bath", "tease"])
    p = honest_answers(question, asked_about)
    assert [one > 0.5 for one in p] == [answer_by_spelling(question, name) for name in asked_about]


def test_the_guesser_knows_a_list_again(toy_table: AnswerTable) -> None:
    question = one_of(["otters", "hammer", "quartz"])
    assert recognise(toy_table, f" {question.text.replace('Is the', 'IS THE')} ") == question


def test_the_rules_of_the_answerer_answer_lists_of_everyday_things() -> None:
    rng = np.random.default_rng(3)
    everyday = [keyword.name for keyword in builtin_table().keywords if can_be_listed(keyword.name)]
    for _ in range(60):
        listed = [everyday[place] for place in rng.choice(len(everyday), size=rng.integers(3, 40), replace=False)]
        text = one_of(listed).text
        secrets = [listed[0], listed[-1], *rng.choice(everyday, size=3)]
        for secret in secrets:
            assert answer_by_rule(text, str(secret)).answer == answer_by_spelling(one_of(listed), str(secret)), text
