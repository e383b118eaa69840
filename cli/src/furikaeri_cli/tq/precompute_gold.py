"""`tq precompute gold`: a gold set by a stronger model that answers again and again, ambiguous pairs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import BaseUrl, Device, Json, Model, PromptName, Quiet, Seed, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import (
    Concurrency,
    KeywordsAsked,
    PriceIn,
    PriceOut,
    QuestionsAsked,
    RequestsPerMinute,
    Shard,
    named_model,
)
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.models.config import ModelConfig, Writer
    from twenty_questions.labelling.gold import GoldRow
    from twenty_questions.labelling.labeller import Labeller, LabellerConfig
    from twenty_questions.labelling.shard_store import Spent
    from twenty_questions.questions import Question
    from twenty_questions.sources.keyword_lists import KeywordList

__all__ = ["Judged", "precompute_gold", "precompute_gold_cli"]

_WORST = 10


class Judged(NamedTuple):
    """What was made.

    Attributes:
        file: of what is settled.
        ambiguous: of the rest.
        rows: every pair.
        left_out: questions that were not asked, for spelling answers them.
        spent: what the votes took in all.
    """

    file: Path
    ambiguous: Path
    rows: list[GoldRow]
    left_out: int
    spent: Spent


def precompute_gold_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The CSV to write.")],
    keywords: KeywordsAsked,
    questions: QuestionsAsked,
    model: Model = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    votes: Annotated[
        int, typer.Option("--votes", min=4, help="Votes on each pair; with fewer than 4 none is sure.")
    ] = 5,
    by: Annotated[
        Literal["sampling", "wording"],
        typer.Option("--by", help="Draw answers at a temperature, or ask once in each of several wordings."),
    ] = "sampling",
    temperature: Annotated[float, typer.Option("--temperature", min=0.01, help="Of the draws.")] = 1.0,
    prompt: PromptName = "original",
    shard: Shard = 4,
    concurrency: Concurrency = 8,
    requests_per_minute: RequestsPerMinute = 0.0,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a gold set: a strong model votes several times on every pair.

    A pair is settled when the 95 % interval of its share of yes leaves out 1/2: with 4 to 7 votes when all agree. OUT
    holds what is settled (keyword, question, answer, votes_yes, votes), OUT with ".ambiguous" in its name the rest; the
    votes are kept beside them. Questions of spelling are left out. The command can be stopped at any moment, and goes
    on when it is given again.

    Examples:
        tq precompute gold gold.csv --keywords words.txt --questions questions.txt --model gemma \\
            --base-url http://localhost:8000/v1
        tq precompute gold gold.csv --keywords words.txt --questions questions.txt --model qwen --by wording --votes 7
    """
    output = Output.choose(json=json, quiet=quiet)
    from furikaeri_common.models.writing import open_writer
    from twenty_questions.labelling.labeller import LabellerConfig
    from twenty_questions.labelling.opening import open_labeller
    from twenty_questions.question_sources.question_lists import read_questions
    from twenty_questions.sources.keyword_lists import read_keyword_list

    config = LabellerConfig(
        model=named_model(model),
        base_url=tuple(base_url or ()),
        weights=weights,
        device=device,
        prompt=prompt,
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        price_in=price_in,
        price_out=price_out,
    )
    judged = precompute_gold(
        out,
        read_keyword_list(keywords),
        read_questions(questions),
        config,
        votes=votes,
        by=by,
        temperature=temperature,
        seed=seed,
        per_shard=shard,
        output=output,
        open_text=open_writer,
        open_model=lambda config: open_labeller(config, on_note=output.note),
    )
    _print(output, judged)


