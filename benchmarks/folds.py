"""How even folds of patients are, and how soon they are dealt, beside scikit-learn's StratifiedGroupKFold.

    uv run python benchmarks/folds.py [--seeds 5]

Prints one JSON document for made-up patients of the contest's numbers: 1,042 patients, about 401,059 lesions, 393 of
them malignant. `spread` is the mean over both classes of the standard deviation, over folds, of their share of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.folds.balance import balance_groups, imbalance

PATIENTS, LESIONS, MALIGNANT, WITH_MALIGNANT, MOST, FOLDS = 1_042, 401_059, 393, 259, 9_184, 5


def contest_like(rng: np.random.Generator) -> np.ndarray:
    """Return malignant and benign lesions of each patient."""
    size = rng.lognormal(0, 1.15, PATIENTS)
    benign = np.clip(size / size.sum() * LESIONS, 1, MOST).astype(int)
    malignant = np.zeros(PATIENTS, dtype=int)
    chosen = rng.choice(PATIENTS, WITH_MALIGNANT, replace=False)
    malignant[chosen] = 1
    np.add.at(malignant, rng.choice(chosen, MALIGNANT - WITH_MALIGNANT), 1)
    return np.column_stack([malignant, benign])


def by_scikit_learn(counts: np.ndarray, seed: int) -> np.ndarray:
    """Return each patient's fold."""
    target = np.repeat(np.tile([1, 0], PATIENTS), counts.ravel())
    patient = np.repeat(np.arange(PATIENTS), counts.sum(axis=1))
    fold = np.zeros(PATIENTS, dtype=int)
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(dealer.split(target, target, patient)):
        fold[np.unique(patient[held_out])] = number
    return fold


def measure(counts: np.ndarray, deal: Callable[[np.ndarray, int], np.ndarray], seeds: int) -> dict[str, float]:
    """Return the median spread and seconds over seeds, and the most that folds differ in malignant lesions."""
    spread, seconds, apart = [], [], []
    for seed in range(seeds):
        start = time.perf_counter()
        fold = deal(counts, seed)
        seconds.append(time.perf_counter() - start)
        spread.append(float(imbalance(counts, fold, FOLDS).mean()))
        malignant = np.bincount(fold, weights=counts[:, 0], minlength=FOLDS)
        apart.append(int(malignant.max() - malignant.min()))
    return {
        "spread": statistics.median(spread),
        "malignant_apart_at_most": max(apart),
        "seconds": round(statistics.median(seconds), 3),
    }


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    counts = contest_like(np.random.default_rng(0))
    ours = measure(counts, lambda of, seed: balance_groups(of, FOLDS, seed), seeds)
    theirs = measure(counts, by_scikit_learn, seeds)
    ratio = round(theirs["spread"] / ours["spread"], 2)
    size = f"{PATIENTS:,} patients in {FOLDS} folds"
    other = "scikit-learn's StratifiedGroupKFold"
    tell_figures(
        [
            Figure(f"spread of {size}", ours["spread"], "", theirs["spread"], other, exact=True),
            Figure(f"dealing {size}", ours["seconds"], "s", theirs["seconds"], other),
        ]
    )
    print(
        json.dumps(
            {"lesions": int(counts.sum()), "ours": ours, "scikit_learn": theirs, "spread_ratio": ratio}, indent=2
        )
    )


if __name__ == "__main__":
    main()
