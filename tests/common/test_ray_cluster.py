"""The engine of a Ray cluster, on a real one: two nodes on this machine, which are killed like machines."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from furikaeri_common import ray_cluster
from furikaeri_common.carried_files import Piece
from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.processes import is_running
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.ray_room import Need
from furikaeri_common.ray_slots import collect
from furikaeri_common.task_store import Job, folder_name
from furikaeri_common.tasks import Progress, Task, TaskReport, run_tasks
from furikaeri_common.worker_processes import THREAD_VARIABLES

HERE = Path(__file__).parent


class Clusters:
    """One cluster for all tests; what a test has killed of it is replaced for the next."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("ray_nodes", HERE.parent / "ray_nodes.py")
        assert spec is not None
        assert spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._nodes: Any = None

    def whole(self) -> Any:
        if self._nodes is not None and self._nodes.head.process.poll() is not None:
            self.stop()
        if self._nodes is None:
            self._nodes = self._module.two_nodes()
        if all(node.process.poll() is not None for node in self._nodes.nodes[1:]):
            self._nodes.add("one-more")
        return self._nodes

    def stop(self) -> None:
        if self._nodes is not None:
            self._nodes.stop()
            self._nodes = None


@pytest.fixture(scope="module")
def clusters() -> Iterator[Clusters]:
    clusters = Clusters()
    yield clusters
    clusters.stop()


@pytest.fixture
def nodes(clusters: Clusters) -> Any:
    return clusters.whole()


@pytest.fixture
def functions():
    return importlib.import_module("cluster_functions")


def contents(store: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(store)): path.read_bytes() if path.is_file() else None for path in sorted(store.rglob("*"))
    }


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


def lines(notes: Path) -> list[list[str]]:
    return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


def test_results_failures_and_stores_are_those_of_this_machine(functions, nodes, tmp_path: Path) -> None:
    wanted = [
        ("draw", {"seed": 1}),
        ("draw", {"seed": 2}),
        ("fail_if_odd", {"number": 1}),
        ("fail_if_odd", {"number": 2}),
        ("die", {"dies": True}),
        ("die", {"dies": False}),
        ("leave", {}),
        ("chatter", {}),
        ("not_json", {}),
        ("threads", {"names": list(THREAD_VARIABLES)}),
    ]

    def run(name: str, engine: LocalProcesses | RayCluster) -> tuple[TaskReport, Counter[str]]:
        marker = {"marker": str(tmp_path / f"{name}-marker")}
        tasks = [
            Task(f"{number} {function}", {"function": function, "inputs": inputs})
            for number, (function, inputs) in enumerate(wanted)
        ]
        tasks.append(Task("fail_first", {"function": "fail_first", "inputs": marker}))
        events: list[Progress] = []
        report = run_tasks(
            functions.any_of, tasks, store=tmp_path / name, engine=engine, retries=2, on_progress=events.append
        )
        return report, Counter(event.event for event in events)

    notes: list[str] = []
    local, local_events = run("local", LocalProcesses(2))
    ray, ray_events = run("ray", RayCluster(nodes.address, on_note=notes.append))
    assert "fail_first" in local.finished
    assert ray.values == local.values
    assert ray.values[-2] == dict.fromkeys(THREAD_VARIABLES, "1")
    assert [failure[:4] for failure in ray.failures] == [failure[:4] for failure in local.failures]
    assert {failure.error for failure in ray.failures} >= {"its worker process died (SIGKILL)", "SystemExit: 7"}
    assert {failure.attempts for failure in ray.failures} == {3}
    assert all("fail_if_odd" in failure.traceback for failure in ray.failures if "fail_if_odd" in failure.key)
    assert ray_events == local_events
    different = {f"{folder_name('fail_first')}/result.json"}  # its inputs name the marker
    local_files, ray_files = contents(tmp_path / "local"), contents(tmp_path / "ray")
    assert list(ray_files) == list(local_files)
    assert {name for name in local_files if local_files[name] != ray_files[name]} == different
    (note,) = notes
    assert note.startswith("Ray at ")
    assert note.endswith(": 2 machines, 2 tasks at once; all see the results' folder")


