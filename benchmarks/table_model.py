"""How well table models tell malignant lesions from others, beside what the libraries do with the raw columns.

    uv run python benchmarks/table_model.py --data DIR [--repeats 5] [--recipe NAME ...] [--json]

Every repeat deals the patients into five folds anew, with its own number as seed. A model is trained five times, each
time without the patients it is scored on; all that a recipe fits (statistics of groups, boosters) sees the training
rows alone. Scores become ranks within their fold, and a recipe's are the mean of its models' ranks, so nothing is
chosen by the rows that are scored. `plain LightGBM` and `plain HistGradientBoosting` are the libraries' defaults
(100 rounds) on the numeric columns and on the categories as codes; ids and what test rows lack are left out.

Differences are to plain LightGBM, of the mean over repeats; the interval is 95 % of 2,000 resamples of patients, the
same for either model. All but the seconds is the same to the digit in every run on one machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lightgbm
import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.boosters.booster import fit
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.schema import NUMERIC_COLUMNS
from isic_lesion.features import FeatureSet, compute, fit_population
from isic_lesion.folds.dealing import Folds, assign_patient_folds
from isic_lesion.labels import soft_labels
from isic_lesion.metrics.bootstrap import partial_auc_of_resamples, percentile_interval
from isic_lesion.metrics.ordering import auc, partial_auc
from isic_lesion.pipeline import feature_set_of
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.stack.ranks import rank_shares

HOSPITAL = "attribution"
CATEGORIES = (
    *("sex", "anatom_site_general", "tbp_tile_type", "tbp_lv_location", "tbp_lv_location_simple"),
    HOSPITAL,
)
RESAMPLES = 2_000
REFERENCE = "plain LightGBM"

Score = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Training rows, held-out rows and the fold -> the held-out rows' scores."""


def raw_columns(rows: pl.DataFrame) -> np.ndarray:
    """Return the numeric columns and the categories' codes in alphabetical order, NaN where missing; shape (N, F)."""
    codes = [rows[name].rank("dense").cast(pl.Float64).alias(name) for name in CATEGORIES]
    return rows.select(*NUMERIC_COLUMNS, *codes).to_numpy().astype(np.float64)


def by_lightgbm(rows: pl.DataFrame) -> Score:
    """Return LightGBM as it comes."""
    features, target = raw_columns(rows), rows["target"].to_numpy()
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}

    def score(training: np.ndarray, held_out: np.ndarray, _: int) -> np.ndarray:
        data = lightgbm.Dataset(features[training], target[training])
        return np.asarray(lightgbm.train(settings, data, 100).predict(features[held_out]))

    return score


def by_scikit_learn(rows: pl.DataFrame) -> Score:
    """Return scikit-learn's histogram boosting as it comes."""
    features, target = raw_columns(rows), rows["target"].to_numpy()

    def score(training: np.ndarray, held_out: np.ndarray, _: int) -> np.ndarray:
        with threadpool_limits(1):  # like the others
            model = HistGradientBoostingClassifier(random_state=0).fit(features[training], target[training])
            return np.asarray(model.decision_function(features[held_out]))

    return score


def by_recipe(rows: pl.DataFrame, recipe: Recipe) -> Score:
    """Return the mean rank of a recipe's models with the hospital, each the mean log-odds of its seeds."""
    feature_set = feature_set_of(recipe)
    labels = soft_labels(rows)
    plain = soft_labels(rows, plain=True)

    def score(training: np.ndarray, held_out: np.ndarray, fold: int) -> np.ndarray:
        features = fold_features(rows, feature_set, training)
        columns = np.array([HOSPITAL in feature.columns for feature in feature_set.features])
        shares = []
        for config in recipe.models:
            if config.hospital_features == "without":  # known hospitals are scored by the others
                continue
            learnt = labels if config.soft_labels else plain
            odds = [
                fit(
                    features[training],
                    learnt.label[training],
                    learnt.weight[training],
                    config,
                    seed=seed,
                    names=feature_set.names,
                    fold=fold,
                    hospital_columns=columns,
                ).log_odds(features[held_out])
                for seed in config.seeds
            ]
            shares.append(rank_shares(np.mean(odds, axis=0)))
        return np.asarray(np.mean(shares, axis=0))

    return score


