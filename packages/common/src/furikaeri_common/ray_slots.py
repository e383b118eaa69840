"""One place for a task on a machine of the cluster (io): an actor, and the thread here that keeps it busy."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from furikaeri_common.carried_files import Piece, write_piece
from furikaeri_common.errors import FullDiskError, FurikaeriError, full_disk
from furikaeri_common.ray_actors import Made, TaskSlot
from furikaeri_common.ray_machines import reason_of
from furikaeri_common.task_store import Job, Outcome, hidden_folder, read_stored, record_task
from furikaeri_common.tasks import explained

if TYPE_CHECKING:
    from furikaeri_common.ray_machines import Machine
    from furikaeri_common.ray_room import Need

__all__ = ["Slot", "SlotPlan", "collect"]

_UNTIL_SEEN = (0.0, 0.1, 0.3, 1.0, 3.0, 6.0)  # seconds to wait, in turn, for what another machine has written


class SlotPlan(NamedTuple):
    """What every slot is made with.

    Args:
        need: of a task.
        path: `sys.path` of the command.
        variables: that tasks may need.
        folder: where the command stands.
        collected: whether what tasks make is brought here.
    """

    need: Need
    path: tuple[str, ...]
    variables: dict[str, str]
    folder: str
    collected: bool


class Slot:
    """An actor that holds a worker process; its thread takes jobs from a queue that all slots share.

    Args:
        machine: where.
        plan: how.
        renamed_below: absolute paths whose copies tasks are to find in the machine's scratch folder.
        jobs: that wait for a slot.
        tell: called from the thread with every outcome.
        changed: called from the thread when the slot comes up or ends.
    """

    def __init__(
        self,
        machine: Machine,
        plan: SlotPlan,
        renamed_below: list[str],
        jobs: queue.SimpleQueue[Job],
        tell: Callable[[Outcome], None],
        changed: Callable[[Slot], None],
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.machine = machine
        self.state: Literal["starting", "up", "ended"] = "starting"
        self.problem = ""
        self.since = time.monotonic()
        self._plan = plan
        self._jobs, self._tell, self._changed = jobs, tell, changed
        cpus, gpus, memory = plan.need
        actor: Any = ray.remote(TaskSlot)
        self.actor = actor.options(
            num_cpus=cpus,
            num_gpus=gpus,
            **({"memory": memory} if memory else {}),
            # Beside the job, one call that ends it.
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
        ).remote(cpus, plan.path, plan.variables, plan.folder, machine.scratch, renamed_below, plan.collected)
        threading.Thread(target=self._run, daemon=True).start()

    def withdraw(self) -> None:
        """Give up waiting for room; the thread hears of it from the actor's death."""
        import ray

        ray.kill(self.actor)

    def _run(self) -> None:
        import ray

        try:
            ray.get(self.actor.ready.remote())
            self._become("up")
            while True:
                job = self._jobs.get()
                if not self._is_there():
                    self._jobs.put(job)
                    break
                outcome = self._attempt(job)
                if outcome.is_lost:
                    self._become("ended")
                self._tell(outcome)
                if outcome.is_lost:
                    return
        except Exception as error:  # or nobody would hear that this thread has ended
            self.problem = reason_of(error)
        self._become("ended")

    def _is_there(self) -> bool:
        """Say whether the actor still answers: one that died while it was idle must not cost a job an attempt."""
        import ray

        with contextlib.suppress(Exception):  # or this thread would end, and nobody hear of the job again
            return bool(ray.get(self.actor.ready.remote()))
        return False

    def _become(self, state: Literal["up", "ended"]) -> None:
        import ray

        if state == "ended":
            # It may be out of reach and still at work: then its job is not handed to another while this one has it.
            with contextlib.suppress(Exception):
                ray.kill(self.actor)
        self.state = state
        self._changed(self)

    def _attempt(self, job: Job) -> Outcome:
        import ray

        try:
            made: Made = ray.get(self.actor.perform.remote(job))
            if made.outcome.error is not None:
                # A full disk of that machine is not the end of the work: others may have room.
                is_its_own = self._plan.collected and isinstance(explained(made.outcome.error), FullDiskError)
                where = f"on the Ray machine {self.machine.name}: " if is_its_own else ""
                return made.outcome._replace(error=f"{where}{made.outcome.error}")
            if self._plan.collected:
                return collect(job, made.value, self._packets() if made.has_files else iter(()))
            _wait_until_seen(job)
            return made.outcome
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            return Outcome(job.key, f"lost on the Ray machine {self.machine.name} ({reason_of(error)})", is_lost=True)
        except ray.exceptions.RayError as error:
            return Outcome(job.key, f"on the Ray machine {self.machine.name}: {reason_of(error)}", str(error))
        except Exception as error:  # or this thread would end, and nobody hear of the job again
            return Outcome(job.key, " ".join(f"{type(error).__name__}: {error}".split()), traceback.format_exc())

    def _packets(self) -> Iterator[list[Piece]]:
        """Yield what the last job made; while one packet is written here, the next is on its way."""
        import ray

        coming = self.actor.next_packet.remote()
        while packet := ray.get(coming):
            coming = self.actor.next_packet.remote()
            yield packet


def collect(job: Job, value: Any, made: Iterator[list[Piece]]) -> Outcome:
    """Record a task that was performed on another machine, as if it had been performed here.

    Args:
        job: with its inputs as they are named here.
        value: what the function returned.
        made: its files.
    """
    work = hidden_folder(Path(job.store), job.key)
    # A second slot of this process never works on the same task, so the name is ours alone.
    try:
        work.mkdir(parents=True)
        for packet in made:
            for piece in packet:
                write_piece(work, Piece(*piece))
        record_task(job, value, work)
    except (OSError, FurikaeriError) as error:
        full = full_disk(error.filename or job.store, error) if isinstance(error, OSError) else error
        if isinstance(full, FullDiskError):
            return Outcome(job.key, f"{FullDiskError.__name__}: {full}")
        return Outcome(job.key, " ".join(f"what it made cannot be stored here ({error})".split()))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Outcome(job.key, None)


def _wait_until_seen(job: Job) -> None:
    """Wait until the result is seen here: a network file system may remember for a while that it was not there."""
    for seconds in _UNTIL_SEEN:
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            os.close(os.open(job.store, os.O_RDONLY))  # opening a folder asks the server for its present state
        if read_stored(Path(job.store), job.key, job.fingerprint) is not None:
            return
