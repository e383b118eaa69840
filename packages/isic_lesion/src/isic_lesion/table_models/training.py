"""Training a table model from a folder of features, part by part on any engine, resumable. (io)

A part is one booster: a round and a seed, or all rows and a seed. What is finished lies in `.parts` of the model's
folder, so the same call after a crash trains what is missing and ends with the same bytes; another seed trains its own
boosters alone. The folder may be deleted once the model is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import map_tensor, read_json, write_bytes, write_tensors
from furikaeri_common.errors import InputError
from furikaeri_common.tasks import Engine, Progress, Task, TaskReport, require_all, run_tasks
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part, TrainingData, config_on_all_rows, fit_part, parts_of
from isic_lesion.boosters.files import SUFFIXES, load_booster
from isic_lesion.boosters.importances import importance_frame
from isic_lesion.boosters.native import require_library
from isic_lesion.boosters.out_of_fold import FoldQuality, oof_frame, quality_by_fold
from isic_lesion.features import open_features
from isic_lesion.table_models.folder import ModelRecord, write_model
from isic_lesion.table_models.training_inputs import (
    HOSPITAL,
    STORE,
    Prepared,
    choose_features,
    inputs_of,
    prepare,
    refuse_other,
)

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["Parts", "num_parts", "train_part", "train_table"]

Parts = Literal["both", "folds", "all"]
"""Which boosters a model gets: those of the rounds, those of all rows, or both."""

_VERSION = "1"
_INPUT_ERROR = "InputError: "


def num_parts(config: BoosterConfig, num_folds: int, parts: Parts = "both") -> int:
    """Return how many boosters `train_table` trains."""
    rounds = {"both": num_folds + 1, "folds": num_folds, "all": 1}
    return rounds[parts] * len(config.seeds)


def train_table(
    features: Path,
    folds: Folds,
    metadata: DataFrame,
    config: BoosterConfig,
    out: Path,
    *,
    engine: Engine,
    parts: Parts = "both",
    names: Sequence[str] | None = None,
    replace_other: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> ModelRecord:
    """Train a model and write its folder (see `table_models`).

    Args:
        features: a folder that `write_features` finished, with the same folds if any feature crosses patients.
        folds: who is held out when.
        metadata: isic_id, target, iddx_1 (for soft labels) and attribution, of the lesions of the features.
        config: of the model.
        out: the model's folder; made if it is missing.
        engine: where the boosters are trained.
        parts: which boosters it gets; without "folds" and "both" there are no out-of-fold scores.
        names: the features to use, in order; None: all. What the configuration leaves out is left out of either.
        replace_other: replace a model of other settings or data that the folder holds; else refuse to. Other seeds
            or parts are no other model.
        on_progress: told of each booster.

    Returns:
        What `model.json` says.

    Raises:
        InputError: if features, folds and metadata are not about the same lesions, or cannot be used.
        WorkError: if a booster cannot be trained.
    """
    out = Path(out)
    require_library(config.library)
    if config.early_stopping_rounds is not None and parts == "all":
        raise InputError(
            f"model {config.name}: early stopping needs rounds", fix="Train the rounds too, or turn it off"
        )
    table = open_features(Path(features))
    chosen = choose_features(table, config, names)
    if not replace_other:
        refuse_other(out, table, chosen, folds, config)
    prepared = prepare(table, chosen, folds, metadata, config, out)
    wanted = parts_of(config, folds.num_folds)
    in_rounds = [part for part in wanted if part.fold is not None and parts != "all"]
    on_all = [part for part in wanted if part.fold is None and parts != "folds"]
    results: dict[Part, Path] = {}
    rounds: dict[Part, int] = {}

    def train(some: Sequence[Part], how: BoosterConfig) -> None:
        tasks = [Task(part.name, inputs_of(prepared, how, part)) for part in some]
        report = _run(tasks, out, engine, config.threads, len(in_rounds) + len(on_all), len(results), on_progress)
        values = require_all(report)
        for part, value, stored in zip(some, values, report.finished.values(), strict=True):
            results[part], rounds[part] = stored.folder, int(value["rounds"])

    if config.early_stopping_rounds is None:
        train([*in_rounds, *on_all], config)
    else:
        train(in_rounds, config)
        train(on_all, config_on_all_rows(config, [rounds[part] for part in in_rounds]))
    return _write(prepared, folds, config, out, results, rounds)


def train_part(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Train one part and score what it holds out: the task that `train_table` hands to an engine.

    Args:
        inputs: as `train_table` makes them.
        folder: takes the booster's file and `log_odds.safetensors`.

    Returns:
        {"rounds": rounds of trees}.
    """
    import polars as pl

    table = open_features(Path(inputs["features"]))
    rows = pl.read_parquet(Path(inputs["rows"]))
    names = read_json(Path(inputs["names"]))
    config = BoosterConfig.from_json({**inputs["config"], "seeds": [inputs["seed"]]})
    part = Part(inputs["fold"], inputs["seed"])

    def read(chosen: NDArray[np.intp], fold: int | None) -> NDArray[np.float32]:
        fit: int | Literal["all"] = "all" if fold is None or not inputs["fitted_per_fold"] else fold
        return table.matrix(names["names"], rows=chosen, fit=fit)

    of_hospital = set(names["of_hospital"])
    data = TrainingData(
        read,
        tuple(names["names"]),
        rows["label"].to_numpy(),
        rows["weight"].to_numpy(),
        rows["target"].to_numpy(),
        np.asarray([name in of_hospital for name in names["names"]]),
        rows[HOSPITAL],
    )
    train, held_out = np.arange(len(rows)), np.empty(0, dtype=np.intp)
    if part.fold is not None:
        train = np.flatnonzero(rows[f"train-{part.fold}"].to_numpy())
        held_out = np.flatnonzero(rows[f"held-out-{part.fold}"].to_numpy())
    try:
        booster, log_odds = fit_part(data, part, config, train, held_out)
    except ValueError as error:
        raise InputError(f"{part.name}: {error}") from error
    write_bytes(folder / f"booster{SUFFIXES[booster.library]}", booster.to_bytes())
    write_tensors(folder / "log_odds.safetensors", {"log_odds": log_odds})
    return {"rounds": booster.rounds}


