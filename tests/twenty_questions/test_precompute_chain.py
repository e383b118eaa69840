"""The chain from words to a table, with scripted models: what it makes, and that nothing is done twice."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.errors import WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models.config import Conversation
from furikaeri_common.stages import run_stages
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.opening import open_labeller
from twenty_questions.precompute.chain import Layout, data_of, stages_of
from twenty_questions.precompute.recipe import (
    KeywordsPart,
    ListedWords,
    PrecomputeRecipe,
    read_precompute_recipe,
)
from twenty_questions.question_sources.question_lists import read_questions
from twenty_questions.sources.keyword_lists import read_keyword_list
from twenty_questions.table import open_table, probability_of

RECIPE = """
[[keywords.file]]
list = "{place}/words.txt"
[[keywords.llm]]
model = "writer"
base_url = "http://localhost:1/v1"
given = "{place}/words.txt"
requests = 3
shown = 2
asked = 3
[keywords]
limit = 6
cap = 10
[questions]
file = ["{place}/questions.txt"]
embeddings = "off"
budget = 2
sample = 4
[[questions.llm]]
model = "writer"
base_url = "http://localhost:1/v1"
requests = 2
names = 3
wanted = 2
[[models]]
model = "one"
base_url = "http://localhost:1/v1"
[[models]]
model = "two"
base_url = "http://localhost:1/v1"
[table]
shard = 2
"""
ALIVE = {"horse", "otter", "falcon"}


def knows(keyword: str, question: str) -> bool:
    if "alive" in question:
        return keyword in ALIVE
    return len(keyword) % 2 == 0 if "heavy" in question else keyword > "k"


class Scripted:
    """Writes the same words and questions to everybody."""

    name = "writer"
    identity: Mapping[str, Any] = {"weights": "none"}

    def __init__(self) -> None:
        self.asked = 0

    def write(self, conversations: Sequence[Conversation], **how: Any) -> list[str]:
        self.asked += len(conversations)
        about_words = "other words that could" in conversations[0][-1]["content"]
        return ["- falcon\n- hammer" if about_words else "Is it heavy?\nIs it alive?"] * len(conversations)


class Knowing:
    """Knows what is alive; counts what it is asked, and fails at a call if it is told to."""

    def __init__(self, name: str, fails_at: int = 0) -> None:
        self.name, self.calls, self.fails_at, self.pairs = name, 0, fails_at, 0
        self.identity: Mapping[str, Any] = {"name": name}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        self.pairs += len(keywords) * len(questions)
        yes = [[knows(keyword, question) for question in questions] for keyword in keywords]
        return np.where(yes, 0.9, 0.2 if self.name == "one" else 0.1).astype(np.float32)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrecomputeRecipe:
    writer = Scripted()
    monkeypatch.setattr("furikaeri_common.models.writing.open_once", _cached(writer))
    (tmp_path / "words.txt").write_text("horse\notter\nkettle\nsaw\n")
    (tmp_path / "questions.txt").write_text("Is it alive?\nIs it a tool?\nWas it made by people?\n")
    file = tmp_path / "mine.toml"
    file.write_text(RECIPE.format(place=tmp_path.as_posix()))
    return read_precompute_recipe(str(file))


def _cached(writer: Scripted) -> Any:
    def opened(config: Any) -> Scripted:
        return writer

    opened.cache_clear = lambda: None  # type: ignore[attr-defined]
    return opened


def test_words_and_questions_become_a_table(recipe: PrecomputeRecipe, tmp_path: Path) -> None:
    models = {name: Knowing(name) for name in ("one", "two")}
    records = run_stages(tmp_path / "run", stages_of(recipe, tmp_path / "run", open_model=_opener(models)))
    layout = Layout(tmp_path / "run")
    keywords = read_keyword_list(layout.keywords)
    assert {keyword.name for keyword in keywords.keywords} == {"horse", "otter", "kettle", "saw", "falcon", "hammer"}
    assert keywords.prior.max() / keywords.prior.min() <= 10 + 1e-9
    asked = [question for question in read_questions(layout.questions) if question.kind == "table"]
    assert len(asked) == 2
    assert {"Is it alive?", "Is it heavy?"} <= {question.text for question in read_questions(layout.collected)}
    table = open_table(layout.table, verify=True)
    assert len(table.keywords) == 6
    column = next(column for column, question in enumerate(table.questions) if question.text == "Is it alive?")
    row = next(row for row, keyword in enumerate(table.keywords) if keyword.name == "kettle")
    assert probability_of(table.codes[row, column]) == pytest.approx(0.15, abs=1 / 255)
    assert [record.name for record in records] == ["keywords", "questions", "ranking", "table"]
    assert records[2].facts["pairs"] == 4 * 4
    assert models["two"].pairs == 6 * 2


def test_a_run_that_was_stopped_asks_only_for_what_is_missing(recipe: PrecomputeRecipe, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    untouched = {name: Knowing(name) for name in ("one", "two")}
    run_stages(whole, stages_of(recipe, whole, open_model=_opener(untouched)))
    broken = tmp_path / "broken"
    stopped = {"one": Knowing("one"), "two": Knowing("two", fails_at=2)}
    with pytest.raises(KeyboardInterrupt):
        run_stages(broken, stages_of(recipe, broken, open_model=_opener(stopped)))
    again = {name: Knowing(name) for name in ("one", "two")}
    records = run_stages(broken, stages_of(recipe, broken, open_model=_opener(again)))
    assert [record.reused for record in records] == [True, True, True, False]
    assert again["one"].pairs == 0
    assert 0 < again["two"].pairs < untouched["two"].pairs
    for name in ("keywords.jsonl", "questions.jsonl", "table/answers.safetensors", "table/manifest.json"):
        assert fingerprint_of(broken / name) == fingerprint_of(whole / name)


def test_tasks_of_an_engine_come_to_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "common"))
    tools = importlib.import_module("model_server")

    def answer(request: Any) -> Any:
        text = request.body["messages"][-1]["content"]
        if "20 Questions" in text:
            return tools.said("- falcon\n- hammer" if "other words that could" in text else "Is it heavy?\nIs it old?")
        p_yes = tools.opinion(text)
        return tools.said("yes", first=tools.alternatives(yes=math.log(p_yes), no=math.log(1 - p_yes)))

    (tmp_path / "words.txt").write_text("horse\notter\nkettle\nsaw\n")
    (tmp_path / "questions.txt").write_text("Is it alive?\nIs it a tool?\nWas it made by people?\n")
    with tools.ScriptedServer(answer) as server:
        file = tmp_path / "mine.toml"
        file.write_text(RECIPE.format(place=tmp_path.as_posix()).replace("http://localhost:1/v1", server.url))
        given = read_precompute_recipe(str(file))
        for name, engine in (("here", None), ("elsewhere", LocalProcesses(0))):
            records = run_stages(
                tmp_path / name, stages_of(given, tmp_path / name, open_model=open_labeller, engine=engine)
            )
            assert [record.reused for record in records] == [False] * 4
    for part in ("keywords.jsonl", "questions.jsonl", "table", "sample"):
        assert fingerprint_of(tmp_path / "here" / part) == fingerprint_of(tmp_path / "elsewhere" / part)
    assert len(open_table(tmp_path / "elsewhere" / "table", verify=True).keywords) == 6


def test_a_model_that_writes_nothing_of_use_is_passed_over(
    recipe: PrecomputeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "write", lambda self, conversations, **how: ["?!"] * len(conversations))
    models = {name: Knowing(name) for name in ("one", "two")}
    records = run_stages(tmp_path / "run", stages_of(recipe, tmp_path / "run", open_model=_opener(models)))
    assert records[0].facts["keywords"] == 4
    assert records[1].facts["written"] == 0


def test_what_a_recipe_reads_is_fingerprinted(recipe: PrecomputeRecipe, tmp_path: Path) -> None:
    before = data_of(recipe)
    assert set(before) == {str(tmp_path / "words.txt"), str(tmp_path / "questions.txt")}
    (tmp_path / "words.txt").write_text("horse\n")
    assert data_of(recipe) != before


def test_files_of_one_name_are_fingerprinted_apart(recipe: PrecomputeRecipe, tmp_path: Path) -> None:
    places = [tmp_path / name / "list.txt" for name in ("one", "other")]
    for place in places:
        place.parent.mkdir()
        place.write_text("horse\n")
    listed = tuple(ListedWords(list=str(place)) for place in places)
    both = replace(recipe, keywords=KeywordsPart(file=listed))
    before = data_of(both)
    for place in places:
        place.write_text("otter\n")
        assert data_of(both) != before
        place.write_text("horse\n")


def test_a_labeller_that_fails_stops_the_run(recipe: PrecomputeRecipe, tmp_path: Path) -> None:
    def fails(config: LabellerConfig) -> Any:
        raise WorkError("the server is gone")

    with pytest.raises(WorkError, match="the server is gone"):
        run_stages(tmp_path / "run", stages_of(recipe, tmp_path / "run", open_model=fails))


def _opener(models: Mapping[str, Knowing]) -> Any:
    return lambda config: models[config.model]
