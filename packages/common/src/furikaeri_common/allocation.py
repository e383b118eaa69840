"""What becomes of memory that is freed (io: how this process allocates).

A network takes and frees the same large blocks at every step. The C library of Linux gives a block back to the system
when it is larger than some threshold, or lies at the end of the heap, and then takes as many pages again, which the
system fills with zeros. Whether that happens depends on how the heap happens to lie, so one process is up to twice as
fast as the next (`benchmarks/kept_memory.py`).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Iterator

__all__ = ["keeping_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_LARGE = 2**31 - 1  # bytes: what an int holds
_LARGEST_OF_OLD = 32 * 2**20  # bytes: the most that old releases take for the second


_keeping = 0
"""How many blocks of code keep memory now, whatever threads they are in."""
_counting = threading.Lock()


@contextlib.contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep what is freed for the next blocks, and give it back when the last who keeps it is done.

    Where the C library cannot do that, nothing is done. The thresholds stay as they are set, for they cannot be read.
    """
    global _keeping
    library = _library()
    if library is None:
        yield
        return
    with _counting:
        _keeping += 1
    # Either setting ends the adjusting of both, so the second is set even where the first is not taken.
    library.mallopt(_TRIM_THRESHOLD, _LARGE)
    if not library.mallopt(_MMAP_THRESHOLD, _LARGE):
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD)
    try:
        yield
    finally:
        with _counting:
            _keeping -= 1
            is_over = not _keeping
        if is_over:
            library.malloc_trim(0)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return the C library of this process, if it has these settings."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):  # another C library
        return None
