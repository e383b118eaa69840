"""How far the tasks are: a bar on a terminal, now and then a line elsewhere; always on stderr.

with showing_progress(output, "games", len(tasks)) as on_progress:
    report = run_tasks(play_part, tasks, store=store, engine=engine, on_progress=on_progress)
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from furikaeri_cli.output import Output
from furikaeri_common.tasks import Progress

__all__ = ["PlainLines", "showing_progress"]

_LONGEST_SILENCE = 30.0  # seconds


@contextlib.contextmanager
def showing_progress(output: Output, what: str, total: int) -> Iterator[Callable[[Progress], None]]:
    """Give a callback for `run_tasks` that shows its progress while the block lasts.

    A failed attempt is always told; the rest is not with `--json` or `--quiet`.

    Args:
        output: the command's voice.
        what: the plural of what is done, such as "games".
        total: how many tasks there are.
    """
    if output.mode != "human":
        yield lambda event: _tell_failure(output, event)
    elif not sys.stderr.isatty():
        lines = PlainLines(what)

        def tell(event: Progress) -> None:
            _tell_failure(output, event)
            if line := lines.line_for(event):
                output.note(line)

        yield tell
    else:
        with _bar(output, what, total) as draw:
            yield draw


class PlainLines:
    """Says when a line is due: at every tenth of the work, after a long silence, and at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tenths = 0
        self._spoke_at = 0.0

    def line_for(self, event: Progress) -> str:
        """Return the line that an event deserves; mostly empty."""
        tenths = 10 * event.done // event.total
        if tenths == self._tenths and event.seconds - self._spoke_at < _LONGEST_SILENCE:
            return ""
        self._tenths, self._spoke_at = tenths, event.seconds
        return f"{self._what}: {event.done} of {event.total} tasks after {event.seconds:.0f} s"


def _tell_failure(output: Output, event: Progress) -> None:
    if event.event in ("retried", "failed"):
        what_follows = "it is tried again" if event.event == "retried" else "the others go on"
        output.warn(f"task {event.key} failed ({event.error}); {what_follows}")


@contextlib.contextmanager
def _bar(output: Output, what: str, total: int) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=output.console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=total)

        def draw(event: Progress) -> None:
            _tell_failure(output, event)
            bars.update(bar, completed=event.done)

        yield draw
