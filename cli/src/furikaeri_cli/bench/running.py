"""Benchmarks one after the other, each in a process of its own (io).

What a benchmark told is in the run's folder as soon as it ends, so a run that was stopped goes on with the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path
from typing import NamedTuple

from furikaeri_cli.bench.listing import Benchmark, Size
from furikaeri_cli.bench.machine_facts import busy_processors
from furikaeri_cli.bench.needs import Places, missing
from furikaeri_cli.bench.results import Result, output_file, read_results, save
from furikaeri_common.artifacts import sha256_of
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from furikaeri_common.figures import FIGURES_VARIABLE, Figure, read_figures
from furikaeri_common.packages import package_versions
from furikaeri_common.watched_command import run_command

__all__ = ["Watcher", "last_lines", "run_benchmarks"]

_PACKAGES = ("furikaeri_common", "twenty_questions", "isic_lesion", "furikaeri_cli")


class Watcher(NamedTuple):
    """Who is told of the work.

    Args:
        on_start: a benchmark begins, with its repeat.
        on_tick: about once a second, the seconds that it has run.
        on_end: a result, and whether it was there before.
    """

    on_start: Callable[[Benchmark, int], None] = lambda benchmark, repeat: None
    on_tick: Callable[[float], None] = lambda seconds: None
    on_end: Callable[[Result, bool], None] = lambda result, reused: None


def run_benchmarks(
    folder: Path,
    benchmarks: Sequence[Benchmark],
    *,
    size: Size,
    repeat: int,
    places: Places,
    timeout: float | None = None,
    watcher: Watcher,
) -> list[Result]:
    """Run every benchmark that the folder has no valid result of, and return the results of all.

    All of them are run once before the first is run again, so that a busy spell of the machine does not fall on all
    repeats of one.

    Args:
        folder: of the run.
        benchmarks: in their order.
        size: of the work.
        repeat: how often each is run, at least 1.
        places: where real data and models are.
        timeout: seconds after which any is ended; None: what each may take by the list.
        watcher: is told.
    """
    code = _code_mark()
    earlier = {(one.benchmark, one.repeat): one for one in _earlier(folder, benchmarks, repeat)}
    results = []
    for number in range(1, repeat + 1):
        for benchmark in benchmarks:
            given = benchmark.arguments.get(size)
            mark = fingerprint([code, sha256_of(benchmark.script), given, benchmark.environment])
            result = earlier.get((benchmark.name, number))
            reused = result is not None and result.state == "done" and result.mark == mark
            if result is None or not reused:
                result = _lacking(benchmark, number, places)
                if given is None:
                    result = Result(benchmark.name, number, "skipped", f"too large for a {size} run")
                elif result is None:
                    watcher.on_start(benchmark, number)
                    arguments = _arguments(given, benchmark, places, folder)
                    seconds = timeout or benchmark.timeout[size]
                    result = _run(folder, benchmark, number, arguments, seconds, places, watcher.on_tick)
                result = result._replace(mark=mark)
                save(folder, result)
            results.append(result)
            watcher.on_end(result, reused)
    return results


def last_lines(file: Path, number: int = 5) -> list[str]:
    """Return the last lines of what a benchmark printed, those without words left out."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - 20_000))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-number:]


def _earlier(folder: Path, benchmarks: Sequence[Benchmark], repeat: int) -> list[Result]:
    """Return what the folder has; a damaged result is measured again."""
    found = []
    for benchmark in benchmarks:
        for number in range(1, repeat + 1):
            with contextlib.suppress(InputError):
                found += read_results(folder, [benchmark.name], [number])
    return found


def _lacking(benchmark: Benchmark, number: int, places: Places) -> Result | None:
    for need in benchmark.needs:
        if lack := missing(need, places):
            return Result(benchmark.name, number, "skipped", str(lack))
    return None


def _run(
    folder: Path,
    benchmark: Benchmark,
    number: int,
    arguments: Sequence[str],
    timeout: float,
    places: Places,
    on_tick: Callable[[float], None],
) -> Result:
    output, work = output_file(folder, benchmark.name, number), _work(folder, benchmark)
    told = folder / "output" / f"{benchmark.name}-{number}.figures.json"
    output.parent.mkdir(exist_ok=True)
    told.unlink(missing_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    load = busy_processors()
    # Where a script looks by itself is the same place as where its needs were looked for.
    environment = {"FURIKAERI_MODELS": str(places.models), "PYTHONUNBUFFERED": "1", **benchmark.environment}
    if places.data is not None:
        environment["FURIKAERI_REAL_DATA"] = str(places.data)
    ended = run_command(
        [sys.executable, str(benchmark.script.resolve()), *arguments],
        output=output,
        seconds=timeout,
        folder=benchmark.script.resolve().parents[1],
        environment={**environment, FIGURES_VARIABLE: str(told.resolve())},
        on_tick=on_tick,
    )
    figures, reason = _told(told)
    told.unlink(missing_ok=True)
    reason = _failure(ended.status, timeout, figures) or reason
    if not reason:
        shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):
        work.parent.rmdir()
    return Result(
        benchmark=benchmark.name,
        repeat=number,
        state="failed" if reason else "done",
        reason=reason,
        figures=figures,
        seconds=round(ended.seconds, 2),
        cpu_seconds=round(ended.cpu_seconds, 2),
        peak=ended.peak,
        load=load,
    )


def _told(file: Path) -> tuple[tuple[Figure, ...], str]:
    """Return the figures that a benchmark told, and what is wrong with them."""
    if not file.exists():
        return (), "it told no figures"
    try:
        figures = tuple(read_figures(file))
    except InputError as error:
        return (), str(error)
    return figures, "" if figures else "it told no figures"


def _failure(status: int | None, timeout: float, figures: Sequence[Figure]) -> str:
    """Return why a benchmark failed by how it ended; empty if it did not."""
    if status is None:
        return f"stopped after {timeout:g} s"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
        return f"killed by signal {-status}"
    # A script that holds its own limits ends with 1 where it misses one, which its figures say better.
    if status == 1 and any(figure.is_kept is False for figure in figures):
        return ""
    return f"exit status {status}" if status else ""


def _arguments(given: Sequence[str], benchmark: Benchmark, places: Places, folder: Path) -> list[str]:
    named = {"{data}": places.data or Path(), "{models}": places.models, "{folder}": _work(folder, benchmark)}
    arguments = []
    for argument in given:
        for name, path in named.items():
            argument = argument.replace(name, str(path))
        arguments.append(argument)
    return arguments


def _work(folder: Path, benchmark: Benchmark) -> Path:
    return folder.resolve() / "work" / benchmark.name


def _code_mark() -> str:
    """Return a digest of the code that is measured, and of the versions of what it stands on."""
    digest = hashlib.sha256(fingerprint(package_versions()).encode())
    for package in _PACKAGES:
        spec = util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for file in sorted(Path(place).rglob("*.py")):
                digest.update(f"{file.relative_to(place)}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
