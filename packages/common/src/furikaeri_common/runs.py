"""One folder per run (io): what was asked in `run.json`, what was measured in `metrics.jsonl`, outputs beside them.

    with start_run(Path("runs"), "tq simulate", config={"games": 500}, seed=7) as run:
        run.log({"find_rate": 0.93}, step=500)
        write_json(run.path / "summary.json", summary)

The record is written when the run starts and again when it ends, whatever ends it, so a folder always says how far its
run came. A run whose process was killed keeps the status "running" on disk and is shown as "died".
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from furikaeri_common.artifacts import write_json
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import FurikaeriError, InputError
from furikaeri_common.packages import package_versions
from furikaeri_common.processes import this_process
from furikaeri_common.records import METRICS, RECORD, Status, list_runs, read_run
from furikaeri_common.repository import git_state

__all__ = ["Run", "find_earlier", "find_unfinished", "start_run"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is going on: where its outputs belong, and its metrics."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    def log(self, metrics: Mapping[str, object], **place: object) -> None:
        """Append one line to `metrics.jsonl`.

        Args:
            metrics: name -> number, or anything `jsonable` takes; a number that is not finite becomes null.
            place: where in the run it was measured, such as `step=3` or `fold=0`; comes first in the line.
        """
        line = json.dumps(jsonable({**place, **metrics}), ensure_ascii=False, allow_nan=False) + "\n"
        with (self.path / METRICS).open("ab", buffering=0) as stream:
            stream.write(line.encode())


@contextlib.contextmanager
def start_run(
    root: Path,
    command: str,
    config: Mapping[str, object],
    *,
    seed: int | None = None,
    data: Mapping[str, str] | None = None,
    repository: Path | None = None,
    resume: Path | None = None,
) -> Iterator[Run]:
    """Run a block as a recorded run.

    Leaving the block ends the run as "done", an exception as "failed", Ctrl-C as "interrupted"; the exception goes on.

    Args:
        root: the folder that holds the runs; made if it is missing.
        command: what is run, such as "tq simulate".
        config: its whole configuration; anything `jsonable` takes.
        seed: the seed of everything random.
        data: name -> SHA-256 of what is read (see `artifacts.fingerprint_of`).
        repository: where to look for the git commit; None: the current folder.
        resume: a run to take up again (see `find_unfinished`) instead of a new folder; its metrics are appended to.

    Raises:
        InputError: if the folder cannot be made.
    """
    now = _now()
    earlier = read_run(resume) if resume is not None else None
    if earlier is not None:
        path = earlier.path
        _cut_half_line(path / METRICS)
    else:
        path = _new_folder(Path(root), command, now)
    record = {
        "format": _FORMAT,
        "command": command,
        "config": jsonable(config),
        "seed": seed,
        "status": "running",
        "started": earlier.started if earlier else now,
        "ended": None,
        "resumed": [*earlier.resumed, now] if earlier else [],
        "error": None,
        "packages": package_versions(),
        "platform": platform.platform(),
        "git": git_state(repository or Path.cwd()),
        "data": dict(data or {}),
        "process": this_process()._asdict(),
    }
    write_json(path / RECORD, record)

    def finish(status: Status, error: str | None = None) -> None:
        write_json(path / RECORD, {**record, "status": status, "ended": _now(), "error": error})

    try:
        yield Run(path)
    except BaseException as error:
        # The record is of less weight than the error: where the disk is full, neither can be had.
        with contextlib.suppress(FurikaeriError):
            if isinstance(error, KeyboardInterrupt):
                finish("interrupted")
            else:
                finish("failed", " ".join(f"{type(error).__name__}: {error}".split()))
        raise
    finish("done")


def find_unfinished(
    root: Path,
    command: str,
    config: Mapping[str, object],
    *,
    seed: int | None = None,
    data: Mapping[str, str] | None = None,
) -> Path | None:
    """Return the newest run of the same work that ended before its time, to be taken up with `start_run(resume=)`."""
    return _newest(root, (command, config, seed, data), ("failed", "interrupted", "died"))


def find_earlier(
    root: Path,
    command: str,
    config: Mapping[str, object],
    *,
    seed: int | None = None,
    data: Mapping[str, str] | None = None,
) -> Path | None:
    """Return the newest run of the same work that has ended, well or not: for work too dear to be done twice."""
    return _newest(root, (command, config, seed, data), ("failed", "interrupted", "died", "done"))


def _newest(
    root: Path,
    work: tuple[str, Mapping[str, object], int | None, Mapping[str, str] | None],
    statuses: tuple[Status, ...],
) -> Path | None:
    command, config, seed, data = work
    wanted = [command, jsonable(config), seed, dict(data or {})]
    records, _ = list_runs(root)
    same = [run for run in records if [run.command, run.config, run.seed, run.data] == wanted]
    ended = [run.path for run in same if run.status in statuses]
    return ended[-1] if ended else None


def _new_folder(root: Path, command: str, now: str) -> Path:
    words = re.sub(r"[^a-z0-9]+", "-", command.lower()).strip("-")[:40]
    moment = re.sub(r"[-:]|\..*|\+.*", "", now).replace("T", "-")
    path = root / f"{moment}-{words}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror or error})", fix="Choose another folder") from error
    return path


def _cut_half_line(file: Path) -> None:
    """Cut a last line that was only half written, so that what is appended begins a line of its own."""
    if file.exists():
        whole = file.read_bytes().rpartition(b"\n")
        with file.open("r+b") as stream:
            stream.truncate(len(whole[0]) + len(whole[1]))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
