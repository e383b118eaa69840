"""A worker process: jobs on stdin, outcomes on stdout, one JSON line each.

Both belong to the parent, so a task that reads finds nothing, and what it prints goes to stderr. When stdin closes, the
parent is gone and the worker ends at once, even in the middle of a task.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
import traceback
from typing import IO

from furikaeri_common.task_store import Job, Outcome, find_function, perform

__all__ = ["main", "own_pipes", "serve"]


def serve(incoming: IO[str], outgoing: IO[str]) -> None:
    """Perform jobs, one JSON line each, until the input ends."""
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, jobs), daemon=True).start()
    while True:
        outcome = _attempt(jobs.get())
        outgoing.write(json.dumps(outcome) + "\n")
        outgoing.flush()


def _listen(incoming: IO[str], jobs: queue.SimpleQueue[Job]) -> None:
    for line in incoming:
        jobs.put(Job(*json.loads(line)))
    with contextlib.suppress(OSError):
        # The worker leads its own session: what its task started goes with it.
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _attempt(job: Job) -> Outcome:
    try:
        function = find_function(job.function)
    except Exception as error:
        return Outcome(job.key, f"{job.function} cannot be imported ({error})", traceback.format_exc())
    return perform(job, function)


def own_pipes() -> tuple[IO[str], IO[str]]:
    """Return the pipes from and to the parent, which nobody else in this process then finds at 0 and 1.

    What is read from stdin ends at once, and what is printed on stdout goes to stderr.
    """
    incoming = os.fdopen(os.dup(0), encoding="utf-8")
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return incoming, outgoing


def main() -> None:
    """Serve the parent process, keeping its two pipes from the tasks."""
    serve(*own_pipes())
