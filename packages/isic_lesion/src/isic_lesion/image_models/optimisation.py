"""How weights move: which of them decay, how fast they learn at each step, and how their moving average follows.

All of it is a function of the step and the configuration, so training that is taken up again needs only the step.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from isic_lesion.image_models.config import ImageConfig, Schedule

__all__ = ["Rates", "average_decay", "make_optimiser", "parameter_groups", "rate_factor", "rates_at", "set_rates"]

Part = Literal["head", "backbone"]


class Rates(NamedTuple):
    """Learning rates of a step: of the heads, and of the backbone."""

    head: float
    backbone: float


def rate_factor(step: int, num_steps: int, *, schedule: Schedule = "cosine", warmup: float = 0.0) -> float:
    """Return by what the highest rate is multiplied at a step.

    The first W = round(warmup * num_steps) steps rise in a straight line, (step + 1) / W, and reach 1. After them a
    cosine falls from 1 to 0, which it would reach one step after the last: (1 + cos(pi (step - W) / (num_steps - W)))
    / 2. Without restarts this is the annealing of Loshchilov and Hutter (2017), "SGDR", equation 5.

    Args:
        step: from 0 to num_steps - 1.
        num_steps: of the whole training.
        schedule: "cosine", or "constant": 1 after the rise.
        warmup: the share of steps that rise, in [0, 1).

    Returns:
        A number in (0, 1].

    >>> [rate_factor(step, 4) for step in (0, 2)]
    [1.0, 0.5]
    """
    if not 0 <= step < num_steps:
        raise ValueError(f"expected 0 <= step < {num_steps}, got {step}")
    rising = round(warmup * num_steps)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (step - rising) / (num_steps - rising))) / 2


def rates_at(step: int, num_steps: int, config: ImageConfig) -> Rates:
    """Return the learning rates of a step, from 0 to num_steps - 1."""
    factor = rate_factor(step, num_steps, schedule=config.schedule, warmup=config.warmup)
    return Rates(config.lr_head * factor, config.lr_backbone * factor)


def average_decay(step: int, ema: float) -> float:
    """Return how much of the moving average stays at a step: min(ema, (1 + step) / (10 + step)).

    So the average soon forgets the weights that training began with.

    Args:
        step: how many steps the average has followed, from 0.
        ema: the decay in the long run, in (0, 1).

    Source: `tf.train.ExponentialMovingAverage` with `num_updates`.
    """
    return min(ema, (1 + step) / (10 + step))


def parameter_groups(network: Any, config: ImageConfig) -> list[dict[str, Any]]:
    """Return what an optimiser takes: parameters by part and by whether they decay; empty groups are left out.

    Only matrices and kernels decay (ndim > 1): not norms, not biases, nor what the backbone itself exempts (positional
    embeddings and the like, its `no_weight_decay()`). A backbone with the rate 0 is in no group.

    Args:
        network: with `backbone` and `heads`.
        config: how it is trained.
    """
    exempt: set[str] = getattr(network.backbone, "no_weight_decay", set)()
    decay = config.weight_decay if config.optimiser == "adamw" else 0.0
    groups: list[dict[str, Any]] = []
    parts: tuple[tuple[Part, Any, float], ...] = (
        ("backbone", network.backbone, config.lr_backbone),
        ("head", network.heads, config.lr_head),
    )
    for part, module, rate in parts:
        if rate == 0:
            continue
        for decays in (True, False):
            members = [
                parameter
                for name, parameter in module.named_parameters()
                if (parameter.ndim > 1 and not (part == "backbone" and name in exempt)) == decays
            ]
            if members:
                groups.append({"params": members, "lr": rate, "weight_decay": decay if decays else 0.0, "part": part})
    return groups


def make_optimiser(network: Any, config: ImageConfig) -> Any:
    """Return Adam over `parameter_groups`, with decoupled weight decay for "adamw", without any for "adam"."""
    import torch

    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[config.optimiser](parameter_groups(network, config))


def set_rates(optimiser: Any, rates: Rates) -> None:
    """Set the rates of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = getattr(rates, group["part"])