def fold_features(rows: pl.DataFrame, feature_set: FeatureSet, training: np.ndarray) -> np.ndarray:
    """Return the features of all rows, with what crosses patients fitted on the training rows; float32, (N, F)."""
    population = fit_population(rows.filter(pl.Series(training)), feature_set)
    return compute(rows, feature_set, population).to_numpy().astype(np.float32)


def out_of_fold(rows: pl.DataFrame, folds: Folds, score: Score) -> np.ndarray:
    """Return each row's rank within its fold, by a model that saw none of its patient's rows."""
    scores = np.empty(len(rows))
    for fold, (training, held_out) in enumerate(folds.splits(rows["isic_id"])):
        scores[held_out] = rank_shares(score(training, held_out, fold))
    return scores


class Figures(NamedTuple):
    """What is told of a model; the difference is to the reference's mean over the same repeats."""

    pauc: float
    sd_over_repeats: float
    auc: float
    difference: float
    low: float
    high: float
    seconds_per_repeat: float


def measure(rows: pl.DataFrame, scores: np.ndarray, reference: np.ndarray, seconds: float) -> Figures:
    """Return the figures of a model; scores and reference are of shape (repeats, N)."""
    target, patient = rows["target"].to_numpy(), rows["patient_id"].fill_null(rows["isic_id"]).to_numpy()
    areas = [partial_auc(target, one) for one in scores]

    def resampled(of: np.ndarray) -> np.ndarray:
        kept = [partial_auc_of_resamples(target, one, patient, seed=0, num_resamples=RESAMPLES) for one in of]
        return np.mean(kept, axis=0)

    difference = statistics.fmean(areas) - statistics.fmean(partial_auc(target, one) for one in reference)
    interval = percentile_interval(difference, resampled(scores) - resampled(reference))
    return Figures(
        pauc=statistics.fmean(areas),
        sd_over_repeats=statistics.pstdev(areas),
        auc=statistics.fmean(auc(target, one) for one in scores),
        difference=difference,
        low=interval.low,
        high=interval.high,
        seconds_per_repeat=seconds / len(scores),
    )


def main() -> None:
    """Measure the recipes and the two libraries, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with train-metadata.csv")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--recipe", action="append", help="a recipe's name or TOML file; may be repeated")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = open_lesions(asked.data).read()
    models: dict[str, Score] = {REFERENCE: by_lightgbm(rows), "plain HistGradientBoosting": by_scikit_learn(rows)}
    for name in asked.recipe or ["small"]:
        models[f"recipe {name}"] = by_recipe(rows, read_recipe(name))

    dealt = [assign_patient_folds(rows, seed=seed) for seed in range(asked.repeats)]
    figures: dict[str, Figures] = {}
    reference = np.empty(0)
    if not asked.json:
        head = "model                           pAUC     sd      AUC     difference [95 % interval]        s/repeat"
        print(f"{len(rows)} rows, {int(rows['target'].sum())} malignant, {asked.repeats} repeats\n{head}", flush=True)
    for name, score in models.items():
        start = time.perf_counter()
        scores = np.array([out_of_fold(rows, folds, score) for folds in dealt])
        seconds = time.perf_counter() - start
        reference = scores if name == REFERENCE else reference
        found = figures[name] = measure(rows, scores, reference, seconds)
        if not asked.json:
            print(
                f"{name:30.30s} {found.pauc:.4f}  {found.sd_over_repeats:.4f}  {found.auc:.4f}  "
                f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]  {found.seconds_per_repeat:14.1f}",
                flush=True,
            )
    size = f"{len(rows)} rows, {asked.repeats} x 5 folds by patient"
    told = []
    for name in figures:
        if name.startswith("recipe "):
            own, plain = figures[name], figures[REFERENCE]
            told += [
                Figure(f"pAUC of {name}, {size}", own.pauc, "", plain.pauc, REFERENCE, better="more", exact=True),
                Figure(f"AUC of {name}, {size}", own.auc, "", plain.auc, REFERENCE, better="more", exact=True),
                Figure(
                    f"one repeat of {name}, {size}", own.seconds_per_repeat, "s", plain.seconds_per_repeat, REFERENCE
                ),
            ]
    tell_figures(told)
    if asked.json:
        document = {
            name: {key: round(value, 5) for key, value in found._asdict().items()} for name, found in figures.items()
        }
        print(json.dumps({"rows": len(rows), "repeats": asked.repeats, "models": document}, indent=2))


if __name__ == "__main__":
    main()
