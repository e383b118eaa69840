"""What an image model is worth on real crops: with and without the lesion_id loss, from scratch, and on all rows.

    uv run python benchmarks/image_quality.py METADATA IMAGES [--model small-lite0] [--weights FILE] [--folder DIR]
        [--only folds|held-out] [--seeds 1] [--workers 2] [--json]

Folds: three models are trained in the same five folds by patient, and scored on what each fold held out: mean and
standard deviation over folds, all folds pooled with an interval over patients, and the paired difference to the first.
Held out: a fifth of the patients is put aside; on the rest the model is trained five times in folds and once on all
rows, and both are scored on those put aside: the mean of five networks beside one, at a fifth of the cost.

The folder keeps what was trained, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.folds.dealing import Folds, assign_patient_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.image_models.inference import predict_images
from isic_lesion.image_models.presets import read_image_config
from isic_lesion.image_models.rows import ImageRows, read_image_rows
from isic_lesion.image_models.training import train_image_models
from isic_lesion.metrics.bootstrap import bootstrap_difference, bootstrap_partial_auc
from isic_lesion.metrics.ordering import auc
from isic_lesion.parquet import read_parquet

FOLD_SEED = 42
ASIDE_SEED = 7  # of the patients that are put aside: other folds than those of the models


def variants(config: ImageConfig) -> list[ImageConfig]:
    """Return the model with the lesion_id loss, without it, and from random weights."""
    heads = {**config.auxiliary, "lesion_id": config.auxiliary.get("lesion_id", 0.1)}
    without = {name: weight for name, weight in heads.items() if name != "lesion_id"}
    return [
        replace(config, name="lesion-id", auxiliary=heads),
        replace(config, name="no-lesion-id", auxiliary=without),
        replace(config, name="from-scratch", auxiliary=heads, weights="none"),
    ]


def dealt(rows: ImageRows, seed: int) -> Folds:
    """Return five folds of the rows' patients."""
    return assign_patient_folds(rows.frame.select("isic_id", "patient_id", "target"), num_folds=5, seed=seed)


def scored(rows: ImageRows, oof: pl.DataFrame) -> pl.DataFrame:
    """Return the scored rows with target and owner, by isic_id."""
    owner = pl.coalesce("patient_id", "isic_id").alias("owner")
    return rows.frame.select("isic_id", "target", owner).join(oof, on="isic_id").sort("isic_id")


def judged(table: pl.DataFrame) -> dict[str, float]:
    """Return pAUC with its interval over patients, and AUC."""
    target, score, owner = (table[name].to_numpy() for name in ("target", "score", "owner"))
    pauc = bootstrap_partial_auc(target, score, owner, seed=0)
    return {"pauc": pauc.value, "low": pauc.low, "high": pauc.high, "auc": auc(target, score)}


def in_folds(rows: ImageRows, configs: list[ImageConfig], folder: Path, workers: int) -> list[dict[str, Any]]:
    """Train the variants in folds and return what their out-of-fold scores are worth."""
    outs = [folder / config.name for config in configs]
    folds = dealt(rows, FOLD_SEED)
    train_image_models(rows, folds, configs, outs, engine=LocalProcesses(workers), parts="folds")
    first = scored(rows, read_parquet(outs[0] / "oof.parquet").frame)
    found = []
    for out in outs:
        record, table = read_image_record(out), scored(rows, read_parquet(out / "oof.parquet").frame)
        paucs = [quality.partial_auc for quality in record.quality if quality.fold is not None]
        aucs = [quality.auc for quality in record.quality if quality.fold is not None]
        target, owner = table["target"].to_numpy(), table["owner"].to_numpy()
        gain = bootstrap_difference(table["target"], table["score"], first["score"], owner, seed=0)
        parts = record.parts.values()
        found.append(
            {
                "model": record.config.name,
                "malignant": int(target.sum()),
                "pauc_mean": statistics.mean(paucs),
                "pauc_sd": statistics.stdev(paucs),
                "auc_mean": statistics.mean(aucs),
                "auc_sd": statistics.stdev(aucs),
                "pooled": judged(table),
                "less_first": [gain.value, gain.low, gain.high],
                "seconds_per_epoch": statistics.mean(part.seconds_per_epoch for part in parts),
                "images_per_second": statistics.mean(part.images_per_second for part in parts),
                "peak_gib": max(part.peak_bytes for part in parts) / 2**30,
            }
        )
    return found


