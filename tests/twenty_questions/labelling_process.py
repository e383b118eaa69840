"""A labeller whose labels follow from the texts alone, and a process that labels with it.

    python labelling_process.py ROOT --log FILE --models 2 --keywords 40 --seconds 0.02

Each shard that is begun is noted in the log, so that a test can count how often each was labelled.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twenty_questions.labelling.grid import LabelSource, PairGrid
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
