"""`isic train-table`: table models, trained round by round and on all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory
from furikaeri_cli.isic.by_size import suiting
from furikaeri_cli.isic.trainings import EngineOptions, model_folders
from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine
    from isic_lesion.boosters.config import BoosterConfig
    from isic_lesion.boosters.out_of_fold import FoldQuality
    from isic_lesion.table_models.folder import ModelRecord
    from isic_lesion.table_models.selection_files import Method
    from isic_lesion.table_models.training import Parts

__all__ = ["FIRST", "SELECTION", "Trained", "train_table_cli", "train_table_models"]

SELECTION, FIRST = "selection.json", "before-selection"

_SHOWN = 10


class Trained(NamedTuple):
    """What came of a model.

    Attributes:
        out: the model's folder.
        model: its name, in its out-of-fold scores too.
        library: as in the model's configuration, such as "xgboost".
        scheme: what a round holds out.
        features: how many features it has.
        dropped: how many were left out by selection; None without.
        boosters: how many there are.
        quality: of the out-of-fold scores of each round, then of all; empty without rounds.
        importances: the most important features and their share of the gain, first to last.
        note: what to bear in mind.
    """

    out: Path
    model: str
    library: str
    scheme: str
    features: int
    dropped: int | None
    boosters: int
    quality: tuple[FoldQuality, ...]
    importances: list[tuple[str, float]]
    note: str = "Not a medical device. The contest's data are CC-BY-NC as a whole."


def train_table_models(
    features: Path,
    folds: Path,
    data: Path,
    configs: Sequence[BoosterConfig],
    outs: Sequence[Path],
    *,
    engine: Engine,
    parts: Parts = "both",
    select: Method | Path | None = None,
    correlation: float | None = None,
    force: bool = False,
    output: Output | None = None,
) -> list[Trained]:
    """Train table models and write their folders; the same call goes on where an earlier one stopped.

    Args:
        features: a folder, from `isic features`.
        folds: a file, from `isic folds`.
        data: a folder that holds train-metadata.csv.
        configs: of the models.
        outs: their folders; made if they are missing.
        engine: where boosters are trained.
        parts: boosters of the rounds, of all rows, or both.
        select: train in rounds first and keep the features that a method chooses, or a file names; None: all.
        correlation: with "permutation": shuffle features together that are correlated so much; None: one by one.
        force: replace other models that the folders hold.
        output: who is told of progress; None: nobody.

    Raises:
        InputError: if something cannot be read or does not fit the rest.
        WorkError: if a booster cannot be trained.
    """
    from furikaeri_cli.progress import showing_progress
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.folds.files import check_patients, read_folds
    from isic_lesion.table_models.selection_files import read_selection, select_features, write_selection
    from isic_lesion.table_models.training import num_parts, train_tables

    told = output or Output("quiet")
    dealt = read_folds(folds)
    metadata = open_lesions(data).read(["isic_id", "patient_id", "target", "iddx_1", "attribution"])
    check_patients(dealt, metadata, folds)

    def train(into: Sequence[Path], which: Parts, names: Sequence[tuple[str, ...] | None]) -> list[ModelRecord]:
        total = sum(num_parts(config, dealt.num_folds, which) for config in configs)
        with showing_progress(told, "boosters", total) as on_progress:
            return train_tables(
                features,
                dealt,
                metadata,
                configs,
                into,
                engine=engine,
                parts=which,
                names=names,
                replace_other=force,
                on_progress=on_progress,
            )

    chosen = [read_selection(select)] * len(configs) if isinstance(select, Path) else []
    if select is not None and not isinstance(select, Path):
        train([out / FIRST for out in outs], "folds", [None] * len(configs))
        told.note(f"Choosing features by {select} ...")
        for config, out in zip(configs, outs, strict=True):
            seed = config.seeds[0]
            found = select_features(out / FIRST, features, dealt, metadata, select, seed=seed, correlation=correlation)
            write_selection(found, out / SELECTION)
            chosen.append(found)
    records = train(outs, parts, [one.names for one in chosen] or [None] * len(configs))
    dropped: list[int | None] = [len(one.dropped) for one in chosen] or [None] * len(configs)
    return [_trained(out, record, count) for out, record, count in zip(outs, records, dropped, strict=True)]


def _trained(out: Path, record: ModelRecord, dropped: int | None) -> Trained:
    from isic_lesion.boosters.importances import mean_importances
    from isic_lesion.parquet import read_parquet
    from isic_lesion.table_models.folder import IMPORTANCES

    means = mean_importances(read_parquet(out / IMPORTANCES).frame)
    return Trained(
        out=out,
        model=record.config.name,
        library=record.config.library,
        scheme=record.scheme,
        features=len(record.names),
        dropped=dropped,
        boosters=len(record.rounds),
        quality=record.quality,
        importances=list(means.head(_SHOWN).select("feature", "gain").iter_rows()),
    )


def train_table_cli(
    features: Annotated[Path, typer.Option("--features", metavar="DIR", help="From `isic features`.")] = Path(
        "features"
    ),
    folds: Annotated[Path, typer.Option("--folds", metavar="FILE", help="From `isic folds`.")] = Path("folds.parquet"),
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Holds train-metadata.csv.")] = Path("data"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|FILE",
            help="By name, or a TOML file; else what suits the number of lesions. Repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The model's folder, or several models'; models/NAME if not given."),
    ] = None,
    hospital: Annotated[
        Literal["with", "without", "blanked"] | None,
        typer.Option("--hospital", help="Features of the hospital: with, without, or both ways in one model."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, max=1000, help="Boosters a round, one a seed, averaged.")
    ] = None,
    parts: Annotated[
        Literal["both", "folds", "all"], typer.Option("--parts", help="Boosters of the rounds, of all rows, or both.")
    ] = "both",
    select: Annotated[
        str | None,
        typer.Option("--select", metavar="HOW|FILE", help="zero-importance, permutation, or a selection's file."),
    ] = None,
    correlation: Annotated[
        float | None,
        typer.Option("--correlation", min=0.01, max=1.0, help="Permute features together that correlate so much."),
    ] = None,
    device: Annotated[
        Literal["cpu", "gpu"] | None, typer.Option("--device", help="Where the boosters are trained.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of each booster.")] = None,
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    force: Annotated[bool, typer.Option("--force", help="Replace other models in the folders.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train table models: boosters of each round for out-of-fold scores, and of all rows for new lesions.

    Models by name are original-xgboost, original-lightgbm, original-sampled, small-xgboost and small-lightgbm; for some
    hundred to some thousand lesions few-lightgbm, few-extra-trees and few-kernel. A TOML file has the settings of one,
    on top of a `preset`. Several models are trained side by side. --hospital trains variants, under names of their own;
    lesions of hospitals that training has not seen need `without` or `blanked`. A model's folder holds model.json,
    boosters/ in the libraries' own formats, oof.parquet and importances.parquet. A command that was interrupted goes on
    when it is given again, and ends with the same bytes on a CPU. With --engine ray the boosters are trained on a
    cluster, to the same bytes on processors of one kind. What --select permutation keeps was chosen on held-out rows,
    whose scores are then a little too good. --json prints an object, and a list of them for several models.

    Examples:
        isic train-table --features features --folds folds.parquet --data data --model small-lightgbm --workers 2
        isic train-table --features features --data data --model original-xgboost --hospital without --seeds 3
        isic train-table --data data --model original-xgboost --model original-lightgbm --seeds 30 --engine ray
        isic train-table --features features --data data --model small-xgboost --select zero-importance --json
    """
    from isic_lesion.boosters.files import read_config

    output = Output.choose(json=json, quiet=quiet)
    named = model or [suiting(data, "model", output)]
    configs = [_changed(read_config(one), hospital, seeds, device, threads) for one in named]
    where = EngineOptions(engine, address, workers, task_gpus, task_memory)
    trained = train_table_models(
        features,
        folds,
        data,
        configs,
        model_folders(out, [config.name for config in configs]),
        engine=where.engine(output, devices=["cuda" if config.device == "gpu" else "cpu" for config in configs]),
        parts=parts,
        select=_selection(select, correlation),
        correlation=correlation,
        force=force,
        output=output,
    )
    _print(output, trained)


