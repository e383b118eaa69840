"""`isic folds`: deal lesions into folds once, for every model that is to be compared or stacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.folds.summary import Round

__all__ = ["FoldsMade", "folds_cli", "make_folds"]


class FoldsMade(NamedTuple):
    """What came of it.

    Attributes:
        path: the file.
        scheme: what a round holds out.
        seed: what they were drawn with.
        fingerprint: names the folds in everything that is made with them.
        written: False if the very same folds were there already.
        rounds: what each round trains on and holds out.
        without_patient: lesions that are patients of their own, for theirs is not known.
    """

    path: Path
    scheme: str
    seed: int
    fingerprint: str
    written: bool
    rounds: list[Round]
    without_patient: int


def make_folds(
    folder: Path, out: Path, *, scheme: str = "patients", num_folds: int = 5, seed: int = 42, force: bool = False
) -> FoldsMade:
    """Deal the lesions of a folder into folds and write them.

    Args:
        folder: holds train-metadata.csv.
        out: the file; left as it is where it holds the same folds.
        scheme: "patients" or "hospitals".
        num_folds: how many.
        seed: of the draw.
        force: replace whatever is at `out`.

    Raises:
        InputError: if the data cannot be dealt so, or `out` holds something else.
    """
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.folds.dealing import assign_hospital_folds, assign_patient_folds
    from isic_lesion.folds.files import read_folds, write_folds
    from isic_lesion.folds.summary import summarise_folds

    metadata = open_lesions(folder).read(["isic_id", "patient_id", "target", "attribution"])
    assign = assign_hospital_folds if scheme == "hospitals" else assign_patient_folds
    dealt = assign(metadata, num_folds=num_folds, seed=seed)
    there = False
    if out.exists() and not force:
        there = read_folds(out).fingerprint == dealt.fingerprint
        if not there:
            raise InputError(
                f"{out}: holds other folds; what was made with them could no longer be used",
                fix="Choose another --out, or replace them with --force",
            )
    if not there:
        write_folds(dealt, out)
    return FoldsMade(
        path=out,
        scheme=dealt.scheme,
        seed=seed,
        fingerprint=dealt.fingerprint,
        written=not there,
        rounds=summarise_folds(dealt, metadata),
        without_patient=metadata["patient_id"].null_count(),
    )


def folds_cli(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that holds train-metadata.csv.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the folds go.")] = Path("folds.parquet"),
    scheme: Annotated[
        Literal["patients", "hospitals"], typer.Option("--scheme", help="What a round holds out.")
    ] = "patients",
    folds: Annotated[int, typer.Option("--folds", min=2, max=100, help="How many folds.")] = 5,
    seed: Seed = 42,
    force: Annotated[bool, typer.Option("--force", help="Replace other folds that are there.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Deal lesions into folds, for every model that is to be compared or stacked.

    A patient's lesions are always held out together. Each fold gets about the same share of the malignant lesions and
    of the benign; the same patients, seed and number of folds give the same folds, whatever the order of the rows.
    With `--scheme hospitals`, round k also holds out whole hospitals that its models never see, so that scores of new
    hospitals can be told from those of known ones.

    Examples:
        isic folds data --out folds.parquet
        isic folds data --out hospitals.parquet --scheme hospitals --seed 7
    """
    output = Output.choose(json=json, quiet=quiet)
    made = make_folds(folder, out, scheme=scheme, num_folds=folds, seed=seed, force=force)
    by_hospital = scheme == "hospitals"
    columns = ["fold", "training", "held out", "malignant", "patients", "with malignant", "hospitals"]
    rows = [
        (
            k.fold,
            k.training,
            k.held_out,
            k.malignant,
            k.patients,
            k.patients_with_malignant,
            k.hospitals,
            *((k.unseen, k.unseen_malignant, "; ".join(k.unseen_hospitals)) if by_hospital else ()),
        )
        for k in made.rounds
    ]
    output.table(
        [*columns, *(["unseen", "unseen malignant", "unseen hospitals"] if by_hospital else [])], rows, value=made
    )
    bare = [str(k.fold) for k in made.rounds if not k.malignant]
    if bare:
        output.warn(f"no malignant lesion in fold {', '.join(bare)}: it cannot be scored by itself; fewer folds would")
    if made.without_patient:
        output.note(f"{made.without_patient} lesions have no patient_id; each is dealt as a patient of its own")
    output.note(f"{'Kept in' if made.written else 'The same folds are already in'} {made.path}")
