"""`tq simulate`: strategies against partners of known behaviour, over many games."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from furikaeri_cli.options import Json, Quiet, Runs, Seed, Table, Workers
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.experiments import PARTNERS, STRATEGIES, play_part, read_labels, secrets_of
from twenty_questions.simulation import Outcome, Summary, summarise
from twenty_questions.table import open_table
from twenty_questions.word_files import read_words

__all__ = ["Setting", "Simulated", "draw_results", "simulate_cli", "simulate_settings"]

GAMES_PER_SHARD = 200


class Setting(NamedTuple):
    """One combination that is simulated."""

    strategy: str
    partner: str
    noise: float


class Simulated(NamedTuple):
    """A setting, what came of it, and the limits beside it.

    Attributes:
        setting: what was played.
        summary: figures with every game counted alike.
        weighted: the same with games weighted by the table's prior, if they were not drawn from it.
        fewest_rounds: the least prior-weighted mean round of any strategy without noise, sum_i p_(i) floor(log2(i+1)).
        limit_by_round: the largest find rate that any strategy can have by each round (see `evaluation`).
    """

    setting: Setting
    summary: Summary
    weighted: Summary
    fewest_rounds: float
    limit_by_round: tuple[float, ...]


def simulate_cli(
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help=f"How the guesser plays: {', '.join(STRATEGIES)}.")
    ] = None,
    partner: Annotated[list[str] | None, typer.Option("--partner", help=f"Who answers: {', '.join(PARTNERS)}.")] = None,
    noise: Annotated[
        list[float] | None, typer.Option("--noise", min=0.0, max=0.5, help="Share of answers that are flipped.")
    ] = None,
    games: Annotated[
        int, typer.Option("--games", min=0, help="Games, with secrets drawn from the prior; 0: each keyword once.")
    ] = 0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds in a game.")] = 20,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="CSV", help="Answers of the partner `labels`.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option("--words", metavar="FILE", help="A list to bisect instead of the table's keywords.")
    ] = None,
    table: Table = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw find rate and reward by round.")] = True,
    runs: Runs = Path("runs"),
    workers: Workers = 0,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate games: every strategy with every partner at every noise.

    Options may be given several times. Results are a table with 95 % intervals and a plot, kept as a run; the same
    command takes an interrupted run up again, and gives the same figures with any number of workers.

    Examples:
        tq simulate
        tq simulate --strategy table --strategy meaning --noise 0 --noise 0.05 --noise 0.1 --workers 2
        tq simulate --partner labels --labels answers.csv --json
    """
    output = Output.choose(json=json, quiet=quiet)
    settings = list(
        dict.fromkeys(
            Setting(_known(one, tuple(STRATEGIES), "strategy"), _known(other, PARTNERS, "partner"), rate)
            for one, other, rate in itertools.product(strategy or ["table"], partner or ["table"], noise or [0.0])
        )
    )
    if labels is None and any(setting.partner == "labels" for setting in settings):
        raise InputError("the partner `labels` needs --labels CSV")
    results, folder = simulate_settings(
        settings,
        table=table or TABLE_FOLDER,
        labels=labels,
        words=words,
        games=games,
        rounds=rounds,
        seed=seed,
        runs=runs,
        workers=workers,
        output=output,
    )
    _print(output, results, folder)
    if plot:
        draw_results(output, results, folder)


def _known(name: str, among: Sequence[str], what: str) -> str:
    if name not in among:
        raise InputError(f"no {what} is called {name!r}", fix=f"Choose among {', '.join(among)}")
    return name


