"""What each of two processes does in the test of trainings in company: one that cannot be shared, then one that can.

Run with SETTINGS, a JSON object: place (a folder), config, rank, and a port for each of both trainings.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from furikaeri_common.configs import config_from
from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.folds.files import read_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.rows import read_image_rows
from isic_lesion.image_models.training import train_image_models


def main(place: Path, config: dict[str, object], rank: int, ports: list[str]) -> None:
    """Train in one piece, then in two, and write down what was told."""
    rows = read_image_rows(place / "data" / "train-metadata.csv", place / "data" / "train-image.hdf5")
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    told: list[object] = []
    for pieces, port in zip((1, 2), ports, strict=True):
        os.environ["MASTER_PORT"] = port
        try:
            (record,) = train_image_models(
                rows,
                read_folds(place / "folds.parquet"),
                [config_from(ImageConfig, {**config, "pieces": pieces}, source="test")],
                [place / "together" / "tiny"],
                engine=LocalProcesses(0),
                parts="folds",
                on_progress=lambda event: told.append(event.event),
            )
            told.append(len(record.parts))
        except InputError as error:
            told.append(str(error))
    (place / f"told-{rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    given = json.loads(globals()["SETTINGS"])
    main(Path(given["place"]), given["config"], given["rank"], given["ports"])
