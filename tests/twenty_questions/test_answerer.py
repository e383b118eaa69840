"""Rules first, then the fallback, then no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.answerer import AnswerInfo, answer
from twenty_questions.rules import answer_by_rule


def never(question: str, keyword: str) -> bool | None:
    raise AssertionError("the rules should have answered")


def test_a_rule_answers_before_the_fallback() -> None:
    assert answer('Does the keyword start with "a"?', "apple", never) == AnswerInfo(True, "edge")
    assert answer("Is it Agent Alpha?", "apple", never) == AnswerInfo(True, "handshake")


@pytest.mark.parametrize("told", [True, False])
def test_the_fallback_answers_what_no_rule_does(told: bool) -> None:
    asked: list[tuple[str, str]] = []

    def fallback(question: str, keyword: str) -> bool | None:
        asked.append((question, keyword))
        return told

    assert answer("Is it edible?", "apple", fallback) == AnswerInfo(told, "fallback")
    assert asked == [("Is it edible?", "apple")]


def test_no_is_the_default() -> None:
    assert answer("Is it edible?", "apple", lambda question, keyword: None) == AnswerInfo(False, "default")
    assert answer("Is it edible?", "apple") == AnswerInfo(False, "default")


@given(question=st.text(), keyword=st.text())
def test_there_is_always_an_answer(question: str, keyword: str) -> None:
    given_answer = answer(question, keyword)
    assert given_answer.answer in (True, False)
    assert given_answer.by == (answer_by_rule(question, keyword).rule or "default")
