"""Where a command's tasks are performed: on this machine, or on a Ray cluster.

def train_cli(engine: EngineName = "local", address: Address = "", workers: EngineWorkers = None,
              task_gpus: TaskGpus = None, task_memory: TaskMemory = None) -> None:
    chosen = engine_for(engine, address, workers, task_gpus, task_memory, output=output, own=1, devices=[device])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine

__all__ = ["Address", "EngineName", "EngineWorkers", "TaskGpus", "TaskMemory", "engine_for"]

_GIB = 2**30

EngineName = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="Where the work is done: this machine, or a Ray cluster.")
]
Address = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The Ray cluster, such as 10.0.0.1:6379. Left out: RAY_ADDRESS, one that runs here, or a new one here.",
    ),
]
EngineWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Tasks at once, each in a process; 0: in this one. With Ray, if left out, as many as the cluster takes.",
    ),
]
TaskGpus = Annotated[
    float | None,
    typer.Option(
        "--task-gpus",
        min=0.0,
        help="GPUs that Ray sets aside for each task, which sees no others; a share such as 0.5 will do. Left out: 1 "
        "for models on cuda, and for those on auto if the cluster has any; else 0.",
    ),
]
TaskMemory = Annotated[
    float | None,
    typer.Option("--task-memory", metavar="GIB", min=0.0, help="Memory that Ray sets aside for each task."),
]


def engine_for(
    name: Literal["local", "ray"],
    address: str,
    workers: int | None,
    task_gpus: float | None,
    task_memory: float | None,
    *,
    output: Output,
    own: int,
    devices: Sequence[str] = (),
) -> Engine:
    """Return the engine that the options say.

    Args:
        name: of `--engine`.
        address: of the cluster.
        workers: tasks at once; None: `own` here, and what the cluster takes there.
        task_gpus: GPUs of each task; None: one for "cuda" and "mps", and for "auto" if the cluster has any; else none.
        task_memory: GiB of each task; None: not declared.
        output: told where the work is done.
        own: the workers of this machine where none are asked for.
        devices: on which tasks run models, as `--device` says.

    Raises:
        InputError: if options of a cluster are given without it, or tasks there could not use a device.
        MissingExtraError: without the extra `ray`.
    """
    if name == "local":
        given = {"--address": address, "--task-gpus": task_gpus, "--task-memory": task_memory}
        for option, value in given.items():
            if value:
                raise InputError(f"{option} is of a Ray cluster", fix="Add --engine ray, or leave it out")
        from furikaeri_common.local_processes import LocalProcesses

        return LocalProcesses(own if workers is None else workers)
    from furikaeri_common.ray_cluster import RayCluster, require_ray

    if workers == 0:
        raise InputError("--workers 0 means this process alone", fix="Leave --workers out, or --engine ray")
    require_ray()
    device = max(devices, key=lambda one: (one not in ("auto", "cpu"), one == "auto", one), default="cpu")
    gpus, memory = _gpus_for(device, task_gpus), round((task_memory or 0) * _GIB)
    return RayCluster(address=address, workers=workers, gpus=gpus, memory=memory, on_note=output.note)


def _gpus_for(device: str, asked: float | None) -> float | None:
    """Return the GPUs of each task on a cluster; None: as the cluster has them.

    Raises:
        InputError: if there is no such device, or a task would not see it.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise InputError(f"unknown device {device!r}", fix="Choose auto, cpu, cuda or mps")
    gpus = asked if asked is not None else {"auto": None, "cpu": 0.0}.get(kind, 1.0)
    if kind == "cuda" and gpus is not None and int(number or 0) >= gpus:
        raise InputError(
            f"a model on {device}, and {gpus:g} GPU{'s' * (gpus != 1)} for each task: a task sees no others",
            fix="Say cuda, and leave --task-gpus out or raise it",
        )
    return gpus