def put_aside(rows: ImageRows, config: ImageConfig, folder: Path, workers: int) -> list[dict[str, Any]]:
    """Train on four fifths of the patients, in folds and on all of them, and score the last fifth with both."""
    aside = pl.Series(dealt(rows, ASIDE_SEED).fold_of(rows.frame["isic_id"]) == 0)
    rest = rows._replace(frame=rows.frame.filter(~aside))
    held_out = rows._replace(frame=rows.frame.filter(aside))
    out = folder / "four-fifths"
    train_image_models(rest, dealt(rest, FOLD_SEED), [config], [out], engine=LocalProcesses(workers), parts="both")
    found, tables = [], []
    for use in ("all", "folds"):
        start = time.perf_counter()
        table = scored(held_out, predict_images(out, held_out, use))
        seconds = time.perf_counter() - start
        tables.append(table)
        found.append({"networks": use, **judged(table), "malignant": int(table["target"].sum()), "seconds": seconds})
    one, five = tables
    gain = bootstrap_difference(one["target"], five["score"], one["score"], one["owner"].to_numpy(), seed=0)
    return [*found, {"networks": "folds less all", "pauc": gain.value, "low": gain.low, "high": gain.high}]


def _told(found: dict[str, Any], name: str) -> list[Figure]:
    """Return what is told: each variant beside another, and the speed of training."""
    told = []
    of = {one["model"]: one for one in found.get("folds", [])}
    if of:
        first = of["lesion-id"]
        size = f"{name}, {found['lesions']:,} crops, {first['malignant']} malignant"
        for other, what, against in (
            ("no-lesion-id", "what the lesion_id loss brings", "without it"),
            ("from-scratch", "what the weights bring", "random weights"),
        ):
            values = (first["pooled"]["pauc"], "", of[other]["pooled"]["pauc"], against)
            told.append(Figure(f"pooled pAUC of {size}, {what}", *values, better="more", exact=True))
        told += [
            Figure(f"training {name}", first["images_per_second"], "images/s", better="more"),
            Figure(f"peak memory of training {name}", first["peak_gib"], "GiB"),
        ]
    by = {one["networks"]: one for one in found.get("held_out", [])}
    if by:
        size = f"{by['all']['malignant']} malignant put aside"
        values = (by["all"]["pauc"], "", by["folds"]["pauc"], "the mean of five networks")
        told.append(Figure(f"pAUC of one {name} of all rows, {size}", *values, better="more", exact=True))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="small-lite0", help="an image model by name, or a TOML file")
    parser.add_argument("--weights", help="instead of the model's")
    parser.add_argument("--folder", type=Path, default=Path("image-quality"))
    parser.add_argument("--only", choices=("folds", "held-out"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config = replace(read_image_config(options.model), seeds=tuple(range(42, 42 + options.seeds)))
    if options.weights:
        config = replace(config, weights=options.weights)
    rows = read_image_rows(options.metadata, options.images)
    found: dict[str, Any] = {"config": asdict(config), "lesions": len(rows.frame)}
    if options.only != "held-out":
        found["folds"] = in_folds(rows, variants(config), options.folder, options.workers)
    if options.only != "folds":
        found["held_out"] = put_aside(rows, config, options.folder, options.workers)
    tell_figures(_told(found, config.name))
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for one in found.get("folds", []):
        pooled, less = one["pooled"], one["less_first"]
        print(
            f"{one['model']:13} pAUC {one['pauc_mean']:.4f} (sd {one['pauc_sd']:.4f} over folds), AUC "
            f"{one['auc_mean']:.4f} (sd {one['auc_sd']:.4f}); pooled {pooled['pauc']:.4f} [{pooled['low']:.4f}, "
            f"{pooled['high']:.4f}], AUC {pooled['auc']:.4f}; less the first {less[0]:+.4f} [{less[1]:+.4f}, "
            f"{less[2]:+.4f}]; {one['seconds_per_epoch']:.1f} s an epoch, {one['images_per_second']:.0f} images/s, "
            f"{one['peak_gib']:.2f} GiB"
        )
    for one in found.get("held_out", []):
        print(
            f"put aside, {one['networks']:14} pAUC {one['pauc']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]"
            + (f", AUC {one['auc']:.4f}, {one['seconds']:.0f} s" if "auc" in one else "")
        )


if __name__ == "__main__":
    main()
