"""Old runs and the room they take (io): how large a run is, which ones a rule means, and deleting them.

A run goes in two steps: its folder is renamed to a hidden name beside it, then emptied. So whoever lists runs sees it
whole or not at all, and what a kill leaves behind is known by its name and swept up the next time.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.records import RECORD, RunRecord, read_run

__all__ = ["Deleted", "choose_runs", "delete_run", "folder_size", "sweep_leftovers", "whole_run"]

_UNFINISHED = ("failed", "interrupted", "died")
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{12}\.pruned")


class Deleted(NamedTuple):
    """What became of a run that was to go.

    Attributes:
        id: its folder's name.
        size: bytes on disk that it took; 0 where it stays.
        reason: why it stays; "" if it is gone.
        failed: it should have gone, but could not be deleted.
    """

    id: str
    size: int
    reason: str
    failed: bool = False


def folder_size(path: Path) -> int:
    """Return the bytes that a folder takes on disk, as `du` counts them.

    Links are not followed, a file with several names counts once, and what vanishes meanwhile counts nothing.
    """
    total, seen, folders = 0, set[tuple[int, int]](), [Path(path)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    if state.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (state.st_dev, state.st_ino) in seen:
                            continue
                        seen.add((state.st_dev, state.st_ino))
                    # Windows tells no blocks: there the length stands for them.
                    total += state.st_blocks * 512 if hasattr(state, "st_blocks") else state.st_size
    return total


def choose_runs(
    records: Sequence[RunRecord],
    *,
    now: datetime,
    failed: bool = False,
    older_than: timedelta | None = None,
    keep_last: int | None = None,
    command: str | None = None,
) -> list[RunRecord]:
    """Return the runs that fit every rule given, in their order; a run that still runs never does.

    Args:
        records: all runs of a folder.
        now: with a time zone; ages count from it to when a run ended, or was last taken up where nobody knows the end.
        failed: only runs that failed, were interrupted, or died.
        older_than: only runs older than this.
        keep_last: not the newest so many of each command, whatever became of them.
        command: only runs of this command, such as "tq simulate".

    Raises:
        ValueError: if `keep_last` is negative, or `now` has no time zone.
    """
    if keep_last is not None and keep_last < 0:
        raise ValueError(f"expected keep_last >= 0, got {keep_last}")
    if now.tzinfo is None:
        raise ValueError("expected a time with its zone, got one without")
    kept = set[Path]()
    if keep_last:
        of_command = defaultdict[str, list[RunRecord]](list)
        for record in sorted(records, key=lambda record: (record.started, record.id)):
            of_command[record.command].append(record)
        kept = {record.path for same in of_command.values() for record in same[-keep_last:]}
    return [
        record
        for record in records
        if record.status != "running"
        and record.path not in kept
        and (not failed or record.status in _UNFINISHED)
        and (older_than is None or _age(record, now) > older_than)
        and (command is None or record.command == command)
    ]


def _age(record: RunRecord, now: datetime) -> timedelta:
    """Return how long ago a run ended; nothing where its moments cannot be read, so that it is never too old."""
    try:
        return now - datetime.fromisoformat(record.ended or (record.started, *record.resumed)[-1])
    except (ValueError, TypeError):
        return timedelta(0)


def whole_run(path: Path) -> RunRecord:
    """Return the record of a folder that may be deleted as a run.

    Raises:
        InputError: if it is a link, no run folder, or a run that still runs.
    """
    path = Path(path)
    if path.is_symlink():
        raise InputError(f"{path}: is a link, which is left alone", fix="Name the run where it lies")
    record = read_run(path)
    if record.status == "running":
        process = record.process
        where = f" (process {process.pid} on {process.host})" if process else ""
        raise InputError(f"{path}: is still running{where}", fix="Stop it first")
    return record


def delete_run(path: Path) -> Deleted:
    """Delete a run folder; its record is looked at once more, for it may have been taken up meanwhile.

    Nothing outside the folder is touched: links in it go, what they point to stays.

    Raises:
        WorkError: if the folder cannot be deleted.
    """
    path = Path(path).absolute()
    if not path.name or path.name == "..":
        path = path.resolve()
    if not (path / RECORD).is_file() and not path.is_symlink():
        return Deleted(path.name, 0, "is gone already" if not path.exists() else f"holds no {RECORD}")
    try:
        whole_run(path)
    except InputError as error:
        return Deleted(path.name, 0, error.message)
    size = folder_size(path)
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(6)}.pruned")
    try:
        path.rename(hidden)
    except FileNotFoundError:
        return Deleted(path.name, 0, "is gone already")
    except OSError as error:
        raise WorkError(f"{path}: cannot be deleted ({error.strerror or error})") from error
    _remove(hidden, path)
    return Deleted(path.name, size, "")


def sweep_leftovers(root: Path) -> int:
    """Finish what an interrupted deletion left below a folder, and return the bytes on disk that came free."""
    freed = 0
    with contextlib.suppress(FileNotFoundError):
        for folder in _leftovers(Path(root).iterdir()):
            freed += folder_size(folder)
            _remove(folder, folder)
    return freed


def _leftovers(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if _LEFTOVER.fullmatch(path.name) and path.is_dir() and not path.is_symlink())


def _remove(folder: Path, named: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:  # another prune is at the same work
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise WorkError(
            f"{named}: is only partly deleted ({error.strerror or error}); the rest is {folder}",
            fix="See to what stands in the way and run the same command again",
        ) from error
