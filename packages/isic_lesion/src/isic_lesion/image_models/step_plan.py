"""Which rows every step of a training takes, in which pieces, with which seeds: known before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.epochs import epoch_rows, num_steps, pieces_of, steps_of
from isic_lesion.image_models.pictures import Draw
from isic_lesion.image_models.streams import seed_of

__all__ = ["Plan", "Step", "draws_of", "piece_seed", "plan_of", "steps_from"]


class Plan(NamedTuple):
    """A whole training.

    Attributes:
        train: rows to train on, shape (N,).
        target: 0 or 1 of them, shape (N,).
        config: how.
        seed: of the network.
        fold: that is held out; -1 where none is.
        steps_per_epoch: in every epoch.
        num_steps: in all epochs.
    """

    train: NDArray[np.int64]
    target: NDArray[np.int8]
    config: ImageConfig
    seed: int
    fold: int
    steps_per_epoch: int
    num_steps: int


class Step(NamedTuple):
    """One step.

    Attributes:
        number: from 0.
        epoch: from 0.
        first: place of its first row in its epoch.
        rows: all of its rows, shape (B,).
        pieces: the same, cut.
        ends_epoch: whether it is its epoch's last.
    """

    number: int
    epoch: int
    first: int
    rows: NDArray[np.int64]
    pieces: tuple[NDArray[np.int64], ...]
    ends_epoch: bool


def plan_of(
    train: NDArray[np.int64], target: NDArray[np.int8], config: ImageConfig, *, seed: int, fold: int | None
) -> Plan:
    """Return the plan of a training.

    Args:
        train: rows to train on, shape (N,).
        target: 0 or 1 of them, shape (N,).
        config: how.
        seed: of the network.
        fold: that is held out; None: none.

    Raises:
        InputError: if there is no malignant or no benign row, or too few rows for a step.
    """
    per_epoch = num_steps(target, config)
    return Plan(train, target, config, seed, -1 if fold is None else fold, per_epoch, per_epoch * config.epochs)


def steps_from(plan: Plan, start: int) -> Iterator[Step]:
    """Yield the steps from a number on, from 0; none of them depends on where one starts."""
    config = plan.config
    for epoch in range(start // plan.steps_per_epoch, config.epochs):
        order = plan.train[epoch_rows(plan.target, config, plan.seed, plan.fold, epoch)]
        first = 0
        for within, rows in enumerate(steps_of(order, config.batch, config.pieces)):
            number = epoch * plan.steps_per_epoch + within
            if number >= start:
                pieces = tuple(pieces_of(rows, config.pieces))
                yield Step(number, epoch, first, rows, pieces, within + 1 == plan.steps_per_epoch)
            first += len(rows)


def draws_of(plan: Plan, start: int, *, rank: int = 0, count: int = 1) -> Iterator[list[Draw]]:
    """Yield one process's pieces of the steps from a number on: rows, and seeds of their augmentation.

    Args:
        plan: of the training.
        start: first step, from 0.
        rank: of the process.
        count: of processes; process r takes the pieces r, r + count, r + 2 count and so on.
    """
    for step in steps_from(plan, start):
        place = step.first
        for number, piece in enumerate(step.pieces):
            if number % count == rank:
                yield [
                    Draw(int(row), seed_of("augment", plan.seed, plan.fold, step.epoch, place + offset))
                    for offset, row in enumerate(piece)
                ]
            place += len(piece)


def piece_seed(plan: Plan, step: Step, piece: int) -> int:
    """Return the seed of dropout and the like in a piece's forward pass."""
    return seed_of("piece", plan.seed, plan.fold, step.number, piece)
