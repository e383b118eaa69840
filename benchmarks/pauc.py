"""How fast the contest's metric is, beside scikit-learn's, on as many scores as the contest has.

    uv run python benchmarks/pauc.py [--repeats 15]

Prints one JSON document: the median milliseconds of each way, the ratio, and how far the values are apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion import partial_auc

LESIONS, MALIGNANT = 401_059, 393
LONGEST_MS = 60.0


def contest_like(rng: np.random.Generator, *, dtype: type[np.floating[Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and scores of the contest's size whose metric is near the winner's."""
    target = np.zeros(LESIONS, dtype=np.int64)
    target[rng.choice(LESIONS, MALIGNANT, replace=False)] = 1
    logit = rng.normal(size=LESIONS) + 2.6 * target
    return target, (1 / (1 + np.exp(-logit))).astype(dtype)


def by_scikit_learn(target: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the metric from the standardised partial area of the swapped classes."""
    area = roc_auc_score(1 - target, -score, max_fpr=0.2, sample_weight=weights)
    return float(0.02 + 0.36 * (area - 0.5))


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the median milliseconds of a call, after one call to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def measure(
    target: np.ndarray, score: np.ndarray, weights: np.ndarray | None, *, repeats: int
) -> dict[str, float | int]:
    """Return the figures of one set of scores."""
    ours = median_ms(lambda: partial_auc(target, score, weights=weights), repeats)
    theirs = median_ms(lambda: by_scikit_learn(target, score, weights), repeats)
    value = partial_auc(target, score, weights=weights)
    return {
        "distinct scores": len(np.unique(score)),
        "partial_auc": value,
        "ours_ms": round(ours, 2),
        "scikit_learn_ms": round(theirs, 2),
        "ratio": round(theirs / ours, 1),
        "difference": abs(value - by_scikit_learn(target, score, weights)),
    }


def main() -> None:
    """Measure float64, float32, weighted and heavily tied scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    target, score = contest_like(rng, dtype=np.float64)
    figures = {
        "float64": measure(target, score, None, repeats=repeats),
        "float32": measure(target, score.astype(np.float32), None, repeats=repeats),
        "weighted": measure(target, score, rng.random(LESIONS), repeats=repeats),
        "tied": measure(target, score.round(2), None, repeats=repeats),
    }
    tell_figures(
        [
            *(
                Figure(
                    f"pAUC of {LESIONS:,} scores, {name}",
                    *(one["ours_ms"], "ms", one["scikit_learn_ms"], "scikit-learn's partial AUC"),
                    limit=LONGEST_MS,
                )
                for name, one in figures.items()
            ),
            Figure(
                "largest difference from scikit-learn's",
                *(max(one["difference"] for one in figures.values()), ""),
                limit=1e-12,
            ),
        ]
    )
    print(json.dumps({"lesions": LESIONS, "malignant": MALIGNANT, "repeats": repeats, **figures}, indent=2))


if __name__ == "__main__":
    main()
