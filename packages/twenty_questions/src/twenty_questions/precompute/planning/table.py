"""What ranking, shards and tables cost beside the models (io: small ones are made, in a temporary folder)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.planning import Pace, Sample, fitted_pace, scaled
from twenty_questions.labelling.grid import PairGrid
from twenty_questions.labelling.labelled_table import ConsensusConfig, labelled_table
from twenty_questions.labelling.shard_store import ShardStore, append_journal
from twenty_questions.precompute.planning.labels import Clock
from twenty_questions.question_sources.ranking import rank_questions
from twenty_questions.questions import Question
from twenty_questions.table import save_table
from twenty_questions.words import Keyword

__all__ = ["TableSample", "choosing_pace", "sample_table"]

_MOST_PAIRS = 30_000
_SHARDS = (1, 3, 1, 3)
_TRIED_QUESTIONS = 400


class TableSample(NamedTuple):
    """What a sample of tables shows.

    Attributes:
        writing: seconds of a whole shard for keeping it, by one model.
        pace: of pairs on the way from all models' shards to a table on disk.
        shard_bytes: of a whole shard's file, of answers all different.
        row_bytes: of a keyword's line in a table; a cell takes 1.
    """

    writing: float
    pace: Pace
    shard_bytes: float
    row_bytes: float


def sample_table(
    keywords: Sequence[Keyword],
    questions: Sequence[str],
    *,
    shard: tuple[int, int],
    models: int,
    clock: Clock = time.perf_counter,
) -> TableSample:
    """Make small tables of drawn answers, in whole shards as far as these are not too large, and time it.

    Args:
        keywords: whose names are written; they are used again where they are too few.
        questions: likewise.
        shard: keywords and questions of a whole shard.
        models: how many label.
        clock: what is measured.
    """
    columns = [Question(f"q{n}", f"{questions[n % len(questions)]} {n}") for n in range(shard[1])]
    rows = max(1, min(shard[0], _MOST_PAIRS // (max(_SHARDS) * len(columns))))
    samples, writing, size = [], [], {"row": 0.0, "shard": 0.0}
    for number in _SHARDS:
        held = [Keyword(f"{keywords[n % len(keywords)].name} {n}") for n in range(number * rows)]
        grid = PairGrid(
            keywords=tuple(one.name for one in held), questions=tuple(one.text for one in columns), per_shard=rows
        )
        with tempfile.TemporaryDirectory(prefix="furikaeri-plan-") as folder:
            store = ShardStore(Path(folder), grid, "drawn", {"drawn": "0" * 64, "weights": "0" * 64}, "0" * 64)
            for place in range(number):
                began = clock()
                store.write(place, _drawn(place, rows, len(columns)))
                append_journal(store.folder, {"shard": place})
                writing.append(clock() - began)
            size["shard"] = sum(file.stat().st_size for file in store.folder.glob("*.parquet")) / number
            began = clock()
            made = labelled_table(
                held,
                np.full(len(held), 1 / len(held)),
                columns,
                grid,
                [(f"drawn {model}", store.identity) for model in range(models)],
                lambda place, store=store: np.stack([store.read(place) for _ in range(models)]),  # type: ignore[misc]
                config=ConsensusConfig(calibration="none"),
            ).table
            save_table(made, store.folder / "table")
            samples.append(Sample(grid.num_pairs, max(clock() - began, 1e-9)))
            size["row"] = (store.folder / "table/keywords.jsonl").stat().st_size / len(held)
    return TableSample(
        writing=float(np.median(writing)) * shard[0] / rows,
        pace=fitted_pace(samples),
        shard_bytes=size["shard"] * shard[0] / rows,
        row_bytes=size["row"],
    )


def choosing_pace(keywords: int, questions: int, *, clock: Clock = time.perf_counter) -> Pace:
    """Return how long the ranking takes for each question that it chooses, from a few choices among made-up answers.

    Args:
        keywords: that were labelled for it.
        questions: to choose among; a few hundred are tried, for time goes with their number.
        clock: what is measured.
    """
    tried = min(questions, _TRIED_QUESTIONS)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 255, size=(keywords, tried), dtype=np.uint8)
    prior = np.full(keywords, 1 / keywords)
    samples = []
    for budget in (1, 4, 1, 4):
        began = clock()
        rank_questions(codes, prior, budget=min(budget, tried), seed=0, noise=0.05)
        samples.append(Sample(min(budget, tried), max(clock() - began, 1e-9)))
    pace = fitted_pace(samples)
    return pace._replace(per_unit=scaled(pace.per_unit, questions / tried))


def _drawn(seed: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Return drawn P(yes), like those of a model in that few are certain and no two alike."""
    odds = np.random.default_rng(seed).normal(0.0, 3.0, size=(rows, columns))
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)
