"""Machines and slots for one order: what fails on one of them stops neither the others nor the command's waiting."""

from __future__ import annotations

import importlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from furikaeri_common import ray_actors, ray_cluster, ray_crew, ray_slots
from furikaeri_common.errors import WorkError
from furikaeri_common.packages import package_versions
from furikaeri_common.ray_actors import MachineKeeper, TaskSlot
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.ray_crew import Crew, gather, make_fit, mind_room, take_on
from furikaeri_common.ray_inputs import lay_out, reads_of
from furikaeri_common.ray_machines import Machine
from furikaeri_common.ray_order import Order
from furikaeri_common.ray_room import NO_GPU, Need
from furikaeri_common.ray_slots import Slot, SlotPlan
from furikaeri_common.task_store import Job, Outcome, hidden_folder


class Near:
    """Stands for an actor, in this process; what it answers is there at once."""

    def __init__(self, actor: object) -> None:
        self.actor = actor

    def __getattr__(self, name: str) -> Any:
        def remote(*given: Any) -> Future[Any]:
            answer: Future[Any] = Future()
            try:
                answer.set_result(getattr(self.actor, name)(*given))
            except Exception as error:
                answer.set_exception(importlib.import_module("ray").exceptions.RayError(str(error)))
            return answer

        return SimpleNamespace(remote=remote)


@pytest.fixture(autouse=True)
def keepers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, MachineKeeper]:
    """Let Ray's calls be answered here; a machine's keeper may be given by the machine's name."""
    ray = importlib.import_module("ray")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    given: dict[str, MachineKeeper] = {}

    def get(answer: Any) -> Any:
        return [get(one) for one in answer] if isinstance(answer, list) else answer.result()

    def remote(kind: type) -> Any:
        def options(**options: Any) -> Any:
            name = options["scheduling_strategy"]
            return SimpleNamespace(remote=lambda *given_to: Near(given.get(name) or kind(*given_to)))

        return SimpleNamespace(options=options)

    for name, stands_in in {
        "get": get,
        "put": lambda value: value,
        "remote": remote,
        "kill": lambda actor: None,
    }.items():
        monkeypatch.setattr(ray, name, stands_in)
    monkeypatch.setattr("ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy", lambda name, soft: name)
    return given


