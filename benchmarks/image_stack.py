"""What image scores add to table models and to the stack, on lesions that have both.

    uv run python benchmarks/image_stack.py [--rows 6000] [--malignant-share 0.01] [--seed 0]
        [--image-model small-lite0] [--weights FILE] [--recipe small] [--folder DIR] [--workers 2] [--data FOLDER]
        [--json]

Made-up lesions with pictures (or those of --data) go through one recipe twice in the same folds: without image models,
and with one whose out-of-fold scores are features and members of the stack. Printed are the pAUC of each model and of
the stack, its weights chosen on the other folds, and the paired difference of the two stacks with an interval over
patients. Made-up pictures tell a little more than their rows do, so the gain there says that the way is open, not how
wide it is on real lesions.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.stages import run_stages
from isic_lesion.data.dataset import Lesions, open_lesions
from isic_lesion.image_models.presets import read_image_config
from isic_lesion.metrics.bootstrap import bootstrap_difference
from isic_lesion.metrics.ordering import auc, partial_auc
from isic_lesion.parquet import read_parquet
from isic_lesion.pipeline import stages_of
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.synthetic.folder import FolderConfig, make_folder


def ran(data: Lesions, recipe: Recipe, folder: Path, workers: int) -> RunLayout:
    """Run a recipe on training lesions alone, or go on with it."""
    inputs = RunInputs(data=data, recipe=recipe, engine=LocalProcesses(workers))
    run_stages(folder, stages_of(inputs, folder))
    return RunLayout(folder)


def held_out_scores(layout: RunLayout) -> dict[str, pl.DataFrame]:
    """Return each model's out-of-fold scores with target and owner, by isic_id; those of the stack too."""
    files = sorted(layout.folder.glob("*models/*/oof.parquet"))
    scores = pl.concat(read_parquet(file).frame for file in [*files, layout.stacked])
    owner = pl.coalesce("patient_id", "isic_id").alias("owner")
    lesions = pl.read_parquet(layout.lesions).select("isic_id", "target", owner)
    joined = lesions.join(scores, on="isic_id").sort("isic_id")
    return {str(name): rows for (name,), rows in joined.partition_by("model", as_dict=True).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--malignant-share", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-model", default="small-lite0", help="by name, or a TOML file")
    parser.add_argument("--weights", help="instead of the image model's")
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--folder", type=Path, default=Path("image-stack"))
    parser.add_argument("--data", type=Path, help="a folder of lesions that have both, instead of made-up ones")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = options.data or options.folder / "data"
    if options.data is None:
        made_up = FolderConfig(
            rows=options.rows,
            patients=max(20, options.rows // 40),
            malignant_share=options.malignant_share,
            seed=options.seed,
        )
        make_folder(data, made_up, engine=LocalProcesses(options.workers))
    config = read_image_config(options.image_model)
    recipe = replace(read_recipe(options.recipe), images=())
    pictured = replace(recipe, images=(replace(config, weights=options.weights or config.weights),))
    found: dict[str, Any] = {}
    stacks = []
    for name, chosen in (("without", recipe), ("with", pictured)):
        layout = ran(open_lesions(data), chosen, options.folder / name, options.workers)
        tables = held_out_scores(layout)
        found[name] = {
            model: {"pauc": partial_auc(rows["target"], rows["score"]), "auc": auc(rows["target"], rows["score"])}
            for model, rows in tables.items()
        }
        found["lesions"] = len(tables["stack"])
        found["malignant"] = int(tables["stack"]["target"].sum())
        stacks.append(tables["stack"])
    without, using = stacks
    gain = bootstrap_difference(
        without["target"], using["score"], without["score"], without["owner"].to_numpy(), seed=options.seed
    )
    found["gain"] = {"pauc": gain.value, "low": gain.low, "high": gain.high}
    tell_figures(
        [
            Figure(
                f"pAUC of the stack with image scores, {found['lesions']:,} lesions, {found['malignant']} malignant",
                *(found["with"]["stack"]["pauc"], "", found["without"]["stack"]["pauc"], "without"),
                better="more",
                exact=True,
            )
        ]
    )
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['lesions']:,} lesions, {found['malignant']} malignant")
    for name in ("without", "with"):
        for model, worth in found[name].items():
            print(f"{name:8} image model: {model:28} pAUC {worth['pauc']:.4f}, AUC {worth['auc']:.4f}")
    print(f"the stack gains {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")


if __name__ == "__main__":
    main()
