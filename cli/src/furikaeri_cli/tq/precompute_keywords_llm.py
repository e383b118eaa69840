"""`tq precompute keywords llm`: keywords that a language model writes when it is shown known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from furikaeri_cli.options import BaseUrl, Device, Json, Model, Quiet, Runs, Seed, Weights, Workers
from furikaeri_cli.output import Output
from furikaeri_cli.tq.word_lists import (
    Against,
    Cap,
    Exclude,
    Given,
    Least,
    Out,
    Smoothing,
    TrainShare,
    finish,
    known_words,
    shaping_for,
)
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.config import ModelConfig
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.language_model import LlmConfig
from twenty_questions.words import Keyword

__all__ = ["Written", "llm_cli", "write_keywords"]

_COMMAND = "tq precompute keywords llm"


class Written(NamedTuple):
    """What a model wrote.

    Attributes:
        keywords: the words, with the number of requests that named each.
        requests: how many were made, now or before.
        empty: requests that gave no word.
        names: words in all requests together, before they were merged.
        usage: what a server counted: requests, tokens, cost; empty for a model in this process.
        folder: the run's.
    """

    keywords: KeywordList
    requests: int
    empty: int
    names: int
    usage: Mapping[str, float]
    folder: Path


def llm_cli(
    out: Out,
    given: Given,
    model: Model = None,
    base_url: BaseUrl = "",
    weights: Weights = "full",
    device: Device = "auto",
    requests: Annotated[int, typer.Option("--requests", min=1, help="How many requests.")] = 200,
    shown: Annotated[int, typer.Option("--shown", min=1, help="N: words drawn for a request, with replacement.")] = 10,
    asked: Annotated[int, typer.Option("--asked", min=1, help="M: words that a request asks for.")] = 20,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: the likeliest text.")] = 0.8,
    shard: Annotated[int, typer.Option("--shard", min=1, help="Requests at a time: what a kill can lose.")] = 8,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Requests under way at a server.")] = 8,
    price_in: Annotated[float, typer.Option("--price-in", min=0.0, help="Money per million tokens read.")] = 0.0,
    price_out: Annotated[float, typer.Option("--price-out", min=0.0, help="Money per million tokens written.")] = 0.0,
    train_share: TrainShare = 1.0,
    seed: Seed = 0,
    least: Least = 1,
    smoothing: Smoothing = 0.0,
    cap: Cap = None,
    exclude: Exclude = None,
    against: Against = None,
    runs: Runs = Path("runs"),
    workers: Workers = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a language model write keywords like known ones; a word's count is the number of requests that named it.

    Each request shows the model some known words and asks for others. Killed at any moment, the same command goes on
    with the requests that are missing; once they are all there, it makes the list again without asking anything.

    Examples:
        tq precompute keywords llm keywords.jsonl --given words.txt --model smollm2-135m-instruct-q4_1.gguf
        tq precompute keywords llm keywords.jsonl --given words.txt --train-share 0.5 --requests 2000 \
--model gemma2 --base-url http://localhost:11434/v1 --least 2 --cap 400
    """
    output = Output.choose(json=json, quiet=quiet)
    if model is None:
        raise InputError("a language model is needed", fix="Name one with --model")
    shaping = shaping_for(out, least, smoothing, cap, exclude)
    train, rest = known_words(given, against, train_share, seed)
    written = write_keywords(
        train,
        LlmConfig(requests=requests, shown=shown, asked=asked, shard=shard, temperature=temperature),
        ModelConfig(
            model=model,
            base_url=base_url,
            weights=weights,
            device=device,
            concurrency=concurrency,
            price_in=price_in,
            price_out=price_out,
        ),
        seed=seed,
        runs=runs,
        workers=workers,
        output=output,
    )
    facts = {name: value for name, value in written._asdict().items() if name != "keywords"}
    finish(output, out, shaping.of(written.keywords), rest, train, facts)
    output.note(_account(written))


def write_keywords(
    given: Sequence[Keyword],
    config: LlmConfig,
    model: ModelConfig,
    *,
    seed: int,
    runs: Path,
    workers: int,
    output: Output,
) -> Written:
    """Ask a model for keywords as one recorded run, or take up the run that did the same before.

    Args:
        given: the known words.
        config: how the model is asked.
        model: which model.
        seed: of the words shown and of the texts.
        runs: where runs are kept.
        workers: processes, each with the model; 0: this one.
        output: who is told of progress.

    Raises:
        WorkError: if a request fails at every attempt, or nothing that the model wrote is a name.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.documents import fingerprint, jsonable
    from furikaeri_common.local_processes import LocalProcesses
    from furikaeri_common.models.usage import summed_usage
    from furikaeri_common.models.writing import open_once
    from furikaeri_common.runs import find_earlier, start_run
    from furikaeri_common.tasks import run_tasks
    from twenty_questions.sources.keyword_lists import write_keyword_list
    from twenty_questions.sources.language_model import keywords_of_shards, shards_of, write_shard

    writer = open_once(model)
    tasks = shards_of(given, config, model, identity=writer.identity, seed=seed)
    record = {"how": jsonable(config), "model": jsonable(model), "identity": jsonable(writer.identity)}
    data = {"given": fingerprint([keyword.names for keyword in given])}
    earlier = find_earlier(runs, _COMMAND, record, seed=seed, data=data)
    with start_run(runs, _COMMAND, record, seed=seed, data=data, resume=earlier) as run:
        with showing_progress(output, "requests", len(tasks)) as on_progress:
            engine = LocalProcesses(workers)
            report = run_tasks(write_shard, tasks, store=run.path / "parts", engine=engine, on_progress=on_progress)
        if report.failures:
            raise WorkError(
                f"{len(report.failures)} of {len(tasks)} shards of requests failed, the first: "
                f"{report.failures[0].error}",
                fix="Run the same command again to ask only for what is missing",
            )
        samples = [sample for value in report.values for sample in value["samples"]]
        try:
            made = keywords_of_shards(report.values, source=writer.name)
        except ValueError as error:
            raise WorkError(
                f"{writer.name} wrote nothing that is a name in {len(samples)} requests",
                fix=f"Look at the texts below {run.path / 'parts'}, or take another model",
            ) from error
        write_keyword_list(run.path / "keywords.jsonl", made)
        written = Written(
            made,
            requests=len(samples),
            empty=sum(not sample for sample in samples),
            names=sum(map(len, samples)),
            usage=summed_usage([value["usage"] for value in report.values]),
            folder=run.path,
        )
        if report.reused < len(tasks):
            run.log({"words": len(made), "names": written.names, "empty": written.empty, **written.usage})
    return written


def _account(written: Written) -> str:
    lines = [
        f"{written.requests:,} requests named {written.names:,} words; {written.empty:,} gave none",
        f"Kept in {written.folder}",
    ]
    if written.usage:
        lines.insert(1, ", ".join(f"{name.replace('_', ' ')}: {value:,.6g}" for name, value in written.usage.items()))
    return "\n".join(lines)
