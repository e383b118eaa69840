"""Which benchmark is under way, how long it all will take, and each figure as it comes; on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_cli.bench.listing import Benchmark, Size
from furikaeri_cli.bench.results import Result, output_file
from furikaeri_cli.bench.running import Watcher, last_lines
from furikaeri_cli.bench.tables import duration, figure_line
from furikaeri_cli.output import Output, fitted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["note", "telling"]


@contextlib.contextmanager
def telling(
    output: Output, folder: Path, benchmarks: Sequence[Benchmark], *, size: Size, repeat: int
) -> Iterator[Watcher]:
    """Give a watcher that tells of the work while the block lasts: lines, and below them a bar on a terminal.

    What failed is told in every mode, the rest is not with `--json` or `--quiet`.

    Args:
        output: the command's voice.
        folder: of the run.
        benchmarks: that are run.
        size: of the work.
        repeat: how often each is run.
    """
    if output.mode != "human" or not sys.stderr.isatty():
        yield _Teller(output, folder, benchmarks, size, repeat).watcher()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=output.console(stderr=True), transient=True, refresh_per_second=1) as bars:
        teller = _Teller(output, folder, benchmarks, size, repeat)
        bar = bars.add_task("", total=teller.expected, left="")
        teller.draw_on(bars, bar)
        yield teller.watcher()


class _Teller:
    def __init__(self, output: Output, folder: Path, benchmarks: Sequence[Benchmark], size: Size, repeat: int) -> None:
        self._output, self._folder, self._size, self._repeat = output, folder, size, repeat
        self._by_name = {benchmark.name: benchmark for benchmark in benchmarks}
        self._total = len(benchmarks) * repeat
        self._number = 0
        self._current: Benchmark | None = None
        self._done = self._expected_of_run = self._taken = 0.0  # seconds: expected of what is settled, or was run
        self.expected = sum(benchmark.seconds.get(size, 0.0) for benchmark in benchmarks) * repeat
        self._bars: tuple[Progress, TaskID] | None = None

    def draw_on(self, bars: Progress, bar: TaskID) -> None:
        """Draw on a bar from now on."""
        self._bars = bars, bar

    def watcher(self) -> Watcher:
        """Return the functions that are told."""
        return Watcher(self._on_start, self._on_tick, self._on_end)

    def _on_start(self, benchmark: Benchmark, repeat: int) -> None:
        self._current = benchmark
        again = f" (repeat {repeat} of {self._repeat})" if self._repeat > 1 else ""
        self._say(
            f"[{self._number + 1}/{self._total}] {benchmark.name}{again}: {benchmark.what}; "
            f"about {duration(benchmark.seconds[self._size])}"
        )
        self._on_tick(0.0)

    def _on_tick(self, seconds: float) -> None:
        if self._bars is None or self._current is None:
            return
        at = self._done + min(seconds, self._current.seconds[self._size])
        # What was run so far tells how fast this machine is beside the one of the list.
        pace = (self._taken + 60) / (self._expected_of_run + 60)
        left = f"about {duration(max(1.0, pace * (self.expected - at)))} left"
        bars, bar = self._bars
        bars.update(bar, completed=at, description=f"{self._current.name} {duration(seconds)}", left=left)

    def _on_end(self, result: Result, reused: bool) -> None:
        self._number += 1
        expected = self._by_name[result.benchmark].seconds.get(self._size, 0.0)
        self._done += expected
        place = f"[{self._number}/{self._total}] {result.benchmark}"
        if reused:
            self._say(f"{place}: done before")
        elif result.state == "skipped":
            self._say(f"{place}: skipped, {result.reason}")
        elif result.state == "failed":
            self._warn_of_failure(result)
        if result.state == "done" and not reused:
            self._say(f"{place}: done in {duration(result.seconds)}")
            for figure in result.figures:
                self._say(figure_line(figure), indent=4)
        if result.state != "skipped" and not reused:
            self._taken += result.seconds
            self._expected_of_run += expected

    def _warn_of_failure(self, result: Result) -> None:
        file = output_file(self._folder, result.benchmark, result.repeat)
        text = f"{result.benchmark} failed: {result.reason}; all that it printed is in {file}; the others go on"
        if self._bars is None:
            self._output.warn(text)
        else:
            self._say(f"warning: {text}")
        for line in last_lines(file):
            self._say(line[:500], indent=4)

    def _say(self, text: str, *, indent: int = 0) -> None:
        if self._bars is None:
            note(self._output, text, indent=indent)
        else:
            self._bars[0].console.print(fitted(text, indent), markup=False, highlight=False, soft_wrap=True)


def note(output: Output, text: str, *, indent: int = 0) -> None:
    """Say something by the way, on stderr; on a terminal no word is broken."""
    output.note(fitted(text, indent))
