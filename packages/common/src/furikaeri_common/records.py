"""Run folders, read back (io): one run, all runs below a folder, or the one a person means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError
from furikaeri_common.processes import ProcessIdentity, identity_from, is_alive

__all__ = ["METRICS", "RECORD", "RunRecord", "Status", "find_run", "list_runs", "read_metrics", "read_run"]

Status = Literal["running", "done", "failed", "interrupted", "died"]

RECORD = "run.json"
METRICS = "metrics.jsonl"


class RunRecord(NamedTuple):
    """What `run.json` says of a run.

    Args:
        id: the folder's name.
        path: the folder.
        command: what was run, such as "tq simulate".
        config: its whole configuration, as JSON has it.
        seed: the seed, None where nothing was random.
        status: "died" if the record says "running" but its process is gone.
        started, ended: ISO 8601 in UTC; `ended` is None while it runs.
        resumed: when it was taken up again, in order.
        error: what ended it, one line; None unless it failed.
        packages: versions, Python's among them.
        git: commit and whether files differed from it; None outside a repository.
        data: name -> SHA-256 of what was read.
        process: who runs or ran it.
    """

    id: str
    path: Path
    command: str
    config: dict[str, Any]
    seed: int | None
    status: Status
    started: str
    ended: str | None
    resumed: tuple[str, ...]
    error: str | None
    packages: dict[str, str]
    git: dict[str, Any] | None
    data: dict[str, str]
    process: ProcessIdentity | None


def read_run(path: Path) -> RunRecord:
    """Read the record of a run folder.

    Raises:
        InputError: if it is no run folder or its record is damaged; the message names the file.
    """
    path = Path(path)
    file = path / RECORD
    if not file.is_file():
        raise InputError(f"{path}: is not a run folder (it holds no {RECORD})")
    record = read_json(file)
    try:
        process = identity_from(record["process"])
        status: Status = record["status"]
        if status not in get_args(Status):
            raise ValueError(f"unknown status {status!r}")
        if status == "running" and process is not None and is_alive(process) is False:
            status = "died"
        return RunRecord(
            id=path.resolve().name,
            path=path,
            command=str(record["command"]),
            config=dict(record["config"]),
            seed=record["seed"],
            status=status,
            started=str(record["started"]),
            ended=record["ended"],
            resumed=tuple(str(moment) for moment in record["resumed"]),
            error=record["error"],
            packages=dict(record["packages"]),
            git=record["git"],
            data=dict(record["data"]),
            process=process,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: is damaged ({type(error).__name__}: {error})") from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the metrics of a run folder, oldest first; a last line that was only half written is left out.

    Raises:
        InputError: if a line before the last is no JSON object; the message names it.
    """
    file = Path(path) / METRICS
    if not file.exists():
        return []
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number}: expected a JSON object, got {type(row).__name__}")
        rows.append(row)
    return rows


def list_runs(root: Path) -> tuple[list[RunRecord], list[InputError]]:
    """Return the runs below a folder, oldest first, and for each damaged one what is wrong with it."""
    records: list[RunRecord] = []
    damaged: list[InputError] = []
    for path in _folders(Path(root)):
        try:
            records.append(read_run(path))
        except InputError as error:
            damaged.append(error)
    return sorted(records, key=lambda record: (record.started, record.id)), damaged


def find_run(root: Path, name: str, *, command: str = "") -> RunRecord:
    """Return the run that a person means.

    Args:
        root: the folder that holds the runs.
        name: an id, the beginning of exactly one id, or the path of a run folder.
        command: of the runs whose ids may be begun; "": of any.

    Raises:
        InputError: if no run or more than one fits.
    """
    if not name:
        raise InputError("no run is named", fix="Give an id, the beginning of one, or a path")
    if (Path(root) / name / RECORD).is_file():
        return read_run(Path(root) / name)
    fitting = [path for path in _folders(Path(root)) if path.name.startswith(name)]
    if command and len(fitting) > 1:
        fitting = [record.path for record in list_runs(root)[0] if record.command == command and record.path in fitting]
    if len(fitting) == 1:
        return read_run(fitting[0])
    if fitting:
        names = ", ".join(path.name for path in fitting[:5])
        raise InputError(f"{name!r} begins {len(fitting)} runs: {names}", fix="Give more of the id")
    if Path(name).is_dir():
        return read_run(Path(name))
    raise InputError(f"{root}: holds no run {name!r}", fix="List them with: furikaeri runs list")


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{root}: cannot be read ({error.strerror or error})") from error
