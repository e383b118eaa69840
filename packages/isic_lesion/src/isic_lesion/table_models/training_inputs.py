"""What table models are trained from: features, folds and metadata, checked against each other and laid out. (io)

Below the folder of parts:

    rows-<mark>.parquet, names-<mark>.json    what the boosters of a model read beside the features
    finished/                                 boosters
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from furikaeri_common.artifacts import write_bytes, write_json
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.features import FeatureTable
from isic_lesion.labels import soft_labels
from isic_lesion.model_documents import MODEL_DOCUMENT
from isic_lesion.setting_checks import check_together
from isic_lesion.table_models.folder import read_record

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = [
    "HOSPITAL",
    "Prepared",
    "check_configs",
    "choose_features",
    "fitted_per_fold",
    "inputs_of",
    "prepare",
    "refuse_other",
]

HOSPITAL = "attribution"

_DISTRIBUTIONS = {"xgboost": "xgboost", "lightgbm": "lightgbm", "extra-trees": "scikit-learn", "kernel": "scipy"}


class Prepared(NamedTuple):
    """What the parts share, and what each of them reads.

    Attributes:
        table: the features.
        names: of those that are used, in order.
        hospital_names: of those of them that are derived from the hospital.
        rows: isic_id, target, attribution, label, weight, and for each round which rows it trains on and holds out.
        inputs: of every task; among them marks of what it reads.
        places: where that lies, by the names that tasks have for it.
    """

    table: FeatureTable
    names: tuple[str, ...]
    hospital_names: tuple[str, ...]
    rows: DataFrame
    inputs: dict[str, Any]
    places: dict[str, Path]


def prepare(
    table: FeatureTable,
    chosen: tuple[str, ...],
    folds: Folds,
    metadata: DataFrame,
    config: BoosterConfig,
    root: Path,
) -> Prepared:
    """Check that features, folds and metadata are of the same lesions, and lay out what every part reads.

    Args:
        table: the features.
        chosen: those that the model uses.
        folds: who is held out when.
        metadata: as `training.train_tables` takes it.
        config: of the model.
        root: the folder of parts, which takes what they read.

    Raises:
        InputError: if they do not fit each other.
    """
    import polars as pl

    features = table.folder
    known = {feature.name: feature for feature in table.feature_set.features}
    of_hospital = tuple(name for name in chosen if HOSPITAL in known[name].columns)
    per_fold = fitted_per_fold(table, chosen)
    if per_fold and table.folds_fingerprint != folds.fingerprint:
        raise InputError(
            f"{features}: was not made with these folds, and some of its features are fitted on each fold's rows",
            fix="Make the features again with the file of these folds (--folds)",
        )
    joined = _join(table, metadata, features)
    labels = soft_labels(joined, plain=not config.soft_labels)
    hospital = pl.col(HOSPITAL) if HOSPITAL in joined.columns else pl.lit(None, pl.String).alias(HOSPITAL)
    rows = joined.select("isic_id", pl.col("target").cast(pl.Int8), hospital).with_columns(
        pl.Series("label", labels.label), pl.Series("weight", labels.weight)
    )
    try:
        for k in range(folds.num_folds):
            train, held_out = folds.split(table.isic_ids, k)
            rows = rows.with_columns(pl.Series(f"train-{k}", train), pl.Series(f"held-out-{k}", held_out))
    except ValueError as error:
        raise InputError(f"the folds are not of the lesions of {features}: {error}") from error
    written = io.BytesIO()
    rows.write_parquet(written)
    mark = hashlib.sha256(written.getvalue()).hexdigest()
    named = {"names": chosen, "of_hospital": of_hospital}
    rows_file, names_file = root / f"rows-{mark[:16]}.parquet", root / f"names-{fingerprint(named)[:16]}.json"
    write_bytes(rows_file, written.getvalue())
    write_json(names_file, named)
    inputs = {
        "marks": {
            "features": [table.rows_fingerprint, table.feature_set.select(chosen).fingerprint],
            "rows": mark,
            "fits": table.folds_fingerprint if per_fold else None,
            "of_hospital": fingerprint(of_hospital),
            "versions": {name: version(name) for name in (_DISTRIBUTIONS[config.library], "numpy")},
        },
        "fitted_per_fold": per_fold,
    }
    places = {"features": features.resolve(), "rows": rows_file.resolve(), "names": names_file.resolve()}
    return Prepared(table, chosen, of_hospital, rows, inputs, places)


def check_configs(configs: Sequence[BoosterConfig], outs: Sequence[Path], parts: str) -> None:
    """Refuse models that cannot be trained in one call.

    Raises:
        ValueError: if there is none, or not a folder for each.
        InputError: if two have one name or folder, their threads differ, or one stops early without rounds.
    """
    check_together([config.name for config in configs], [config.threads for config in configs], outs)
    for config in configs:
        if config.early_stopping_rounds is not None and parts == "all":
            raise InputError(
                f"model {config.name}: early stopping needs rounds", fix="Train the rounds too, or turn it off"
            )


def refuse_other(out: Path, table: FeatureTable, names: tuple[str, ...], folds: Folds, config: BoosterConfig) -> None:
    """Raise if the folder holds a whole model that differs in more than its seeds and parts.

    Raises:
        InputError: if it does.
    """
    if not (out / MODEL_DOCUMENT).exists():
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


def choose_features(table: FeatureTable, config: BoosterConfig, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the features that a model uses, of those that are asked for (None: all).

    Raises:
        InputError: if one is not there, or none is left.
    """
    asked = table.feature_set
    if names is not None:
        try:
            asked = asked.select(names)
        except ValueError as error:
            raise InputError(
                f"{table.folder}: {error}", fix="Compute them, or select among those that are there"
            ) from error
    if config.hospital_features == "without":
        asked = asked.without_columns(HOSPITAL)
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


def inputs_of(prepared: Prepared, config: BoosterConfig, part: Part) -> dict[str, Any]:
    """Return the inputs of a part's task."""
    how = {**config.to_json(), "seeds": []}  # the other seeds do not touch a booster
    return {**prepared.inputs, "config": how, "fold": part.fold, "seed": part.seed}
