"""One booster of a table model as a task: trained, then asked about what it has never seen. (io)"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import read_json, write_bytes, write_tensors
from furikaeri_common.errors import InputError
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part, TrainingData, fit_part
from isic_lesion.boosters.files import SUFFIXES
from isic_lesion.features import open_features
from isic_lesion.table_models.training_inputs import HOSPITAL

__all__ = ["train_part"]


def train_part(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Train one part and score what it holds out: the task that `train_tables` hands to an engine.

    Args:
        inputs: as `train_tables` makes them.
        folder: takes the booster's file and `log_odds.safetensors`.

    Returns:
        {"rounds": rounds of trees}.
    """
    import polars as pl

    table = open_features(Path(inputs["features"]))
    rows = pl.read_parquet(Path(inputs["rows"]))
    names = read_json(Path(inputs["names"]))
    config = BoosterConfig.from_json({**inputs["config"], "seeds": [inputs["seed"]]})
    part = Part(inputs["fold"], inputs["seed"])

    def read(chosen: NDArray[np.intp], fold: int | None) -> NDArray[np.float32]:
        fit: int | Literal["all"] = "all" if fold is None or not inputs["fitted_per_fold"] else fold
        return table.matrix(names["names"], rows=chosen, fit=fit)

    of_hospital = set(names["of_hospital"])
    data = TrainingData(
        read,
        tuple(names["names"]),
        rows["label"].to_numpy(),
        rows["weight"].to_numpy(),
        rows["target"].to_numpy(),
        np.asarray([name in of_hospital for name in names["names"]]),
        rows[HOSPITAL],
    )
    train, held_out = np.arange(len(rows)), np.empty(0, dtype=np.intp)
    if part.fold is not None:
        train = np.flatnonzero(rows[f"train-{part.fold}"].to_numpy())
        held_out = np.flatnonzero(rows[f"held-out-{part.fold}"].to_numpy())
    try:
        booster, log_odds = fit_part(data, part, config, train, held_out)
    except ValueError as error:
        raise InputError(f"{part.name}: {error}") from error
    write_bytes(folder / f"booster{SUFFIXES[booster.library]}", booster.to_bytes())
    write_tensors(folder / "log_odds.safetensors", {"log_odds": log_odds})
    return {"rounds": booster.rounds}
