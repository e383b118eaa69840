"""`tq evaluate vocabulary`: how many known things a vocabulary holds, by the number of its most probable names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.tq.word_lists import LIST_HELP
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twenty_questions.vocabulary.coverage import Coverage
    from twenty_questions.words import Keyword

__all__ = ["evaluate_vocabulary_cli"]

_SHOWN = 40
_CURVE = tuple(round(10 ** (2 + step / 4)) for step in range(17))


def evaluate_vocabulary_cli(
    vocabulary: Annotated[
        str,
        typer.Argument(
            metavar="VOCABULARY", help="`built-in`, a file of `tq precompute vocabulary`, or words as text."
        ),
    ] = "built-in",
    against: Annotated[
        str, typer.Option("--against", metavar="LIST", help=f"The things to find: {LIST_HELP}.")
    ] = "public-held-out",
    half: Annotated[
        Literal["all", "train", "validation"],
        typer.Option("--half", help="All of the list, or the train or the validation share of it."),
    ] = "all",
    train_share: Annotated[
        float, typer.Option("--train-share", min=0.0, max=1.0, help="The share of the list that made the vocabulary.")
    ] = 0.5,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="The seed of that share.")] = 0,
    size: Annotated[
        list[int] | None, typer.Option("--size", min=1, help="Judge so many names; may be repeated.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PNG", help="Draw recall by the number of names.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Report the recall of a vocabulary's most probable names, and what a found thing costs in bits.

    A vocabulary whose prior was learned on a share of the list is judged by the other: --half validation with the
    recipe's --train-share and --split-seed.

    Examples:
        tq evaluate vocabulary --against public --half validation
        tq evaluate vocabulary mine.bin --against words.txt --plot recall.png
    """
    output = Output.choose(json=json, quiet=quiet)
    from twenty_questions.named_words import words_named
    from twenty_questions.sources.named_lists import read_named_list
    from twenty_questions.sources.recall import split_words
    from twenty_questions.vocabulary.coverage import SIZES, coverage

    words = words_named(vocabulary)
    known = read_named_list(against).keywords
    split = split_words(known, train_share=train_share, seed=split_seed)
    wanted = known if half == "all" else getattr(split, half)
    if not wanted:
        raise InputError(f"{against}: no word is left to look for", fix="Choose another --half or --train-share")
    found = coverage(words, wanted, size or SIZES)
    _print(output, found, wanted)
    if plot:
        from twenty_questions.vocabulary.coverage_plot import plot_coverage

        plot_coverage(coverage(words, wanted, _CURVE), plot)
        output.note(f"Drawn in {plot}")


def _print(output: Output, found: Coverage, wanted: Sequence[Keyword]) -> None:
    from furikaeri_common.documents import jsonable

    shown = [(row.size, f"{row.mass:.2%}", f"{row.recall:.1%}", f"{row.recall_exact:.1%}") for row in found.sizes]
    value = {
        "wanted": len(wanted),
        "bits": jsonable(found.bits),
        "sizes": [jsonable(row) for row in found.sizes],
        "missed": [thing.name for thing in found.missed],
    }
    output.table(("names", "of the prior", "recall", "exact"), shown, value=value)
    output.note(
        f"{len(wanted):,} things to find\n"
        "recall: share of them that the most probable names win by the game's matching\n"
        "exact: the same, letter for letter"
    )
    if found.bits == found.bits:
        output.note(f"A thing that is found costs {found.bits:.2f} bits on average")
    if found.missed:
        names = ", ".join(thing.name for thing in found.missed[:_SHOWN])
        more = f" and {len(found.missed) - _SHOWN:,} more" if len(found.missed) > _SHOWN else ""
        output.note(f"Not found: {names}{more}")
