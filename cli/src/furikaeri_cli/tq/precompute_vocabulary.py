"""`tq precompute vocabulary`: a large vocabulary with a learned prior, as one compact file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_cli.stage_progress import STAGE_COLUMNS, StageTeller, stage_rows

if TYPE_CHECKING:
    from furikaeri_common.stages import StageRecord
    from twenty_questions.precompute.vocabulary_recipe import VocabularyRecipe

__all__ = ["VocabularyMade", "precompute_vocabulary", "precompute_vocabulary_cli"]

_COMMAND = "tq precompute vocabulary"


class VocabularyMade(NamedTuple):
    """What a recipe made.

    Attributes:
        file: the vocabulary.
        folder: the run's, with what lies between.
        stages: what each of them told, took and held.
    """

    file: Path
    folder: Path
    stages: tuple[StageRecord, ...]


def precompute_vocabulary_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, such as vocabulary.bin.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="A recipe by name (standard), or a TOML file.")
    ] = "standard",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Keep so many names at most; 0: as the recipe.")] = 0,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a vocabulary: sources, new compounds, candidates, a prior, and one file.

    What lies between is kept in one folder below --runs, a Parquet file a stage. A run that was stopped, by whatever,
    goes on when the same command is given again.

    Examples:
        tq precompute vocabulary vocabulary.bin
        tq precompute vocabulary small.bin --limit 300000
        tq precompute vocabulary mine.bin --recipe mine.toml
    """
    output = Output.choose(json=json, quiet=quiet)
    from twenty_questions.precompute.vocabulary_recipe import read_vocabulary_recipe

    chosen = read_vocabulary_recipe(recipe)
    if limit:
        chosen = dataclasses.replace(chosen, limit=limit)
    made = precompute_vocabulary(chosen, out, runs=runs, output=output)
    output.table(STAGE_COLUMNS, stage_rows(made.stages, _told), value=made)
    output.show(f"Judge it: tq evaluate vocabulary {made.file} --against LIST")
    output.note(f"Made in {made.folder}")


def precompute_vocabulary(recipe: VocabularyRecipe, out: Path, *, runs: Path, output: Output) -> VocabularyMade:
    """Run a recipe, or go on with the earlier run of the same recipe on the same sources.

    Args:
        recipe: what is made.
        out: where the vocabulary is written; only another vocabulary may be there before.
        runs: the folder that holds the runs.
        output: who is told of progress.

    Raises:
        InputError: if something cannot be read or written, or an extra is missing.
    """
    from furikaeri_common.artifacts import write_bytes
    from furikaeri_common.documents import jsonable
    from furikaeri_common.errors import InputError
    from furikaeri_common.runs import find_earlier, start_run
    from furikaeri_common.stages import run_stages
    from twenty_questions.precompute.vocabulary import VocabularyLayout, vocabulary_data, vocabulary_stages
    from twenty_questions.vocabulary.packed import is_vocabulary

    if out.is_dir():
        raise InputError(f"{out}: is a folder", fix="Name a file")
    if out.exists() and not is_vocabulary(out):
        raise InputError(f"{out}: is there and no vocabulary", fix="Name another file, or move it away")
    # What cannot be had is told before there is a run.
    vocabulary_stages(recipe, runs)
    config, data = {"recipe": jsonable(recipe)}, vocabulary_data(recipe)
    earlier = find_earlier(runs, _COMMAND, config, seed=recipe.seed, data=data)
    if earlier is not None:
        output.note(f"Going on with {earlier}")
    teller = StageTeller(output)
    with start_run(runs, _COMMAND, config, seed=recipe.seed, data=data, resume=earlier) as run:
        stages = vocabulary_stages(recipe, run.path)
        with teller.telling(len(stages)):
            records = run_stages(run.path, stages, on_start=teller.on_start, on_end=teller.on_end)
        for record in records:
            run.log({"seconds": record.seconds, "peak_bytes": record.peak, **record.facts}, stage=record.name)
    write_bytes(out, VocabularyLayout(run.path).file.read_bytes())
    return VocabularyMade(out, run.path, tuple(records))


def _told(record: StageRecord) -> str:
    facts = record.facts
    match record.name:
        case "sources":
            return (
                f"{facts['written']:,} written names, {facts['wordnet']:,} of WordNet, {facts['rated']:,} rated, "
                f"{facts['frequent_words']:,} frequent words, {facts['frequent_pairs']:,} pairs"
            )
        case "compounds":
            return f"{facts['new']:,} new compounds by {facts['known']:,} known ones"
        case "candidates":
            return f"{facts['names']:,} names, {facts['two_words']:,} of two words"
        case "prior":
            return f"learned on {facts['known']:,} keywords, {facts['bits']:.2f} bits"
        case _:
            return f"{facts['names']:,} names, {facts['kept_mass']:.3%} of the prior, {facts['bytes'] / 2**20:.1f} MiB"
