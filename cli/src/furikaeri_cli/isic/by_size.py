"""What suits a number of lesions: the recipe, the features and the model that are taken where none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from furikaeri_cli.output import Output

__all__ = ["suiting"]


def suiting(data: Path, of: Literal["recipe", "set", "model"], output: Output) -> str:
    """Return the name of what suits a folder's training lesions, and say so.

    Args:
        data: a folder that holds train-metadata.csv.
        of: what is chosen; a model goes with the set of the same size.
        output: who is told.

    Raises:
        InputError: if the table cannot be read.
    """
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.recipe import FEW_LESIONS

    number = len(open_lesions(data).read(["isic_id"]))
    size = "few" if number < FEW_LESIONS else "small"
    model = "few-lightgbm" if size == "few" else "small-xgboost"
    name = model if of == "model" else size
    output.note(f"{number:,} lesions: the {of} {name!r} suits them (--{of} takes another)")
    return name
