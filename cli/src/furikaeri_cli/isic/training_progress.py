"""How far image models in training are: a line for every network under way, and one for all; always on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from isic_lesion.image_models.training_progress import NetworkProgress, TrainingProgress

__all__ = ["clock", "showing_training", "told_of"]

_LONGEST_SILENCE = 30.0  # seconds
_WIDTH_OF_BARS = 100


@contextlib.contextmanager
def showing_training(output: Output, total: int) -> Iterator[Callable[[TrainingProgress], None]]:
    """Give a callback for `train_image_models` that shows its progress while the block lasts.

    A failed attempt is always told; the rest is not with `--json` or `--quiet`.

    Args:
        output: the command's voice.
        total: how many networks there are.
    """
    if output.mode != "human":
        yield lambda event: _tell_failure(output, event)
    elif not sys.stderr.isatty():
        yield _plain(output)
    else:
        with _bars(output, total) as draw:
            yield draw


def told_of(network: NetworkProgress, is_narrow: bool = False) -> str:
    """Return where a network is, in about fifty letters, or about thirty."""
    loss, left = f"loss {network.loss:.4f}", f"{clock(network.seconds_left)} left"
    if is_narrow:
        return f"{network.epoch}/{network.epochs}, {loss}, {left}"
    return f"epoch {network.epoch}/{network.epochs}, {loss}, {network.images_per_second:.0f}/s, {left}"


def clock(seconds: float) -> str:
    """Return a span of time as 1:02:03, or 2:03 below an hour."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _plain(output: Output) -> Callable[[TrainingProgress], None]:
    """Return a callback that says when a network is done, and after a long silence where those in training are."""
    spoke_at = 0.0

    def tell(event: TrainingProgress) -> None:
        nonlocal spoke_at
        _tell_failure(output, event)
        if event.event in ("step", "checked"):
            if event.seconds - spoke_at >= _LONGEST_SILENCE:
                spoke_at = event.seconds
                if event.event == "checked":
                    output.note(f"{event.done:,} of {event.total:,} pictures checked")
                for network in event.under_way:
                    output.note(f"{network.key}: {told_of(network)}")
        elif event.event in ("reused", "finished"):
            spoke_at = event.seconds
            how = "was there" if event.event == "reused" else f"done after {clock(event.seconds)}"
            output.note(f"{event.key}: {how} ({event.done} of {event.total} networks)")

    return tell


def _tell_failure(output: Output, event: TrainingProgress) -> None:
    if event.event in ("retried", "failed"):
        what_follows = "it is tried again" if event.event == "retried" else "the others go on"
        output.warn(f"network {event.key} failed ({event.error}); {what_follows}")


@contextlib.contextmanager
def _bars(output: Output, total: int) -> Iterator[Callable[[TrainingProgress], None]]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    console = output.console(stderr=True)
    text = (TextColumn("{task.description}"), TextColumn("{task.fields[told]}"))
    is_narrow = console.width < _WIDTH_OF_BARS
    columns = text if is_narrow else (text[0], BarColumn(bar_width=12), text[1])
    with Progress(*columns, console=console, transient=True) as bars:
        everything = bars.add_task("networks", total=total, told=f"0 of {total}")
        shown: dict[str, TaskID] = {}

        def draw(event: TrainingProgress) -> None:
            _tell_failure(output, event)
            if event.event == "checked":
                bars.update(everything, told=f"0 of {total}; {event.done:,} of {event.total:,} pictures checked")
                return
            told = f"{event.done} of {event.total} after {clock(event.seconds)}"
            bars.update(everything, completed=event.done, told=told)
            here = {network.key: network for network in event.under_way}
            for key in [key for key in shown if key == event.key or (here and key not in here)]:
                bars.remove_task(shown.pop(key))
            for key, network in here.items():
                if key not in shown:
                    shown[key] = bars.add_task(key, total=network.steps, told="")
                bars.update(shown[key], completed=network.step, told=told_of(network, is_narrow))

        yield draw
