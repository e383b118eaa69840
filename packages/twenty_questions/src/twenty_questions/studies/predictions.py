"""P(yes) of the pairs of a gold set, kept a keyword at a time (io): what is labelled once is not labelled again.

A store is a folder; below it lies a folder a labeller, named after everything its numbers depend on, and in that a
Parquet file a keyword with all of that keyword's questions. One keyword is one call, so batches never depend on what is
stored already: a killed run goes on to the same bits, and a sample of a gold set serves the whole.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import MissingExtraError, WorkError
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.studies.gold_pairs import GoldPairs

__all__ = ["Labelled", "PairProgress", "label_pairs", "write_predictions"]


class PairProgress(NamedTuple):
    """How far the labelling of one model is.

    Attributes:
        done: pairs that are there.
        total: pairs in all.
        labelled: pairs labelled by this call; the others were stored.
        seconds: that the labelling took so far.
    """

    done: int
    total: int
    labelled: int
    seconds: float

    @property
    def rate(self) -> float:
        """Pairs labelled a second; NaN before the first."""
        return self.labelled / self.seconds if self.labelled and self.seconds > 0 else float("nan")


class Labelled(NamedTuple):
    """A model's P(yes).

    Attributes:
        name: the labeller's.
        identity: everything its numbers depend on.
        probabilities: float32, shape (n,), NaN where it said neither.
        labelled: how many pairs this call labelled.
        seconds: how long that took.
    """

    name: str
    identity: Mapping[str, Any]
    probabilities: NDArray[np.float32]
    labelled: int
    seconds: float


def label_pairs(
    labeller: Labeller,
    pairs: GoldPairs,
    store: Path,
    *,
    given: NDArray[np.float64] | None = None,
    on_progress: Callable[[PairProgress], None] = lambda progress: None,
) -> Labelled:
    """Return P(yes) of every pair, labelling those that are not stored.

    Args:
        labeller: the model.
        pairs: n pairs.
        store: the folder of stored predictions; made if it is missing.
        given: shape (n,): what is known without the model (1 or 0), NaN elsewhere; the model is not asked about it.
        on_progress: told after every keyword.

    Raises:
        WorkError: if the model fails, or gives something else than probabilities.
        MissingExtraError: without polars.
    """
    _require_polars()
    known = np.full(pairs.size, np.nan) if given is None else given
    probabilities = known.astype(np.float32)
    asked = np.isnan(known)
    folder = store / f"{_slug(labeller.name)}-{fingerprint(labeller.identity)[:16]}"
    labelled, done, spent = 0, int((~asked).sum()), 0.0
    for row, keyword in enumerate(pairs.keywords):
        rows = np.flatnonzero((pairs.keyword_of == row) & asked)
        if not rows.size:
            continue
        questions = [pairs.questions[column] for column in pairs.question_of[rows]]
        file = folder / f"{fingerprint([keyword, questions])[:20]}.parquet"
        stored = _read(file, keyword, questions)
        if stored is None:
            before = time.perf_counter()
            stored = _ask(labeller, keyword, questions)
            _write(file, keyword, questions, stored)
            spent += time.perf_counter() - before
            labelled += rows.size
        probabilities[rows] = stored
        done += rows.size
        on_progress(PairProgress(done, pairs.size, labelled, spent))
    return Labelled(labeller.name, labeller.identity, probabilities, labelled, spent)


def write_predictions(path: Path, pairs: GoldPairs, probabilities: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the pairs with a column of P(yes) for each model as Parquet, atomically."""
    import polars as pl

    texts = pairs.texts()
    columns: dict[str, Any] = {
        "keyword": [keyword for keyword, _ in texts],
        "question": [question for _, question in texts],
        "answer": pairs.answers,
    }
    columns |= {f"p_yes: {name}": np.asarray(p, dtype=np.float32) for name, p in probabilities.items()}
    _write_frame(pl.DataFrame(columns), path)


def _ask(labeller: Labeller, keyword: str, questions: Sequence[str]) -> NDArray[np.float32]:
    told = np.asarray(labeller.label([keyword], questions), dtype=np.float32)
    if told.shape != (1, len(questions)) or ((told < 0) | (told > 1)).any():
        raise WorkError(f"{labeller.name}: expected {len(questions)} probabilities, got an array of shape {told.shape}")
    return np.asarray(told[0])


def _read(file: Path, keyword: str, questions: Sequence[str]) -> NDArray[np.float32] | None:
    """Return what is stored; None where nothing is, or it is damaged or of other pairs."""
    import polars as pl

    if not file.is_file():
        return None
    with contextlib.suppress(OSError, pl.exceptions.PolarsError):
        frame = pl.read_parquet(io.BytesIO(file.read_bytes()))
        whole = frame.columns == ["keyword", "question", "p_yes"] and frame.schema["p_yes"] == pl.Float32
        if whole and frame["question"].to_list() == list(questions) and set(frame["keyword"]) == {keyword}:
            return np.asarray(frame["p_yes"].to_numpy(), dtype=np.float32)
    return None


def _write(file: Path, keyword: str, questions: Sequence[str], probabilities: NDArray[np.float32]) -> None:
    import polars as pl

    columns = {"keyword": [keyword] * len(questions), "question": list(questions), "p_yes": probabilities}
    _write_frame(pl.DataFrame(columns), file)


def _write_frame(frame: Any, path: Path) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    with atomic_writer(path) as stream:
        stream.write(buffer.getvalue())


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "model"


def _require_polars() -> None:
    try:
        import polars  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "keeping predictions", distribution="furikaeri-twenty-questions", extra="precompute"
        ) from error
