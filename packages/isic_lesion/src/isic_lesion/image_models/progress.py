"""How far a training is: steps done, epochs told, the best epoch. Plain values that a checkpoint keeps as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.optimisation import Rates

__all__ = ["EpochRecord", "Progress", "add_epoch", "add_step", "has_risen", "is_over", "progress_from"]


class EpochRecord(NamedTuple):
    """How an epoch went.

    Attributes:
        epoch: its number, from 1.
        losses: by head, before they are weighted; mean over the epoch's pictures.
        loss: what was minimised; mean over the epoch's pictures.
        lr_head: learning rate of the heads at its last step.
        lr_backbone: of the backbone.
        images: pictures that were trained on, those that came twice counted twice.
        seconds: that its steps took, with the waiting for pictures.
        held_out_pauc: of the held-out rows; None where training does not stop early.
    """

    epoch: int
    losses: Mapping[str, float]
    loss: float
    lr_head: float
    lr_backbone: float
    images: int
    seconds: float
    held_out_pauc: float | None

    @property
    def images_per_second(self) -> float:
        """How many pictures were trained on in a second."""
        return self.images / max(self.seconds, 1e-9)


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        step: how many steps are done.
        history: of the epochs that are over.
        loss: sum over the pictures of the epoch that is under way.
        losses: the same by head.
        images: how many these are.
        seconds: that they took.
        damaged: rows whose pictures could not be read, ascending.
    """

    step: int = 0
    history: tuple[EpochRecord, ...] = ()
    loss: float = 0.0
    losses: Mapping[str, float] = {}
    images: int = 0
    seconds: float = 0.0
    damaged: tuple[int, ...] = ()

    @property
    def best_epoch(self) -> int:
        """The number of the first epoch with the highest held-out pAUC, or of the last one where none was measured."""
        measured = [record for record in self.history if record.held_out_pauc is not None]
        best = max(measured, key=lambda record: (record.held_out_pauc, -record.epoch), default=None)
        return best.epoch if best else len(self.history)

    def to_json(self) -> dict[str, Any]:
        """Return the progress as JSON has it; `progress_from` makes an equal one of it."""
        return {
            **self._asdict(),
            "history": [record._asdict() for record in self.history],
            "damaged": list(self.damaged),
        }


def progress_from(document: Mapping[str, Any]) -> Progress:
    """Return the progress that `Progress.to_json` made a document of."""
    history = tuple(EpochRecord(**entry) for entry in document["history"])
    return Progress(**{**document, "history": history, "damaged": tuple(document["damaged"])})


def add_step(
    progress: Progress,
    *,
    loss: float,
    losses: Mapping[str, float],
    images: int,
    seconds: float,
    damaged: Sequence[int] = (),
) -> Progress:
    """Return the progress after a step.

    Args:
        progress: before it.
        loss: mean over its pictures.
        losses: the same by head.
        images: how many pictures it had.
        seconds: that it took.
        damaged: rows of pictures that could not be read.
    """
    return progress._replace(
        step=progress.step + 1,
        loss=progress.loss + loss * images,
        losses={name: progress.losses.get(name, 0.0) + value * images for name, value in losses.items()},
        images=progress.images + images,
        seconds=progress.seconds + seconds,
        damaged=tuple(sorted({*progress.damaged, *damaged})),
    )


def add_epoch(progress: Progress, rates: Rates, held_out_pauc: float | None = None) -> Progress:
    """Return the progress after an epoch's last step: the epoch is told, and the next one begins.

    Args:
        progress: after the step.
        rates: of the step.
        held_out_pauc: of the held-out rows.
    """
    record = EpochRecord(
        epoch=len(progress.history) + 1,
        losses={name: value / progress.images for name, value in progress.losses.items()},
        loss=progress.loss / progress.images,
        lr_head=rates.head,
        lr_backbone=rates.backbone,
        images=progress.images,
        seconds=progress.seconds,
        held_out_pauc=held_out_pauc,
    )
    return Progress(step=progress.step, history=(*progress.history, record), damaged=progress.damaged)


def has_risen(progress: Progress) -> bool:
    """Return whether the last epoch that is over is the best one."""
    return bool(progress.history) and progress.best_epoch == len(progress.history)


def is_over(progress: Progress, config: ImageConfig, num_steps: int) -> bool:
    """Return whether training ends here: all steps are done, or the held-out pAUC has not risen for too long."""
    if progress.step >= num_steps:
        return True
    return config.early_stopping is not None and len(progress.history) - progress.best_epoch >= config.early_stopping
