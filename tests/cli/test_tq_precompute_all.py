"""`tq precompute all`: recipes by name, one line for what is missing, and a run that is not done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twenty_questions.table import open_table

RECIPE = """
[[keywords.file]]
list = "words.txt"
[questions]
file = ["questions.txt"]
embeddings = "off"
[[models]]
model = "one"
base_url = "http://localhost:1/v1"
[table]
shard = 2
"""


class Counting:
    """Says yes to everything."""

    name = "one"
    identity: Mapping[str, Any] = {"weights": "none"}
    pairs = 0

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        Counting.pairs += len(keywords) * len(questions)
        return np.full((len(keywords), len(questions)), 0.75, dtype=np.float32)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("twenty_questions.labelling.opening.open_labeller", lambda config, on_note: Counting())
    (tmp_path / "words.txt").write_text("horse\notter\nkettle\n")
    (tmp_path / "questions.txt").write_text("Is it alive?\nIs it heavy?\n")
    (tmp_path / "mine.toml").write_text(RECIPE)
    Counting.pairs = 0
    return tmp_path


def test_recipes_are_listed(invoke) -> None:
    code, out, _ = invoke("tq", "precompute", "all", "--recipes", "--json")
    assert code == 0
    assert [recipe["name"] for recipe in json.loads(out)] == ["laptop", "original"]


def test_a_recipe_makes_a_table_once(invoke, place: Path) -> None:
    code, out, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml", "--json")
    assert code == 0, err
    made = json.loads(out)
    assert [stage["name"] for stage in made["stages"]] == ["keywords", "questions", "ranking", "table"]
    assert len(open_table(Path(made["table"]), verify=True).keywords) == 3
    assert Counting.pairs == 6
    code, out, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml")
    assert code == 0, err
    assert Counting.pairs == 6
    assert "done before" in err
    assert f"tq play --table {made['table']}" in out
    assert invoke("tq", "table", "info", "--table", made["table"]).code == 0


def test_a_run_is_taken_up_with_other_servers(invoke, place: Path) -> None:
    assert invoke("tq", "precompute", "all", "--recipe", "mine.toml").code == 0
    second = 'base_url = ["http://localhost:1/v1", "http://localhost:2/v1"]\nconcurrency = 3'
    (place / "mine.toml").write_text(RECIPE.replace('base_url = "http://localhost:1/v1"', second))
    code, _, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml")
    assert code == 0, err
    assert "Going on with" in err
    assert Counting.pairs == 6
    (run,) = (place / "runs").iterdir()
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reached = [line["base_url"] for line in logged if "base_url" in line]
    assert reached == ["http://localhost:1/v1", ["http://localhost:1/v1", "http://localhost:2/v1"]]


def test_what_is_missing_is_told_before_there_is_a_run(invoke, place: Path) -> None:
    (place / "words.txt").unlink()
    code, _, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml")
    assert code == 2
    assert "words.txt" in err
    (place / "words.txt").write_text("horse\n")
    code, _, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml", "--model", "no-such-model")
    assert code == 2
    assert "no-such-model" in err
    assert not (place / "runs").exists()


def test_a_server_without_a_model_is_refused(invoke, place: Path) -> None:
    code, _, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml", "--base-url", "http://localhost:9/v1")
    assert code == 2
    assert "no --model is named" in err


def test_a_home_folder_in_a_recipe_is_found(invoke, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    (place / "mine.toml").write_text(RECIPE.replace('"words.txt"', '"~/words.txt"'))
    code, _, err = invoke("tq", "precompute", "all", "--recipe", "mine.toml")
    assert code == 0, err
