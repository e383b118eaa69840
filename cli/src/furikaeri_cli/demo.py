"""`furikaeri demo`: what the project does, end to end, on what ships with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from furikaeri_cli.options import Json, Quiet, Runs, Seed
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from twenty_questions.transcripts import Game

__all__ = ["Demonstrated", "demo", "demo_cli"]

SIMULATED_GAMES = 300
SIMULATED_NOISE = (0.0, 0.05)


class Demonstrated(NamedTuple):
    """What the demo made.

    Attributes:
        games: the two games of the match.
        find_rates: share of simulated games that were won, by share of flipped answers.
        folder: the simulation's run.
        files: everything that was written.
    """

    games: tuple[Game, Game]
    find_rates: dict[str, float]
    folder: Path
    files: tuple[Path, ...]


def demo_cli(runs: Runs = Path("runs"), seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Show the main job end to end: a match of 20 Questions, then many games with their figures.

    It needs nothing but what is installed, writes a run, and ends with what it made and where.

    Examples:
        furikaeri demo
        furikaeri demo --seed 7 --runs /tmp/runs
    """
    demo(Output.choose(json=json, quiet=quiet), runs=runs, seed=seed)


def demo(output: Output, *, runs: Path, seed: int) -> Demonstrated:
    """Play a match, simulate games, and tell what was made.

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
        workers=0,
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
    made = Demonstrated(
        games=games,
        find_rates={f"{result.setting.noise:g}": result.summary.find_rate for result in results},
        folder=folder,
        files=tuple(path for path in sorted(folder.iterdir()) if path.is_file()),
    )
    output.result(made, _ending(made))
    return made


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


def _ending(made: Demonstrated) -> str:
    described: Sequence[tuple[str, Any]] = [
        ("by_round.png", "share found and mean reward by round"),
        ("match.json", "the match; see it round by round with `tq replay`"),
        ("metrics.jsonl", "figures of the simulation"),
        ("results.json", "the same in full, with intervals and limits"),
        ("run.json", "what was run, with what, and when; see `furikaeri runs show`"),
    ]
    width = max(len(name) for name, _ in described)
    lines = [f"\n3. Made in {made.folder}:"]
    lines += [f"   {name:<{width}}  {what}" for name, what in described if made.folder / name in made.files]
    return "\n".join([*lines, "\nNow play yourself: tq play"])
