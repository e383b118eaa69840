"""Boosters trained round by round, each scoring what it has never seen: out-of-fold scores and their quality.

A part is one booster's share of the work: a round and a seed, or all rows and a seed. A part depends on nothing but its
rows, the configuration, its round and its seed, so parts may be trained anywhere and in any order
(`table_models.train_table` does that on disk, and takes up again what was interrupted).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.boosters.booster import Booster, Matrix, fit_rows
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.importances import importance_frame
from isic_lesion.boosters.out_of_fold import FoldQuality, oof_frame, quality_by_fold
from isic_lesion.boosters.training_rows import Validation, generator_of, sample_rows
from isic_lesion.table_models.inference import blank_unknown, known_hospitals

if TYPE_CHECKING:
    from polars import DataFrame, Series

    from isic_lesion.folds.dealing import Folds

__all__ = [
    "CrossValidated",
    "FittedPart",
    "Part",
    "TrainingData",
    "config_on_all_rows",
    "cross_validate",
    "fit_part",
    "parts_of",
]


class Part(NamedTuple):
    """One booster's share: the round it leaves out (None: it trains on all rows) and its seed."""

    fold: int | None
    seed: int

    @property
    def name(self) -> str:
        """Its name in files, such as `fold-0-seed-42` or `all-seed-42`."""
        return f"{'all' if self.fold is None else f'fold-{self.fold}'}-seed-{self.seed}"


class TrainingData(NamedTuple):
    """What parts are trained on, in the order of the rows of the features.

    Attributes:
        read: (rows, fold) -> float32 features (M, F) of these rows, with what is fitted on groups of rows fitted on
            the training rows of that round (None: on all rows).
        names: of the features, length F.
        labels: 0 or 1, shape (N,).
        weights: at least 0, shape (N,).
        target: what scores are measured on, 0 or 1, shape (N,).
        hospital_columns: which features are derived from the hospital, shape (F,); None if nothing is known of it.
        hospitals: of the rows, String, length N; null where not known. A model trained on "blanked" copies scores rows
            of hospitals that the round did not train on as it will score those of new ones. None: all are known.
    """

    read: Callable[[NDArray[np.intp], int | None], Matrix]
    names: tuple[str, ...]
    labels: NDArray[Any]
    weights: NDArray[Any]
    target: NDArray[Any]
    hospital_columns: NDArray[np.bool_] | None = None
    hospitals: Series | None = None


class FittedPart(NamedTuple):
    """A trained part, and the log-odds of the rows it held out: float64, in their order; empty where it held none."""

    booster: Booster
    log_odds: NDArray[np.float64]


class CrossValidated(NamedTuple):
    """What a cross-validation leaves.

    Attributes:
        oof: isic_id, fold, model, score of every held-out row.
        boosters: by part.
        importances: feature, fold (null: of all rows), seed, gain (share of a booster's), splits.
        quality: of each round, then of all together.
    """

    oof: DataFrame
    boosters: dict[Part, Booster]
    importances: DataFrame
    quality: tuple[FoldQuality, ...]


def cross_validate(
    features: Matrix,
    labels: NDArray[Any],
    weights: NDArray[Any],
    folds: Folds,
    config: BoosterConfig,
    *,
    isic_ids: Series,
    names: Sequence[str],
    target: NDArray[Any] | None = None,
    hospital_columns: NDArray[np.bool_] | None = None,
    hospitals: Series | None = None,
    on_all_rows: bool = False,
) -> CrossValidated:
    """Train a model in rounds on arrays in memory, one booster after the other.

    Args:
        features: float32, NaN where missing, shape (N, F).
        labels: what is learnt, 0 or 1, shape (N,).
        weights: at least 0, shape (N,).
        folds: who is held out when.
        config: of the model; one booster for each of its seeds and each round.
        isic_ids: of the rows, length N.
        names: of the features, length F.
        target: what scores are measured on, 0 or 1, shape (N,). None: the labels.
        hospital_columns: which features are derived from the hospital, shape (F,).
        hospitals: of the rows, as in `TrainingData`.
        on_all_rows: also train one booster for each seed on all rows.

    Raises:
        As `boosters.fit`, and ValueError if a row has no fold or a round trains on rows of one class.
    """
    data = TrainingData(
        lambda rows, fold: features if len(rows) == len(features) and _is_all(rows) else features[rows],
        tuple(names),
        np.asarray(labels),
        np.asarray(weights),
        np.asarray(labels if target is None else target),
        hospital_columns,
        hospitals,
    )
    masks = [folds.split(isic_ids, fold) for fold in range(folds.num_folds)]
    fitted: dict[Part, FittedPart] = {}
    for part in parts_of(config, folds.num_folds, on_all_rows=on_all_rows):
        train, held_out = _rows_of(part, masks, len(data.labels))
        chosen = config
        if part.fold is None:
            chosen = config_on_all_rows(config, [one.booster.rounds for one in fitted.values()])
        fitted[part] = fit_part(data, part, chosen, train, held_out)
    held = {fold: np.flatnonzero(masks[fold][1]) for fold in range(folds.num_folds)}
    odds = {fold: [fitted[Part(fold, seed)].log_odds for seed in config.seeds] for fold in held}
    oof = oof_frame(odds, held, isic_ids, config.name)
    return CrossValidated(
        oof,
        {part: one.booster for part, one in fitted.items()},
        importance_frame((part.fold, part.seed, one.booster) for part, one in fitted.items()),
        quality_by_fold(oof, isic_ids, data.target),
    )


