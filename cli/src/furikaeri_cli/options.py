"""The options that several commands share, each declared once.

A command names the parameter after the option, for its name is the key in the configuration file and the end of the
environment variable: `def match_cli(seed: Seed = 0, json: Json = False)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Json", "Quiet", "Runs", "Seed", "Table", "Workers"]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone, without notes.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder that holds the runs.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The seed of everything random.")]
Table = Annotated[
    Path | None, typer.Option("--table", metavar="DIR", help="An answer table instead of the built-in one.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that share the work; 0: this one alone.")]
