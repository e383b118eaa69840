"""Where a command's tasks are performed: on this machine, or on a Ray cluster.

def train_cli(engine: EngineName = "local", address: Address = "", workers: EngineWorkers = None,
              task_gpus: TaskGpus = None, task_memory: TaskMemory = None) -> None:
    chosen = engine_for(engine, address, workers, task_gpus, task_memory, output=output, own=1)
"""

from __future__ import annotations

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
    typer.Option("--task-gpus", min=0.0, help="GPUs that Ray sets aside for each task; a share such as 0.5 will do."),
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
) -> Engine:
    """Return the engine that the options say.

    Args:
        name: of `--engine`.
        address: of the cluster.
        workers: tasks at once; None: `own` here, and what the cluster takes there.
        task_gpus: GPUs of each task; None: none.
        task_memory: GiB of each task; None: not declared.
        output: told where the work is done.
        own: the workers of this machine where none are asked for.

    Raises:
        InputError: if options of a cluster are given without it.
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
    memory = round((task_memory or 0) * _GIB)
    return RayCluster(address=address, workers=workers, gpus=task_gpus or 0.0, memory=memory, on_note=output.note)
