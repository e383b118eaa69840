"""How far the labelling of pairs is: pairs, pairs a second and the time left, on stderr.

A bar on a terminal, now and then a line elsewhere, nothing with `--json` or `--quiet`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from furikaeri_cli.output import Output
from twenty_questions.studies.predictions import PairProgress

__all__ = ["PairLines", "showing_pairs", "time_left"]

_LONGEST_SILENCE = 30.0  # seconds


@contextlib.contextmanager
def showing_pairs(output: Output, what: str, total: int) -> Iterator[Callable[[PairProgress], None]]:
    """Give a callback for `predictions.label_pairs` that shows its progress while the block lasts.

    Args:
        output: the command's voice.
        what: is labelling, such as a model's name.
        total: how many pairs there are.
    """
    if output.mode != "human":
        yield lambda progress: None
    elif not sys.stderr.isatty():
        lines = PairLines(what)

        def tell(progress: PairProgress) -> None:
            if line := lines.line_for(progress):
                output.note(line)

        yield tell
    else:
        with _bar(output, what, total) as draw:
            yield draw


class PairLines:
    """Says when a line is due: at every tenth of the work, after a long silence, and at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tenths = 0
        self._spoke_at = 0.0

    def line_for(self, progress: PairProgress) -> str:
        """Return the line that some progress deserves; mostly empty."""
        tenths = 10 * progress.done // max(1, progress.total)
        if tenths == self._tenths and progress.seconds - self._spoke_at < _LONGEST_SILENCE:
            return ""
        self._tenths, self._spoke_at = tenths, progress.seconds
        if not progress.labelled:
            return f"{self._what}: {progress.done:,} of {progress.total:,} pairs, from earlier runs"
        left = f", {time_left(progress)} left" if progress.done < progress.total else ""
        return (
            f"{self._what}: {progress.done:,} of {progress.total:,} pairs after {progress.seconds:.0f} s, "
            f"{progress.rate:.1f} pairs/s{left}"
        )


def time_left(progress: PairProgress) -> str:
    """Return how long the rest takes at the pace so far, such as "9 min"; "?" before the first pair."""
    if not progress.labelled:
        return "?"
    seconds = (progress.total - progress.done) / progress.rate
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


@contextlib.contextmanager
def _bar(output: Output, what: str, total: int) -> Iterator[Callable[[PairProgress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=output.console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=total, pace="")

        def draw(progress: PairProgress) -> None:
            pace = (
                f"{progress.rate:.1f} pairs/s, {time_left(progress)} left" if progress.labelled else "from earlier runs"
            )
            bars.update(bar, completed=progress.done, pace=pace)

        yield draw
