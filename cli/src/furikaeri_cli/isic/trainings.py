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
        task_gpus: GPUs of each task; None: one where the models are trained on a GPU, else none.
        task_memory: GiB of each task; None: not declared.
    """

    name: Literal["local", "ray"] = "local"
    address: str = ""
    workers: int | None = None
    task_gpus: float | None = None
    task_memory: float | None = None

    def engine(self, output: Output, *, on_gpu: bool) -> Engine:
        """Return the engine.

        Args:
            output: told where the work is done.
            on_gpu: whether the models are trained on a GPU.

        Raises:
            InputError: if options of a cluster are given without it.
            MissingExtraError: without the extra `ray`.
        """
        gpus = 1.0 if self.task_gpus is None and self.name == "ray" and on_gpu else self.task_gpus
        return engine_for(self.name, self.address, self.workers, gpus, self.task_memory, output=output, own=1)


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