def simulate_settings(
    settings: Sequence[Setting],
    *,
    table: Path,
    labels: Path | None,
    words: Path | None = None,
    games: int,
    rounds: int,
    seed: int,
    runs: Path,
    workers: int,
    output: Output,
) -> tuple[list[Simulated], Path]:
    """Simulate settings as one recorded run; return the results and the run's folder.

    Args:
        settings: what to play.
        table: the table's folder.
        labels: the labels of the partner `labels`.
        words: a word a line, with a tab and its weight if words differ: what `opening` bisects; None: the keywords.
        games: how many games each, with secrets from the prior; 0: every possible secret once.
        rounds: rounds in a game.
        seed: of everything random.
        runs: where runs are kept.
        workers: processes; 0: this one.
        output: who is told of progress.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.artifacts import fingerprint_of, write_json
    from furikaeri_common.local_processes import LocalProcesses
    from furikaeri_common.runs import find_unfinished, start_run
    from furikaeri_common.tasks import Task, require_all, run_tasks

    held = open_table(table)
    answers = read_labels(labels) if labels else None
    if words:
        read_words(words)
    tasks: list[Task] = []
    secrets: dict[Setting, list[int]] = {}
    for setting in settings:
        secrets[setting] = secrets_of(held, setting.partner, answers, games, seed)
        for first in range(0, len(secrets[setting]), GAMES_PER_SHARD):
            part = {
                "table": str(table.resolve()),
                "labels": str(labels.resolve()) if labels else None,
                "words": str(words.resolve()) if words else None,
                **setting._asdict(),
                "secrets": secrets[setting][first : first + GAMES_PER_SHARD],
                "first": first,
                "rounds": rounds,
                "seed": seed,
            }
            tasks.append(Task(f"{setting.strategy}-{setting.partner}-{setting.noise}-{first:06d}", part))
    config = {"settings": [setting._asdict() for setting in settings], "games": games, "rounds": rounds}
    files = {"table": table, "labels": labels, "words": words}
    data = {name: fingerprint_of(path) for name, path in files.items() if path}
    unfinished = find_unfinished(runs, "tq simulate", config, seed=seed, data=data)
    engine = LocalProcesses(workers)
    with start_run(runs, "tq simulate", config, seed=seed, data=data, resume=unfinished) as run:
        with showing_progress(output, "games", len(tasks)) as on_progress:
            report = run_tasks(play_part, tasks, store=run.path / "parts", engine=engine, on_progress=on_progress)
        parts = iter(require_all(report))
        results = []
        for setting in settings:
            found = [
                round_ for _ in range(0, len(secrets[setting]), GAMES_PER_SHARD) for round_ in next(parts)["found_in"]
            ]
            possible = secrets_of(held, setting.partner, answers, 0, seed)
            prior = held.prior[possible] / held.prior[possible].sum()
            result = _result(setting, prior, found, rounds, drawn=games > 0)
            run.log(
                {"find_rate": result.summary.find_rate, "mean_reward": result.summary.mean_reward}, **setting._asdict()
            )
            results.append(result)
        write_json(run.path / "results.json", [_plain(result) for result in results])
    return results, run.path


def draw_results(output: Output, results: Sequence[Simulated], folder: Path) -> None:
    """Draw find rate and mean reward by round into `by_round.png`; without the extra for plots, say what is missing."""
    from twenty_questions.plots import plot_by_round

    curves = {
        _title(result.setting): (result.summary.found_by_round, np.asarray(result.limit_by_round)) for result in results
    }
    try:
        plot_by_round(curves, folder / "by_round.png")
    except MissingExtraError as error:
        output.warn(str(error))


def _result(
    setting: Setting, prior: NDArray[np.float64], found: Sequence[int], rounds: int, *, drawn: bool
) -> Simulated:
    from twenty_questions.evaluation import fewest_rounds, find_rate_limit

    outcome = Outcome(np.asarray(found, dtype=np.int64), ())
    chances = prior if drawn else np.ones(len(prior))
    return Simulated(
        setting=setting,
        summary=summarise(outcome, rounds=rounds),
        weighted=summarise(outcome, rounds=rounds, weights=None if drawn else prior),
        fewest_rounds=fewest_rounds(prior),
        limit_by_round=tuple(find_rate_limit(chances, number, setting.noise) for number in range(1, rounds + 1)),
    )


def _plain(result: Simulated) -> dict[str, Any]:
    from furikaeri_common.documents import jsonable

    return dict(jsonable(result))


def _title(setting: Setting) -> str:
    return f"{setting.strategy}, {setting.partner}, {setting.noise:.0%}"


def _interval(bounds: tuple[float, float], scale: float) -> str:
    return f"{scale * bounds[0]:.1f}-{scale * bounds[1]:.1f}"


def _print(output: Output, results: Sequence[Simulated], folder: Path) -> None:
    columns = ("setting", "games", "found (95 %)", "limit", "rounds", "least", "reward (95 %)")
    rows = [
        (
            _title(result.setting),
            result.summary.games,
            f"{result.summary.find_rate:.1%} ({_interval(result.summary.find_rate_interval, 100)})",
            f"{result.limit_by_round[-1]:.1%}",
            f"{result.weighted.mean_rounds:.2f}",
            f"{result.fewest_rounds:.2f}",
            f"{result.summary.mean_reward:.1f} ({_interval(result.summary.mean_reward_interval, 1)})",
        )
        for result in results
    ]
    output.table(columns, rows, value={"results": [_plain(result) for result in results], "run": str(folder)})
    output.note(
        "setting: strategy, partner, share of answers flipped; rounds: mean round of the hits, weighted by the prior, "
        "beside the least that any strategy can have without noise; limit: the largest find rate at this noise.\n"
        f"Kept in {folder}"
    )