def parts_of(config: BoosterConfig, num_folds: int, *, on_all_rows: bool = True) -> list[Part]:
    """Return all parts of a model: round by round, then those of all rows; seeds in their order."""
    folds: list[int | None] = [*range(num_folds), *([None] if on_all_rows else [])]
    return [Part(fold, seed) for fold in folds for seed in config.seeds]


def config_on_all_rows(config: BoosterConfig, rounds: Sequence[int]) -> BoosterConfig:
    """Return how boosters of all rows are trained: nothing can stop them early, so for the rounds' mean number.

    Args:
        config: of the model.
        rounds: of each booster that was trained in a round; at least one where early stopping is on.
    """
    if config.early_stopping_rounds is None:
        return config
    return replace(config, early_stopping_rounds=None, rounds=max(1, round(sum(rounds) / len(rounds))))


def fit_part(
    data: TrainingData, part: Part, config: BoosterConfig, train: NDArray[np.intp], held_out: NDArray[np.intp]
) -> FittedPart:
    """Train one part and score the rows it holds out.

    Args:
        data: of the model.
        part: which one.
        config: of the model.
        train: the rows it may train on, ascending; the configuration may take some of them only.
        held_out: the rows to score; none for a part that trains on all rows, which is never stopped early.

    Raises:
        As `boosters.fit`.
    """
    generator = generator_of(part.seed, part.fold)
    chosen = sample_rows(data.labels[train], config, generator)
    rows = train if chosen is None else train[chosen]
    validation = None
    if config.early_stopping_rounds is not None and part.fold is not None:
        validation = Validation(_read_held_out(data, part, config, train, held_out), data.target[held_out])
    elif config.early_stopping_rounds is not None:
        raise ValueError("expected rounds without early stopping for a part that trains on all rows")
    booster = fit_rows(
        lambda: data.read(rows, part.fold),
        data.labels[rows],
        data.weights[rows],
        config,
        seed=part.seed,
        names=data.names,
        generator=generator,
        hospital_columns=data.hospital_columns,
        validation=validation,
    )
    if not len(held_out):
        return FittedPart(booster, np.empty(0))
    seen = validation.features if validation is not None else _read_held_out(data, part, config, train, held_out)
    return FittedPart(booster, booster.log_odds(seen))


def _read_held_out(
    data: TrainingData, part: Part, config: BoosterConfig, train: NDArray[np.intp], held_out: NDArray[np.intp]
) -> Matrix:
    features = data.read(held_out, part.fold)
    if config.hospital_features != "blanked" or data.hospitals is None or data.hospital_columns is None:
        return features
    known = known_hospitals(data.hospitals.gather(held_out), data.hospitals.gather(train).unique().to_list())
    return blank_unknown(features, known, data.hospital_columns)


def _rows_of(
    part: Part, masks: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], rows: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if part.fold is None:
        return np.arange(rows), np.empty(0, dtype=np.intp)
    train, held_out = masks[part.fold]
    return np.flatnonzero(train), np.flatnonzero(held_out)


def _is_all(rows: NDArray[np.intp]) -> bool:
    """Return whether rows are all of them in order, given that they are as many."""
    return bool((rows == np.arange(len(rows))).all())
