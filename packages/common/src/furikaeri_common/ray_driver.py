"""The process that talks to Ray (io): jobs on stdin, outcomes and news on stdout, one JSON line each.

It stands between the command and the cluster, for Ray may end a process that uses it, and the command goes on. It looks
at the machines, keeps a slot wherever there is room, and ends with all its actors when stdin closes. In reading order:
`RayCluster` starts this process, which has a crew (`ray_crew`): a keeper on each machine (`ray_machines`), what tasks
read there (`ray_inputs`), and slots (`ray_slots`), whose actors (`ray_actors`) hold worker processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any, NoReturn

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.ray_connection import answers, connect
from furikaeri_common.ray_crew import Crew, fill, follow_cluster, gather, mind_room, note_change, take_on
from furikaeri_common.ray_inputs import reads_of
from furikaeri_common.ray_order import Order
from furikaeri_common.task_store import Job
from furikaeri_common.task_worker import own_pipes

__all__ = ["main"]

_LOST_AFTER = 5.0  # seconds without a sign of the cluster's head
_GRACE = 12.0  # seconds for an orderly end


def main() -> None:
    """Work for the parent process until it closes stdin."""
    incoming, outgoing = own_pipes()
    order = Order(*json.loads(incoming.readline()))
    line = _Line(incoming, outgoing, order.folder)
    try:
        _work(order, line)
    except InputError as error:
        line.tell("refused", [error.message, error.fix])
    except WorkError as error:
        line.tell("failed", [error.message, error.fix])
    except BaseException:
        traceback.print_exc()  # the command shows its end
        os._exit(1)
    _leave(order.folder)


class _Line:
    """What is said to the command, from any thread, and heard from it, as events."""

    def __init__(self, incoming: IO[str], outgoing: IO[str], folder: str) -> None:
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.is_served = threading.Event()
        self._incoming, self._outgoing, self._folder = incoming, outgoing, folder
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, what: str, content: object) -> None:
        # Nobody listens any more when the command was killed.
        with self._lock, contextlib.suppress(OSError):
            self._outgoing.write(json.dumps([what, content]) + "\n")
            self._outgoing.flush()

    def _listen(self) -> None:
        for line in self._incoming:
            self.events.put(("job", Job(*json.loads(line))))
        self.events.put(("end", None))
        if self.is_served.is_set():
            time.sleep(_GRACE)
        _leave(self._folder)


def _work(order: Order, line: _Line) -> None:
    """Do everything: connect, look at the machines, keep slots busy, and end in order."""
    address = connect(order.address, Path(order.folder))
    import ray

    context = ray.get_runtime_context()
    crew = Crew(order, line.tell, line.events, context.get_node_id(), reads_of(order.reads, order.store))
    threading.Thread(target=_watch, args=(crew, context.gcs_address), daemon=True).start()
    try:
        line.tell("note", gather(crew, address))
        line.tell("ready", None)
        line.is_served.set()
        _serve(crew)
    finally:
        _end(crew)


def _watch(crew: Crew, address: str) -> None:
    """End when the head of the cluster is gone, before Ray ends this process for it; called in a thread of its own."""
    seen = time.monotonic()
    while time.monotonic() - seen < _LOST_AFTER:
        if answers(address, 2.0):
            seen = time.monotonic()
        time.sleep(1.0)
    _give_up(crew)


def _give_up(crew: Crew) -> None:
    """End at once, the cluster being lost; the main thread may wait for an answer that never comes."""
    crew.tell("lost", None)
    _end(crew)
    _leave(crew.order.folder)


def _serve(crew: Crew) -> None:
    """Keep slots wherever there is room, and hand on jobs, until the command says so."""
    looked = 0.0
    while True:
        with contextlib.suppress(queue.Empty):
            what, content = crew.events.get(timeout=1.0)
            if what == "end":
                return
            if what == "job":
                crew.jobs.put(content)
            elif what == "laid out":
                take_on(crew, *content)
                looked = 0.0
            elif what == "slot":
                note_change(crew, content)
                looked = 0.0 if content.state == "ended" else looked
        if time.monotonic() - looked >= 1.0:
            looked = time.monotonic()
            if not follow_cluster(crew):
                _give_up(crew)
            fill(crew)
            mind_room(crew)


def _end(crew: Crew) -> None:
    """Let every actor end itself and what it started, which a cluster that is lost could not do."""
    import ray

    slots = [slot.actor for slot in crew.slots if slot.state == "up"]
    for actors in (slots, [machine.keeper for machine in crew.machines.values()]):
        with contextlib.suppress(Exception):
            asked = [actor.end.remote() for actor in actors]
            ray.wait(asked, num_returns=len(asked), timeout=3.0)


def _leave(folder: str) -> NoReturn:
    """End this process, with a cluster of its own, and leave no files: the command may be gone."""
    import psutil

    # Not by `ray.shutdown`, under which Ray ends a process whose threads still wait for answers.
    own = psutil.Process().children(recursive=True)
    for process in own:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(own, timeout=3.0)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
