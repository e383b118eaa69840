"""Commands for the tests of the frame."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_common.errors import WorkError


class Kind(StrEnum):
    """Kinds."""

    good = "good"
    bad = "bad"


def sample_cli(
    name: Annotated[str, typer.Argument()] = "nobody",
    games: Annotated[int, typer.Option(min=1, help="How many.")] = 3,
    engine: Annotated[Literal["fast", "kaggle"], typer.Option(help="Who referees.")] = "fast",
    kind: Kind = Kind.good,
    tie_bits: float = 0.5,
    folder: Path | None = None,
    noise: Annotated[list[float] | None, typer.Option()] = None,
    fail: bool = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try every kind of option.

    A second paragraph.

    Examples:
        tq sample --games 3
        tq sample --json | head
    """
    if fail:
        raise WorkError("it broke", fix="Mend it")
    output = Output.choose(json=json, quiet=quiet)
    output.note("a note")
    output.result(
        {
            "name": name,
            "games": games,
            "engine": engine,
            "kind": kind,
            "tie_bits": tie_bits,
            "folder": folder,
            "noise": noise,
            "seed": seed,
        }
    )


def other_cli(depth: int = 1, json: Json = False) -> None:
    """Have another option.

    Examples:
        tq deep other
    """
    Output.choose(json=json).result({"depth": depth})
