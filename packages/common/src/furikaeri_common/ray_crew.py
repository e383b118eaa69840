"""Machines and slots for one call of the engine (io): who is there, who will do, and where there is room."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.ray_inputs import Read, lay_out, sees_store
from furikaeri_common.ray_machines import Machine, Unfit, look_at, meet, reason_of
from furikaeri_common.ray_order import GO_ON, Order
from furikaeri_common.ray_room import NO_GPU, no_room
from furikaeri_common.ray_slots import Slot, SlotPlan
from furikaeri_common.task_store import Job, Outcome

__all__ = ["Crew", "fill", "follow_cluster", "gather", "make_fit", "mind_room", "note_change", "take_on"]

_MIB = 2**20
_ROOM_WITHIN = 120.0  # seconds that no machine at all may have room for a task
_PATIENCE = 15.0  # seconds for a slot to come up before it may be moved to a machine that has room
_FAILURES = 3  # slots in a row that may fail to come up on a machine


@dataclass
class Crew:
    """All that works for one order.

    The driver's main thread alone changes it, and its machines once they have been looked at.

    Args:
        order: what is wanted.
        tell: tells the command; from any thread.
        events: what the main thread is to do, by name and content.
        own: Ray's name of this machine.
        reads: what tasks read.
        collected: whether what tasks make is brought here.
        machines: by Ray's name, the fit and the others.
        jobs: that no slot has taken yet.
    """

    order: Order
    tell: Callable[[str, object], None]
    events: queue.SimpleQueue[tuple[str, Any]]
    own: str
    reads: list[Read]
    collected: bool = False
    machines: dict[str, Machine] = field(default_factory=dict)
    jobs: queue.SimpleQueue[Job] = field(default_factory=queue.SimpleQueue)
    told_slots: int = 0
    has_told_of_waiting: bool = False
    without_room_since: float | None = None

    @property
    def slots(self) -> list[Slot]:
        """Those that run or are about to."""
        return [slot for machine in self.machines.values() for slot in machine.slots]


def gather(crew: Crew, address: str) -> str:
    """Look at every machine of the cluster, and say what there is.

    Raises:
        InputError: if one of them will not do, or none has room for a task.
    """
    order = crew.order
    for node in _alive():
        machine = meet(node, own=crew.own)
        crew.machines[machine.id] = machine
    machines = list(crew.machines.values())
    with ThreadPoolExecutor(len(machines)) as threads:
        looks = {machine: threads.submit(_look_at, crew, machine) for machine in machines}
    for machine, look in looks.items():
        try:
            look.result()
        except Unfit:
            if machine.id in {node["NodeID"] for node in _alive()}:
                raise
            del crew.machines[machine.id]
    machines = list(crew.machines.values())
    if order.gpus is None:
        has_gpus = any(machine.resources.get("GPU") for machine in machines)
        crew.order = order = order._replace(gpus=float(has_gpus))
    room = sum(order.need.room_in(machine.resources) for machine in machines)
    if not room:
        text = no_room(order.need, [machine.resources for machine in machines])
        raise InputError(text, fix="Ask for less, or add a machine to the cluster")
    seeing = sees_store(machines, Path(order.store)) if order.storage != "collected" else []
    crew.collected = len(seeing) < len(machines)
    if crew.collected and order.storage == "shared":
        blind = next(machine for machine in machines if machine not in seeing)
        raise InputError(
            f"{order.store}: is not seen by the Ray machine {blind.name}", fix="Choose a folder that all machines see"
        )
    # Those that have everything do not wait for the others.
    for group in ([m for m in machines if not m.lacks], [m for m in machines if m.lacks]):
        if group:
            make_fit(crew, group)
    return _about(address, min(room, order.workers), machines, crew)


def _look_at(crew: Crew, machine: Machine) -> None:
    order = crew.order
    look_at(machine, order.versions, crew.reads, order.store, trust=order.storage != "collected")


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _about(address: str, slots: int, machines: list[Machine], crew: Crew) -> str:
    def count(number: int, what: str) -> str:
        return f"{number} {what}{'s' * (number != 1)}"

    where = f"Ray at {address}: {count(len(machines), 'machine')}" if address else "Ray on this machine"
    gpus = f" with {crew.order.gpus:g} GPU{'s' * (crew.order.gpus > 1)} each" if crew.order.gpus else ""
    facts = [f"{where}{', ' if address else ': '}{count(slots, 'task')} at once{gpus}"]
    if crew.collected:
        facts.append("results are collected here")
    elif len(machines) > 1:
        facts.append("all see the results' folder")
    lacking = [machine for machine in machines if machine.lacks]
    if lacking:
        size = sum(
            crew.reads[number].holds.size for number in {index for machine in lacking for index in machine.lacks}
        )
        facts.append(f"{size / _MIB:.1f} MiB of inputs go to {count(len(lacking), 'machine')}")
    return "; ".join(facts)


def make_fit(crew: Crew, machines: list[Machine], *, is_new: bool = False) -> None:
    """Bring machines what they lack, in a thread of its own, which ends with an event for `take_on`.

    Args:
        crew: that they belong to.
        machines: that have been looked at.
        is_new: whether they have not, but have joined since, and are looked at first.
    """
    threading.Thread(target=_make_fit, args=(crew, machines, is_new), daemon=True).start()


def _make_fit(crew: Crew, machines: list[Machine], is_new: bool) -> None:
    try:
        for machine in machines if is_new else ():
            _look_at(crew, machine)
            if not crew.collected and not sees_store([machine], Path(crew.order.store)):
                raise Unfit(f"the Ray machine {machine.name} does not see {crew.order.store}")
        reasons = lay_out(machines, crew.reads, crew.order.store, mirrored=crew.collected)
        failed = {m: f"inputs cannot be brought to the Ray machine {m.name} ({why})" for m, why in reasons.items()}
        for machine in failed:
            machine.keeper.clear.remote()  # what it has of them is of no use
    except Unfit as error:
        failed = dict.fromkeys(machines, error.message)
    except Exception as error:  # or this thread would end, and nobody hear of the machines again
        failed = {m: f"the Ray machine {m.name} cannot take work ({reason_of(error)})" for m in machines}
    crew.events.put(("laid out", (machines, failed)))


def take_on(crew: Crew, machines: list[Machine], failed: dict[Machine, str]) -> None:
    """Let machines have work, but for those that could not be made fit, with the reason."""
    for machine in machines:
        machine.state = "unfit" if machine in failed else "fit"
        machine.problem = failed.get(machine, "")
        if machine in failed and machine.id in crew.machines:
            crew.tell("note", f"{machine.problem}; it gets no work")


def note_change(crew: Crew, slot: Slot) -> None:
    """Count a slot that came up or ended, and tell the command how many there are."""
    machine = slot.machine
    if slot.state == "up":
        machine.failures = 0
    elif slot in machine.slots:
        machine.slots.remove(slot)
        machine.failures += bool(slot.problem)
        if machine.failures == _FAILURES:
            machine.state = "unfit"
            machine.problem = f"the Ray machine {machine.name} gets no more work ({slot.problem})"
            crew.tell("note", machine.problem)
    up = sum(slot.state == "up" for slot in crew.slots)
    if up != crew.told_slots:
        crew.told_slots = up
        crew.tell("slots", up)


def follow_cluster(crew: Crew) -> bool:
    """Let go of machines that left, and look at those that joined; False when this machine is none of them any more."""
    alive = {str(node["NodeID"]): node for node in _alive()}
    if crew.own not in alive:
        return False
    for name in set(crew.machines) - set(alive):
        gone = crew.machines.pop(name)
        for slot in gone.slots:
            crew.events.put(("slot", slot))
    for name in set(alive) - set(crew.machines):
        machine = meet(alive[name], own=crew.own)
        crew.machines[name] = machine
        make_fit(crew, [machine], is_new=True)
    return True


def fill(crew: Crew) -> None:
    """Start a slot wherever a task fits, the roomiest machine first, until there are as many as asked for."""
    from ray._private.state import available_resources_per_node

    need, available = crew.order.need, available_resources_per_node()

    def room(machine: Machine) -> int:
        starting = sum(slot.state == "starting" for slot in machine.slots)
        free = need.room_in(available.get(machine.id, {})) - starting
        return min(free, need.room_in(machine.resources) - len(machine.slots)) if machine.state == "fit" else 0

    for slot in crew.slots:
        is_late = slot.state == "starting" and time.monotonic() - slot.since > _PATIENCE
        if is_late and any(room(machine) > 0 for machine in crew.machines.values() if machine is not slot.machine):
            # Somebody else took the room that was there; there is other room now.
            slot.machine.slots.remove(slot)
            slot.withdraw()
    while len(crew.slots) < crew.order.workers and crew.machines:
        machine = max(crew.machines.values(), key=room)
        if room(machine) <= 0:
            return
        machine.slots.append(_slot_on(crew, machine))


def _slot_on(crew: Crew, machine: Machine) -> Slot:
    order = crew.order
    variables = order.variables if order.gpus else {**order.variables, **NO_GPU}
    plan = SlotPlan(order.need, tuple(order.path), variables, str(Path.cwd()), crew.collected)
    carried = [read for number, read in enumerate(crew.reads) if crew.collected or number in machine.lacks]
    names = list(dict.fromkeys(name for read in carried for name in (read.path, read.real)))

    def tell(outcome: Outcome) -> None:
        crew.tell("outcome", outcome)

    return Slot(machine, plan, names, crew.jobs, tell, lambda slot: crew.events.put(("slot", slot)))


def mind_room(crew: Crew) -> None:
    """Say once that all room is taken by others; give up when no machine could ever have any.

    Raises:
        WorkError: then, at once where those that could will not do.
    """
    if crew.slots:
        crew.without_room_since = None
        return
    able = [machine for machine in crew.machines.values() if crew.order.need.room_in(machine.resources)]
    hopeful = [machine for machine in able if machine.state != "unfit"]
    if able and not hopeful:
        raise WorkError(f"no machine of the Ray cluster is left to work: {able[-1].problem}", fix=GO_ON)
    if hopeful:
        crew.without_room_since = None
        if not crew.has_told_of_waiting and all(machine.state == "fit" for machine in hopeful):
            crew.has_told_of_waiting = True
            crew.tell("note", "every machine of the Ray cluster is taken; waiting for room")
        return
    crew.without_room_since = crew.without_room_since or time.monotonic()
    if time.monotonic() - crew.without_room_since > _ROOM_WITHIN:
        raise WorkError("no machine of the Ray cluster has room for a task any more", fix=GO_ON)
