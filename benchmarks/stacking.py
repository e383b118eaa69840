"""How good the weights of a stack are, and how soon they are found, beside Optuna alone and random weights.

    uv run python benchmarks/stacking.py [--models 9] [--trials 200] [--lesions 401059] [--seeds 3]

Prints one JSON document. Models are made up: their errors are partly shared, and one is nearly worthless. `gain` is the
partial AUC above that of equal weights, on the very rows; `most` is what ten times the trials reach.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion import partial_auc
from isic_lesion.stack.blending import choose_weights
from isic_lesion.stack.ranks import rank_shares

MALIGNANT = 393

Weigh = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def made_up(models: int, lesions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return shares of each model, and which lesions are malignant."""
    rng = np.random.default_rng(seed)
    malignant = np.zeros(lesions, dtype=bool)
    malignant[rng.choice(lesions, MALIGNANT, replace=False)] = True
    common, second = rng.normal(size=(2, lesions))
    plain = rng.gamma(6, 0.43, lesions) * malignant
    scores = [
        rng.uniform(0.6, 1.3) * plain + 0.7 * common + number % 2 * 0.6 * second + rng.normal(size=lesions) * noise
        for number, noise in enumerate(rng.uniform(0.4, 1.4, models))
    ]
    scores[-1] = rng.normal(size=lesions) + 0.3 * plain
    return np.array([rank_shares(model) for model in scores]), malignant


def by_optuna(shares: np.ndarray, malignant: np.ndarray, trials: int) -> np.ndarray:
    """Return the best weights of its default sampler, one number a model divided by their sum."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))

    def judge(trial: optuna.Trial) -> float:
        raw = np.array([trial.suggest_float(str(number), 0.0, 1.0) for number in range(len(shares))])
        return partial_auc(malignant, raw / raw.sum() @ shares)

    study.optimize(judge, n_trials=trials)
    raw = np.array([study.best_params[str(number)] for number in range(len(shares))])
    return raw / raw.sum()


def by_chance(shares: np.ndarray, malignant: np.ndarray, trials: int) -> np.ndarray:
    """Return the best of weights drawn evenly from the simplex."""
    drawn = np.random.default_rng(0).dirichlet(np.ones(len(shares)), trials)
    return max(drawn, key=lambda weights: partial_auc(malignant, weights @ shares))


def ours(shares: np.ndarray, malignant: np.ndarray, trials: int) -> np.ndarray:
    """Return the weights that a stack has."""
    fold = np.zeros(len(malignant), dtype=np.uint8)
    return choose_weights(shares, malignant, fold, trials=trials, least_weight=0.0)


def main() -> None:
    """Measure the three ways at the same number of trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=9)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--lesions", type=int, default=401_059)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    problems = [made_up(asked.models, asked.lesions, seed) for seed in range(asked.seeds)]
    equal = [partial_auc(malignant, shares.mean(axis=0)) for shares, malignant in problems]

    def measure(weigh: Weigh, trials: int) -> dict[str, Any]:
        gains, seconds = [], []
        for (shares, malignant), least in zip(problems, equal, strict=True):
            start = time.perf_counter()
            weights = weigh(shares, malignant, trials)
            seconds.append(time.perf_counter() - start)
            gains.append(round(partial_auc(malignant, weights @ shares) - least, 5))
        return {"gain": gains, "seconds": round(statistics.median(seconds), 2)}

    figures = {
        "ours": measure(ours, asked.trials),
        "optuna_alone": measure(by_optuna, asked.trials),
        "random": measure(by_chance, asked.trials),
        "most": measure(ours, 10 * asked.trials),
    }
    size = f"{asked.models} models, {asked.trials} trials, {asked.lesions:,} lesions"

    def gain(way: str) -> float:
        return statistics.fmean(figures[way]["gain"])

    tell_figures(
        [
            Figure(
                f"pAUC gained on equal weights, {size}",
                *(gain("ours"), "", gain("optuna_alone"), "Optuna alone"),
                better="more",
                exact=True,
            ),
            Figure(
                f"pAUC gained on equal weights beside random ones, {size}",
                *(gain("ours"), "", gain("random"), "random weights"),
                better="more",
                exact=True,
            ),
            Figure(
                f"choosing weights, {size}",
                *(figures["ours"]["seconds"], "s", figures["optuna_alone"]["seconds"], "Optuna alone"),
            ),
        ]
    )
    print(json.dumps({**vars(asked), "equal_weights": [round(value, 5) for value in equal], **figures}, indent=2))


if __name__ == "__main__":
    main()
