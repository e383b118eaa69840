"""How fast this machine trains and scores with a backbone, from some steps and batches on made-up pictures. (io)

A sample is the work itself, cut short: `fit` on pictures of the contest's kind, stopped after some steps, and
`log_odds_of`. It runs as a task in a fresh process, so threads and memory are those of a network in a run; a GPU's
memory is told beside. The first step, in which libraries prepare themselves, is not counted.

A step costs a part that grows with its pictures and one that does not (the optimiser's). Where a whole batch takes too
long for the sample, two smaller ones are timed, and the line through both tells the whole one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from furikaeri_common.allocation import keeping_freed_memory
from furikaeri_common.artifacts import write_bytes
from furikaeri_common.configs import config_from
from furikaeri_common.tasks import Engine, Task, run_tasks
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.planning.picture_samples import BENIGN, MALIGNANT
from isic_lesion.planning.timings import Timing, Watch, only_value, own_peak

__all__ = ["NetworkSample", "measure_network", "sample_network"]

_WHOLE = 4  # steps of an epoch that are of a whole batch, at least
_SMALL = (2, 4)
_WRITTEN = 1 << 25  # bytes


class NetworkSample(NamedTuple):
    """What a sample of one backbone found.

    Attributes:
        device: where it was computed, as torch names it.
        opening: of a fresh process: it imports what it needs.
        building: of a network and of what belongs to it, before the first step.
        steps: of training; their units are pictures.
        scored: pictures in all their views.
        written: bytes that were written as a checkpoint is.
        memory: bytes of the process at its peak; `batch` says with how many pictures a step.
        of_device: bytes of the GPU's memory at its peak; None on other devices.
        batch: pictures of the largest step that was taken.
        idle: bytes of the process before it had a network.
        note: why less was measured than was asked for; empty if nothing was left out.
    """

    device: str
    opening: Timing
    building: Timing
    steps: tuple[Timing, ...]
    scored: tuple[Timing, ...]
    written: Timing
    memory: int
    of_device: int | None
    batch: int
    idle: int
    note: str = ""


class _EnoughError(Exception):
    """Ends a training that was begun for its pace alone."""


def sample_network(
    config: ImageConfig, pictures: Path, store: Path, *, seconds: float, engine: Engine
) -> NetworkSample:
    """Measure a model's networks, in a fresh process.

    Args:
        config: of the model.
        pictures: of `made_up_pictures`.
        store: a folder for what the task leaves.
        seconds: beside what opening, building and a first step take.
        engine: where; of one worker.

    Raises:
        WorkError: if it cannot be measured.
    """
    inputs = {"config": config.to_json(), "pictures": str(pictures), "seconds": seconds}
    report = run_tasks(
        measure_network,
        [Task(config.name, inputs)],
        store=store,
        engine=engine,
        threads=config.threads,
        retries=0,
        reads=[pictures],
    )
    return _sample_of(only_value(report))


@keeping_freed_memory()
def measure_network(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Measure one model's network: the task of `sample_network`.

    Args:
        inputs: `config`, `pictures` (a folder) and `seconds`.
        folder: of the task; what is written there to be timed is removed again.

    Returns:
        A `NetworkSample` as JSON has it.
    """
    watch = Watch()
    import timm  # noqa: F401
    import torch  # noqa: F401

    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.image_models.arithmetic import peak_of_device
    from isic_lesion.image_models.rows import read_image_rows

    lesions = open_lesions(Path(inputs["pictures"]))
    assert lesions.images is not None
    rows = read_image_rows(lesions.metadata, lesions.images)
    opening = watch.lap(1)
    idle = own_peak()
    asked = config_from(ImageConfig, {**inputs["config"], "weights": "none"}, source="the task")
    device = _device_of(asked)
    endless = _endless(asked)
    allowed = float(inputs["seconds"])
    built, tried = _train(rows, replace(endless, batch=_SMALL[0], pieces=1), allowed / 4)
    note, largest = "", _SMALL[0]
    steps = tried
    whole = tried[-1].seconds * asked.batch / _SMALL[0]
    if whole <= 2 * allowed:
        _, steps = _train(rows, endless, allowed / 2)
        largest = asked.batch
    else:
        _, more = _train(rows, replace(endless, batch=_SMALL[1], pieces=1), allowed / 4)
        steps, largest = [*tried, *more], _SMALL[1]
        note = f"a step of {asked.batch} pictures takes too long here to be tried; told from steps of {_SMALL}"
    memory, of_device = own_peak(), peak_of_device(device)
    scored = _score(rows, asked, device, allowed / 2)
    sample = NetworkSample(
        device,
        opening,
        built,
        tuple(steps),
        tuple(scored),
        _write(folder),
        memory,
        of_device,
        largest,
        idle,
        note,
    )
    return {**sample._asdict(), **{name: list(map(list, getattr(sample, name))) for name in ("steps", "scored")}}


