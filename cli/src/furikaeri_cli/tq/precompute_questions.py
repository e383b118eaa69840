"""`tq precompute questions`: where questions come from, and which of them are kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from furikaeri_cli.options import Device, Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import Embeddings
from furikaeri_cli.tq.games_read import Replays, read_recorded_games
from furikaeri_common.errors import InputError
from twenty_questions.question_sources.near_duplicates import THRESHOLD, Merged, Pair, merge_near_duplicates
from twenty_questions.question_sources.question_lists import (
    CountedQuestion,
    read_counted,
    require_writable,
    write_questions,
)

__all__ = ["Out", "letters_cli", "merge_cli", "mine_cli"]

Out = Annotated[Path, typer.Argument(metavar="OUT", help="The question list to write, such as questions.jsonl.")]


def letters_cli(
    out: Out,
    keywords: Annotated[
        Path | None,
        typer.Option("--keywords", metavar="LIST", help="Only questions that split these: a keyword list or a table."),
    ] = None,
    least_share: Annotated[
        float, typer.Option("--least-share", min=0.0, max=0.5, help="Least share of the prior on the smaller side.")
    ] = 0.01,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the questions about letters and length, which need no labels.

    Examples:
        tq precompute questions letters letters.jsonl
        tq precompute questions letters letters.jsonl --keywords keywords.jsonl --least-share 0.05
    """
    from twenty_questions.question_sources.letters import splitting_letters
    from twenty_questions.sources.keyword_lists import read_keyword_list

    output = Output.choose(json=json, quiet=quiet)
    require_writable(out)
    if keywords is None:
        made = splitting_letters()
    else:
        held = read_keyword_list(keywords)
        names = [keyword.name for keyword in held.keywords]
        made = splitting_letters(names, held.prior, least_share=least_share)
    _finish(output, out, made, f"no letter question has a share of {least_share:g} on its smaller side")


def mine_cli(
    out: Out,
    replays: Replays,
    least: Annotated[int, typer.Option("--least", min=1, help="Keep what was asked in at least so many games.")] = 2,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Collect the questions that were asked in recorded games; a question's count is the number of games.

    What rules of spelling answer is left out, and so is what names a thing that can be guessed. A damaged file is told,
    and the others are read.

    Examples:
        tq precompute questions mine mined.jsonl replays/ --least 3
        tq precompute questions mine mined.jsonl games.json 57384123.json --json
    """
    from twenty_questions.question_sources.mined import mine

    output = Output.choose(json=json, quiet=quiet)
    require_writable(out)
    read = read_recorded_games(replays, output)
    mined = mine(read.games, least_count=least)
    facts = {
        "games": len(read.games),
        "files": read.files,
        "repeated_files": read.repeated,
        "damaged": list(read.damaged),
        "asked": mined.asked,
        "left_out": mined.left_out,
    }
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in mined.left_out.items()) or "nothing"
    output.note(
        f"{len(read.games):,} games in {read.files:,} files ({len(read.damaged)} damaged, {read.repeated} repeated): "
        f"{mined.asked:,} askings; left out: {left_out}"
    )
    _finish(output, out, mined.questions, f"none was asked in {least} games: lower --least, or give more games", facts)


def merge_cli(
    out: Out,
    lists: Annotated[
        list[Path],
        typer.Argument(metavar="LISTS...", help="Question lists: questions.jsonl, text with one a line, or a table."),
    ],
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.01, max=1.0, help="Least cosine of near-duplicates.")
    ] = THRESHOLD,
    embeddings: Embeddings = "auto",
    device: Device = "auto",
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="Pairs to show on either side of the threshold.")
    ] = 5,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Join question lists into one without near-duplicates, keeping of each group what was met most often.

    Opposite questions count as near-duplicates, for they split the keywords alike. The pairs on either side of the
    threshold are shown, and those above it that are kept because they compare with other numbers or things.

    Examples:
        tq precompute questions merge questions.jsonl letters.jsonl mined.jsonl made.jsonl
        tq precompute questions merge questions.jsonl a.txt b.txt --threshold 0.85 --examples 20
        tq precompute questions merge questions.jsonl a.txt --embeddings off
    """
    from furikaeri_cli.tq.embeddings import encoder_for

    output = Output.choose(json=json, quiet=quiet)
    require_writable(out)
    counted = [one for path in lists for one in read_counted(path)]
    without = "Questions are compared by their words alone"
    encoder, name = encoder_for(embeddings, device, output, without)
    merged = merge_near_duplicates(counted, encoder, threshold=threshold)
    facts = {
        "given": len(counted),
        "texts": len(merged.all),
        "near_duplicates": len(merged.merged),
        "threshold": threshold,
        "embeddings": name,
        "just_above": [_plain(pair, merged) for pair in merged.merged[:examples]],
        "just_below": [_plain(pair, merged) for pair in merged.below[:examples]],
        "kept_apart": [_plain(pair, merged) for pair in merged.apart[:examples]],
    }
    shown = {
        f"merged, just above {threshold:g}": merged.merged,
        f"both kept, just below {threshold:g}": merged.below,
        f"both kept though above {threshold:g}: they compare with other numbers or things": merged.apart,
    }
    lines = [
        f"{len(counted):,} questions, {len(merged.all):,} different texts, "
        f"{len(merged.merged):,} near-duplicates merged",
    ]
    for title, pairs in shown.items():
        if pairs[:examples]:
            lines += ["", f"{title}:", *(_line(pair, merged) for pair in pairs[:examples])]
    output.note("\n".join([*lines, ""]) if len(lines) > 1 else lines[0])
    _finish(output, out, merged.questions, "the lists hold no question", facts)


def _finish(
    output: Output, out: Path, questions: Iterable[CountedQuestion], nothing: str, facts: dict[str, Any] | None = None
) -> None:
    """Write a list and tell what it holds; an empty one is refused."""
    written = list(questions)
    if not written:
        raise InputError(f"no question is left: {nothing}")
    write_questions(out, written)
    kinds: dict[str, int] = {}
    for one in written:
        kinds[one.question.kind] = kinds.get(one.question.kind, 0) + 1
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    value = {"file": str(out), "questions": len(written), "kinds": kinds, **(facts or {})}
    output.result(value, f"{len(written):,} questions in {out} ({told})")


def _texts(pair: Pair, merged: Merged) -> tuple[str, str]:
    return merged.all[pair.kept].question.text, merged.all[pair.other].question.text


def _plain(pair: Pair, merged: Merged) -> dict[str, Any]:
    text, other = _texts(pair, merged)
    return {"text": text, "other": other, "cosine": pair.cosine, "opposite": pair.opposite}


def _line(pair: Pair, merged: Merged) -> str:
    cosine = "words" if pair.cosine != pair.cosine else f"{pair.cosine:.3f}"
    return f"  {cosine}  {' / '.join(_texts(pair, merged))}{' (opposite)' if pair.opposite else ''}"
