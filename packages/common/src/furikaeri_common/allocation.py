"""What becomes of memory that is freed (io: a setting of this process, for good).

A network takes and frees the same large blocks at every step. The C library of Linux gives a block back to the system
when it is larger than some threshold, or lies at the end of the heap, and then takes as many pages again, which the
system fills with zeros. Whether that happens depends on how the heap happens to lie, so one process scores up to 1.6
times as fast as the next (`benchmarks/kept_memory.py`).
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_LARGE = 2**31 - 1  # bytes: what an int holds
_LARGEST_OF_OLD = 32 * 2**20  # bytes: the most that old releases take for the second


def keep_freed_memory() -> None:
    """Keep memory that this process frees for its next blocks, where the C library has these settings."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    # Either setting ends the adjusting of both, so the second is set even where the first is not taken.
    mallopt(_TRIM_THRESHOLD, _LARGE)
    if not mallopt(_MMAP_THRESHOLD, _LARGE):
        mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD)
