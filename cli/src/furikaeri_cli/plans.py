"""How a plan of a big run is asked for: the options that `tq precompute plan` and `isic plan` share, and their values.

What comes of it is shown by `plan_bill.show_plan`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import typer

from furikaeri_cli.plan_bill import show_plan
from furikaeri_common.errors import InputError
from furikaeri_common.planning import HERE

__all__ = [
    "Currency",
    "Gpus",
    "Kinds",
    "Prices",
    "SampleSeconds",
    "Scale",
    "Throughputs",
    "named_kinds",
    "read_prices",
    "read_throughputs",
    "show_plan",
]

Prices = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="KIND=MONEY",
        help="What an hour of a device costs, such as a100=1.89 or here=0.10. May be given several times.",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="A kind of GPU to plan for, such as a100; may be repeated."),
]
Throughputs = Annotated[
    list[str] | None,
    typer.Option(
        "--throughput",
        metavar="[NAME@]KIND=RATE",
        help="What a GPU of a kind does in a second, for all models or the one of that name. May be given several "
        "times. A known kind without one is reckoned from its peak.",
    ),
]
Scale = Annotated[float, typer.Option("--scale", metavar="FACTOR", help="Plan for so many times the recipe's size.")]
Gpus = Annotated[int, typer.Option("--gpus", metavar="N", min=1, help="Tell the time with so many devices at once.")]
SampleSeconds = Annotated[
    float,
    typer.Option("--sample", metavar="SECONDS", min=0.0, help="How long to measure here, in all; 0: not at all."),
]
Currency = Annotated[str, typer.Option("--currency", metavar="SIGN", help="Of all money.")]


def read_prices(given: Sequence[str] | None) -> dict[str, float]:
    """Return the money an hour of each kind that `--price` names.

    Raises:
        InputError: if one is no KIND=MONEY, or stands twice.
    """
    prices: dict[str, float] = {}
    for text in given or ():
        kind, money = _halves(text, "--price", "KIND=MONEY, such as a100=1.89")
        if not 0 <= money < math.inf:
            raise InputError(f"--price {text}: expected money of at least 0")
        if kind in prices:
            raise InputError(f"--price {text}: {kind} has a price already", fix="Give each kind once")
        prices[kind] = money
    return prices


def read_throughputs(given: Sequence[str] | None, names: Collection[str]) -> dict[tuple[str, str], float]:
    """Return what `--throughput` says: (name, or "" for all; kind) -> units a second.

    Args:
        given: as the command line has it.
        names: what can stand before the @.

    Raises:
        InputError: if one is no [NAME@]KIND=RATE, names nothing that there is, or stands twice.
    """
    rates: dict[tuple[str, str], float] = {}
    for text in given or ():
        who, rate = _halves(text, "--throughput", "KIND=RATE or NAME@KIND=RATE, such as a100=450")
        name, _, kind = who.rpartition("@")
        if not kind or ("@" in who and name not in names):
            raise InputError(f"--throughput {text}: there is no {name!r} in the recipe", fix=_near(name, names))
        if not 0 < rate < math.inf:
            raise InputError(f"--throughput {text}: expected a rate above 0")
        if (name, kind) in rates:
            raise InputError(f"--throughput {text}: {who} has a rate already", fix="Give each once")
        rates[name, kind] = rate
    return rates


def named_kinds(
    kinds: Sequence[str] | None,
    throughputs: Mapping[tuple[str, str], float],
    prices: Mapping[str, float],
    *,
    is_measured: bool,
) -> tuple[str, ...]:
    """Return the kinds of device that the options name, each once; none where they name none.

    Args:
        kinds: of `--kind`.
        throughputs: of `--throughput`.
        prices: of `--price`.
        is_measured: whether anything is measured on this machine.

    Raises:
        InputError: if one is neither known nor given a throughput, or this machine is named and tells nothing.
    """
    from furikaeri_common.gpu_kinds import GPU_KINDS

    rated = [kind for _, kind in throughputs]
    named = tuple(dict.fromkeys([*(kinds or ()), *rated, *prices]))
    for kind in named:
        if kind in rated or kind in GPU_KINDS or (kind == HERE and is_measured):
            continue
        if kind == HERE:
            raise InputError("nothing is measured here, so there is no time here to tell", fix="Name a kind of GPU")
        raise InputError(
            f"no GPU of the kind {kind!r} is known",
            fix=f"Say what it does: --throughput {kind}=RATE. {_near(kind, GPU_KINDS)}",
        )
    return named


def _halves(text: str, option: str, form: str) -> tuple[str, float]:
    name, found, number = text.rpartition("=")
    try:
        if not found or not name.strip():
            raise ValueError
        return name.strip(), float(number)
    except ValueError:
        raise InputError(f"{option} {text}: expected {form}") from None


def _near(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Choose among {', '.join(names)}"
