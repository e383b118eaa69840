"""What the commands about word lists share: their options, where lists are found, and how a new one is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList, require_writable, write_keyword_list
from twenty_questions.sources.merging import cut_off, without_words
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.priors import cap_ratio, prior_of_counts
from twenty_questions.sources.recall import AtCutOff, evaluate_list, split_words
from twenty_questions.words import Keyword

__all__ = [
    "LIST_HELP",
    "Against",
    "Cap",
    "Exclude",
    "Given",
    "Least",
    "Out",
    "Shaping",
    "Smoothing",
    "TrainShare",
    "finish",
    "known_words",
    "shaping_for",
]

LIST_HELP = (
    "a keyword list, a text file with a word a line, a table's folder, `built-in`, or `public` where the contest's "
    "engine is"
)
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The keyword list to write, such as keywords.jsonl.")]
Given = Annotated[str, typer.Option("--given", metavar="LIST", help=f"The known words: {LIST_HELP}.")]
Against = Annotated[
    str | None, typer.Option("--against", metavar="LIST", help=f"Report the recall of a list: {LIST_HELP}.")
]
Exclude = Annotated[str | None, typer.Option("--exclude", metavar="LIST", help="Words to leave out: a list.")]
Least = Annotated[int, typer.Option("--least", min=1, help="Keep only words that were named at least so many times.")]
Smoothing = Annotated[float, typer.Option("--smoothing", min=0.0, help="The prior follows count + this.")]
Cap = Annotated[float | None, typer.Option("--cap", min=1.0, help="Largest ratio of two priors (10 and 400 once).")]
TrainShare = Annotated[
    float,
    typer.Option("--train-share", min=0.0, max=1.0, help="Use this share of the known words; recall is of the rest."),
]


class Shaping(NamedTuple):
    """What is done to a list before it is written.

    Attributes:
        least: the lowest count that is kept.
        smoothing: added to counts for the prior; None: the prior stays as it is.
        cap: the largest ratio of two priors; None: no limit.
        exclude: words to leave out; None: none.
    """

    least: int = 1
    smoothing: float | None = 0.0
    cap: float | None = None
    exclude: KeywordList | None = None

    def of(self, keywords: KeywordList) -> KeywordList:
        """Return the list as it is to be written."""
        try:
            kept = keywords if self.exclude is None else without_words(keywords, self.exclude.keywords)
            kept = cut_off(kept, self.least)
        except ValueError as error:
            raise InputError(f"no keyword is left: {error}", fix="Lower --least, or exclude less") from error
        prior = kept.prior if self.smoothing is None else prior_of_counts(kept.counts, smoothing=self.smoothing)
        return dataclasses.replace(kept, prior=prior if self.cap is None else cap_ratio(prior, self.cap))


def known_words(
    given: str, against: str | None, train_share: float, seed: int
) -> tuple[Sequence[Keyword], Sequence[Keyword]]:
    """Return the known words that make a list, and those that judge it: the rest, or a list of their own."""
    split = split_words(read_named_list(given).keywords, train_share=train_share, seed=seed)
    if not split.train:
        raise InputError(f"{given}: no word falls into a share of {train_share:g}", fix="Raise --train-share")
    return split.train, read_named_list(against).keywords if against else split.validation


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


def shaping_for(out: Path, least: int, smoothing: float | None, cap: float | None, exclude: str | None) -> Shaping:
    """Return the shaping that options ask for; refuse a place that is taken before any work is done."""
    require_writable(out)
    return Shaping(least, smoothing, cap, read_named_list(exclude) if exclude else None)
