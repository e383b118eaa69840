"""`isic explain`: where an image model looked, lesion by lesion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.isic.image_inputs import few_of, lesions_of
from furikaeri_cli.options import Json, LesionPictures, LesionTable, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.image_models.rows import ImageRows
    from isic_lesion.lesion_maps import Which

__all__ = ["Explained", "ExplainedLesion", "explain_cli", "explain_lesions"]

SHEET = "contact-sheet.png"


class ExplainedLesion(NamedTuple):
    """One lesion.

    Attributes:
        isic_id: of it.
        score: of the networks that explain it: a probability of being malignant, not calibrated.
        fold: that held the lesion out; None: the networks were trained on all rows of the training table.
        malignant: the truth; None where it is not known.
        file: its crop, and on the right the crop with its map (PNG).
    """

    isic_id: str
    score: float
    fold: int | None
    malignant: bool | None
    file: Path


class Explained(NamedTuple):
    """What was drawn.

    Attributes:
        model: the model's name.
        out: the folder.
        sheet: all of them on one picture (PNG).
        lesions: in the order of the sheet.
        left_out: lesions that were asked for, and whose pictures are damaged.
        empty: lesions whose maps are empty: no place raised the score.
    """

    model: str
    out: Path
    sheet: Path
    lesions: tuple[ExplainedLesion, ...]
    left_out: tuple[str, ...]
    empty: tuple[str, ...]


def explain_lesions(
    model: Path,
    rows: ImageRows,
    out: Path,
    *,
    isic_ids: tuple[str, ...] = (),
    top: int = 12,
    which: Which = "unseen",
    device: str | None = None,
) -> Explained:
    """Draw where an image model looked.

    Args:
        model: its folder.
        rows: the lesions that may be asked for.
        out: takes a PNG of each lesion, and one of all.
        isic_ids: the lesions; none: those with the highest out-of-fold scores.
        top: how many of these.
        which: the networks that explain.
        device: where to compute; None: as the model says, where this machine has that.

    Raises:
        InputError: if something cannot be read, a lesion is not among the rows, or none is left to draw.
        MissingExtraError: if the extra `image` is not installed.
    """
    from furikaeri_common.artifacts import write_bytes
    from isic_lesion.image_models.folder import read_image_record
    from isic_lesion.lesion_maps import map_lesions
    from isic_lesion.map_pictures import contact_sheet, lesion_png

    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file", fix="Name a folder")
    name = read_image_record(model).config.name
    truth = dict(rows.frame.select("isic_id", "target").iter_rows())
    wanted = isic_ids or _highest(model, set(truth), top)
    if strange := [one for one in wanted if one not in truth]:
        raise InputError(f"the table has no lesion {strange[0]!r}", fix="Name lesions of the table")
    images = rows.files[0]
    found = map_lesions(model, images, wanted, which=which, device=device)
    if not found:
        raise InputError(f"{images}: nothing to draw but {few_of(wanted)}", fix="Name other lesions, or mend the file")
    malignant = {one: None if target is None else target == 1 for one, target in truth.items()}
    drawn = []
    for one in found:
        file = out / f"{one.isic_id}.png"
        write_bytes(file, lesion_png(one))
        drawn.append(ExplainedLesion(one.isic_id, one.score, one.fold, malignant.get(one.isic_id), file))
    title = f"{name}: crop, and where it looked (Grad-CAM)"
    write_bytes(out / SHEET, contact_sheet(found, malignant, title=title))
    made = {one.isic_id for one in found}
    left_out = tuple(one for one in wanted if one not in made)
    empty = tuple(one.isic_id for one in found if not one.map.any())
    return Explained(name, out, out / SHEET, tuple(drawn), left_out, empty)


def explain_cli(
    isic_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ISIC_ID]...", help="The lesions; else those with the highest out-of-fold scores."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="The folder of an image model, from train-image.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="A run of `isic run`: its first image model; else the newest run's."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Holds the table of lesions and their pictures; else `data`."),
    ] = None,
    metadata: LesionTable = None,
    images: LesionPictures = None,
    split: Annotated[Literal["train", "test"], typer.Option("--split", help="Which table of the folder.")] = "train",
    top: Annotated[int, typer.Option("--top", min=1, max=500, help="How many lesions, where none is named.")] = 12,
    fold: Annotated[
        str,
        typer.Option(
            "--fold",
            metavar="N|all|unseen",
            help="Whose networks: a fold's, those of all rows, or who had not seen it.",
        ),
    ] = "unseen",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of pictures.")] = Path("maps"),
    device: Annotated[
        str | None, typer.Option("--device", help="Where to compute: auto, cpu, cuda, cuda:1 or mps; else the model's.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw where an image model looked: each lesion's crop beside its Grad-CAM map, and all of them on one sheet.

    A map shows what raised the score, scaled lesion by lesion, so two maps' colours do not compare. By default a lesion
    is explained by the networks that had not seen it: those of the fold that held it out, or, for lesions that nobody
    trained on, those of all rows. A map explains a score, not a lesion, and this is no medical device.

    Examples:
        isic explain --model models/small-lite0 --data data --top 24
        isic explain --data data ISIC_0015670 ISIC_0015845 --out maps --json
        isic explain --model models/small-lite0 --data data --split test ISIC_0015657
    """
    output = Output.choose(json=json, quiet=quiet)
    made = explain_lesions(
        model or _of_run(run, runs),
        lesions_of(data, metadata, images, split=split),
        out,
        isic_ids=tuple(isic_ids or ()),
        top=top,
        which=_which(fold),
        device=device,
    )
    rows = [
        (
            one.isic_id,
            f"{one.score:.4f}",
            "all rows" if one.fold is None else f"fold {one.fold}",
            {True: "malignant", False: "benign", None: ""}[one.malignant],
            one.file.name,
        )
        for one in made.lesions
    ]
    output.table(("lesion", "score", "explained by", "truth", "file"), rows, value=made)
    if made.left_out:
        output.warn(f"left out {few_of(made.left_out)}")
    if made.empty and not output.is_json:
        are = "are" if len(made.empty) > 1 else "is"
        some = ", ".join(made.empty[:5]) + ", ..." * (len(made.empty) > 5)
        output.warn(
            f"{len(made.empty)} of {len(made.lesions)} maps {are} empty, since no place raised the score: {some}"
        )
    output.note(f"{made.sheet}: {len(made.lesions)} lesion{'s' * (len(made.lesions) > 1)}. This is no medical device.")


