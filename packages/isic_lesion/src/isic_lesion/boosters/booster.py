"""One booster: trained on an array, and scoring arrays; XGBoost and LightGBM behind the same three functions.

So are two smooth models that are no boosters, but plain arrays (`array_models`): here they go by the same name.

On a CPU, the same rows, configuration and seed give the same booster to the bit, and a row's score does not depend on
the rows around it. On a GPU the libraries promise neither across devices.

Features are float32 of shape (N, F), NaN where missing. A booster keeps the names of its features, so it refuses a
matrix of another width, and a file of it says what its columns mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from isic_lesion.boosters.array_models import ArrayModel, parse_array_model, train_array_model
from isic_lesion.boosters.config import ARRAY_LIBRARIES, BoosterConfig, Library
from isic_lesion.boosters.native import parse_native, train_native
from isic_lesion.boosters.training_rows import (
    TrainingRows,
    Validation,
    add_noise,
    generator_of,
    sample_rows,
    with_blanked_copies,
)

if TYPE_CHECKING:
    import lightgbm
    import xgboost

__all__ = ["Booster", "Importances", "Matrix", "Validation", "fit", "fit_rows", "sigmoid"]

Matrix = NDArray[np.float32]
_SAFE_IN_NAMES = "-_.~()*/+| "


class Importances(NamedTuple):
    """How much each feature is used.

    Attributes:
        gain: the share of all splits' gain, or of a kernel model's slopes; adding up to 1 unless nothing is used;
            float64, shape (F,).
        splits: how many splits use it; int64, shape (F,).
    """

    gain: NDArray[np.float64]
    splits: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Booster:
    """A trained booster.

    Args:
        library: which library it belongs to.
        native: the library's own object, or the model's arrays.
        names: of the features, in the order of the columns.
        threads: with which it scores; the scores do not depend on it.
    """

    library: Library
    native: xgboost.Booster | lightgbm.Booster | ArrayModel
    names: tuple[str, ...]
    threads: int = 1

    def log_odds(self, features: Matrix) -> NDArray[np.float64]:
        """Return each row's log-odds of being malignant, as trained: not calibrated; shape (N,).

        Raises:
            TypeError: if the features are not float32.
            ValueError: if they are not of shape (N, F).
        """
        matrix = _checked_matrix(features, len(self.names))
        if not len(matrix):
            return np.empty(0)
        if isinstance(self.native, ArrayModel):
            return self.native.log_odds(matrix)
        if self.library == "xgboost":
            # Without a copy into the library's own matrix: scoring needs no memory but the scores'.
            odds = self.native.inplace_predict(matrix, predict_type="margin", validate_features=False)
        else:
            odds = self.native.predict(matrix, raw_score=True, num_threads=self.threads)
        return np.asarray(odds, dtype=np.float64)

    def predict(self, features: Matrix) -> NDArray[np.float64]:
        """Return each row's probability of being malignant, as trained: not calibrated; in [0, 1], shape (N,)."""
        return sigmoid(self.log_odds(features))

    @property
    def rounds(self) -> int:
        """How many rounds of trees (a kernel model: steps) it has: fewer than asked where it was stopped early."""
        if isinstance(self.native, ArrayModel):
            return self.native.rounds
        counted = self.native.num_boosted_rounds if self.library == "xgboost" else self.native.current_iteration
        return int(counted())

    def importances(self) -> Importances:
        """Return how much each feature is used."""
        if isinstance(self.native, ArrayModel):
            return Importances(self.native.gain, self.native.splits)
        if self.library == "xgboost":
            place = {_encoded(name): column for column, name in enumerate(self.names)}
            gain, splits = np.zeros(len(place)), np.zeros(len(place), dtype=np.int64)
            for name, value in self.native.get_score(importance_type="total_gain").items():
                gain[place[name]] = value
            for name, value in self.native.get_score(importance_type="weight").items():
                splits[place[name]] = int(value)
        else:
            gain = np.asarray(self.native.feature_importance("gain"), dtype=np.float64)
            splits = np.asarray(self.native.feature_importance("split"), dtype=np.int64)
        return Importances(gain / gain.sum() if gain.sum() > 0 else gain, splits)

    def to_bytes(self) -> bytes:
        """Return the booster in its own format: UBJSON of XGBoost, text of LightGBM; arrays as safetensors."""
        if isinstance(self.native, ArrayModel):
            return self.native.to_bytes()
        if self.library == "xgboost":
            return bytes(self.native.save_raw("ubj"))
        return str(self.native.model_to_string()).encode()

    @classmethod
    def from_bytes(cls, content: bytes, library: Library, *, threads: int = 1) -> Booster:
        """Return the booster that `to_bytes` wrote; it scores on the CPU.

        Raises:
            ValueError: if the bytes are no booster of the library, or its features have no names.
        """
        if library in ARRAY_LIBRARIES:
            model = parse_array_model(content, library)
            return cls(library, model, model.names, threads)
        native = parse_native(content, library, threads)
        names = native.feature_names if library == "xgboost" else native.feature_name()
        if not names:
            raise ValueError(f"a {library} booster without names of its features")
        return cls(library, native, tuple(unquote(name) for name in names), threads)