def test_what_machines_do_not_see_is_brought_there_and_back(functions, nodes, tmp_path: Path) -> None:
    data, beside, notes = tmp_path / "data.bin", tmp_path / "beside", tmp_path / "notes"
    data.write_bytes(os.urandom(2**20) * 40)  # more than travels at once
    (beside / "deep").mkdir(parents=True)
    (beside / "deep" / "one.txt").write_text("one")
    (beside / "two.txt").write_text("two")
    (tmp_path / "by-link").symlink_to(tmp_path, target_is_directory=True)
    for name in ("local", "ray"):
        (tmp_path / name).mkdir()
    inputs = {"file": str(data), "beside": str(beside), "notes": str(notes)}
    by_link = {**inputs, "file": str(tmp_path / "by-link" / "data.bin")}
    tasks = [Task(str(number), {**(by_link if number % 2 else inputs), "number": number}) for number in range(6)]
    told: list[str] = []

    def run(name: str, engine: LocalProcesses | RayCluster) -> TaskReport:
        reads = [data, beside, tmp_path / "by-link" / "data.bin", tmp_path / "missing"]
        return run_tasks(functions.read, tasks, store=tmp_path / name / "store", engine=engine, reads=reads)

    local = run("local", LocalProcesses(2))
    notes.unlink()
    ray = run("ray", RayCluster(nodes.address, storage="collected", on_note=told.append))
    assert not ray.failures
    assert ray.values == local.values
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert told[0].endswith(
        ": 2 machines, 2 tasks at once; results are collected here; 80.0 MiB of inputs go to 1 machine"
    )
    done = {int(node): (Path(file), Path(folder)) for node, file, folder in lines(notes)}
    assert set(done) == {node.process.pid for node in nodes.nodes if node.process.poll() is None}
    for node, (file, folder) in done.items():
        scratch = Path(
            str(file).removesuffix(str(tmp_path / "data.bin")).removesuffix(str(tmp_path / "by-link/data.bin"))
        )
        assert scratch != Path("/")
        assert folder.parent == scratch / (tmp_path / "ray" / "store").relative_to("/")
        assert not scratch.exists(), f"the scratch folder of node {node} is left behind"


