"""One shard labelled wherever a worker is (io): tasks for the task engine (see `furikaeri_common.tasks`).

What is the same for all shards, the texts above all, is a file that the tasks read; what they are given is its digest,
the shard's number and what the labeller must be, and, as places, where that file is and how the labeller is opened. A
worker keeps its labeller from task to task.
"""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import map_tensor, sha256_of, write_json, write_tensors
from furikaeri_common.asking_workers import naming_the_machine
from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.usage import usage_of, usage_since
from furikaeri_common.task_store import find_function
from furikaeri_common.tasks import Task
from twenty_questions.labelling.grid import Elsewhere, PairGrid
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.shard_work import checked, one_line

__all__ = [
    "LabellingError",
    "label_shard",
    "let_go",
    "opening_task",
    "p_yes_in",
    "shard_task",
    "write_common",
]

_P_YES = "p_yes.safetensors"


class LabellingError(WorkError):
    """The labeller failed on a shard, and not the machine under it."""


def write_common(path: Path, grid: PairGrid) -> str:
    """Write what is the same for all shards, and return its digest."""
    common = {"keywords": list(grid.keywords), "questions": list(grid.questions), "per_shard": grid.per_shard}
    write_json(path, common)
    return sha256_of(path)


def opening_task(common: Path, digest: str, elsewhere: Elsewhere) -> Task:
    """Return a task for `label_shard` that labels nothing, and tells what the labeller is.

    Args:
        common: the absolute path of what `write_common` wrote.
        digest: what it returned.
        elsewhere: how the labeller is opened.
    """
    files = {setting: str(path) for setting, path in elsewhere.files.items()}
    settings = {**jsonable(elsewhere.settings), **files}
    return Task(
        "opening", {"digest": digest}, {"common": str(common), "opens": elsewhere.function, "settings": settings}
    )


def shard_task(shard: int, opening: Task, model: str, identity: Mapping[str, Any]) -> Task:
    """Return a shard as a task for `label_shard`.

    Args:
        shard: its number.
        opening: of `opening_task`.
        model: what the labeller must be called.
        identity: what it must be.
    """
    labelled = {"shard": shard, "model": model, "identity": jsonable(identity)}
    return Task(f"{shard:06d}", {**opening.inputs, **labelled}, opening.places)


def label_shard(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Label a shard into a file of the folder, which `p_yes_in` reads; or open the labeller alone, if none is named.

    Returns:
        `seconds` that it took, and `usage`: what a server counted meanwhile. Without a shard, `model` and `identity` of
        the labeller.

    Raises:
        InputError: if this machine lacks what it takes, or would label otherwise than the one that told the identity.
        LabellingError: if the labeller fails.
        WorkError: if the labeller does not open, or what all shards have in common cannot be read.
    """
    with naming_the_machine():
        labeller = _opened(inputs["opens"], inputs["settings"])
        if "shard" not in inputs:
            return {"model": labeller.name, "identity": jsonable(labeller.identity)}
        _require_same(labeller, inputs["model"], inputs["identity"])
    grid = _common(inputs["common"], inputs["digest"])
    began, asked = time.monotonic(), usage_of(labeller)
    try:
        given = labeller.label(grid.keywords_of(inputs["shard"]), grid.questions)
        p_yes = checked(given, grid, inputs["shard"])
    except InputError:
        raise
    except Exception as error:
        raise LabellingError(one_line(error)) from error
    usage = usage_since(labeller, asked)
    write_tensors(folder / _P_YES, {"p_yes": p_yes})
    return {"seconds": time.monotonic() - began, "usage": usage}


def p_yes_in(folder: Path, grid: PairGrid, shard: int) -> NDArray[np.float32] | None:
    """Return what a finished task labelled; None if the file is damaged."""
    try:
        return checked(np.array(map_tensor(folder / _P_YES, "p_yes")), grid, shard)
    except (InputError, ValueError):
        return None


def let_go() -> None:
    """Let the labeller of this process go: its memory, or its connection to a server."""
    for labeller in _held.values():
        getattr(labeller, "close", _nothing)()
    _held.clear()
    gc.collect()


_held: dict[str, Labeller] = {}


def _opened(function: str, settings: Mapping[str, Any]) -> Labeller:
    """Open a labeller, once for all tasks of this process; another one is let go first, for the memory."""
    key = fingerprint([function, settings])
    if key not in _held:
        let_go()
        opens: Any = find_function(function)
        _held[key] = opens(settings)
    return _held[key]


def _nothing() -> None:
    pass


def _require_same(labeller: Labeller, model: str, expected: Mapping[str, Any]) -> None:
    found = jsonable(labeller.identity)
    if labeller.name != model or found != expected:
        differs = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)) or ["name"]
        told = ", ".join(f"{name} {str(found.get(name))[:20]} for {str(expected.get(name))[:20]}" for name in differs)
        raise InputError(
            f"{labeller.name} would label otherwise here than where the work began ({told})",
            fix="Use machines of one kind with the same model, such as by --device cpu or --task-gpus 1",
        )


@lru_cache(maxsize=1)
def _common(path: str, digest: str) -> PairGrid:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WorkError(f"{path}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise WorkError(f"{path}: is damaged, or has changed")
    common = json.loads(content)
    return PairGrid(
        keywords=tuple(common["keywords"]), questions=tuple(common["questions"]), per_shard=common["per_shard"]
    )