class Blind(MachineKeeper):
    """Of a machine that sees none of what tasks read, and takes copies when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_let = threading.Event()

    def sees(self, *_: Any) -> bool:
        return False

    def receive(self, *given: Any) -> None:
        assert self.is_let.wait(60)
        super().receive(*given)


def machine(name: str, keeper: MachineKeeper | None = None, lacks: tuple[int, ...] = (), **has: float) -> Machine:
    held = keeper or MachineKeeper()
    return Machine(name, name, has or {"CPU": 1.0}, False, Near(held), held.scratch(), lacks)


def crew_for(store: Path, reads: list[Path], **changes: Any) -> tuple[Crew, list[object]]:
    told: list[object] = []
    order = Order("", "", 4, 1, 0.0, 0, "auto", str(store), [], [], {}, package_versions())._replace(**changes)
    store.mkdir(parents=True, exist_ok=True)
    found = reads_of([str(path) for path in reads], str(store))
    return Crew(order, lambda what, content: told.append(content), queue.SimpleQueue(), "own", found), told


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "inputs" / name for name in ("a", "b")]
    found[0].parent.mkdir()
    for path in found:
        path.write_text(path.name)
    return found


def test_inputs_that_cannot_be_read_any_more_cost_only_the_machines_that_lack_them(
    tmp_path: Path, files: list[Path]
) -> None:
    crew, told = crew_for(tmp_path / "store", files)
    lacking, other, seeing = machine("one", lacks=(0, 1)), machine("two", lacks=(1,)), machine("three")
    machines = [lacking, other, seeing]
    crew.machines = {one.id: one for one in machines}
    files[0].unlink()
    make_fit(crew, machines)
    what, content = crew.events.get(timeout=60)
    assert what == "laid out"
    take_on(crew, *content)
    assert [one.state for one in machines] == ["unfit", "fit", "fit"]
    (note,) = told
    assert str(note).startswith("inputs cannot be brought to the Ray machine one (")
    assert "No such file" in str(note)
    assert Path(f"{other.scratch}{files[1]}").read_text() == "b"


def test_a_full_object_store_is_told_of_the_machines_that_wait_for_inputs(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = importlib.import_module("ray")

    def full(packet: object) -> None:
        raise ray.exceptions.ObjectStoreFullError("no room")

    monkeypatch.setattr(ray, "put", full)
    lacking = machine("one", lacks=(0,))
    (why,) = lay_out([lacking], reads_of([str(files[0])], ""), "", mirrored=False).values()
    assert "no room" in why


def test_a_machine_that_joins_when_the_store_cannot_be_written_gets_no_work_and_that_is_told(tmp_path: Path) -> None:
    crew, told = crew_for(tmp_path / "store", [])
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("no folder")
    joined = machine("late")
    crew.machines = {joined.id: joined}
    make_fit(crew, [joined], is_new=True)
    take_on(crew, *crew.events.get(timeout=60)[1])
    assert joined.state == "unfit"
    (note,) = told
    assert str(note).startswith("the Ray machine late cannot take work (")
    with pytest.raises(WorkError, match=r"no machine of the Ray cluster is left to work: the Ray machine late cannot"):
        mind_room(crew)


def test_the_work_does_not_end_while_a_machine_may_still_take_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew, told = crew_for(tmp_path / "store", [])
    unfit, coming = machine("unfit"), machine("coming")
    unfit.state = "unfit"
    crew.machines = {unfit.id: unfit, coming.id: coming}
    mind_room(crew)
    assert (crew.without_room_since, told) == (None, [])
    crew.machines = {"small": machine("small", CPU=0.0)}  # a head that takes no work; others may join for a while
    mind_room(crew)
    assert crew.without_room_since is not None
    monkeypatch.setattr(ray_crew, "_ROOM_WITHIN", -1.0)
    with pytest.raises(WorkError, match="has room for a task any more"):
        mind_room(crew)


def nodes(**resources: dict[str, float]) -> Callable[[], list[dict[str, Any]]]:
    rows = [
        {"NodeID": name, "NodeManagerAddress": name, "Resources": has, "Alive": True} for name, has in resources.items()
    ]
    return lambda: rows


def test_machines_that_lack_nothing_begin_while_the_others_are_given_their_inputs(
    tmp_path: Path, files: list[Path], keepers: dict[str, MachineKeeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.nodes", nodes(seeing={"CPU": 1.0}, blind={"CPU": 2.0}))
    keepers["blind"] = blind = Blind()
    crew, _ = crew_for(tmp_path / "store", files)
    assert gather(crew, "10.0.0.1:6379").endswith(
        ": 2 machines, 3 tasks at once; all see the results' folder; 0.0 MiB of inputs go to 1 machine"
    )
    groups = []
    try:
        groups.append(crew.events.get(timeout=60)[1])
    finally:
        blind.is_let.set()
    groups.append(crew.events.get(timeout=60)[1])
    assert [([one.name for one in machines], failed) for machines, failed in groups] == [
        (["seeing"], {}),
        (["blind"], {}),
    ]


@pytest.mark.parametrize(
    ("has", "gpus", "told"),
    [({"CPU": 4.0}, 0.0, "4 tasks at once;"), ({"CPU": 4.0, "GPU": 2.0}, 1.0, "2 tasks at once with 1 GPU each;")],
)
def test_tasks_have_a_gpu_each_where_the_cluster_has_any_and_that_is_left_to_it(
    has: dict[str, float], gpus: float, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.nodes", nodes(head={"CPU": 0.0}, other=has))
    crew, _ = crew_for(tmp_path / "store", [], gpus=None)
    assert told in gather(crew, "10.0.0.1:6379")
    assert crew.order.need == Need(1, gpus, 0)


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_a_keeper_clears_the_store_of_what_its_machine_left_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, store = dead_process(), tmp_path / "store"

    def left() -> Path:
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: pid)
            folder = hidden_folder(store, "task")
        folder.mkdir(parents=True)
        return folder

    probe, keeper, before = hidden_folder(store, "probe"), MachineKeeper(), left()
    probe.mkdir()
    (probe / "word").write_text("word")
    assert keeper.sees_probe(str(probe / "word"), "word", "answer")
    assert (probe / "answer").read_text() == "word"
    assert not before.exists()
    during = left()
    monkeypatch.setattr(ray_actors.os, "_exit", lambda status: None)
    keeper.end()
    assert not during.exists()
    assert probe.exists()


def test_copies_and_links_of_inputs_that_lie_in_each_other_are_all_found(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    (inputs / "z" / "deep").mkdir(parents=True)
    for name in ("z/deep/one", "z/two", "three"):
        (inputs / name).write_text(name)
    (inputs / "a").symlink_to(inputs / "z" / "deep")  # leads below a later one
    (tmp_path / "all").symlink_to(inputs)  # leads above others
    reads = reads_of([str(inputs / "a"), str(inputs / "z"), str(tmp_path / "all")], "")
    assert [Path(read.real) for read in reads] == [inputs, inputs / "z" / "deep", inputs / "z"]
    there = machine("there", lacks=(0, 1, 2))
    assert lay_out([there], reads, "", mirrored=True) == {}
    for name in ("a/one", "z/deep/one", "z/two", "three"):
        found = Path(f"{there.scratch}{inputs / name}")
        assert found.read_text() == (inputs / name).read_text()
        assert found.resolve().is_relative_to(there.scratch)
    assert Path(f"{there.scratch}{tmp_path}/all/three").read_text() == "three"


def slot_of(actor: object, monkeypatch: pytest.MonkeyPatch) -> Slot:
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    jobs.put(Job("module:function", "key", {}, "store", "fingerprint"))
    ended = threading.Event()
    monkeypatch.setattr(ray_slots, "TaskSlot", lambda *_: actor)
    plan = SlotPlan(Need(1, 0.0, 0), (), {}, "", False)
    slot = Slot(machine("one"), plan, [], jobs, lambda outcome: None, lambda one: one.state == "ended" and ended.set())
    assert ended.wait(60)
    assert slot.state == "ended"
    assert jobs.qsize() == 1, "the job waits for another slot"
    return slot


def test_a_slot_that_cannot_be_asked_ends_and_leaves_its_job_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = importlib.import_module("ray")
    get = ray.get

    class Dying:
        asked = 0

        def ready(self) -> int:
            self.asked += 1
            return self.asked

    def broken_get(answer: Any) -> Any:
        if get(answer) == 2:
            raise OSError("the connection was cut")
        return get(answer)

    monkeypatch.setattr(ray, "get", broken_get)
    assert slot_of(Dying(), monkeypatch).problem == ""

    class Stillborn:
        def ready(self) -> int:
            return 2

    assert slot_of(Stillborn(), monkeypatch).problem == "the connection was cut"


@pytest.fixture
def slot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskSlot]:
    path = [str(Path(__file__).parent), *sys.path]
    slot = TaskSlot(1, path, request.param, str(tmp_path), str(tmp_path / "scratch"), [], collected=False)
    yield slot
    slot._pool.close()


@pytest.mark.parametrize("slot", [NO_GPU], indirect=True)
def test_a_task_that_needs_no_gpu_sees_none(slot: TaskSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"names": [*NO_GPU]}
    job = Job("task_functions:threads", "key", inputs, str(tmp_path / "store"), "fingerprint")
    assert slot.perform(job).outcome == Outcome("key", None)
    found = importlib.import_module("furikaeri_common.task_store").read_stored(tmp_path / "store", "key", "fingerprint")
    assert found.value == {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}


def test_ctrl_c_while_the_driver_is_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs: list[Path] = []

    def interrupted(module: str, world: object, inbox: object, errors: Any) -> None:
        logs.append(Path(errors.name))
        raise KeyboardInterrupt

    monkeypatch.setattr(ray_cluster, "LineProcess", interrupted)
    with (
        pytest.raises(KeyboardInterrupt),
        RayCluster().start("module:function", threads=1, tasks=1, store=tmp_path, reads=[]),
    ):
        pass
    assert not logs[0].parent.exists()
