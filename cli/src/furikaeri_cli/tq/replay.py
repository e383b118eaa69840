"""`tq replay`: any game, round by round, with the best guesses at each point."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Table
from furikaeri_cli.output import Output
from furikaeri_cli.tq.screen import percent
from furikaeri_common.errors import InputError
from twenty_questions.builtin.phrasing import wordings_of
from twenty_questions.guesser import GuesserConfig
from twenty_questions.replay import Seen, follow
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.transcripts import Game, read_games
from twenty_questions.understanding import index_wordings

__all__ = ["Replay", "replay", "replay_cli"]

_LONGEST = 160


class Replay(NamedTuple):
    """A game and what a table's belief saw in it.

    Attributes:
        game: which of the file's games, from 1.
        games: how many the file holds.
        source: who played.
        keyword: the secret; "" if the file does not tell.
        known: whether the table has it.
        reward: what the game brought; None if the file does not tell.
        rounds: in order.
    """

    game: int
    games: int
    source: str
    keyword: str
    known: bool
    reward: int | None
    rounds: tuple[Seen, ...]


def replay(games: tuple[Game, ...], number: int, table: AnswerTable, *, noise: float, top: int = 3) -> Replay:
    """Return one of some games as a table's belief follows it.

    Args:
        games: of a file.
        number: which of them, from 1.
        table: what is believed from.
        noise: how often an answer differs from the table's, in [0, 1/2].
        top: how many of the best guesses are reported.

    Raises:
        InputError: if there is no such game, or it has no rounds.
    """
    if not games:
        raise InputError("the file holds no games", fix="Give one with a game in it")
    if not 1 <= number <= len(games):
        raise InputError(f"there is no game {number}: the file holds {len(games)}", fix=f"Choose 1 to {len(games)}")
    chosen = games[number - 1]
    if not chosen.rounds:
        raise InputError(f"game {number} has no rounds: it ended before the first question")
    rounds = follow(table, index_wordings(wordings_of(table)), chosen, noise=noise, top=top)
    known = rounds[0].rank is not None
    return Replay(number, len(games), chosen.source, chosen.keyword, known, chosen.reward, rounds)


def replay_cli(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Games of ours (`--save`), or a Kaggle replay.")],
    game: Annotated[
        int,
        typer.Option(
            "--game", "--pair", min=1, help="Which game of the file. A Kaggle replay holds one for each pair."
        ),
    ] = 1,
    noise: Annotated[
        float, typer.Option("--noise", min=0.0, max=0.5, help="How often an answer may differ from the table's.")
    ] = GuesserConfig().noise,
    top: Annotated[int, typer.Option("--top", min=1, help="How many of the best guesses to show.")] = 3,
    table: Table = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show a game round by round: question, answer, guess, and what the table would have guessed.

    FILE is a game that `tq play --save` or `tq match --save` wrote, or a replay of the contest's engine. A question in
    other words than the table's is taken for the nearest one, marked with ≈ (≉ for its opposite); one that it cannot
    make sense of is marked with ?, and moves nothing.

    Examples:
        tq replay game.json
        tq replay 61234567.json --pair 2
        tq replay matches.json --game 7 --json
    """
    output = Output.choose(json=json, quiet=quiet)
    held = open_table(table) if table else builtin_table()
    seen = replay(read_games(file), game, held, noise=noise, top=top)
    output.note(_about(seen))
    output.table(
        ("Round", "Question", "Answer", "Bits", "Guess", f"Top {top}", "Secret"),
        [_row(number, one) for number, one in enumerate(seen.rounds, start=1)],
        value=seen,
    )


def _about(seen: Replay) -> str:
    """Return who played for what, in one line."""
    secret = f"the secret is {seen.keyword}" if seen.keyword else "the secret is not told"
    secret += "" if seen.known or not seen.keyword else ", which the table does not have"
    reward = "" if seen.reward is None else f"; reward {seen.reward}"
    others = f" (game {seen.game} of {seen.games})" if seen.games > 1 else ""
    return f"{seen.source or 'a game'}{others}: {secret}{reward}"


def _row(number: int, seen: Seen) -> tuple[object, ...]:
    secret = "" if seen.rank is None or seen.probability is None else f"{seen.rank}. {percent(seen.probability)}"
    between = "\n" if sys.stdout.isatty() else ", "
    top = between.join(f"{name} {percent(probability)}" for name, probability in seen.top)
    return number, _question(seen), seen.answer or "", f"{seen.bits:.2f}", seen.guess or "", top, secret


def _question(seen: Seen) -> str:
    asked = " ".join((seen.question or "").split())
    asked = asked if len(asked) <= _LONGEST else asked[: _LONGEST - 1] + "…"
    if seen.how == "understood":
        return f"{asked} {'≉' if seen.opposite else '≈'} {seen.understood}"
    return f"{asked} (?)" if seen.how is None and asked else asked
