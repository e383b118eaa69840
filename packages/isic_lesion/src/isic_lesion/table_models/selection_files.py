"""Choosing a trained model's features, and keeping the choice as JSON. (io)"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.errors import InputError, WorkError
from isic_lesion.features import FeatureTable, open_features
from isic_lesion.parquet import read_parquet
from isic_lesion.table_models.folder import IMPORTANCES, ModelRecord, load_model, read_record
from isic_lesion.table_models.selection import (
    Selection,
    correlated_groups,
    permutation_drops,
    sample_held_out,
    select_by_drop,
    used_features,
)
from isic_lesion.table_models.training_inputs import fitted_per_fold

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["SELECTION_METHODS", "Method", "read_selection", "select_features", "write_selection"]

Method = Literal["zero-importance", "permutation"]
SELECTION_METHODS: tuple[Method, ...] = ("zero-importance", "permutation")

_KIND = "isic feature selection"
_FORMAT = 1
_MOST_FOR_GROUPS = 20_000


def select_features(
    model: Path,
    features: Path,
    folds: Folds,
    metadata: DataFrame,
    method: Method,
    *,
    seed: int = 0,
    repeats: int = 3,
    most_negatives: int = 20_000,
    correlation: float | None = None,
    on_round: Callable[[int], None] | None = None,
) -> Selection:
    """Choose among the features of a model that was trained in rounds.

    Args:
        model: its folder.
        features: the folder it was trained from.
        folds: its folds.
        metadata: isic_id and target of the lesions.
        method: "zero-importance" keeps what any split of any booster uses; "permutation" keeps of these what raises
            the held-out rows' pAUC, on average over rounds and shuffles.
        seed: of what is drawn and shuffled.
        repeats: shuffles of each feature in each round.
        most_negatives: negatives of each round that are scored; all positives are.
        correlation: shuffle features together that are correlated so much, in (0, 1]; None: each by itself.
        on_round: told how many rounds are done.

    Raises:
        InputError: if model, features, folds and metadata do not belong together, or no round holds out both classes.
        WorkError: if no feature would be left.
    """
    record = read_record(model)
    table = open_features(features)
    if record.folds != folds.fingerprint:
        raise InputError(f"{model}: was trained with other folds", fix="Give the folds that it was trained with")
    if record.rows != table.rows_fingerprint or not set(record.names) <= set(table.names):
        raise InputError(f"{model}: was not trained on the features of {features}")
    importances = read_parquet(Path(model) / IMPORTANCES, fix="Train the model again").frame
    kept = used_features(importances, record.names)
    settings: dict[str, object] = {}
    if method == "permutation":
        settings = {
            "seed": seed,
            "repeats": repeats,
            "most_negatives": most_negatives,
            "correlation": correlation,
        }
        kept = _permuted(
            record, Path(model), table, folds, metadata, kept, seed, repeats, most_negatives, correlation, on_round
        )
    if not kept:
        raise WorkError(
            f"{model}: no feature would be left by {method}", fix="Train it for more rounds, or do not select"
        )
    dropped = tuple(name for name in record.names if name not in set(kept))
    return Selection(method, settings, record.features, kept, dropped)


def write_selection(selection: Selection, path: Path) -> None:
    """Write a selection atomically."""
    write_json(path, {"kind": _KIND, "format": _FORMAT, **selection._asdict()})


def read_selection(path: Path) -> Selection:
    """Read a selection.

    Raises:
        InputError: if the file is missing, not JSON, or none.
    """
    document = read_json(path)
    if not isinstance(document, dict) or document.get("kind") != _KIND or document.get("format") != _FORMAT:
        raise InputError(f"{path}: is no selection of features", fix="Make one with `isic train-table --select`")
    texts = [document.get("names"), document.get("dropped")]
    if not all(isinstance(text, list) and all(isinstance(name, str) for name in text) for text in texts):
        raise InputError(f"{path}: expected lists of features in names and dropped")
    if not isinstance(document.get("settings"), dict) or not document["names"]:
        raise InputError(f"{path}: expected at least one feature in names, and settings")
    return Selection(
        str(document.get("method")),
        document["settings"],
        str(document.get("features")),
        tuple(document["names"]),
        tuple(document["dropped"]),
    )


def _permuted(
    record: ModelRecord,
    model: Path,
    table: FeatureTable,
    folds: Folds,
    metadata: DataFrame,
    used: tuple[str, ...],
    seed: int,
    repeats: int,
    most_negatives: int,
    correlation: float | None,
    on_round: Callable[[int], None] | None,
) -> tuple[str, ...]:
    place = {name: column for column, name in enumerate(record.names)}
    candidates = [place[name] for name in used]
    groups = _groups(table, record, candidates, correlation, seed)
    joined = table.isic_ids.to_frame().join(metadata, on="isic_id", how="left", maintain_order="left")
    target = joined["target"].to_numpy()
    per_fold = fitted_per_fold(table, record.names)
    drops = []
    for fold in range(record.num_folds):
        held_out = np.flatnonzero(folds.split(table.isic_ids, fold)[1])
        generator = np.random.default_rng([seed, fold])
        rows = held_out[sample_held_out(target[held_out], most_negatives, generator)]
        if 0 < target[rows].sum() < len(rows):
            scorer = load_model(model, fold=fold)
            matrix = table.matrix(record.names, rows=rows, fit=fold if per_fold else "all")
            drops.append(
                permutation_drops(scorer.predict, matrix, target[rows], groups, generator=generator, repeats=repeats)
            )
        if on_round is not None:
            on_round(fold + 1)
    if not drops:
        raise InputError(f"{model}: no round holds out malignant and benign lesions", fix="Make fewer folds")
    return select_by_drop(drops, groups, record.names, candidates=set(candidates))


def _groups(
    table: FeatureTable, record: ModelRecord, candidates: list[int], correlation: float | None, seed: int
) -> list[tuple[int, ...]]:
    if correlation is None or not candidates:
        return [(column,) for column in candidates]
    rows = np.arange(len(table))
    if len(rows) > _MOST_FOR_GROUPS:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), _MOST_FOR_GROUPS, replace=False))
    matrix = table.matrix([record.names[column] for column in candidates], rows=rows)
    groups = correlated_groups(matrix, threshold=correlation)
    named = [tuple(candidates[at] for at in group) for group in groups]
    assert sorted(itertools.chain.from_iterable(named)) == sorted(candidates)
    return named
