"""How well a network in training does on rows that it does not train on, where that tells when to stop (io)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.learner import Learner
from isic_lesion.image_models.moving_average import standing_in
from isic_lesion.image_models.pictures import Draw, load_batches, open_pictures
from isic_lesion.image_models.processes import Processes, add_up
from isic_lesion.image_models.scoring import score
from isic_lesion.metrics.ordering import partial_auc

if TYPE_CHECKING:
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["held_out_pauc", "rows_to_measure"]


def rows_to_measure(
    targets: NDArray[Any], config: ImageConfig, held_out: NDArray[np.integer[Any]] | None
) -> NDArray[np.int64]:
    """Return the rows that tell when to stop; none where training does not stop early.

    Args:
        targets: of all rows, shape (N,).
        config: how the network is trained.
        held_out: places of rows; None: there are none.

    Raises:
        InputError: if training stops early and they lack malignant or benign ones.
    """
    if config.early_stopping is None:
        return np.empty(0, np.int64)
    places = np.asarray([] if held_out is None else held_out, np.int64)
    if set(targets[places].tolist()) != {0, 1}:
        raise InputError(
            f"model {config.name}: early stopping needs malignant and benign lesions among the held-out rows",
            fix="Turn it off, or hold other rows out",
        )
    return places


def held_out_pauc(
    learner: Learner,
    rows: ImageRows,
    held_out: NDArray[np.int64],
    config: ImageConfig,
    *,
    workers: int,
    processes: Processes,
) -> float | None:
    """Score rows, each process its share of them, and return their pAUC; damaged pictures do not count.

    Args:
        learner: whose network, or moving average where it has one, is measured.
        rows: lesions.
        held_out: places of those to score, shape (N,).
        config: how the network is trained and scored.
        workers: processes that read pictures; 0: this one.
        processes: that share the rows.

    Returns:
        The area, in [0, 0.2]; None if there are no rows.

    Raises:
        InputError: if the pictures of all malignant or of all benign ones are damaged.
    """
    import torch

    if not len(held_out):
        return None
    # The batches are those of one process alone, so that the last bits of the scores are.
    places = np.arange(len(held_out))
    chunks = [places[start : start + config.batch] for start in range(0, len(places), config.batch)]
    chunks = chunks[processes.rank :: processes.count]
    own = np.concatenate([places[:0], *chunks])
    draws = [[Draw(int(held_out[place])) for place in chunk] for chunk in chunks]
    pictures = open_pictures(rows, learner.network.inputs, "none")
    with (
        standing_in(learner.network, learner.average),
        contextlib.closing(load_batches(pictures, draws, workers=workers)) as batches,
    ):
        found = score(learner.network, batches, views=config.views, device=learner.device, precision=config.precision)
    log_odds = torch.zeros(len(held_out), dtype=torch.float64)
    log_odds[own] = torch.from_numpy(found)
    if processes.count > 1:
        log_odds = log_odds.to(learner.device)
        add_up(processes, log_odds)
    scores = log_odds.cpu().numpy()
    whole = ~np.isnan(scores)
    targets = rows.frame["target"].to_numpy()[held_out][whole]
    if len(set(targets.tolist())) < 2:
        raise InputError(
            f"model {config.name}: the pictures of all {'benign' if targets.any() else 'malignant'} held-out lesions "
            "are damaged",
            fix="Copy the file of pictures again",
        )
    return partial_auc(targets, scores[whole])
