"""Training table models from a folder of features, part by part on any engine, resumable. (io)

A part is one booster: a round and a seed, or all rows and a seed. What is finished lies in the folder of parts, so the
same call after a crash trains what is missing and ends with the same bytes; another seed or model trains its own
boosters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from furikaeri_common.artifacts import map_tensor
from furikaeri_common.documents import fingerprint
from furikaeri_common.task_store import Stored
from furikaeri_common.tasks import Engine, Progress, Task, raise_if_final, require_all, run_tasks
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part, config_on_all_rows, parts_of
from isic_lesion.boosters.files import SUFFIXES, load_booster
from isic_lesion.boosters.importances import importance_frame
from isic_lesion.boosters.native import require_library
from isic_lesion.boosters.out_of_fold import FoldQuality, oof_frame, quality_by_fold
from isic_lesion.features import open_features
from isic_lesion.table_models.booster_task import train_part
from isic_lesion.table_models.folder import ModelRecord, write_model
from isic_lesion.table_models.training_inputs import (
    HOSPITAL,
    Prepared,
    check_configs,
    choose_features,
    inputs_of,
    prepare,
    refuse_other,
)

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["Parts", "num_parts", "train_table", "train_tables"]

Parts = Literal["both", "folds", "all"]
"""Which boosters a model gets: those of the rounds, those of all rows, or both."""

_VERSION = "1"
_STORE, _FINISHED = ".parts", "finished"


def num_parts(config: BoosterConfig, num_folds: int, parts: Parts = "both") -> int:
    """Return how many boosters of a model `train_tables` trains."""
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
    """Train one model; see `train_tables`."""
    (record,) = train_tables(
        features,
        folds,
        metadata,
        [config],
        [out],
        engine=engine,
        parts=parts,
        names=[names],
        replace_other=replace_other,
        on_progress=on_progress,
    )
    return record


def train_tables(
    features: Path,
    folds: Folds,
    metadata: DataFrame,
    configs: Sequence[BoosterConfig],
    outs: Sequence[Path],
    *,
    engine: Engine,
    parts: Parts = "both",
    names: Sequence[Sequence[str] | None] | None = None,
    store: Path | None = None,
    replace_other: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[ModelRecord]:
    """Train models side by side and write their folders (see `table_models`).

    Args:
        features: a folder that `write_features` finished, with the same folds if any feature crosses patients.
        folds: who is held out when.
        metadata: isic_id, target, iddx_1 (for soft labels) and attribution, of the lesions of the features.
        configs: of the models, with distinct names and the same number of threads.
        outs: the models' folders, as many; made if they are missing.
        engine: where the boosters are trained.
        parts: which boosters a model gets; without "folds" and "both" there are no out-of-fold scores.
        names: for each model the features to use, in order; None: all. What a configuration leaves out is left out of
            either.
        store: the folder of parts; None: `.parts` beside the first model's. It keeps what was trained with other
            settings too, and may be deleted once the models are whole.
        replace_other: replace a model of other settings or data that a folder holds; else refuse to. Other seeds
            or parts are no other model.
        on_progress: told of each booster.

    Returns:
        What each `model.json` says.

    Raises:
        InputError: if features, folds and metadata are not about the same lesions, or cannot be used.
        WorkError: if a booster cannot be trained.
    """
    outs = [Path(out) for out in outs]
    check_configs(configs, outs, parts)
    for config in configs:
        require_library(config.library)
    table = open_features(Path(features))
    asked = names or [None] * len(configs)
    chosen = [choose_features(table, config, some) for config, some in zip(configs, asked, strict=True)]
    if not replace_other:
        for config, out, some in zip(configs, outs, chosen, strict=True):
            refuse_other(out, table, some, folds, config)
    root = Path(store) if store is not None else outs[0].parent / _STORE
    prepared = [
        prepare(table, some, folds, metadata, config, root) for config, some in zip(configs, chosen, strict=True)
    ]
    trained = _train_all(prepared, configs, root, engine, folds.num_folds, parts, on_progress)
    return [
        _write(one, folds, config, out, fitted)
        for one, config, out, fitted in zip(prepared, configs, outs, trained, strict=True)
    ]


def _train_all(
    prepared: Sequence[Prepared],
    configs: Sequence[BoosterConfig],
    root: Path,
    engine: Engine,
    num_folds: int,
    parts: Parts,
    on_progress: Callable[[Progress], None] | None,
) -> list[dict[Part, Stored]]:
    """Train what is missing and return, for each model, its boosters in order.

    Boosters of all rows that stop early wait for those of the rounds, which tell after how many trees.
    """
    asked = [
        (number, part)
        for number, config in enumerate(configs)
        for part in parts_of(config, num_folds)
        if parts == "both" or (part.fold is None) == (parts == "all")
    ]
    later = [(number, part) for number, part in asked if part.fold is None and configs[number].early_stopping_rounds]
    found: list[dict[Part, Stored]] = [{} for _ in configs]

    def run(some: Sequence[tuple[int, Part]], how: Sequence[BoosterConfig]) -> None:
        tasks = [_task(prepared[number], how[number], part) for number, part in some]
        labels = {task.key: f"{how[number].name} {part.name}" for task, (number, part) in zip(tasks, some, strict=True)}
        before = sum(map(len, found))

        def tell(event: Progress) -> None:
            raise_if_final(event.error)  # leaving stops the workers
            if on_progress is not None:
                on_progress(event._replace(key=labels[event.key], done=event.done + before, total=len(asked)))

        report = run_tasks(
            train_part,
            tasks,
            store=root / _FINISHED,
            engine=engine,
            threads=how[0].threads,
            version=_VERSION,
            reads=list(dict.fromkeys(path for number, _ in some for path in prepared[number].places.values())),
            on_progress=tell,
        )
        require_all(report)
        for (number, part), stored in zip(some, report.finished.values(), strict=True):
            found[number][part] = stored

    run([one for one in asked if one not in later], configs)
    if later:
        rounds = [[int(stored.value["rounds"]) for stored in fitted.values()] for fitted in found]
        run(later, [config_on_all_rows(config, some) for config, some in zip(configs, rounds, strict=True)])
    return found


def _task(prepared: Prepared, config: BoosterConfig, part: Part) -> Task:
    """Return a part's task; its key tells the inputs, for models of one name and other settings share the store."""
    inputs = inputs_of(prepared, config, part)
    places = {name: str(path) for name, path in prepared.places.items()}
    return Task(f"{config.name} {part.name} {fingerprint(inputs)[:12]}", inputs, places)


def _write(
    prepared: Prepared, folds: Folds, config: BoosterConfig, out: Path, fitted: Mapping[Part, Stored]
) -> ModelRecord:
    results = {part: stored.folder for part, stored in fitted.items()}
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
        rounds={part: int(stored.value["rounds"]) for part, stored in fitted.items()},
        quality=quality,
        digests={},
    )
    importances = importance_frame((part.fold, part.seed, load_booster(file)) for part, file in files.items())
    return write_model(out, record, files, oof, importances, folds)
