"""The image models of a run: what they need before anything is computed, their stages, and their scores. (io)

A run trains the image models of its recipe, one stage each, but for those whose scores are given: these are taken for
what the run would have made itself. From there on nobody asks where a score came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.stages import Stage
from isic_lesion.data.dataset import Lesions
from isic_lesion.folds.dealing import Folds
from isic_lesion.folds.files import read_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.records import OOF
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import average_members, read_many_scores, read_scores, read_scores_by_model, write_scores

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.image_models.records import ImageModelRecord
    from isic_lesion.image_models.rows import ImageRows
    from isic_lesion.image_models.training_progress import TrainingProgress

__all__ = [
    "OnPictures",
    "OnTraining",
    "check_weights",
    "image_scores_of",
    "image_stages",
    "learns_from_past",
    "scored_models",
    "settled",
    "test_image_stages",
]

OnTraining = Callable[["TrainingProgress"], None]
OnPictures = Callable[[str, int, int], None]


def settled(inputs: RunInputs) -> RunInputs:
    """Return the inputs without the image models whose scores are given, once there are pictures for the others.

    Raises:
        InputError: if there are none.
    """
    given = scored_models(inputs.image_scores)
    images = tuple(config for config in inputs.recipe.images if config.name not in given)
    rest = replace(inputs, recipe=replace(inputs.recipe, images=images))
    if images:
        _check_pictures(rest)
    return rest


def check_weights(configs: Sequence[ImageConfig]) -> None:
    """Refuse now what a later stage could not begin with: backbones that timm or this machine does not have.

    Raises:
        InputError: if there is no such backbone, or its weights are not here.
        MissingExtraError: if the extra `image` is not installed.
    """
    if not configs:
        return
    from isic_lesion.image_models.backbones import open_backbone

    for config in configs:
        try:
            open_backbone(config.backbone, config.weights, size=config.size, drop_path=config.drop_path)
        except MissingExtraError:
            raise
        except InputError as error:
            fix = f"{error.fix}; or give the scores of {config.name} with --image-scores, or say --no-images"
            raise InputError(f"image model {config.name}: {error.message}", fix=fix) from error


def scored_models(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the models that files of scores hold, sorted."""
    return tuple(str(scores["model"][0]) for scores in read_scores_by_model(files)) if files else ()


def learns_from_past(config: ImageConfig) -> bool:
    """Return whether a model is told which pictures are of earlier contests, and so trains on these too."""
    return "past" in config.auxiliary


def image_stages(
    inputs: RunInputs, layout: RunLayout, files: Mapping[str, str], on_training: OnTraining | None
) -> list[Stage]:
    """Return a stage for each image model of the recipe: it trains the model, and scores what its folds hold out.

    Args:
        inputs: of the run, settled.
        layout: of its folder.
        files: their fingerprints.
        on_training: told of each network, and now and then of its steps.
    """
    stages = []
    for config in inputs.recipe.images:
        wanted = ("train_images", "past_images") if learns_from_past(config) else ("train_images",)
        given = {name: digest for name, digest in files.items() if name.partition(".")[0] in wanted}
        given |= {name: digest for name, digest in files.items() if name == f"weights.{config.name}"}
        work = _training(inputs, layout, config, on_training)
        stages.append(Stage(f"image {config.name}", work, _marked(inputs, given), (layout.image_model(config.name),)))
    return stages


def test_image_stages(
    inputs: RunInputs, layout: RunLayout, files: Mapping[str, str], on_pictures: OnPictures | None
) -> list[Stage]:
    """Return a stage for each image model of the recipe: it scores the pictures of the test lesions, if there are any.

    Args:
        inputs, layout, files: those of `image_stages`.
        on_pictures: told of the model, how many pictures it has scored, and of how many; those of each network count.
    """
    if inputs.test is None:
        return []
    given = {name: digest for name, digest in files.items() if name in ("test", "test_images")}
    return [
        Stage(
            f"score {config.name}",
            _scoring(inputs, inputs.test, layout, config, on_pictures),
            _marked(inputs, given),
            (layout.test_image_scores(config.name),),
        )
        for config in inputs.recipe.images
    ]


