"""How long the stages of a run take that need no pictures, from two small runs on made-up rows. (io)

A small run (see `small_runs`) tells what every stage takes with boosters of a single round, and boosters of two lengths
what another round costs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.documents import fingerprint
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Engine, Task, run_tasks
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.small_runs import brief, measure_stages, size_on_disk
from isic_lesion.planning.timings import Timing, only_value
from isic_lesion.recipe import Recipe, document_of

__all__ = [
    "BoosterSample",
    "StageSample",
    "TableSample",
    "distinct_models",
    "kind_of",
    "measure_booster",
    "sample_tables",
]

_FEW = 3  # rounds, which tell how many fit into the time
_LONG = 4.0  # seconds that the longer booster of a model may take


class StageSample(NamedTuple):
    """One stage of a small run.

    Attributes:
        timing: its units are rows.
        memory: bytes of all processes at the peak; where boosters are trained, of the process that trains them.
        disk: bytes of what it left.
    """

    timing: Timing
    memory: int
    disk: int


class BoosterSample(NamedTuple):
    """One booster of a small run.

    Attributes:
        rows: of the table.
        rounds: that it has.
        seconds, processor: that it took, reading and scoring included.
        disk: bytes of its file.
    """

    rows: int
    rounds: int
    seconds: float
    processor: float
    disk: int


class TableSample(NamedTuple):
    """A small run.

    Attributes:
        rows: of its table.
        features: of each table model, by name.
        stages: by name; those of table models have boosters of one round and one seed.
        boosters: by the model's name, of two lengths; models that differ in name and hospital alone share the first's.
    """

    rows: int
    features: Mapping[str, int]
    stages: Mapping[str, StageSample]
    boosters: Mapping[str, tuple[BoosterSample, ...]]


def sample_tables(
    recipe: Recipe, sizes: Sequence[tuple[int, int, int]], store: Path, *, threads: int, engine: Engine
) -> list[TableSample]:
    """Run a recipe small, once for each size.

    Args:
        recipe: whose features, table models and stack are measured.
        sizes: rows, patients and malignant lesions of each.
        store: a folder for what the runs leave.
        threads: that compute features.
        engine: where; of one worker.

    Raises:
        WorkError: if a sample cannot be run.
    """
    found = []
    for rows, patients, malignant in sizes:
        inputs = {
            "recipe": document_of(recipe),
            "rows": rows,
            "patients": patients,
            "malignant": malignant,
            "threads": threads,
        }
        tasks = [Task(f"{rows} rows", inputs)]
        # As many threads as a run's own process has: polars takes all.
        report = run_tasks(measure_stages, tasks, store=store, engine=engine, threads=os.cpu_count() or 1, retries=0)
        value = only_value(report)
        (stored,) = report.finished.values()
        boosters = {config.name: _sample_boosters(config, stored.folder, rows) for config in distinct_models(recipe)}
        stages = {
            name: StageSample(Timing(*one["timing"]), one["memory"], one["disk"])
            for name, one in value["stages"].items()
        }
        found.append(TableSample(rows, value["features"], stages, boosters))
    return found


def measure_booster(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Train boosters of a few lengths on all rows of a small run as a run would, and time them.

    A first one, in which the library is read, is not counted.

    Args:
        inputs: `run`, a folder that `measure_stages` made, `config` of the model, `rows` of the run and `seconds`.
        folder: of the task.
    """
    import polars as pl

    from isic_lesion.folds.files import read_folds
    from isic_lesion.run_layout import RunLayout
    from isic_lesion.table_models.training import train_table

    layout, config = RunLayout(Path(inputs["run"])), BoosterConfig.from_json(inputs["config"])
    folds = read_folds(layout.folds)
    metadata = pl.read_parquet(layout.lesions, columns=["isic_id", "target", "iddx_1", "attribution"])

    def timed(rounds: int, out: str) -> BoosterSample:
        tried = replace(config, rounds=rounds)
        clock, processor = time.perf_counter(), time.process_time()
        train_table(layout.features, folds, metadata, tried, folder / out, engine=LocalProcesses(0), parts="all")
        seconds, processor = time.perf_counter() - clock, time.process_time() - processor
        disk = size_on_disk(folder / out / "boosters")
        return BoosterSample(inputs["rows"], rounds, seconds, processor, disk)

    timed(1, "first/model")
    few = timed(min(_FEW, config.rounds), "few/model")
    one = timed(1, "one/model")
    if few.rounds == 1:
        return [list(one)]
    each = max(1e-3, (few.seconds - one.seconds) / (few.rounds - 1))
    many = min(config.rounds, few.rounds + max(1, round(inputs["seconds"] / each)))
    return [list(one), list(timed(many, "many/model") if many > few.rounds else few)]


def distinct_models(recipe: Recipe) -> list[BoosterConfig]:
    """Return the first of each kind of model; see `kind_of`."""
    first: dict[str, BoosterConfig] = {}
    for config in recipe.models:
        first.setdefault(kind_of(config), config)
    return list(first.values())


def kind_of(config: BoosterConfig) -> str:
    """Return the same for models whose boosters cost the same, but for the number of their features."""
    hospital = "blanked" if config.hospital_features == "blanked" else "with"
    return fingerprint({**config.to_json(), "name": "", "hospital_features": hospital, "seeds": []})


def _sample_boosters(config: BoosterConfig, folder: Path, rows: int) -> tuple[BoosterSample, ...]:
    """Time boosters of two lengths, in a fresh process."""
    asked = replace(brief(config), rounds=config.rounds)
    inputs = {"run": str(folder / "run"), "config": asked.to_json(), "rows": rows, "seconds": _LONG}
    report = run_tasks(
        measure_booster,
        [Task(f"the boosters of {config.name}", inputs)],
        store=folder / "boosters",
        engine=LocalProcesses(1),
        threads=config.threads,
        retries=0,
    )
    return tuple(BoosterSample(*one) for one in only_value(report))
