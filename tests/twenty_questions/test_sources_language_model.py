"""Keywords from a language model: what is drawn, what is asked, what of an answer counts, and how it is counted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import WorkError
from furikaeri_common.models import writing
from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.tasks import Task
from twenty_questions.sources.language_model import (
    LlmConfig,
    conversation_for,
    draw_words,
    keywords_of_shards,
    names_of,
    shards_of,
    write_shard,
    write_texts,
)
from twenty_questions.sources.written_names import clean_names, names_in
from twenty_questions.words import Keyword, normalise

KNOWN = [Keyword(name) for name in ("anvil", "barge", "cello", "dune", "eel", "fern")]
MODEL = ModelConfig(model="fake")


class Used(NamedTuple):
    requests: int
    tokens_out: int
    cost: float


class Parrot:
    """Names what its seed says, and counts what it was asked."""

    name = "parrot"
    identity: Mapping[str, Any] = {"kind": "parrot"}

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, float]] = []
        self.usage = Used(0, 0, 0.0)

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        self.calls.append((len(conversations), max_tokens, temperature))
        texts = [
            "Here you go:\n" + "\n".join(f"{row}. thing{(seed >> row) % 7}" for row in range(1, 30)) for seed in seeds
        ]
        self.usage = Used(
            self.usage.requests + len(texts), self.usage.tokens_out + sum(map(len, texts)), self.usage.cost + 0.1
        )
        return texts


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Parrot:
    bird = Parrot()
    monkeypatch.setattr(writing, "open_once", lambda config: bird)
    return bird


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1. Apple\n2. Pear\n3) **Plum** - a fruit\n", ["Apple", "Pear", "Plum"]),
        ("Sure! Here are 3 words:\n- dog\n- cat: an animal\n* the moon\n\nI hope this helps!", ["dog", "cat", "moon"]),
        ("apple, pear; and plum.", ["apple", "pear", "plum"]),
        ("apple\npear, plum, or fig\n", ["apple", "pear", "plum", "fig"]),
        ('```json\n["ice cream", "a cup"]\n```', ["ice cream", "cup"]),
        ('{"keywords": [{"name": "x-ray"}, {"word": "oar"}]}', ["x-ray", "oar"]),
        ('Of course: ["oar", "sail"', ["oar", "sail"]),
        ("1. apple 2. pear 3. plum", ["apple", "pear", "plum"]),
        ("(1) cat\n(2) dog\n[3] cow", ["cat", "dog", "cow"]),
        ("a) cat\nb) dog", ["cat", "dog"]),
        ("• cat (animal)\n– dog — barks\n# cow", ["cat", "dog", "cow"]),
        ("T-shirt\nC-3PO\n7-up\n3D printer\nDr. Pepper\nU.S. dollar\nJack-o'-lantern", None),
        ("cat\nCAT\nthe cat\ncats", ["cat", "cats"]),
        ("a thing that you can see from far away\n747\n?\nIs it a cat?\nWow!\n<eos>\nthe", []),
        ("", []),
        ("\x00bell\nbe\x1b[31mll\ncat\ufffd", []),
        ("苹果、梨，桃", ["苹果", "梨", "桃"]),
        ("x" * 101, []),
        ("[" * 100_000, []),
    ],
)
def test_names_are_found_in_what_models_write(text: str, names: list[str] | None) -> None:
    assert clean_names(names_in(text)) == (text.split("\n") if names is None else names)


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    names = clean_names(names_in(text))
    for name in names:
        assert name.isprintable()
        assert normalise(name)
        assert len(name.split()) <= 5
        Keyword(name)
    assert len({normalise(name) for name in names}) == len(names)


def test_echoes_are_dropped_and_no_more_taken_than_asked_for() -> None:
    shown = [Keyword("couch", ("sofa",)), Keyword("cup")]
    assert names_of("Couches\nsofa\nchair\nthe cup\nbowl\nplate", shown, 2) == ["chair", "bowl"]


def test_words_are_drawn_with_replacement_and_shown_once() -> None:
    draws = [draw_words(KNOWN, 6, seed=3, request=request) for request in range(2000)]
    assert draws == [draw_words(KNOWN, 6, seed=3, request=request) for request in range(2000)]
    assert draws != [draw_words(KNOWN, 6, seed=4, request=request) for request in range(2000)]
    assert all(len(set(words)) == len(words) for words in draws)
    # Of six draws from six words, 6 (1 - (5/6)^6) = 3.99 are different.
    assert np.mean([len(words) for words in draws]) == pytest.approx(6 * (1 - (5 / 6) ** 6), abs=0.07)
    shares = [np.mean([word in words for words in draws]) for word in KNOWN]
    assert shares == pytest.approx([1 - (5 / 6) ** 6] * 6, abs=0.04)


def test_the_model_is_told_the_words_and_how_many_are_wanted() -> None:
    (turn,) = conversation_for(KNOWN[:3], 17)
    assert turn["role"] == "user"
    assert "anvil\nbarge\ncello" in turn["content"]
    assert "17 other words" in turn["content"]


def test_a_shard_does_not_depend_on_the_others() -> None:
    config = LlmConfig(requests=20, shown=4, shard=8)
    tasks = shards_of(KNOWN, config, MODEL, identity=Parrot.identity, seed=5)
    assert [len(task.inputs["seeds"]) for task in tasks] == [8, 8, 4]
    assert len({seed for task in tasks for seed in task.inputs["seeds"]}) == 20
    fewer = shards_of(KNOWN, LlmConfig(requests=16, shown=4, shard=8), MODEL, identity=Parrot.identity, seed=5)
    assert [task.inputs for task in fewer] == [task.inputs for task in tasks[:2]]
    assert all(jsonable(task.inputs) == task.inputs for task in tasks)
    other = shards_of(KNOWN, config, MODEL, identity={"kind": "crow"}, seed=5)
    assert other[0].inputs != tasks[0].inputs
    moved = shards_of(KNOWN, config, ModelConfig(model="fake", concurrency=3), identity=Parrot.identity, seed=5)
    assert [task.inputs for task in moved] == [task.inputs for task in tasks]
    assert config.num_tasks == len(tasks)
    with pytest.raises(ValueError, match="at least one known word"):
        shards_of([], config, MODEL, identity={}, seed=5)


def given_to_workers(task: Task) -> Any:
    return json.loads(json.dumps({**task.places, **task.inputs}))


def test_a_shards_names_texts_and_usage_come_back(parrot: Parrot, tmp_path: Path) -> None:
    config = LlmConfig(requests=12, shown=4, asked=5, shard=8, temperature=0.3)
    tasks = shards_of(KNOWN, config, MODEL, identity=Parrot.identity, seed=5)
    values = [write_shard(given_to_workers(task), tmp_path) for task in tasks]
    assert parrot.calls == [(8, 72, 0.3), (4, 72, 0.3)]
    assert [value["usage"]["requests"] for value in values] == [8, 4]
    assert values[1]["usage"]["cost"] == pytest.approx(0.1)
    assert values[1]["usage"]["tokens_out"] == sum(map(len, values[1]["texts"]))
    for task, value in zip(tasks, values, strict=True):
        for seed, text, sample in zip(task.inputs["seeds"], value["texts"], value["samples"], strict=True):
            things = list(dict.fromkeys(f"thing{(seed >> row) % 7}" for row in range(1, 30)))
            assert text.startswith("Here you go:")
            assert sample == things[:5]
    merged = keywords_of_shards(values, source="parrot")
    expected = {f"thing{n}": sum(f"thing{n}" in sample for v in values for sample in v["samples"]) for n in range(7)}
    found = dict(zip((keyword.name for keyword in merged.keywords), merged.counts.tolist(), strict=True))
    assert found == {name: count for name, count in expected.items() if count}


def test_other_weights_do_not_go_on_with_a_shard(parrot: Parrot, tmp_path: Path) -> None:
    (task,) = shards_of(KNOWN, LlmConfig(requests=1), MODEL, identity={"model": "another"}, seed=5)
    with pytest.raises(WorkError, match="parrot is not the one that this run began with"):
        write_shard(given_to_workers(task), tmp_path)
    assert parrot.calls == []


def test_a_library_user_may_bring_a_writer() -> None:
    texts = write_texts(Parrot(), [KNOWN[:2]], asked=3, seeds=[1], temperature=0)
    assert names_of(texts[0], KNOWN[:2], 3) == ["thing0"]


@pytest.mark.parametrize("field", ["requests", "shown", "asked", "shard", "temperature"])
def test_settings_out_of_range_are_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"expected {field} >= "):
        LlmConfig(**{field: -1})


@pytest.mark.models
def test_a_real_model_writes_names(tmp_path: Path) -> None:
    folder = Path(os.environ.get("FURIKAERI_MODELS") or Path.home() / ".cache" / "furikaeri" / "models")
    file = folder / "smollm2-135m-instruct-q4_1.gguf"
    if not file.is_file():
        pytest.skip(f"no model: {file} is not a file; set FURIKAERI_MODELS")
    config = LlmConfig(requests=2, shown=4, asked=3, shard=1, temperature=0.7)
    model = ModelConfig(model=str(file), device="cpu")
    writer = writing.open_once(model)
    tasks = shards_of(KNOWN, config, model, identity=writer.identity, seed=1)
    values = [write_shard(given_to_workers(task), tmp_path) for task in tasks]
    assert write_shard(given_to_workers(tasks[0]), tmp_path) == values[0]
    for task, value in zip(tasks, values, strict=True):
        shown = [Keyword(*names) for names in task.inputs["shown"][0]]
        (text,), (sample,) = value["texts"], value["samples"]
        assert text.strip()
        assert sample == names_of(text, shown, 3)
    assert values[0]["texts"] != values[1]["texts"]
