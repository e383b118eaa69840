"""Several processes that train one network, as `torchrun` starts them (io).

    torchrun --nproc-per-node 2 ...

Each process takes its share of every step, and what they made is added up. Without `torchrun`, or with one process,
everything here does nothing. A process that dies ends the others: at once where the system tells, else when their
patience ends.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from furikaeri_common.devices import choose_device
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.opening import first_line
from furikaeri_common.processes import ProcessIdentity, identity_from, this_process
from isic_lesion.image_models.endings import Ended, OthersEndedError, ending_with_torchrun, is_told, sentence_of

__all__ = [
    "PATIENCE",
    "Processes",
    "add_up",
    "agree",
    "joined",
    "num_processes",
    "own_device",
    "wait_for_all",
]

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others."""

_joins = itertools.count()
_now: list[Processes] = []  # of the blocks of `joined` that last


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of the processes this one is.

    Args:
        rank: from 0; the first one writes files and tells progress.
        count: at least 1.
        first: the first of them, if it is known.
    """

    rank: int = 0
    count: int = 1
    first: ProcessIdentity | None = None

    @property
    def is_first(self) -> bool:
        """Whether this one writes and tells."""
        return self.rank == 0


def own_device(requested: str) -> str:
    """Return the device of this process, as torch names it; on a machine with several GPUs each process has its own.

    Args:
        requested: "auto", "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        InputError: if the device does not exist here, or is one that several processes would share.
    """
    if num_processes() == 1:
        return choose_device(requested).device
    kind, _, number = requested.partition(":")
    if kind == "mps" or number:
        raise InputError(
            f"expected a device for each of {num_processes()} processes, got {requested!r}",
            fix="Choose auto, cuda or cpu, or start one process",
        )
    if kind == "auto":
        kind = choose_device().device.partition(":")[0]
        kind = "cpu" if kind == "mps" else kind
    local = _number("LOCAL_RANK", "0")
    device = choose_device(f"cuda:{local}" if kind == "cuda" else kind).device
    if kind == "cuda":
        import torch

        torch.cuda.set_device(local)
    return device


@contextlib.contextmanager
def joined(device: str = "cpu", *, patience: timedelta = PATIENCE) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, while the block lasts; within such a block, those of the outer one.

    A caller that trains several networks joins once around all of them.

    Args:
        device: of this process; a GPU's processes talk through NCCL, others through Gloo.
        patience: how long one waits for the others, at least.

    Raises:
        InputError: if the environment does not say where the others are.
        WorkError: if they do not come.
    """
    if num_processes() == 1:
        yield Processes()
        return
    if _now:
        yield _now[-1]
        return
    import torch.distributed

    if torch.distributed.is_initialized():  # by the caller
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return
    if missing := [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]:
        raise InputError(
            f"WORLD_SIZE is {num_processes()}, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            fix="Start the processes with torchrun",
        )
    try:
        processes = _join("nccl" if device.startswith("cuda") else "gloo", patience)
    except (RuntimeError, ValueError) as error:
        raise WorkError(f"the processes of torchrun do not find each other ({first_line(error)})") from error
    _now.append(processes)
    try:
        with ending_with_torchrun():
            yield processes
    except KeyboardInterrupt as error:
        raise Ended(is_told=is_told(processes.rank, processes.first, wait=0.0)) from error
    finally:
        _now.pop()
        with contextlib.suppress(RuntimeError):
            torch.distributed.destroy_process_group()


def _join(backend: str, patience: timedelta) -> Processes:
    """Make the group of processes; each time under another name, for torchrun's store keeps where the last one was."""
    import torch.distributed

    store, rank, count = next(torch.distributed.rendezvous("env://", timeout=patience))
    store = torch.distributed.PrefixStore(f"group {next(_joins)}", store)
    if rank == 0:
        store.set("first", json.dumps(this_process()._asdict()))
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=patience)
    return Processes(rank, count, identity_from(json.loads(store.get("first"))))


def add_up(processes: Processes, values: Any) -> None:
    """Add a tensor up over all processes, in place; all of them then hold the sum.

    Raises:
        WorkError: if another process ended, or does not come within the patience.
    """
    if processes.count > 1:
        import torch.distributed

        _together(processes, torch.distributed.all_reduce, values)


def wait_for_all(processes: Processes) -> None:
    """Wait until all processes are here.

    Raises:
        WorkError: if another process ended, or does not come within the patience.
    """
    if processes.count > 1:
        import torch.distributed

        _together(processes, torch.distributed.barrier)


def agree(processes: Processes, numbers: Sequence[int], device: str = "cpu") -> bool:
    """Return whether all processes gave the same numbers, each within 64 bits; all get the same answer.

    Raises:
        WorkError: if another process ended, or does not come within the patience.
    """
    if processes.count == 1:
        return True
    import torch
    import torch.distributed

    # The least of x and of -x: equal but for their sign where all x are equal.
    least = torch.tensor([*numbers, *(-number for number in numbers)], dtype=torch.int64, device=device)
    _together(processes, torch.distributed.all_reduce, least, op=torch.distributed.ReduceOp.MIN)
    return bool((least[: len(numbers)] == -least[len(numbers) :]).all())


def _together(processes: Processes, what: Any, *values: Any, **options: Any) -> None:
    try:
        what(*values, **options)
    except RuntimeError as error:
        raise OthersEndedError(
            f"process {processes.rank} of {processes.count}: another one ended or hangs ({sentence_of(error)})",
            is_told=is_told(processes.rank, processes.first),
        ) from error


def num_processes() -> int:
    """Return how many processes `torchrun` started; 1 without it."""
    return max(1, _number("WORLD_SIZE", "1"))


def _number(name: str, default: str) -> int:
    text = os.environ.get(name) or default
    if not text.isdecimal():
        raise InputError(f"{name}: expected a whole number, got {text!r}", fix="Start the processes with torchrun")
    return int(text)
