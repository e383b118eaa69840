"""The task engine, with real worker processes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import FullDiskError, FurikaeriError, InputError, WorkError
from furikaeri_common.local_processes import THREAD_VARIABLES, LocalProcesses
from furikaeri_common.processes import is_running
from furikaeri_common.task_store import folder_name
from furikaeri_common.tasks import Progress, Task, TaskReport, explained, raise_if_final, require_all, run_tasks

HERE = Path(__file__).parent
WORKERS = pytest.mark.parametrize("workers", [0, 1, 2])


@pytest.fixture
def functions():
    return importlib.import_module("task_functions")


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


@WORKERS
def test_every_task_is_performed_once_and_values_come_in_order(functions, tmp_path: Path, workers: int) -> None:
    diary = tmp_path / "diary"
    tasks = [Task(f"n={number}", {"number": number, "diary": str(diary)}) for number in (3, 1, 2)]
    report = run_tasks(functions.square, tasks, store=tmp_path / "store", engine=LocalProcesses(workers))
    assert list(report.finished) == ["n=3", "n=1", "n=2"]
    assert require_all(report) == [{"square": 9}, {"square": 1}, {"square": 4}]
    assert report.reused == 0
    assert sorted(diary.read_text().split()) == ["1", "2", "3"]


def test_a_second_call_performs_only_what_is_missing(functions, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    tasks = [Task(str(number), {"number": number, "diary": str(diary)}) for number in range(4)]
    store, engine = tmp_path / "store", LocalProcesses(0)
    run_tasks(functions.square, tasks[:2], store=store, engine=engine)
    events: list[Progress] = []
    report = run_tasks(functions.square, tasks, store=store, engine=engine, on_progress=events.append)
    assert report.reused == 2
    assert report.values == [{"square": number**2} for number in range(4)]
    assert diary.read_text().split() == ["0", "1", "2", "3"]
    assert [(event.event, event.key, event.done, event.total) for event in events] == [
        ("reused", "0", 1, 4),
        ("reused", "1", 2, 4),
        ("finished", "2", 3, 4),
        ("finished", "3", 4, 4),
    ]


@pytest.mark.parametrize("change", ["inputs", "version", "threads", "function"])
def test_a_stale_result_is_done_again(functions, tmp_path: Path, change: str) -> None:
    diary = tmp_path / "diary"

    def call(number=3, version="", threads=1, function=functions.square):
        task = Task("only", {"number": number, "diary": str(diary)})
        return run_tasks(
            function, [task], store=tmp_path / "store", engine=LocalProcesses(0), version=version, threads=threads
        )

    assert call().reused == 0
    assert call().reused == 1
    changed = {"inputs": {"number": 4}, "version": {"version": "2"}, "threads": {"threads": 2}}
    again = call(**changed.get(change, {"function": functions.meddle}))
    assert again.reused == 0
    assert again.values == [{"square": 16} if change == "inputs" else 4 if change == "function" else {"square": 9}]
    assert len(list((tmp_path / "store").iterdir())) == 1


@pytest.mark.parametrize("damage", ["remove file", "shorten file", "cut record", "remove record", "other record"])
def test_a_damaged_result_is_done_again(functions, tmp_path: Path, damage: str) -> None:
    store, task = tmp_path / "store", Task("draw", {"seed": 5})
    whole = run_tasks(functions.draw, [task], store=store, engine=LocalProcesses(0)).finished["draw"]
    before = contents(store)
    file, record = whole.folder / "numbers.bin", whole.folder / "result.json"
    if damage == "remove file":
        file.unlink()
    elif damage == "shorten file":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "cut record":
        record.write_bytes(record.read_bytes()[:-20])
    elif damage == "remove record":
        record.unlink()
    else:
        record.write_text("[1, 2]")
    report = run_tasks(functions.draw, [task], store=store, engine=LocalProcesses(0))
    assert report.reused == 0
    assert contents(store) == before


def test_results_do_not_depend_on_workers_order_or_interruptions(functions, tmp_path: Path) -> None:
    tasks = [Task(f"seed {seed}", {"seed": seed}) for seed in range(5)]
    stores = []
    for name, workers, order in (("a", 0, tasks), ("b", 1, tasks[::-1]), ("c", 2, tasks)):
        run_tasks(functions.draw, order[:2], store=tmp_path / name, engine=LocalProcesses(workers))
        run_tasks(functions.draw, order, store=tmp_path / name, engine=LocalProcesses(workers))
        stores.append(contents(tmp_path / name))
    assert stores[0] == stores[1] == stores[2]
    assert len(stores[0]) == 15


@WORKERS
def test_failures_are_reported_with_inputs_while_the_rest_goes_on(functions, tmp_path: Path, workers: int) -> None:
    tasks = [Task(str(number), {"number": number}) for number in range(4)]
    events: list[Progress] = []
    report = run_tasks(
        functions.fail_if_odd,
        tasks,
        store=tmp_path / "store",
        engine=LocalProcesses(workers),
        retries=2,
        on_progress=events.append,
    )
    assert report.values == [0, 2]
    assert [(failure.key, failure.inputs, failure.attempts) for failure in report.failures] == [
        ("1", {"number": 1}, 3),
        ("3", {"number": 3}, 3),
    ]
    assert report.failures[0].error == "ValueError: 1 is odd"
    assert "fail_if_odd" in report.failures[0].traceback
    assert sorted(event.event for event in events) == ["failed"] * 2 + ["finished"] * 2 + ["retried"] * 4
    assert events[-1].done == 4
    with pytest.raises(WorkError, match=r"task 1 \(and 1 more\) failed 3 times with inputs \{'number': 1\}"):
        require_all(report)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted(map(folder_name, ("0", "2")))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("InputError: a.csv: is damaged. Copy it again", InputError("a.csv: is damaged. Copy it again")),
        ("FullDiskError: /x: the disk is full. Free some space", FullDiskError("/x")),
        ("WorkError: no luck", None),
        ("ValueError: InputError: in a text", None),
        ("", None),
    ],
)
def test_what_no_other_attempt_would_better_is_raised(error: str, told: FurikaeriError | None) -> None:
    if told is None:
        raise_if_final(error)
        return
    with pytest.raises(type(told)) as raised:
        raise_if_final(error)
    assert (str(raised.value), raised.value.exit_code) == (str(told), told.exit_code)


def test_a_failure_that_explains_itself_is_told_without_inputs(functions, tmp_path: Path) -> None:
    report = run_tasks(functions.refuse, [Task("a", {"long": "x" * 500})], store=tmp_path, engine=LocalProcesses(0))
    with pytest.raises(WorkError, match=r"^task a failed 2 times: no luck\. Try elsewhere\. Run the same") as raised:
        require_all(report)
    assert "xxx" not in str(raised.value)
    report = run_tasks(
        functions.fail_if_odd, [Task("b", {"number": 1, "long": ["x"] * 500})], store=tmp_path, engine=LocalProcesses(0)
    )
    with pytest.raises(WorkError, match=r"with inputs .*number.*ValueError: 1 is odd") as raised:
        require_all(report)
    assert len(str(raised.value)) < 600


@WORKERS
def test_a_full_disk_is_told_as_one(functions, tmp_path: Path, workers: int) -> None:
    report = run_tasks(functions.fill_the_disk, [Task("a", {})], store=tmp_path, engine=LocalProcesses(workers))
    (failure,) = report.failures
    assert isinstance(explained(failure.error), FullDiskError)
    assert str(explained(failure.error)).startswith(f"{tmp_path}/")


def test_where_things_lie_does_not_make_another_task(functions, tmp_path: Path) -> None:
    def run(place: str, more: int = 0) -> TaskReport:
        task = Task("a", {"more": more}, {"place": place})
        return run_tasks(functions.look, [task], store=tmp_path, engine=LocalProcesses(0))

    assert run("here").values == [{"more": 0, "place": "here"}]
    again = run("elsewhere")
    assert (again.reused, again.values) == (1, [{"more": 0, "place": "here"}])
    assert run("elsewhere", more=1).values == [{"more": 1, "place": "elsewhere"}]
    with pytest.raises(ValueError, match="apart from its places"):
        run_tasks(functions.look, [Task("a", {"x": 1}, {"x": 2})], store=tmp_path, engine=LocalProcesses(0))


@WORKERS
def test_a_task_that_fails_once_is_tried_again_from_an_empty_folder(functions, tmp_path: Path, workers: int) -> None:
    task = Task("patient", {"marker": str(tmp_path / "marker")})
    report = run_tasks(
        functions.fail_first, [task], store=tmp_path / "store", engine=LocalProcesses(workers), retries=1
    )
    assert report.values == ["now"]
    assert [path.name for path in report.finished["patient"].folder.iterdir()] == ["result.json"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_by_a_task_costs_that_task_alone(functions, tmp_path: Path, workers: int) -> None:
    tasks = [Task(str(number), {"dies": number == 1}) for number in range(4)]
    report = run_tasks(functions.die, tasks, store=tmp_path / "store", engine=LocalProcesses(workers), retries=1)
    assert list(report.finished) == ["0", "2", "3"]
    (failure,) = report.failures
    assert (failure.key, failure.attempts) == ("1", 2)
    assert failure.error == "its worker process died (SIGKILL)"
    assert not list((tmp_path / "store").glob(".*"))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_task_that_exits_fails_like_any_other(functions, tmp_path: Path, workers: int) -> None:
    report = run_tasks(
        functions.leave, [Task("x", {})], store=tmp_path / "store", engine=LocalProcesses(workers), retries=0
    )
    assert report.failures[0].error == "SystemExit: 7"


def test_a_task_may_print_and_read_without_harm(functions, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = run_tasks(functions.chatter, [Task("x", {})], store=tmp_path / "store", engine=LocalProcesses(1))
    assert report.values == [""]
    assert capfd.readouterr().out == ""


def test_workers_compute_with_the_threads_of_the_call(functions, tmp_path: Path) -> None:
    task = Task("threads", {"names": list(THREAD_VARIABLES)})
    report = run_tasks(functions.threads, [task], store=tmp_path / "store", engine=LocalProcesses(1), threads=3)
    assert report.values == [dict.fromkeys(THREAD_VARIABLES, "3")]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_value_that_json_cannot_hold_is_a_failure(functions, tmp_path: Path, workers: int) -> None:
    report = run_tasks(
        functions.not_json, [Task("x", {})], store=tmp_path / "store", engine=LocalProcesses(workers), retries=0
    )
    assert "not JSON compliant" in report.failures[0].error


def test_a_task_cannot_change_the_inputs_that_are_recorded(functions, tmp_path: Path) -> None:
    task = Task("x", {"number": 1})
    for reused in (0, 1):
        report = run_tasks(functions.meddle, [task], store=tmp_path / "store", engine=LocalProcesses(0))
        assert (report.values, report.reused, task.inputs) == ([2], reused, {"number": 1})


def test_what_cannot_be_performed_is_refused(functions, tmp_path: Path) -> None:
    engine, store = LocalProcesses(0), tmp_path / "store"
    with pytest.raises(ValueError, match="distinct keys, got 'a' twice"):
        run_tasks(functions.meddle, [Task("a", {}), Task("a", {})], store=store, engine=engine)
    with pytest.raises(TypeError, match="top level of an importable module"):
        run_tasks(lambda inputs, folder: 1, [], store=store, engine=engine)
    with pytest.raises(TypeError, match="JSON holds exactly"):
        run_tasks(functions.meddle, [Task("a", {"pair": (1, 2)})], store=store, engine=engine)
    with pytest.raises(ValueError, match="threads >= 1"):
        run_tasks(functions.meddle, [], store=store, engine=engine, threads=0)
    with pytest.raises(ValueError, match="workers >= 0"):
        LocalProcesses(-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        run_tasks(functions.meddle, [], store=tmp_path / "file", engine=engine)


def test_an_exception_in_the_callback_stops_the_workers(functions, tmp_path: Path) -> None:
    tasks = [
        Task("quick", {"name": "quick", "seconds": 0, "notes": str(tmp_path)}),
        Task("slow", {"name": "slow", "seconds": 600, "notes": str(tmp_path)}),
    ]

    def interrupt(event: Progress) -> None:
        wait_for((tmp_path / "slow.pids").exists)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks(functions.sleep, tasks, store=tmp_path / "store", engine=LocalProcesses(2), on_progress=interrupt)
    pids = [int(pid) for pid in (tmp_path / "slow.pids").read_text().split()]
    wait_for(lambda: not any(map(is_running, pids)))
    assert [path.name for path in (tmp_path / "store").iterdir()] == [folder_name("quick")]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import task_functions
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Task, run_tasks
notes, seconds = sys.argv[2], float(sys.argv[3])
lengths = {"quick": 0, "slow": seconds, "last": 0}
tasks = [Task(name, {"name": name, "seconds": length, "notes": notes}) for name, length in lengths.items()]
report = run_tasks(
    task_functions.sleep, tasks, store=Path(notes) / "store", engine=LocalProcesses(2),
    on_progress=lambda event: print(event.event, event.key, flush=True),
)
print(report.reused, report.values, flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_no_orphan_and_loses_nothing_finished(tmp_path: Path, end: signal.Signals) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "run.py"), str(HERE), str(tmp_path)]
    with subprocess.Popen([*command, "600"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        assert {run.stdout.readline(), run.stdout.readline()} == {"finished quick\n", "finished last\n"}
        wait_for((tmp_path / "slow.pids").exists)
        pids = [int(pid) for pid in (tmp_path / "slow.pids").read_text().split()]
        assert all(map(is_running, pids))
        os.kill(run.pid, end)
        run.wait(timeout=30)
    wait_for(lambda: not any(map(is_running, pids)))
    finished = {path.name for path in (tmp_path / "store").iterdir() if not path.name.startswith(".")}
    assert finished == {folder_name("quick"), folder_name("last")}
    # The slow task's inputs change with its seconds, as a rerun that need not sleep for ten minutes must.
    again = subprocess.run([*command, "0"], capture_output=True, text=True, check=True, timeout=60)
    assert again.stdout.splitlines()[-1] == "2 ['quick', 'slow', 'last']"
    assert not list((tmp_path / "store").glob(".*"))


@given(st.text(), st.text())
def test_folder_names_are_safe_and_distinct(one: str, other: str) -> None:
    name = folder_name(one)
    assert not name.startswith(".")
    assert name.isascii()
    assert not set(name) & set("/\\:\0 ")
    assert len(name) < 100
    assert (name == folder_name(other)) == (one == other)


def test_records_are_plain_json(functions, tmp_path: Path) -> None:
    run_tasks(functions.draw, [Task("one", {"seed": 1})], store=tmp_path, engine=LocalProcesses(0))
    folder = tmp_path / folder_name("one")
    record = json.loads((folder / "result.json").read_text())
    assert record["key"] == "one"
    assert record["function"] == "task_functions:draw"
    assert record["inputs"] == {"seed": 1}
    assert record["files"] == {"numbers.bin": 400, "deep/sum.txt": (folder / "deep/sum.txt").stat().st_size}