def _sample_of(value: Mapping[str, Any]) -> NetworkSample:
    one = {name: Timing(*value[name]) for name in ("opening", "building", "written")}
    some = {name: tuple(Timing(*timing) for timing in value[name]) for name in ("steps", "scored")}
    return NetworkSample(**{**value, **one, **some})


def _endless(config: ImageConfig) -> ImageConfig:
    """Return a model that trains for ever; malignant rows come so often that the first steps of an epoch are whole."""
    return replace(
        config,
        epochs=100_000,
        positive_repeats=max(1, -(-(_WHOLE * config.batch - BENIGN) // MALIGNANT)),
        negatives_per_positive=None,
        bagging=False,
        early_stopping=None,
        checkpoint_steps=10**9,
    )


def _device_of(config: ImageConfig) -> str:
    from isic_lesion.image_models.processes import own_device

    return own_device(config.device)


def _train(rows: Any, config: ImageConfig, seconds: float) -> tuple[Timing, list[Timing]]:
    """Return how long building took, and the steps after the first that fit the time; at least one."""
    from isic_lesion.image_models.fitting import fit

    watch, laps = Watch(), list[Timing]()
    began = time.perf_counter()

    def on_step(report: Any) -> None:
        nonlocal began
        laps.append(watch.lap(report.images))
        if len(laps) == 1:
            began = time.perf_counter()
        elif time.perf_counter() - began >= seconds:
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        fit(rows, np.arange(len(rows.frame)), config, fold=None, seed=0, on_step=on_step)
    first, *others = laps
    usual = float(np.median([lap.seconds for lap in others])), float(np.median([lap.processor for lap in others]))
    building = Timing(1, max(0.0, first.seconds - usual[0]), max(0.0, first.processor - usual[1]))
    return building, [lap for lap in others if lap.units == config.batch]


def _score(rows: Any, config: ImageConfig, device: str, seconds: float) -> list[Timing]:
    import torch

    from isic_lesion.image_models.arithmetic import settled_arithmetic
    from isic_lesion.image_models.heads import heads_of
    from isic_lesion.image_models.inference import SCORING_BATCH, log_odds_of
    from isic_lesion.image_models.network import build_network

    torch.manual_seed(0)
    network = build_network(config, heads_of(config), weights="none")
    with settled_arithmetic(config.threads, device):

        def timed(count: int) -> Timing:
            places = np.arange(count) % len(rows.frame)
            watch = Watch()
            log_odds_of(network, rows, places, config, device=device)
            return watch.lap(count)

        timed(1)
        one = timed(1)
        count = int(min(SCORING_BATCH, max(1, 2 * seconds / one.seconds)))
        if count == 1:
            return [one]
        found = [timed(count)]
        while sum(timing.seconds for timing in found) < seconds:
            found.append(timed(count))
        return found


def _write(folder: Path) -> Timing:
    from isic_lesion.image_models.checkpoints import Checkpoint, write_checkpoint

    arrays = {str(number): np.zeros(_WRITTEN // 32, dtype=np.float32) for number in range(8)}
    file = folder / "timed.safetensors"
    write_bytes(file, b"")
    watch = Watch()
    write_checkpoint(file, "timed", Checkpoint({}, arrays))
    lap = watch.lap(_WRITTEN)
    file.unlink()
    return lap
