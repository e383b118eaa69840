"""What commands of image models are given: lesions with their pictures, and folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.folds.dealing import Folds
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["few_of", "folds_of", "lesions_of"]

_SHOWN = 5


def lesions_of(
    data: Path | None,
    metadata: Path | None,
    images: Path | None,
    past: Sequence[Path] = (),
    split: Literal["train", "test"] = "train",
) -> ImageRows:
    """Read the lesions that the options of a command name.

    Args:
        data: a folder in the contest's layout; None: `data`, where no files are named.
        metadata: a table instead of the folder's.
        images: an HDF5 file instead of the folder's.
        past: folders of past contests, in the same layout, with targets.
        split: which of the folder's tables is read.

    Raises:
        InputError: if the options do not go together, or something cannot be read.
    """
    from isic_lesion.image_models.rows import open_image_folder, read_image_rows

    if data is not None and metadata is not None and images is not None:
        raise InputError("--data, --metadata and --images at once", fix="Leave --data out, or one of the others")
    if data is None and metadata is not None and images is None:
        raise InputError("--metadata needs --images, the HDF5 file of the pictures", fix="Give both, or --data")
    if data is None and metadata is None and images is not None:
        raise InputError("--images needs --metadata, the table of the lesions", fix="Give both, or --data")
    table, pictures = metadata, images
    if table is None or pictures is None:
        table, pictures = open_image_folder(data or Path("data"), split)
        table, pictures = metadata or table, images or pictures
    return read_image_rows(table, pictures, past=[open_image_folder(folder) for folder in past], split=split)


def folds_of(
    file: Path, count: int | None, rows: ImageRows, data: Path | None, metadata: Path | None, output: Output
) -> Folds:
    """Return the folds of a file; where it is missing and a number is given, folds of patients, which it then holds.

    Args:
        file: from `isic folds`, or to be made.
        count: how many folds to deal; None: the file must be there.
        rows: whose folds are dealt; past ones have none.
        data: the folder that the command was given, to say how folds are made of it.
        metadata: a table instead of the folder's, of which `isic folds` makes none.
        output: who is told that folds were dealt.

    Raises:
        InputError: if the file is missing, is none, is of other patients, or holds another number of folds.
    """
    from isic_lesion.folds.dealing import assign_patient_folds
    from isic_lesion.folds.files import check_patients, read_folds, write_folds

    if file.exists():
        folds = read_folds(file)
        check_patients(folds, rows.frame.filter(~rows.frame["is_past"]), file)
        if count is not None and folds.num_folds != count:
            raise InputError(f"{file}: holds {folds.num_folds} folds, not {count}", fix="Leave --folds-count out")
        return folds
    if count is None:
        made = f"Make it with `isic folds {data or 'data'} --out {file}`, or deal folds here with --folds-count 5"
        here = "Deal folds of this table here with --folds-count 5"
        raise InputError(f"{file}: no such file", fix=made if metadata is None else here)
    ours = rows.frame.filter(~rows.frame["is_past"])
    folds = assign_patient_folds(ours, num_folds=count)
    write_folds(folds, file)
    alone = ours["patient_id"].null_count()
    by = f"; {alone:,} lesions without a patient_id are patients of their own" if alone else ""
    output.note(f"Dealt {len(ours):,} lesions into {count} folds by patient, kept in {file}{by}")
    return folds


def few_of(bad: Sequence[str]) -> str:
    """Return how many pictures are damaged, and the first of them."""
    rest = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} damaged picture{'s' * (len(bad) > 1)}: {', '.join(bad[:_SHOWN])}{rest}"
