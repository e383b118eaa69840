"""Scores of pictures: the target head's log-odds, averaged over mirrored and turned views.

On a processor the process keeps what it frees meanwhile (io; see `furikaeri_common.allocation`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.allocation import keeping_freed_memory
from furikaeri_common.devices import choose_device
from isic_lesion.image_models.config import Precision, Views
from isic_lesion.image_models.heads import TARGET

if TYPE_CHECKING:
    from isic_lesion.image_models.pictures import Batch

__all__ = ["autocast", "evaluating", "score", "views_of"]


def score(
    network: Any,
    batches: Iterable[Batch],
    *,
    views: Views = "flips",
    device: str = "cpu",
    precision: Precision = "auto",
) -> NDArray[np.float64]:
    """Score pictures.

    Args:
        network: on the device.
        batches: pictures.
        views: "one", "flips" (4) or "dihedral" (8); their log-odds are averaged.
        device: as torch names it.
        precision: of the arithmetic.

    Returns:
        Log-odds in the order of the pictures, NaN for damaged ones; float64, shape (N,).
    """
    import torch

    scores = [np.empty(0)]
    keeping = keeping_freed_memory() if device == "cpu" else contextlib.nullcontext()
    with keeping, evaluating(network), torch.no_grad(), autocast(device, precision):
        for batch in batches:
            pixels = batch.pixels.to(device, non_blocking=True)
            found = [network(view)[TARGET][:, 0].double() for view in views_of(pixels, views)]
            mean = torch.stack(found).mean(dim=0).cpu().numpy()
            scores.append(np.where(np.asarray(batch.whole, dtype=np.bool_), mean, np.nan))
    return np.concatenate(scores)


@contextlib.contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Put a network into evaluation mode; afterwards each of its parts is in the mode it was in."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def views_of(pixels: Any, views: Views) -> list[Any]:
    """Return the views of pictures (B, C, S, S), themselves first: 1, 4 or 8 tensors of the same shape.

    Raises:
        ValueError: if `views` is none of "one", "flips" and "dihedral".
    """
    if views == "one":
        return [pixels]
    if views == "flips":
        return [pixels, pixels.flip(3), pixels.flip(2), pixels.flip(2, 3)]
    if views == "dihedral":
        turned = pixels.transpose(2, 3)
        return [*views_of(pixels, "flips"), *views_of(turned, "flips")]
    raise ValueError(f"expected views 'one', 'flips' or 'dihedral', got {views!r}")


def autocast(device: str, precision: Precision) -> AbstractContextManager[Any]:
    """Return a context in which torch computes matrix products and convolutions in a format.

    Args:
        device: as torch names it.
        precision: "auto": float32 on a processor, elsewhere what the device is fast in.
    """
    import torch

    kind = device.partition(":")[0]
    if precision == "auto":
        precision = "float32" if kind == "cpu" else _fast_format(device)
    context: AbstractContextManager[Any] = torch.autocast(
        kind, dtype=getattr(torch, precision), enabled=precision != "float32"
    )
    return context


@functools.cache  # the driver is asked once, not for every batch
def _fast_format(device: str) -> Precision:
    return cast(Precision, choose_device(device).dtype)
