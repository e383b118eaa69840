"""A model's folder from its networks: out-of-fold scores, their quality, and what training took. (io)"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import map_tensor
from furikaeri_common.task_store import Stored
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.boosters.out_of_fold import FoldQuality, oof_frame, quality_by_fold
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import write_image_model
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.records import ImageModelRecord, PartRecord
from isic_lesion.image_models.training_inputs import Prepared

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["write_results"]


def write_results(
    out: Path, config: ImageConfig, prepared: Prepared, number: int, folds: Folds, networks: Mapping[Part, Stored]
) -> ImageModelRecord:
    """Write a model's folder.

    Args:
        out: the folder.
        config: of the model.
        prepared: what its networks were trained from.
        number: the configuration's place in `prepared`.
        folds: of this contest's rows.
        networks: the finished tasks.

    Raises:
        InputError: if it cannot be written.
    """
    frame = prepared.shared.rows.frame
    backbone = prepared.backbones[number]
    oof, quality, past_quality = None, tuple[FoldQuality, ...](), None
    if any(part.fold is not None for part in networks):
        oof = _out_of_fold(config, prepared, networks)
        ours = frame.filter(~frame["is_past"])
        quality = _quality(oof, ours)
        past = _quality(oof, frame.filter(frame["is_past"]))
        past_quality = past[-1] if past else None
    record = ImageModelRecord(
        config=config,
        weights=backbone.digest,
        size=backbone.inputs.size,
        mean=backbone.inputs.mean,
        std=backbone.inputs.std,
        interpolation=backbone.inputs.interpolation,
        num_weights=backbone.num_weights,
        rows=prepared.mark,
        lesions=int((~frame["is_past"]).sum()),
        past_lesions=int(frame["is_past"].sum()),
        folds=folds.fingerprint,
        scheme=folds.scheme,
        num_folds=folds.num_folds,
        parts={part: _part_record(stored.value) for part, stored in networks.items()},
        quality=quality,
        past_quality=past_quality,
        bad=prepared.bad,
        digests={},
    )
    files = {part: stored.folder / "weights.safetensors" for part, stored in networks.items()}
    history = _history(config, networks)
    return write_image_model(out, record, files, oof, history, prepared.shared.folds, base=folds)


def _out_of_fold(config: ImageConfig, prepared: Prepared, networks: Mapping[Part, Stored]) -> DataFrame:
    odds: dict[int, list[NDArray[np.float64]]] = {}
    held: dict[int, NDArray[np.intp]] = {}
    for part, stored in networks.items():
        if part.fold is not None:
            odds.setdefault(part.fold, []).append(map_tensor(stored.folder / "log_odds.safetensors", "log_odds"))
            held[part.fold] = prepared.shared.split(part.fold)[1]
    return oof_frame(odds, held, prepared.shared.rows.frame["isic_id"], config.name)


def _quality(oof: DataFrame, rows: DataFrame) -> tuple[FoldQuality, ...]:
    """Return how good the scores of some of the lesions are; nothing where there are none."""
    among = oof.join(rows.select("isic_id"), on="isic_id", how="semi", maintain_order="left")
    return quality_by_fold(among, rows["isic_id"], rows["target"].to_numpy()) if len(among) else ()


def _part_record(told: Mapping[str, Any]) -> PartRecord:
    seconds = [epoch["seconds"] for epoch in told["history"]]
    images = sum(epoch["images"] for epoch in told["history"])
    return PartRecord(
        epochs=int(told["epochs"]),
        steps=int(told["steps"]),
        rows=int(told["rows"]),
        seconds_per_epoch=round(sum(seconds) / len(seconds), 3),
        images_per_second=round(images / max(sum(seconds), 1e-9), 1),
        peak_bytes=int(told["peak_bytes"]),
        device=str(told["device"]),
    )


def _history(config: ImageConfig, networks: Mapping[Part, Stored]) -> DataFrame:
    """Return fold, seed, epoch, loss, loss.<head>..., lr_head, lr_backbone, images, seconds, held_out_pauc."""
    import polars as pl

    heads = [head.name for head in heads_of(config)]
    columns: dict[str, Any] = {"fold": pl.UInt8, "seed": pl.Int64, "epoch": pl.Int64}
    columns |= dict.fromkeys(["loss", *(f"loss.{head}" for head in heads), "lr_head", "lr_backbone"], pl.Float64)
    columns |= {"images": pl.Int64, "seconds": pl.Float64, "held_out_pauc": pl.Float64}
    lines = [
        {
            **epoch,
            "fold": part.fold,
            "seed": part.seed,
            "loss": epoch["loss"],
            **{f"loss.{head}": epoch["losses"][head] for head in heads},
        }
        for part, stored in networks.items()
        for epoch in stored.value["history"]
    ]
    return pl.DataFrame([{name: line[name] for name in columns} for line in lines], schema=columns)
