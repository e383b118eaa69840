"""Trains image models as each of several processes of `torchrun`; run with a JSON object: place, configs.

torchrun --nproc-per-node 3 train_edges.py '{"place": ..., "configs": [...]}'
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from furikaeri_common.configs import config_from
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.folds.files import read_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.rows import read_image_rows
from isic_lesion.image_models.training import train_image_models


def main(place: Path, configs: list[dict[str, object]], out: str = "together") -> None:
    """Train each configuration's networks of the folds."""
    rows = read_image_rows(place / "data" / "train-metadata.csv", place / "data" / "train-image.hdf5")
    for config in configs:
        train_image_models(
            rows,
            read_folds(place / "folds.parquet"),
            [config_from(ImageConfig, config, source="test")],
            [place / out / str(config["name"])],
            engine=LocalProcesses(0),
            parts="folds",
            on_bad="skip",
        )


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    main(Path(given["place"]), given["configs"])
