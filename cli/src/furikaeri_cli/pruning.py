"""`furikaeri runs prune`: runs that are no longer wanted, and the room they take."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_cli.runs import RUN_NAME, draw_runs, size_text
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.pruning import Deleted, choose_runs, delete_run, folder_size, sweep_leftovers, whole_run
from furikaeri_common.records import RunRecord, find_run, list_runs

__all__ = ["prunable_runs", "prune_cli", "prune_runs"]

_AGE = re.compile(r"([0-9]{1,6}) ?([mhdw])", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def prunable_runs(
    root: Path,
    names: Sequence[str] = (),
    *,
    failed: bool = False,
    older_than: timedelta | None = None,
    keep_last: int | None = None,
    command: str | None = None,
) -> list[RunRecord]:
    """Return the runs that are asked for and may be deleted, oldest first; none that still runs, and no link.

    Args:
        root: the folder that holds the runs.
        names: the runs that are meant (see `find_run`); none: all below the folder.
        failed, older_than, keep_last, command: what must hold of each, see `choose_runs`.

    Raises:
        InputError: if nothing at all is asked for, or a named run is not found, still runs, or is a link.
    """
    if not (names or failed or older_than is not None or keep_last is not None or command is not None):
        raise InputError(
            "nothing says which runs are to go",
            fix="Name runs, or give --failed, --older-than, --keep-last or --command",
        )
    records, _ = list_runs(root)
    chosen = choose_runs(
        [record for record in records if not record.path.is_symlink()],
        now=datetime.now(UTC),
        failed=failed,
        older_than=older_than,
        keep_last=keep_last,
        command=command,
    )
    if not names:
        return chosen
    named = {record.path.resolve(): record for record in (whole_run(find_run(root, name).path) for name in names)}
    rules = failed or older_than is not None or keep_last is not None or command is not None
    allowed = {record.path.resolve() for record in chosen}
    return [record for path, record in named.items() if not rules or path in allowed]


def prune_runs(records: Sequence[RunRecord]) -> list[Deleted]:
    """Delete runs; one that cannot be deleted, has gone, or was taken up meanwhile does not keep the others."""
    outcomes = []
    for record in records:
        try:
            outcomes.append(delete_run(record.path))
        except WorkError as error:
            outcomes.append(Deleted(record.id, 0, str(error), failed=True))
    return outcomes


def prune_cli(
    names: Annotated[list[str] | None, typer.Argument(metavar="RUN", help=f"These runs alone. {RUN_NAME}")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Runs that failed, were interrupted, or died.")] = False,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Runs that ended so long ago: 90m, 12h, 30d, 8w.")
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option("--keep-last", metavar="N", min=0, help="All but the newest N of each command.")
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="COMMAND", help='Runs of one command, such as "tq simulate".')
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and delete nothing.")] = False,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete runs that are no longer wanted, and say how much room that makes.

    Only runs that fit everything given are deleted, after a question; where nobody can answer, --yes is needed.
    A run that is still running, a folder that is no run, one with a damaged record, and links are left alone.

    Examples:
        furikaeri runs prune --failed --dry-run
        furikaeri runs prune --older-than 30d --keep-last 3
        furikaeri runs prune --command "tq simulate" --keep-last 0 --yes
        furikaeri runs prune 20260301-120000-tq-simulate-4f1c
    """
    output = Output.choose(json=json, quiet=quiet)
    age = None if older_than is None else _age(older_than)
    records = prunable_runs(runs, names or (), failed=failed, older_than=age, keep_last=keep_last, command=command)
    sizes = [folder_size(record.path) for record in records]
    would = [{"id": record.id, "size": size} for record, size in zip(records, sizes, strict=True)]
    if dry_run:
        draw_runs(output, records, sizes, {"would_delete": would, "deleted": [], "kept": [], "freed": 0})
        output.note(f"{_number(len(records))} would go and free {size_text(sum(sizes))}")
        return
    if records and not json:
        draw_runs(output, records, sizes, None)
    if records and not yes:
        question = f"Delete {_number(len(records))} and free {size_text(sum(sizes))}?"
        if json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise InputError(
                f"nothing is deleted: {_number(len(records))} would go and nobody can be asked",
                fix="Add --yes to delete, or --dry-run only to look",
            )
        if not _agreed(question):
            output.note("nothing is deleted")
            return
    outcomes = prune_runs(records)
    gone = [outcome for outcome in outcomes if not outcome.reason]
    kept = [outcome for outcome in outcomes if outcome.reason]
    freed = sum(outcome.size for outcome in gone) + sweep_leftovers(runs)
    if json:
        deleted = [{"id": outcome.id, "size": outcome.size} for outcome in gone]
        left = [{"id": outcome.id, "reason": outcome.reason} for outcome in kept]
        output.result({"would_delete": would, "deleted": deleted, "kept": left, "freed": freed})
    for outcome in kept:
        output.warn(f"{outcome.id}: {outcome.reason}")
    output.note(f"deleted {_number(len(gone))}, freed {size_text(freed)}" if records else f"{runs}: no such run")
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


def _agreed(question: str) -> bool:
    # Not typer.confirm, which tells Ctrl-C and the end of the input alike.
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _number(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


def _age(text: str) -> timedelta:
    fitting = _AGE.fullmatch(text.strip())
    if fitting is None:
        raise InputError(f"--older-than {text}: expected a number and m, h, d or w", fix="Write 30d for thirty days")
    return timedelta(**{_UNITS[fitting[2].lower()]: int(fitting[1])})
