"""`furikaeri runs`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from furikaeri_common.runs import start_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs, called one and two."""
    for name, games, rate in (("one", 5, 0.5), ("two", 6, 0.75)):
        with start_run(tmp_path, "tq simulate", {"games": games, "same": 1}, seed=3) as run:
            run.log({"rate": 0.1}, step=1)
            run.log({"rate": rate}, step=2)
            (run.path / "plots").mkdir()
            (run.path / "plots" / "rate.png").write_bytes(b"x")
        run.path.rename(tmp_path / name)
    return tmp_path


def test_list_names_runs_and_damage(invoke, root: Path) -> None:
    (root / "bad").mkdir()
    (root / "bad" / "run.json").write_text("{")
    code, out, err = invoke("furikaeri", "runs", "list", "--runs", root)
    assert code == 0
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["id", "status", "command", "started", "seed", "size"]
    assert [row[:3] for row in rows] == [["one", "done", "tq simulate"], ["two", "done", "tq simulate"]]
    assert err.startswith(f"warning: {root / 'bad' / 'run.json'}, line 1: not JSON")
    document = json.loads(invoke("furikaeri", "runs", "list", "--runs", root, "--json").out)
    assert [run["id"] for run in document["runs"]] == ["one", "two"]
    assert document["runs"][0]["config"] == {"games": 5, "same": 1}
    assert all(run["size"] > 0 for run in document["runs"])
    assert len(document["damaged"]) == 1


def test_list_of_nothing(invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FURIKAERI_RUNS", str(tmp_path / "none"))
    code, out, err = invoke("furikaeri", "runs", "list")
    assert (code, out.count("\n")) == (0, 1)
    assert f"{tmp_path / 'none'}: no runs yet" in err
    assert json.loads(invoke("furikaeri", "runs", "list", "--json").out) == {"runs": [], "damaged": []}


def test_show_by_id_prefix_and_path(invoke, root: Path) -> None:
    documents = [
        json.loads(invoke("furikaeri", "runs", "show", name, "--runs", root, "--json").out)
        for name in ("one", "on", root / "one")
    ]
    assert documents[0]["record"]["id"] == documents[1]["record"]["id"] == documents[2]["record"]["id"] == "one"
    assert documents[0]["metrics"] == {"step": 2, "rate": 0.5}
    assert documents[0]["files"] == ["metrics.jsonl", "plots/rate.png", "run.json"]
    out = invoke("furikaeri", "runs", "show", "one", "--runs", root).out
    assert "config games\t5\n" in out
    assert documents[0]["size"] > 0
    assert "\nsize\t" in out
    assert "last rate\t0.5\n" in out
    code, _, err = invoke("furikaeri", "runs", "show", "three", "--runs", root)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds no run 'three'" in err


def test_compare_shows_what_differs(invoke, root: Path) -> None:
    out = invoke("furikaeri", "runs", "compare", "one", "two", "--runs", root).out
    assert out.splitlines()[0] == "what\tone\ttwo"
    assert "games\t5\t6" in out.splitlines()
    assert "last rate\t0.5\t0.75" in out.splitlines()
    assert not any(line.startswith(("same", "seed", "command")) for line in out.splitlines())
    document = json.loads(invoke("furikaeri", "runs", "compare", "two", "one", "--runs", root, "--json").out)
    assert document["runs"] == ["two", "one"]
    assert document["config"]["games"] == [6, 5]
    assert document["metrics"] == {"step": [2, 2], "rate": [0.75, 0.5]}
    code, _, err = invoke("furikaeri", "runs", "compare", "one", "--runs", root)
    assert code == 2
    assert "nothing to be compared with" in err
