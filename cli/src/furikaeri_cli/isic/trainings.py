"""What commands that train models share: where the work is done, and into which folders models go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from furikaeri_cli.engines import engine_for
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine

__all__ = ["EngineOptions", "model_folders"]


class EngineOptions(NamedTuple):
    """What the options of `engines` say.

    Attributes:
        name: of `--engine`.
        address: of the cluster.
        workers: tasks at once; None: one here, and what the cluster takes there.
        task_gpus: GPUs of each task; None: as the models' devices need.
        task_memory: GiB of each task; None: not declared.
    """

    name: Literal["local", "ray"] = "local"
    address: str = ""
    workers: int | None = None
    task_gpus: float | None = None
    task_memory: float | None = None

    def engine(self, output: Output, *, devices: Sequence[str]) -> Engine:
        """Return the engine.

        Args:
            output: told where the work is done.
            devices: on which models are trained.

        Raises:
            InputError: if options of a cluster are given without it, or tasks there could not use a device.
            MissingExtraError: without the extra `ray`.
        """
        return engine_for(*self, output=output, own=1, devices=devices)


def model_folders(out: Path | None, names: Sequence[str]) -> list[Path]:
    """Return the folders that models go into.

    Args:
        out: the one model's own, or a folder that takes several; None: `models`, which takes them all.
        names: of the models.

    Raises:
        InputError: if one is a file.
    """
    folders = [out] if out is not None and len(names) == 1 else [(out or Path("models")) / name for name in names]
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file", fix="Name a folder with --out")
    return folders
