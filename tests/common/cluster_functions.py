"""Functions that worker processes on a cluster import by name."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def any_of(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Do what one of the other functions for tests does."""
    return getattr(importlib.import_module("task_functions"), inputs["function"])(dict(inputs["inputs"]), folder)


def read(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Read a file and a folder beside it, copy the file, and note where all of this was done."""
    file, beside = Path(inputs["file"]), Path(inputs["beside"])
    shutil.copyfile(file, folder / "copy.bin")
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "deep" / "nothing.txt").touch()
    files = sorted(path for path in beside.rglob("*") if path.is_file())
    _note(inputs, f"{node()} {file} {folder}")
    time.sleep(0.2)
    return {
        "file": inputs["file"],
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "beside": {path.relative_to(beside).as_posix(): path.read_text() for path in files},
        "from the store": os.path.relpath(file, folder.parent),
    }


def slow(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Note who does which task, and take a while, or until a file appears."""
    _note(inputs, f"{node()} {os.getpid()} {inputs['name']} {_model()} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    time.sleep(inputs["seconds"])
    while not Path(inputs.get("until", folder)).exists():
        time.sleep(0.05)
    return inputs["name"]


def node() -> int:
    """Return the number of the session of the node: that of the actor whose worker this is."""
    return os.getsid(os.getppid())


@functools.lru_cache
def _model() -> str:
    """Return something that is new whenever it is loaded."""
    return f"{time.time_ns()}"


def _note(inputs: Mapping[str, Any], line: str) -> None:
    with Path(inputs["notes"]).open("a") as notes:
        notes.write(f"{line}\n")
