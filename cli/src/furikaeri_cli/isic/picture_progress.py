"""How many pictures are scored: a bar on a terminal, now and then a line elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from furikaeri_cli.output import Output

__all__ = ["showing_pictures"]

_LONGEST_SILENCE = 30.0  # seconds


@contextlib.contextmanager
def showing_pictures(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback that shows how many pictures of how many are done, while the block lasts.

    Args:
        output: the command's voice.
        what: scores them, such as a model's name.
    """
    if output.mode != "human":
        yield lambda done, total: None
    elif not sys.stderr.isatty():
        spoke_at = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal spoke_at
            if time.monotonic() - spoke_at >= _LONGEST_SILENCE:
                spoke_at = time.monotonic()
                output.note(f"{what}: {done:,} of {total:,} pictures")

        yield tell
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=output.console(stderr=True), transient=True) as bars:

            def draw(done: int, total: int) -> None:
                if not bars.task_ids:
                    bars.add_task(f"{what}, pictures")
                bars.update(bars.task_ids[0], completed=done, total=total, visible=done < total)

            yield draw
