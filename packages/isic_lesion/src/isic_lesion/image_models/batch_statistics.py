"""Running means and variances of batch norms, kept so that a step in pieces has one result wherever they are computed.

A batch norm moves its statistics in every forward pass, so what a step leaves would hang on the order of its pieces.
Here each piece starts from the step's first values, and the step leaves the mean of what the pieces made of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["BatchStatistics", "count_step", "put_statistics", "read_statistics", "statistics_of"]


class BatchStatistics(NamedTuple):
    """The statistics of a network that its forward passes move, as they lie in its layers.

    Attributes:
        moving: running means and variances, floating-point tensors.
        counters: how many passes each layer has seen, integer tensors.
        length: numbers in `moving` together.
    """

    moving: list[Any]
    counters: list[Any]
    length: int


def statistics_of(network: Any) -> BatchStatistics:
    """Return the statistics of all batch norms in training mode; those in evaluation mode do not move."""
    from torch.nn.modules.batchnorm import _NormBase

    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, _NormBase) and layer.training and layer.running_mean is not None
    ]
    moving = [tensor for layer in layers for tensor in (layer.running_mean, layer.running_var)]
    return BatchStatistics(moving, [layer.num_batches_tracked for layer in layers], sum(t.numel() for t in moving))


def read_statistics(statistics: BatchStatistics) -> Any:
    """Return a copy of all running means and variances, one after the other; float32, shape (length,)."""
    import torch

    if not statistics.moving:
        return torch.empty(0)
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in statistics.moving])


def put_statistics(statistics: BatchStatistics, values: Any) -> None:
    """Set all running means and variances.

    Args:
        statistics: of the network.
        values: as `read_statistics` returns them.
    """
    import torch

    if not statistics.moving:
        return
    pieces = torch.split(values, [tensor.numel() for tensor in statistics.moving])
    with torch.no_grad():
        torch._foreach_copy_(statistics.moving, list(pieces))


def count_step(statistics: BatchStatistics, passes: int) -> None:
    """Let the counters of a network that has made some forward passes for a step count one."""
    import torch

    if statistics.counters:
        torch._foreach_sub_(statistics.counters, passes - 1)
