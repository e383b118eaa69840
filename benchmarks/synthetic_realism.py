"""How real made-up lesions look, beside real ones and published figures.

    python benchmarks/synthetic_realism.py --real FOLDER

FOLDER holds real rows (`train-metadata.csv`). For each class: the largest gap in a column's distribution and in a rank
correlation, and the AUC of LightGBM telling real rows from as many made-up ones of the same hospitals (0.5 is perfect);
beside each the same between two halves of made-up rows, which is what chance alone gives. Then the pAUC on the real
rows of LightGBM trained on made-up rows only (0.02 is chance, 0.2 the most), and the gaps to published figures.

What the rows rest on: published quantiles, rank correlations, counts and hospitals' means of the contest's table.
Sizes of residuals, shares of variance within patients, and a few shares of rows were estimated on 811 openly licensed
real rows (each is marked so where it stands); on those 811 rows the comparison is therefore not wholly out of sample.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from polars import DataFrame

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.data.dataset import open_lesions
from isic_lesion.synthetic.metadata import lesion_rows
from isic_lesion.synthetic.parameters import CLASSES, published
from isic_lesion.synthetic.realism import compare_columns, draw_like, tell_apart, transfer
from isic_lesion.synthetic.sizes import Sizes

MOST_TOLD, LEAST_CARRIED = 0.75, 0.12


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--real", type=Path, required=True)
    options.add_argument("--rows", type=int, default=40_000)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--all", action="store_true", help="every column's gap and importance")
    options.add_argument("--full", action="store_true", help="beside published figures at the contest's full size")
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
    size = f"{asked.rows:,} made-up rows, {len(real)} real ones"
    tell_figures(
        [
            *(
                Figure(
                    f"AUC of telling real rows from made-up ones, {name}, {size}",
                    *(float(np.mean(told[target])), "", float(np.mean(chance[target])), "two halves of made-up rows"),
                    limit=MOST_TOLD,
                    exact=True,
                )
                for target, name in ((0, "benign"), (1, "malignant"))
            ),
            Figure(
                f"pAUC on real rows of LightGBM trained on made-up ones, {size}",
                *(float(np.mean(carried)), "", 0.02, "chance"),
                limit=LEAST_CARRIED,
                better="more",
                exact=True,
            ),
        ]
    )
    _print_published(401_059 if asked.full else asked.rows)
    _print_published_correlations(asked.rows)


def _sizes(rows: int, share: float, seed: int) -> Sizes:
    # Patients of as few lesions as the real rows have.
    return Sizes(rows=rows, patients=int(rows / 2.4), malignant=round(share * rows), seed=1000 + seed)


def _print_class(target: int, theirs: DataFrame, ours: DataFrame, importances: dict[str, float], shown: int) -> None:
    gaps = compare_columns(theirs, ours)
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
    """Print the largest gaps to what is published of the whole table, with its own share of malignant rows.

    Quartiles were used to make the rows; means and standard deviations were not.
    """
    facts = published()
    patients = max(rows * 1042 // 401_059, 1)
    made = lesion_rows(Sizes(rows=rows, patients=patients, malignant=round(rows * 393 / 401_059), seed=7), 0, rows)
    quartiles, means, spreads = {}, {}, {}
    for column, figures in facts.full.items():
        if column == "mel_thick_mm":
            continue
        values = made[column].drop_nulls().to_numpy()
        width = max(figures["75%"] - figures["25%"], 1e-9)
        found = np.quantile(values, (0.25, 0.5, 0.75))
        quartiles[column] = float(np.abs(found - [figures["25%"], figures["50%"], figures["75%"]]).max() / width)
        means[column] = float(abs(values.mean() - figures["mean"]) / figures["std"])
        spreads[column] = float(abs(values.std() / figures["std"] - 1))
    print(f"\nbeside the full table's published figures, {rows} rows:")
    for title, gaps in (
        ("quartiles, gap / IQR", quartiles),
        ("means, gap / sd", means),
        ("standard deviations, relative gap", spreads),
    ):
        worst = sorted(gaps.items(), key=lambda one: -one[1])[:5]
        print(f"{title}: " + ", ".join(f"{column.removeprefix('tbp_lv_')} {gap:.3f}" for column, gap in worst))


def _print_published_correlations(rows: int) -> None:
    """Print the root mean square and the largest gap to the published rank correlations of each class."""
    facts = published()
    made = lesion_rows(Sizes(rows=rows, patients=rows // 3, malignant=rows // 2, seed=8), 0, rows)
    for target, name in enumerate(CLASSES):
        own = made.filter(made["target"] == target).select(facts.columns).drop_nulls()
        ranks = np.column_stack([own[column].rank("average").to_numpy() for column in facts.columns])
        gaps = np.corrcoef(ranks, rowvar=False) - facts.spearman[name]
        first, second = np.unravel_index(np.abs(gaps).argmax(), gaps.shape)
        print(
            f"{name}: published rank correlations, root mean square gap {np.sqrt(np.mean(gaps**2)):.3f}, largest "
            f"{gaps[first, second]:+.2f} ({facts.columns[first]} x {facts.columns[second]})"
        )


if __name__ == "__main__":
    main()
