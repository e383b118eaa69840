"""A network that learns, what belongs to it, and the arrays that a checkpoint keeps of both.

A step's gradient, losses and batch statistics are sums over its pieces. They lie in one vector, so processes that share
a step add up that vector and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.image_models.batch_statistics import BatchStatistics, statistics_of
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import Head
from isic_lesion.image_models.moving_average import new_average
from isic_lesion.image_models.optimisation import make_optimiser
from isic_lesion.image_models.scoring import autocast

__all__ = ["Learner", "StepSums", "arrays_of", "new_learner", "put_arrays", "set_training"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


class StepSums(NamedTuple):
    """What is added up over the pieces of a step.

    Attributes:
        values: everything below, one after the other; float32.
        gradient: of all parameters that learn, whose `.grad` are views of it.
        statistics: running means and variances after each piece.
        losses: of each head, shape (H,).
        damaged: of each row of the step, 1 where its picture could not be read, shape (batch,).
    """

    values: Any
    gradient: Any
    statistics: Any
    losses: Any
    damaged: Any


class Learner(NamedTuple):
    """A network and all that learning changes beside it; its tensors are changed in place.

    Attributes:
        network: on the device.
        heads: of it.
        device: as torch names it.
        optimiser: of torch.
        scaler: of float16's losses; switched off in other precisions.
        average: the moving average of weights, by name; None: there is none.
        statistics: of the batch norms.
        sums: of the step.
    """

    network: Any
    heads: tuple[Head, ...]
    device: str
    optimiser: Any
    scaler: Any
    average: dict[str, Any] | None
    statistics: BatchStatistics
    sums: StepSums


def set_training(network: Any, config: ImageConfig) -> None:
    """Put a network into training mode; a backbone that does not learn stays as it is, its batch statistics too."""
    network.train()
    if config.lr_backbone == 0:
        network.backbone.eval().requires_grad_(False)


def new_learner(network: Any, heads: Sequence[Head], config: ImageConfig, device: str) -> Learner:
    """Return a learner that has learnt nothing.

    Args:
        network: on the processor; it is moved.
        heads: of it.
        config: how it is trained.
        device: as torch names it.
    """
    import torch

    network.to(device)
    set_training(network, config)
    statistics = statistics_of(network)
    optimiser = make_optimiser(network, config)
    kind = torch.device(device).type
    with autocast(device, config.precision):
        is_half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
    return Learner(
        network,
        tuple(heads),
        device,
        optimiser,
        torch.amp.GradScaler(kind, enabled=is_half),
        new_average(network) if config.ema is not None else None,
        statistics,
        _new_sums(optimiser, statistics.length, len(heads), config.batch, device),
    )


def _new_sums(optimiser: Any, num_statistics: int, num_heads: int, batch: int, device: str) -> StepSums:
    import torch

    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    lengths = [parameter.numel() for parameter in parameters]
    values = torch.zeros(sum(lengths) + num_statistics + num_heads + batch, device=device)
    gradient, *others = torch.split(values, [sum(lengths), num_statistics, num_heads, batch])
    for parameter, part in zip(parameters, torch.split(gradient, lengths), strict=True):
        # Laid out as the parameter is, which need not be row by row.
        parameter.grad = part.as_strided(parameter.size(), parameter.stride())
    return StepSums(values, gradient, *others)


def arrays_of(learner: Learner) -> dict[str, NDArray[Any]]:
    """Return weights, moving average and moments as arrays: all that `put_arrays` needs beside the scaler's numbers."""
    named = {f"weights/{name}": tensor for name, tensor in learner.network.state_dict().items()}
    named |= {f"average/{name}": tensor for name, tensor in (learner.average or {}).items()}
    for name, parameter in learner.network.named_parameters():
        for moment, tensor in learner.optimiser.state.get(parameter, {}).items():
            named[f"{moment}/{name}"] = tensor
    return {name: tensor.detach().cpu().numpy() for name, tensor in named.items()}


def put_arrays(learner: Learner, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put a learner where another one was, bit for bit.

    Args:
        learner: with the same network, heads and configuration.
        arrays: of `arrays_of`; others are passed over.

    Raises:
        KeyError: if one is missing.
        RuntimeError: if one has another shape.
    """
    import torch

    def put(tensor: Any, name: str) -> None:
        tensor.copy_(torch.from_numpy(np.array(arrays[name])))

    with torch.no_grad():
        for name, tensor in learner.network.state_dict().items():
            put(tensor, f"weights/{name}")
        for name, tensor in (learner.average or {}).items():
            put(tensor, f"average/{name}")
    names = {parameter: name for name, parameter in learner.network.named_parameters()}
    numbered = [parameter for group in learner.optimiser.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for number, parameter in enumerate(numbered):
        name = names[parameter]
        if f"step/{name}" in arrays:
            # Laid out as the parameter is: other loops round otherwise.
            moments[number] = {moment: torch.zeros_like(parameter) for moment in _MOMENTS}
            moments[number]["step"] = torch.zeros(())
            for moment, tensor in moments[number].items():
                put(tensor, f"{moment}/{name}")
    learner.optimiser.load_state_dict({**learner.optimiser.state_dict(), "state": moments})