def precompute_gold(
    out: Path,
    keywords: KeywordList,
    questions: Sequence[Question],
    config: LabellerConfig,
    *,
    votes: int = 5,
    by: Literal["sampling", "wording"] = "sampling",
    temperature: float = 1.0,
    seed: int = 0,
    per_shard: int = 4,
    output: Output,
    open_text: Callable[[ModelConfig], Writer],
    open_model: Callable[[LabellerConfig], Labeller],
) -> Judged:
    """Let a model vote, or go on with its votes, and write the gold set.

    Args:
        out: the CSV of what is settled.
        keywords: to ask about.
        questions: to ask; those of spelling are left out.
        config: the model.
        votes: on each pair, at least `gold.FEWEST_VOTES`.
        by: how it votes.
        temperature: of draws, above 0.
        seed: of draws.
        per_shard: keywords in a shard.
        output: who is told of progress.
        open_text: opens what is drawn from.
        open_model: opens what is asked in several wordings.

    Raises:
        InputError: if something cannot be used.
        WorkError: if a pair could not be judged; the gold set is not written then.
    """
    import numpy as np

    from furikaeri_cli.tq.labelling_progress import showing_labels
    from twenty_questions.labelling.gold import FEWEST_VOTES, ambiguous_file, gold_rows, write_gold
    from twenty_questions.labelling.grid import PairGrid, asked_questions
    from twenty_questions.labelling.label_progress import require_labelled
    from twenty_questions.labelling.shard_store import spent_on
    from twenty_questions.labelling.shards import label_pairs
    from twenty_questions.labelling.vote_sources import drawn_votes, worded_votes

    if votes < FEWEST_VOTES:
        raise InputError(f"with {votes} votes no pair is ever settled", fix=f"Give at least {FEWEST_VOTES}")
    root = out.with_name(f"{out.name}.votes")
    if out.exists() and not root.is_dir():
        raise InputError(f"{out}: is there already, and was not made by this command", fix="Choose another name")
    asked = asked_questions(questions)
    if not asked:
        raise InputError("there is no question to ask: spelling answers them all", fix="Give questions of meaning")
    names = tuple(keyword.name for keyword in keywords.keywords)
    grid = PairGrid(keywords=names, questions=asked, per_shard=per_shard)
    if by == "sampling":
        sources = drawn_votes(config, votes, temperature=temperature, seed=seed, open_text=open_text)
    else:
        sources = worded_votes(config, votes, root / "prompts", open_model)
    with showing_labels(output, grid.num_pairs * votes) as on_progress:
        stores = require_labelled(label_pairs(grid, sources, root, on_progress=on_progress))
    blocks = [np.stack([store.read(number) for store in stores]) for number in range(grid.num_shards)]
    rows = gold_rows(names, asked, np.concatenate(blocks, axis=1))
    write_gold(out, rows)
    left_out = sum(question.kind != "table" for question in questions)
    return Judged(out, ambiguous_file(out), rows, left_out, spent_on(root, stores))


def _print(output: Output, judged: Judged) -> None:
    from furikaeri_cli.tq.labelling_progress import duration

    counts = Counter("ambiguous" if row.ambiguous else row.answer for row in judged.rows)
    silent = sum(row.votes == 0 for row in judged.rows)
    by_question: dict[str, Counter[str]] = {}
    for row in judged.rows:
        by_question.setdefault(row.question, Counter())["ambiguous" if row.ambiguous else row.answer] += 1
    worst = sorted(by_question, key=lambda text: -by_question[text]["ambiguous"])[:_WORST]
    table = [(text, *(by_question[text][kind] for kind in ("yes", "no", "ambiguous"))) for text in worst]
    value = {
        "file": str(judged.file),
        "ambiguous_file": str(judged.ambiguous),
        "pairs": len(judged.rows),
        **{kind: counts[kind] for kind in ("yes", "no", "ambiguous")},
        "unanswered": silent,
        "questions_left_out": judged.left_out,
        "spent": judged.spent,
        "most_ambiguous": [dict(zip(("question", "yes", "no", "ambiguous"), row, strict=True)) for row in table],
    }
    output.table(("question", "yes", "no", "ambiguous"), table, value=value, title="The most ambiguous questions")
    cost = f", cost {judged.spent.usage['cost']:.4g}" if judged.spent.usage.get("cost") else ""
    output.show(
        f"{len(judged.rows):,} pairs: {counts['yes']:,} yes, {counts['no']:,} no, {counts['ambiguous']:,} ambiguous "
        f"({silent:,} without a vote); the votes took {duration(judged.spent.seconds)} in all{cost}"
    )
    if judged.left_out:
        output.note(f"{judged.left_out} questions of spelling were left out: rules answer them")
    if not counts["yes"] + counts["no"]:
        output.warn(f"{judged.file}: no pair is settled")
    output.note(f"Settled pairs in {judged.file}, the others in {judged.ambiguous}")
