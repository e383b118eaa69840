"""How much memory models may take, how much each will take, and how to give it back (io)."""

from __future__ import annotations

import ctypes
import gc
import sys

from furikaeri_common.devices import DeviceChoice
from furikaeri_common.errors import InputError
from furikaeri_common.models.config import Weights
from furikaeri_common.models.folders import FolderContents, bytes_held, read_folder
from furikaeri_common.models.gguf_header import read_gguf_header
from furikaeri_common.models.places import Place

__all__ = ["HEADROOM", "default_budget", "free_memory", "predicted_bytes"]

HEADROOM = 0.2
"""Share of the free memory that `default_budget` leaves: for activations, caches of keys and values, and loading."""


def free_memory(*, collect: bool = True) -> None:
    """Give unused memory back: to Python, to the GPU, and to the operating system where that can be asked.

    Args:
        collect: whether objects may lie in cycles, which only the collector frees; it looks at everything there is.
    """
    if collect:
        gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
        if trim is not None:
            trim(0)


def default_budget(choice: DeviceChoice) -> int:
    """Return how many bytes models may take on a device: its free memory but for `HEADROOM` of it.

    Where the free memory cannot be known, half of all memory counts as free.

    Raises:
        InputError: if the device's memory cannot be known at all, or none is free.
    """
    free = choice.memory_free
    if free is None and choice.memory_total is not None:
        free = choice.memory_total // 2
    if not free:
        what = "has no free memory" if free == 0 else "does not tell how much memory it has"
        raise InputError(f"the device {choice.device} {what}", fix="Choose another device")
    return max(1, int(free * (1 - HEADROOM)))


def predicted_bytes(place: Place, weights: Weights, dtype: str) -> int:
    """Return how many bytes a model's weights will take, from the headers of its files.

    Args:
        place: where it is.
        weights: how they will be held.
        dtype: in which the device computes: "float32", "bfloat16" or "float16".

    Raises:
        InputError: if the files are damaged.
    """
    if place.kind == "folder":
        return bytes_held(read_folder(place.path), weights, dtype)
    header = read_gguf_header(place.path)
    return bytes_held(FolderContents({}, (), header.num_parameters, header.num_linear, {}, 0), weights, dtype)
