"""How far made-up lesions are from real ones: column by column, pair by pair, and to a classifier.

Every comparison is within a class and between tables with equally many lesions of each hospital, for real rows that
are at hand were mostly chosen by class and hospital.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError
from isic_lesion.data.schema import NUMERIC_COLUMNS
from isic_lesion.metrics.ordering import auc, partial_auc

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Gaps", "Told", "compare_columns", "draw_like", "tell_apart", "transfer"]

CATEGORIES = ("sex", "anatom_site_general", "tbp_tile_type", "tbp_lv_location", "tbp_lv_location_simple", "attribution")
"""The categorical columns that a classifier is given."""

_CONFIDENCE = "tbp_lv_dnn_lesion_confidence"
_FOLDS = 5
_TREES = {"n_estimators": 150, "learning_rate": 0.05, "num_leaves": 15, "min_child_samples": 10, "subsample": 0.8}
_TREES |= {"subsample_freq": 1, "colsample_bytree": 0.6, "reg_lambda": 2.0}


class Gaps(NamedTuple):
    """How far columns and pairs of columns are apart.

    Attributes:
        distances: column -> largest distance of the two distribution functions (Kolmogorov and Smirnov), 0 to 1.
        quantiles: column -> largest gap of the 5, 25, 50, 75, 95 % quantiles, in real interquartile ranges.
        correlations: pair of columns -> made-up less real rank correlation.
    """

    distances: dict[str, float]
    quantiles: dict[str, float]
    correlations: dict[tuple[str, str], float]


class Told(NamedTuple):
    """How well real and made-up lesions are told apart.

    Attributes:
        auc: of the classifier, cross-validated by patient; 0.5 where nothing tells them apart.
        folds: the same within each fold.
        importances: column -> share of the classifier's gain, largest first.
    """

    auc: float
    folds: tuple[float, ...]
    importances: dict[str, float]


def draw_like(real: DataFrame, made: DataFrame, *, seed: int = 0) -> DataFrame:
    """Return as many made-up lesions of each class and hospital as there are real ones.

    Args:
        real: lesions with target and attribution.
        made: many more of them.
        seed: of the draw.

    Raises:
        ValueError: if there are too few of some class and hospital.
    """
    import polars as pl

    parts = []
    for (target, hospital), rows in sorted(real.group_by("target", "attribution")):
        there = made.filter((pl.col("target") == target) & (pl.col("attribution") == hospital))
        if len(there) < len(rows):
            raise ValueError(
                f"expected at least {len(rows)} lesions of target {target} in {hospital}, got {len(there)}"
            )
        parts.append(there.sample(len(rows), seed=seed))
    return pl.concat(parts)


def compare_columns(real: DataFrame, made: DataFrame) -> Gaps:
    """Compare numeric columns of two tables, one by one and in pairs; missing values are passed over."""
    columns = _numeric(real)
    distances, quantiles = {}, {}
    for name in columns:
        one, other = real[name].drop_nulls().to_numpy(), made[name].drop_nulls().to_numpy()
        distances[name] = _distance(one, other)
        at = (0.05, 0.25, 0.5, 0.75, 0.95)
        here, there = np.quantile(one, at), np.quantile(other, at)
        quantiles[name] = float(np.abs(there - here).max() / max(here[3] - here[1], 1e-12))
    first, second = _rank_correlations(real, columns), _rank_correlations(made, columns)
    pairs = {
        (columns[row], columns[column]): float(second[row, column] - first[row, column])
        for row in range(len(columns))
        for column in range(row)
    }
    return Gaps(distances, quantiles, pairs)


def tell_apart(real: DataFrame, made: DataFrame, *, seed: int = 0) -> Told:
    """Train LightGBM to tell real lesions from made-up ones, cross-validated by patient.

    Args:
        real: real lesions of one class.
        made: made-up ones of the same class.
        seed: of folds and trees.

    Raises:
        MissingExtraError: without the extra `table`.
    """
    lightgbm, sklearn = _lightgbm(), _model_selection()
    matrix = np.vstack([_matrix(real, real), _matrix(made, real)])
    names = [*_numeric(real), *CATEGORIES]
    truth = np.repeat([1, 0], [len(real), len(made)])
    patient = np.concatenate([real["patient_id"].to_numpy(), made["patient_id"].to_numpy()])
    score = np.zeros(len(truth))
    gains = np.zeros(len(names))
    within = []
    folds = sklearn.StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for train, held_out in folds.split(matrix, truth, patient):
        model = lightgbm.LGBMClassifier(
            **_TREES, n_jobs=1, verbose=-1, random_state=seed, deterministic=True, importance_type="gain"
        )
        model.fit(
            matrix[train], truth[train], categorical_feature=list(range(len(names) - len(CATEGORIES), len(names)))
        )
        score[held_out] = model.predict_proba(matrix[held_out], validate_features=False)[:, 1]
        gains += model.feature_importances_
        within.append(auc(truth[held_out], score[held_out]))
    gains /= gains.sum()
    ordered = sorted(zip(names, gains.tolist(), strict=True), key=lambda one: -one[1])
    return Told(auc(truth, score), tuple(within), dict(ordered))


def transfer(real: DataFrame, made: DataFrame, *, seed: int = 0) -> float:
    """Return the pAUC above 80 % sensitivity on real lesions of LightGBM trained on made-up ones alone.

    Raises:
        MissingExtraError: without the extra `table`.
    """
    lightgbm = _lightgbm()
    names = [*_numeric(real), *CATEGORIES]
    keep = [place for place, name in enumerate(names) if name != _CONFIDENCE]
    model = lightgbm.LGBMClassifier(**_TREES, n_jobs=1, verbose=-1, random_state=seed, deterministic=True)
    model.fit(
        _matrix(made, real)[:, keep],
        made["target"].to_numpy(),
        categorical_feature=list(range(len(keep) - len(CATEGORIES), len(keep))),
    )
    score = model.predict_proba(_matrix(real, real)[:, keep], validate_features=False)[:, 1]
    return partial_auc(real["target"].to_numpy(), score)


def _numeric(real: DataFrame) -> list[str]:
    return [name for name in (*NUMERIC_COLUMNS, _CONFIDENCE) if name in real.columns]


def _matrix(frame: DataFrame, vocabulary: DataFrame) -> NDArray[np.float64]:
    """Return the columns that a classifier sees, categories as numbers of the vocabulary's; shape (N, F)."""
    numbers = [frame[name].cast(float).fill_null(np.nan).to_numpy() for name in _numeric(vocabulary)]
    for name in CATEGORIES:
        words = {word: place for place, word in enumerate(vocabulary[name].drop_nulls().unique().sort().to_list())}
        numbers.append(np.array([words.get(word, -1) for word in frame[name].to_list()], dtype=np.float64))
    return np.column_stack(numbers)


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    everywhere = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(values), everywhere, side="right") / len(values) for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _rank_correlations(frame: DataFrame, columns: list[str]) -> NDArray[np.float64]:
    whole = frame.select(columns).drop_nulls()
    ranks = np.column_stack([whole[name].rank("average").to_numpy() for name in columns])
    return np.asarray(np.corrcoef(ranks, rowvar=False))


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise _missing() from error
    return lightgbm


def _model_selection() -> Any:
    try:
        import sklearn.model_selection
    except ImportError as error:
        raise _missing() from error
    return sklearn.model_selection


def _missing() -> MissingExtraError:
    return MissingExtraError("telling lesions apart", distribution="furikaeri-isic-lesion", extra="table")
