"""How torch computes while a network is trained or asked: threads, determinism, random state, as before after (io)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from furikaeri_common.allocation import keeping_freed_memory

__all__ = ["peak_of_device", "settled_arithmetic"]


@contextlib.contextmanager
def settled_arithmetic(threads: int, device: str) -> Iterator[None]:
    """Fix what the bits of a result hang on, while the block lasts.

    On a processor: the threads, and algorithms without races. A GPU keeps its faster ones, whose sums may differ in
    their last bits from run to run, and tries out which convolutions are the fastest for the pictures' size. Random
    numbers drawn inside leave no trace outside. On a processor the process keeps what it frees till then.

    Args:
        threads: of arithmetic on a processor, at least 1.
        device: as torch names it.
    """
    import torch

    on_gpu = device.startswith("cuda")
    before = torch.get_num_threads()
    was = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled, tries = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    try:
        torch.set_num_threads(threads)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
            torch.backends.cudnn.benchmark = True
        else:
            torch.use_deterministic_algorithms(True)
            torch.utils.deterministic.fill_uninitialized_memory = False
        keeping = contextlib.nullcontext() if on_gpu else keeping_freed_memory()
        with torch.random.fork_rng(devices=[device] if on_gpu else []), keeping:
            yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(was[0], warn_only=was[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark = tries


def peak_of_device(device: str) -> int | None:
    """Return the most bytes that tensors took of a GPU since `settled_arithmetic` began; None on other devices."""
    import torch

    return int(torch.cuda.max_memory_allocated(device)) if device.startswith("cuda") else None