def _run(
    tasks: Sequence[Task],
    out: Path,
    engine: Engine,
    threads: int,
    total: int,
    before: int,
    on_progress: Callable[[Progress], None] | None,
) -> TaskReport:
    """Run some of the parts, telling progress among all of them."""

    def tell(event: Progress) -> None:
        if event.error.startswith(_INPUT_ERROR):
            # No other attempt and no other booster would fare better: leaving stops the workers.
            raise InputError(event.error.removeprefix(_INPUT_ERROR))
        if on_progress is not None:
            on_progress(event._replace(done=event.done + before, total=total))

    return run_tasks(
        train_part,
        tasks,
        store=out / STORE,
        engine=engine,
        threads=threads,
        version=_VERSION,
        on_progress=tell,
    )


def _write(
    prepared: Prepared,
    folds: Folds,
    config: BoosterConfig,
    out: Path,
    results: Mapping[Part, Path],
    rounds: Mapping[Part, int],
) -> ModelRecord:
    files = {part: folder / f"booster{SUFFIXES[config.library]}" for part, folder in results.items()}
    held = {
        fold: np.flatnonzero(prepared.rows[f"held-out-{fold}"].to_numpy())
        for fold in sorted({part.fold for part in results if part.fold is not None})
    }
    oof, quality = None, tuple[FoldQuality, ...]()
    if held:
        odds = {
            fold: [map_tensor(results[Part(fold, seed)] / "log_odds.safetensors", "log_odds") for seed in config.seeds]
            for fold in held
        }
        oof = oof_frame(odds, held, prepared.table.isic_ids, config.name)
        quality = quality_by_fold(oof, prepared.table.isic_ids, prepared.rows["target"].to_numpy())
    of_rows = prepared.rows
    masks = {str(fold): of_rows[f"train-{fold}"] for fold in range(folds.num_folds)}
    hospitals = {fit: of_rows.filter(mask)[HOSPITAL] for fit, mask in masks.items()} | {"all": of_rows[HOSPITAL]}
    record = ModelRecord(
        config=config,
        names=prepared.names,
        hospital_names=prepared.hospital_names,
        features=prepared.table.feature_set.select(prepared.names).fingerprint,
        rows=prepared.table.rows_fingerprint,
        folds=folds.fingerprint,
        scheme=folds.scheme,
        num_folds=folds.num_folds,
        hospitals={fit: tuple(seen.drop_nulls().unique().sort()) for fit, seen in hospitals.items()},
        rounds=dict(rounds),
        quality=quality,
        digests={},
    )
    importances = importance_frame((part.fold, part.seed, load_booster(file)) for part, file in files.items())
    return write_model(out, record, files, oof, importances, folds)
