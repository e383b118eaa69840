"""One network of an image model as a task: trained, then asked about what it has never seen. (io)"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.allocation import keeping_freed_memory
from furikaeri_common.artifacts import write_bytes, write_tensors
from furikaeri_common.configs import config_from
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from furikaeri_common.task_store import folder_name
from furikaeri_common.tensors import pack_tensors
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.image_models.arithmetic import settled_arithmetic
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.fitting import fit
from isic_lesion.image_models.folder import network_with
from isic_lesion.image_models.inference import log_odds_of
from isic_lesion.image_models.processes import Processes, add_up, joined, own_device
from isic_lesion.image_models.shared_data import read_shared, weights_of
from isic_lesion.image_models.training_progress import ProgressFile

__all__ = ["PROGRESS", "UNFINISHED", "checkpoint_of", "key_of", "name_of_network", "train_network"]

UNFINISHED, PROGRESS = "unfinished", "progress"
"""Folders beside the one of finished networks."""


def name_of_network(config: ImageConfig, part: Part) -> str:
    """Return what people call a network."""
    return f"{config.name} {part.name}"


def key_of(config: ImageConfig, part: Part, inputs: Mapping[str, Any]) -> str:
    """Return the key of a network's task.

    It tells the inputs too: models of one name that are trained at once, of other settings or lesions, share a folder
    of parts and must not take each other's networks for their own.
    """
    return f"{name_of_network(config, part)} {fingerprint(inputs)[:12]}"


def checkpoint_of(root: Path, key: str) -> Path:
    """Return the file that keeps the state of a training."""
    return root / UNFINISHED / f"{folder_name(key)}.safetensors"


@keeping_freed_memory()
def train_network(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Train one network and score what it holds out: the task that `train_image_models` hands to an engine.

    Args:
        inputs: as `train_image_models` makes them.
        folder: takes `weights.safetensors` and `log_odds.safetensors`; it lies in the folder of finished parts.

    Returns:
        How it was trained, as JSON has it.
    """
    root = folder.parent.parent
    data = root / inputs["data"]
    shared = read_shared(data)
    _check_seen(shared.rows.files)
    config = config_from(ImageConfig, {**inputs["config"], "seeds": [inputs["seed"]]}, source="the task")
    part = Part(inputs["fold"], inputs["seed"])
    train, held_out = shared.split(part.fold)
    key = key_of(config, part, inputs)
    device = own_device(config.device)
    with joined(device) as processes:
        fitted = fit(
            shared.rows,
            train,
            config,
            fold=part.fold,
            seed=part.seed,
            held_out=held_out if config.early_stopping is not None else None,
            checkpoint=checkpoint_of(root, key),
            workers=shared.readers,
            weights=weights_of(inputs, data),
            on_step=ProgressFile(root / PROGRESS, key, name_of_network(config, part)),
        )
        with settled_arithmetic(config.threads, device):
            own = log_odds_of(
                network_with(config, fitted.inputs, fitted.state),
                shared.rows,
                held_out,
                config,
                device=device,
                workers=shared.readers,
                share=(processes.rank, processes.count),
            )
        log_odds = _summed(own, processes, device)
    if processes.is_first:
        document = {
            "config": inputs["config"],
            "fold": part.fold,
            "seed": part.seed,
            "pictures": fitted.inputs._asdict(),
        }
        write_bytes(folder / "weights.safetensors", pack_tensors(document, fitted.state))
        write_tensors(folder / "log_odds.safetensors", {"log_odds": log_odds})
    return {
        "epochs": fitted.best_epoch,
        "steps": fitted.steps,
        "rows": len(train),
        "peak_bytes": fitted.peak_bytes if fitted.peak_device_bytes is None else fitted.peak_device_bytes,
        "device": device,
        "bad": list(fitted.bad),
        "history": [{**epoch._asdict(), "losses": dict(epoch.losses)} for epoch in fitted.history],
    }


def _check_seen(files: Sequence[Path]) -> None:
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{file}: is not there on {socket.gethostname()}, which sees the folder of parts",
                fix="Keep pictures and models on one storage: both where every machine sees them, or both on one's own",
            )


def _summed(log_odds: NDArray[np.float64], processes: Processes, device: str) -> NDArray[np.float64]:
    """Return the sum over all processes, each of which scored some of the rows."""
    if processes.count == 1:
        return log_odds
    import torch

    values = torch.from_numpy(log_odds).to(device)
    add_up(processes, values)
    summed: NDArray[np.float64] = values.cpu().numpy()
    return summed
