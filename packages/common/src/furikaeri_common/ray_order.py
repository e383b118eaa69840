"""What a command asks of a Ray cluster; plain values, which travel as JSON to the process that talks to Ray."""

from __future__ import annotations

from typing import Literal, NamedTuple

from furikaeri_common.ray_room import Need

__all__ = ["GO_ON", "Order"]

GO_ON = "What is finished is kept: run the same command on a new cluster to go on"
"""What to do when a cluster is of no more use."""


class Order(NamedTuple):
    """One call of the engine.

    Args:
        address: of the cluster; "": one that is found, or a new one on this machine.
        folder: for files of this process.
        workers: slots at most.
        cpus: of each task.
        gpus: of each task; None: one if any machine has one.
        memory: bytes of each task, 0: not declared.
        storage: see `RayCluster`.
        store: the folder of finished tasks.
        reads: absolute paths of what tasks read.
        path: `sys.path` of the command.
        variables: environment variables that tasks may need.
        versions: of the packages here.
    """

    address: str
    folder: str
    workers: int
    cpus: int
    gpus: float | None
    memory: int
    storage: Literal["auto", "shared", "collected"]
    store: str
    reads: list[str]
    path: list[str]
    variables: dict[str, str]
    versions: dict[str, str]

    @property
    def need(self) -> Need:
        """What Ray sets aside for a task."""
        return Need(self.cpus, self.gpus or 0.0, self.memory)
