"""Scores of lesions with pictures: what a run's image models say of these, and what its other models add. (io)"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import Lesions
from isic_lesion.features.image_features import image_column
from isic_lesion.prediction import Predicted, Predictor, check_given, predict
from isic_lesion.scores import read_scores_by_model, score_models

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["complete_scores", "predict_with_pictures", "score_pictures"]


def predict_with_pictures(
    predictor: Predictor,
    lesions: Lesions,
    *,
    image_scores: Sequence[Path] = (),
    past: Sequence[Path] = (),
    images: Path | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    chunk_rows: int | None = None,
    on_pictures: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Score the lesions of a table, their pictures first where a run's own image models look at these.

    Args:
        predictor: of the run.
        lesions: the table.
        image_scores: files of scores of image models; pictures are not scored again by a model that has scores there.
        past: files of earlier contests, where the run had them.
        images, on_bad, readers: as of `complete_scores`.
        chunk_rows: how many rows are in memory at once; None: as the recipe says.
        on_pictures: told how many pictures of how many are done, all models together.
        on_chunk: told how many rows of how many are done.

    Raises:
        InputError: if something cannot be read, or something that the run had is missing.
        MissingExtraError: if the run's own image models are needed, and the extra `image` is not installed.
    """
    has = frozenset(score_models(image_scores)) if image_scores else frozenset[str]()
    check_given(predictor, {*predictor.networks, *has}, past)
    own = _own_scores(predictor, lesions, has, images=images, on_bad=on_bad, readers=readers, on_progress=on_pictures)
    given = read_scores_by_model(image_scores) if image_scores else ()
    scores = itertools.chain(given, () if own is None else (own,))
    return predict(predictor, lesions, image_scores=scores, past=past, chunk_rows=chunk_rows, on_chunk=on_chunk)


def complete_scores(
    predictor: Predictor,
    lesions: Lesions,
    given: DataFrame | None = None,
    *,
    images: Path | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> DataFrame | None:
    """Return the image scores that a run's models want: those that are given, and those of its own image models.

    Args:
        predictor: of the run.
        lesions: the table.
        given: isic_id, fold, model, score; what it has is not scored again.
        images: the HDF5 file of the pictures; None: the one beside the table.
        on_bad: damaged pictures are refused by their ids, or their lesions have no scores.
        readers: processes that decode pictures; 0: this one.
        on_progress: told how many pictures of how many are done, all models together.

    Raises:
        InputError: as `score_pictures`.
        MissingExtraError: if the run's own image models are needed, and the extra `image` is not installed.
    """
    import polars as pl

    has = frozenset[str]() if given is None else frozenset(given["model"].unique())
    own = _own_scores(predictor, lesions, has, images=images, on_bad=on_bad, readers=readers, on_progress=on_progress)
    if own is None or given is None:
        return given if own is None else own
    return pl.concat([given, own])


def _own_scores(
    predictor: Predictor,
    lesions: Lesions,
    has: frozenset[str],
    *,
    images: Path | None,
    on_bad: Literal["refuse", "skip"],
    readers: int,
    on_progress: Callable[[int, int], None] | None,
) -> DataFrame | None:
    """Return the scores of a run's own image models, those in `has` left out; None if no other is wanted."""
    looked_at = set(predictor.image_columns)
    needed = {
        name: folder
        for name, folder in predictor.networks.items()
        if name not in has and (name in predictor.image_models or image_column(name) in looked_at)
    }
    if not needed:
        return None
    use = predictor.recipe.inference.boosters
    return score_pictures(
        needed, lesions, use=use, images=images, on_bad=on_bad, readers=readers, on_progress=on_progress
    )


def score_pictures(
    folders: Mapping[str, Path],
    lesions: Lesions,
    *,
    use: Literal["all", "folds"] = "all",
    images: Path | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> DataFrame:
    """Return what image models say of the pictures of a table's lesions; a batch of pictures is in memory at once.

    Args:
        folders: name -> the model's folder; at least one.
        lesions: the table.
        use: the networks that were trained on all rows, or the mean of those of the folds.
        images: the HDF5 file of the pictures; None: the one beside the table.
        on_bad: damaged pictures are refused by their ids, or their lesions have no scores.
        readers: processes that decode pictures; 0: this one.
        on_progress: told how many pictures of how many are done, all models together.

    Returns:
        isic_id, fold (null), model, score.

    Raises:
        InputError: if there are no pictures, a lesion has none, or a model's folder lacks these networks.
        MissingExtraError: if the extra `image` is not installed.
    """
    import polars as pl

    from isic_lesion.image_models.inference import predict_images
    from isic_lesion.image_models.rows import read_image_rows

    pictures = images or lesions.images
    if pictures is None:
        raise InputError(
            f"{lesions.folder}: holds no {lesions.split}-image.hdf5, and the image model {min(folders)} looks at it",
            fix="Put the pictures there, name their file with --images, or give the scores of its image models",
        )
    rows = read_image_rows(lesions.metadata, pictures, split=lesions.split)
    found: list[DataFrame] = []
    for folder in folders.values():
        before = len(found)

        def tell(done: int, total: int, before: int = before) -> None:
            if on_progress is not None:
                on_progress(before * total + done, len(folders) * total)

        found.append(predict_images(folder, rows, use, on_bad=on_bad, workers=readers, on_progress=tell))
    return pl.concat(found)
