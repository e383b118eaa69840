"""Finished tasks on disk (io): a folder a task, which appears whole or not at all.

A task is performed in a hidden folder; its result and files get their name by one rename. So whatever is killed, a
task is finished or it is not, and what is finished is never done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
import secrets
import shutil
import socket
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.artifacts import read_json, sync_folder, write_json
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, full_disk
from furikaeri_common.processes import is_running

__all__ = [
    "RESULT",
    "Function",
    "Job",
    "Outcome",
    "Stored",
    "clear_unfinished",
    "find_function",
    "fingerprint_of_task",
    "folder_name",
    "hidden_folder",
    "name_of",
    "perform",
    "read_stored",
    "record_task",
]

Function = Callable[[Mapping[str, Any], Path], Any]

RESULT = "result.json"
"""The record of a finished task, in its folder."""


class Job(NamedTuple):
    """Everything a worker needs to perform one task; plain values, so that it travels as JSON.

    Args:
        function: `module:name` of the function.
        key: the task's stable name.
        inputs: what the function gets.
        store: the folder of all finished tasks.
        fingerprint: of function, version, inputs and threads; recorded with the result.
    """

    function: str
    key: str
    inputs: dict[str, Any]
    store: str
    fingerprint: str


class Outcome(NamedTuple):
    """How one attempt at a task ended.

    Args:
        key: the task's.
        error: None when its result is in the store, else what went wrong, in one line.
        traceback: of the error, where there was one.
        is_lost: whether the machine was lost under it, which says nothing against the task.
    """

    key: str
    error: str | None
    traceback: str = ""
    is_lost: bool = False


class Stored(NamedTuple):
    """A finished task: its value, and the folder that holds its files."""

    value: Any
    folder: Path


def name_of(function: Function) -> str:
    """Return `module:name`, by which another process finds a function.

    Raises:
        TypeError: if it is not a function at the top level of an importable module.
    """
    name = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', None)}"
    with contextlib.suppress(ImportError, AttributeError):
        if find_function(name) is function:
            return name
    raise TypeError(f"expected a function at the top level of an importable module, got {function!r}")


def find_function(name: str) -> Function:
    """Import the function that `name_of` named."""
    module, _, function = name.partition(":")
    found: Function = getattr(importlib.import_module(module), function)
    return found


def folder_name(key: str) -> str:
    """Return the name of a task's folder: readable, and no two keys share one."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", key).strip("._")[:60]
    return f"{readable or 'task'}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def perform(job: Job, function: Function) -> Outcome:
    """Perform a task and record it; an exception becomes an outcome, Ctrl-C goes on.

    The value is stored as JSON, so a tuple comes back as a list; one that JSON cannot hold exactly is an error.
    """
    store = Path(job.store)
    work = hidden_folder(store, job.key)
    try:
        work.mkdir(parents=True)
        value = function(json.loads(json.dumps(job.inputs)), work)
        json.dumps(value, allow_nan=False)
        record_task(job, value, work)
    except OSError as error:
        return _failed(job, full_disk(error.filename or store, error) or error)
    except (Exception, SystemExit) as error:
        return _failed(job, error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Outcome(job.key, None)


def record_task(job: Job, value: Any, work: Path) -> None:
    """Make a hidden folder with a task's files into the finished task.

    Args:
        job: as the store is to remember it.
        value: what the function returned; a JSON value.
        work: of `hidden_folder`, in the job's store.
    """
    store = Path(job.store)
    files = {
        path.relative_to(work).as_posix(): path.stat().st_size for path in sorted(work.rglob("*")) if path.is_file()
    }
    about = {"key": job.key, "fingerprint": job.fingerprint, "function": job.function, "inputs": job.inputs}
    write_json(work / RESULT, {**about, "files": files, "value": value})
    _take_name(work, store, job.key)


def read_stored(store: Path, key: str, expected: str) -> Stored | None:
    """Return a finished task; None if it is not there, was of other inputs, or lacks a file it wrote.

    Args:
        store: the folder of all finished tasks.
        key: the task's name.
        expected: the fingerprint it must have.
    """
    folder = Path(store) / folder_name(key)
    try:
        record = read_json(folder / RESULT)
        if record["fingerprint"] != expected:
            return None
        whole = all((folder / name).stat().st_size == size for name, size in record["files"].items())
        return Stored(record["value"], folder) if whole else None
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None


def fingerprint_of_task(function: str, version: str, inputs: Mapping[str, Any], threads: int) -> str:
    """Return what must be unchanged for a stored result to be used again."""
    return fingerprint({"function": function, "version": version, "inputs": inputs, "threads": threads})


def clear_unfinished(store: Path) -> None:
    """Remove what workers on this machine left half-done when they died; the folders of living ones stay."""
    for work in Path(store).glob(".*"):
        *_, host, pid, _ = ("", "", *work.name.split("."))
        if host == _host() and pid.isdigit() and not is_running(int(pid)):
            shutil.rmtree(work, ignore_errors=True)


def hidden_folder(store: Path, key: str) -> Path:
    """Return a new name for the folder of a task under way: it says which process of which machine works there."""
    return store / f".{folder_name(key)}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}"


def _failed(job: Job, error: BaseException) -> Outcome:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Outcome(job.key, text, traceback.format_exc())


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())


def _take_name(work: Path, store: Path, key: str) -> None:
    """Give a finished folder its name, in place of a stale one."""
    folder = store / folder_name(key)
    if folder.exists():
        stale = hidden_folder(store, key)
        folder.rename(stale)
        shutil.rmtree(stale, ignore_errors=True)
    work.rename(folder)
    sync_folder(store)