def test_a_worker_keeps_its_gpu_and_what_its_tasks_have_loaded(functions, nodes, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    tasks = [Task(str(number), {"name": number, "seconds": 0.1, "notes": str(notes)}) for number in range(12)]
    engine = RayCluster(nodes.address, workers=1, gpus=0.5)
    report = run_tasks(functions.slow, tasks, store=tmp_path / "store", engine=engine)
    assert report.values == list(range(12))
    ((node, _, _, gpu),) = {(node, process, model, gpu) for node, process, _, model, gpu in lines(notes)}
    assert int(node) == nodes.nodes[-1].process.pid, "the head has no GPU"
    assert gpu in ("0", "1")


def test_what_cannot_begin_is_refused_in_a_line(
    functions, nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(threads: int = 1, **options: Any) -> str:
        given = {"address": nodes.address, **options}
        with pytest.raises(InputError) as refused:
            run_tasks(functions.slow, [Task("x", {})], store=tmp_path, engine=RayCluster(**given), threads=threads)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert "no Ray cluster answers at 127.0.0.1:1. Start one" in call(address="127.0.0.1:1")
    assert call(threads=3, gpus=3, memory=2**50).startswith(
        "a task needs 3 CPUs, 3 GPUs and 1048576.0 GiB of memory, and no machine of the Ray cluster has that; "
        "the largest has 1 CPU, 2 GPUs and "
    )
    assert "1.5 GPUs for each task" in call(gpus=1.5)
    versions = ray_cluster.package_versions()
    monkeypatch.setattr(ray_cluster, "package_versions", lambda: {**versions, "numpy": "0.1", "torch": "0.2"})
    differs = rf"the Ray machine .+ \(.+\) has numpy {versions['numpy']}, this one has 0.1 \(and 1 more differ\)\. "
    assert re.match(differs, call())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "furikaeri-common\[ray\]"'):
        run_tasks(functions.slow, [Task("x", {})], store=tmp_path, engine=RayCluster())


@pytest.mark.parametrize("address", ["nowhere", "nowhere:", ":6379", "ray://127.0.0.1:10001", "http://host:8265"])
def test_what_is_no_address_of_a_cluster_is_refused_before_anything_is_started(address: str) -> None:
    with pytest.raises(InputError) as refused:
        RayCluster(address)
    assert str(refused.value).startswith(f"{address}: expected HOST:PORT of a Ray cluster, such as 10.0.0.1:6379. ")


@pytest.mark.parametrize("options", [{"workers": 0}, {"gpus": -1.0}, {"memory": -1}])
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RayCluster(**options)


@pytest.mark.parametrize(
    ("need", "has", "room"),
    [
        (Need(1, 0, 0), {"CPU": 8.0}, 8),
        (Need(3, 0, 0), {"CPU": 8.0}, 2),
        (Need(1, 2, 0), {"CPU": 8.0, "GPU": 5.0}, 2),
        (Need(1, 0.3, 0), {"CPU": 8.0, "GPU": 2.0}, 6),
        (Need(1, 0.1, 0), {"CPU": 8.0, "GPU": 1.0}, 8),
        (Need(1, 0.5, 0), {"CPU": 8.0, "GPU": 0.5}, 1),
        (Need(1, 0.1, 0), {"CPU": 8.0, "GPU": 0.3}, 3),
        (Need(1, 0.3, 0), {"CPU": 8.0, "GPU": 1.7}, 5),
        (Need(1, 1, 0), {"CPU": 8.0}, 0),
        (Need(1, 0, 2**30), {"CPU": 8.0, "memory": 2.5 * 2**30}, 2),
    ],
)
def test_room_is_what_the_scarcest_resource_leaves(need: Need, has: dict[str, float], room: int) -> None:
    assert need.room_in(has) == room


def test_what_cannot_be_stored_here_fails_the_task_that_made_it(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    job = Job("module:function", "key", {}, str(tmp_path / "store"), "fingerprint")
    outcome = collect(job, 1, iter([[Piece("file", 0, b"content")]]))
    assert outcome.error is not None
    assert outcome.error.startswith("what it made cannot be stored here (")
    assert not outcome.is_lost


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import task_functions
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.tasks import Task, run_tasks
notes = sys.argv[3]
lengths = {"quick": 0, "slow": 600}
tasks = [Task(name, {"name": name, "seconds": length, "notes": notes}) for name, length in lengths.items()]
if __name__ == "__main__":
    run_tasks(task_functions.sleep, tasks, store=Path(notes, "store"), engine=RayCluster(sys.argv[2], workers=1))
"""


def test_a_command_that_is_ended_leaves_nothing_at_work(nodes, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    pids: list[int] = []
    with contextlib.ExitStack() as stack:
        runs: dict[signal.Signals, subprocess.Popen[bytes]] = {}
        for end in (signal.SIGINT, signal.SIGKILL):
            (tmp_path / end.name).mkdir()
            command = [sys.executable, str(tmp_path / "run.py"), str(HERE), nodes.address, str(tmp_path / end.name)]
            runs[end] = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(runs[end].kill)
        for end, run in runs.items():
            wait_for((tmp_path / end.name / "slow.pids").exists)
            pids += map(int, (tmp_path / end.name / "slow.pids").read_text().split())
            pids += [child.pid for child in psutil.Process(run.pid).children()]
        assert len(pids) == 6, "for each command the driver, the worker and what its task started"
        assert all(map(is_running, pids))
        for end, run in runs.items():
            run.send_signal(end)
            run.wait(timeout=60)
    wait_for(lambda: not any(map(is_running, pids)))
    for end in runs:
        finished = {path.name for path in (tmp_path / end.name / "store").iterdir() if not path.name.startswith(".")}
        assert finished == {folder_name("quick")}


def test_a_node_that_dies_costs_nothing_and_one_that_joins_is_used(functions, nodes, tmp_path: Path) -> None:
    notes, struck, has_joined = tmp_path / "notes", tmp_path / "struck", tmp_path / "joined"
    dying = nodes.nodes[-1]
    # Two tasks hold both nodes until one is dead, then two more until the next one has joined.
    untils = [struck, struck, has_joined, has_joined, *[tmp_path] * 6]
    tasks = [
        Task(str(number), {"name": str(number), "seconds": 0.1, "notes": str(notes), "until": str(until)})
        for number, until in enumerate(untils)
    ]
    joined: list[Any] = []

    def strike() -> None:
        wait_for(lambda: {node for node, *_ in lines(notes)} == {str(nodes.head.process.pid), str(dying.process.pid)})
        joined.append(nodes.start("joined"))
        nodes.kill(dying)
        struck.touch()
        wait_for(lambda: str(joined[0].process.pid) in {node for node, *_ in lines(notes)})
        has_joined.touch()

    events: list[Progress] = []
    with ThreadPoolExecutor(1) as other:
        striking = other.submit(strike)
        report = run_tasks(
            functions.slow,
            tasks,
            store=tmp_path / "store",
            engine=RayCluster(nodes.address),
            retries=0,
            on_progress=events.append,
        )
        striking.result()
    assert not report.failures
    assert report.values == [task.key for task in tasks]
    assert Counter(event.key for event in events if event.event == "finished") == dict.fromkeys(report.finished, 1)
    (retried,) = (event for event in events if event.event == "retried")
    assert {len(line) for line in lines(notes)} == {4}, "no GPU is in sight of tasks that need none"
    assert retried.error.startswith(f"lost on the Ray machine {dying.name} (")
    begun = [(name, int(node)) for node, _, name, *_ in lines(notes)]
    assert (retried.key, dying.process.pid) in begun
    assert Counter(name for name, _ in begun) == {**dict.fromkeys(report.finished, 1), retried.key: 2}


def test_a_lost_head_ends_the_run_and_a_new_cluster_goes_on(
    functions, nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, store = tmp_path / "notes", tmp_path / "store"
    tasks = [Task(str(number), {"name": str(number), "seconds": 0.5, "notes": str(notes)}) for number in range(8)]

    def strike(event: Progress) -> None:
        if event.done == 3:
            nodes.kill(nodes.head)

    began = time.monotonic()
    with pytest.raises(WorkError) as lost:
        run_tasks(functions.slow, tasks * 1, store=store, engine=RayCluster(nodes.address), on_progress=strike)
    assert time.monotonic() - began < 120
    assert str(lost.value) == (
        f"the Ray cluster at {nodes.address} was lost. "
        "What is finished is kept: run the same command on a new cluster to go on"
    )
    workers = {int(process) for _, process, *_ in lines(notes)}
    wait_for(lambda: not any(map(is_running, workers)))
    kept = len([path for path in store.iterdir() if not path.name.startswith(".")])
    assert kept >= 3
    # No cluster is on record here, so a new one is started on this machine.
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    told: list[str] = []
    report = run_tasks(functions.slow, tasks, store=store, engine=RayCluster(on_note=told.append))
    assert report.reused == kept
    assert report.values == [task.key for task in tasks]
    assert told[0].startswith("Ray on this machine: ")
    actors = {int(node) for node, *_ in lines(notes)} - {node.process.pid for node in nodes.nodes}
    wait_for(lambda: not any(map(is_running, actors)))
