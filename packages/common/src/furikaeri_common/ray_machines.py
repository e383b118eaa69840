"""The machines of a Ray cluster, as the driver sees them (io): what each has, whether it will do, and what it lacks.

A machine gets work once its keeper has told that the same packages are installed as here, and which of the files to
read it sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from furikaeri_common.errors import FurikaeriError, InputError
from furikaeri_common.ray_actors import MachineKeeper

if TYPE_CHECKING:
    from furikaeri_common.ray_inputs import Read
    from furikaeri_common.ray_slots import Slot

__all__ = ["Machine", "Unfit", "look_at", "meet", "reason_of"]


class Unfit(InputError):
    """A machine cannot take work; the message says why, naming it."""


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
        problem: why it takes no work.
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
    problem: str = ""


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
    there = _ask(machine, machine.keeper.versions.remote())
    differing = [name for name in sorted({*versions, *there}) if versions.get(name) != there.get(name)]
    if differing:
        name = differing[0]
        has, have = there.get(name, "none"), versions.get(name, "none")
        more = f" (and {len(differing) - 1} more differ)" if len(differing) > 1 else ""
        raise Unfit(
            f"the Ray machine {machine.name} has {name} {has}, this one has {have}{more}",
            fix="Install the same packages on every machine",
        )
    machine.scratch = _ask(machine, machine.keeper.scratch.remote())
    if machine.is_own:
        return
    sees = [machine.keeper.sees.remote(read.path, read.holds, store) for read in reads] if trust else []
    seen = _ask(machine, sees) if trust else [False] * len(reads)
    machine.lacks = tuple(number for number, is_seen in enumerate(seen) if not is_seen)


def _ask(machine: Machine, reference: Any) -> Any:
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
    """Return the heart of what went wrong, such as one of Ray's long messages, in one line."""
    import ray

    if isinstance(error, FurikaeriError):
        return error.message
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "it does not answer"
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in str(error):
        return "it ran out of memory, and Ray ended the task"
    if isinstance(error, ray.exceptions.RayTaskError):
        return lines[-1]  # below the traceback
    told = next((line for line in lines if line.startswith("The actor is dead because")), lines[0])
    return told.removeprefix("The actor is dead because ")[:200]
