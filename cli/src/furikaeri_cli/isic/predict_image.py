"""`isic predict-image`: scores of pictures by image models that were not trained on them."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from furikaeri_cli.isic.image_inputs import few_of, lesions_of
from furikaeri_cli.isic.picture_progress import showing_pictures
from furikaeri_cli.options import Json, LesionPictures, LesionTable, Quiet
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["PredictedImages", "predict_image_cli", "score_images"]


class PredictedImages(NamedTuple):
    """Scores that were written.

    Attributes:
        file: the Parquet file of scores.
        models: whose.
        lesions: how many were scored.
        bad: those whose pictures are damaged, without a score.
        trained_on: models, and how many of the lesions each was trained on: their scores are far too good.
        seconds: how long it took.
        images_per_second: pictures that one network scored.
    """

    file: Path
    models: tuple[str, ...]
    lesions: int
    bad: tuple[str, ...]
    trained_on: dict[str, int]
    seconds: float
    images_per_second: float


def score_images(
    models: Sequence[Path],
    rows: ImageRows,
    out: Path,
    *,
    use: Literal["all", "folds"] = "all",
    members: bool = False,
    on_bad: Literal["refuse", "skip"] = "refuse",
    device: str | None = None,
    readers: int = 0,
    output: Output,
) -> PredictedImages:
    """Score lesions with image models and write one file of scores, which `isic stack` and `isic predict` take.

    Args:
        models: their folders.
        rows: the lesions.
        out: the Parquet file.
        use: networks of all rows, or the mean of those of the folds.
        members: write the scores of each network by itself.
        on_bad: refuse damaged pictures, or give them no score.
        device: where to compute; None: as each model says, where this machine has that.
        readers: processes that read pictures.
        output: who is told of progress.

    Raises:
        InputError: if something cannot be read, or two models have one name.
    """
    from isic_lesion.image_models.folder import read_image_record
    from isic_lesion.image_models.inference import predict_images
    from isic_lesion.lesion_maps import held_out_scores
    from isic_lesion.scores import write_scores

    if out.is_dir():
        raise InputError(f"{out}: is a folder", fix="Name a file, such as scores.parquet")
    if out.suffix in (".csv", ".gz"):
        raise InputError(f"{out}: scores are written as Parquet", fix=f"Name it {out.name.split('.')[0]}.parquet")
    begin = time.perf_counter()
    records = [read_image_record(folder) for folder in models]
    names = [record.config.name for record in records]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two of the models have the name {name!r}", fix="Give each once")

    def scored(folder: Path, name: str) -> Any:
        with showing_pictures(output, name) as on_progress:
            return predict_images(
                folder,
                rows,
                use,
                members=members,
                on_bad=on_bad,
                device=device,
                workers=readers,
                on_progress=on_progress,
            )

    def seen_by(folder: Path) -> int:
        return len(scores.select("isic_id").unique().join(held_out_scores(folder), on="isic_id", how="semi"))

    first, *others = [scored(folder, name) for folder, name in zip(models, names, strict=True)]
    scores = functools.reduce(lambda above, below: above.vstack(below), others, first)
    write_scores(out, scores)
    seconds = time.perf_counter() - begin
    networks = sum(sum((part.fold is None) == (use == "all") for part in record.parts) for record in records)
    bad = rows.frame.join(scores, on="isic_id", how="anti", maintain_order="left")["isic_id"]
    return PredictedImages(
        file=out,
        models=tuple(names),
        lesions=scores["isic_id"].n_unique(),
        bad=tuple(bad),
        trained_on={name: known for folder, name in zip(models, names, strict=True) if (known := seen_by(folder))},
        seconds=round(seconds, 3),
        images_per_second=round(networks * len(rows.frame) / seconds, 1),
    )


def predict_image_cli(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Folders from `isic train-image`.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Holds the lesions' table and pictures; else `data`."),
    ] = None,
    metadata: LesionTable = None,
    images: LesionPictures = None,
    split: Annotated[
        Literal["train", "test"], typer.Option("--split", help="Which of the folder's tables is scored.")
    ] = "test",
    use: Annotated[
        Literal["all", "folds"],
        typer.Option("--use", help="The networks of all rows, or the mean of those of the folds."),
    ] = "all",
    members: Annotated[bool, typer.Option("--members", help="Write the scores of each network by itself.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file of scores.")] = Path(
        "image-scores.parquet"
    ),
    device: Annotated[
        str | None, typer.Option("--device", help="Where to compute: auto, cpu, cuda, cuda:1 or mps.")
    ] = None,
    readers: Annotated[int, typer.Option("--readers", min=0, help="Processes that read pictures; 0: none.")] = 0,
    on_bad: Annotated[
        Literal["refuse", "skip"], typer.Option("--on-bad", help="Damaged pictures: refuse them, or give no score.")
    ] = "refuse",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score lesions by their pictures alone, with image models that were not trained on them.

    Lesions that a model was trained on get scores that are far too good: theirs are in the model's oof.parquet. The
    networks of all rows take a fifth of the time of five folds, and are about as good. The file is what `isic stack`
    and `isic predict --image-scores` take; scores are in [0, 1] and not calibrated, and this is no medical device.

    Examples:
        isic predict-image models/small-lite0 --data data --out test-scores.parquet
        isic predict-image models/small-lite0 --metadata new.csv --images new.hdf5 --use folds
    """
    output = Output.choose(json=json, quiet=quiet)
    rows = lesions_of(data, metadata, images, split=split)
    made = score_images(
        models,
        rows,
        out,
        use=use,
        members=members,
        on_bad=on_bad,
        device=device,
        readers=readers,
        output=output,
    )
    if made.bad and not output.is_json:
        output.warn(f"no score of {few_of(made.bad)}")
    if not output.is_json:
        for name, count in made.trained_on.items():
            output.warn(f"{name} was trained on {count:,} of these lesions: scores to trust are in its oof.parquet")
    output.result(
        made,
        f"{made.file}: {made.lesions:,} lesions scored by {', '.join(made.models)} in {made.seconds:.1f} s "
        f"({made.images_per_second:.0f} images/s for each network)",
    )
