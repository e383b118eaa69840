"""Workers that stay up between calls, and what they are asked."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from furikaeri_common.asking_workers import ask_worker, kept_workers, slots_of
from furikaeri_common.errors import WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.processes import is_running
from furikaeri_common.tasks import Task, require_all, run_tasks


def test_kept_workers_serve_call_after_call_and_end_with_the_block(tmp_path: Path) -> None:
    functions = importlib.import_module("task_functions")
    pids: list[int] = []
    with kept_workers(LocalProcesses(2), 1) as engine:
        assert slots_of(engine) == 1
        pids.append(ask_worker(functions.own_pid, {}, folder=tmp_path / "asking", engine=engine))
        for call in range(2):
            report = run_tasks(functions.own_pid, [Task(f"call {call}", {})], store=tmp_path / "store", engine=engine)
            pids += require_all(report)
        assert is_running(pids[0])
        with pytest.raises(ValueError, match="expected workers with the threads and files"):
            run_tasks(functions.own_pid, [Task("x", {})], store=tmp_path / "store", engine=engine, threads=2)
    assert len(set(pids)) == 1
    assert not is_running(pids[0])
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_slots_are_those_of_the_workers_that_are_up(tmp_path: Path) -> None:
    functions = importlib.import_module("task_functions")
    with kept_workers(LocalProcesses(3), 9) as engine:
        run_tasks(functions.own_pid, [Task("x", {})], store=tmp_path, engine=engine)
        assert slots_of(engine) == 3
    with kept_workers(LocalProcesses(0), 9) as engine:
        assert (engine, slots_of(engine)) == (LocalProcesses(0), 1)


def test_what_a_worker_does_not_explain_is_told_as_it_is(tmp_path: Path) -> None:
    functions = importlib.import_module("task_functions")
    with pytest.raises(WorkError, match=r"^ValueError: 3 is odd"):
        ask_worker(functions.fail_if_odd, {"number": 3}, folder=tmp_path / "asking", engine=LocalProcesses(0))
    assert list(tmp_path.iterdir()) == []
