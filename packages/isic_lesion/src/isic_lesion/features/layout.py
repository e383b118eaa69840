"""How a folder of features is laid out: file names and the marks that tell what a file was computed from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["BATCH_MARK", "FORMAT", "ISIC_IDS", "RECORD", "Fit", "mark_of", "population_file"]

Fit = int | Literal["all"]
"""On which rows a population was fitted: the training rows of a fold, or all."""

FORMAT = 1
RECORD = "features.json"
"""Written last: a folder that has it is whole."""
ISIC_IDS = "isic_ids.parquet"
BATCH_MARK = "furikaeri_features"
"""The name, in a Parquet file's own metadata, of the fingerprint of all that its content depends on."""


def population_file(fit: Fit) -> str:
    """Return the name of the file that holds the population of a fit."""
    return "population-all.parquet" if fit == "all" else f"population-fold-{fit}.parquet"


def mark_of(path: Path) -> str | None:
    """Return the mark of a whole Parquet file; None where there is none, or it is damaged."""
    import polars as pl

    if not path.is_file():
        return None
    try:
        return pl.read_parquet_metadata(path).get(BATCH_MARK)
    except (OSError, pl.exceptions.PolarsError):
        return None
