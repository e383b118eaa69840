"""What a run of benchmarks keeps (io): a result for each benchmark and repeat, and what each printed.

`results/NAME-1.json` holds the figures of a benchmark's first repeat, `output/NAME-1.txt` all that it printed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from furikaeri_cli.bench.listing import Size
from furikaeri_cli.bench.machine_facts import Machine, machine_from
from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.figures import Figure, figures_from
from furikaeri_common.records import RunRecord, find_run

__all__ = [
    "COMMAND",
    "BenchRun",
    "Result",
    "Row",
    "find_bench_run",
    "only",
    "output_file",
    "read_results",
    "rows_of",
    "save",
]

COMMAND = "bench"
"""What `run.json` calls the command."""

State = Literal["done", "failed", "skipped"]


class Result(NamedTuple):
    """What came of one benchmark in one repeat.

    Args:
        benchmark: its name.
        repeat: from 1.
        state: "done", "failed", or "skipped" for want of something.
        reason: of a failure, or what is wanting; empty if it is done.
        figures: that it told; of a failed one those before its end.
        seconds: that it took by the clock.
        cpu_seconds: of the processor.
        peak: bytes of memory that its largest process held.
        load: how many processes wanted a processor just before it began; None where that is not known.
        mark: of everything the figures depend on; a result with another mark is of other code.
    """

    benchmark: str
    repeat: int
    state: State
    reason: str = ""
    figures: tuple[Figure, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak: int = 0
    load: float | None = None
    mark: str = ""


class Row(NamedTuple):
    """One figure of a benchmark over its repeats.

    Args:
        benchmark: its name.
        figure: as told, its values the medians.
        values: one for each repeat that told it.
    """

    benchmark: str
    figure: Figure
    values: tuple[float, ...]

    @property
    def spread(self) -> float:
        """How far the values lie apart."""
        return max(self.values) - min(self.values)


class BenchRun(NamedTuple):
    """A run of benchmarks, read back.

    Args:
        record: of the run.
        size: of its benchmarks.
        machine: that it ran on; None if that is not recorded.
        results: in the order of the run's list, repeat by repeat.
    """

    record: RunRecord
    size: Size
    machine: Machine | None
    results: tuple[Result, ...]


def output_file(folder: Path, name: str, repeat: int) -> Path:
    """Return the file of what a benchmark prints."""
    return folder / "output" / f"{name}-{repeat}.txt"


def save(folder: Path, result: Result) -> None:
    """Write a result into a run's folder."""
    write_json(_file(folder, result.benchmark, result.repeat), jsonable(result))


def read_results(folder: Path, names: Sequence[str], repeats: Iterable[int]) -> list[Result]:
    """Return the results that a run's folder has, by repeat and then in the order of the names.

    Raises:
        InputError: if one is damaged; the message names the file.
    """
    files = [_file(folder, name, repeat) for repeat in repeats for name in names]
    return [_result(file) for file in files if file.is_file()]


def find_bench_run(root: Path, name: str) -> BenchRun:
    """Return the run of benchmarks that a person means (see `records.find_run`).

    Raises:
        InputError: if no run or more than one fits, it is a run of something else, or it is damaged.
    """
    record = find_run(root, name, command=COMMAND)
    if record.command != COMMAND:
        raise InputError(f"{record.id}: is a run of {record.command}, not of benchmarks")
    config = record.config
    try:
        names, repeats, size = [str(one) for one in config["benchmarks"]], int(config["repeat"]), config["size"]
        if size not in get_args(Size):
            raise ValueError(f"unknown size {size!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{record.path / 'run.json'}: is damaged ({error})") from error
    results = tuple(read_results(record.path, names, range(1, repeats + 1)))
    return BenchRun(record, size, machine_from(config.get("machine")), results)


def only(run: BenchRun, names: Sequence[str]) -> BenchRun:
    """Return a run with the results of some benchmarks alone; with all of them if none is named.

    Raises:
        InputError: on a name that none of its benchmarks has.
    """
    known = [str(name) for name in run.record.config["benchmarks"]]
    for name in names:
        if name not in known:
            raise InputError(f"{run.record.id}: is a run without {name!r}", fix=f"It has: {', '.join(known)}")
    if not names:
        return run
    return run._replace(results=tuple(result for result in run.results if result.benchmark in names))


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Return a row for each figure of what is done, its values over the repeats, in the order of their first telling.

    A figure's texts and limit are those of its last telling.
    """
    told: dict[tuple[str, str], list[Figure]] = {}
    order = {name: place for place, name in enumerate(dict.fromkeys(result.benchmark for result in results))}
    for result in sorted(results, key=lambda one: (order[one.benchmark], one.repeat)):
        for figure in result.figures if result.state == "done" else ():
            told.setdefault((result.benchmark, figure.what), []).append(figure)
    return [_row(name, figures) for (name, _), figures in told.items()]


def _row(name: str, figures: Sequence[Figure]) -> Row:
    values = tuple(figure.ours for figure in figures)
    others = [figure.alternative for figure in figures if figure.alternative is not None]
    alternative = statistics.median(others) if others else None
    return Row(name, figures[-1]._replace(ours=statistics.median(values), alternative=alternative), values)


def _file(folder: Path, name: str, repeat: int) -> Path:
    return folder / "results" / f"{name}-{repeat}.json"


def _result(file: Path) -> Result:
    document: Any = read_json(file)
    try:
        if not isinstance(document, Mapping) or document["state"] not in get_args(State):
            raise ValueError("it has no known state")
        return Result(**{**document, "figures": tuple(figures_from(document["figures"], file))})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: is damaged ({error})", fix="Delete it to have it measured again") from error
