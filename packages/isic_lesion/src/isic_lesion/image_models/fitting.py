"""Training one network: the steps of all epochs, taken up where a killed process left them (io)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.memory import watching_memory
from furikaeri_common.models.opening import is_out_of_memory
from isic_lesion.image_models.arithmetic import peak_of_device, settled_arithmetic
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.epochs import LEAST_OF_PIECE
from isic_lesion.image_models.failures import name_of_fit, not_finite, out_of_memory
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.held_out import held_out_pauc, rows_to_measure
from isic_lesion.image_models.learner import Learner, new_learner
from isic_lesion.image_models.moving_average import standing_in
from isic_lesion.image_models.objectives import truths_of
from isic_lesion.image_models.one_step import Outcome, take_step
from isic_lesion.image_models.optimisation import rates_at
from isic_lesion.image_models.ownership import owning
from isic_lesion.image_models.pictures import load_batches, open_pictures
from isic_lesion.image_models.processes import Processes, joined, own_device
from isic_lesion.image_models.progress import EpochRecord, Progress, add_epoch, add_step, has_risen, is_over
from isic_lesion.image_models.resuming import identity_of, keep, take_up
from isic_lesion.image_models.step_plan import Plan, Step, draws_of, plan_of, steps_from
from isic_lesion.image_models.step_reports import StepReport, report_of
from isic_lesion.image_models.streams import seed_of

if TYPE_CHECKING:
    from isic_lesion.image_models.backbones import InputSpec
    from isic_lesion.image_models.rows import ImageRows
    from isic_lesion.image_models.weight_files import WeightFile

__all__ = ["EpochRecord", "Fitted", "StepReport", "fit"]

_LOOK_AT_MEMORY = 0.25  # seconds


class Fitted(NamedTuple):
    """A trained network.

    Attributes:
        state: weights to score with, by name, as `network.load_state` takes them: the moving average where there is
            one, and the best epoch's where training stops early.
        inputs: what pictures the network takes.
        digest: SHA-256 of the file its first weights came from; "" for random ones.
        history: one record an epoch.
        epochs: how many were trained.
        best_epoch: whose weights these are, from 1.
        steps: how many were taken.
        peak_bytes: the most memory that this process and those that read its pictures held together.
        peak_device_bytes: the most memory of the GPU that tensors took; None on other devices.
        bad: ids of the training pictures that were met and could not be read, in the rows' order; they taught nothing.
    """

    state: dict[str, NDArray[Any]]
    inputs: InputSpec
    digest: str
    history: tuple[EpochRecord, ...]
    epochs: int
    best_epoch: int
    steps: int
    peak_bytes: int
    peak_device_bytes: int | None
    bad: tuple[str, ...]


def fit(
    rows: ImageRows,
    train: NDArray[np.integer[Any]],
    config: ImageConfig,
    *,
    fold: int | None,
    seed: int,
    held_out: NDArray[np.integer[Any]] | None = None,
    checkpoint: Path | None = None,
    workers: int = 0,
    weights: WeightFile | None = None,
    on_step: Callable[[StepReport], None] | None = None,
) -> Fitted:
    """Train one network.

    The same arguments give the same weights, on a processor bit for bit, whether or not the work was interrupted. Under
    `torchrun` every process calls this with the same arguments and takes its share of each step; all return the same
    weights.

    Args:
        rows: lesions, and where their pictures are.
        train: places in `rows.frame` to train on, each once; shape (N,).
        config: how.
        fold: that is held out, part of what fixes the randomness; None: the network of all rows.
        seed: of the network, at least 0.
        held_out: places whose pAUC tells when to stop; needed with `config.early_stopping`, else unused.
        checkpoint: the file that keeps the state of training every `config.checkpoint_steps` steps, and that training
            goes on from where it fits. It stays when training has ended: remove it with `remove_checkpoint` once the
            result is kept. None: nothing is kept.
        workers: processes that read pictures, for each process that trains; 0: none but this one.
        weights: the file of the weights that the configuration names, where it is known already.
        on_step: told of each step, in the first process alone, after its checkpoint was written. What it raises ends
            the training.

    Returns:
        The network's weights, and how training went.

    Raises:
        MissingExtraError: without torch and timm.
        InputError: if there is no malignant or no benign lesion to train on, or backbone, weights, device, processes or
            held-out rows are not what the configuration needs.
        WorkError: if loss or gradient is not finite, memory does not suffice, another process of the training ended, or
            one began that writes the same checkpoint.
        TypeError: if rows are given by anything but whole numbers, such as a mask.
    """
    targets, train = rows.frame["target"].to_numpy(), _places("train", train)
    plan = plan_of(train, targets[train], config, seed=seed, fold=fold)
    measured = rows_to_measure(targets, config, None if held_out is None else _places("held_out", held_out))
    device = own_device(config.device)
    name = name_of_fit(config, fold, seed)
    with (
        joined(device) as processes,
        owning(checkpoint if processes.is_first else None, name) as check_owner,
        settled_arithmetic(config.threads, device),
        watching_memory(every=_LOOK_AT_MEMORY) as memory,
        _telling_out_of_memory(name, config, device),
    ):
        _check_shares(config, processes)
        network = _new_network(plan, weights)
        truths = truths_of(rows, heads_of(config), plan.train, soft=config.soft_labels)
        identity = identity_of(rows, plan, measured, truths, network)
        learner = new_learner(network, heads_of(config), config, device)
        _check_pieces(config, learner)
        progress, best = take_up(checkpoint, identity, learner, processes)
        pictures = open_pictures(rows, network.inputs, config.augmentation)
        draws = draws_of(plan, progress.step, rank=processes.rank, count=processes.count)
        with contextlib.closing(load_batches(pictures, draws, workers=workers)) as batches:
            for step in steps_from(plan, progress.step):
                if is_over(progress, config, plan.num_steps):
                    break
                started = time.perf_counter()
                outcome = take_step(learner, plan, step, batches, truths, processes)
                seconds = time.perf_counter() - started
                if not outcome.is_finite:
                    raise _not_finite(name, plan, step, outcome, rows)
                progress = _after_step(progress, step, outcome, seconds)
                if step.ends_epoch:
                    pauc = held_out_pauc(learner, rows, measured, config, workers=workers, processes=processes)
                    progress = add_epoch(progress, rates_at(step.number, plan.num_steps, config), pauc)
                    best = _scoring_state(learner) if pauc is not None and has_risen(progress) else best
                if checkpoint is not None and processes.is_first and progress.step % config.checkpoint_steps == 0:
                    check_owner()
                    keep(checkpoint, identity, learner, progress, best)
                if on_step is not None and processes.is_first:
                    on_step(report_of(plan, step, outcome, progress, seconds))
        check_owner()
        memory.look()
        return Fitted(
            state=_scoring_state(learner) if best is None else best,
            inputs=network.inputs,
            digest=network.digest,
            history=progress.history,
            epochs=len(progress.history),
            best_epoch=progress.best_epoch,
            steps=progress.step,
            peak_bytes=memory.peak,
            peak_device_bytes=peak_of_device(device),
            bad=tuple(rows.frame["isic_id"][list(progress.damaged)]),
        )


def _places(name: str, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    if not np.issubdtype(rows.dtype, np.integer):
        raise TypeError(f"expected {name}: places of rows as whole numbers, got {rows.dtype}")
    return rows.astype(np.int64)


def _check_shares(config: ImageConfig, processes: Processes) -> None:
    if processes.count > config.pieces:
        raise InputError(
            f"model {config.name}: a step in {config.pieces} piece{'s' * (config.pieces > 1)} cannot be shared by "
            f"{processes.count} processes",
            fix=f"Set pieces to {processes.count} or a multiple of it, or start fewer processes",
        )


def _check_pieces(config: ImageConfig, learner: Learner) -> None:
    if learner.statistics.moving and config.batch < LEAST_OF_PIECE * config.pieces:
        raise InputError(
            f"model {config.name}: a batch of {config.batch} in {config.pieces} piece{'s' * (config.pieces > 1)} has "
            f"pieces of fewer than {LEAST_OF_PIECE} pictures, and {config.backbone} takes batch statistics of each",
            fix=f"Raise batch to at least {LEAST_OF_PIECE * config.pieces}, or choose a backbone without batch norms",
        )


def _new_network(plan: Plan, weights: WeightFile | None) -> Any:
    import torch

    from isic_lesion.image_models.network import build_network

    torch.manual_seed(seed_of("weights", plan.seed, plan.fold))
    return build_network(plan.config, heads_of(plan.config), file=weights)


def _after_step(progress: Progress, step: Step, outcome: Outcome, seconds: float) -> Progress:
    return add_step(
        progress,
        loss=outcome.loss,
        losses=outcome.losses,
        images=len(step.rows),
        seconds=seconds,
        damaged=outcome.damaged,
    )


def _scoring_state(learner: Learner) -> dict[str, NDArray[Any]]:
    from isic_lesion.image_models.network import network_state

    with standing_in(learner.network, learner.average):
        return network_state(learner.network)


def _not_finite(name: str, plan: Plan, step: Step, outcome: Outcome, rows: ImageRows) -> WorkError:
    return not_finite(
        name,
        plan.config,
        step=step.number + 1,
        epoch=step.epoch + 1,
        losses=outcome.losses,
        isic_ids=rows.frame["isic_id"][step.rows].to_list(),
    )


@contextlib.contextmanager
def _telling_out_of_memory(name: str, config: ImageConfig, device: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(name, config, device) from error
