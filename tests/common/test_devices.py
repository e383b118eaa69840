"""Which device is chosen, with torch as it is and as it might be."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from furikaeri_common import devices
from furikaeri_common.devices import choose_device
from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.machine import Memory


def torch_with(*, cuda: int = 0, capability: tuple[int, int] = (9, 0), mps: bool = False) -> SimpleNamespace:
    """Return what `devices` asks of torch, on a machine with these accelerators."""
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_available=lambda: cuda > 0,
            device_count=lambda: cuda,
            current_device=lambda: 0,
            get_device_capability=lambda number: capability,
            get_device_name=lambda number: f"GPU {number}",
            mem_get_info=lambda number: (number + 1, number + 10),
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
        mps=SimpleNamespace(recommended_max_memory=lambda: 100, driver_allocated_memory=lambda: 30),
        version=SimpleNamespace(cuda="13.0"),
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Set which torch is installed, and a processor of known memory without bfloat16."""

    def install(torch: SimpleNamespace | None) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: torch if name == "torch" else found(name))
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setattr(devices, "cpu_memory", lambda: Memory(64, 32))
        monkeypatch.setattr(devices, "has_bfloat16", lambda: False)

    return install


@pytest.mark.parametrize(
    ("torch", "requested", "expected"),
    [
        (torch_with(), "auto", ("cpu", "float32", 64, 32)),
        (torch_with(cuda=2), "cpu", ("cpu", "float32", 64, 32)),
        (torch_with(cuda=2), "auto", ("cuda:0", "bfloat16", 10, 1)),
        (torch_with(cuda=2), "cuda:1", ("cuda:1", "bfloat16", 11, 2)),
        (torch_with(cuda=1, capability=(7, 5)), "cuda", ("cuda:0", "float16", 10, 1)),
        (torch_with(mps=True), "auto", ("mps", "float16", 100, 70)),
        (torch_with(cuda=1, mps=True), "mps", ("mps", "float16", 100, 70)),
        (None, "auto", ("cpu", "float32", 64, 32)),
    ],
)
def test_the_best_device_that_is_there(machine, torch, requested: str, expected: tuple) -> None:
    machine(torch)
    choice = choose_device(requested)
    assert (choice.device, choice.dtype, choice.memory_total, choice.memory_free) == expected
    assert choice.reason


def test_the_reason_says_what_is_missing(machine) -> None:
    machine(None)
    assert "torch is not installed" in choose_device().reason
    machine(torch_with())
    assert "no accelerator" in choose_device().reason
    assert "asked for" in choose_device("cpu").reason


@pytest.mark.parametrize("requested", ["gpu", "", "cuda:x", "cuda:-1", "cpu:1", "mps:0", "CUDA"])
def test_an_unknown_name_is_refused(requested: str) -> None:
    with pytest.raises(InputError, match="unknown device"):
        choose_device(requested)


def test_a_device_that_is_not_there_is_refused(machine) -> None:
    machine(torch_with())
    with pytest.raises(InputError, match="no device cuda here: torch finds none"):
        choose_device("cuda")
    with pytest.raises(InputError, match="no device mps"):
        choose_device("mps")
    machine(torch_with(cuda=2))
    with pytest.raises(InputError, match=r"no device cuda:2 here\. Choose cuda:0 to cuda:1"):
        choose_device("cuda:2")
    machine(None)
    with pytest.raises(MissingExtraError, match=r"furikaeri-common\[llm\]"):
        choose_device("cuda")


def test_a_torch_that_cannot_be_imported_is_no_torch(machine) -> None:
    machine(torch_with())
    sys.modules["torch"] = None  # type: ignore[assignment]
    assert "cannot be imported" in choose_device().reason
    with pytest.raises(InputError, match="cannot be imported"):
        choose_device("cuda")


def test_this_machine_has_a_device() -> None:
    choice = choose_device()
    assert choice.dtype in ("float32", "float16", "bfloat16")
    assert choice.memory_total is None or choice.memory_total > 0
