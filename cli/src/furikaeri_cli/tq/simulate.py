"""`tq simulate`: strategies against partners of known behaviour, over many games."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory, engine_for
from furikaeri_cli.options import Json, Quiet, Runs, Seed, Table
from furikaeri_cli.output import Output
from furikaeri_cli.tq.simulation_report import (
    MIXED,
    Setting,
    Simulated,
    draw_results,
    plain_result,
    tell_results,
)
from furikaeri_common.errors import InputError
from twenty_questions.bisection import WordList
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.experiments import (
    MIXTURE,
    PARTNERS,
    RIVALS,
    STRATEGIES,
    Secrets,
    play_part,
    read_labels,
    require_playable,
    secrets_of,
)
from twenty_questions.named_words import BUILT_IN, WordsPrior, words_named, words_place
from twenty_questions.simulation import Outcome, summarise
from twenty_questions.sources.named_lists import is_public, place_of, read_named_list
from twenty_questions.table import open_table, table_alone, table_fingerprint

if TYPE_CHECKING:
    from furikaeri_common.tasks import Engine, Progress

__all__ = ["Setting", "Simulated", "draw_results", "simulate_cli", "simulate_settings"]

GAMES_PER_SHARD = 200
_GAMES_PER_SHARD_OF_WORDS = 25
_FROM_PRIOR = "prior"


def simulate_cli(
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", help=f"How the guesser plays: {', '.join((*STRATEGIES, *RIVALS))}."),
    ] = None,
    partner: Annotated[
        list[str] | None, typer.Option("--partner", help=f"Who answers: {', '.join((*PARTNERS, MIXED))}.")
    ] = None,
    noise: Annotated[
        list[float] | None, typer.Option("--noise", min=0.0, max=0.5, help="Share of answers that are flipped.")
    ] = None,
    games: Annotated[
        int, typer.Option("--games", min=0, help="Games, with secrets drawn from the prior; 0: each secret once.")
    ] = 0,
    secrets: Annotated[
        str,
        typer.Option(
            "--secrets",
            metavar="LIST",
            help="What is played for: a list of words, or `prior`, drawn from --words. Left out: the table's keywords.",
        ),
    ] = "",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds in a game.")] = 20,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="Somebody else's answers, from which every partner answers."),
    ] = None,
    words: Annotated[
        str,
        typer.Option(
            "--words",
            metavar="FILE",
            help=f"The words that can be guessed: a vocabulary, a text file, or `{BUILT_IN}`. The table's if left out.",
        ),
    ] = "",
    words_prior: Annotated[
        WordsPrior, typer.Option("--words-prior", help="The prior of these words: their own, or another in its place.")
    ] = "own",
    table: Table = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw find rate and reward by round.")] = True,
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
    """Simulate games: every strategy with every partner at every noise.

    Options may be given several times. Results are a table with 95 % intervals and a plot, kept as a run; the same
    command takes an interrupted run up again, and gives the same figures with any number of workers, here or on a
    cluster. The partner `mixed` is a population: half alpha, three tenths language models, two tenths liars, each
    played by itself and then taken together. Where the strategy `specialist`, who is told the partner's type, plays
    the same games, what not knowing it costs is told too.

    Examples:
        tq simulate
        tq simulate --strategy table --strategy meaning --noise 0 --noise 0.05 --noise 0.1 --workers 2
        tq simulate --strategy one-belief --partner alpha --words built-in --secrets prior --games 200
        tq simulate --strategy one-belief --partner alpha --words built-in --engine ray --address 10.0.0.1:6379
        tq simulate --strategy halving --strategy split-word --partner alpha --words built-in --secrets public
        tq simulate --strategy one-belief --strategy specialist --partner mixed --words built-in --labels answers.csv
    """
    output = Output.choose(json=json, quiet=quiet)
    named = [
        one
        for name in partner or ["table"]
        for one in (MIXTURE if _known(name, (*PARTNERS, MIXED), "partner") == MIXED else [name])
    ]
    settings = list(
        dict.fromkeys(
            Setting(_known(one, (*STRATEGIES, *RIVALS), "strategy"), other, rate)
            for one, other, rate in itertools.product(strategy or ["table"], named, noise or [0.0])
        )
    )
    for setting in settings:
        require_playable(*setting, words=bool(words), labels=labels is not None)
    if secrets == _FROM_PRIOR and not (words and games):
        raise InputError(
            "--secrets prior draws from the words' prior", fix="Give --words and the number of games with --games"
        )
    results, folder = simulate_settings(
        settings,
        table=table or TABLE_FOLDER,
        labels=labels,
        words=words,
        words_prior=words_prior,
        secrets=secrets,
        games=games,
        rounds=rounds,
        seed=seed,
        runs=runs,
        engine=engine_for(engine, address, workers, task_gpus, task_memory, output=output, own=0),
        output=output,
    )
    tell_results(output, results, folder, rounds=rounds, seed=seed, mixed=MIXED in (partner or ()))
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
    words: str = "",
    words_prior: WordsPrior = "own",
    secrets: str = "",
    games: int,
    rounds: int,
    seed: int,
    runs: Path,
    engine: Engine | None = None,
    output: Output,
) -> tuple[list[Simulated], Path]:
    """Simulate settings as one recorded run; return the results and the run's folder.

    Args:
        settings: what to play; at least one.
        table: the table's folder.
        labels: somebody else's answers, from which every partner answers.
        words: what can be guessed (see `named_words`); "": the table's keywords.
        words_prior: the prior with which words are taken.
        secrets: a list of words that are played for, or `prior`; "": the table's keywords.
        games: how many games each, with secrets drawn from their prior; 0: every possible secret once.
        rounds: rounds in a game.
        seed: of everything random.
        runs: where runs are kept.
        engine: where games are played; None: in this process.
        output: who is told of progress.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.artifacts import fingerprint_of, write_json
    from furikaeri_common.local_processes import LocalProcesses
    from furikaeri_common.runs import find_unfinished, start_run
    from furikaeri_common.tasks import Task, raise_if_final, require_all, run_tasks

    held = open_table(table)
    answers = read_labels(labels) if labels else None
    list_of_words = words_named(words, words_prior) if words else None
    given = read_named_list(secrets).keywords if secrets and secrets != _FROM_PRIOR else ()
    place = words_place(words) if words else None
    per_shard = _GAMES_PER_SHARD_OF_WORDS if words else GAMES_PER_SHARD
    parts: dict[str, dict[str, Any]] = {}
    drawn_from = list_of_words if secrets == _FROM_PRIOR else None
    # With or without labels: they are the same for every setting.
    played = secrets_of(held, settings[0].partner, answers, games, seed, given=given, drawn_from=drawn_from)
    size = len(played.played)
    # Elsewhere the list of secrets is shorter than what can be guessed.
    known = not given and (not words or drawn_from is not None)
    for setting in settings:
        for first in range(0, size, per_shard):
            parts[f"{setting.strategy}-{setting.partner}-{setting.noise}-{first:06d}"] = {
                "words_prior": words_prior,
                **setting._asdict(),
                "secrets": [list(names) for names in played.played[first : first + per_shard]],
                "first": first,
                "rounds": rounds,
                "seed": seed,
            }
    config = {
        "settings": [setting._asdict() for setting in settings],
        "games": games,
        "rounds": rounds,
        "words": words,
        "words_prior": words_prior,
        "secrets": secrets,
    }
    listed = place_of(secrets) if given and not is_public(secrets) else None
    files = {"labels": labels, "words": place, "secrets": listed}
    data = {"table": table_fingerprint(table), **{name: fingerprint_of(path) for name, path in files.items() if path}}
    unfinished = find_unfinished(runs, "tq simulate", config, seed=seed, data=data)
    with start_run(runs, "tq simulate", config, seed=seed, data=data, resume=unfinished) as run:
        read = table_alone(table, run.path / "table")
        reads = {"table": read} | {name: path.resolve() for name, path in files.items() if path and name != "secrets"}
        places = {"labels": None, "words": words or None} | {name: str(path) for name, path in reads.items()}
        with showing_progress(output, "games", len(parts)) as show:

            def on_progress(event: Progress) -> None:
                raise_if_final(event.error)
                show(event)

            report = run_tasks(
                play_part,
                [Task(key, {**part, "marks": {"words": words, **data}}, places) for key, part in parts.items()],
                store=run.path / "parts",
                engine=engine or LocalProcesses(0),
                reads=list(reads.values()),
                on_progress=on_progress,
            )
        values = iter(require_all(report))
        results = []
        for setting in settings:
            found = [round_ for _ in range(0, size, per_shard) for round_ in next(values)["found_in"]]
            result = _result(setting, played, found, rounds, list_of_words, drawn=games > 0, known=known)
            run.log(
                {"find_rate": result.summary.find_rate, "mean_reward": result.summary.mean_reward}, **setting._asdict()
            )
            results.append(result)
        write_json(run.path / "results.json", [plain_result(result) for result in results])
    return results, run.path


def _result(
    setting: Setting,
    secrets: Secrets,
    found: Sequence[int],
    rounds: int,
    words: WordList | None,
    *,
    drawn: bool,
    known: bool,
) -> Simulated:
    from twenty_questions.evaluation import fewest_rounds, find_rate_limit

    outcome = Outcome(np.asarray(found, dtype=np.int64), ())
    prior = secrets.prior
    chances = prior if drawn else np.ones(len(prior))
    opens = setting.strategy in ("opening", "specialist")
    return Simulated(
        setting=setting,
        summary=summarise(outcome, rounds=rounds),
        weighted=summarise(outcome, rounds=rounds, weights=None if drawn else prior),
        fewest_rounds=fewest_rounds(prior, handshake=opens and bool(words)) if known else float("nan"),
        limit_by_round=tuple(find_rate_limit(chances, number, setting.noise) for number in range(1, rounds + 1)),
        found_in=tuple(outcome.found_in.tolist()),
    )
