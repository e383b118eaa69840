"""How far the labelling of a table is: pairs, pairs a second, the time left and the cost, on stderr.

A bar on a terminal, now and then a line elsewhere. Failures are told in every mode, the rest not with `--json` or
`--quiet`.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

from furikaeri_cli.output import Output
from twenty_questions.labelling.label_progress import LabelProgress

__all__ = ["LabelLines", "duration", "pace", "showing_labels"]

_LONGEST_SILENCE = 30.0  # seconds


@contextlib.contextmanager
def showing_labels(output: Output, total: int) -> Iterator[Callable[[LabelProgress], None]]:
    """Give a callback for `shards.label_pairs` that shows its progress while the block lasts.

    Args:
        output: the command's voice.
        total: pairs over all models.
    """
    lines = LabelLines()
    if output.mode == "human" and sys.stderr.isatty():
        with _bar(output, total) as draw:
            yield draw
        return

    def tell(step: LabelProgress) -> None:
        _tell_failure(output, step)
        if line := lines.line_for(step):
            output.note(line)

    yield tell


class LabelLines:
    """Says when a line is due: at every tenth of the work, at a new model, after a long silence, and at the end."""

    def __init__(self) -> None:
        self._tenths = 0
        self._spoke_at = 0.0

    def line_for(self, step: LabelProgress) -> str:
        """Return the line that a step deserves; mostly empty."""
        if step.event == "opening":
            return f"opening {step.model}"
        if step.event == "waiting":
            return "the rest is being labelled by another process"
        if step.event in ("retried", "failed"):
            return ""
        tenths = 10 * step.done // max(step.total, 1)
        if tenths == self._tenths and step.seconds - self._spoke_at < _LONGEST_SILENCE:
            return ""
        self._tenths, self._spoke_at = tenths, step.seconds
        return f"{step.model}: {step.done:,} of {step.total:,} pairs{pace(step)}"


def pace(step: LabelProgress) -> str:
    """Return the speed, the time left and the cost, as far as they are known; begins with a comma."""
    parts = []
    if step.rate > 0:
        parts.append(f"{step.rate:,.0f} pairs/s" if step.rate >= 100 else f"{step.rate:.3g} pairs/s")
    if math.isfinite(step.left) and step.done < step.total:
        parts.append(f"{duration(step.left)} left")
    if cost := step.usage.get("cost"):
        parts.append(f"cost {cost:.4g}")
    elif requests := step.usage.get("requests"):
        parts.append(f"{requests:,.0f} requests")
    return "".join(f", {part}" for part in parts)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it, such as "9 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tell_failure(output: Output, step: LabelProgress) -> None:
    if step.event not in ("retried", "failed"):
        return
    what = f"{step.model}, shard {step.shard}" if step.shard >= 0 else step.model
    follows = "it is tried again" if step.event == "retried" else "the others go on"
    if step.shard < 0:
        follows = "its other shards are left"
    output.warn(f"{what}: {step.error}; {follows}")


@contextlib.contextmanager
def _bar(output: Output, total: int) -> Iterator[Callable[[LabelProgress], None]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
    text = TextColumn("{task.fields[pace]}")
    with Progress(*columns, text, console=output.console(stderr=True), transient=True) as bars:
        bar = bars.add_task("pairs", total=total, pace="")

        def draw(step: LabelProgress) -> None:
            _tell_failure(output, step)
            waits = {"opening": ", opening", "waiting": ", another process is at work"}.get(step.event, "")
            shown = f"{step.done:,}/{step.total:,}{pace(step)}{waits}"
            bars.update(bar, completed=step.done, description=step.model[:24], pace=shown)

        yield draw
