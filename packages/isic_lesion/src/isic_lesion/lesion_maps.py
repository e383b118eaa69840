"""What an image model looked at on single lesions: crops, maps and scores, by the networks that had not seen them. (io)

A network that was trained on a lesion knows its answer by heart, so a map of it tells little. Lesions of the training
table are explained by the networks of the fold that held them out, others by those that were trained on all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.image_models.folder import ImageModel
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["LesionMap", "Which", "held_out_scores", "map_lesions", "picture_rows"]

Which = int | Literal["unseen", "all"]
"""Which networks explain: those of a fold, of the fold that held the lesion out, or those that saw all rows."""

_BATCH = 16


class LesionMap(NamedTuple):
    """One lesion, and where a model looked.

    Attributes:
        isic_id: of the lesion.
        fold: that the networks had not seen; None: they were trained on all rows of the training table.
        score: the model's probability of being malignant, not calibrated.
        crop: what the networks see; uint8, shape (S, S, 3).
        overlay: the crop with its map laid over it in colour; uint8, shape (S, S, 3).
        map: how much each place raises the score, in [0, 1]; float32, shape (S, S).
    """

    isic_id: str
    fold: int | None
    score: float
    crop: NDArray[np.uint8]
    overlay: NDArray[np.uint8]
    map: NDArray[np.float32]


def picture_rows(images: Path, isic_ids: Iterable[str]) -> ImageRows:
    """Return rows of the lesions whose pictures a file holds, of whom nothing else need be known.

    Raises:
        InputError: if the file cannot be read.
    """
    import polars as pl

    from isic_lesion.data.images import open_images
    from isic_lesion.image_models.rows import ImageRows, row_schema

    with open_images(images) as held:
        ids = [name for name in dict.fromkeys(isic_ids) if name in held]
    schema = row_schema()
    known: dict[str, list[Any]] = {"isic_id": ids, "source": [0] * len(ids), "is_past": [False] * len(ids)}
    columns = [pl.Series(name, known.get(name, [None] * len(ids)), dtype) for name, dtype in schema.items()]
    return ImageRows(pl.DataFrame(columns), (Path(images),))


def held_out_scores(folder: Path) -> DataFrame:
    """Return a model's out-of-fold scores, the highest first; empty where it was trained without folds.

    Returns:
        isic_id, fold, score; a lesion that two folds held out is there once, with the lower fold.
    """
    import polars as pl

    from isic_lesion.image_models.folder import read_image_record
    from isic_lesion.image_models.records import OOF
    from isic_lesion.scores import read_scores

    record = read_image_record(folder)
    if not record.has_folds:
        return pl.DataFrame(schema={"isic_id": pl.String, "fold": pl.UInt8, "score": pl.Float64})
    scores = read_scores(Path(folder) / OOF).sort("isic_id", "fold").unique("isic_id", keep="first")
    return scores.select("isic_id", "fold", "score").sort(["score", "isic_id"], descending=[True, False])


def map_lesions(
    folder: Path, images: Path, isic_ids: Sequence[str], *, which: Which = "unseen", device: str | None = None
) -> list[LesionMap]:
    """Explain what a model says of some lesions.

    Args:
        folder: the model's.
        images: the HDF5 file of their pictures.
        isic_ids: the lesions; those without a picture, or whose picture is damaged, are left out.
        which: the networks; several seeds' maps and log-odds are averaged.
        device: where to compute; None: see `inference.scoring_device`.

    Returns:
        In the order of `isic_ids`, each lesion once.

    Raises:
        InputError: if the model has no such networks, or a file cannot be read.
        MissingExtraError: if the extra `image` is not installed.
    """
    rows = picture_rows(images, isic_ids)
    by_fold: dict[int | None, list[int]] = {}
    for place, fold in enumerate(_folds_of(folder, rows.frame["isic_id"].to_list(), which)):
        by_fold.setdefault(fold, []).append(place)
    found: dict[int, LesionMap] = {}
    for fold, places in sorted(by_fold.items(), key=lambda pair: -1 if pair[0] is None else pair[0]):
        found |= _explained(_opened(folder, fold, which), rows, places, device)
    return [found[place] for place in sorted(found)]


def _folds_of(folder: Path, isic_ids: Sequence[str], which: Which) -> list[int | None]:
    if which == "all":
        return [None] * len(isic_ids)
    if which != "unseen":
        return [which] * len(isic_ids)
    folds = dict(held_out_scores(folder).select("isic_id", "fold").iter_rows())
    return [folds.get(isic_id) for isic_id in isic_ids]


def _opened(folder: Path, fold: int | None, which: Which) -> ImageModel:
    """Return the networks; lesions that no fold held out are shown to those of fold 0 where none saw all rows."""
    from isic_lesion.image_models.folder import load_image_model, read_image_record

    if fold is None and which == "unseen" and not read_image_record(folder).has_all:
        return load_image_model(folder, 0)
    return load_image_model(folder, fold)


def _explained(model: ImageModel, rows: ImageRows, places: Sequence[int], device: str | None) -> dict[int, LesionMap]:
    import torch

    from isic_lesion.image_models.explaining import explain, overlay
    from isic_lesion.image_models.inference import log_odds_of, scoring_device
    from isic_lesion.image_models.pictures import Draw, open_pictures

    config = model.record.config
    chosen = scoring_device(config, device)
    drawn = open_pictures(rows, model.inputs, "none")
    pictures = {place: drawn[Draw(place, -1)] for place in places}
    whole = [place for place, picture in pictures.items() if picture.is_whole]
    if not whole:
        return {}
    pixels = torch.stack([pictures[place].pixels for place in whole])
    at = np.asarray(whole, dtype=np.intp)
    odds, maps = np.zeros(len(whole)), np.zeros((len(whole), *pixels.shape[2:]), dtype=np.float32)
    for network in model.networks:
        odds += log_odds_of(network, rows, at, config, device=chosen) / len(model.networks)
        maps += explain(network, pixels.to(chosen), batch=_BATCH) / np.float32(len(model.networks))
    peaks = maps.max(axis=(1, 2), keepdims=True)
    maps = np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
    laid = overlay(pixels, maps)
    crops = pixels.permute(0, 2, 3, 1).numpy()
    names: Any = rows.frame["isic_id"]
    return {
        place: LesionMap(names[place], model.fold, float(1 / (1 + np.exp(-odds[k]))), crops[k], laid[k], maps[k])
        for k, place in enumerate(whole)
    }
