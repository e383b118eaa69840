"""`isic data synth`: a made-up data folder of the contest's form and statistics, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.options import Json, Quiet, Seed, Workers
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.synthetic.folder import FolderConfig, Made

__all__ = ["synth", "synth_cli"]

_FEWEST = 10  # malignant lesions: two for each of five folds


def synth_cli(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to make.")],
    rows: Annotated[int, typer.Option("--rows", min=1, help="Lesions to train on; the contest has 401,059.")] = 10_000,
    patients: Annotated[
        int, typer.Option("--patients", min=0, help="Their patients; 0: as many as in the contest, for the rows.")
    ] = 0,
    malignant_share: Annotated[
        float, typer.Option("--malignant-share", min=0.0, max=1.0, help="Share of malignant lesions.")
    ] = 393 / 401_059,
    test_rows: Annotated[int, typer.Option("--test-rows", min=0, help="Lesions to predict; 0: a tenth.")] = 0,
    test_patients: Annotated[int, typer.Option("--test-patients", min=0, help="Their patients; 0: to suit.")] = 0,
    unseen_hospitals: Annotated[
        bool,
        typer.Option("--unseen-hospitals/--seen-hospitals", help="Some test patients are of hospitals new to a model."),
    ] = True,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Draw pictures, too.")] = True,
    seed: Seed = 0,
    workers: Workers = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a data folder up: lesions with the contest's columns, statistics and rules, and no real patient's.

    The same seed and sizes give the same bytes with any number of workers. A command that was stopped goes on when it
    is given again.

    Examples:
        isic data synth --out made-up
        isic data synth --out small --rows 2000 --patients 50 --malignant-share 0.02 --seed 7
        isic data synth --out whole --rows 401059 --patients 1042 --no-images --workers 2
    """
    from isic_lesion.synthetic.folder import FolderConfig

    output = Output.choose(json=json, quiet=quiet)
    tests = test_rows or max(rows // 10, 1)
    try:
        config = FolderConfig(
            rows=rows,
            patients=patients or _patients_for(rows),
            malignant_share=malignant_share,
            test_rows=tests,
            test_patients=test_patients or _patients_for(tests),
            unseen_hospitals=unseen_hospitals,
            images=images,
            seed=seed,
        )
    except ValueError as error:
        raise InputError(
            str(error), fix="Ask for no more patients than lesions, and at most 5,000,000 lesions"
        ) from error
    made = synth(out, config, workers=workers, output=output)
    _print(output, made, config)


def synth(out: Path, config: FolderConfig, *, workers: int, output: Output) -> Made:
    """Make a folder and show progress.

    Args:
        out: the folder.
        config: what it holds.
        workers: processes; 0: this one.
        output: who is told of progress.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.local_processes import LocalProcesses
    from isic_lesion.synthetic.folder import count_shards, make_folder

    with showing_progress(output, "lesions", count_shards(config)) as on_progress:
        return make_folder(out, config, engine=LocalProcesses(workers), on_progress=on_progress)


def _patients_for(rows: int) -> int:
    return min(rows, max(1, round(rows * 1042 / 401_059), min(rows, 10)))


def _print(output: Output, made: Made, config: FolderConfig) -> None:
    patients = {"train": config.patients, "test": config.test_patients}
    table = [(split, made.rows[split], made.malignant[split], patients[split]) for split in ("train", "test")]
    output.table(
        ("split", "lesions", "malignant", "patients"),
        table,
        value={
            "folder": str(made.folder),
            "was_there": made.was_there,
            "images": config.images,
            "seed": config.seed,
            **{
                split: {"lesions": lesions, "malignant": malignant, "patients": people}
                for split, lesions, malignant, people in table
            },
        },
    )
    if made.malignant["train"] < _FEWEST:
        output.warn(
            f"{made.malignant['train']} malignant lesions are few to train on: ask for more --rows, or a larger "
            "--malignant-share"
        )
    there = "was there already, whole" if made.was_there else "is made"
    output.note(f"{made.folder} {there}. Its lesions are made up; no picture or number in it is a patient's.")
