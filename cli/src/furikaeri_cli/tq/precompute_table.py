"""`tq precompute table`: all pairs of keywords and questions labelled by language models, as an answer table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory, engine_for
from furikaeri_cli.options import BaseUrl, Device, Json, Leanings, Models, PromptName, Quiet, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import (
    Centring,
    Concurrency,
    Definitions,
    KeywordsAsked,
    PriceIn,
    PriceOut,
    QuestionsAsked,
    RequestsPerMinute,
    Samples,
    Shard,
    named_models,
)
from furikaeri_cli.tq.labelling_workers import Threads, other_processes
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine
    from twenty_questions.labelling.grid import LabelSource
    from twenty_questions.labelling.labelled_table import ConsensusConfig, LabelledTable
    from twenty_questions.labelling.labeller import Labeller, LabellerConfig
    from twenty_questions.labelling.shard_store import Spent
    from twenty_questions.quality import Label
    from twenty_questions.questions import Question
    from twenty_questions.sources.keyword_lists import KeywordList

__all__ = ["SHARDS", "Labelled", "precompute_table", "precompute_table_cli"]

SHARDS = "shards"


class Labelled(NamedTuple):
    """What was made.

    Attributes:
        folder: the table's.
        made: the table, and what was found on the way.
        pairs: labelled by all models together, in this call and earlier ones.
        here: pairs that this process labelled in this call.
        seconds: how long this call took.
        spent: what labelling took in all.
        other_recipes: folders of shards that are no part of this table.
    """

    folder: Path
    made: LabelledTable
    pairs: int
    here: int
    seconds: float
    spent: Spent
    other_recipes: int


def precompute_table_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write the table to.")],
    keywords: KeywordsAsked,
    questions: QuestionsAsked,
    model: Models = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    prompt: PromptName = "original",
    definitions: Definitions = False,
    centring: Centring = False,
    leanings: Leanings = None,
    samples: Samples = 8,
    shard: Shard = 16,
    average: Annotated[
        Literal["mean", "log-odds"], typer.Option("--average", help="What is averaged over models.")
    ] = "mean",
    weight: Annotated[
        list[float] | None,
        typer.Option("--weight", metavar="WEIGHT", min=0.0, help="A model's weight, one for each --model in order."),
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", metavar="CSV", help="A gold set: keyword, question, answer.")
    ] = None,
    calibration: Annotated[
        Literal["auto", "isotonic", "shrink", "platt", "none"] | None,
        typer.Option("--calibration", help="How P(yes) is mapped; auto (as usual): what cross-validation chooses."),
    ] = None,
    calibrated: Annotated[
        Literal["average", "models"] | None,
        typer.Option("--calibrated", help="What is mapped: the average (as usual), or each model."),
    ] = None,
    concurrency: Concurrency = 8,
    requests_per_minute: RequestsPerMinute = 0.0,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    threads: Threads = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label all pairs with each model, average, calibrate, and write an answer table.

    Questions of spelling are computed, not asked. What every model said is kept in OUT/shards, as Parquet. The command
    can be stopped at any moment, and goes on when it is given again, here or on a cluster; given twice at once, the two
    share the work. Other models, prompts or lists get shards of their own, so nothing of another recipe is mixed in.

    With --workers or --engine ray each worker opens the model for itself. A model that is given by a path is brought to
    machines that do not see it; one that is given by its name must be on each. --requests-per-minute is then each
    worker's.

    The gold set's keywords are dealt by their hash into a half that the calibration is fitted on and one on which it is
    reported.

    Examples:
        tq precompute table my-table --keywords keywords.jsonl --questions questions.jsonl --model qwen --model llama
        tq precompute table my-table --keywords words.txt --questions questions.txt --model a --calibrate gold.csv
        tq precompute table my-table --keywords words.txt --questions questions.txt --model llama \\
            --base-url http://localhost:8000/v1 --concurrency 32
        tq precompute table my-table --keywords words.txt --questions questions.txt --model llama \\
            --base-url http://one:8000/v1 --base-url http://two:8000/v1
        tq precompute table my-table --keywords words.txt --questions questions.txt --model llama \\
            --engine ray --address 10.0.0.1:6379 --task-gpus 1
    """
    output = Output.choose(json=json, quiet=quiet)
    from twenty_questions.experiments import read_labels
    from twenty_questions.labelling.labelled_table import ConsensusConfig
    from twenty_questions.labelling.labeller import LabellerConfig
    from twenty_questions.labelling.opening import open_labeller
    from twenty_questions.question_sources.question_lists import read_questions
    from twenty_questions.sources.keyword_lists import read_keyword_list

    named = named_models(model)
    if weight and (len(weight) != len(named) or not any(weight)):
        raise InputError(f"expected --weight for each of {len(named)} models, one above 0, got {weight}")
    configs = [
        LabellerConfig(
            model=one,
            base_url=tuple(base_url or ()),
            weights=weights,
            device=device,
            prompt=prompt,
            definitions=definitions,
            centring=centring,
            leanings=str(leanings or ""),
            samples=samples,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            price_in=price_in,
            price_out=price_out,
        )
        for one in named
    ]
    consensus = ConsensusConfig(
        average=average,
        weights=tuple(weight) if weight else None,
        calibration=calibration or "auto",
        calibrated=calibrated or "average",
    )
    if (calibration or calibrated) and not calibrate:
        raise InputError("--calibration and --calibrated need gold answers", fix="Give them with --calibrate CSV")
    gold = read_labels(calibrate) if calibrate else []
    chosen = engine_for(
        engine, address, workers, task_gpus, task_memory, output=output, own=0, devices=[] if base_url else [device]
    )
    labelled = precompute_table(
        out,
        read_keyword_list(keywords),
        read_questions(questions),
        configs,
        config=consensus,
        gold=gold,
        per_shard=shard,
        output=output,
        open_model=lambda config: open_labeller(config, on_note=output.note),
        engine=other_processes(chosen, threads),
        threads=threads or 1,
    )
    from furikaeri_cli.tq.labelled_report import print_labelled

    print_labelled(output, labelled)


