"""`isic train-image`: image models, trained fold by fold and on all rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory
from furikaeri_cli.isic.image_inputs import few_of, folds_of, lesions_of
from furikaeri_cli.isic.torchrun import is_first, is_one_of_several, with_one_voice
from furikaeri_cli.isic.training_progress import showing_training
from furikaeri_cli.isic.trainings import EngineOptions, model_folders
from furikaeri_cli.options import Json, LesionPictures, LesionTable, Quiet
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine
    from isic_lesion.boosters.out_of_fold import FoldQuality
    from isic_lesion.folds.dealing import Folds
    from isic_lesion.image_models.config import ImageConfig
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["TrainedImageModel", "train_image_cli", "train_images"]

Parts = Literal["both", "folds", "all"]
Bad = Literal["refuse", "skip"]

_MODEL = "small-lite0"


class TrainedImageModel(NamedTuple):
    """What came of a model.

    Attributes:
        out: its folder.
        model: its name, in its out-of-fold scores too.
        backbone: of timm.
        scheme: what a fold holds out.
        networks: how many there are.
        lesions: of this contest.
        past_lesions: of past ones.
        bad: lesions with damaged pictures, which were neither trained on nor scored.
        quality: of the out-of-fold scores of this contest's lesions, of each fold, then of all; empty without folds.
        past_quality: of those of past ones together.
        seconds_per_epoch: the mean over networks.
        images_per_second: pictures that one network was trained on, the mean over networks.
        peak_bytes: the most memory that the training of a network took.
        note: what to bear in mind.
    """

    out: Path
    model: str
    backbone: str
    scheme: str
    networks: int
    lesions: int
    past_lesions: int
    bad: tuple[str, ...]
    quality: tuple[FoldQuality, ...]
    past_quality: FoldQuality | None
    seconds_per_epoch: float
    images_per_second: float
    peak_bytes: int
    note: str = "Not a medical device. The contest's data are CC-BY-NC as a whole."


def train_images(
    rows: ImageRows,
    folds: Folds,
    configs: Sequence[ImageConfig],
    outs: Sequence[Path],
    *,
    engine: Engine,
    readers: int = 0,
    parts: Parts = "both",
    on_bad: Bad = "refuse",
    force: bool = False,
    output: Output | None = None,
) -> list[TrainedImageModel]:
    """Train image models and write their folders; the same call goes on where an earlier one stopped.

    Args:
        rows: of this contest, and past ones.
        folds: of this contest's rows.
        configs: of the models.
        outs: their folders; made if they are missing.
        engine: where networks are trained.
        readers: processes that read pictures for each of them; 0: the one that trains.
        parts: networks of the folds, of all rows, or both.
        on_bad: refuse damaged pictures, or leave them out.
        force: replace other models that the folders hold.
        output: who is told of progress; None: nobody.

    Raises:
        InputError: if something cannot be read or does not fit the rest.
        WorkError: if a network cannot be trained.
    """
    from isic_lesion.image_models.training import num_networks, train_image_models

    told = output or Output("quiet")
    with showing_training(told, num_networks(configs, folds.num_folds, parts)) as on_progress:
        records = train_image_models(
            rows,
            folds,
            configs,
            outs,
            engine=engine,
            parts=parts,
            on_bad=on_bad,
            workers=readers,
            replace_other=force,
            on_progress=on_progress,
        )
    return [
        TrainedImageModel(
            out=Path(out),
            model=record.config.name,
            backbone=record.config.backbone,
            scheme=record.scheme,
            networks=len(record.parts),
            lesions=record.lesions,
            past_lesions=record.past_lesions,
            bad=record.bad,
            quality=record.quality,
            past_quality=record.past_quality,
            seconds_per_epoch=_mean([part.seconds_per_epoch for part in record.parts.values()]),
            images_per_second=_mean([part.images_per_second for part in record.parts.values()]),
            peak_bytes=max(part.peak_bytes for part in record.parts.values()),
        )
        for out, record in zip(outs, records, strict=True)
    ]


def train_image_cli(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Holds train-metadata.csv and train-image.hdf5; else `data`."),
    ] = None,
    metadata: LesionTable = None,
    images: LesionPictures = None,
    past_images: Annotated[
        list[Path] | None,
        typer.Option("--past-images", metavar="FOLDER", help="A past contest in the same layout. Repeatable."),
    ] = None,
    folds: Annotated[Path, typer.Option("--folds", metavar="FILE", help="From `isic folds`.")] = Path("folds.parquet"),
    folds_count: Annotated[
        int | None,
        typer.Option("--folds-count", min=2, max=100, help="Deal so many folds of patients, if --folds is not there."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME|FILE", help=f"By name, or a TOML file; else {_MODEL}. Repeatable."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="WHAT", help="To begin with: hub, none, a file, or a hub model's id."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The model's folder, or several models'; models/NAME if not given."),
    ] = None,
    parts: Annotated[Parts, typer.Option("--parts", help="Networks of the folds, of all rows, or both.")] = "both",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the model's.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Pictures of a step.")] = None,
    pieces: Annotated[
        int | None, typer.Option("--pieces", min=1, help="Cut each step so: less memory, or one for each process.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Side of the pictures, in pixels.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, max=1000, help="Networks a fold, one a seed, averaged.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Where networks are trained: auto, cpu, cuda, cuda:1 or mps.")
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"] | None,
        typer.Option("--precision", help="Of the networks' arithmetic."),
    ] = None,
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    readers: Annotated[
        int, typer.Option("--readers", min=0, help="Processes that read pictures, for each network; 0: none.")
    ] = 0,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of each network's arithmetic.")] = None,
    on_bad: Annotated[
        Bad, typer.Option("--on-bad", help="Damaged pictures: refuse them, or train and score without them.")
    ] = "refuse",
    force: Annotated[bool, typer.Option("--force", help="Replace other models in the folders.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train image models: networks of each fold for out-of-fold scores, and of all rows for new lesions.

    Models by name are small-lite0 for a laptop, demo-tiny to try things out, and the original's:
    original-convnext-base, original-eva02-small and original-swin-base, trained on as many benign lesions as malignant
    ones; and, for past contests' lesions too, original-convnext-small, original-resnet18, original-swin-small and
    original-resnet152 with three heads, or with all of them under a name that ends in -aux. A TOML file has the
    settings of one, on top of a `preset`. Weights are never fetched: they come from the hub's cache, or a file.

    A model's folder holds model.json, weights/, oof.parquet and history.parquet. A command that was interrupted, even
    killed, goes on in the middle of a network when it is given again, and ends with the same bytes on a CPU. With
    --engine ray the networks are trained on a cluster, each on a GPU of its own where the model's device is cuda, or is
    auto and the cluster has any; on machines without shared storage a network that was not finished begins anew.
    Several GPUs train one network together under torchrun.

    Examples:
        isic train-image --data data --model small-lite0 --weights tf_efficientnet_lite0.pth --workers 2
        isic train-image --metadata crops.csv --images crops.hdf5 --folds-count 5 --model demo-tiny
        isic train-image --model original-convnext-base --model original-swin-base --device cuda --engine ray
        torchrun --nproc-per-node 2 --no-python isic train-image --model original-convnext-base --pieces 2
    """
    from isic_lesion.image_models.presets import read_image_config

    output = Output.choose(json=json, quiet=quiet or not is_first())
    changes = {
        "weights": weights,
        "epochs": epochs,
        "batch": batch,
        "pieces": pieces,
        "size": size,
        "device": device,
        "precision": precision,
        "threads": threads,
    }
    with with_one_voice():
        configs = [_changed(read_image_config(one), seeds, changes) for one in model or [_MODEL]]
        outs = model_folders(out, [config.name for config in configs])
        where = EngineOptions(engine, address, workers, task_gpus, task_memory)
        if engine == "ray" and is_one_of_several():
            raise InputError(
                "--engine ray under torchrun, whose processes train one network together; Ray's workers each their own",
                fix="Leave out one of both",
            )
        if engine == "local":
            _warn_of_threads(output, configs, 1 if workers is None else workers)
        rows = lesions_of(data, metadata, images, past_images or ())
        trained = train_images(
            rows,
            folds_of(folds, folds_count, rows, data, metadata, output),
            configs,
            outs,
            engine=where.engine(output, devices=[config.device for config in configs]),
            readers=readers,
            parts=parts,
            on_bad=on_bad,
            force=force,
            output=output,
        )
    if is_first():
        _print(output, trained)
        _warn_of_untaught(output, rows, configs)


