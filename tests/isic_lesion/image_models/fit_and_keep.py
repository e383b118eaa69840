"""Trains one network on made-up pictures and keeps what came of it; tests run this in processes of their own.

python fit_and_keep.py '[{"folder": ..., "out": ..., "config": {...}}]'
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from furikaeri_common.errors import FurikaeriError
from furikaeri_common.tensors import pack_tensors
from isic_lesion.data.images import write_images
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.fitting import fit
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.network import build_network, load_state
from isic_lesion.image_models.pictures import Draw, load_batches, open_pictures
from isic_lesion.image_models.rows import read_image_rows
from isic_lesion.image_models.scoring import score

NUM = 48
TRAIN, HELD_OUT = np.arange(36), np.arange(36, NUM)
CONFIG = {
    "name": "tiny",
    "backbone": "test_efficientnet",
    "weights": "none",
    "size": 32,
    "auxiliary": {"lesion_id": 0.1, "age": 0.2},
    "negatives_per_positive": 2.0,
    "epochs": 3,
    "batch": 9,
    "pieces": 2,
    "lr_head": 0.01,
    "lr_backbone": 0.002,
    "warmup": 0.2,
    "ema": 0.9,
    "dropout": 0.2,
    "drop_path": 0.1,
    "augmentation": "flips",
    "early_stopping": 3,
    "checkpoint_steps": 2,
}
"""Nine steps of nine rows, with everything that keeps state or draws random numbers."""


def write_folder(folder: Path, *, damaged: tuple[int, ...] = ()) -> None:
    """Write pictures, the malignant ones brighter, and their table."""
    rng = np.random.default_rng(0)
    target = (np.arange(NUM) % 4 == 1).astype(int)
    pictures = []
    for row in range(NUM):
        pixels = np.clip(rng.normal(80 + 60 * target[row], 40, (36, 36, 3)), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG")
        pictures.append((f"ISIC_{row:07}", b"no picture" if row in damaged else stream.getvalue()))
    table = {
        "isic_id": [name for name, _ in pictures],
        "target": target,
        "lesion_id": [f"IL_{row}" if row % 3 == 0 else None for row in range(NUM)],
        "age_approx": [40.0 + row if row % 5 else None for row in range(NUM)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(table).write_csv(folder / "train-metadata.csv")
    write_images(folder / "train-image.hdf5", iter(pictures))


def rows_of(folder: Path):
    """Read what `write_folder` wrote."""
    return read_image_rows(folder / "train-metadata.csv", folder / "train-image.hdf5")


def config_of(**options) -> ImageConfig:
    """Return `CONFIG` with other options."""
    return ImageConfig(**{**CONFIG, **options})


def scores_of(rows, places, config: ImageConfig, state):
    """Score rows with a network's state."""
    network = build_network(config, heads_of(config))
    load_state(network, state)
    pictures = open_pictures(rows, network.inputs)
    return score(network, load_batches(pictures, [[Draw(int(row)) for row in places]]), views=config.views)


def fit_and_keep(
    *,
    folder: str,
    out: str,
    config: dict,
    checkpoint: str | None = None,
    steps: str | None = None,
    pause: float = 0.0,
) -> None:
    """Train, and write weights and history to `out` with the process's rank.

    The file `steps` counts the steps, and each is followed by a pause in seconds.
    """

    def count(report) -> None:
        if steps is not None:
            with Path(steps).open("a") as stream:
                stream.write(f"{report.step}\n")
        time.sleep(pause)

    fitted = fit(
        rows_of(Path(folder)),
        TRAIN,
        config_of(**config),
        fold=0,
        seed=7,
        held_out=HELD_OUT,
        checkpoint=None if checkpoint is None else Path(checkpoint),
        on_step=count,
    )
    history = [{**record._asdict(), "losses": dict(record.losses)} for record in fitted.history]
    document = {"history": history, "best_epoch": fitted.best_epoch, "steps": fitted.steps, "bad": list(fitted.bad)}
    Path(f"{out}-{os.environ.get('RANK', '0')}").write_bytes(pack_tensors(document, fitted.state))


def main(settings: str) -> None:
    """Run `fit_and_keep` for each of some settings; an error that is explained is one line and an exit code."""
    try:
        for one in json.loads(settings):
            fit_and_keep(**one)
    except FurikaeriError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main(globals().get("SETTINGS") or sys.argv[1])
