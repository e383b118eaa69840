"""The machines of a Ray cluster, as the driver sees them (io): what each has, whether it will do, and what it lacks.

A machine gets work once its keeper has told that the same packages are installed as here, whether it sees the store,
and which of the files to read it sees. What it does not see is laid out there: every packet goes into Ray's object
store once, and from there to all machines that lack it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.carried_files import Inventory, below, inventory_of, packets, place
from furikaeri_common.ray_actors import MachineKeeper
from furikaeri_common.task_store import hidden_folder

if TYPE_CHECKING:
    from furikaeri_common.ray_slots import Slot

__all__ = [
    "Machine",
    "Need",
    "Read",
    "Unfit",
    "lay_out",
    "in_words",
    "look_at",
    "meet",
    "reads_of",
    "reason_of",
    "sees_store",
]

_GIB = 2**30
_AHEAD = 3  # packets on their way at once
_SECONDS_TO_SEE = 3.0  # what another machine wrote, on a network file system that remembers what was not there


class Unfit(Exception):
    """A machine cannot take work; the message says why, naming it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class Need(NamedTuple):
    """What a task needs: CPUs, GPUs (or a share of one), bytes of memory (0: not declared)."""

    cpus: int
    gpus: float
    memory: int

    def room_in(self, resources: Mapping[str, float]) -> int:
        """Return how many tasks fit at once into resources, as Ray names them."""
        rooms = [int(resources.get("CPU", 0) // self.cpus)]
        if self.gpus:
            gpus = resources.get("GPU", 0)
            # Ray does not split one task's share between two GPUs.
            rooms.append(int(gpus // self.gpus) if self.gpus >= 1 else int(gpus) * int(1 / self.gpus + 1e-9))
        if self.memory:
            rooms.append(int(resources.get("memory", 0) // self.memory))
        return min(rooms)

    def text(self) -> str:
        """Return the need in words."""
        return in_words(self.cpus, self.gpus, self.memory, bool(self.gpus), bool(self.memory))


def in_words(cpus: float, gpus: float, memory: float, with_gpus: bool, with_memory: bool) -> str:
    """Return resources in words, such as "2 CPUs, 1 GPU and 4.0 GiB of memory"."""
    words = [f"{cpus:g} CPU{'s' * (cpus != 1)}"]
    if with_gpus:
        words.append(f"{gpus:g} GPU{'s' * (gpus != 1)}")
    if with_memory:
        words.append(f"{memory / _GIB:.1f} GiB of memory")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


@dataclass(eq=False)
class Machine:
    """One machine of the cluster, and what came of looking at it.

    Args:
        id: Ray's.
        name: for people.
        resources: all that it has, as Ray names them.
        is_own: whether it is the machine of the command.
        keeper: the actor that looks after it.
        scratch: its folder for copies.
        lacks: indices of the `Read`s that it does not see.
        state: whether it takes work, or may do so yet.
        slots: those that run there or are about to.
        failures: slots in a row that did not come up.
    """

    id: str
    name: str
    resources: dict[str, float]
    is_own: bool
    keeper: Any = None
    scratch: str = ""
    lacks: tuple[int, ...] = ()
    state: Literal["coming", "fit", "unfit"] = "coming"
    slots: list[Slot] = field(default_factory=list)
    failures: int = 0


class Read(NamedTuple):
    """A file or folder that tasks read: its absolute path, where links lead (or the same), what it holds."""

    path: str
    real: str
    holds: Inventory


def reads_of(paths: Sequence[str], store: str) -> list[Read]:
    """Take stock of what tasks read; what lies below another, or is missing, is left out."""
    reads: list[Read] = []
    for path in sorted(set(paths)):
        holds = None if below(path, [read.path for read in reads]) else inventory_of(Path(path), without=Path(store))
        if holds is not None:
            reads.append(Read(path, os.path.realpath(path), holds))
    return reads


def meet(node: Mapping[str, Any], *, own: str) -> Machine:
    """Return the machine that a row of `ray.nodes()` tells of, with a keeper on its way.

    Args:
        node: the row.
        own: Ray's name of the machine of the command.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    address, name = str(node["NodeManagerAddress"]), str(node.get("NodeName") or "")
    name = address if name in ("", address) else f"{name} ({address})"
    machine = Machine(str(node["NodeID"]), name, dict(node["Resources"]), node["NodeID"] == own)
    there = NodeAffinitySchedulingStrategy(machine.id, soft=False)
    keeper: Any = ray.remote(MachineKeeper)
    machine.keeper = keeper.options(num_cpus=0, scheduling_strategy=there).remote()
    return machine


def look_at(machine: Machine, versions: Mapping[str, str], reads: Sequence[Read], store: str, *, trust: bool) -> None:
    """Find out whether a machine will do, and what it sees.

    Args:
        machine: whose keeper may still be on its way.
        versions: of the packages here.
        reads: what tasks read.
        store: which does not count as part of that.
        trust: whether what is seen there in the same state as here need not be carried.

    Raises:
        Unfit: if other packages are installed there, or nothing can be asked.
    """
    there = ask(machine, machine.keeper.versions.remote())
    differing = [name for name in sorted({*versions, *there}) if versions.get(name) != there.get(name)]
    if differing:
        name = differing[0]
        has, have = there.get(name, "none"), versions.get(name, "none")
        more = f" (and {len(differing) - 1} more differ)" if len(differing) > 1 else ""
        raise Unfit(
            f"the Ray machine {machine.name} has {name} {has}, this one has {have}{more}",
            fix="Install the same packages on every machine",
        )
    machine.scratch = ask(machine, machine.keeper.scratch.remote())
    if machine.is_own:
        return
    sees = [machine.keeper.sees.remote(read.path, read.holds, store) for read in reads] if trust else []
    seen = ask(machine, sees) if trust else [False] * len(reads)
    machine.lacks = tuple(number for number, is_seen in enumerate(seen) if not is_seen)


def ask(machine: Machine, reference: Any) -> Any:
    """Return what a keeper answers.

    Raises:
        Unfit: if it fails or is lost.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        raise Unfit(
            f"the Ray machine {machine.name} cannot take work ({reason_of(error)})",
            fix="Install the same packages on every machine, and see that its disk is not full",
        ) from error


def reason_of(error: Exception) -> str:
    """Return the heart of one of Ray's long messages, in one line."""
    import ray

    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "it does not answer"
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in str(error):
        return "it ran out of memory, and Ray ended the task"
    if isinstance(error, ray.exceptions.RayTaskError):
        return lines[-1]  # below the traceback
    told = next((line for line in lines if line.startswith("The actor is dead because")), lines[0])
    return told.removeprefix("The actor is dead because ")[:200]


def sees_store(machines: Sequence[Machine], store: Path) -> list[Machine]:
    """Return the machines that see the store, and whose files are seen in it here.

    Raises:
        InputError: if the store cannot be written here.
        WorkError: if the disk is full.
    """
    import ray

    folder, word = hidden_folder(store, "probe"), secrets.token_hex(16)
    try:
        write_bytes(folder / "word", word.encode())
        asked = {
            machine.keeper.sees_probe.remote(str(folder / "word"), word, machine.id): machine for machine in machines
        }
        seeing = []
        for reference, machine in asked.items():
            with contextlib.suppress(ray.exceptions.RayError):
                if ray.get(reference) and _appears(folder / machine.id, word):
                    seeing.append(machine)
        return seeing
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lay_out(machines: Sequence[Machine], reads: Sequence[Read], store: str, *, mirrored: bool) -> dict[Machine, str]:
    """Bring to machines what they lack; return those where that failed, with the reason.

    Args:
        machines: that have been looked at.
        reads: what tasks read.
        store: which is not part of that.
        mirrored: whether tasks find all of it in the scratch folder, be it by links.
    """
    import ray

    failed: dict[Machine, str] = {}

    def settle(answers: Mapping[Machine, Any]) -> None:
        for machine, answer in answers.items():
            try:
                if ray.get(answer) is False:
                    failed[machine] = f"{reads[number].path} changed while it was copied"
            except ray.exceptions.RayError as error:
                failed[machine] = reason_of(error)

    for number, read in enumerate(reads):
        to = [machine for machine in machines if number in machine.lacks]
        under_way: list[dict[Machine, Any]] = []
        for packet in packets(Path(read.path), without=Path(store)) if to else ():
            kept = ray.put(packet)
            under_way.append({m: m.keeper.receive.remote(read.path, kept) for m in to if m not in failed})
            if len(under_way) > _AHEAD:
                settle(under_way.pop(0))
        for answers in under_way:
            settle(answers)
        settle({m: m.keeper.settle.remote(read.path, read.holds) for m in to if m not in failed})
        seeing = [m for m in machines if mirrored and number not in m.lacks]
        settle({m: m.keeper.link.remote(read.path, read.path, store) for m in seeing})
        if read.real != read.path:
            linked = [m for m in (*to, *seeing) if m not in failed]
            target = {m: str(place(Path(m.scratch), read.path)) for m in linked}
            settle({m: m.keeper.link.remote(read.real, target[m], store) for m in linked})
    return failed


def _appears(path: Path, word: str) -> bool:
    deadline = time.monotonic() + _SECONDS_TO_SEE
    while True:
        with contextlib.suppress(OSError):
            if path.read_text() == word:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
