"""`furikaeri runs`: what was run, with what, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.comparison import Comparison, compare, last_metrics
from furikaeri_common.documents import flatten
from furikaeri_common.errors import InputError
from furikaeri_common.pruning import folder_size
from furikaeri_common.records import RunRecord, find_run, list_runs, read_metrics

__all__ = [
    "RUN_NAME",
    "ComparedRuns",
    "ShownRun",
    "compare_cli",
    "compare_runs",
    "draw_runs",
    "list_cli",
    "show_cli",
    "show_run",
    "size_text",
]

RUN_NAME = "An id, the beginning of one, or the path of a run folder."
"""How a person may name a run, for the help."""

_COLUMNS = ("id", "status", "command", "started", "seed", "size")
_FIRST_TO_GO = ("seed", "started", "command", "size", "status")  # on a narrow terminal; an id tells most of them


class ShownRun(NamedTuple):
    """One run in full: its record, what it measured last, the files it left (paths within its folder), and its size.

    The size is what it takes on disk, in bytes.
    """

    record: RunRecord
    metrics: dict[str, Any]
    files: tuple[str, ...]
    size: int


class ComparedRuns(NamedTuple):
    """Runs side by side: their ids, and what differs in the same order."""

    ids: tuple[str, ...]
    comparison: Comparison


def show_run(root: Path, name: str) -> ShownRun:
    """Return one run in full.

    Raises:
        InputError: if no run or more than one fits the name, or its metrics are damaged.
    """
    record = find_run(root, name)
    files = (path.relative_to(record.path) for path in record.path.rglob("*") if path.is_file())
    names = tuple(sorted(file.as_posix() for file in files))
    return ShownRun(record, last_metrics(read_metrics(record.path)), names, folder_size(record.path))


def compare_runs(root: Path, names: list[str]) -> ComparedRuns:
    """Lay runs side by side, in the order of their names; seed, data, packages and commit count as configuration.

    Raises:
        InputError: if fewer than two are named, or one is not found.
    """
    if len(names) < 2:
        raise InputError("one run has nothing to be compared with", fix="Name two or more")
    records = [find_run(root, name) for name in names]
    comparison = compare(
        [
            {
                "command": record.command,
                **record.config,
                "seed": record.seed,
                "status": record.status,
                "data": record.data,
                "git": record.git,
                "packages": record.packages,
            }
            for record in records
        ],
        [read_metrics(record.path) for record in records],
    )
    return ComparedRuns(tuple(record.id for record in records), comparison)


def list_cli(runs: Runs = Path("runs"), json: Json = False, quiet: Quiet = False) -> None:
    """List the runs below a folder, oldest first.

    The size is what a run takes on disk; a narrow terminal shows the id whole and leaves out what has no room.
    A folder that is no run or whose record is damaged is named on stderr, and with --json under "damaged".

    Examples:
        furikaeri runs list
        furikaeri runs list --runs /data/runs --json
    """
    output = Output.choose(json=json, quiet=quiet)
    records, damaged = list_runs(runs)
    sizes = [folder_size(run.path) for run in records]
    documents = [{**run._asdict(), "size": size} for run, size in zip(records, sizes, strict=True)]
    draw_runs(output, records, sizes, {"runs": documents, "damaged": [str(error) for error in damaged]})
    for error in damaged:
        output.warn(str(error))
    if not records:
        output.note(f"{runs}: no runs yet")


def draw_runs(output: Output, records: Sequence[RunRecord], sizes: Sequence[int], value: object) -> None:
    """Print a table of runs; on a narrow terminal columns are left out, for an id must be whole to be copied.

    Args:
        output: the command's voice.
        records: the runs, in the order of the rows.
        sizes: what each takes on disk, in bytes.
        value: what `--json` prints.
    """
    rows = [
        (run.id, run.status, run.command, run.started[:19].replace("T", " "), run.seed, size_text(size))
        for run, size in zip(records, sizes, strict=True)
    ]
    shown = list(_COLUMNS)
    if sys.stdout.isatty() and not output.is_json:
        room = output.console().width
        for name in _FIRST_TO_GO:
            if _width(shown, rows) > room:
                shown.remove(name)
    places = [_COLUMNS.index(name) for name in shown]
    output.table(shown, [tuple(row[place] for place in places) for row in rows], value=value)


def _width(shown: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """Return the cells that a table drawn on a terminal takes, three of them between two columns."""
    places = [_COLUMNS.index(name) for name in shown]
    widths = [max(len(str(row[place])) for row in (_COLUMNS, *rows)) for place in places]
    return sum(widths) + 3 * len(widths)


def size_text(size: int) -> str:
    """Return bytes as a person reads them: three digits and a decimal unit."""
    if size < 1000:
        return f"{size} B"
    amount, unit = size / 1e3, 0
    while amount >= 999.5 and unit < 4:
        amount, unit = amount / 1e3, unit + 1
    return f"{amount:.3g} {('kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def show_cli(
    run: Annotated[str, typer.Argument(help=RUN_NAME)],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Show one run: its configuration, what it measured last, and what it left.

    Examples:
        furikaeri runs show 20260301-1
        furikaeri runs show ./runs/20260301-120000-tq-simulate-4f1c --json
    """
    output = Output.choose(json=json)
    shown = show_run(runs, run)
    record = shown.record
    rows: list[tuple[str, Any]] = [
        ("id", record.id),
        ("path", record.path),
        ("status", record.status + (f" ({record.error})" if record.error else "")),
        ("command", record.command),
        ("started", record.started),
        ("resumed", ", ".join(record.resumed)),
        ("ended", record.ended),
        ("seed", record.seed),
        ("size", size_text(shown.size)),
        *(("git " + key, value) for key, value in (record.git or {}).items()),
        *(("data " + key, value) for key, value in record.data.items()),
        *(("config " + key, value) for key, value in flatten(record.config).items()),
        *(("last " + key, value) for key, value in shown.metrics.items()),
        *(("package " + key, value) for key, value in record.packages.items()),
        *(("file", name) for name in shown.files),
    ]
    output.table(("what", "value"), [row for row in rows if row[1] not in (None, "")], value=shown)


def compare_cli(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help=f"Two or more. {RUN_NAME}")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Lay runs side by side: where their configurations differ, and what each measured last.

    Examples:
        furikaeri runs compare 20260301-1 20260302-0
        furikaeri runs compare a b c --json
    """
    output = Output.choose(json=json)
    compared = compare_runs(runs, names)
    differing, metrics = compared.comparison
    rows = [(key, *values) for key, values in differing.items()]
    rows += [(f"last {key}", *values) for key, values in metrics.items()]
    output.table(("what", *compared.ids), rows, value={"runs": compared.ids, "config": differing, "metrics": metrics})
