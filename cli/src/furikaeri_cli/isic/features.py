"""`isic features`: what table models learn from, computed once for all of them; or a set, shown."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from furikaeri_cli.isic.by_size import suiting
from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.features import Feature, FeatureSet

__all__ = ["FeaturesMade", "features_cli", "find_set", "make_features"]

_MOST_THREADS = 4
_FOLDS = Path("folds.parquet")  # where `isic folds` puts them


class FeaturesMade(NamedTuple):
    """What came of it.

    Attributes:
        folder: where they are.
        set: the name of the set.
        fingerprint: of the set.
        features: how many there are.
        rows: of how many lesions.
        fits: what the populations were fitted on: "all", and each fold's training rows.
        seconds: how long it took.
    """

    folder: Path
    set: str
    fingerprint: str
    features: int
    rows: int
    fits: tuple[int | str, ...]
    seconds: float


def find_set(name_or_file: str) -> FeatureSet:
    """Return a set of the catalogue, or one from a JSON file.

    Raises:
        InputError: if there is neither.
    """
    from isic_lesion.features import CATALOGUE, read_feature_set

    if name_or_file in CATALOGUE:
        return CATALOGUE[name_or_file]()
    path = Path(name_or_file)
    if not path.is_file():
        raise InputError(
            f"{name_or_file}: no set of features of this name, and no such file",
            fix=f"By name there are: {', '.join(CATALOGUE)}",
        )
    return read_feature_set(path)


def make_features(
    data: Path,
    feature_set: FeatureSet,
    out: Path,
    *,
    folds: Path | None = None,
    image_scores: tuple[Path, ...] = (),
    noise: float = 0.0,
    past: tuple[Path, ...] = (),
    seed: int = 0,
    threads: int = 1,
    output: Output | None = None,
) -> FeaturesMade:
    """Compute the features of a folder's training lesions and write them; what is there already stays.

    Args:
        data: a folder that holds train-metadata.csv.
        feature_set: what to compute.
        out: the folder of features.
        folds: a file, from `isic folds`: populations are then fitted on each fold's training rows too.
        image_scores: files of out-of-fold scores of image models, whose features are added; they need `folds`.
        noise: standard deviation of Gaussian noise that is added to these scores.
        past: files or folders of earlier contests, whose features are added.
        seed: of the noise.
        threads: how many work at once.
        output: who is told of progress; None: nobody.

    Raises:
        InputError: if something cannot be read or does not fit the rest.
        WorkError: if the disk is full.
    """
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.features import image_features, join_scores, past_features, unseen_scores, write_features
    from isic_lesion.folds.files import check_patients, read_folds
    from isic_lesion.past.history import join_past
    from isic_lesion.past.reading import read_past
    from isic_lesion.scores import average_members, read_many_scores

    began = time.monotonic()
    dealt = read_folds(folds) if folds is not None else None
    if image_scores and dealt is None:
        raise InputError("image scores need the folds that they were made with", fix="Give them with --folds")
    rows = open_lesions(data).read()
    if folds is not None and dealt is not None:
        check_patients(dealt, rows, folds)
    name = feature_set.name
    if past:
        rows = join_past(rows, read_past(past).frame)
        feature_set = feature_set.joined(past_features(), name=f"{name}+past")
    if image_scores:
        scores = average_members(read_many_scores(image_scores, dealt))
        models = sorted(scores["model"].unique())
        try:
            feature_set = feature_set.joined(image_features(models), name=f"{feature_set.name}+image")
        except ValueError as error:
            raise InputError(f"the scores' models have names that become one: {error}") from error
        assert dealt is not None
        rows = join_scores(rows, unseen_scores(scores, dealt), noise_sd=noise, seed=seed)
    with _telling(output) as on_progress:
        table = write_features(rows, feature_set, out, dealt, threads=threads, on_progress=on_progress)
    return FeaturesMade(
        folder=out,
        set=feature_set.name,
        fingerprint=feature_set.fingerprint,
        features=len(feature_set),
        rows=len(table),
        fits=table.fits,
        seconds=round(time.monotonic() - began, 3),
    )


@contextlib.contextmanager
def _telling(output: Output | None) -> Iterator[Callable[[int, int], None]]:
    """Show how many files are done, as tasks are shown."""
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.tasks import Progress

    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        shows: list[Callable[[Progress], None]] = []

        def tell(done: int, total: int) -> None:
            # How many files there are is known once the rows are read.
            if not shows:
                shows.append(stack.enter_context(showing_progress(output or Output("quiet"), "features", total)))
            if total:
                shows[0](Progress("finished", f"file {done}", done, total, "", time.monotonic() - began))

        yield tell


def features_cli(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="A folder that holds train-metadata.csv.")
    ] = None,
    set: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="NAME|FILE",
            help="few, small, original, original-file-order, full, or a JSON; else what suits the number of lesions.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the features go.")] = Path("features"),
    folds: Annotated[
        Path | None,
        typer.Option(
            "--folds",
            metavar="FILE",
            help="Folds that populations are fitted without; else folds.parquet, if that is here and of these lesions.",
        ),
    ] = None,
    image_scores: Annotated[
        list[Path] | None,
        typer.Option("--image-scores", metavar="FILE", help="Out-of-fold scores of image models, as features too."),
    ] = None,
    noise: Annotated[
        float,
        typer.Option(
            "--noise", min=0.0, help="Noise on the image scores of all rows; models by name add their own in training."
        ),
    ] = 0.0,
    past: Annotated[
        list[Path] | None,
        typer.Option("--past", metavar="FILE", help="Earlier contests' tables, as features of a patient's past."),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Show the set instead, as a table.")] = False,
    describe: Annotated[
        str | None, typer.Option("--describe", metavar="FEATURE", help="Show one feature of the set instead.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="0: one per core, at most 4.")] = 0,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute the features of lesions, for every table model that learns from them.

    A feature sees a lesion, the other lesions of its patient, or statistics of many patients. The last are fitted on
    training rows: with `--folds`, each round of a cross-validation gets those of its own training rows.
    A command that was stopped goes on when it is given again. The set's JSON, as `--list --json` prints it, can be
    edited and given as FILE.

    Examples:
        isic features data --set small --folds folds.parquet --out features
        isic features data --set full --folds folds.parquet --image-scores oof.parquet --noise 0.1 --out features
        isic features --list --set original
        isic features --set full --describe patient.z.axis_ratio
    """
    output = Output.choose(json=json, quiet=quiet)
    only_shown = list_only or describe is not None
    chosen = find_set(set or ("small" if folder is None or only_shown else suiting(folder, "set", output)))
    if describe is not None:
        _describe(output, chosen, describe)
        return
    if list_only:
        rows = [(feature.name, feature.kind, feature.description) for feature in chosen.features]
        output.table(("feature", "kind", "what it is"), rows, title=chosen.name, value=chosen.as_document())
        output.note(f"{len(chosen)} features in the set {chosen.name}")
        return
    if folder is None:
        raise InputError("no FOLDER of lesions was given", fix="Give one, or see a set with --list")
    uses_folds = bool(image_scores) or any(feature.crosses_patients for feature in chosen.features)
    if folds is None and uses_folds and _FOLDS.is_file():
        folds = _folds_here(folder, output)
    made = make_features(
        folder,
        chosen,
        out,
        folds=folds,
        image_scores=tuple(image_scores or ()),
        noise=noise,
        past=tuple(past or ()),
        seed=seed,
        threads=threads or min(_MOST_THREADS, os.cpu_count() or 1),
        output=output,
    )
    fits = ", ".join("all rows" if fit == "all" else f"fold {fit}" for fit in made.fits)
    shown = [
        ("set", made.set),
        ("features", str(made.features)),
        ("lesions", str(made.rows)),
        ("populations fitted on", fits),
        ("folder", str(made.folder)),
    ]
    output.table(("measure", "value"), shown, value=made)