def _warn_of_untaught(output: Output, rows: ImageRows, configs: Sequence[ImageConfig]) -> None:
    from isic_lesion.image_models.objectives import untaught

    for config in configs if not output.is_json else ():
        if names := untaught(rows, config):
            output.warn(f"{config.name}: no lesion tells anything of {', '.join(names)}, so nothing was learnt of it")


def _changed(config: ImageConfig, seeds: int | None, changes: Mapping[str, object]) -> ImageConfig:
    """Return the configuration with what the options say."""
    given = {name: value for name, value in changes.items() if value is not None}
    if seeds is not None:
        given["seeds"] = tuple(range(config.seeds[0], config.seeds[0] + seeds))
    try:
        return replace(config, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"model {config.name}: {error}") from error


def _warn_of_threads(output: Output, configs: Sequence[ImageConfig], workers: int) -> None:
    """Warn of more threads than there are cores: they wait for each other, and training all but stands still."""
    threads, cores = configs[0].threads * max(1, workers), os.cpu_count() or 1
    if configs[0].threads > 1 and threads > cores:
        output.warn(f"{threads} threads on {cores} cores slow each other down; lower --threads or --workers")


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _print(output: Output, trained: Sequence[TrainedImageModel]) -> None:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.5f}"

    lines = []
    for one in trained:
        of_past = [("past", one.past_quality)] if one.past_quality is not None else []
        for fold, quality in [*((quality.fold, quality) for quality in one.quality), *of_past]:
            figures = (quality.lesions, quality.malignant, shown(quality.partial_auc), shown(quality.auc))
            lines.append((one.model, "all" if fold is None else fold, *figures))
    if lines or output.is_json:
        output.table(("model", "fold", "lesions", "malignant", "pAUC", "AUC"), lines, value=list(trained))
    if output.is_json:
        return
    for one in trained:
        if one.bad:
            output.warn(f"{one.model}: left out {few_of(one.bad)}")
        networks = f"{one.networks} network{'s' * (one.networks > 1)}"
        past = f" and {one.past_lesions:,} past ones" if one.past_lesions else ""
        output.note(
            f"{one.model}: {networks} of {one.backbone} on {one.lesions:,} lesions{past}, folds by "
            f"{one.scheme}; {one.seconds_per_epoch:.1f} s an epoch, {one.images_per_second:.0f} images/s, at most "
            f"{one.peak_bytes / 2**30:.2f} GiB; in {one.out}"
        )
    output.note(trained[0].note)
