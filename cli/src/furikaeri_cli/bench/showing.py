"""What is asked of benchmarks without running them: the list, a run again, two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from furikaeri_cli.bench.comparing import changes_between, differences
from furikaeri_cli.bench.listing import SIZES, Benchmark
from furikaeri_cli.bench.needs import Places, missing
from furikaeri_cli.bench.results import BenchRun, rows_of
from furikaeri_cli.bench.tables import duration, markdown_of_changes, markdown_of_run, origin, show_changes, show_run
from furikaeri_cli.bench.telling import note
from furikaeri_cli.output import Output
from furikaeri_common.documents import jsonable

__all__ = ["compare_runs", "list_benchmarks", "show_again"]


def list_benchmarks(output: Output, benchmarks: Sequence[Benchmark], places: Places) -> None:
    """Print the benchmarks with what they take, need and lack here."""
    rows, documents = [], []
    fixes: dict[str, None] = {}
    for benchmark in benchmarks:
        lacks = [lack for need in benchmark.needs if (lack := missing(need, places))]
        fixes.update((lack.fix, None) for lack in lacks)
        takes = [duration(benchmark.seconds[one]) if one in benchmark.seconds else "" for one in SIZES]
        needs = f"lacks {', '.join(lack.what for lack in lacks)}" if lacks else ", ".join(benchmark.needs)
        rows.append((benchmark.name, benchmark.what, *takes, needs))
        documents.append({**jsonable(benchmark), "lacks": lacks})
    output.table(("benchmark", "what", "quick", "full", "needs"), rows, value=documents)
    for fix in fixes:
        note(output, f"for what is lacking: {fix}")


def show_again(output: Output, run: BenchRun, *, markdown: bool) -> None:
    """Print the table of a run, and where it comes from."""
    if markdown and not output.is_json:
        output.show(markdown_of_run(run))
        return
    show_run(output, run, _document(run))
    note(output, origin(run))


def compare_runs(
    output: Output, before: BenchRun, after: BenchRun, *, tolerance: float, markdown: bool, strict: bool
) -> None:
    """Print two runs side by side, and what else differs between them."""
    found = changes_between(before, after, tolerance=tolerance)
    told = differences(before, after)
    ids = before.record.id, after.record.id
    worse = [one for one in found if one.verdict == "worse"]
    if markdown and not output.is_json:
        output.show(markdown_of_changes(found, before, after, told))
    else:
        rows = [{**one._asdict(), "change": one.change} for one in found]
        value = {"runs": ids, "tolerance": tolerance, "differences": told, "worse": len(worse), "figures": rows}
        show_changes(output, found, value)
        for line in told:
            note(output, line)
        better = sum(one.verdict == "better" for one in found)
        note(
            output,
            f"{len(worse)} worse, {better} better; single measurements may differ by {tolerance:.0%} (--tolerance), "
            "repeated ones by their spreads, exact ones not at all",
        )
    if strict and (worse or any(result.state == "failed" for result in after.results)):
        raise typer.Exit(1)


def _document(run: BenchRun) -> dict[str, Any]:
    """Return a run as JSON has it."""
    record = run.record
    return {
        "run": record.id,
        "path": str(record.path),
        "status": record.status,
        "size": run.size,
        "machine": run.machine,
        "git": record.git,
        "packages": record.packages,
        "benchmarks": [
            {key: value for key, value in one._asdict().items() if key not in ("figures", "mark")}
            for one in run.results
        ],
        "figures": [
            {
                "benchmark": row.benchmark,
                **row.figure._asdict(),
                "ratio": row.figure.ratio,
                "kept": row.figure.is_kept,
                "values": row.values,
            }
            for row in rows_of(run.results)
        ],
    }