def _changed(
    config: BoosterConfig,
    hospital: Literal["with", "without", "blanked"] | None,
    seeds: int | None,
    device: Literal["cpu", "gpu"] | None,
    threads: int | None,
) -> BoosterConfig:
    """Return the configuration with what the options say; a variant has a name of its own."""
    from furikaeri_common.errors import InputError
    from isic_lesion.boosters.config import HOSPITAL_SUFFIXES

    if hospital is not None and hospital != config.hospital_features:
        config = replace(config, name=f"{config.name}{HOSPITAL_SUFFIXES[hospital]}", hospital_features=hospital)
    first = config.seeds[0]
    try:
        return replace(
            config,
            seeds=config.seeds if seeds is None else tuple(range(first, first + seeds)),
            device=device or config.device,
            threads=threads or config.threads,
        )
    except ValueError as error:
        raise InputError(f"model {config.name}: {error}") from error


def _selection(select: str | None, correlation: float | None) -> Method | Path | None:
    from furikaeri_common.errors import InputError
    from isic_lesion.table_models.selection_files import SELECTION_METHODS

    if correlation is not None and select != "permutation":
        raise InputError("--correlation needs --select permutation")
    if select is None:
        return None
    for method in SELECTION_METHODS:
        if select == method:
            return method
    if not Path(select).exists():
        raise InputError(
            f"--select {select}: no such method and no such file", fix=f"Say {', '.join(SELECTION_METHODS)}"
        )
    return Path(select)


def _print(output: Output, trained: Sequence[Trained]) -> None:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.5f}"

    rows = [
        (
            one.model,
            "all" if quality.fold is None else quality.fold,
            quality.lesions,
            quality.malignant,
            shown(quality.partial_auc),
            shown(quality.auc),
        )
        for one in trained
        for quality in one.quality
    ]
    columns = ("model", "round", "lesions", "malignant", "pAUC", "AUC")
    if len(trained) == 1:
        # As it was when a command trained one model alone: scripts read it.
        output.table(columns[1:], [row[1:] for row in rows], title=trained[0].model, value=trained[0])
    else:
        output.table(columns, rows, value=list(trained))
    if output.is_json:
        return
    for one in trained:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in one.importances)
        output.note(f"{one.model}: share of the gain: {shares}")
        selected = "" if one.dropped is None else f" ({one.dropped} left out)"
        output.note(
            f"{one.model}: {one.boosters} {one.library} boosters of {one.features} features{selected}, folds by "
            f"{one.scheme}, in {one.out}"
        )
    output.note(trained[0].note)
