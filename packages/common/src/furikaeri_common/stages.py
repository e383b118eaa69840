"""Work in stages, each done once (io): what a run that was killed goes on from.

A stage leaves a record in `stages/<name>.json` when it begins and when it has ended well. A second call skips every
stage whose record still holds: the same inputs, after the same earlier stages, with the same versions of the libraries.
One that was interrupted goes on from what it had made, for it writes files atomically or keeps finished tasks; what was
made of other inputs is removed first.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.memory import watching_memory
from furikaeri_common.packages import package_versions

__all__ = ["Stage", "StageRecord", "run_stages"]

_FOLDER = "stages"


class Stage(NamedTuple):
    """One stage.

    Args:
        name: unique among the stages of a run; a file's name.
        work: does it, and returns what is worth telling: JSON values.
        inputs: what its outcome depends on beside the earlier stages; JSON values.
        outputs: files and folders it makes, which must be there for its record to hold.
    """

    name: str
    work: Callable[[], Mapping[str, object]]
    inputs: Mapping[str, object]
    outputs: tuple[Path, ...] = ()


class StageRecord(NamedTuple):
    """A stage that was done.

    Attributes:
        name: its name.
        facts: what its work returned.
        seconds: how long it took, of the attempt that ended well.
        peak: bytes of memory at most, worker processes included.
        reused: whether it was done before this call.
    """

    name: str
    facts: Mapping[str, Any]
    seconds: float
    peak: int
    reused: bool = False


def run_stages(
    folder: Path,
    stages: Sequence[Stage],
    *,
    on_start: Callable[[Stage], None] = lambda stage: None,
    on_end: Callable[[StageRecord], None] = lambda record: None,
) -> list[StageRecord]:
    """Do every stage that is not done yet, in order, and return the records of all.

    Args:
        folder: the run's; records lie in `stages/` below it.
        stages: in the order in which they build on each other.
        on_start: told before a stage is done, not where it was done before.
        on_end: told of every stage, done now or before.
    """
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ValueError(f"expected distinct names of stages, got {names}")
    versions = package_versions()
    mark, records = "", []
    for stage in stages:
        mark = fingerprint({"name": stage.name, "inputs": jsonable(stage.inputs), "after": mark, "versions": versions})
        file = folder / _FOLDER / f"{stage.name}.json"
        stored = _read(file)
        if stored is not None and stored["mark"] == mark and stored["done"] and _all_there(stage.outputs):
            record = _record_of(stage.name, stored)
        else:
            if stored is None or stored["mark"] != mark:
                _remove(stage.outputs)
            on_start(stage)
            record = _do(stage, file, {"mark": mark})
        records.append(record)
        on_end(record)
    return records


def _do(stage: Stage, file: Path, identity: Mapping[str, object]) -> StageRecord:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {**identity, "done": False, "facts": {}, "seconds": 0.0, "peak": 0})
    begin = time.perf_counter()
    with watching_memory() as memory:
        facts = jsonable(stage.work())
    seconds = round(time.perf_counter() - begin, 3)
    write_json(file, {**identity, "done": True, "facts": facts, "seconds": seconds, "peak": memory.peak})
    return StageRecord(stage.name, facts, seconds, memory.peak)


def _all_there(outputs: Sequence[Path]) -> bool:
    return all(path.exists() for path in outputs)


def _remove(outputs: Sequence[Path]) -> None:
    for path in outputs:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _record_of(name: str, stored: Mapping[str, Any]) -> StageRecord:
    return StageRecord(name, stored["facts"], stored["seconds"], stored["peak"], reused=True)


def _read(file: Path) -> Mapping[str, Any] | None:
    """Return what a stage's file holds; None where there is none, or it is not one."""
    try:
        stored = read_json(file)
    except (InputError, OSError):
        return None
    whole = isinstance(stored, dict) and {"mark", "done", "facts", "seconds", "peak"} <= stored.keys()
    return stored if whole else None
