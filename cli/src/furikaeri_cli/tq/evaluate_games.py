"""`tq evaluate games`: what players are worth, from the games that they played."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from furikaeri_cli.options import Device, Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import Embeddings
from furikaeri_cli.tq.embeddings import encoder_for
from furikaeri_cli.tq.games_read import Replays, read_recorded_games
from furikaeri_common.embedders import Encoder
from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.game_files import GamesRead
from twenty_questions.studies.games import GameFigures, GamesStudy
from twenty_questions.studies.intervals import Estimate

__all__ = ["evaluate_games", "evaluate_games_cli"]


def evaluate_games_cli(
    replays: Replays,
    embeddings: Embeddings = "auto",
    device: Device = "auto",
    least_games: Annotated[int, typer.Option("--least-games", min=1, help="Leave out players with fewer games.")] = 1,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw find rate against mean reward.")] = True,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure players by whole games: ours (`--save`), or replays of the contest.

    A guesser's score is the mean, over its games, of the largest cosine similarity between any of its guesses and the
    keyword; an answerer's is that of its partners' guesses; their sum ranks players. Games that bisect the alphabet
    (handshake answered yes, or half of the questions about order) have no such score: there the find rate and the mean
    reward count. Intervals are 95 %. Damaged files are named and passed over; a copy
    of a file counts once.

    Examples:
        tq evaluate games replays/
        tq evaluate games 61234567.json matches.json --embeddings whaleloops/phrase-bert
        tq evaluate games replays/ --least-games 20 --json
    """
    output = Output.choose(json=json, quiet=quiet)
    read = read_recorded_games(replays, output)
    if not read.games:
        raise InputError(
            f"{', '.join(map(str, replays))}: no games are found",
            fix="Give files that `tq match --save` wrote, or replays of 20 Questions matches",
        )
    encoder, name = encoder_for(embeddings, device, output, "There are no embedding scores")
    study, folder = evaluate_games(
        read, replays, encoder=encoder, embeddings=name, least_games=least_games, plot=plot, runs=runs, output=output
    )
    _print(output, study, read, folder)


def evaluate_games(
    read: GamesRead,
    paths: Sequence[Path],
    *,
    encoder: Encoder | None,
    embeddings: str,
    least_games: int,
    plot: bool,
    runs: Path,
    output: Output,
) -> tuple[GamesStudy, Path]:
    """Measure players as one recorded run, which keeps `results.json` and `players.png`.

    Args:
        read: the games.
        paths: where they are from, for the record.
        encoder: of sentences; None: no embedding scores.
        embeddings: the encoder's name, for the record.
        least_games: players with fewer are left out.
        plot: whether to draw.
        runs: where runs are kept.
        output: hears what is missing for a picture.

    Returns:
        The figures, and the run's folder.
    """
    from furikaeri_common.artifacts import fingerprint_of, write_json
    from furikaeri_common.documents import jsonable
    from furikaeri_common.runs import start_run
    from twenty_questions.studies.games import study_games
    from twenty_questions.studies.player_plot import plot_players

    config = {"replays": [str(path) for path in paths], "embeddings": embeddings, "least_games": least_games}
    data = {str(path): fingerprint_of(path) for path in paths}
    with start_run(runs, "tq evaluate games", config, data=data) as run:
        study = study_games(read.games, encoder, least_games=least_games)
        run.log(
            {
                "games": study.games,
                "find_rate_bisecting": study.all_bisection.find_rate.value,
                "find_rate_others": study.all_others.find_rate.value,
            }
        )
        write_json(run.path / "results.json", jsonable(_document(study, read, run.path)))
        if plot:
            try:
                plot_players(study.players, run.path / "players.png")
            except MissingExtraError as error:
                output.warn(str(error))
    return study, run.path


def _document(study: GamesStudy, read: GamesRead, folder: Path) -> dict[str, Any]:
    found = {"files": read.files, "repeated_files": read.repeated, "damaged": read.damaged}
    return {**study._asdict(), **found, "run": str(folder)}


def _score(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return ""
    half = f" ±{(estimate.high - estimate.low) / 2:.3f}" if not math.isnan(estimate.low) else ""
    return f"{estimate.value:.3f}{half}"


def _ending(figures: GameFigures) -> tuple[str, str]:
    if not figures.games:
        return "", ""
    reward = "" if math.isnan(figures.mean_reward.value) else f"{figures.mean_reward.value:.2f}"
    return f"{figures.find_rate.value:.0%} of {figures.games}", reward


def _print(output: Output, study: GamesStudy, read: GamesRead, folder: Path) -> None:
    files = "1 file" if read.files == 1 else f"{read.files:,} files"
    output.note(
        f"{study.games:,} games of {files}: {study.bisecting:,} bisect the alphabet, "
        f"{study.scored:,} have an embedding score."
    )
    # Columns without a single figure are left out.
    columns = ["player"]
    columns += ["sum", "guesser", "answerer"] if study.scored else []
    columns += ["found", "reward"] if study.all_others.games else []
    columns += ["bisecting", "reward"] if study.all_bisection.games else []
    rows = []
    for player in study.players:
        row = [player.player or "(not told)"]
        if study.scored:
            total = "" if math.isnan(player.total) else f"{player.total:.3f}"
            row += [total, _score(player.guesser_score), _score(player.answerer_score)]
        row += _ending(player.others) if study.all_others.games else ()
        row += _ending(player.bisection) if study.all_bisection.games else ()
        rows.append(row)
    output.table(columns, rows, value=_document(study, read, folder))
    if output.is_json:
        return
    for what, figures in (("games that bisect", study.all_bisection), ("other games", study.all_others)):
        if figures.games:
            output.note(f"All {what}: {_told(figures)}")
    output.note(f"Kept in {folder}")


def _told(figures: GameFigures) -> str:
    rate = figures.find_rate
    told = f"{rate.value:.1%} found ({100 * rate.low:.1f}-{100 * rate.high:.1f})"
    if not math.isnan(figures.win_rate.value):
        told += f", {figures.win_rate.value:.1%} of the decided games won"
    if not math.isnan(figures.mean_reward.value):
        told += f", mean reward {figures.mean_reward.value:.2f}"
    if not math.isnan(figures.winning_reward):
        told += f", {figures.winning_reward:.2f} where found"
    return told
