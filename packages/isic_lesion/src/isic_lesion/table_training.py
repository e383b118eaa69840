"""Training a table model from a folder of features, part by part on any engine, resumable. (io)

A part is one booster: a round and a seed, or all rows and a seed. What is finished lies in `.parts` of the model's
folder, so the same call after a crash trains what is missing and ends with the same bytes; another seed trains its own
boosters alone. The folder may be deleted once the model is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, map_tensor, read_json, write_bytes, write_json, write_tensors
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from furikaeri_common.tasks import Engine, Progress, Task, TaskReport, require_all, run_tasks
from isic_lesion.booster_config import BoosterConfig
from isic_lesion.booster_files import SUFFIXES, load_booster
from isic_lesion.cross_validation import Part, TrainingData, config_on_all_rows, fit_part, parts_of
from isic_lesion.features import FeatureTable, open_features
from isic_lesion.importances import importance_frame
from isic_lesion.labels import soft_labels
from isic_lesion.native_boosters import require_library
from isic_lesion.out_of_fold import FoldQuality, oof_frame, quality_by_fold
from isic_lesion.table_models import RECORD, ModelRecord, read_record, write_model

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds import Folds

__all__ = ["Parts", "fitted_per_fold", "num_parts", "train_part", "train_table"]

Parts = Literal["both", "folds", "all"]
"""Which boosters a model gets: those of the rounds, those of all rows, or both."""

_VERSION = "1"
_STORE = ".parts"
_ROWS = "rows.parquet"
_NAMES = "names.json"
_HOSPITAL = "attribution"
_INPUT_ERROR = "InputError: "


class _Prepared(NamedTuple):
    """What the parts share, and what each of them reads."""

    table: FeatureTable
    names: tuple[str, ...]
    hospital_names: tuple[str, ...]
    rows: DataFrame
    fitted_per_fold: bool
    inputs: dict[str, Any]


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
    chosen = _choose(table, config, names)
    if not replace_other:
        _refuse_other(out, table, chosen, folds, config)
    prepared = _prepare(table, chosen, folds, metadata, config, out)
    wanted = parts_of(config, folds.num_folds)
    in_rounds = [part for part in wanted if part.fold is not None and parts != "all"]
    on_all = [part for part in wanted if part.fold is None and parts != "folds"]
    results: dict[Part, Path] = {}
    rounds: dict[Part, int] = {}

    def train(some: Sequence[Part], how: BoosterConfig) -> None:
        tasks = [Task(part.name, _inputs(prepared, how, part)) for part in some]
        report = _run(tasks, out, engine, config.threads, len(in_rounds) + len(on_all), len(results), on_progress)
        values = require_all(report)
        for part, value, stored in zip(some, values, report.finished.values(), strict=True):
            results[part], rounds[part] = stored.folder, int(value["rounds"])

    if config.early_stopping_rounds is None:
        train([*in_rounds, *on_all], config)
    else:
        train(in_rounds, config)
        train(on_all, config_on_all_rows(config, [rounds[part] for part in in_rounds]))
    return _write(prepared, folds, metadata, config, out, results, rounds)


def _prepare(
    table: FeatureTable,
    chosen: tuple[str, ...],
    folds: Folds,
    metadata: DataFrame,
    config: BoosterConfig,
    out: Path,
) -> _Prepared:
    import polars as pl

    features = table.folder
    known = {feature.name: feature for feature in table.feature_set.features}
    of_hospital = tuple(name for name in chosen if _HOSPITAL in known[name].columns)
    per_fold = fitted_per_fold(table, chosen)
    if per_fold and table.folds_fingerprint != folds.fingerprint:
        raise InputError(
            f"{features}: was not made with these folds, and some of its features are fitted on each fold's rows",
            fix="Make the features again with the same folds",
        )
    joined = _join(table, metadata, features)
    labels = soft_labels(joined, plain=not config.soft_labels)
    rows = joined.select("isic_id", pl.col("target").cast(pl.Int8)).with_columns(
        pl.Series("label", labels.label), pl.Series("weight", labels.weight)
    )
    try:
        for k in range(folds.num_folds):
            train, held_out = folds.split(table.isic_ids, k)
            rows = rows.with_columns(pl.Series(f"train-{k}", train), pl.Series(f"held-out-{k}", held_out))
    except ValueError as error:
        raise InputError(f"the folds are not of the lesions of {features}: {error}") from error
    store = out / _STORE
    with atomic_writer(store / _ROWS) as stream:
        rows.write_parquet(stream)
    write_json(store / _NAMES, {"names": chosen, "of_hospital": of_hospital})
    inputs = {
        "features": str(features.resolve()),
        "rows": str((store / _ROWS).resolve()),
        "names": str((store / _NAMES).resolve()),
        "marks": {
            "features": [table.rows_fingerprint, table.feature_set.select(chosen).fingerprint],
            "rows": hashlib.sha256((store / _ROWS).read_bytes()).hexdigest(),
            "fits": table.folds_fingerprint if per_fold else None,
            "of_hospital": fingerprint(of_hospital),
        },
        "fitted_per_fold": per_fold,
    }
    return _Prepared(table, chosen, of_hospital, rows, per_fold, inputs)


def _refuse_other(out: Path, table: FeatureTable, names: tuple[str, ...], folds: Folds, config: BoosterConfig) -> None:
    """Raise if the folder holds a whole model that differs in more than its seeds and parts."""
    if not (out / RECORD).exists():
        return
    there = read_record(out)
    other = None
    if replace(there.config, seeds=(0,)) != replace(config, seeds=(0,)):
        other = f"the model {there.config.name} with other settings"
    elif there.folds != folds.fingerprint:
        other = "a model of other folds"
    elif there.rows != table.rows_fingerprint or there.features != table.feature_set.select(names).fingerprint:
        other = "a model of other features"
    if other is not None:
        raise InputError(f"{out}: holds {other}", fix="Choose another --out, or replace it with --force")


def fitted_per_fold(table: FeatureTable, names: Sequence[str]) -> bool:
    """Return whether some of the features are fitted on each round's training rows."""
    known = {feature.name: feature for feature in table.feature_set.features}
    return any(known[name].crosses_patients for name in names)


