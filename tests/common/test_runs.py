"""Run folders: how they begin, end, and are found again."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from furikaeri_common.comparison import Comparison, compare, last_metrics
from furikaeri_common.errors import InputError
from furikaeri_common.records import find_run, list_runs, read_metrics, read_run
from furikaeri_common.runs import find_unfinished, start_run


def only(root: Path) -> Path:
    (path,) = root.iterdir()
    return path


def test_a_run_records_what_was_asked_and_measured(tmp_path: Path) -> None:
    config = {"games": 5, "folder": Path("x/y"), "noise": (0.0, 0.1)}
    with start_run(tmp_path / "runs", "tq simulate", config, seed=7, data={"table": "abc"}) as run:
        run.log({"rate": 0.5}, step=1)
        run.log({"rate": math.nan}, step=2)
        while_running = read_run(run.path)
    record = read_run(run.path)
    assert (while_running.status, while_running.ended) == ("running", None)
    assert (record.status, record.error, record.seed, record.command) == ("done", None, 7, "tq simulate")
    assert record.config == {"games": 5, "folder": "x/y", "noise": [0.0, 0.1]}
    assert record.data == {"table": "abc"}
    assert record.packages["numpy"]
    assert record.ended is not None
    assert record.started <= record.ended
    assert record.process is not None
    assert record.process.pid == os.getpid()
    assert re.fullmatch(r"\d{8}-\d{6}-tq-simulate-[0-9a-f]{4}", record.id)
    assert read_metrics(run.path) == [{"step": 1, "rate": 0.5}, {"step": 2, "rate": None}]
    assert list_runs(tmp_path / "runs") == ([record], [])


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), "interrupted", None),
        (RuntimeError("it\nbroke"), "failed", "RuntimeError: it broke"),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
)
def test_a_run_records_what_ended_it(tmp_path: Path, error: BaseException, status: str, line: str | None) -> None:
    def go() -> None:
        with start_run(tmp_path, "x", {}):
            raise error

    with pytest.raises(type(error)):
        go()
    record = read_run(only(tmp_path))
    assert (record.status, record.error) == (status, line)
    assert record.ended is not None


def test_an_end_that_cannot_be_written_does_not_hide_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def go() -> None:
        with start_run(tmp_path, "x", {}):
            monkeypatch.setattr("furikaeri_common.runs.write_json", full)
            raise RuntimeError("the cause")

    def full(path: Path, value: object) -> None:
        raise InputError("the disk is full")

    with pytest.raises(RuntimeError, match="the cause"):
        go()


KILLED = """
import os, signal, sys
from pathlib import Path
from furikaeri_common.runs import start_run
with start_run(Path(sys.argv[1]), "x", {"a": 1}, seed=3) as run:
    run.log({"loss": 1.0}, step=1)
    with (run.path / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 2, "lo')
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_shown_as_died_and_can_be_taken_up_again(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    path = only(tmp_path)
    assert json.loads((path / "run.json").read_text())["status"] == "running"
    assert read_run(path).status == "died"
    assert read_metrics(path) == [{"step": 1, "loss": 1.0}]

    assert find_unfinished(tmp_path, "x", {"a": 2}, seed=3) is None
    assert find_unfinished(tmp_path, "x", {"a": 1}, seed=4) is None
    assert find_unfinished(tmp_path, "y", {"a": 1}, seed=3) is None
    assert find_unfinished(tmp_path, "x", {"a": 1}, seed=3, data={"d": "1"}) is None
    assert find_unfinished(tmp_path, "x", {"a": 1}, seed=3) == path
    with start_run(tmp_path, "x", {"a": 1}, seed=3, resume=path) as run:
        assert find_unfinished(tmp_path, "x", {"a": 1}, seed=3) is None
        run.log({"loss": 0.5}, step=2)
    record = read_run(only(tmp_path))
    assert (record.status, len(record.resumed)) == ("done", 1)
    assert record.started < record.resumed[0]
    assert read_metrics(path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]
    assert find_unfinished(tmp_path, "x", {"a": 1}, seed=3) is None


def test_a_run_of_another_machine_is_believed(tmp_path: Path) -> None:
    with start_run(tmp_path, "x", {}) as run:
        file = run.path / "run.json"
        record = json.loads(file.read_text())
        file.write_text(json.dumps({**record, "process": {"pid": 1, "host": "elsewhere", "started": "x"}}))
        assert read_run(run.path).status == "running"


def test_the_commit_is_recorded_and_whether_files_differ(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "file").write_text("one")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    with start_run(tmp_path / "runs", "x", {}, repository=repository) as run:
        assert read_run(run.path).git == {"commit": commit.stdout.strip(), "dirty": False}
    (repository / "file").write_text("two")
    with start_run(tmp_path / "runs", "x", {}, repository=repository) as run:
        assert read_run(run.path).git == {"commit": commit.stdout.strip(), "dirty": True}
    with start_run(tmp_path / "runs", "x", {}, repository=tmp_path) as run:
        assert read_run(run.path).git is None


def test_damaged_folders_are_named_and_the_others_listed(tmp_path: Path) -> None:
    with start_run(tmp_path, "x", {}) as run:
        pass
    whole = json.loads((run.path / "run.json").read_text())
    for name, content in {
        "cut": json.dumps(whole)[:50],
        "list": "[]",
        "lacking": json.dumps({key: value for key, value in whole.items() if key != "config"}),
        "status": json.dumps({**whole, "status": "dancing"}),
        "config": json.dumps({**whole, "config": 3}),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(content)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").write_text("")
    records, damaged = list_runs(tmp_path)
    assert [record.id for record in records] == [run.id]
    assert len(damaged) == 6
    for name, error in zip(("config", "cut", "empty", "lacking", "list", "status"), damaged, strict=True):
        assert str(tmp_path / name) in str(error)
    assert list_runs(tmp_path / "missing") == ([], [])
    with pytest.raises(InputError, match="cannot be read"):
        list_runs(tmp_path / "file")


def test_a_run_is_found_by_id_prefix_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alpha-1", "alpha-2", "beta"):
        with start_run(tmp_path, "x", {}) as run:
            pass
        run.path.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for text in ("beta", "b", str(tmp_path / "beta"), "./beta"):
        assert find_run(tmp_path, text).id == "beta"
    assert find_run(tmp_path / "elsewhere", "beta").id == "beta"
    assert find_run(tmp_path, "alpha-1").id == "alpha-1"
    with pytest.raises(InputError, match="'alpha' begins 2 runs: alpha-1, alpha-2"):
        find_run(tmp_path, "alpha")
    with start_run(tmp_path, "y", {}) as run:
        pass
    run.path.rename(tmp_path / "alpha-3")
    assert find_run(tmp_path, "alpha", command="y").id == "alpha-3"
    for text in ("gamma", "/nowhere"):
        with pytest.raises(InputError, match="holds no run"):
            find_run(tmp_path, text)
    with pytest.raises(InputError, match="no run is named"):
        find_run(tmp_path, "")


def test_a_damaged_line_of_metrics_is_named_unless_it_is_the_last(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    assert read_metrics(tmp_path) == [{"a": 1}, {"a": 2}]
    (tmp_path / "metrics.jsonl").write_bytes(b'{"a": 1}\n{"a"\n{"a": 2}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2: not JSON"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(b"3\n")
    with pytest.raises(InputError, match="line 1: expected a JSON object, got int"):
        read_metrics(tmp_path)
    assert read_metrics(tmp_path / "missing") == []


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def go() -> None:
        with start_run(tmp_path / "file", "x", {}):
            pass

    with pytest.raises(InputError, match="cannot be made"):
        go()


def test_comparing_shows_differing_keys_and_last_values() -> None:
    configs = [{"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}, "e": None}]
    metrics = [[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}], [{"step": 1, "rate": 0.5}]]
    assert compare(configs, metrics) == Comparison(
        config={"b.c": (2, 4), "b.d": (3, None)},
        metrics={"step": (2, 1), "loss": (1.0, None), "rate": (None, 0.5)},
    )
    assert last_metrics([]) == {}
    with pytest.raises(ValueError, match="got 2 runs and 1 lists"):
        compare(configs, metrics[:1])
