"""`tq evaluate guesser`: how often, how soon and how nearly strategies find secrets, with partners of every kind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory, engine_for
from furikaeri_cli.options import (
    BaseUrl,
    Device,
    Json,
    Leanings,
    Models,
    PromptName,
    Quiet,
    Runs,
    Seed,
    Table,
    Weights,
)
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import Embeddings
from furikaeri_cli.tq.embeddings import encoder_for
from furikaeri_cli.tq.simulate import Setting
from furikaeri_common.embedders import Encoder
from furikaeri_common.errors import InputError
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.experiments import LABELLED_PARTNERS, PARTNERS, STRATEGIES
from twenty_questions.panel import PanelConfig, panel_of
from twenty_questions.studies.guessers import ANSWERER, GuesserFigures
from twenty_questions.studies.intervals import Estimate

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine, Progress

__all__ = ["GuesserResult", "evaluate_guesser", "evaluate_guesser_cli"]

_PARTNERS = (*PARTNERS, ANSWERER)
_GAMES_PER_PART = {True: 10, False: 200}  # with models, and without: what a kill may lose


class GuesserResult(NamedTuple):
    """A setting and what came of it."""

    setting: Setting
    figures: GuesserFigures


def evaluate_guesser_cli(
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help=f"How the guesser plays: {', '.join(STRATEGIES)}.")
    ] = None,
    partner: Annotated[
        list[str] | None, typer.Option("--partner", help=f"Who answers: {', '.join(_PARTNERS)}.")
    ] = None,
    noise: Annotated[
        list[float] | None, typer.Option("--noise", min=0.0, max=0.5, help="Share of answers that are flipped.")
    ] = None,
    games: Annotated[
        int, typer.Option("--games", min=0, help="Games, with secrets drawn from the prior; 0: each keyword once.")
    ] = 200,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds in a game.")] = 20,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="Somebody else's answers, from which every partner answers."),
    ] = None,
    model: Models = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    prompt: PromptName = "original",
    leanings: Leanings = None,
    embeddings: Embeddings = "auto",
    table: Table = None,
    runs: Runs = Path("runs"),
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure the guesser: every strategy with every partner at every noise.

    The partner `answerer` is ours with language models: rules first, then the vote of all --model (with the strategy
    `meaning` they matter, for on a small table questions of spelling are enough to win). Beside the find
    rate, the mean round of the hits and the mean reward stands the guesser's score: the mean, over the games, of the
    largest cosine similarity between a guess and the keyword. Intervals are 95 %. The same command takes an
    interrupted run up again.

    Examples:
        tq evaluate guesser
        tq evaluate guesser --partner labels --labels answers.csv --games 0 --json
        tq evaluate guesser --partner answerer --strategy meaning --model qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
    """
    output = Output.choose(json=json, quiet=quiet)
    settings = list(
        dict.fromkeys(
            Setting(_known(one, tuple(STRATEGIES), "strategy"), _known(other, _PARTNERS, "partner"), rate)
            for one, other, rate in itertools.product(strategy or ["table"], partner or ["table"], noise or [0.0])
        )
    )
    asks_models = any(setting.partner == ANSWERER for setting in settings)
    for setting in settings:
        if labels is None and setting.partner in LABELLED_PARTNERS:
            raise InputError(f"the partner `{setting.partner}` needs --labels CSV")
    if asks_models and not model:
        raise InputError(
            f"the partner `{ANSWERER}` answers with models, and none is named", fix="Name one with --model"
        )
    panel = None
    if asks_models:
        panel = panel_of(
            list(model or ()),
            base_url=tuple(base_url or ()),
            weights=weights,
            device=device,
            prompt=prompt,
            leanings=str(leanings or ""),
        )
    encoder, name = encoder_for(embeddings, device, output, "There are no guesser scores")
    results, folder = evaluate_guesser(
        settings,
        table=table or TABLE_FOLDER,
        labels=labels,
        panel=panel,
        encoder=encoder,
        embeddings=name,
        games=games,
        rounds=rounds,
        seed=seed,
        runs=runs,
        engine=engine_for(
            engine,
            address,
            workers,
            task_gpus,
            task_memory,
            output=output,
            own=0,
            devices=[device] if asks_models and not base_url else [],
        ),
        output=output,
    )
    _print(output, results, folder)


def _known(name: str, among: Sequence[str], what: str) -> str:
    if name not in among:
        raise InputError(f"no {what} is called {name!r}", fix=f"Choose among {', '.join(among)}")
    return name