def _choose(table: FeatureTable, config: BoosterConfig, names: Sequence[str] | None) -> tuple[str, ...]:
    asked = table.feature_set
    if names is not None:
        try:
            asked = asked.select(names)
        except ValueError as error:
            raise InputError(
                f"{table.folder}: {error}", fix="Compute them, or select among those that are there"
            ) from error
    if config.hospital_features == "without":
        asked = asked.without_columns(_HOSPITAL)
    if not asked.names:
        raise InputError(f"{table.folder}: no feature is left for the model {config.name}")
    return asked.names


def _join(table: FeatureTable, metadata: DataFrame, features: Path) -> DataFrame:
    """Return the metadata of the features' rows, in their order; they must be of the same lesions."""
    if "target" not in metadata.columns:
        raise InputError("the lesions have no column 'target'", fix="A model is trained on training data")
    joined = table.isic_ids.to_frame().join(metadata, on="isic_id", how="left", maintain_order="left")
    lost = joined.filter(joined["target"].is_null())
    if len(lost):
        raise InputError(
            f"{features}: {lost['isic_id'][0]} has no target in the metadata ({len(lost)} of {len(joined)} rows)",
            fix="Give the data that the features were made of",
        )
    if len(joined) != len(metadata):
        raise InputError(
            f"{features}: has {len(joined)} lesions, the metadata {len(metadata)}",
            fix="Give the data that the features were made of",
        )
    return joined


def _inputs(prepared: _Prepared, config: BoosterConfig, part: Part) -> dict[str, Any]:
    how = {**config.to_json(), "seeds": []}  # the other seeds do not touch a booster
    return {**prepared.inputs, "config": how, "fold": part.fold, "seed": part.seed}


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
        store=out / _STORE,
        engine=engine,
        threads=threads,
        version=_VERSION,
        on_progress=tell,
    )


def _write(
    prepared: _Prepared,
    folds: Folds,
    metadata: DataFrame,
    config: BoosterConfig,
    out: Path,
    results: Mapping[Part, Path],
    rounds: Mapping[Part, int],
) -> ModelRecord:
    import polars as pl

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
    hospital = pl.lit(None, pl.String) if _HOSPITAL not in metadata.columns else pl.col(_HOSPITAL)
    of_rows = prepared.rows.join(metadata.select("isic_id", hospital.alias(_HOSPITAL)), on="isic_id", how="left")
    masks = {str(fold): of_rows[f"train-{fold}"] for fold in range(folds.num_folds)}
    hospitals = {fit: of_rows.filter(mask)[_HOSPITAL] for fit, mask in masks.items()} | {"all": of_rows[_HOSPITAL]}
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
