"""The demo's first half: a match of 20 Questions, then many games with their figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from twenty_questions.transcripts import Game

__all__ = ["Played", "play_and_simulate"]

SIMULATED_GAMES = 300
SIMULATED_NOISE = (0.0, 0.05)


class Played(NamedTuple):
    """What was played.

    Attributes:
        games: the two games of the match.
        find_rates: share of simulated games that were won, by share of flipped answers.
        folder: the simulation's run.
        files: everything that was written there.
    """

    games: tuple[Game, Game]
    find_rates: dict[str, float]
    folder: Path
    files: tuple[Path, ...]


def play_and_simulate(output: Output, *, runs: Path, seed: int) -> Played:
    """Play a match and simulate games.

    Args:
        output: who is told.
        runs: where the run is kept.
        seed: decides the keyword and the games.
    """
    from furikaeri_cli.tq.simulate import Setting, draw_results, simulate_settings
    from twenty_questions.builtin.build import TABLE_FOLDER
    from twenty_questions.transcripts import write_games

    games = _match(output, seed)
    output.note(f"\n2. {SIMULATED_GAMES} games at each share of flipped answers")
    results, folder = simulate_settings(
        [Setting("table", "table", noise) for noise in SIMULATED_NOISE],
        table=TABLE_FOLDER,
        labels=None,
        games=SIMULATED_GAMES,
        rounds=20,
        seed=seed,
        runs=runs,
        output=output,
    )
    draw_results(output, results, folder)
    write_games(folder / "match.json", games)
    for result in results:
        output.show(
            f"   {result.setting.noise:.0%} flipped: {result.summary.find_rate:.1%} found, "
            f"in {result.summary.mean_rounds:.2f} rounds on average (no strategy needs fewer than "
            f"{result.fewest_rounds:.2f}, or finds more than {result.limit_by_round[-1]:.1%})"
        )
    return Played(
        games=games,
        find_rates={f"{result.setting.noise:g}": result.summary.find_rate for result in results},
        folder=folder,
        files=tuple(path for path in sorted(folder.iterdir()) if path.is_file()),
    )


def _match(output: Output, seed: int) -> tuple[Game, Game]:
    import numpy as np

    from twenty_questions.agent import make_agent
    from twenty_questions.guesser import GuesserConfig
    from twenty_questions.match import games_of, play
    from twenty_questions.table import builtin_table

    table = builtin_table()
    keyword = table.keywords[int(np.random.default_rng(seed).choice(len(table.keywords), p=table.prior))]
    output.note(
        f"1. A match over {keyword.name!r}, by the contest's rules. One pair asks about meaning, from a table of "
        f"{len(table.keywords):,} things and {len(table.questions):,} questions; the other keeps the protocol of the "
        "contest and bisects the alphabet."
    )
    answerer = make_agent(table)
    asking = make_agent(table, GuesserConfig(handshake=False, letters=False), seed)
    bisecting = make_agent(table, GuesserConfig(handshake=True), seed)
    result = play([asking, answerer, bisecting, answerer], keyword)
    games = games_of(result, keyword, ("asks about meaning", "bisects the alphabet"))
    for game in games:
        output.show(_transcript(game))
    return games


def _transcript(game: Game) -> str:
    lines = [f"\n   {game.source}: {game.reward} points"]
    lines += [
        f"   {number:>2}. {said.question}  {said.answer}. {said.guess}?"
        if said.guess
        else f"   {number:>2}. {said.question}"
        for number, said in enumerate(game.rounds, start=1)
    ]
    return "\n".join(lines)