def fit(
    features: Matrix,
    labels: NDArray[Any],
    weights: NDArray[Any],
    config: BoosterConfig,
    *,
    seed: int,
    names: Sequence[str],
    fold: int | None = None,
    hospital_columns: NDArray[np.bool_] | None = None,
    validation: Validation | None = None,
) -> Booster:
    """Train one booster on the rows that its configuration, seed and fold choose among those given.

    Args:
        features: float32, shape (N, F), NaN where missing.
        labels: 0 or 1, shape (N,).
        weights: at least 0, shape (N,).
        config: of the model; its `seeds` are not used here.
        seed: of everything random, with the fold.
        names: of the features, distinct, length F.
        fold: the fold that is left out, for the seed's sake alone; None: none is.
        hospital_columns: which features are derived from the hospital, shape (F,); needed where it is "blanked".
        validation: what early stopping looks at; needed if and only if it is on.

    Raises:
        TypeError: if the features are not float32.
        ValueError: if shapes, labels, weights or names are not as said, or all rows are of one class.
        InputError: if a parameter's value is refused by the library, or there is no GPU for `device = "gpu"`.
        MissingExtraError: if the library is not installed.
    """
    generator = generator_of(seed, fold)
    chosen = sample_rows(np.asarray(labels), config, generator)

    def read() -> Matrix:
        return features if chosen is None else features[chosen]

    if np.shape(labels) != (len(features),) or np.shape(weights) != (len(features),):
        raise ValueError(f"expected {len(features)} labels and weights, got {np.shape(labels)} and {np.shape(weights)}")
    kept = slice(None) if chosen is None else chosen
    return fit_rows(
        read,
        np.asarray(labels)[kept],
        np.asarray(weights)[kept],
        config,
        seed=seed,
        names=names,
        generator=generator,
        hospital_columns=hospital_columns,
        validation=validation,
    )


def fit_rows(
    read: Callable[[], Matrix],
    labels: NDArray[Any],
    weights: NDArray[Any],
    config: BoosterConfig,
    *,
    seed: int,
    names: Sequence[str],
    generator: np.random.Generator,
    hospital_columns: NDArray[np.bool_] | None = None,
    validation: Validation | None = None,
) -> Booster:
    """Train one booster on rows that are chosen already; as `fit`, but the features are read when they are needed.

    So nothing but the library's quantised copy of them, a byte a value, is held while it trains.

    Args:
        read: returns the features, float32, shape (N, F).
        labels: 0 or 1, shape (N,).
        weights: at least 0, shape (N,).
        config: of the model.
        seed: of the library.
        names: of the features, distinct, length F.
        generator: of the noise on features, as `sample_rows` left it.
        hospital_columns: as in `fit`.
        validation: as in `fit`.

    Raises:
        As `fit`.
    """
    _check_names(names)
    if (validation is None) != (config.early_stopping_rounds is None):
        raise ValueError("expected validation rows if and only if early_stopping_rounds is set")
    if config.hospital_features == "blanked" and hospital_columns is None:
        raise ValueError("expected hospital_columns for hospital_features = 'blanked', got None")

    def prepared() -> TrainingRows:
        features = _checked_matrix(read(), len(names))
        rows = TrainingRows(features, *_checked_labels(labels, weights, len(features)))
        rows = rows._replace(features=add_noise(rows.features, names, config, generator))
        if config.hospital_features == "blanked" and hospital_columns is not None:
            rows = with_blanked_copies(rows, hospital_columns)
        return rows

    if validation is not None:
        validation = Validation(_checked_matrix(validation.features, len(names)), np.asarray(validation.target))
    if config.library in ARRAY_LIBRARIES:
        model = train_array_model(prepared, config, seed, tuple(names))
        return Booster(config.library, model, model.names, config.threads)
    native = train_native(prepared, config, seed, [_encoded(name) for name in names], validation)
    return Booster(config.library, native, tuple(names), config.threads)


def sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log-odds, 1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def _encoded(name: str) -> str:
    """Return a feature's name as both libraries take it: they refuse or change `[`, `<`, `"`, `,`, spaces and more."""
    return quote(name, safe=_SAFE_IN_NAMES.strip())


def _check_names(names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names) or not all(names):
        raise ValueError("expected distinct names of features, at least one and none of them empty")


def _checked_matrix(features: Matrix, width: int) -> Matrix:
    if features.dtype != np.float32:
        raise TypeError(f"expected features of dtype float32, got {features.dtype}")
    if features.ndim != 2 or features.shape[1] != width:
        raise ValueError(f"expected features of shape (N, {width}), got {features.shape}")
    return np.ascontiguousarray(features)


def _checked_labels(
    labels: NDArray[Any], weights: NDArray[Any], rows: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if labels.shape != (rows,) or weights.shape != (rows,):
        raise ValueError(f"expected {rows} labels and weights, got {labels.shape} and {weights.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"expected labels 0 and 1, got {labels[~np.isin(labels, (0, 1))][0]}")
    if labels.all() or not labels.any():
        raise ValueError(f"expected training rows of label 0 and of label 1, got {rows} rows of one")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("expected finite weights of at least 0")
    return labels.astype(np.float32), weights.astype(np.float32)