def _folds_here(data: Path, output: Output) -> Path | None:
    """Return the file of folds that lies here, if it is of these lesions; say which."""
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.folds.files import read_folds

    lesions = open_lesions(data).read(["isic_id"])["isic_id"]
    try:
        fits = set(lesions) <= set(read_folds(_FOLDS).frame["isic_id"])
    except InputError as error:
        output.warn(f"without the folds that lie here: {error.message}")
        return None
    if not fits:
        output.warn(f"without {_FOLDS}, which is of other lesions")
        return None
    output.note(f"With the folds of {_FOLDS}.")
    return _FOLDS


def _describe(output: Output, chosen: FeatureSet, name: str) -> None:
    import difflib

    feature: Feature | None = next((one for one in chosen.features if one.name == name), None)
    if feature is None:
        near = difflib.get_close_matches(name, chosen.names, n=3)
        fix = f"Perhaps {' or '.join(near)}" if near else f"See them all with: isic features --list --set {chosen.name}"
        raise InputError(f"no feature of the set {chosen.name} is called {name!r}", fix=fix)
    rows = [
        ("name", feature.name),
        ("what it is", feature.description),
        ("kind", feature.kind),
        ("fitted on training rows", "yes" if feature.crosses_patients else "no"),
        ("columns", ", ".join(sorted(feature.columns))),
    ]
    value = {**feature.as_document(), "description": feature.description, "columns": sorted(feature.columns)}
    output.table(("part", "value"), rows, value={**value, "fitted": feature.crosses_patients})
