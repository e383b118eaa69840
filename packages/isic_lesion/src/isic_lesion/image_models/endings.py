"""How the processes of one training end when another has ended, or `torchrun` itself (io)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator

from furikaeri_common.errors import WorkError
from furikaeri_common.models.opening import first_line
from furikaeri_common.processes import ProcessIdentity, is_alive

__all__ = ["Ended", "OthersEndedError", "ending_with_torchrun", "is_told", "sentence_of"]

_LOOK_FOR_PARENT = 0.5  # seconds
_TO_END_BY_ITSELF = 30.0

_AGAIN = "See what the other processes said, and run the same command again: training goes on from its checkpoint"


class Ended(KeyboardInterrupt):
    """The process was told to end while it trained together with others.

    Args:
        is_told: whether a process before this one lives to say so.
    """

    def __init__(self, *, is_told: bool) -> None:
        super().__init__()
        self.is_told = is_told


class OthersEndedError(WorkError):
    """Another process of the training ended or does not answer.

    Args:
        message: what this process saw.
        is_told: whether a process before this one lives to say the same.
    """

    def __init__(self, message: str, *, is_told: bool) -> None:
        super().__init__(message, fix=_AGAIN)
        self.is_told = is_told


@contextlib.contextmanager
def ending_with_torchrun() -> Iterator[None]:
    """End this process as `torchrun` ends it where `torchrun` itself was killed: it leads a session of its own."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    parent, over = os.getppid(), threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_FOR_PARENT):
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)
                if not over.wait(_TO_END_BY_ITSELF):
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    looking = threading.Thread(target=look, name="torchrun", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def sentence_of(error: RuntimeError) -> str:
    """Return the first sentence of an error without the line of source code that it begins with."""
    return re.sub(r"^\[\S*/\S*\]\s*", "", first_line(error)).partition(". ")[0][:200]


def is_told(rank: int, first: ProcessIdentity | None, *, wait: float = 0.2) -> bool:
    """Return whether an earlier process tells that one ended: the first, or the second where the first ended itself.

    Args:
        rank: of the calling process.
        first: which process has rank 0; None: that is not known.
        wait: so many seconds for the first one's end to be seen; its connections close before.
    """
    if rank != 1 or first is None:
        return rank > 0
    deadline = time.monotonic() + wait
    while alive := is_alive(first):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return alive is None
