"""What a training says when it cannot go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from furikaeri_common.errors import WorkError
from isic_lesion.image_models.config import ImageConfig

__all__ = ["name_of_fit", "not_finite", "out_of_memory"]

_NUM_NAMED = 8


def name_of_fit(config: ImageConfig, fold: int | None, seed: int) -> str:
    """Return how a network is called in messages, such as "lite0, fold 1, seed 42"."""
    return f"{config.name}, {'all rows' if fold is None else f'fold {fold}'}, seed {seed}"


def not_finite(
    name: str,
    config: ImageConfig,
    *,
    step: int,
    epoch: int,
    losses: Mapping[str, float],
    isic_ids: Sequence[str],
) -> WorkError:
    """Return the error of a step whose loss or gradient is not a finite number.

    Args:
        name: of the network, from `name_of_fit`.
        config: how it is trained.
        step: its number, from 1.
        epoch: from 1.
        losses: of the heads.
        isic_ids: of the step's pictures.
    """
    wrong = [head for head, value in losses.items() if not math.isfinite(value)]
    what = f"the loss of {', '.join(wrong)}" if wrong else "the gradient"
    value = next((losses[head] for head in wrong), math.nan)
    distinct = list(dict.fromkeys(isic_ids))
    more = f" and {len(distinct) - _NUM_NAMED} more" if len(distinct) > _NUM_NAMED else ""
    what_to_try = [
        f"lr_backbone (now {config.lr_backbone:g}) or lr_head ({config.lr_head:g})",
        *([] if config.precision == "float32" else ["use precision float32"]),
        f"clip the gradient{'' if config.clip is None else f' below {config.clip:g}'}",
    ]
    return WorkError(
        f"{name}: {what} is {'infinite' if math.isinf(value) else 'not a number'} in step {step} (epoch {epoch}), "
        f"whose pictures are {', '.join(distinct[:_NUM_NAMED])}{more}",
        fix=f"Lower {', '.join(what_to_try[:-1])}, or {what_to_try[-1]}",
    )


def out_of_memory(name: str, config: ImageConfig, device: str) -> WorkError:
    """Return the error of a training that found too little memory.

    Args:
        name: of the network, from `name_of_fit`.
        config: how it is trained.
        device: as torch names it.
    """
    of_size = "" if config.size is None else f" of {config.size} x {config.size} px"
    cut = f"in {config.pieces} pieces" if config.pieces > 1 else "in one piece"
    return WorkError(
        f"{name}: the memory of {device} does not suffice for steps of {config.batch} pictures{of_size} {cut}",
        fix=f"Raise pieces (now {config.pieces}), lower batch, or choose a smaller size or backbone",
    )
