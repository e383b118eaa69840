"""How long the stages of a run take that need no pictures, from two small runs on made-up rows. (io)

A small run (see `small_runs`) tells what every stage takes with boosters of a single round, and boosters of two lengths
what another round costs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.documents import fingerprint
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Engine, Task, run_tasks
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.drawn_rows import drawing_more, positives_of, sampled_rows
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.small_runs import brief, measure_stages, size_on_disk
from isic_lesion.planning.timings import Timing, Watch, only_value
from isic_lesion.recipe import Recipe, document_of

__all__ = [
    "BoosterSample",
    "SampleSizes",
    "StageSample",
    "TableSample",
    "kind_of",
    "measure_booster",
    "sample_table",
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
    """Boosters of all rows of a small run that were timed, reading included; their units are rounds.

    Attributes:
        features: that they looked at.
        trained: rows that the last two were trained on: about as many as in the planned run, or all there are.
        single: of one round, on what the model draws of the small run's rows.
        short: of one round.
        long: of several, if the model has more than one.
        bytes_per_round: that another round adds to a booster's file.
    """

    features: int
    trained: int
    single: Timing
    short: Timing
    long: Timing
    bytes_per_round: float


class TableSample(NamedTuple):
    """A small run.

    Attributes:
        rows: of its table.
        malignant: among them.
        indeterminate: among them, which train as positive with soft labels.
        features: of each table model, by name.
        stages: by name; those of table models have boosters of one round and one seed.
        boosters: by `kind_of` the models.
    """

    rows: int
    malignant: int
    indeterminate: int
    features: Mapping[str, int]
    stages: Mapping[str, StageSample]
    boosters: Mapping[str, BoosterSample]


class SampleSizes(NamedTuple):
    """Rows, patients and malignant lesions of a small run."""

    rows: int
    patients: int
    malignant: int


def sample_table(
    recipe: Recipe, sizes: SampleSizes, planned: PlannedSizes, store: Path, *, threads: int, engine: Engine
) -> TableSample:
    """Run a recipe small.

    Args:
        recipe: whose features, table models and stack are measured.
        sizes: of the small run.
        planned: of the planned one.
        store: a folder for what the run leaves.
        threads: that compute features.
        engine: where; of one worker.

    Raises:
        WorkError: if it cannot be run.
    """
    inputs = {"recipe": document_of(recipe), **sizes._asdict(), "threads": threads}
    tasks = [Task(f"{sizes.rows} rows", inputs)]
    # As many threads as a run's own process has: polars takes all.
    report = run_tasks(measure_stages, tasks, store=store, engine=engine, threads=os.cpu_count() or 1, retries=0)
    value = only_value(report)
    (stored,) = report.finished.values()
    stages = {
        name: StageSample(Timing(*one["timing"]), one["memory"], one["disk"]) for name, one in value["stages"].items()
    }
    boosters = dict[str, BoosterSample]()
    for config in recipe.models:
        if kind_of(config) not in boosters:
            wanted = sampled_rows(config, planned.rows, positives_of(config, planned.malignant))
            boosters[kind_of(config)] = _sample_boosters(config, stored.folder, wanted)
    return TableSample(sizes.rows, value["malignant"], value["indeterminate"], value["features"], stages, boosters)


def measure_booster(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Train boosters of a few lengths on all rows of a small run as a run would, and time them.

    A first one, in which the library is read, is not counted.

    Args:
        inputs: `run`, a folder that `measure_stages` made, `config` of the model, `wanted` rows and `seconds`.
        folder: of the task.

    Returns:
        A `BoosterSample` as JSON has it.
    """
    import polars as pl

    from isic_lesion.folds.files import read_folds
    from isic_lesion.labels import soft_labels
    from isic_lesion.run_layout import RunLayout
    from isic_lesion.table_models.training import train_table

    layout, config = RunLayout(Path(inputs["run"])), BoosterConfig.from_json(inputs["config"])
    folds = read_folds(layout.folds)
    metadata = pl.read_parquet(layout.lesions, columns=["isic_id", "target", "iddx_1", "attribution"])
    positive = int(soft_labels(metadata, plain=not config.soft_labels).label.sum())
    larger = drawing_more(config, len(metadata), positive, inputs["wanted"])
    features = 0

    def timed(how: BoosterConfig, rounds: int, out: str) -> Timing:
        nonlocal features
        tried, place, watch = replace(how, rounds=rounds), folder / out / "model", Watch()
        record = train_table(layout.features, folds, metadata, tried, place, engine=LocalProcesses(0), parts="all")
        features = len(record.names)
        return watch.lap(rounds)

    timed(config, 1, "first")
    single = timed(config, 1, "single")
    short = single if larger == config else timed(larger, 1, "short")
    long, each = short, 0.0
    if config.rounds > 1:
        few = timed(larger, min(_FEW, config.rounds), "few")
        seconds = max(1e-3, (few.seconds - short.seconds) / (few.units - 1))
        long = timed(larger, min(config.rounds, round(few.units + max(1, inputs["seconds"] / seconds))), "long")
        large, small = (size_on_disk(folder / out / "model" / "boosters") for out in ("long", "first"))
        each = max(0, large - small) / (long.units - 1)
    trained = sampled_rows(larger, len(metadata), positive)
    return [features, trained, list(single), list(short), list(long), each]


def kind_of(config: BoosterConfig) -> str:
    """Return the same for models whose boosters cost the same, but for the number of their features."""
    hospital = "blanked" if config.hospital_features == "blanked" else "with"
    return fingerprint({**config.to_json(), "name": "", "hospital_features": hospital, "seeds": []})


def _sample_boosters(config: BoosterConfig, folder: Path, wanted: int) -> BoosterSample:
    """Time boosters of two lengths, in a fresh process."""
    asked = replace(brief(config), rounds=config.rounds)
    inputs = {"run": str(folder / "run"), "config": asked.to_json(), "wanted": wanted, "seconds": _LONG}
    report = run_tasks(
        measure_booster,
        [Task(f"the boosters of {config.name}", inputs)],
        store=folder / "boosters",
        engine=LocalProcesses(1),
        threads=config.threads,
        retries=0,
    )
    features, trained, single, short, long, each = only_value(report)
    return BoosterSample(features, trained, Timing(*single), Timing(*short), Timing(*long), each)