def evaluate_guesser(
    settings: Sequence[Setting],
    *,
    table: Path,
    labels: Path | None,
    panel: PanelConfig | None,
    encoder: Encoder | None,
    embeddings: str,
    games: int,
    rounds: int,
    seed: int,
    runs: Path,
    engine: Engine,
    output: Output,
) -> tuple[list[GuesserResult], Path]:
    """Measure settings as one recorded run; return the results and the run's folder.

    Args:
        settings: what is played.
        table: the table's folder.
        labels: somebody else's answers, from which every partner but the models answers.
        panel: the models of the partner `answerer`.
        encoder: of sentences; None: no guesser scores.
        embeddings: the encoder's name, for the record.
        games: how many games each, with secrets from the prior; 0: every possible secret once.
        rounds: rounds in a game.
        seed: of everything random.
        runs: where runs are kept.
        engine: where games are played; each worker opens the models for itself.
        output: who is told of progress.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.artifacts import fingerprint_of, write_json
    from furikaeri_common.documents import jsonable
    from furikaeri_common.models.config import how_reached, what_decides
    from furikaeri_common.runs import find_unfinished, start_run
    from furikaeri_common.tasks import Task, raise_if_final, require_all, run_tasks
    from twenty_questions.experiments import read_labels, secrets_of
    from twenty_questions.labelling.model_files import files_of, with_absolute_files
    from twenty_questions.studies.guessers import play_and_keep, study_guesser
    from twenty_questions.table import open_table, table_alone, table_fingerprint

    held = open_table(table)
    answers = read_labels(labels) if labels else None
    placed = panel and replace(panel, models=tuple(with_absolute_files(model) for model in panel.models))
    decides = jsonable(placed and replace(placed, models=tuple(map(what_decides, placed.models))))
    parts: dict[str, dict[str, Any]] = {}
    secrets: dict[Setting, list[list[str]]] = {}
    parts_of: dict[Setting, range] = {}
    for setting in settings:
        drawn = secrets_of(held, setting.partner, answers, games, seed)
        secrets[setting] = names = [list(of_one) for of_one in drawn.played]
        asks_models = setting.partner == ANSWERER
        size = _GAMES_PER_PART[asks_models]
        parts_of[setting] = range(len(parts), len(parts) + math.ceil(len(names) / size))
        for first in range(0, len(names), size):
            parts[f"{setting.strategy}-{setting.partner}-{setting.noise}-{first:06d}"] = {
                **setting._asdict(),
                "asked": decides if asks_models else None,
                "secrets": names[first : first + size],
                "first": first,
                "rounds": rounds,
                "seed": seed,
            }
    config = {
        "settings": [setting._asdict() for setting in settings],
        "panel": decides,
        "embeddings": embeddings,
        "games": games,
        "rounds": rounds,
    }
    # A prompt and leanings are known by their files, which may change; a prompt that comes by name does not.
    asked = [Path(file) for model in panel.models for file in (model.prompt, model.leanings)] if panel else []
    files = {"labels": labels} | {str(file): file for file in asked if file.is_file()}
    data = {"table": table_fingerprint(table), **{name: fingerprint_of(path) for name, path in files.items() if path}}
    models = [path for model in (panel.models if panel else ()) for path in files_of(model).values()]
    unfinished = find_unfinished(runs, "tq evaluate guesser", config, seed=seed, data=data)
    with start_run(runs, "tq evaluate guesser", config, seed=seed, data=data, resume=unfinished) as run:
        for model in placed.models if placed else ():
            if model.base_url:
                run.log(how_reached(model), model=model.model)
        read = table_alone(table, run.path / "table")
        known = labels and labels.resolve()
        places = {"table": str(read), "labels": known and str(known), "words": None, "panel": jsonable(placed)}
        with showing_progress(output, "games", len(parts)) as show:

            def on_progress(event: Progress) -> None:
                raise_if_final(event.error)
                show(event)

            report = run_tasks(
                play_and_keep,
                [Task(key, {**part, "marks": data}, places) for key, part in parts.items()],
                store=run.path / "parts",
                engine=engine,
                reads=[read, *([known] if known else []), *models],
                on_progress=on_progress,
            )
        values = require_all(report)
        results = []
        for setting in settings:
            played = [values[position] for position in parts_of[setting]]
            figures = study_guesser(
                [round_ for part in played for round_ in part["found_in"]],
                [guesses for part in played for guesses in part["guesses"]],
                [name for name, *_ in secrets[setting]],
                rounds=rounds,
                encoder=encoder,
            )
            run.log(
                {
                    "find_rate": figures.summary.find_rate,
                    "mean_reward": figures.summary.mean_reward,
                    "score": figures.score.value,
                },
                **setting._asdict(),
            )
            results.append(GuesserResult(setting, figures))
        write_json(run.path / "results.json", jsonable(results))
    return results, run.path


def _interval(bounds: tuple[float, float], scale: float) -> str:
    return f"{scale * bounds[0]:.1f}-{scale * bounds[1]:.1f}"


def _score(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return ""
    half = f" ±{(estimate.high - estimate.low) / 2:.3f}" if not math.isnan(estimate.low) else ""
    return f"{estimate.value:.3f}{half}"


def _print(output: Output, results: Sequence[GuesserResult], folder: Path) -> None:
    rows = []
    for result in results:
        setting, summary = result.setting, result.figures.summary
        rounds = "" if math.isnan(summary.mean_rounds) else f"{summary.mean_rounds:.2f}"
        rows.append(
            (
                f"{setting.strategy}, {setting.partner}, {setting.noise:.0%}",
                summary.games,
                f"{summary.find_rate:.1%} ({_interval(summary.find_rate_interval, 100)})",
                rounds,
                f"{summary.mean_reward:.1f} ({_interval(summary.mean_reward_interval, 1)})",
                _score(result.figures.score),
                _score(result.figures.score_where_lost),
            )
        )
    output.table(
        ("setting", "games", "found (95 %)", "rounds", "reward (95 %)", "score", "where lost"),
        rows,
        value={"results": results, "run": str(folder)},
    )
    output.note(
        "setting: strategy, partner, share of answers flipped; rounds: mean round of the hits; score: mean over the "
        f"games of the largest cosine similarity of a guess with the keyword.\nKept in {folder}"
    )
