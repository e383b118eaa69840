"""One step of training: gradients, losses and batch statistics of its pieces added up, and learning from the sums."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from isic_lesion.image_models.batch_statistics import count_step, put_statistics, read_statistics
from isic_lesion.image_models.learner import Learner
from isic_lesion.image_models.moving_average import update_average
from isic_lesion.image_models.objectives import Truths, losses, total_loss, totals_of
from isic_lesion.image_models.optimisation import average_decay, rates_at, set_rates
from isic_lesion.image_models.processes import Processes, add_up
from isic_lesion.image_models.scoring import autocast
from isic_lesion.image_models.step_plan import Plan, Step, piece_seed

if TYPE_CHECKING:
    from isic_lesion.image_models.pictures import Batch

__all__ = ["Outcome", "take_step"]

_LEAST_SCALE = 1.0  # of float16's losses: gradients that are infinite even so are no matter of scaling


class Outcome(NamedTuple):
    """What a step came to.

    Attributes:
        loss: what was minimised.
        losses: by head, before they are weighted.
        gradient_norm: before it was clipped.
        damaged: rows of the step whose pictures could not be read.
        is_finite: whether loss and gradient are numbers; else nothing was learnt.
    """

    loss: float
    losses: Mapping[str, float]
    gradient_norm: float
    damaged: tuple[int, ...]
    is_finite: bool


def take_step(
    learner: Learner,
    plan: Plan,
    step: Step,
    batches: Iterator[Batch],
    truths: Truths,
    processes: Processes,
) -> Outcome:
    """Learn from one step's rows; nothing is learnt where the loss or the gradient is not finite.

    Args:
        learner: is changed.
        plan: of the training.
        step: of the plan.
        batches: gives this process's pieces of the step, in order.
        truths: of all rows.
        processes: that share the step; process r takes the pieces r, r + count and so on.

    Returns:
        The same in all processes.
    """
    sums, statistics, scaler, config = learner.sums, learner.statistics, learner.scaler, plan.config
    before, own = read_statistics(statistics), _own_pieces(step, processes)
    sums.values.zero_()
    for number in own:
        put_statistics(statistics, before)
        _add_piece(learner, plan, step, number, next(batches), truths)
    add_up(processes, sums.values)
    put_statistics(statistics, sums.statistics / len(step.pieces))
    count_step(statistics, len(own))
    scaler.unscale_(learner.optimiser)
    outcome = _outcome(learner, step)
    if not outcome.is_finite:
        return outcome
    if config.clip is not None and outcome.gradient_norm > config.clip:
        sums.gradient.mul_(config.clip / outcome.gradient_norm)
    set_rates(learner.optimiser, rates_at(step.number, plan.num_steps, config))
    scaler.step(learner.optimiser)
    scaler.update()
    if learner.average is not None and config.ema is not None:
        update_average(learner.average, learner.network, average_decay(step.number, config.ema))
    return outcome


def _own_pieces(step: Step, processes: Processes) -> range:
    return range(processes.rank, len(step.pieces), processes.count)


def _add_piece(learner: Learner, plan: Plan, step: Step, number: int, batch: Batch, truths: Truths) -> None:
    """Add to the sums what one piece makes of the gradient, the losses and the batch statistics."""
    import torch

    sums, device, piece = learner.sums, learner.device, step.pieces[number]
    pixels, damaged = _sent(batch.pixels, device), _sent((~batch.whole).float(), device)
    labels = _sent(torch.from_numpy(truths.labels[piece]), device)
    weights = _sent(torch.from_numpy(truths.weights[piece]) * batch.whole[:, None], device)
    totals = _sent(torch.from_numpy(totals_of(truths, step.rows)), device)
    torch.manual_seed(piece_seed(plan, step, number))
    with autocast(device, plan.config.precision):
        outputs = learner.network(pixels)
    parts = losses(outputs, labels, weights, totals)
    learner.scaler.scale(total_loss(parts, learner.heads)).backward()
    sums.losses.add_(torch.stack([parts[head.name].detach() for head in learner.heads]))
    if learner.statistics.moving:
        sums.statistics.add_(read_statistics(learner.statistics))
    place = sum(len(before) for before in step.pieces[:number])
    sums.damaged[place : place + len(piece)] = damaged


def _sent(tensor: Any, device: str) -> Any:
    """Return a copy on the device, without waiting for what the device is still at."""
    # Only CUDA has read all of the source by the time that this returns; elsewhere it could be gone too soon.
    return tensor.to(device, non_blocking=device.startswith("cuda"))


def _outcome(learner: Learner, step: Step) -> Outcome:
    """Read what the step came to, in one go: a GPU works on while it is not asked."""
    import torch

    sums, heads = learner.sums, learner.heads
    norm = torch.linalg.vector_norm(sums.gradient)
    read = torch.cat([norm[None], sums.losses, sums.damaged]).tolist()
    of_heads, damaged = read[1 : 1 + len(heads)], read[1 + len(heads) :][: len(step.rows)]
    loss = sum(head.weight * value for head, value in zip(heads, of_heads, strict=True))
    # An infinite gradient of scaled losses lowers their scale, and the step is passed over: float16's ordinary life.
    is_scaling = learner.scaler.is_enabled() and learner.scaler.get_scale() >= _LEAST_SCALE
    return Outcome(
        loss,
        {head.name: value for head, value in zip(heads, of_heads, strict=True)},
        read[0],
        tuple(int(row) for row, flag in zip(step.rows, damaged, strict=True) if flag),
        math.isfinite(loss) and (math.isfinite(read[0]) or is_scaling),
    )
