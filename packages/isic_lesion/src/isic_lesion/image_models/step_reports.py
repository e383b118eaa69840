"""What a step in training did, as it is told to whoever waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from isic_lesion.image_models.one_step import Outcome
from isic_lesion.image_models.optimisation import rates_at
from isic_lesion.image_models.progress import EpochRecord, Progress
from isic_lesion.image_models.step_plan import Plan, Step

__all__ = ["StepReport", "report_of"]


class StepReport(NamedTuple):
    """What a step did.

    Attributes:
        fold: of the network; None: it trains on all rows.
        seed: of the network.
        step: how many steps are done, from 1.
        steps: how many there are in all epochs; training that stops early takes fewer.
        epoch: the step's epoch, from 1.
        epochs: how many there are.
        loss: what was minimised.
        losses: by head, before they are weighted.
        lr_head: learning rate of the heads.
        lr_backbone: of the backbone.
        gradient_norm: before it was clipped.
        images: pictures of the step.
        seconds: that the step took, with the waiting for its pictures.
        record: of the epoch, where the step ended one.
    """

    fold: int | None
    seed: int
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    losses: Mapping[str, float]
    lr_head: float
    lr_backbone: float
    gradient_norm: float
    images: int
    seconds: float
    record: EpochRecord | None


def report_of(plan: Plan, step: Step, outcome: Outcome, progress: Progress, seconds: float) -> StepReport:
    """Return the report of a step.

    Args:
        plan: of the training.
        step: of the plan.
        outcome: what it came to.
        progress: after it, and after its epoch where it ended one.
        seconds: that it took.
    """
    rates = rates_at(step.number, plan.num_steps, plan.config)
    return StepReport(
        fold=None if plan.fold < 0 else plan.fold,
        seed=plan.seed,
        step=progress.step,
        steps=plan.num_steps,
        epoch=step.epoch + 1,
        epochs=plan.config.epochs,
        loss=outcome.loss,
        losses=outcome.losses,
        lr_head=rates.head,
        lr_backbone=rates.backbone,
        gradient_norm=outcome.gradient_norm,
        images=len(step.rows),
        seconds=seconds,
        record=progress.history[-1] if step.ends_epoch else None,
    )
