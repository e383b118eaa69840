"""`furikaeri demo`: what the project does, end to end, on what ships with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Runs, Seed
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_cli.isic.run import Ran
    from furikaeri_cli.tq.demo import Played

__all__ = ["Demonstrated", "demo", "demo_cli"]

Half = Literal["both", "tq", "isic"]

_GAME_FILES = (
    ("by_round.png", "share found and mean reward by round"),
    ("match.json", "the match; see it round by round with `tq replay`"),
    ("metrics.jsonl", "figures of the simulation"),
    ("results.json", "the same in full, with intervals and limits"),
    ("run.json", "what was run, with what, and when; see `furikaeri runs show`"),
)
_LESION_FILES = (
    ("report.html", "how good the scores are, for whom, and which lesions to look at first"),
    ("submission.csv", "scores of the test lesions"),
    ("models", "boosters in their libraries' own formats, with held-out scores and importances"),
    ("stack", "the weights of the models, and the stack's held-out scores"),
    ("run.json", "what was run, with what, and when; see `furikaeri runs show`"),
)


class Demonstrated(NamedTuple):
    """What the demo made.

    Attributes:
        games: the match and the simulation; None if that half was left out.
        lesions: the run on made-up lesions; None if that half was left out.
    """

    games: Played | None
    lesions: Ran | None


def demo_cli(
    runs: Runs = Path("runs"),
    seed: Seed = 0,
    half: Annotated[
        Half, typer.Option("--half", help="20 Questions alone (tq), skin lesions alone (isic), or both.")
    ] = "both",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the main job end to end: games of 20 Questions, then skin lesions from raw data to a report.

    It needs nothing but what is installed; the lesions are made up. It takes a minute or two, writes runs, and ends
    with what it made and where.

    Examples:
        furikaeri demo
        furikaeri demo --half tq --seed 7 --runs /tmp/runs
    """
    demo(Output.choose(json=json, quiet=quiet), runs=runs, seed=seed, half=half)


def demo(output: Output, *, runs: Path, seed: int, half: Half = "both") -> Demonstrated:
    """Play a match and simulate games, triage made-up lesions, and tell what was made.

    Args:
        output: who is told.
        runs: where the runs and the lesions are kept.
        seed: decides the keyword, the games and the lesions.
        half: which part of it.
    """
    from furikaeri_cli.isic.demo import triage_made_up_lesions
    from furikaeri_cli.tq.demo import play_and_simulate

    games = play_and_simulate(output, runs=runs, seed=seed) if half != "isic" else None
    lesions = triage_made_up_lesions(output, runs=runs, seed=seed) if half != "tq" else None
    made = Demonstrated(games, lesions)
    output.result(made, _ending(made))
    return made


def _ending(made: Demonstrated) -> str:
    lines = []
    if made.games is not None:
        lines += _list(made.games.folder, _GAME_FILES)
    if made.lesions is not None:
        lines += _list(made.lesions.folder, _LESION_FILES)
    own = ["tq play"] if made.games is not None else []
    own += ["isic run --data FOLDER"] if made.lesions is not None else []
    return "\n".join([*lines, f"\nNow with your own: {', or '.join(own)}"])


def _list(folder: Path, described: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in described)
    there = [f"   {name:<{width}}  {what}" for name, what in described if (folder / name).exists()]
    return [f"\nMade in {folder}:", *there]
