"""Labelling by the workers of an engine: the same bytes as in this process, and nothing done twice."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.processes import this_process
from furikaeri_common.tasks import Engine
from twenty_questions.labelling import claims, shard_work, shards, shards_elsewhere
from twenty_questions.labelling.grid import LabelSource, PairGrid
from twenty_questions.labelling.label_progress import LabelProgress, LabelReport, require_labelled
from twenty_questions.labelling.label_sources import source_of
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.opening import open_labeller
from twenty_questions.labelling.shard_store import spent_on
from twenty_questions.labelling.shards import GIVE_UP_AFTER, label_pairs

WORKERS = pytest.mark.parametrize("workers", [0, 2])


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Labellers that a worker process finds as any importable module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("labelling_process")


@pytest.fixture
def grid(fakes: ModuleType) -> PairGrid:
    made: PairGrid = fakes.grid_of(22)
    return made


@pytest.fixture
def alone(fakes: ModuleType, grid: PairGrid, tmp_path: Path) -> dict[str, bytes]:
    """What this process makes of the same pairs."""
    label_pairs(grid, [fakes.source_of("a")], tmp_path / "alone")
    return contents(tmp_path / "alone")


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def noted(log: Path, what: str) -> list[str]:
    """What follows a word in the log, line by line."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


def begun(log: Path) -> Counter[str]:
    return Counter(line.rpartition(" ")[0] for line in noted(log, "begun"))


