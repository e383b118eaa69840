"""The options that several commands share, each declared once.

A command names the parameter after the option, for its name is the key in the configuration file and the end of the
environment variable: `def match_cli(seed: Seed = 0, json: Json = False)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "BaseUrl",
    "Device",
    "Json",
    "Leanings",
    "LesionPictures",
    "LesionTable",
    "Model",
    "Models",
    "PromptName",
    "Quiet",
    "Runs",
    "Seed",
    "Table",
    "Weights",
    "Workers",
]

_MODEL = "A language model: a folder, a GGUF file, a name in the models' folder or the hub's cache, or a server's."

BaseUrl = Annotated[
    list[str] | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="A server of OpenAI's protocol that has the model. Given several times, they share the requests.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="Where models compute: auto, cpu, cuda, cuda:1 or mps.")]
Leanings = Annotated[
    Path | None,
    typer.Option(
        "--leanings", metavar="FILE", help="Leanings of questions to take out, as `tq evaluate answerer` writes them."
    ),
]
Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help=_MODEL)]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="MODEL", help=f"{_MODEL} May be given several times.")
]
PromptName = Annotated[
    str, typer.Option("--prompt", metavar="NAME|FILE", help="How models are asked: a prompt by name, or a TOML file.")
]
Weights = Annotated[
    Literal["full", "8bit", "4bit"],
    typer.Option("--weights", help="How weights are held: as the device computes, or quantised by bitsandbytes."),
]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone, without notes.")]
LesionTable = Annotated[
    Path | None, typer.Option("--metadata", metavar="FILE", help="A table of lesions instead of the folder's.")
]
LesionPictures = Annotated[
    Path | None, typer.Option("--images", metavar="FILE", help="An HDF5 file of pictures instead of the folder's.")
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder that holds the runs.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The seed of everything random.")]
Table = Annotated[
    Path | None, typer.Option("--table", metavar="DIR", help="An answer table instead of the built-in one.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that share the work; 0: this one alone.")]
