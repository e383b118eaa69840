"""Which device to compute on, in which number format, why, and how much memory it has (io).

torch is asked only where it is installed and only when a device is chosen; without it the answer is the processor.
"""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.machine import Memory, cpu_memory, has_bfloat16

__all__ = ["DeviceChoice", "choose_device"]


class DeviceChoice(NamedTuple):
    """Where to compute.

    Args:
        device: as torch names it: "cpu", "cuda:0", "mps".
        dtype: of the weights of large models, as torch names it: "float32", "float16" or "bfloat16".
        reason: why this device and format, in one sentence.
        memory_total: bytes this process may use there; None where that cannot be known.
        memory_free: bytes of them that are free now; None where that cannot be known.
    """

    device: str
    dtype: str
    reason: str
    memory_total: int | None
    memory_free: int | None


def choose_device(requested: str = "auto") -> DeviceChoice:
    """Choose a device.

    Args:
        requested: "auto" (the best there is), "cpu", "cuda", "cuda:1" and so on, or "mps".

    Raises:
        InputError: if the device does not exist here, or is none of these names.
        MissingExtraError: if an accelerator is asked for and torch is not installed.
    """
    kind, _, number = requested.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise InputError(f"unknown device {requested!r}", fix="Choose auto, cpu, cuda, cuda:1 or mps")
    if kind == "cpu":
        return _cpu("it was asked for")
    if importlib.util.find_spec("torch") is None:
        if kind != "auto":
            raise MissingExtraError(f"the device {requested}", distribution="furikaeri-common", extra="llm")
        return _cpu("torch is not installed")
    try:
        import torch
    except (ImportError, OSError) as error:
        if kind != "auto":
            raise InputError(f"there is no device {requested}: torch cannot be imported ({error})") from error
        return _cpu(f"torch cannot be imported ({error})")
    if kind in ("auto", "cuda") and torch.cuda.is_available():
        return _cuda(torch, int(number or torch.cuda.current_device()), asked=kind == "cuda")
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        return _mps(torch, asked=kind == "mps")
    if kind == "auto":
        return _cpu("torch finds no accelerator")
    why = "this torch was built without it" if kind == "cuda" and torch.version.cuda is None else "torch finds none"
    raise InputError(f"there is no device {requested} here: {why}", fix="Choose cpu or auto")


def _cpu(why: str) -> DeviceChoice:
    memory: Memory = cpu_memory()
    fast = has_bfloat16()
    how = "computes in bfloat16" if fast else "has no bfloat16 arithmetic"
    return DeviceChoice("cpu", "bfloat16" if fast else "float32", f"{why}; this processor {how}", *memory)


def _cuda(torch: Any, number: int, *, asked: bool) -> DeviceChoice:
    count = torch.cuda.device_count()
    if number >= count:
        raise InputError(f"there is no device cuda:{number} here", fix=f"Choose cuda:0 to cuda:{count - 1}")
    major, minor = torch.cuda.get_device_capability(number)
    dtype = "bfloat16" if major >= 8 else "float16"
    free, total = torch.cuda.mem_get_info(number)
    name = torch.cuda.get_device_name(number)
    reason = f"{'it was asked for' if asked else 'torch finds it'}; {name} has compute capability {major}.{minor}"
    return DeviceChoice(f"cuda:{number}", dtype, reason, int(total), int(free))


def _mps(torch: Any, *, asked: bool) -> DeviceChoice:
    total = int(torch.mps.recommended_max_memory())
    free = max(0, total - int(torch.mps.driver_allocated_memory()))
    reason = f"{'it was asked for' if asked else 'torch finds it'}; Apple GPUs compute in float16"
    return DeviceChoice("mps", "float16", reason, total, free)
