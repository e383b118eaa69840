"""Which rows an epoch shows a network, in which order, and how they are cut into steps and pieces.

Benign lesions outnumber malignant ones a thousand to one. So every epoch draws a few of them anew, and the network sees
both about equally often while in the course of the epochs it sees most of what there is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.streams import generator_of

__all__ = ["LEAST_OF_PIECE", "EpochSize", "epoch_rows", "epoch_size", "num_steps", "pieces_of", "steps_of"]

LEAST_OF_PIECE = 2
"""Rows of a piece: a batch norm has no variance of one."""


class EpochSize(NamedTuple):
    """How many steps every epoch has, and how many rows these show."""

    steps: int
    rows: int


def epoch_rows(target: NDArray[np.int8], config: ImageConfig, seed: int, fold: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of an epoch in training order; of no other epoch, seed or fold.

    Malignant rows come `positive_repeats` times each, or with `bagging` as many are drawn with repetition. Of benign
    rows, `negatives_per_positive` for each malignant row that there is, rounded, are drawn without repetition, or all
    where there are not so many. The order is a random one of all of these.

    Args:
        target: 0 or 1 of the rows to train on, shape (N,).
        config: how to train.
        seed: of the network.
        fold: that is held out; -1 where none is.
        epoch: from 0.

    Returns:
        Places in `target`, shape (M,); M is the same in every epoch.

    Raises:
        InputError: if there is no malignant or no benign row.
    """
    positives, negatives = _split(target)
    if config.bagging:
        drawn = generator_of("positives", seed, fold, epoch).integers(len(positives), size=len(positives))
        positives = positives[drawn]
    count = _num_negatives(len(positives), len(negatives), config)
    if count < len(negatives):
        negatives = generator_of("negatives", seed, fold, epoch).choice(negatives, count, replace=False)
    rows = np.concatenate([np.tile(positives, config.positive_repeats), negatives])
    shown: NDArray[np.int64] = generator_of("order", seed, fold, epoch).permutation(rows)
    return shown


def num_steps(target: NDArray[np.int8], config: ImageConfig) -> int:
    """Return how many steps every epoch has.

    Args:
        target: as of `epoch_rows`.
        config: how to train.

    Raises:
        InputError: if there is no malignant or no benign row, or too few rows for one step.
    """
    positives, negatives = _split(target)
    return epoch_size(len(positives), len(negatives), config).steps


def epoch_size(positives: int, negatives: int, config: ImageConfig) -> EpochSize:
    """Return how large every epoch is.

    Args:
        positives: malignant rows to train on.
        negatives: benign rows to train on.
        config: how to train.

    Raises:
        InputError: if there is no malignant or no benign row, or too few rows for one step.
    """
    _check_both(positives, negatives)
    rows = positives * config.positive_repeats + _num_negatives(positives, negatives, config)
    whole, rest = divmod(rows, config.batch)
    is_kept = _is_kept(rest, config.pieces)
    if not whole + is_kept:
        raise InputError(
            f"an epoch has {rows} rows, too few for a step in {config.pieces} pieces",
            fix="Train on more rows, or lower `pieces`",
        )
    return EpochSize(whole + is_kept, rows if is_kept else whole * config.batch)


def steps_of(rows: NDArray[np.int64], batch: int, pieces: int = 1) -> list[NDArray[np.int64]]:
    """Cut an epoch's rows into steps of `batch`; a short last one is left out if it has under 2 rows a piece.

    Args:
        rows: in training order, shape (M,).
        batch: rows of a step, at least 1.
        pieces: into how many parts a step will be cut, at least 1.

    Returns:
        The steps' rows in order, each of shape (batch,), the last perhaps shorter.
    """
    whole, rest = divmod(len(rows), batch)
    kept = len(rows) if _is_kept(rest, pieces) else whole * batch
    return [rows[start : min(start + batch, kept)] for start in range(0, kept, batch)]


def pieces_of(rows: NDArray[np.int64], pieces: int) -> list[NDArray[np.int64]]:
    """Cut a step's rows into so many runs whose lengths differ by at most one, longer ones first.

    Args:
        rows: of the step, shape (B,).
        pieces: at least 1; where it is above B, the last ones are empty.
    """
    return list(np.array_split(rows, pieces))


def _split(target: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if unknown := set(np.unique(target).tolist()) - {0, 1}:
        raise ValueError(f"expected targets 0 and 1, got {sorted(unknown)[0]}")
    positives, negatives = np.flatnonzero(target == 1), np.flatnonzero(target == 0)
    _check_both(len(positives), len(negatives))
    return positives, negatives


def _check_both(positives: int, negatives: int) -> None:
    for kind, rows in (("malignant", positives), ("benign", negatives)):
        if rows < 1:
            raise InputError(
                f"no {kind} lesion among the {positives + negatives:,} to train on",
                fix="Give more lesions, or fewer folds, so that every fold's rest holds both kinds",
            )


def _num_negatives(positives: int, negatives: int, config: ImageConfig) -> int:
    if config.negatives_per_positive is None:
        return negatives
    return min(negatives, max(1, int(positives * config.negatives_per_positive + 0.5)))


def _is_kept(rest: int, pieces: int) -> bool:
    return rest >= LEAST_OF_PIECE * pieces
