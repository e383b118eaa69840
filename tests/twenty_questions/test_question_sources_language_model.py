"""Questions from a model: what it is asked, what is read out of its texts, and what does not count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.models.config import ModelConfig
from twenty_questions.question_sources.language_model import (
    HalvingConfig,
    collect,
    conversation_of,
    draw_names,
    halving_tasks,
    parse,
    shown_names,
)

NAMES = [f"thing {number}" for number in range(40)]
PRIOR = np.full(40, 1 / 40)


def test_draws_depend_on_the_seed_and_the_request_alone() -> None:
    one = draw_names(NAMES, PRIOR, 8, seed=1, request=5)
    assert one == draw_names(NAMES, PRIOR, 8, seed=1, request=5)
    assert len(set(one)) == 8
    assert one != draw_names(NAMES, PRIOR, 8, seed=1, request=6)
    assert one != draw_names(NAMES, PRIOR, 8, seed=2, request=5)
    assert sorted(draw_names(NAMES, PRIOR, 99, seed=1, request=5)) == sorted(NAMES)


def test_draws_follow_the_prior() -> None:
    prior = np.array([0.6, 0.3, 0.1])
    draws = [draw_names(["a", "b", "c"], prior, 2, seed=0, request=request) for request in range(4000)]
    first = [sum(draw[0] == name for draw in draws) / 4000 for name in "abc"]
    np.testing.assert_allclose(first, prior, atol=0.03)
    second_after_a = np.mean([draw[1] == "b" for draw in draws if draw[0] == "a"])
    assert second_after_a == pytest.approx(0.75, abs=0.03)


def test_the_request_shows_the_keywords_in_one_users_turn() -> None:
    (turn,) = conversation_of(["ice\ncream", "{names}", "kettle"], 7)
    assert turn["role"] == "user"
    assert "\nice cream\n{names}\nkettle\n" in turn["content"]
    assert "3 secret words" in turn["content"]
    assert "Write 7 different" in turn["content"]


@pytest.mark.parametrize(
    "text",
    [
        "Is it alive?\nCan you eat it?",
        "1. Is it alive?\n2) Can you eat it?\n",
        "- **Is it alive?**\n* “Can you eat it?”",
        "Sure! Here are two questions:\n\n1. \"is it alive?\"\n\n2. 'Can you eat it?' (splits food)",
        "Q1: Is it alive? Can you eat it?",
        "(a) Is it alive?\n(b) Can you eat it?\nWhat is it?\nIs it the secret",
        "You could ask: Is it alive?\nis it alive ?\nOr ask, Can you eat it?",
        "| Is it alive? | Can you eat it? |",
    ],
)
def test_questions_are_read_out_of_many_forms(text: str) -> None:
    assert parse(text) == ["Is it alive?", "Can you eat it?"]


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "What is it?", "kettle\nlamp", "?", "Is?", "is it"])
def test_texts_without_a_question_give_none(text: str) -> None:
    assert parse(text) == []


@settings(max_examples=150)
@given(st.text(alphabet="Is it?aA \n1.-*\"'“()|,ß\u2028", max_size=80))
def test_any_text_is_read(text: str) -> None:
    for question in parse(text):
        assert question.endswith("?")
        assert question.count("?") == 1


def test_long_texts_are_read_fast() -> None:
    assert parse("is it " * 20_000) == []
    assert parse("\n".join(["Is it alive?"] * 5000)) == ["Is it alive?"]


def test_what_the_model_wrote_is_counted() -> None:
    texts = [
        "Is it alive?\nIs it a kettle?\nDoes it start with the letter k?",
        "is it ALIVE?\nIs it bigger than a teapot?\nIs it a kettle?",
        "no idea",
    ]
    shown = [["kettle"], ["tea pots", "lamp"], ["cup"]]
    made = collect(texts, shown, source="a model")
    assert [(one.question.text, one.count, one.source) for one in made.questions] == [
        ("Is it alive?", 2, "a model"),
        ("Is it a kettle?", 1, "a model"),
    ]
    assert (made.texts, made.empty) == (3, 1)
    assert made.left_out == {"spelling": 1, "names a thing": 2}
    often = collect(texts, shown, least_count=2)
    assert [one.question.key for one in often.questions] == ["is-it-alive"]
    assert often.left_out["rare"] == 1


def test_tasks_are_fixed_by_the_recipe() -> None:
    model, identity = ModelConfig(model="m"), {"model": "abc"}

    def tasks(requests: int, seed: int = 0):
        config = HalvingConfig(requests=requests, names=5, wanted=3)
        return halving_tasks(NAMES, PRIOR, config, model, identity=identity, seed=seed)

    made = tasks(20)
    assert HalvingConfig(requests=20).num_tasks == len(made)
    assert [len(task.inputs["seeds"]) for task in made] == [8, 8, 4]
    assert len({seed for task in made for seed in task.inputs["seeds"]}) == 20
    assert all(0 <= seed < 2**31 for task in made for seed in task.inputs["seeds"])
    assert [task.inputs for task in tasks(16)] == [task.inputs for task in made[:2]]
    assert tasks(20, seed=1)[0].inputs != made[0].inputs
    asked = [turns[0]["content"] for task in made for turns in task.inputs["conversations"]]
    shown = shown_names(NAMES, PRIOR, HalvingConfig(requests=20, names=5, wanted=3), seed=0)
    assert all("\n".join(names) in text for names, text in zip(shown, asked, strict=True))


@pytest.mark.parametrize(
    "setting", [{"requests": 0}, {"names": 1}, {"wanted": 0}, {"temperature": -1}, {"max_tokens": 0}]
)
def test_settings_out_of_range_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        HalvingConfig(**setting)