def _which(fold: str) -> Which:
    if fold == "unseen":
        return "unseen"
    if fold == "all":
        return "all"
    if not fold.isdecimal():
        raise InputError(f"--fold {fold}: expected a fold's number, all or unseen")
    return int(fold)


def _highest(model: Path, names: set[str], top: int) -> tuple[str, ...]:
    from isic_lesion.lesion_maps import held_out_scores

    scores = held_out_scores(model)
    known = [one for one in scores["isic_id"] if one in names]
    if not known:
        raise InputError(f"{model}: has no out-of-fold scores of these lesions to choose by", fix="Name lesions")
    return tuple(known[:top])


def _of_run(run: Path | None, runs: Path) -> Path:
    """Return the folder of a run's first image model."""
    from furikaeri_cli.isic.predict import newest_run
    from furikaeri_common.artifacts import read_json
    from isic_lesion.recipe import recipe_from
    from isic_lesion.run_layout import RunLayout

    chosen = run or newest_run(runs)
    layout = RunLayout(chosen)
    if not layout.recipe.exists():
        raise InputError(f"{chosen}: has no recipe", fix="Give the folder of a run of `isic run`")
    recipe = recipe_from(read_json(layout.recipe), source=str(layout.recipe))
    if not recipe.images:
        raise InputError(f"{chosen}: trained no image models", fix="Name one with --model")
    return layout.image_model(recipe.images[0].name)
