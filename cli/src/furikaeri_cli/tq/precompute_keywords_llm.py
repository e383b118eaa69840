"""`tq precompute keywords llm`: keywords that a language model writes when it is shown known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory, engine_for
from furikaeri_cli.options import BaseUrl, Device, Json, Model, Quiet, Runs, Seed, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import (
    Concurrency,
    PriceIn,
    PriceOut,
    Requests,
    RequestsPerMinute,
    Temperature,
    named_model,
    usage_line,
)
from furikaeri_cli.tq.word_lists import (
    Against,
    Cap,
    Exclude,
    Given,
    Least,
    Limit,
    Out,
    Smoothing,
    TrainShare,
    finish,
    known_words,
    shaping_for,
)
from furikaeri_cli.tq.written_requests import PARTS, asking_for_texts
from furikaeri_common.errors import WorkError
from furikaeri_common.models.config import ModelConfig
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.language_model import LlmConfig
from twenty_questions.sources.shaping import shaped
from twenty_questions.words import Keyword

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine

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
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    requests: Requests = 200,
    shown: Annotated[int, typer.Option("--shown", min=1, help="N: words drawn for a request, with replacement.")] = 10,
    asked: Annotated[int, typer.Option("--asked", min=1, help="M: words that a request asks for.")] = 20,
    temperature: Temperature = 0.8,
    shard: Annotated[int, typer.Option("--shard", min=1, help="Requests at a time: what a kill can lose.")] = 8,
    concurrency: Concurrency = 8,
    requests_per_minute: RequestsPerMinute = 0.0,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    train_share: TrainShare = 1.0,
    seed: Seed = 0,
    least: Least = 1,
    smoothing: Smoothing = 0.0,
    limit: Limit = 0,
    cap: Cap = None,
    exclude: Exclude = None,
    against: Against = None,
    runs: Runs = Path("runs"),
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a language model write keywords like known ones; a word's count is the number of requests that named it.

    Each request shows the model some known words and asks for others. Killed at any moment, the same command goes on
    with the requests that are missing; once they are all there, it makes the list again without asking anything.

    Examples:
        tq precompute keywords llm keywords.jsonl --given words.txt --model smollm2-135m-instruct-q4_1.gguf
        tq precompute keywords llm keywords.jsonl --given words.txt --train-share 0.5 --requests 2000 \\
            --model gemma2 --base-url http://localhost:11434/v1 --least 2 --cap 400
    """
    output = Output.choose(json=json, quiet=quiet)
    named = named_model(model)
    shaping = shaping_for(out, least, smoothing, limit, cap, exclude)
    train, rest = known_words(given, against, train_share, seed)
    written = write_keywords(
        train,
        LlmConfig(requests=requests, shown=shown, asked=asked, shard=shard, temperature=temperature),
        ModelConfig(
            model=named,
            base_url=tuple(base_url or ()),
            weights=weights,
            device=device,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            price_in=price_in,
            price_out=price_out,
        ),
        seed=seed,
        runs=runs,
        engine=engine_for(
            engine, address, workers, task_gpus, task_memory, output=output, own=0, devices=[] if base_url else [device]
        ),
        output=output,
    )
    facts = {name: value for name, value in written._asdict().items() if name != "keywords"}
    finish(output, out, shaped(written.keywords, shaping), rest, train, facts)
    output.note(_account(written))


def write_keywords(
    given: Sequence[Keyword],
    config: LlmConfig,
    model: ModelConfig,
    *,
    seed: int,
    runs: Path,
    engine: Engine,
    output: Output,
) -> Written:
    """Ask a model for keywords as one recorded run, or take up the run that did the same before.

    Args:
        given: the known words.
        config: how the model is asked.
        model: which model.
        seed: of the words shown and of the texts.
        runs: where runs are kept.
        engine: whose workers write, each with the model.
        output: who is told of progress.

    Raises:
        WorkError: if a request fails at every attempt, or nothing that the model wrote is a name.
    """
    from furikaeri_common.documents import fingerprint
    from furikaeri_common.models.usage import summed_usage
    from twenty_questions.sources.keyword_lists import write_keyword_list
    from twenty_questions.sources.language_model import keywords_of_shards, shards_of, write_shard

    data = {"given": fingerprint([keyword.names for keyword in given])}
    with asking_for_texts(
        _COMMAND,
        write_shard,
        lambda writer: shards_of(given, config, writer.model, identity=writer.identity, seed=seed),
        config,
        model,
        data=data,
        seed=seed,
        runs=runs,
        engine=engine,
        output=output,
    ) as (run, name, values, is_new):
        samples = [sample for value in values for sample in value["samples"]]
        try:
            made = keywords_of_shards(values, source=name)
        except ValueError as error:
            raise WorkError(
                f"{name} wrote nothing that is a name in {len(samples)} requests",
                fix=f"Look at the texts below {run.path / PARTS}, or take another model",
            ) from error
        write_keyword_list(run.path / "keywords.jsonl", made)
        written = Written(
            made,
            requests=len(samples),
            empty=sum(not sample for sample in samples),
            names=sum(map(len, samples)),
            usage=summed_usage([value["usage"] for value in values]),
            folder=run.path,
        )
        if is_new:
            run.log({"words": len(made), "names": written.names, "empty": written.empty, **written.usage})
    return written


def _account(written: Written) -> str:
    lines = [
        f"{written.requests:,} requests named {written.names:,} words; {written.empty:,} gave none",
        f"Kept in {written.folder}",
    ]
    if written.usage:
        lines.insert(1, usage_line(written.usage))
    return "\n".join(lines)
