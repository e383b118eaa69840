"""`tq precompute questions llm`: questions that a language model writes to split known keywords in half."""

from __future__ import annotations

from collections.abc import Mapping
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
from furikaeri_cli.tq.precompute_questions import Out
from furikaeri_cli.tq.written_requests import PARTS, asking_for_texts
from furikaeri_common.errors import WorkError
from furikaeri_common.models.config import ModelConfig
from twenty_questions.question_sources.question_lists import require_writable, write_questions

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine
    from twenty_questions.question_sources.language_model import HalvingConfig, Made
    from twenty_questions.sources.keyword_lists import KeywordList

__all__ = ["Written", "llm_cli", "write_halving_questions"]

_COMMAND = "tq precompute questions llm"


class Written(NamedTuple):
    """What a model wrote.

    Attributes:
        made: the questions, and what was left out.
        usage: what a server counted: requests, tokens, cost; empty for a model in this process.
        folder: the run's.
    """

    made: Made
    usage: Mapping[str, float]
    folder: Path


def llm_cli(
    out: Out,
    keywords: Annotated[
        Path, typer.Option("--keywords", metavar="LIST", help="What to ask about: a keyword list, or a table's folder.")
    ],
    model: Model = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    requests: Requests = 200,
    shown: Annotated[int, typer.Option("--shown", min=2, help="N: keywords drawn by the prior for a request.")] = 20,
    asked: Annotated[int, typer.Option("--asked", min=1, help="Questions that a request asks for.")] = 5,
    temperature: Temperature = 0.8,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest text of a request.")] = 256,
    least: Annotated[int, typer.Option("--least", min=1, help="Keep what at least so many requests gave.")] = 1,
    concurrency: Concurrency = 8,
    requests_per_minute: RequestsPerMinute = 0.0,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    seed: Seed = 0,
    runs: Runs = Path("runs"),
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a language model write questions that are true of about half of some keywords.

    A question's count is the number of requests that gave it; what rules of spelling answer is left out, and so is what
    names one of the keywords. Killed at any moment, the same command goes on with the requests that are missing; once
    they are all there, it makes the list again without asking anything.

    Examples:
        tq precompute questions llm made.jsonl --keywords keywords.jsonl --model smollm2-135m-instruct-q4_1.gguf
        tq precompute questions llm made.jsonl --keywords keywords.jsonl --requests 2000 \\
            --model gemma2 --base-url http://localhost:11434/v1 --least 2
    """
    from twenty_questions.question_sources.language_model import HalvingConfig
    from twenty_questions.sources.keyword_lists import read_keyword_list

    output = Output.choose(json=json, quiet=quiet)
    named = named_model(model)
    require_writable(out)
    written = write_halving_questions(
        read_keyword_list(keywords),
        HalvingConfig(requests=requests, names=shown, wanted=asked, temperature=temperature, max_tokens=max_tokens),
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
        least=least,
        seed=seed,
        runs=runs,
        engine=engine_for(
            engine, address, workers, task_gpus, task_memory, output=output, own=0, devices=[] if base_url else [device]
        ),
        output=output,
    )
    made = written.made
    write_questions(out, made.questions)
    value = {
        "file": str(out),
        "questions": len(made.questions),
        "requests": made.texts,
        "empty": made.empty,
        "left_out": made.left_out,
        "usage": written.usage,
        "folder": str(written.folder),
    }
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in made.left_out.items()) or "nothing"
    output.result(value, f"{len(made.questions):,} questions in {out}")
    lines = [f"{made.texts:,} requests, {made.empty:,} of which gave no question; left out: {left_out}"]
    if written.usage:
        lines.append(usage_line(written.usage))
    output.note("\n".join([*lines, f"Kept in {written.folder}"]))


def write_halving_questions(
    keywords: KeywordList,
    config: HalvingConfig,
    model: ModelConfig,
    *,
    least: int,
    seed: int,
    runs: Path,
    engine: Engine,
    output: Output,
) -> Written:
    """Ask a model for questions as one recorded run, or take up the run that did the same before.

    Args:
        keywords: what is asked about.
        config: how the model is asked.
        model: which model.
        least: how many requests must give a question.
        seed: of the keywords shown and of the texts.
        runs: where runs are kept.
        engine: whose workers write, each with the model.
        output: who is told of progress.

    Raises:
        WorkError: if a request fails at every attempt, or the model wrote no question.
    """
    from furikaeri_common.documents import fingerprint
    from furikaeri_common.models.usage import summed_usage
    from twenty_questions.question_sources.language_model import (
        collect,
        halving_tasks,
        shown_names,
        write_part,
    )

    names = [keyword.name for keyword in keywords.keywords]
    data = {"keywords": fingerprint([names, keywords.prior])}
    with asking_for_texts(
        _COMMAND,
        write_part,
        lambda writer: halving_tasks(names, keywords.prior, config, writer.model, identity=writer.identity, seed=seed),
        config,
        model,
        data=data,
        seed=seed,
        runs=runs,
        engine=engine,
        output=output,
    ) as (run, name, values, is_new):
        texts = [text for value in values for text in value["texts"]]
        shown = shown_names(names, keywords.prior, config, seed=seed)
        made = collect(texts, shown, least_count=least, source=name)
        if not made.questions:
            raise WorkError(
                f"no question is left of {len(texts)} texts that {name} wrote",
                fix=f"Look at them below {run.path / PARTS}; take another model, or lower --least",
            )
        write_questions(run.path / "questions.jsonl", made.questions)
        written = Written(made, summed_usage([value["usage"] for value in values]), run.path)
        if is_new:
            run.log({"questions": len(made.questions), "empty": made.empty, **written.usage})
    return written
