"""The engine of a Ray cluster (io).

This process never imports Ray: it starts one that does (`ray_driver`), and speaks with it in JSON lines.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import queue
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.interruptible import next_from
from furikaeri_common.line_processes import LineProcess, cause_of_death, this_world
from furikaeri_common.packages import package_versions
from furikaeri_common.ray_actors import carried_variables
from furikaeri_common.ray_connection import require_address
from furikaeri_common.ray_order import GO_ON, Order
from furikaeri_common.task_store import Job, Outcome

__all__ = ["RayCluster", "require_ray"]

_GRACE = 15.0  # seconds for the driver to end in order; it gives itself a little less

_SETTINGS = {
    # Machines have the same packages installed; Ray would bring `uv run` and the whole working folder there.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Longer than the driver itself waits before it takes the cluster for lost, or Ray would end it at once.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
}


@dataclass(frozen=True, slots=True)
class RayCluster:
    """Workers on the machines of a Ray cluster.

    Args:
        address: of the cluster, such as "10.0.0.1:6379"; "": RAY_ADDRESS, one that runs on this machine, or a new one
            that ends with the work.
        workers: how many at most; None: as many as the cluster takes.
        gpus: set aside for each; a share such as 0.5 will do; 0: none, and tasks see none; None: one if any machine of
            the cluster has one, else none.
        memory: bytes set aside for each; 0: none.
        storage: "shared": workers write into the store themselves; "collected": what they made is brought to this
            machine, which writes it, and what they read is brought to them; "auto": shared if every machine is seen to
            see the store, and what they read is brought to those that are not seen to see it.
        on_note: told in a line where the work is done.
    """

    address: str = ""
    workers: int | None = None
    gpus: float | None = 0.0
    memory: int = 0
    storage: Literal["auto", "shared", "collected"] = "auto"
    on_note: Callable[[str], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"expected workers >= 1, got {self.workers}")
        gpus = self.gpus or 0.0
        if gpus < 0 or self.memory < 0:
            raise ValueError(f"expected gpus and memory >= 0, got {gpus} and {self.memory}")
        if gpus > 1 and gpus != int(gpus):
            raise InputError(
                f"{gpus:g} GPUs for each task: Ray gives whole ones, or a share of one",
                fix=f"Ask for {int(gpus)} or {int(gpus) + 1}",
            )
        require_address(self.address)

    @contextlib.contextmanager
    def start(
        self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]
    ) -> Iterator[_ClusterPool]:
        """Start workers wherever the cluster has room; leaving kills them and whatever they started.

        Raises:
            MissingExtraError: without Ray.
            InputError: if the cluster cannot be joined, has no room for a task, or one of its machines differs.
            WorkError: if the cluster is lost meanwhile.
        """
        require_ray()
        with contextlib.ExitStack() as stack:
            # Ray's sockets lie in it, whose paths must be short.
            place = "/tmp" if Path("/tmp").is_dir() else None
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="furikaeri-ray-", dir=place, ignore_cleanup_errors=True)
            )
            order = Order(
                address=self.address,
                folder=folder,
                workers=tasks if self.workers is None else min(self.workers, tasks),
                cpus=threads,
                gpus=self.gpus,
                memory=self.memory,
                storage=self.storage,
                store=str(store),
                reads=[str(path) for path in reads],
                path=[str(Path(entry).absolute()) for entry in sys.path],
                variables=carried_variables(),
                versions=package_versions(),
            )
            pool = _ClusterPool(order, self.on_note or (lambda note: None))
            stack.callback(pool.close)
            pool.wait_until_ready()
            yield pool


def require_ray() -> None:
    """Raise if Ray is not installed.

    Raises:
        MissingExtraError: if it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("--engine ray", distribution="furikaeri-common", extra="ray")


class _ClusterPool:
    """The driver process, and what it has told."""

    def __init__(self, order: Order, on_note: Callable[[str], None]) -> None:
        self.slots = 0
        self._address = order.address
        self._folder = Path(order.folder)
        self._on_note = on_note
        self._inbox: queue.SimpleQueue[tuple[LineProcess, str]] = queue.SimpleQueue()
        world = this_world()
        world = world._replace(environment={**world.environment, **_SETTINGS})
        with (self._folder / "driver.log").open("wb") as noise:
            self._process = LineProcess("furikaeri_common.ray_driver", world, self._inbox, noise)
        self._process.say(order)

    def submit(self, job: Job) -> None:
        """Hand a job to whichever slot is free first."""
        self._process.say(job)

    def wait(self) -> Outcome | None:
        """Block until some job ends, or the number of slots changes."""
        while True:
            what, content = self._next()
            if what == "outcome":
                return Outcome(*content)
            if what == "slots":
                self.slots = content
                return None

    def wait_until_ready(self) -> None:
        """Block until the driver has joined the cluster and seen that its machines will do."""
        while self._next()[0] != "ready":
            pass

    def close(self) -> None:
        """End the driver, and with it every worker; wait until it is gone."""
        try:
            self._process.end(_GRACE)
        finally:  # also of a second Ctrl-C
            if self._process.end() != 0:
                _kill_those_of(self._folder)

    def _next(self) -> tuple[str, Any]:
        """Return what the driver tells next; notes are passed on, and what ends the work is raised."""
        _, line = next_from(self._inbox)
        if not line.endswith("\n"):
            raise self._cause_of_end()
        what, content = json.loads(line)
        if what == "note":
            self._on_note(content)
        elif what == "refused":
            raise InputError(content[0], fix=content[1])
        elif what == "failed":
            raise WorkError(content[0], fix=content[1])
        elif what == "lost":
            raise self._lost()
        return what, content

    def _lost(self) -> WorkError:
        name = f"the Ray cluster at {self._address}" if self._address else "the Ray cluster"
        return WorkError(f"{name} was lost", fix=GO_ON)

    def _cause_of_end(self) -> WorkError:
        status = self._process.end()
        noise = (self._folder / "driver.log").read_text(errors="replace").splitlines()
        if any("Failed to connect to GCS" in line for line in noise):
            return self._lost()
        tail = " | ".join(" ".join(line.split()) for line in noise[-3:])
        return WorkError(f"the process that talks to Ray died ({cause_of_death(status)}): {tail}", fix=GO_ON)


def _kill_those_of(folder: Path) -> None:
    """Kill what a cluster of the driver's own left running when the driver itself was killed; it names the folder."""
    import psutil

    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=_GRACE)
