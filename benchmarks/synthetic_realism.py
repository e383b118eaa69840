"""How real made-up lesions look, beside real ones and published figures.

    python benchmarks/synthetic_realism.py --real FOLDER

FOLDER holds real rows (`train-metadata.csv`). For each class: the largest gap in a column's distribution and in a rank
correlation, and the AUC of LightGBM telling real rows from as many made-up ones of the same hospitals (0.5 is perfect);
beside each the same between two halves of made-up rows, which is what chance alone gives. Then the pAUC on the real
rows of LightGBM trained on made-up rows only (0.02 is chance, 0.2 the most).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from isic_lesion.dataset import open_lesions
from isic_lesion.synthetic.metadata import lesion_rows
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.patients import Sizes
from isic_lesion.synthetic.realism import compare_columns, draw_like, tell_apart, transfer


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--real", type=Path, required=True)
    options.add_argument("--rows", type=int, default=40_000)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--all", action="store_true", help="every column's gap and importance")
    asked = options.parse_args()
    real = open_lesions(asked.real).read()
    shown = 60 if asked.all else 6
    share = float((real["target"] == 1).mean())
    told: dict[int, list[float]] = {0: [], 1: []}
    chance: dict[int, list[float]] = {0: [], 1: []}
    carried = []
    for seed in range(asked.seeds):
        made = lesion_rows(_sizes(asked.rows, share, seed), 0, asked.rows)
        drawn, again = draw_like(real, made, seed=1), draw_like(real, made, seed=2)
        for target in (0, 1):
            ours, theirs = (frame.filter(frame["target"] == target) for frame in (drawn, real))
            result = tell_apart(theirs, ours)
            told[target].append(result.auc)
            others = again.filter((again["target"] == target) & ~again["isic_id"].is_in(ours["isic_id"].implode()))
            chance[target].append(tell_apart(ours, others).auc)
            if seed == 0:
                _print_class(target, theirs, ours, result.importances, shown)
        carried.append(transfer(real, made))
    print()
    for target, name in ((0, "benign"), (1, "malignant")):
        print(f"{name}: AUC of telling real from made up {np.mean(told[target]):.3f} {np.round(told[target], 3)}")
        print(f"{name}: made up from made up {np.mean(chance[target]):.3f}")
    print(f"pAUC on real rows, trained on made-up ones: {np.mean(carried):.4f} {np.round(carried, 4)} (chance 0.02)")
    _print_published(asked.rows)


def _sizes(rows: int, share: float, seed: int) -> Sizes:
    # Patients of as few lesions as the real rows have.
    return Sizes(rows=rows, patients=int(rows / 2.4), malignant=round(share * rows), seed=1000 + seed)


def _print_class(target: int, theirs: object, ours: object, importances: dict[str, float], shown: int) -> None:
    gaps = compare_columns(theirs, ours)  # type: ignore[arg-type]
    print(f"\n== {'malignant' if target else 'benign'}")
    for name, values in (("Kolmogorov-Smirnov", gaps.distances), ("quantile gap / IQR", gaps.quantiles)):
        worst = sorted(values.items(), key=lambda one: -one[1])[:shown]
        print(f"{name}: " + ", ".join(f"{column.removeprefix('tbp_lv_')} {value:.2f}" for column, value in worst))
    pairs = sorted(gaps.correlations.items(), key=lambda one: -abs(one[1]))
    spread = np.sqrt(np.mean(np.square(list(gaps.correlations.values()))))
    print(f"rank correlations: root mean square gap {spread:.3f}; " + ", ".join(_pair(pair) for pair in pairs[:shown]))
    leading = list(importances.items())[:shown]
    print("told by: " + ", ".join(f"{column.removeprefix('tbp_lv_')} {value:.0%}" for column, value in leading))


def _pair(pair: tuple[tuple[str, str], float]) -> str:
    (one, other), gap = pair
    return f"{one.removeprefix('tbp_lv_')} x {other.removeprefix('tbp_lv_')} {gap:+.2f}"


def _print_published(rows: int) -> None:
    """Print the largest gaps to the quartiles of the whole table, with the contest's own share of malignant rows."""
    facts = published()
    sizes = Sizes(rows=rows, patients=max(rows * 1042 // 401_059, 1), malignant=round(rows * 393 / 401_059), seed=7)
    made = lesion_rows(sizes, 0, rows)
    gaps = {}
    for column, figures in facts.full.items():
        if column == "mel_thick_mm":
            continue
        values = made[column].drop_nulls()
        width = max(figures["75%"] - figures["25%"], 1e-9)
        gaps[column] = max(
            abs(values.quantile(at) - figures[name]) / width
            for at, name in ((0.25, "25%"), (0.5, "50%"), (0.75, "75%"))
        )  # type: ignore[operator]
    worst = sorted(gaps.items(), key=lambda one: -one[1])[:8]
    print(
        "quartiles of the full table, gap / IQR: " + ", ".join(f"{c.removeprefix('tbp_lv_')} {g:.2f}" for c, g in worst)
    )


if __name__ == "__main__":
    main()