def precompute_table(
    out: Path,
    keywords: KeywordList,
    questions: Sequence[Question],
    models: Sequence[LabellerConfig],
    *,
    config: ConsensusConfig,
    gold: Sequence[Label] = (),
    per_shard: int = 16,
    output: Output,
    open_model: Callable[[LabellerConfig], Labeller],
    engine: Engine | None = None,
    threads: int = 1,
) -> Labelled:
    """Label all pairs, or what is missing of them, and write the table.

    Args:
        out: the table's folder.
        keywords: its rows.
        questions: its columns.
        models: who labels.
        config: how their labels become one.
        gold: answers to calibrate with; none: no calibration.
        per_shard: keywords in a shard.
        output: who is told of progress.
        open_model: opens a labeller.
        engine: whose workers label, each with the model; None: this process.
        threads: of each worker's arithmetic.

    Raises:
        InputError: if something cannot be used, before anything is labelled.
        WorkError: if a pair could not be labelled; the table is not written then.
    """
    import numpy as np

    from furikaeri_cli.tq.labelling_progress import showing_labels
    from twenty_questions.labelling.grid import PairGrid, asked_questions
    from twenty_questions.labelling.label_progress import require_labelled
    from twenty_questions.labelling.label_sources import source_of
    from twenty_questions.labelling.labelled_table import labelled_table, require_fitting
    from twenty_questions.labelling.shard_store import spent_on
    from twenty_questions.labelling.shards import label_pairs
    from twenty_questions.table import save_table

    _require_place(out)
    require_fitting(keywords.keywords, questions, gold)
    names = tuple(keyword.name for keyword in keywords.keywords)
    grid = PairGrid(keywords=names, questions=asked_questions(questions), per_shard=per_shard)
    sources: list[LabelSource] = [source_of(one, open_model, is_here=engine is None) for one in models]
    root = out / SHARDS
    with showing_labels(output, grid.num_pairs * len(sources)) as on_progress:
        report = label_pairs(grid, sources, root, engine=engine, threads=threads, on_progress=on_progress)
    stores = require_labelled(report)
    made = labelled_table(
        keywords.keywords,
        keywords.prior,
        questions,
        grid,
        [(store.model, store.identity) for store in stores],
        lambda number: np.stack([store.read(number) for store in stores]),
        config=config,
        gold=gold,
    )
    save_table(made.table, out)
    folders = {path for path in root.glob("*") if path.is_dir() and not path.name.startswith(".")}
    others = len(folders - {store.folder for store in stores})
    pairs, spent = grid.num_pairs * len(stores), spent_on(root, stores)
    return Labelled(out, made, pairs, report.labelled, report.seconds, spent, others)


def _require_place(out: Path) -> None:
    """Refuse, before hours of labelling, a place where a table cannot be written."""
    manifest = out / "manifest.json"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file", fix="Name a folder for the table")
    if manifest.is_file() and "furikaeri answer table" not in manifest.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{manifest}: belongs to something else", fix="Choose another folder")
    if not manifest.is_file() and not (out / SHARDS).is_dir() and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: holds other things", fix="Choose an empty folder, or one that is not there")