def image_scores_of(inputs: RunInputs, layout: RunLayout, folds: Folds) -> DataFrame | None:
    """Return the out-of-fold scores of all image models, given and trained; None where there are none.

    Raises:
        InputError: if they were made with other folds, or a file is damaged.
    """
    import polars as pl

    found = [average_members(read_many_scores(inputs.image_scores, folds))] if inputs.image_scores else []
    found += [read_scores(layout.image_model(config.name) / OOF, folds) for config in inputs.recipe.images]
    return pl.concat(found) if found else None


def _marked(inputs: RunInputs, files: Mapping[str, str]) -> Mapping[str, str]:
    return files if inputs.on_bad == "refuse" else {**files, "on_bad": inputs.on_bad}


def _training(
    inputs: RunInputs, layout: RunLayout, config: ImageConfig, on_training: OnTraining | None
) -> Callable[[], Mapping[str, object]]:
    def work() -> Mapping[str, object]:
        from isic_lesion.image_models.training import train_image_models

        (record,) = train_image_models(
            _training_rows(inputs, config),
            read_folds(layout.folds),
            [config],
            [layout.image_model(config.name)],
            engine=inputs.image_engine or inputs.engine,
            parts="folds" if inputs.recipe.inference.boosters == "folds" else "both",
            on_bad=inputs.on_bad,
            workers=inputs.readers,
            on_progress=on_training,
        )
        return _facts(record)

    return work


def _scoring(
    inputs: RunInputs, lesions: Lesions, layout: RunLayout, config: ImageConfig, on_pictures: OnPictures | None
) -> Callable[[], Mapping[str, object]]:
    def tell(done: int, total: int) -> None:
        if on_pictures is not None:
            on_pictures(config.name, done, total)

    def work() -> Mapping[str, object]:
        from isic_lesion.picture_scores import score_pictures

        scores = score_pictures(
            {config.name: layout.image_model(config.name)},
            lesions,
            use=inputs.recipe.inference.boosters,
            on_bad=inputs.on_bad,
            readers=inputs.readers,
            on_progress=tell,
        )
        write_scores(layout.test_image_scores(config.name), scores)
        return {"rows": len(scores)}

    return work


def _training_rows(inputs: RunInputs, config: ImageConfig) -> ImageRows:
    from isic_lesion.image_models.rows import open_image_folder, read_image_rows

    assert inputs.data.images is not None
    past = [open_image_folder(folder) for folder in inputs.past_images] if learns_from_past(config) else []
    return read_image_rows(inputs.data.metadata, inputs.data.images, past=past)


def _check_pictures(inputs: RunInputs) -> None:
    from isic_lesion.image_models.rows import open_image_folder

    number, name = len(inputs.recipe.images), inputs.recipe.name
    models = f"{number} image model" + "s" * (number > 1)
    if inputs.data.images is None:
        raise InputError(
            f"{inputs.data.folder}: holds no train-image.hdf5, and the recipe {name} trains {models}",
            fix="Put the pictures there, give the models' scores with --image-scores, or say --no-images",
        )
    if inputs.test is not None and inputs.test.images is None:
        raise InputError(
            f"{inputs.test.folder}: holds no test-image.hdf5, and the {models} of the recipe {name} score pictures",
            fix="Put the pictures there, give the models' scores with --image-scores, or say --no-images",
        )
    for folder in inputs.past_images:
        open_image_folder(folder)


def _facts(record: ImageModelRecord) -> Mapping[str, object]:
    """Return what is worth telling of a model: how good its held-out scores are, and what its networks cost."""
    together = record.quality[-1]
    networks = tuple(record.parts.values())
    return {
        "pauc": together.partial_auc,
        "auc": together.auc,
        "pauc_by_fold": [quality.partial_auc for quality in record.quality[:-1]],
        "past_pauc": None if record.past_quality is None else record.past_quality.partial_auc,
        "lesions": record.lesions,
        "past_lesions": record.past_lesions,
        "bad_pictures": len(record.bad),
        "networks": len(networks),
        "seconds_per_epoch": sum(network.seconds_per_epoch for network in networks) / len(networks),
        "images_per_second": sum(network.images_per_second for network in networks) / len(networks),
        "peak_bytes": max(network.peak_bytes for network in networks),
        "device": networks[0].device,
    }
