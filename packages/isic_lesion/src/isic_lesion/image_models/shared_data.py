"""What every network of a call reads, in one folder that may be copied to another machine. (io)

    rows.parquet, folds.parquet    the lesions, and who is held out when
    files.json                     the files of pictures by their way from here, ids of damaged ones, readers
    weights-<digest>               what networks begin with

A task finds all of it from the folder of finished tasks on, so it makes no difference on which machine that lies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, read_json, write_json
from isic_lesion.folds.files import read_folds, write_folds
from isic_lesion.image_models.folder import place_file
from isic_lesion.image_models.rows import ImageRows
from isic_lesion.image_models.weight_files import WeightFile

if TYPE_CHECKING:
    from isic_lesion.folds.dealing import Folds
    from isic_lesion.image_models.backbones import Backbone

__all__ = ["SharedData", "place_weights", "read_shared", "weights_of", "write_shared"]


class SharedData(NamedTuple):
    """What every network of a call reads.

    Attributes:
        rows: this contest's lesions and past ones.
        folds: of all of them.
        whole: whether a row's picture can be read, bool, shape (N,).
        readers: how many processes read pictures for each network.
    """

    rows: ImageRows
    folds: Folds
    whole: NDArray[np.bool_]
    readers: int

    def split(self, fold: int | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows to train on and those held out, ascending, without damaged ones; None: all and none."""
        if fold is None:
            return np.flatnonzero(self.whole), np.empty(0, dtype=np.intp)
        train, held_out = self.folds.split(self.rows.frame["isic_id"], fold)
        return np.flatnonzero(train & self.whole), np.flatnonzero(held_out & self.whole)


def write_shared(data: Path, rows: ImageRows, folds: Folds, *, damaged: Sequence[str], readers: int) -> list[Path]:
    """Write what `read_shared` reads.

    Args:
        data: the folder; made if it is missing.
        rows: this contest's lesions and past ones.
        folds: of all of them.
        damaged: ids of the pictures that cannot be read.
        readers: how many processes read pictures for each network.

    Returns:
        The files that networks read: those written, and those of pictures.
    """
    with atomic_writer(data / "rows.parquet") as stream:
        rows.frame.write_parquet(stream)
    write_folds(folds, data / "folds.parquet")
    files = [Path(file).resolve() for file in rows.files]
    ways = [os.path.relpath(file, data) for file in files]
    write_json(data / "files.json", {"files": ways, "damaged": list(damaged), "readers": readers})
    return [*(data / name for name in ("rows.parquet", "folds.parquet", "files.json")), *files]


def place_weights(data: Path, backbone: Backbone) -> list[Path]:
    """Put the weights that a backbone begins with beside the rest; return their file, or nothing for random ones."""
    if backbone.file is None:
        return []
    place = _weights_file(data, backbone.digest)
    if not place.exists():
        place_file(backbone.file.resolve(), place)
    return [place]


def read_shared(data: Path) -> SharedData:
    """Read what `write_shared` wrote."""
    import polars as pl

    frame = pl.read_parquet(data / "rows.parquet")
    settings = read_json(data / "files.json")
    whole = ~frame["isic_id"].is_in(settings["damaged"]).to_numpy()
    # By their names alone: where this folder is a copy, a link in it would lead elsewhere.
    files = tuple(Path(os.path.normpath(data / way)) for way in settings["files"])
    return SharedData(ImageRows(frame, files), read_folds(data / "folds.parquet"), whole, int(settings["readers"]))


def weights_of(inputs: Mapping[str, Any], data: Path) -> WeightFile | None:
    """Return what a network begins with; None for random weights.

    Args:
        inputs: of its task.
        data: the folder.
    """
    if not inputs["weights"]:
        return None
    pictures = {name: inputs["pictures"][name] for name in ("mean", "std", "interpolation")}
    return WeightFile(_weights_file(data, inputs["weights"]), pictures)


def _weights_file(data: Path, digest: str) -> Path:
    return data / f"weights-{digest[:16]}"
