"""The moving average of a network's weights and batch statistics, which is scored with in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["averaged_tensors", "new_average", "standing_in", "update_average"]


def averaged_tensors(network: Any) -> dict[str, Any]:
    """Return what a network's average is taken of: its floating-point parameters and buffers, by name, not copied."""
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def new_average(network: Any) -> dict[str, Any]:
    """Return an average that begins where the network is."""
    return {name: tensor.clone() for name, tensor in averaged_tensors(network).items()}


def update_average(average: dict[str, Any], network: Any, decay: float) -> None:
    """Move an average, in place: average = decay * average + (1 - decay) * now.

    Args:
        average: of `new_average`.
        network: after a step.
        decay: how much of the average stays, in [0, 1].
    """
    import torch

    now = averaged_tensors(network)
    with torch.no_grad():
        torch._foreach_lerp_([average[name] for name in now], list(now.values()), 1 - decay)


@contextlib.contextmanager
def standing_in(network: Any, average: dict[str, Any] | None) -> Iterator[None]:
    """Give a network the average's weights while the block lasts; None leaves it its own."""
    import torch

    if average is None:
        yield
        return
    own = averaged_tensors(network)
    kept = {name: tensor.clone() for name, tensor in own.items()}
    try:
        with torch.no_grad():
            torch._foreach_copy_(list(own.values()), [average[name] for name in own])
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(list(own.values()), [kept[name] for name in own])
