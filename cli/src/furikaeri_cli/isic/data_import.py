"""`isic data import`: a folder of pictures and its table become a data folder of the contest's layout."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from furikaeri_cli.options import Json, Quiet, Workers
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_common.tasks import Progress
    from isic_lesion.importing.folder import ImportConfig, Imported

__all__ = ["import_cli", "import_lesions"]

_SHOWN = 5


def import_cli(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="A folder of JPEGs and PNGs, named after the ids.")],
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="TABLE", help="A CSV or Parquet file of the lesions, or earlier contests' CSVs."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The data folder to make.")],
    split: Annotated[
        Literal["train", "test"], typer.Option("--split", help="Lesions to train on, or to predict.")
    ] = "train",
    id_column: Annotated[
        str | None, typer.Option("--id-column", metavar="NAME", help="The table's column of image names.")
    ] = None,
    max_size: Annotated[
        int, typer.Option("--max-size", metavar="PX", min=0, help="Make larger pictures smaller; 0: never.")
    ] = 0,
    square: Annotated[
        bool, typer.Option("--square", help="Cut the middle out of pictures that are not square.")
    ] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out what cannot be imported, and name it.")] = False,
    workers: Workers = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a folder of pictures and its table into a data folder that every other command reads.

    The table has one row a lesion: a column of image names (isic_id, image_name, image, ...), target (0 or 1) to train
    on, and any of the contest's columns; the others stay empty. Truth and metadata of the ISIC contests of 2016 to 2020
    and of HAM10000 are known as they were published. A lesion without a patient counts as a patient of its own.

    JPEGs are stored byte for byte unless --max-size or --square changes them; PNGs become JPEGs. A row without a
    picture, a picture that does not decode, or an id that comes twice stops the import before anything is written,
    unless --skip leaves it out; pictures without a row are named and left out. Stopped, it goes on when given again.

    Examples:
        isic data import photos lesions.csv --out mine
        isic data import ISIC_2020_Train_JPEG ISIC_2020_Training_GroundTruth.csv --out past2020 --max-size 512
        isic data import photos new.csv --out mine --split test --id-column file --skip --workers 2
    """
    from furikaeri_common.errors import InputError
    from isic_lesion.importing.folder import ImportConfig

    output = Output.choose(json=json, quiet=quiet)
    try:
        config = ImportConfig(split=split, id_column=id_column, max_size=max_size or None, square=square, skip=skip)
    except ValueError as error:
        raise InputError(str(error).replace("max_size", "--max-size"), fix="Give a larger size") from error
    _print(output, import_lesions(images, tables, out, config, workers=workers, output=output))


def import_lesions(
    images: Path, tables: Sequence[Path], out: Path, config: ImportConfig, *, workers: int, output: Output
) -> Imported:
    """Import a folder and show progress.

    Args:
        images: the pictures.
        tables: their table, or files of earlier contests.
        out: the data folder.
        config: how.
        workers: processes; 0: this one.
        output: who is told of progress.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.local_processes import LocalProcesses
    from furikaeri_common.tasks import Progress as Step
    from isic_lesion.importing.folder import import_folder

    began = time.monotonic()
    with contextlib.ExitStack() as stack:

        def shown(what: str) -> Callable[[Progress], None]:
            """Show progress from the first event on, which tells how much there is; one bar at a time."""
            tell: list[Callable[[Progress], None]] = []

            def on_progress(event: Progress) -> None:
                if not tell:
                    stack.close()
                    tell.append(stack.enter_context(showing_progress(output, what, event.total)))
                tell[0](event)

            return on_progress

        write = shown("pictures written")
        return import_folder(
            images,
            tables,
            out,
            config,
            engine=LocalProcesses(workers),
            on_progress=shown("pictures decoded"),
            on_written=lambda done, total: write(
                Step("finished", "", done, total, "", time.monotonic() - began),
            ),
        )


def _print(output: Output, imported: Imported) -> None:
    rows: list[tuple[str, object]] = [
        ("folder", imported.folder),
        ("split", imported.split),
        ("lesions", imported.rows),
        ("malignant", imported.malignant),
        *((f"pictures changed ({change})", number) for change, number in imported.changes.items()),
        ("lesions without a patient", imported.stand_ins or None),
        ("columns left out", ", ".join(imported.left_out)),
        *(("noticed", note) for note in imported.notes),
        ("pictures without a row", _named(imported.unused)),
        *((f"skipped: {kind}", _named(names)) for kind, names in imported.skipped),
    ]
    output.table(("what", "value"), [row for row in rows if row[1] not in (None, "")], value=imported)
    if imported.was_there:
        output.note(f"{imported.folder}: the same was imported already")
    output.note(f"Look it over: isic data check {shlex.quote(str(imported.folder))}")


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)}: {shown}" if names else ""
