"""Extra trees and kernel models beside what they are made of: scikit-learn's own scoring, and a Cholesky factor.

    uv run python benchmarks/smooth_models.py [--rows 50000] [--features 100] [--trees 300] [--learnt 811 4000] [--json]

Rows are made up. Our scoring of extra trees walks plain arrays block by block; scikit-learn's is compiled, of fitted
objects that only a pickle could keep. The kernel model's minimum is found by conjugate gradients, whose bits do not
depend on the threads of BLAS; the alternative is Newton's method with a Cholesky factor, as textbooks have it.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics.pairwise import laplacian_kernel

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.boosters.extra_trees import fit_extra_trees
from isic_lesion.boosters.kernel_logistic import fit_logistic
from isic_lesion.boosters.training_rows import TrainingRows

PENALTY = 0.1


def made_up(rows: int, features: int, seed: int) -> TrainingRows:
    """Return rows of which the first three columns tell the label, a third of them positive."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features)).astype(np.float32)
    score = values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(size=rows)
    return TrainingRows(values, (score > 0.6).astype(np.float32), np.ones(rows, np.float32))


def scoring(rows: int, features: int, trees: int) -> dict[str, float]:
    """Return the seconds of scoring rows by trees grown on 811, and the largest difference."""
    few, many = made_up(811, features, 0), made_up(rows, features, 1)
    names = tuple(f"f{number}" for number in range(features))
    ours = fit_extra_trees(few, names, {"max_features": 0.6}, trees=trees, seed=1)
    theirs = ExtraTreesClassifier(trees, max_features=0.6, random_state=1, n_jobs=1).fit(few.features, few.labels)
    start = time.perf_counter()
    own = ours.probability(many.features)
    middle = time.perf_counter()
    other = theirs.predict_proba(many.features)[:, 1]
    end = time.perf_counter()
    return compared(middle - start, end - middle, float(np.abs(own - other).max()))


def minimum(rows: int, features: int) -> dict[str, float]:
    """Return the seconds of finding the minimum for some rows, and the largest difference of their log-odds."""
    learnt = made_up(rows, features, 0)
    kernel = laplacian_kernel(learnt.features.astype(np.float64), gamma=1 / features)
    labels, weights = learnt.labels.astype(np.float64), np.ones(rows)
    intercept = float(np.log(labels.mean() / (1 - labels.mean())))
    start = time.perf_counter()
    own = fit_logistic(kernel, labels, weights, intercept=intercept, penalty=PENALTY, steps=30)
    middle = time.perf_counter()
    raised = np.zeros(rows)
    for _ in range(own.steps):
        share = 1 / (1 + np.exp(-raised - intercept))
        curvature = share * (1 - share)
        root = np.sqrt(curvature)
        factor = cholesky(np.eye(rows) + root[:, None] * kernel * root / PENALTY, lower=True)
        pull = curvature * raised + labels - share
        solved = cho_solve((factor, True), root * (kernel @ pull) / PENALTY)
        raised = kernel @ (pull - root * solved) / PENALTY
    end = time.perf_counter()
    return compared(middle - start, end - middle, float(np.abs(kernel @ own.coefficients - raised).max()))


def compared(ours: float, theirs: float, difference: float) -> dict[str, float]:
    return {
        "ours_seconds": round(ours, 3),
        "alternative_seconds": round(theirs, 3),
        "ratio": round(ours / theirs, 2),
        "largest_difference": difference,
    }


def main() -> None:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--learnt", type=int, nargs="+", default=[811, 4000])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures: dict[str, Any] = {
        f"score {asked.rows} rows, {asked.trees} extra trees": scoring(asked.rows, asked.features, asked.trees),
        **{f"kernel model of {rows} rows": minimum(rows, asked.features) for rows in asked.learnt},
    }
    names = ["scikit-learn's own, compiled", *["Newton's method with a Cholesky factor"] * len(asked.learnt)]
    tell_figures(
        [
            Figure(f"{name}, {asked.features} features", one["ours_seconds"], "s", one["alternative_seconds"], against)
            for (name, one), against in zip(figures.items(), names, strict=True)
        ]
    )
    if asked.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{'':38s} {'ours s':>8s} {'other s':>8s} {'ratio':>6s}  largest difference")
    for name, found in figures.items():
        print(
            f"{name:38s} {found['ours_seconds']:8.2f} {found['alternative_seconds']:8.2f} {found['ratio']:6.2f}  "
            f"{found['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
