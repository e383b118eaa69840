"""What runs on the machines of a Ray cluster (io): one keeper a machine, one slot for each task at once.

Plain classes, which `ray_driver` makes into actors: nothing here knows of Ray. A slot holds a worker process, in which
a task meets the same world as on the machine of the command; the keeper looks whether the machine has what tasks need,
and keeps its scratch folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.carried_files import (
    Inventory,
    Piece,
    below,
    inventory_of,
    is_same,
    packets,
    place,
    renamed,
    write_piece,
)
from furikaeri_common.line_processes import World
from furikaeri_common.packages import package_versions
from furikaeri_common.task_store import RESULT, Job, Outcome, clear_unfinished, folder_name, hidden_folder, read_stored
from furikaeri_common.worker_processes import WorkerPool

__all__ = ["Made", "MachineKeeper", "TaskSlot", "carried_variables"]

_CARRIED = re.compile(r"HF_\w+|FURIKAERI_\w+|\w+_API_KEY|TRANSFORMERS_OFFLINE|CUBLAS_WORKSPACE_CONFIG|PYTHONHASHSEED")


class Made(NamedTuple):
    """How an attempt ended and, where its result is to be collected, the value and whether files go with it."""

    outcome: Outcome
    value: Any = None
    has_files: bool = False


class MachineKeeper:
    """Knows one machine: what is installed, which files it sees, and where copies of others lie."""

    def __init__(self) -> None:
        # Named and swept as a store is: what a keeper leaves when it is killed goes when the next one comes.
        folder = Path(tempfile.gettempdir()) / f"furikaeri-scratch-{os.getuid() if hasattr(os, 'getuid') else 'all'}"
        clear_unfinished(folder)
        self._scratch = hidden_folder(folder, "scratch")
        self._store: Path | None = None

    def scratch(self) -> str:
        """Return where copies lie; nothing may be there yet."""
        return str(self._scratch)

    def versions(self) -> dict[str, str]:
        """Return what is installed."""
        return package_versions()

    def sees_probe(self, probe: str, word: str, answer: str) -> bool:
        """Say whether a file holds a word, and leave it in another beside it.

        Args:
            probe: the file, in a folder of a store, which is then cleared of what this machine left unfinished.
            word: that nobody else has written.
            answer: the name of the other file.
        """
        with contextlib.suppress(OSError):
            if Path(probe).read_text() == word:
                Path(probe).with_name(answer).write_text(word)
                self._store = Path(probe).parents[1]
                clear_unfinished(self._store)
                return True
        return False

    def sees(self, path: str, expected: Inventory, without: str) -> bool:
        """Say whether a file or folder is here as it is on the machine of the command."""
        return is_same(Path(path), expected, without=Path(without))

    def link(self, path: str, target: str, without: str) -> None:
        """Let a path be found in the scratch folder without a copy, all but one folder in it, and what is there."""
        link = place(self._scratch, path)
        is_there = link.is_dir() and not link.is_symlink()
        if below(without, [path]) or (is_there and Path(target).is_dir()):
            link.mkdir(parents=True, exist_ok=True)
            for entry in Path(target).iterdir():
                inner = str(Path(path) / entry.name)
                if inner != without:
                    self.link(inner, str(entry), without)
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(target)

    def receive(self, path: str, pieces: Sequence[Piece]) -> None:
        """Take the next part of a copy."""
        for piece in pieces:
            write_piece(self._part(path), Piece(*piece))

    def settle(self, path: str, expected: Inventory) -> bool:
        """Give a copy its place, and say whether it is whole."""
        found = inventory_of(self._part(path), contents=False)
        if found is None or found.sized != expected.sized:
            return False
        copy = place(self._scratch, path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        self._part(path).rename(copy)
        return True

    def clear(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def end(self) -> None:
        """Remove the scratch folder, and what tasks that were ended left in the store, and end this process."""
        self.clear()
        if self._store is not None:
            clear_unfinished(self._store)
        os._exit(0)

    def _part(self, path: str) -> Path:
        return self._scratch / f".part-{folder_name(path)}"


class TaskSlot:
    """Performs one job at a time in a worker process, which it keeps, so that a model is loaded once.

    Args:
        threads: each task computes with so many.
        path: `sys.path` of the command.
        variables: environment variables of the command that tasks may need.
        folder: where the command stands.
        scratch: of this machine.
        renamed_below: absolute paths whose copies lie in it.
        collected: whether what tasks make is brought to the machine of the command.
    """

    def __init__(
        self,
        threads: int,
        path: Sequence[str],
        variables: Mapping[str, str],
        folder: str,
        scratch: str,
        renamed_below: Sequence[str],
        collected: bool,
    ) -> None:
        self._pool = WorkerPool(1, threads, _world(path, variables, folder))
        self._scratch = scratch
        self._renamed = tuple(renamed_below)
        self._collected = collected
        self._stores = set[Path]()
        self._made = Path()
        self._packets: Iterator[list[Piece]] = iter(())

    def ready(self) -> int:
        """Return the number of this process, once it is up."""
        return os.getpid()

    def perform(self, job: Job) -> Made:
        """Perform a job whose paths are those of the machine of the command."""
        here = self._as_here(job)
        self._stores.add(Path(here.store))
        self._pool.submit(here)
        outcome = self._pool.wait()
        if outcome.error is not None or not self._collected:
            return Made(outcome)
        stored = read_stored(Path(here.store), here.key, here.fingerprint)
        if stored is None:
            return Made(Outcome(job.key, f"its result is not in {here.store}"))
        self._made, self._packets = stored.folder, packets(stored.folder)
        has_files = any(path.name != RESULT for path in stored.folder.iterdir())
        if not has_files:
            shutil.rmtree(self._made, ignore_errors=True)
        return Made(outcome, renamed(stored.value, self._as_there), has_files)

    def next_packet(self) -> list[Piece]:
        """Return more of what the last job made; nothing at the end, when it is gone from here."""
        for packet in self._packets:
            if pieces := [piece for piece in packet if piece.name != RESULT]:
                return pieces
        shutil.rmtree(self._made, ignore_errors=True)
        return []

    def end(self) -> None:
        """End the worker process with all it started, remove what it left unfinished, and end this process."""
        self._pool.close()
        for store in self._stores:
            clear_unfinished(store)
        os._exit(0)

    def _as_here(self, job: Job) -> Job:
        def name(text: str) -> str:
            return str(place(Path(self._scratch), text)) if below(text, self._renamed) else text

        store = str(place(Path(self._scratch), job.store)) if self._collected else job.store
        return job._replace(inputs=renamed(job.inputs, name), store=store)

    def _as_there(self, text: str) -> str:
        return text[len(self._scratch) :] if below(text, [self._scratch]) else text


def carried_variables() -> dict[str, str]:
    """Return the environment variables that tasks may need wherever they are performed: keys, and where models are."""
    return {name: value for name, value in os.environ.items() if _CARRIED.fullmatch(name)}


def _world(path: Sequence[str], variables: Mapping[str, str], folder: str) -> World:
    """Return the world of the command as far as this machine has it; what is missing is as it is here."""
    ray = getattr(sys.modules.get("ray"), "__file__", None)
    rays = [str(Path.cwd()), *([str(Path(ray).parent)] if ray else [])]  # what Ray put on the path for its own use
    given = [entry for entry in path if Path(entry).exists()]
    own = [entry for entry in sys.path if entry not in ("", *given, rays[0]) and not below(entry, rays[1:])]
    found = {name: value for name, value in variables.items() if not value.startswith("/") or Path(value).exists()}
    return World((*given, *own), {**os.environ, **found}, Path(folder) if Path(folder).is_dir() else None)
