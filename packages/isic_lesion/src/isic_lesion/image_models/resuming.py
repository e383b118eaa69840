"""Where a training begins: where its checkpoint left it, if that is of the very same training (io)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.image_models.checkpoints import (
    Checkpoint,
    digest_of_arrays,
    digest_of_json,
    read_checkpoint,
    remove_unfinished,
    write_checkpoint,
)
from isic_lesion.image_models.learner import Learner, arrays_of, put_arrays
from isic_lesion.image_models.objectives import Truths
from isic_lesion.image_models.processes import Processes, agree
from isic_lesion.image_models.progress import Progress, progress_from
from isic_lesion.image_models.step_plan import Plan

if TYPE_CHECKING:
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["identity_of", "keep", "take_up"]

_BEST = "best/"
_OF_NO_WEIGHT = ("name", "seeds", "checkpoint_steps")  # settings that a network's weights do not depend on


def identity_of(rows: ImageRows, plan: Plan, held_out: NDArray[np.int64], truths: Truths, network: Any) -> str:
    """Return a digest of all that the trained weights depend on, in hexadecimal.

    Args:
        rows: lesions. Of their pictures the sizes of the files count, not the contents.
        plan: of the training.
        held_out: rows that tell when to stop.
        truths: of the rows.
        network: as it begins, on the processor.
    """
    import PIL
    import timm
    import torch

    settings = plan.config.to_json()
    seen = rows.frame.select("isic_id", "source", "target")[np.concatenate([plan.train, held_out])]
    columns = {
        "source": seen["source"].to_numpy(),
        "target": seen["target"].to_numpy(),
        "labels": truths.labels[plan.train],
        "weights": truths.weights[plan.train],
    }
    return digest_of_json(
        {
            "config": {name: settings[name] for name in settings if name not in _OF_NO_WEIGHT},
            "seed": plan.seed,
            "fold": plan.fold,
            "ids": hashlib.sha256("\n".join(seen["isic_id"]).encode()).hexdigest(),
            "rows": digest_of_arrays(columns),
            "num_train": len(plan.train),
            "files": [path.stat().st_size for path in rows.files],
            "inputs": network.inputs._asdict(),
            "weights": digest_of_arrays({name: tensor.numpy() for name, tensor in network.state_dict().items()}),
            "versions": [torch.__version__, timm.__version__, np.__version__, PIL.__version__],
        }
    )


def take_up(
    path: Path | None, identity: str, learner: Learner, processes: Processes
) -> tuple[Progress, dict[str, NDArray[Any]] | None]:
    """Put a learner where the checkpoint left one, if there is one that fits.

    Args:
        path: of the checkpoint; None: there is none.
        identity: of the training.
        learner: at its first step.
        processes: that train together; one that reads another checkpoint than the rest makes all begin anew.

    Returns:
        How far the training is, and the best epoch's weights where that is kept.

    Raises:
        InputError: if the file cannot be read, or the processes are not about the same training.
    """
    if path is not None and processes.is_first:
        remove_unfinished(path)
    if not agree(processes, [int(identity[:15], 16)], learner.device):
        raise InputError(
            "the processes of this training do not have the same settings, rows and first weights",
            fix="Give all of them the same files and packages",
        )
    kept = None if path is None else read_checkpoint(path, identity)
    step = int(kept.document["progress"]["step"]) if kept else 0
    if not agree(processes, [step], learner.device) or kept is None:
        return Progress(), None
    put_arrays(learner, kept.arrays)
    learner.scaler.load_state_dict(kept.document["scaler"])
    best = {name.removeprefix(_BEST): array for name, array in kept.arrays.items() if name.startswith(_BEST)}
    return progress_from(kept.document["progress"]), best or None


def keep(path: Path, identity: str, learner: Learner, progress: Progress, best: dict[str, NDArray[Any]] | None) -> None:
    """Write the checkpoint that `take_up` goes on from.

    Raises:
        InputError: if the file cannot be written there.
        WorkError: if the disk is full.
    """
    document = {"progress": progress.to_json(), "scaler": learner.scaler.state_dict()}
    arrays = arrays_of(learner) | {f"{_BEST}{name}": array for name, array in (best or {}).items()}
    write_checkpoint(path, identity, Checkpoint(document, arrays))