@WORKERS
def test_workers_make_the_same_bytes_and_leave_nothing_beside_them(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    root, log, steps = tmp_path / "shards", tmp_path / "log", list[LabelProgress]()
    source = fakes.source_elsewhere("a", log, seconds=0.02)
    report = label_pairs(grid, [source], root, engine=LocalProcesses(workers), on_progress=steps.append)
    assert contents(root) == alone
    assert sorted(path.name for path in root.iterdir() if path.name.startswith(".")) == [".journal.jsonl", ".settings"]
    assert list(root.glob("a-*/.*")) == []
    assert [step.event for step in steps] == ["opening"] + ["labelled"] * 6
    assert (steps[-1].done, report.labelled, report.failures) == (grid.num_pairs, grid.num_pairs, ())
    assert begun(log) == dict.fromkeys(grid.keywords[::4], 1)
    labelling = {line.rpartition(" ")[2] for line in noted(log, "begun")}
    assert Counter(noted(log, "opened")) == dict.fromkeys(labelling, 1)  # each opens its model once
    assert len(labelling) == max(1, workers)
    again = label_pairs(grid, [source], root, engine=LocalProcesses(workers))
    assert (again.labelled, again.stores) == (0, report.stores)
    assert set(begun(log).values()) == {1}


def test_models_come_one_after_the_other_and_each_has_its_folder(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path
) -> None:
    names = ("a", "b/c")
    label_pairs(grid, [fakes.source_of(name) for name in names], tmp_path / "alone")
    sources = [fakes.source_elsewhere(name, tmp_path / "log") for name in names]
    label_pairs(grid, sources, tmp_path / "shards", engine=LocalProcesses(0))
    assert contents(tmp_path / "shards") == contents(tmp_path / "alone")


@pytest.mark.parametrize("engines", [(None, 2), (2, None)])
def test_stopped_half_way_it_goes_on_wherever(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path, engines: tuple[int | None, int | None]
) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    source = fakes.source_elsewhere("a", log, seconds=0.02)
    first, second = (None if workers is None else LocalProcesses(workers) for workers in engines)

    def stop(step: LabelProgress) -> None:
        if step.done == grid.pairs_of(0) * 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_pairs(grid, [source], root, engine=first, on_progress=stop)
    assert len(list(root.glob("a-*/*.parquet"))) == 2
    assert list(root.glob("a-*/.*.claim")) == []
    events: list[str] = []
    label_pairs(grid, [source], root, engine=second, on_progress=lambda step: events.append(step.event))
    assert contents(root) == alone
    assert events == ["found"] * 2 + ["opening"] + ["labelled"] * 4
    assert sum(begun(log).values()) <= grid.num_shards + 2  # what was under way when it stopped


def test_what_workers_finished_unseen_is_taken_in_later(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    source = fakes.source_elsewhere("a", log)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shards_elsewhere, "settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            label_pairs(grid, [source], root, engine=LocalProcesses(0))
    assert begun(log) == {"thing 0": 1}
    label_pairs(grid, [source], root, engine=LocalProcesses(0))
    assert contents(root) == alone
    assert begun(log) == dict.fromkeys(grid.keywords[::4], 1)


def test_what_workers_left_damaged_is_labelled_again(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    source, read, damaged = fakes.source_elsewhere("a", log), shards_elsewhere.p_yes_in, list[Path]()

    def damage(folder: Path, grid: PairGrid, shard: int) -> object:
        if shard == 2 and not damaged:
            (file,) = folder.glob("*.safetensors")
            file.write_bytes(bytes(file.stat().st_size))
            damaged.append(file)
        return read(folder, grid, shard)

    monkeypatch.setattr(shards_elsewhere, "p_yes_in", damage)
    label_pairs(grid, [source], root, engine=LocalProcesses(0))
    assert contents(root) == alone
    assert begun(log) == Counter({**dict.fromkeys(grid.keywords[::4], 1), "thing 8": 2})


def test_what_workers_always_leave_damaged_fails_in_the_end(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, log, read = tmp_path / "shards", tmp_path / "log", shards_elsewhere.p_yes_in
    monkeypatch.setattr(
        shards_elsewhere, "p_yes_in", lambda folder, grid, shard: None if shard == 2 else read(folder, grid, shard)
    )
    source, steps = fakes.source_elsewhere("a", log), list[LabelProgress]()
    report = label_pairs(grid, [source], root, engine=LocalProcesses(0), retries=2, on_progress=steps.append)
    assert begun(log)["thing 8"] == 3
    assert [(failure.shard, failure.attempts) for failure in report.failures] == [(2, 3)]
    assert report.failures[0].error.startswith(f"what a worker labelled is damaged in {root / '.tasks'}")
    assert [step.event for step in steps if step.shard == 2] == ["retried", "retried", "failed"]
    assert report.labelled == grid.num_pairs - grid.pairs_of(2)


def test_what_a_kill_left_of_tasks_is_removed_once_all_is_labelled(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    source, settled = fakes.source_elsewhere("a", log), shards_elsewhere.settle

    def killed(call: shard_work.Call, work: shard_work.Work, shard: int, *rest: Any) -> None:
        settled(call, work, shard, *rest)
        if shard == grid.num_shards - 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shards_elsewhere, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            label_pairs(grid, [source], root, engine=LocalProcesses(0))
    assert [path.suffix for path in sorted((root / ".tasks").iterdir())] == ["", ".json"]
    label_pairs(grid, [source], root)
    assert not (root / ".tasks").exists()
    assert set(begun(log).values()) == {1}


def test_what_was_labelled_through_other_servers_is_taken_in_later(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, log, other_log = tmp_path / "shards", tmp_path / "log", tmp_path / "other log"

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shards_elsewhere, "settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            label_pairs(grid, [fakes.source_elsewhere("a", log)], root, engine=LocalProcesses(0))
    label_pairs(grid, [fakes.source_elsewhere("a", other_log)], root, engine=LocalProcesses(0))
    assert begun(log) + begun(other_log) == dict.fromkeys(grid.keywords[::4], 1)


def test_only_how_a_server_is_reached_may_change_between_two_starts(tmp_path: Path) -> None:
    def settings(**given: Any) -> Any:
        return source_of(LabellerConfig(model="m", **given), open_labeller, is_here=False).settings

    one = settings(base_url="http://one:1/v1")
    assert settings(base_url="http://two:1/v1,http://three:1/v1", concurrency=99, timeout=1.0, price_in=2.0) == one
    assert settings() != one
    assert settings(base_url="http://one:1/v1", samples=9) != one
    (tmp_path / "mine.toml").write_text('system = "Say yes or no."\n')
    assert settings(base_url="http://one:1/v1", prompt=str(tmp_path / "mine.toml")) != one


def test_a_pause_of_the_server_that_fails_all_shards_at_once_is_lived_through(
    fakes: ModuleType, tmp_path: Path
) -> None:
    grid, at_once = fakes.grid_of(40), GIVE_UP_AFTER
    first = list(grid.keywords[: 4 * at_once])
    source = fakes.source_elsewhere("a", tmp_path / "log", workers=at_once, fails_once_on=first)
    report = label_pairs(grid, [source], tmp_path / "shards", engine=LocalProcesses(at_once))
    assert (report.labelled, report.failures) == (grid.num_pairs, ())


def test_where_other_weights_have_all_to_label_all_workers_do(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path
) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    label_pairs(grid, [fakes.source_elsewhere("a", log)], root, engine=LocalProcesses(0))
    next(root.glob("a-*/000003.parquet")).unlink()
    # One shard is missing of the weights that were; those that are now have none.
    others = fakes.source_elsewhere("a", log, is_fickle=True, workers=3)  # this process among them
    report = label_pairs(grid, [others], root, engine=LocalProcesses(2))
    assert report.labelled == grid.num_pairs
    labelling = {line.rpartition(" ")[2] for line in noted(log, "begun")}
    assert len(labelling - {str(os.getpid())}) == 2


def test_claims_are_touched_while_workers_are_quiet(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_TOUCH_SECONDS", 0.01)
    root, seen = tmp_path / "shards", list[int]()

    def age(step: LabelProgress) -> None:
        held = [*root.glob("*-*/.*.claim"), *(root / ".tasks").glob(".*.claim")]
        for path in held:
            os.utime(path, (1, 1))
        deadline = time.monotonic() + 20
        while any(path.stat().st_mtime == 1 for path in held):
            assert time.monotonic() < deadline, "nobody touches them"
            time.sleep(0.005)
        seen.append(len(held))

    source = fakes.source_elsewhere("a", tmp_path / "log")
    label_pairs(grid, [source], root, engine=LocalProcesses(0), on_progress=age)
    assert seen == [0, 7, 6, 5, 4, 3, 2]
    seen.clear()
    label_pairs(grid, [fakes.source_of("b")], root, on_progress=age)
    assert seen == [0] + [1] * 6


@pytest.mark.parametrize("engine", [None, LocalProcesses(2)])
def test_a_shard_that_keeps_failing_is_reported_alike_everywhere(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, engine: Engine | None
) -> None:
    steps: list[LabelProgress] = []
    source = fakes.source_elsewhere("a", tmp_path / "log", fails_on=["thing 4"])
    report = label_pairs(grid, [source], tmp_path / "shards", engine=engine, retries=1, on_progress=steps.append)
    assert report.failures == (("a", 1, grid.keywords[4:8], 2, "the server hangs"),)
    told = [(step.event, step.shard, step.error) for step in steps if step.error]
    assert told == [("retried", 1, "the server hangs"), ("failed", 1, "the server hangs")]
    assert report.labelled == grid.num_pairs - grid.pairs_of(1)
    with pytest.raises(WorkError, match=r"a: shard 1 \(keywords 'thing 4' to 'thing 7'\) could not be labelled"):
        require_labelled(report)
    mended = label_pairs(grid, [fakes.source_elsewhere("a", tmp_path / "log")], tmp_path / "shards", engine=engine)
    assert mended.labelled == grid.pairs_of(1)
    assert not (tmp_path / "shards" / ".tasks").exists()


@pytest.mark.parametrize("engine", [None, LocalProcesses(2)])
def test_a_labeller_that_only_fails_is_given_up_and_the_next_one_works(
    fakes: ModuleType, tmp_path: Path, engine: Engine | None
) -> None:
    grid, log = fakes.grid_of(40), tmp_path / "log"
    dead = fakes.source_elsewhere("dead", log, fails_on=list(grid.keywords))
    sources = [dead, fakes.source_elsewhere("b", tmp_path / "other log")]
    report = label_pairs(grid, sources, tmp_path / "shards", engine=engine)
    assert [(failure.model, failure.shard) for failure in report.failures] == [("dead", shard) for shard in range(10)]
    assert GIVE_UP_AFTER <= sum(begun(log).values()) <= GIVE_UP_AFTER + 2
    assert report.labelled == grid.num_pairs


def test_a_model_that_does_not_open_is_set_aside_and_the_next_one_works(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    broken = fakes.source_elsewhere("a", log, broken="its weights need 9 GiB, where 1 GiB are free")
    sources = [broken, fakes.source_elsewhere("b", log)]
    report = label_pairs(grid, sources, tmp_path / "shards", engine=LocalProcesses(0), retries=0)
    assert {(failure.model, failure.attempts) for failure in report.failures} == {("a", 0)}
    assert report.failures[0].error == f"machine {socket.gethostname()}: its weights need 9 GiB, where 1 GiB are free"
    assert report.stores[0] is None
    assert report.labelled == grid.num_pairs


def test_what_a_machine_lacks_stops_the_work_with_its_name_and_what_to_do(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = fakes.source_elsewhere("a", log, lacking="there is no model 'a' on this machine")
    with pytest.raises(InputError) as told:
        label_pairs(grid, [source], tmp_path / "shards", engine=LocalProcesses(2))
    assert str(told.value) == f"machine {socket.gethostname()}: there is no model 'a' on this machine. Get it"
    assert len(noted(log, "opened")) == 1


def test_a_model_that_machines_lack_need_not_be_here_either(grid: PairGrid, tmp_path: Path) -> None:
    source = source_of(LabellerConfig(model="no-such-model-anywhere"), open_labeller, is_here=False)
    with pytest.raises(
        InputError, match=r"^machine \S+: there is no model 'no-such-model-anywhere' on this .*hf download"
    ):
        label_pairs(grid, [source], tmp_path, engine=LocalProcesses(0))


def test_a_machine_that_would_label_otherwise_stops_the_work(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path
) -> None:
    source = fakes.source_elsewhere("a", tmp_path / "log", is_fickle=True)
    with pytest.raises(InputError, match=r"a would label otherwise here than where the work began \(weights v for w\)"):
        label_pairs(grid, [source], tmp_path / "shards", engine=LocalProcesses(2))
    assert contents(tmp_path / "shards").items() <= alone.items()


def test_a_worker_that_dies_costs_one_attempt(
    fakes: ModuleType, grid: PairGrid, alone: dict[str, bytes], tmp_path: Path
) -> None:
    steps: list[LabelProgress] = []
    source = fakes.source_elsewhere("a", tmp_path / "log", dies_on=["thing 8"])
    label_pairs(grid, [source], tmp_path / "shards", engine=LocalProcesses(2), on_progress=steps.append)
    assert contents(tmp_path / "shards") == alone
    assert [step.error for step in steps if step.error] == ["its worker process died (SIGKILL)"]


def test_what_servers_were_asked_is_counted_over_all_workers(fakes: ModuleType, grid: PairGrid, tmp_path: Path) -> None:
    source = fakes.source_elsewhere("a", tmp_path / "log", is_metered=True)
    report = label_pairs(grid, [source], tmp_path / "shards", engine=LocalProcesses(2))
    pairs = grid.num_pairs
    assert report.usage == {"requests": pairs, "cost": pairs / 2}
    spent = spent_on(tmp_path / "shards", require_labelled(report))
    assert (spent.shards, spent.pairs, spent.usage) == (6, pairs, {"requests": pairs, "cost": pairs / 2})


@pytest.fixture
def somebody() -> Iterator[str]:
    """The identity of another process that lives."""
    code = (
        "import json; from furikaeri_common.processes import this_process as this; print(json.dumps(this()._asdict()))"
    )
    command = [sys.executable, "-uc", f"{code}; input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline()
        process.kill()


def test_shards_that_another_process_is_at_work_on_are_left_to_it(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, somebody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_POLL_SECONDS", 0.01)
    root, log = tmp_path / "shards", tmp_path / "log"
    source = fakes.source_elsewhere("a", log)
    (store,) = require_labelled(label_pairs(grid, [source], root))
    whole = contents(root)
    file = store.folder / "000001.parquet"
    content = file.read_bytes()
    for path in store.folder.glob("*.parquet"):
        path.unlink()
    store.claim_of(1).write_text(somebody)
    log.unlink()
    steps: list[LabelProgress] = []

    def finish() -> None:
        file.write_bytes(content)
        store.claim_of(1).unlink()

    def watch(step: LabelProgress) -> None:
        steps.append(step)
        if step.event == "waiting":
            threading.Timer(0.1, finish).start()

    label_pairs(grid, [source], root, engine=LocalProcesses(0), on_progress=watch)
    assert [step.event for step in steps] == ["opening"] + ["labelled"] * 5 + ["waiting", "shared"]
    assert "thing 4" not in begun(log)
    assert contents(root) == whole


def test_the_shards_that_workers_have_are_claimed(fakes: ModuleType, grid: PairGrid, tmp_path: Path) -> None:
    root = tmp_path / "shards"
    claims: list[set[str]] = []

    def look(step: LabelProgress) -> None:
        if step.event == "labelled":
            claims.append({path.name for path in root.glob("a-*/.*.claim")})
            for path in root.glob("a-*/.*.claim"):
                assert json.loads(path.read_text()) == this_process()._asdict()

    label_pairs(grid, [fakes.source_elsewhere("a", tmp_path / "log")], root, engine=LocalProcesses(0), on_progress=look)
    assert [len(names) for names in claims] == [6, 5, 4, 3, 2, 1]


def test_what_the_workers_of_another_process_read_stays_until_it_ends(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path, somebody: str
) -> None:
    root = tmp_path / "shards"
    held: list[Path] = []

    def join(step: LabelProgress) -> None:
        if step.event == "labelled" and not held:
            (mine,) = (root / ".tasks").glob(".*.claim")
            held.append(mine.with_name(mine.name.replace(f".{os.getpid()}.", ".1.")))
            held[0].write_text(somebody)

    engine = LocalProcesses(0)
    label_pairs(grid, [fakes.source_elsewhere("a", tmp_path / "log")], root, engine=engine, on_progress=join)
    place = held[0].name.split(".")[1]
    assert {path.name for path in (root / ".tasks").iterdir()} == {held[0].name, place, f"{place}.json"}
    held[0].write_text(somebody.replace('"started": "', '"started": "not '))  # it has ended
    next(root.glob("a-*/*.parquet")).unlink()
    label_pairs(grid, [fakes.source_elsewhere("a", tmp_path / "log")], root, engine=engine)
    assert not (root / ".tasks").exists()


def test_what_only_this_process_can_open_is_refused_before_anything_is_done(
    fakes: ModuleType, grid: PairGrid, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected a source that can be opened elsewhere, got 'a'"):
        label_pairs(grid, [fakes.source_of("a")], tmp_path, engine=LocalProcesses(0))
    with pytest.raises(ValueError, match="threads >= 1"):
        label_pairs(grid, [fakes.source_of("a")], tmp_path, threads=0)


def test_without_a_question_no_worker_is_started(tmp_path: Path) -> None:
    grid = PairGrid(keywords=("a",), questions=())
    never = LabelSource(name="a", settings={}, open=lambda: pytest.fail("opened for nothing"))
    report = label_pairs(grid, [never], tmp_path, engine=LocalProcesses(2))
    assert report == LabelReport((None,), (), 0, report.seconds, {})
