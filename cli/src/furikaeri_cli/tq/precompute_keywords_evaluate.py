"""`tq precompute keywords evaluate`: what a keyword list is worth, by the count from which on words are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_cli.tq.word_lists import LIST_HELP
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.recall import AtCutOff, Split, evaluate_list, split_words

__all__ = ["evaluate_cli"]


def evaluate_cli(
    keywords: Annotated[str, typer.Argument(metavar="KEYWORDS", help=f"The list to judge: {LIST_HELP}.")],
    against: Annotated[str, typer.Option("--against", metavar="LIST", help="The known words, in any of these forms.")],
    train_share: Annotated[
        float,
        typer.Option("--train-share", min=0.0, max=1.0, help="The share of the known words that made the list."),
    ] = 0.0,
    seed: Seed = 0,
    cut_off: Annotated[
        list[int] | None, typer.Option("--cut-off", min=1, help="Judge at this count only; may be repeated.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="PNG", help="Draw the three curves.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Report recall, precision and list size by count.

    With the --train-share and --seed that made the list, only the other known words are looked for; those that the
    list was made of count neither for nor against it.

    Examples:
        tq precompute keywords evaluate keywords.jsonl --against words.txt
        tq precompute keywords evaluate llm.jsonl --against words.txt --train-share 0.5 --plot recall.png
    """
    output = Output.choose(json=json, quiet=quiet)
    held = read_named_list(keywords)
    split = split_words(read_named_list(against).keywords, train_share=train_share, seed=seed)
    if not split.validation:
        raise InputError(f"{against}: no word is left to look for", fix="Lower --train-share")
    rows = evaluate_list(held, split.validation, split.train, cut_offs=cut_off)
    _print(output, rows, split, seed)
    if plot:
        from twenty_questions.sources.recall_plot import plot_recall

        try:
            plot_recall(rows, plot)
        except MissingExtraError as error:
            output.warn(str(error))


def _print(output: Output, rows: Sequence[AtCutOff], split: Split, seed: int) -> None:
    columns = ("count from", "words", "recall", "exact", "precision", "of this count", "words of it")
    shown = [
        (
            row.least,
            row.size,
            f"{row.recall:.1%}",
            f"{row.recall_exact:.1%}",
            _share(row.precision),
            _share(row.precision_here),
            row.words_here,
        )
        for row in rows
    ]
    value = {
        "train": len(split.train),
        "validation": len(split.validation),
        "seed": seed,
        "cut_offs": [jsonable(row) for row in rows],
    }
    output.table(columns, shown, value=value)
    output.note(
        f"{len(split.validation):,} words to find, {len(split.train):,} left out\n"
        "recall: share of them that the words kept win by the game's matching\n"
        "exact: the same, letter for letter\n"
        "precision: share of the words kept that are among them\n"
        "of this count: the same of words whose count lies from here to the next row"
    )


def _share(share: float) -> str:
    return "" if share != share else f"{share:.2%}"
