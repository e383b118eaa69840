"""How fast metrics by group and intervals over patients are, beside the obvious way with scikit-learn.

    uv run python benchmarks/groups.py [--repeats 5] [--theirs 5]

Scores, hospitals and patients are made up, of the contest's size. The obvious way filters each group and asks
scikit-learn; for an interval it draws patients, gathers their rows and asks scikit-learn, once for each resample: a few
resamples are timed (`--theirs`) and the time is scaled up. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.metrics.bootstrap import partial_auc_of_resamples
from isic_lesion.metrics.by_group import auc_expr, partial_auc_expr

LESIONS, MALIGNANT, PATIENTS, GROUPS, RESAMPLES = 401_059, 393, 1_042, 40, 1_000


def contest_like(seed: int) -> pl.DataFrame:
    """Return lesions of the contest's size in groups of about the same."""
    rng = np.random.default_rng(seed)
    target = np.zeros(LESIONS, dtype=np.int8)
    target[rng.choice(LESIONS, MALIGNANT, replace=False)] = 1
    return pl.DataFrame(
        {
            "target": target,
            "score": rng.normal(size=LESIONS) + 2.6 * target,
            "patient": rng.integers(0, PATIENTS, LESIONS),
            "group": rng.integers(0, GROUPS, LESIONS),
        }
    )


def by_scikit_learn(target: np.ndarray, score: np.ndarray) -> float:
    """Return the metric from the standardised partial area of the swapped classes."""
    return float(0.02 + 0.36 * (roc_auc_score(1 - target, -score, max_fpr=0.2) - 0.5))


def groups_by_scikit_learn(frame: pl.DataFrame) -> dict[int, tuple[float, float]]:
    """Return both areas of each group, filtered one after another."""
    target, score, group = (frame[name].to_numpy() for name in ("target", "score", "group"))
    found = {}
    for one in np.unique(group):
        inside = group == one
        found[int(one)] = by_scikit_learn(target[inside], score[inside]), roc_auc_score(target[inside], score[inside])
    return found


def groups_by_expressions(frame: pl.DataFrame) -> dict[int, tuple[float, float]]:
    """Return the same by polars expressions."""
    table = frame.group_by("group").agg(partial_auc_expr("target", "score"), auc_expr("target", "score"))
    return {group: (area, whole) for group, area, whole in table.iter_rows()}


def resamples_by_scikit_learn(frame: pl.DataFrame, number: int) -> list[float]:
    """Return the metric of a few resamples of patients, their rows gathered."""
    target, score, patient = (frame[name].to_numpy() for name in ("target", "score", "patient"))
    order = np.argsort(patient, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(patient, minlength=PATIENTS))[:-1])
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(number):
        drawn = np.concatenate([rows[one] for one in rng.integers(0, PATIENTS, PATIENTS)])
        areas.append(by_scikit_learn(target[drawn], score[drawn]))
    return areas


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a call, after one call to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="timed calls of each")
    parser.add_argument("--theirs", type=int, default=5, help="resamples that the obvious way is timed with")
    arguments = parser.parse_args()
    frame = contest_like(0)
    target, score, patient = (frame[name].to_numpy() for name in ("target", "score", "patient"))

    expected, found = groups_by_scikit_learn(frame), groups_by_expressions(frame)
    apart = max(abs(a - b) for group in expected for a, b in zip(expected[group], found[group], strict=True))
    ours = median_seconds(lambda: groups_by_expressions(frame), arguments.repeats)
    theirs = median_seconds(lambda: groups_by_scikit_learn(frame), arguments.repeats)
    areas = partial_auc_of_resamples(target, score, patient, seed=0, num_resamples=RESAMPLES)
    ours_resampled = median_seconds(
        lambda: partial_auc_of_resamples(target, score, patient, seed=0, num_resamples=RESAMPLES), arguments.repeats
    )
    theirs_resampled = median_seconds(lambda: resamples_by_scikit_learn(frame, arguments.theirs), 1)
    theirs_resampled *= RESAMPLES / arguments.theirs
    document = {
        "lesions": LESIONS,
        "groups": {
            "number": GROUPS,
            "ours_seconds": round(ours, 3),
            "scikit_learn_seconds": round(theirs, 3),
            "ratio": round(theirs / ours, 1),
            "largest_difference": apart,
        },
        "resamples": {
            "number": RESAMPLES,
            "patients": PATIENTS,
            "ours_seconds": round(ours_resampled, 3),
            "scikit_learn_seconds": round(theirs_resampled, 1),
            "ratio": round(theirs_resampled / ours_resampled),
            "standard_error": float(areas.std()),
        },
    }
    print(json.dumps(document, indent=2))
    other = f"scikit-learn, from {arguments.theirs} resamples"
    tell_figures(
        [
            Figure(
                f"both areas of {GROUPS} groups, {LESIONS:,} lesions", ours, "s", theirs, "scikit-learn, one by one"
            ),
            Figure(f"{RESAMPLES:,} resamples of {PATIENTS:,} patients", ours_resampled, "s", theirs_resampled, other),
        ]
    )


if __name__ == "__main__":
    main()
