"""Scores of pictures that no network of a model was trained on. (io: reads pictures and weights)"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.devices import choose_device
from furikaeri_common.errors import InputError
from isic_lesion.boosters.booster import sigmoid
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.boosters.out_of_fold import mean_log_odds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import load_image_model, read_image_record
from isic_lesion.image_models.records import ImageModelRecord

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.image_models.pictures import Batch
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["SCORING_BATCH", "Use", "log_odds_of", "predict_images", "scoring_device"]

Use = Literal["all", "folds"]

SCORING_BATCH = 64
"""Pictures at once: fixed, so that a lesion's scores do not depend on how a model was trained."""


def predict_images(
    folder: Path,
    rows: ImageRows,
    use: Use = "all",
    *,
    members: bool = False,
    on_bad: Literal["refuse", "skip"] = "refuse",
    device: str | None = None,
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> DataFrame:
    """Score pictures with a model's folder.

    Args:
        folder: the model's.
        rows: the lesions; their targets are not looked at.
        use: the networks that were trained on all rows, or the mean of those of the folds. Either way log-odds are
            averaged, over seeds too, and the score is the probability of their mean, not calibrated.
        members: return the score of each network by itself, named `model#all-seed-42`; see `score_tables`.
        on_bad: damaged pictures are refused by id, or have no row in what is returned.
        device: where to compute; None: see `scoring_device`.
        workers: processes that read pictures; 0: this one.
        on_progress: told how many pictures are done, of how many; those of each network count.

    Returns:
        isic_id, fold (null), model, score, in the order of the rows; with `members` network by network.

    Raises:
        InputError: if the model has no such networks, or a picture cannot be used; if all are damaged, with "skip" too.
    """
    import polars as pl

    record = read_image_record(folder)
    folds = _folds_of(record, folder, use)
    chosen = scoring_device(record.config, device)
    places, total = np.arange(len(rows.frame)), len(rows.frame) * len(_parts_of(record, use))
    odds: dict[Part, NDArray[np.float64]] = {}

    def tell(done: int) -> None:
        if on_progress is not None:
            on_progress(len(odds) * len(places) + done, total)

    for fold in folds:
        model = load_image_model(folder, fold)
        for part, network in zip(model.parts, model.networks, strict=True):
            found = log_odds_of(network, rows, places, record.config, device=chosen, workers=workers, on_batch=tell)
            if on_bad == "refuse":
                _refuse_bad(rows, found)
            odds[part] = found
    named = {f"{record.config.name}#{part.name}": one for part, one in odds.items()}
    if not members:
        named = {record.config.name: mean_log_odds(list(odds.values()))}
    whole = ~np.isnan(next(iter(odds.values())))
    if not whole.any():
        raise InputError(f"{rows.files[0]}: all {len(whole):,} pictures are damaged", fix="Copy the file again")
    ids = rows.frame["isic_id"].filter(pl.Series(whole))
    frames = [
        pl.DataFrame({"isic_id": ids, "score": sigmoid(one[whole])}).select(
            "isic_id", pl.lit(None, pl.UInt8).alias("fold"), pl.lit(name, pl.String).alias("model"), "score"
        )
        for name, one in named.items()
    ]
    return pl.concat(frames)


def scoring_device(config: ImageConfig, device: str | None) -> str:
    """Return where to score with a model, as torch names it.

    Args:
        config: of the model, which may have been trained on another machine.
        device: what is asked for; None: as the configuration says, or the best there is where this has no such device.

    Raises:
        InputError: if what is asked for is not here.
    """
    if device is None:
        with contextlib.suppress(InputError):
            return choose_device(config.device).device
    return choose_device(device or "auto").device


def log_odds_of(
    network: Any,
    rows: ImageRows,
    places: NDArray[np.intp],
    config: ImageConfig,
    *,
    device: str,
    workers: int = 0,
    share: tuple[int, int] = (0, 1),
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float64]:
    """Return a network's log-odds of some rows' target, averaged over views.

    Args:
        network: `network.Network`; it is moved to the device.
        rows: the lesions.
        places: which of them, positions in `rows.frame`, shape (N,).
        config: views and precision.
        device: as torch names it.
        workers: processes that read pictures; 0: this one.
        share: (r, n): only every n-th batch from the r-th on is computed, and the rest is 0, so that the sum over r is
            what one process computes.
        on_batch: told how many rows are done.

    Returns:
        Float64, shape (N,); NaN where the picture is damaged.
    """
    from isic_lesion.image_models.pictures import Draw, load_batches, open_pictures
    from isic_lesion.image_models.scoring import score

    first, step = share
    cuts = list(range(0, len(places), SCORING_BATCH))[first::step]
    chosen = [places[cut : cut + SCORING_BATCH] for cut in cuts]
    pictures = open_pictures(rows, network.inputs, "none")
    network.to(device)
    found = np.zeros(len(places))
    draws = ([Draw(int(row), -1) for row in some] for some in chosen)
    with contextlib.closing(load_batches(pictures, draws, workers=workers)) as batches:
        told = _telling(batches, on_batch)
        scored = score(network, told, views=config.views, device=device, precision=config.precision)
    where = [np.arange(cut, cut + len(some)) for cut, some in zip(cuts, chosen, strict=True)]
    if where:
        found[np.concatenate(where)] = scored
    return found


def _telling(batches: Iterator[Batch], on_batch: Callable[[int], None] | None) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.rows)
        if on_batch is not None:
            on_batch(done)


def _parts_of(record: ImageModelRecord, use: Use) -> list[Part]:
    return [part for part in record.parts if (part.fold is None) == (use == "all")]


def _folds_of(record: ImageModelRecord, folder: Path, use: Use) -> list[int | None]:
    if not _parts_of(record, use):
        there, lacking = ("of its folds", "trained on all rows") if use == "all" else ("of all rows", "of its folds")
        other = "folds" if use == "all" else "all"
        raise InputError(
            f"{folder}: has no networks {lacking}, only those {there}",
            fix=f"Score with those (--use {other}), or train the model with --parts both",
        )
    return list(dict.fromkeys(part.fold for part in _parts_of(record, use)))


def _refuse_bad(rows: ImageRows, log_odds: NDArray[np.float64]) -> None:
    bad = rows.frame["isic_id"].gather(np.flatnonzero(np.isnan(log_odds)))
    if len(bad):
        raise InputError(
            f"{rows.files[0]}: {len(bad)} of {len(log_odds):,} pictures {'are' if len(bad) > 1 else 'is'} damaged: "
            f"{', '.join(bad[:5])}{' and others' if len(bad) > 5 else ''}",
            fix="Mend them, or go without their scores with --on-bad skip",
        )
