"""What the commands about word lists share: their options, where lists are found, and how a new one is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList, require_writable, write_keyword_list
from twenty_questions.sources.merging import without_words
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.recall import AtCutOff, evaluate_list, split_words
from twenty_questions.sources.shaping import Shaping
from twenty_questions.words import Keyword

__all__ = [
    "LIST_HELP",
    "Against",
    "Cap",
    "Exclude",
    "Given",
    "Least",
    "Limit",
    "Out",
    "Smoothing",
    "TrainShare",
    "finish",
    "known_words",
    "shaping_for",
]

LIST_HELP = (
    "a keyword list, a text file with a word a line, a table's folder, `built-in`, or `public` (and its halves "
    "`public-train` and `public-held-out`) where the contest's engine is"
)
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The keyword list to write, such as keywords.jsonl.")]
Given = Annotated[str, typer.Option("--given", metavar="LIST", help=f"The known words: {LIST_HELP}.")]
Against = Annotated[
    str | None, typer.Option("--against", metavar="LIST", help=f"Report the recall of a list: {LIST_HELP}.")
]
Exclude = Annotated[str | None, typer.Option("--exclude", metavar="LIST", help="Words to leave out: a list.")]
Least = Annotated[int, typer.Option("--least", min=1, help="Keep only words that were named at least so many times.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Keep so many words at most, the likeliest; 0: all.")]
Smoothing = Annotated[float, typer.Option("--smoothing", min=0.0, help="The prior follows count + this.")]
Cap = Annotated[float | None, typer.Option("--cap", min=1.0, help="Largest ratio of two priors (10 and 400 once).")]
TrainShare = Annotated[
    float,
    typer.Option("--train-share", min=0.0, max=1.0, help="Use this share of the known words; recall is of the rest."),
]


def known_words(
    given: str, against: str | None, train_share: float, seed: int
) -> tuple[Sequence[Keyword], Sequence[Keyword]]:
    """Return the known words that make a list, and those that judge it.

    They are the rest, or those of a list of their own that are not among the words that make it.
    """
    split = split_words(read_named_list(given).keywords, train_share=train_share, seed=seed)
    if not split.train:
        raise InputError(f"{given}: no word falls into a share of {train_share:g}", fix="Raise --train-share")
    if not against:
        return split.train, split.validation
    try:
        return split.train, without_words(read_named_list(against), split.train).keywords
    except ValueError as error:
        raise InputError(f"{against}: all of its words make the list", fix="Lower --train-share") from error


def finish(
    output: Output,
    out: Path,
    keywords: KeywordList,
    validation: Sequence[Keyword] = (),
    train: Sequence[Keyword] = (),
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a list and tell what it holds.

    Args:
        output: the command's voice.
        out: the file.
        keywords: what is written.
        validation: words to cover; none: recall is not told.
        train: words that made the list.
        facts: what else `--json` tells.
    """
    write_keyword_list(out, keywords)
    found = evaluate_list(keywords, validation, train, cut_offs=[1])[0] if validation else None
    ratio = float(keywords.prior.max() / keywords.prior.min())
    value = {
        "file": str(out),
        "words": len(keywords),
        "largest_count": int(keywords.counts.max()),
        "prior_ratio": ratio,
        "recall": _plain(found, len(validation)) if found else None,
        **(facts or {}),
    }
    lines = [f"{len(keywords):,} words in {out}: counts up to {value['largest_count']:,}, prior max/min {ratio:.4g}"]
    if found:
        lines.append(
            f"recall of {len(validation):,} words: {found.recall_exact:.1%} letter for letter, "
            f"{found.recall:.1%} by the game's matching"
        )
    output.result(value, "\n".join(lines))


def _plain(found: AtCutOff, words: int) -> dict[str, Any]:
    return {"words": words, "exact": found.recall_exact, "by_the_game": found.recall, "precision": found.precision}


def shaping_for(
    out: Path, least: int, smoothing: float | None, limit: int, cap: float | None, exclude: str | None
) -> Shaping:
    """Return the shaping that options ask for; refuse a place that is taken before any work is done."""
    require_writable(out)
    excluded = read_named_list(exclude).keywords if exclude else ()
    return Shaping(least=least, smoothing=smoothing, limit=limit, cap=cap or 0.0, exclude=excluded)
