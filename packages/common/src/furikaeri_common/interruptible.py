"""Waiting that Ctrl-C ends, whatever libraries have been used (io).

Python notices a signal when the system call that it waits in is cut short. Some libraries (polars, once it has been
used) put a handler of their own before Python's and ask the system to take such calls up again, and a wait without
end then goes on until something comes.
"""

from __future__ import annotations

import queue
from typing import TypeVar

__all__ = ["next_from"]

_LOOK_EVERY = 0.2  # seconds

Item = TypeVar("Item")


def next_from(inbox: queue.SimpleQueue[Item]) -> Item:
    """Return what comes next; called in the main thread, it notices Ctrl-C within a fraction of a second."""
    while True:
        try:
            return inbox.get(timeout=_LOOK_EVERY)
        except queue.Empty:
            continue
