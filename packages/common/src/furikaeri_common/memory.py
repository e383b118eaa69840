"""How much memory a piece of work takes, its worker processes included (io)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["MemoryWatch", "watching_memory"]


class MemoryWatch:
    """The most memory that was seen so far, in bytes: the resident memory of this process and all it started.

    Pages that processes share are counted in each of them, so the figure errs on the high side.
    """

    def __init__(self) -> None:
        self.peak = 0

    def look(self) -> None:
        """Take one look."""
        import psutil

        this = psutil.Process()
        total = 0
        for process in (this, *this.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_info().rss
        self.peak = max(self.peak, total)


@contextlib.contextmanager
def watching_memory(*, every: float = 0.05) -> Iterator[MemoryWatch]:
    """Watch the memory while the block lasts; a peak shorter than `every` seconds may be missed.

    Args:
        every: seconds between two looks, above 0.
    """
    if every <= 0:
        raise ValueError(f"expected every > 0, got {every}")
    watch, over = MemoryWatch(), threading.Event()

    def keep_looking() -> None:
        while not over.wait(every):
            watch.look()

    watch.look()
    thread = threading.Thread(target=keep_looking, name="memory watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
        watch.look()
