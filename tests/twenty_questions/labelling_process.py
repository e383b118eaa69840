"""A labeller whose labels follow from the texts alone, and a process that labels with it.

    python labelling_process.py ROOT --log FILE --models 2 --keywords 40 --seconds 0.02

Each shard that is begun is noted in the log, so that a test can count how often each was labelled.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from twenty_questions.labelling.grid import Elsewhere, LabelSource, PairGrid
from twenty_questions.labelling.label_progress import LabelReport
from twenty_questions.labelling.shards import label_pairs

QUESTIONS = tuple(f"Is it of kind {number}?" for number in range(7))


def told(model: str, keyword: str, question: str) -> np.float32:
    """P(yes) of a pair: a number that looks random; one in fifty pairs is not answered."""
    digest = hashlib.sha256("\0".join((model, keyword, question)).encode()).digest()
    value = int.from_bytes(digest[:4], "big") / 2**32
    return np.float32(np.nan if digest[4] < 5 else value)


class TextLabeller:
    """Labels by `told`; `before` is called with each shard's keywords, and may raise."""

    def __init__(
        self, name: str, before: Callable[[Sequence[str]], None] = lambda keywords: None, weights: str = "w"
    ) -> None:
        self.name = name
        self._before, self._weights = before, weights

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name, "weights": self._weights}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        self._before(keywords)
        model = self.name + self._weights
        return np.asarray([[told(model, keyword, question) for question in questions] for keyword in keywords])


class MeteredLabeller(TextLabeller):
    """Counts a request for each pair, which costs half."""

    usage: Mapping[str, float] = {"requests": 100, "cost": 1.0}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        p_yes = super().label(keywords, questions)
        asked = {"requests": p_yes.size, "cost": p_yes.size / 2}
        self.usage = {name: self.usage[name] + asked[name] for name in asked}
        return p_yes


def grid_of(keywords: int, per_shard: int = 4) -> PairGrid:
    return PairGrid(
        keywords=tuple(f"thing {number}" for number in range(keywords)), questions=QUESTIONS, per_shard=per_shard
    )


def source_of(
    name: str,
    before: Callable[[Sequence[str]], None] = lambda keywords: None,
    weights: str = "w",
    settings: str = "",
) -> LabelSource:
    return LabelSource(
        name=name, settings={"model": name, "more": settings}, open=lambda: TextLabeller(name, before, weights)
    )


def open_text(settings: Mapping[str, Any]) -> TextLabeller:
    """Open a labeller in a worker; what is opened and begun is noted in the file that `log` names.

    Others of the settings: `name`; `seconds` that a shard takes; `workers`, so many of which must be at work before one
    goes on; `broken` and `lacking`: what opening raises; `fails_on`, `fails_once_on` and `dies_on`: first keywords on
    which it raises, does so the first time, or on which its process dies the first time; `is_fickle`: other weights
    whenever it is opened again; `is_metered`: what it uses is counted.
    """
    log = Path(settings["log"])
    opened_before = "opened" in (log.read_text() if log.exists() else "")
    _note(log, f"opened {os.getpid()}")
    if settings.get("broken"):
        raise WorkError(settings["broken"])
    if settings.get("lacking"):
        raise InputError(settings["lacking"], fix="Get it")

    def before(keywords: Sequence[str]) -> None:
        came_before = f"begun {keywords[0]} " in log.read_text()
        _note(log, f"begun {keywords[0]} {os.getpid()}")
        time.sleep(settings.get("seconds", 0))
        ends = time.monotonic() + 60
        while len(_pids(log)) < settings.get("workers", 0) and time.monotonic() < ends:
            time.sleep(0.01)
        if keywords[0] in settings.get("fails_on", ()):
            raise WorkError("the server hangs")
        if keywords[0] in settings.get("fails_once_on", ()) and not came_before:
            raise WorkError("the server makes a pause")
        if keywords[0] in settings.get("dies_on", ()) and not came_before:
            os.kill(os.getpid(), signal.SIGKILL)

    weights = "v" if settings.get("is_fickle") and opened_before else "w"
    return (MeteredLabeller if settings.get("is_metered") else TextLabeller)(settings["name"], before, weights)


def source_elsewhere(name: str, log: Path, **settings: Any) -> LabelSource:
    """A source that workers can open, too; in this process it is the same labeller."""
    given = {"name": name, "log": str(log), **settings}
    return LabelSource(
        name=name,
        settings={"model": name},
        open=lambda: open_text(given),
        elsewhere=Elsewhere(function="labelling_process:open_text", settings=given),
    )


def _pids(log: Path) -> set[str]:
    return {line.rpartition(" ")[2] for line in log.read_text().splitlines() if line.startswith("begun")}


def _note(log: Path, line: str) -> None:
    with log.open("ab", buffering=0) as stream:
        stream.write(f"{line}\n".encode())


def label(root: Path, log: Path, models: int, keywords: int, seconds: float) -> LabelReport:
    def before(shard: Sequence[str]) -> None:
        with log.open("ab", buffering=0) as stream:
            stream.write(f"{os.getpid()} {shard[0]}\n".encode())
        time.sleep(seconds)

    return label_pairs(grid_of(keywords), [source_of(f"model-{number}", before) for number in range(models)], root)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--keywords", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.02)
    given = parser.parse_args()
    label(given.root, given.log, given.models, given.keywords, given.seconds)
