"""`tq precompute plan`: the bill of a recipe, one line for what is wrong, and nothing that stays behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RECIPE = """
[[keywords.file]]
list = "words.txt"
[questions]
file = ["questions.txt"]
embeddings = "off"
[[models]]
model = "nobody-7b"
[table]
shard = 2
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "words.txt").write_text("horse\notter\nkettle\n")
    (tmp_path / "questions.txt").write_text("Is it alive?\nIs it heavy?\n")
    (tmp_path / "mine.toml").write_text(RECIPE)
    return tmp_path


def test_a_plan_is_a_bill_and_nothing_stays_behind(invoke, place: Path) -> None:
    before = sorted(place.iterdir())
    given = ("--throughput", "mine=0.5", "--price", "mine=300", "--gpus", 2, "--currency", "EUR")
    code, out, err = invoke("tq", "precompute", "plan", "mine.toml", *given)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "mine: 3 keywords x 2 questions, 1 model"
    assert "labels: nobody-7b\t6 pairs\t12 s g" in out
    total = next(line for line in lines if line.startswith("all\t")).split("\t")
    assert total[2].endswith(" s g")
    bill = next(line for line in lines if line.startswith("on 1 mine: 1"))
    assert " EUR" in bill
    assert "; on 2: " in bill
    assert "reading lists" in err
    assert sorted(place.iterdir()) == before


def test_json_holds_the_same(invoke, place: Path) -> None:
    code, out, err = invoke(
        "tq", "precompute", "plan", "mine.toml", "--throughput", "mine=0.5", "--scale", 10, "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert err == ""
    labels = next(stage for stage in told["stages"] if stage["name"] == "labels: nobody-7b")
    assert labels["count"]["likely"] == 60
    assert labels["seconds"]["mine"] == {"likely": 120.0, "low": 120.0, "high": 120.0, "basis": "given"}
    assert told["bills"][0]["kind"] == "mine"


def test_without_a_model_and_a_kind_usual_gpus_are_reckoned(invoke, place: Path) -> None:
    code, out, err = invoke("tq", "precompute", "plan", "mine.toml")
    assert code == 0, err
    assert "\t1 t4\t1 a100\t" in out
    assert "at 30% of them" in out
    assert "kinds: t4 and a100, for no model is measured here and no kind is named; choose with --kind" in out
    code, out, err = invoke("tq", "precompute", "plan", "mine.toml", "--kind", "l4")
    assert code == 0, err
    assert "\t1 l4\t" in out
    assert "a100" not in out
    assert "choose with --kind" not in out


def test_where_servers_label_no_gpu_is_planned_for(invoke, place: Path) -> None:
    code, out, err = invoke(
        "tq", "precompute", "plan", "mine.toml", "--model", "far", "--base-url", "http://localhost:9/v1"
    )
    assert code == 0, err
    assert out.splitlines()[1] == "stage\twork\there\tmemory\tdisk"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-recipe",), "no-such-recipe"),
        (("mine.toml", "--price", "a1000=2"), "Did you mean a100"),
        (("mine.toml", "--kind", "here"), "nothing is measured here"),
        (("mine.toml", "--price", "a100"), "--price a100: expected KIND=MONEY"),
        (("mine.toml", "--throughput", "nobody@a100=3"), "Did you mean nobody-7b"),
        (("mine.toml", "--scale", "0"), "--scale 0: expected a factor above 0"),
        (("mine.toml", "--gpus", "0"), "--gpus"),
        (("mine.toml", "--sample", "-1"), "--sample"),
        (("mine.toml", "--base-url", "http://localhost:9/v1"), "no --model is named"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(invoke, place: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = invoke("tq", "precompute", "plan", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_missing_list_is_told(invoke, place: Path) -> None:
    (place / "words.txt").unlink()
    code, _, err = invoke("tq", "precompute", "plan", "mine.toml")
    assert code == 2
    assert "words.txt" in err
