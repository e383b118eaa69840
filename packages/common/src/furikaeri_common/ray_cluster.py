"""The engine of a Ray cluster (io)."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from furikaeri_common.errors import MissingExtraError
from furikaeri_common.tasks import Pool

__all__ = ["RayCluster", "require_ray"]


@dataclass(frozen=True, slots=True)
class RayCluster:
    """Workers on the machines of a Ray cluster.

    Args:
        address: of the cluster, such as "10.0.0.1:6379"; "": RAY_ADDRESS, one that runs on this machine, or a new one
            that ends with the work.
        workers: how many at most; None: as many as the cluster takes.
        gpus: set aside for each; a share such as 0.5 will do.
        memory: bytes set aside for each; 0: none.
        storage: "shared": workers write into the store themselves; "collected": what they made is brought to this
            machine, which writes it; "auto": shared if every machine is seen to see the store.
        on_note: told in a line where the work is done.
    """

    address: str = ""
    workers: int | None = None
    gpus: float = 0.0
    memory: int = 0
    storage: Literal["auto", "shared", "collected"] = "auto"
    on_note: Callable[[str], None] | None = field(default=None, compare=False)

    @contextlib.contextmanager
    def start(self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]) -> Iterator[Pool]:
        """Start workers wherever the cluster has room; leaving kills them and whatever they started."""
        raise NotImplementedError
        yield


def require_ray() -> None:
    """Raise if Ray is not installed.

    Raises:
        MissingExtraError: if it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("--engine ray", distribution="furikaeri-common", extra="ray")
