"""`isic predict`: scores of lesions that nobody trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.isic.picture_progress import showing_pictures
from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

__all__ = ["Submission", "newest_run", "predict_cli", "predict_folder"]


class Submission(NamedTuple):
    """A submission that was written.

    Attributes:
        file: the CSV.
        rows: how many lesions.
        unknown: how many are of hospitals that the models were not trained on.
        unpictured: how many have no score of some image model, and are scored by the others.
        seconds: how long it took.
    """

    file: Path
    rows: int
    unknown: int
    unpictured: int
    seconds: float


def predict_folder(
    run: Path,
    folder: Path,
    out: Path,
    *,
    split: str = "test",
    image_scores: tuple[Path, ...] = (),
    past: tuple[Path, ...] = (),
    images: Path | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    chunk_rows: int | None = None,
    output: Output,
) -> Submission:
    """Score the lesions of a folder with a run's models, and write them as a submission.

    Args:
        run: the folder of a finished run, or of an unpacked bundle.
        folder: holds test-metadata.csv (or train-metadata.csv, for `split="train"`).
        out: the CSV.
        split: "test" or "train".
        image_scores: files of scores of image models; pictures are not scored again by a model that has scores there.
        past: files of earlier contests, where the run had them.
        images: the HDF5 file of the pictures; None: the folder's own. Needed where the run trained image models.
        on_bad: damaged pictures are refused, or their lesions are scored without them.
        readers: processes that decode pictures; 0: this one.
        chunk_rows: how many rows are in memory at once; None: as the recipe says.
        output: who is told of progress.

    Raises:
        InputError: if something cannot be read, or something that the run had is missing.
    """
    import time

    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.picture_scores import predict_with_pictures
    from isic_lesion.prediction import open_predictor
    from isic_lesion.submission import write_submission

    if out.is_dir():
        raise InputError(f"{out}: is a folder", fix="Name a file, such as submission.csv")
    begin = time.perf_counter()
    predictor = open_predictor(run)
    lesions = open_lesions(folder, "train" if split == "train" else "test")
    with showing_pictures(output, "image models") as on_pictures:
        predicted = predict_with_pictures(
            predictor,
            lesions,
            image_scores=image_scores,
            past=past,
            images=images,
            on_bad=on_bad,
            readers=readers,
            chunk_rows=chunk_rows,
            on_pictures=on_pictures,
            on_chunk=lambda done, total: output.note(f"{done:,} of {total:,} lesions"),
        )
    if predicted.unpictured:
        lacking = f"{predicted.unpictured:,} lesion{'s' * (predicted.unpictured > 1)}"
        output.warn(f"the other models alone score {lacking} without a score of some image model")
    write_submission(predicted.frame, out)
    seconds = round(time.perf_counter() - begin, 3)
    return Submission(out, len(predicted.frame), predicted.unknown, predicted.unpictured, seconds)


def newest_run(runs: Path) -> Path:
    """Return the folder of the newest `isic run` that is finished.

    Raises:
        InputError: if there is none.
    """
    from furikaeri_common.records import list_runs

    done = [run.path for run in list_runs(runs)[0] if run.command == "isic run" and run.status == "done"]
    if not done:
        raise InputError(f"{runs}: holds no finished run", fix="Make one with `isic run`, or name one with --run")
    return done[-1]


def predict_cli(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds test-metadata.csv.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="The folder of a finished `isic run`; else the newest below --runs."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The CSV to write.")] = Path("submission.csv"),
    train: Annotated[
        bool, typer.Option("--train", help="Score train-metadata.csv instead, such as other lesions with known truth.")
    ] = False,
    image_scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--image-scores", metavar="FILE", help="Scores of image models, instead of looking at pictures; repeatable."
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="FILE", help="The pictures (HDF5), if not the folder's test-image.hdf5."),
    ] = None,
    on_bad: Annotated[
        Literal["refuse", "skip"],
        typer.Option("--on-bad", help="Damaged pictures: stop and name them, or score those lesions without."),
    ] = "refuse",
    readers: Annotated[int, typer.Option("--readers", min=0, help="Processes that decode pictures.")] = 0,
    past: Annotated[
        list[Path] | None, typer.Option("--past", metavar="PATH", help="Earlier contests, where the run had them.")
    ] = None,
    chunk_rows: Annotated[
        int, typer.Option("--chunk-rows", min=0, help="Rows in memory at once; 0: as the recipe says.")
    ] = 0,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score lesions that nobody trained on, of patients and hospitals seen before or not.

    A lesion's score is its rank among the lesions of the table, by the run's stack: above 0, at most 1, the higher the
    more suspicious. It is no probability, and this is no medical device. Lesions of hospitals that the models were not
    trained on are scored by the models that do not look at the hospital. A run's own image models look at the pictures
    themselves; scores of image models that the run was given are to be given here too.

    Examples:
        isic predict data
        isic predict data --images pictures.hdf5 --readers 2
        isic predict other --train --out other.csv
    """
    output = Output.choose(json=json, quiet=quiet)
    made = predict_folder(
        run or newest_run(runs),
        folder,
        out,
        split="train" if train else "test",
        image_scores=tuple(image_scores or ()),
        past=tuple(past or ()),
        images=images,
        on_bad=on_bad,
        readers=readers,
        chunk_rows=chunk_rows or None,
        output=output,
    )
    output.result(
        made,
        f"{made.file}: {made.rows:,} lesions, {made.unknown:,} of hospitals not trained on, in {made.seconds:.1f} s",
    )
