"""Who labels: this process, or other ones here or on a cluster, each of which opens the models for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine

__all__ = ["Threads", "other_processes"]

Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Of each worker's arithmetic; 1 if left out."),
]


def other_processes(engine: Engine, threads: int | None = None) -> Engine | None:
    """Return the engine if its workers are other processes; None where this process labels by itself.

    Args:
        engine: as `engines.engine_for` gives it.
        threads: of each worker, as far as that was asked for.

    Raises:
        InputError: if threads are asked for and there are no workers.
    """
    from furikaeri_common.local_processes import LocalProcesses

    if engine != LocalProcesses(0):
        return engine
    if threads is not None:
        raise InputError("--threads is of workers, and there are none", fix="Add --workers, or leave it out")
    return None
