"""What the commands that ask models share: their options, each declared once, and what `--model` must name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from furikaeri_common.errors import InputError

__all__ = [
    "Centring",
    "Concurrency",
    "Definitions",
    "Embeddings",
    "KeywordsAsked",
    "PriceIn",
    "PriceOut",
    "QuestionsAsked",
    "Requests",
    "RequestsPerMinute",
    "Samples",
    "Shard",
    "Temperature",
    "named_model",
    "named_models",
    "usage_line",
]

Centring = Annotated[
    bool, typer.Option("--centring", help="Measure a question's answers against those about reference things.")
]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, help="Requests to each server under way at once.")]
Definitions = Annotated[
    bool, typer.Option("--definitions", help="Put WordNet's definition of the keyword into the prompt.")
]
Embeddings = Annotated[
    str,
    typer.Option(
        "--embeddings",
        metavar="MODEL",
        help="A sentence embedder by folder or name; auto: the usual one if it is here; off: none.",
    ),
]
KeywordsAsked = Annotated[
    Path, typer.Option("--keywords", metavar="FILE", help="A keyword list, a text file, or a table's folder.")
]
PriceIn = Annotated[
    float, typer.Option("--price-in", min=0.0, help="What a million tokens read cost, to report the cost.")
]
PriceOut = Annotated[float, typer.Option("--price-out", min=0.0, help="The same for tokens written.")]
QuestionsAsked = Annotated[
    Path, typer.Option("--questions", metavar="FILE", help="A question list, a text file, or a table's folder.")
]
Requests = Annotated[int, typer.Option("--requests", min=1, help="How many requests.")]
RequestsPerMinute = Annotated[
    float, typer.Option("--requests-per-minute", min=0.0, help="Requests to each server at most; 0: no limit.")
]
Samples = Annotated[
    int, typer.Option("--samples", min=1, help="Answers drawn from a server that tells no probabilities.")
]
Shard = Annotated[
    int, typer.Option("--shard", min=1, help="Keywords in a shard: with all questions, what a kill can lose.")
]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="0: the likeliest text.")]


def named_model(model: str | None) -> str:
    """Return the model that `--model` names.

    Raises:
        InputError: if it names none.
    """
    if not model:
        raise InputError("no model is named", fix="Name one with --model")
    return model


def named_models(models: Sequence[str] | None) -> tuple[str, ...]:
    """Return the models that `--model` names, at least one.

    Raises:
        InputError: if it names none, or one twice.
    """
    named = tuple(models or ())
    if not named:
        raise InputError("no model is named", fix="Name one with --model")
    if twice := next((one for one in named if named.count(one) > 1), None):
        raise InputError(f"--model names {twice!r} twice", fix="Name each model once")
    return named


def usage_line(usage: Mapping[str, float]) -> str:
    """Return what a server counted, such as "requests: 12, tokens in: 3,400"; "" for a model in this process."""
    return ", ".join(f"{name.replace('_', ' ')}: {value:,.6g}" for name, value in usage.items())
