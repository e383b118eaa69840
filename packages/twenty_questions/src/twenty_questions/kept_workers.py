"""Workers that stay up from one call of `run_tasks` to the next (io), so that a model that is open stays open."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Engine, Pool

__all__ = ["kept_workers"]


@contextlib.contextmanager
def kept_workers(engine: Engine, tasks: int) -> Iterator[Engine]:
    """Give an engine whose workers start at the first call, serve the later ones, and end with the block.

    Args:
        engine: where they are; this process alone has none to keep.
        tasks: of the largest call.
    """
    if engine == LocalProcesses(0):
        yield engine
        return
    with contextlib.ExitStack() as stack:
        yield _Kept(engine, tasks, stack)


class _Kept:
    def __init__(self, engine: Engine, tasks: int, stack: contextlib.ExitStack) -> None:
        self._engine, self._tasks, self._stack = engine, tasks, stack
        self._pool: Pool | None = None
        self._serves: tuple[str, int, Path, tuple[Path, ...]] | None = None

    @contextlib.contextmanager
    def start(self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]) -> Iterator[Pool]:
        """Give the workers that are up; they serve one function, store and choice of files.

        Raises:
            ValueError: if they are to serve another one.
        """
        asked = (function, threads, store, tuple(reads))
        if self._pool is None:
            self._serves = asked
            self._pool = self._stack.enter_context(
                self._engine.start(function, threads=threads, tasks=self._tasks, store=store, reads=reads)
            )
        if asked != self._serves:
            raise ValueError(f"expected workers of {self._serves}, got {asked}")
        yield self._pool
