"""`furikaeri bench`: run every benchmark, keep what came out, and lay two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from furikaeri_cli.bench.listing import SIZES, Benchmark, Size, choose, read_benchmarks
from furikaeri_cli.bench.machine_facts import busy_processors, this_machine
from furikaeri_cli.bench.needs import Places
from furikaeri_cli.bench.results import COMMAND, BenchRun, Result, find_bench_run, only, rows_of
from furikaeri_cli.bench.running import Watcher, run_benchmarks
from furikaeri_cli.bench.showing import compare_runs, list_benchmarks, show_again
from furikaeri_cli.bench.tables import duration
from furikaeri_cli.bench.telling import note, telling
from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.runs import find_unfinished, start_run

__all__ = ["bench", "bench_cli"]

_RUN = "an id, the beginning of one, or the path of a run folder"


def bench_cli(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Take these benchmarks alone; see --list.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: minutes in all instead of hours.")] = False,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Run all so many times, and tell medians and spreads.")
    ] = 1,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 1 if a limit is missed, or a comparison finds a figure worse or a failure."
        ),
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin anew, though an earlier run is unfinished.")] = False,
    list: Annotated[
        bool, typer.Option("--list", help="List the benchmarks, what they take and what they lack here.")
    ] = False,
    show: Annotated[str | None, typer.Option("--show", metavar="RUN", help=f"Show a run again: {_RUN}.")] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="RUN RUN", help="Lay two runs side by side, the earlier one first."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", metavar="SHARE", min=0.0, help="By what share single measurements differ by chance."
        ),
    ] = 0.1,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables as Markdown.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="MINUTES", min=0.01, help="End any benchmark after so long."),
    ] = None,
    benchmarks: Annotated[
        Path, typer.Option("--benchmarks", metavar="DIR", help="The folder of the benchmarks and their list.")
    ] = Path("benchmarks"),
    real_data: Annotated[
        Path | None, typer.Option("--real-data", metavar="DIR", help="The folder of real data.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the benchmarks, each in a process of its own, and print one table: ours, the alternative, ratio, limit.

    They come with a clone of the repository. Full sizes are those of the README and take hours; --quick shows the same
    table for small sizes in minutes. A benchmark that lacks a model or data is skipped, and one that fails or runs too
    long is told while the others go on; the exit code is then 1. The run is kept: interrupted, the same command goes on
    with what is not measured yet.

    Examples:
        furikaeri bench --quick
        furikaeri bench selection startup --repeat 5
        furikaeri bench --list
        furikaeri bench --show 20260301-1 --markdown
        furikaeri bench --show 20260301-1 selection
        furikaeri bench --compare 20260301-1 20260302-0 --strict
    """
    output = Output.choose(json=json, quiet=quiet)
    if sum((list, show is not None, compare is not None)) > 1:
        raise InputError("--list, --show and --compare each stand alone")
    if compare is not None:
        before, after = (only(find_bench_run(runs, run), names or []) for run in compare)
        compare_runs(output, before, after, tolerance=tolerance, markdown=markdown, strict=strict)
    elif show is not None:
        show_again(output, only(find_bench_run(runs, show), names or []), markdown=markdown)
    elif list:
        list_benchmarks(output, choose(read_benchmarks(benchmarks), names or []), Places.here(real_data))
    else:
        bench(
            output,
            choose(read_benchmarks(benchmarks), names or []),
            runs=runs,
            size="quick" if quick else "full",
            repeat=repeat,
            places=Places.here(real_data),
            timeout=None if timeout is None else 60 * timeout,
            new=new,
            strict=strict,
            markdown=markdown,
        )


def bench(
    output: Output,
    benchmarks: Sequence[Benchmark],
    *,
    runs: Path,
    size: Size,
    repeat: int = 1,
    places: Places,
    timeout: float | None = None,
    new: bool = False,
    strict: bool = False,
    markdown: bool = False,
) -> BenchRun:
    """Run benchmarks as a recorded run, or go on with one that was stopped, and print what came out.

    Args:
        output: who is told.
        benchmarks: in their order.
        runs: where the run is kept.
        size: of the work.
        repeat: how often each is run.
        places: of real data and models.
        timeout: seconds after which any is ended; None: as the list says.
        new: whether an unfinished run is left alone.
        strict: whether a missed limit is a failure.
        markdown: whether the table is Markdown.

    Raises:
        WorkError: if a benchmark failed; the table has been printed.
    """
    machine = this_machine()
    config = {
        "benchmarks": [benchmark.name for benchmark in benchmarks],
        "size": size,
        "repeat": repeat,
        "machine": machine._asdict(),
    }
    unfinished = None if new else find_unfinished(runs, COMMAND, config)
    _open(output, benchmarks, size, repeat, unfinished, machine.cores)
    failure, begun = None, None
    try:
        with start_run(runs, COMMAND, config, resume=unfinished) as run:
            begun = run
            with telling(output, run.path, benchmarks, size=size, repeat=repeat) as told:

                def on_end(result: Result, reused: bool) -> None:
                    if result.state == "done" and not reused:
                        figures = {f"{result.benchmark}: {one.what}": one.ours for one in result.figures}
                        run.log(figures, repeat=result.repeat)
                    told.on_end(result, reused)

                results = run_benchmarks(
                    run.path,
                    benchmarks,
                    size=size,
                    repeat=repeat,
                    places=places,
                    timeout=timeout,
                    watcher=Watcher(told.on_start, told.on_tick, on_end),
                )
            failed = list(dict.fromkeys(result.benchmark for result in results if result.state == "failed"))
            if failed:
                raise WorkError(
                    f"{len(failed)} of {len(benchmarks)} benchmarks failed: {', '.join(failed)}; what they printed is "
                    f"in {run.path / 'output'}",
                    fix="Run the same command again to try them alone once more",
                )
    except WorkError as error:
        if begun is None:
            raise
        failure = error
    except KeyboardInterrupt:
        if begun is not None:
            note(output, f"the same command goes on; what is measured: furikaeri bench --show {begun.id}")
        raise
    done = find_bench_run(runs, begun.id)
    show_again(output, done, markdown=markdown)
    note(output, f"kept in {run.path}; see it again with: furikaeri bench --show {run.id}")
    if failure is not None:
        raise failure
    if strict and any(row.figure.is_kept is False for row in rows_of(done.results)):
        raise typer.Exit(1)
    return done


def _open(
    output: Output, benchmarks: Sequence[Benchmark], size: Size, repeat: int, unfinished: Path | None, cores: int
) -> None:
    """Say what is about to be done."""
    takes = {one: duration(repeat * sum(benchmark.seconds.get(one, 0.0) for benchmark in benchmarks)) for one in SIZES}
    shorter = f" (--quick: {takes['quick']})" if size == "full" and takes["quick"] != takes["full"] else ""
    number = "1 benchmark" if len(benchmarks) == 1 else f"{len(benchmarks)} benchmarks"
    times = f", {repeat} times" if repeat > 1 else ""
    note(output, f"{number} in {size} size{times}: about {takes[size]} on two cores{shorter}")
    if unfinished is not None:
        note(output, f"going on with {unfinished}; --new begins anew")
    load = busy_processors()
    if load is not None and load > 0.5 * cores:
        output.warn(f"other work keeps this machine busy (load {load:g} on {cores} cores), so times will be worse")
