"""How far networks in training are, told across processes by small files. (io)

A task cannot speak to the process that waits for it, which may be on another machine. So each writes where it is into a
file of its own, about once a second, and whoever waits looks there.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from furikaeri_common.task_store import folder_name

if TYPE_CHECKING:
    from isic_lesion.image_models.fitting import StepReport

__all__ = ["NetworkProgress", "ProgressFile", "TrainingProgress", "forget", "watching"]

_PERIOD = 1.0  # seconds
_LATELY = 0.9  # of the means that are shown, what the steps before the last one count


class NetworkProgress(NamedTuple):
    """Where one network is in its training.

    Attributes:
        key: the network, such as "small-lite0 fold-0-seed-42".
        epoch: from 1.
        epochs: of how many.
        step: how many are done, of all epochs together.
        steps: of how many.
        loss: the mean of the last steps.
        images_per_second: of late.
        seconds_left: as far as can be told.
    """

    key: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds_left: float


class TrainingProgress(NamedTuple):
    """One moment of the work.

    Attributes:
        event: "checked": pictures were tried, before the first network; "reused", "finished", "retried" or "failed" as
            in `tasks.Progress`; "step": networks took some steps.
        key: the network; empty with "checked" and "step".
        done: how many networks are settled, finished or failed; with "checked": how many pictures are.
        total: how many there are.
        error: what went wrong; empty unless it did.
        seconds: since the call began.
        under_way: the networks in training, by key; empty but for "step".
    """

    event: Literal["checked", "reused", "finished", "retried", "failed", "step"]
    key: str
    done: int
    total: int
    error: str
    seconds: float
    under_way: tuple[NetworkProgress, ...] = ()


class ProgressFile:
    """A callback for `fitting.fit` that writes where a network is, at most once a second.

    A file that cannot be written is no reason to stop training.

    Args:
        folder: of the files; made if it is missing.
        key: of the network's task.
        name: of the network.
    """

    def __init__(self, folder: Path, key: str, name: str) -> None:
        self._path = _file(folder, key)
        self._name = name
        self._loss = self._seconds = self._images = self._weight = 0.0
        self._wrote_at = 0.0
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, report: StepReport) -> None:
        """Take note of a step."""
        self._weight = _LATELY * self._weight + 1
        self._loss = _LATELY * self._loss + report.loss
        self._seconds = _LATELY * self._seconds + report.seconds
        self._images = _LATELY * self._images + report.images
        now = time.monotonic()
        if now - self._wrote_at < _PERIOD and report.step < report.steps:
            return
        self._wrote_at = now
        progress = NetworkProgress(
            key=self._name,
            epoch=report.epoch,
            epochs=report.epochs,
            step=report.step,
            steps=report.steps,
            loss=self._loss / self._weight,
            images_per_second=self._images / max(self._seconds, 1e-9),
            seconds_left=(report.steps - report.step) * self._seconds / self._weight,
        )
        new = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.write_text(json.dumps(progress), encoding="utf-8")
            new.replace(self._path)


@contextlib.contextmanager
def watching(
    folder: Path, keys: Collection[str], tell: Callable[[tuple[NetworkProgress, ...]], None]
) -> Iterator[None]:
    """Look at the files of some networks while the block lasts, and tell when one of them has changed.

    Args:
        folder: of the files.
        keys: of the tasks that are of interest.
        tell: called in a thread of its own, with the networks that are in training, by key.
    """
    over = threading.Event()
    forget(folder, keys)

    def look() -> None:
        before: tuple[NetworkProgress, ...] = ()
        while not over.wait(_PERIOD / 2):
            found = tuple(one for key in sorted(keys) if (one := _read(_file(folder, key))) is not None)
            if found and found != before:
                tell(found)
            before = found

    thread = threading.Thread(target=look, name="training progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        forget(folder, keys)


def forget(folder: Path, keys: Collection[str]) -> None:
    """Remove the files of networks that are in training no longer."""
    for key in keys:
        for path in (_file(folder, key), _file(folder, key).with_suffix(".new")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _file(folder: Path, key: str) -> Path:
    return Path(folder) / f"{folder_name(key)}.json"


def _read(path: Path) -> NetworkProgress | None:
    try:
        return NetworkProgress(*json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
