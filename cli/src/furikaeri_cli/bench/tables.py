"""Figures as a person reads them: tables on a terminal, tab-separated in a pipe, and as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from furikaeri_cli.bench.comparing import Change
from furikaeri_cli.bench.results import BenchRun, Result, Row, rows_of
from furikaeri_cli.output import Output
from furikaeri_common.figures import Figure

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.padding import Padding
    from rich.table import Table

__all__ = [
    "change_text",
    "drawn_run",
    "duration",
    "figure_line",
    "markdown_of_changes",
    "markdown_of_run",
    "origin",
    "ratio_text",
    "show_changes",
    "show_run",
    "value_text",
]

_COLUMNS = ("benchmark", "what", "ours", "unit", "alternative", "against", "ratio", "limit", "kept", "spread")
_HEADINGS = ("what", "ours", "alternative", "ratio", "limit")
_COMPARED = ("what", "before", "after", "change", "")
_FOR_ALTERNATIVES = 0.4  # of the room that two columns of text share
_STYLES = {"MISSED": "bold red", "worse": "bold red", "better": "green", "failed": "bold red", "skipped": "yellow"}


def value_text(value: float, unit: str) -> str:
    """Return a value with its unit, in four digits."""
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{shown} {unit}".rstrip()


def ratio_text(ratio: float | None) -> str:
    """Return how many times better ours is, in two or three digits."""
    if ratio is None:
        return ""
    return f"{ratio:,.0f} x" if ratio >= 10 else f"{ratio:.2f} x"


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def figure_line(figure: Figure) -> str:
    """Return a figure in one line, as it comes."""
    line = f"{figure.what}: {value_text(figure.ours, figure.unit)}"
    if figure.alternative is not None:
        line += f"; {_alternative(figure)}: {ratio_text(figure.ratio) or 'no ratio'}"
    return line + (f"; limit {_limit(figure)}" if figure.limit is not None else "")


def change_text(change: Change) -> str:
    """Return by how much a figure changed."""
    share = change.change
    if share is None:
        return ""
    return f"{share:+.1%}" if abs(share) < 10 else f"{share:+,.0%}"


def origin(run: BenchRun) -> str:
    """Return where a run's figures come from, as one sentence."""
    machine = str(run.machine or "an unknown machine")
    loads = [result.load for result in run.results if result.load is not None]
    spread = dict.fromkeys(f"{load:g}" for load in (min(loads, default=0.0), max(loads, default=0.0)))
    busy = f"; load before each {' to '.join(spread)}" if loads else ""
    repeats = max((result.repeat for result in run.results), default=1)
    medians = f", medians of {repeats} repeats" if repeats > 1 else ""
    git = run.record.git or {}
    commit = f"; commit {str(git.get('commit', ''))[:10]}{' with changes' if git.get('dirty') else ''}" if git else ""
    day = f", {run.record.started[:10]}"
    return f"Measured on {machine}: {run.size} sizes{medians}{day}{commit}{busy}."


def show_run(output: Output, run: BenchRun, value: object) -> None:
    """Print the table of a run.

    Args:
        output: the command's voice.
        run: with its results.
        value: what `--json` prints.
    """
    rows = rows_of(run.results)
    if output.is_json or not sys.stdout.isatty():
        output.table(_COLUMNS, [*map(_plain_row, rows), *_plain_others(run.results)], value=value)
        return
    output.show(drawn_run(run.results, rows, output.console().width))


def show_changes(output: Output, found: Sequence[Change], value: object) -> None:
    """Print two runs side by side.

    Args:
        output: the command's voice.
        found: what changed.
        value: what `--json` prints.
    """
    if output.is_json or not sys.stdout.isatty():
        columns = ("benchmark", "what", "unit", "before", "after", "change", "verdict", "ratio before", "ratio after")
        output.table(columns, [_plain_change(one) for one in found], value=value)
        return
    from rich.text import Text

    table = _table(_COMPARED)
    for name in dict.fromkeys(one.benchmark for one in found):
        table.add_row(Text(name, style="bold"))
        for one in (one for one in found if one.benchmark == name):
            before, after = (_value_or_none(figure) for figure in (one.before, one.after))
            verdict = "" if one.verdict == "same" else one.verdict
            table.add_row(_what(one.what), before, after, change_text(one), Text(verdict, _STYLES.get(verdict, "")))
    output.show(table)


def markdown_of_run(run: BenchRun) -> str:
    """Return the table of a run as Markdown, below it where it comes from and what is not in it."""
    lines = [_markdown(("benchmark", *_HEADINGS)), _markdown(["---"] * 6)]
    for row in rows_of(run.results):
        figure = row.figure
        cells = (figure.what, _ours(row), _alternative(figure), ratio_text(figure.ratio), _limit(figure))
        lines.append(_markdown((f"`{row.benchmark}`", *cells)))
    lines += ["", origin(run)]
    if others := _not_done(run.results):
        lines += ["", *(f"- `{one.benchmark}` {one.state}: {one.reason}" for one in others)]
    return "\n".join(lines)


def markdown_of_changes(found: Sequence[Change], before: BenchRun, after: BenchRun, told: Sequence[str]) -> str:
    """Return two runs side by side as Markdown; `told` is what else differs between them."""
    lines = [_markdown(("benchmark", "what", "before", "after", "change", "")), _markdown(["---"] * 6)]
    for one in found:
        values = (_value_or_none(one.before), _value_or_none(one.after), change_text(one))
        verdict = "" if one.verdict == "same" else one.verdict
        lines.append(_markdown((f"`{one.benchmark}`", one.what, *values, verdict)))
    lines += ["", f"Before: {before.record.id}. {origin(before)}", "", f"After: {after.record.id}. {origin(after)}"]
    return "\n".join([*lines, *(["", *(f"- {line}" for line in told)] if told else [])])


def _table(headings: Sequence[str]) -> Table:
    """Return an empty table whose texts share what room the figures leave, which are never broken."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        is_text = heading in ("what", "alternative")
        justify: Any = "left" if is_text or heading in ("", "limit") else "right"
        table.add_column(heading, justify=justify, no_wrap=not is_text, overflow="fold")
    return table


def _what(text: str) -> Padding:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(text, overflow="fold"), (0, 0, 0, 2))


def drawn_run(results: Sequence[Result], rows: Sequence[Row], width: int) -> RenderableType:
    """Return the table of a run for a terminal of so many columns, below it what failed or was skipped."""
    from rich.console import Group
    from rich.text import Text

    table = _table(_HEADINGS)
    fixed = dict.fromkeys(("ours", "ratio", "limit"), 5)
    for name in dict.fromkeys(row.benchmark for row in rows):
        took = sum(result.seconds for result in results if result.benchmark == name)
        table.add_row(Text.assemble((name, "bold"), f"  {duration(took)}"))
        for row in (row for row in rows if row.benchmark == name):
            figure = row.figure
            limit = Text(_limit(figure, "\n"), _STYLES["MISSED"] if figure.is_kept is False else "")
            ours, ratio = Text(_ours(row, "\n")), Text(ratio_text(figure.ratio))
            table.add_row(_what(figure.what), ours, Text(_alternative(figure)), ratio, limit)
            for column, cell in (("ours", ours), ("ratio", ratio), ("limit", limit)):
                fixed[column] = max(fixed[column], *(line.cell_len for line in cell.split("\n")))
    room = width - sum(fixed.values()) - 3 * len(_HEADINGS)
    table.columns[_HEADINGS.index("alternative")].max_width = max(12, int(_FOR_ALTERNATIVES * room))
    others = [
        Text.assemble((one.state, _STYLES[one.state]), f" {one.benchmark}: {one.reason}") for one in _not_done(results)
    ]
    return Group(*([table] if rows else []), *others)


def _not_done(results: Sequence[Result]) -> list[Result]:
    """Return what failed or was skipped, each once for its reason."""
    found = {(result.benchmark, result.state, result.reason): result for result in results if result.state != "done"}
    return list(found.values())


def _plain_row(row: Row) -> tuple[object, ...]:
    figure = row.figure
    kept = {None: "", True: "yes", False: "no"}[figure.is_kept]
    spread = row.spread if len(row.values) > 1 else None
    texts = (row.benchmark, figure.what, _digits(figure.ours), figure.unit)
    others = (_digits(figure.alternative), figure.against, _digits(figure.ratio), _digits(figure.limit))
    return (*texts, *others, kept, _digits(spread))


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _plain_others(results: Sequence[Result]) -> list[tuple[object, ...]]:
    empty = ("",) * (len(_COLUMNS) - 2)
    return [(one.benchmark, f"{one.state}: {one.reason}", *empty) for one in _not_done(results)]


def _plain_change(one: Change) -> tuple[object, ...]:
    both = (one.before, one.after)
    values = [_digits(None if figure is None else figure.ours) for figure in both]
    ratios = [_digits(None if figure is None else figure.ratio) for figure in both]
    return (one.benchmark, one.what, one.unit, *values, change_text(one), one.verdict, *ratios)


def _ours(row: Row, between: str = " ") -> str:
    text = value_text(row.figure.ours, row.figure.unit)
    if not row.spread:
        return text
    return f"{text}{between}({value_text(min(row.values), '')} to {value_text(max(row.values), '')})"


def _alternative(figure: Figure) -> str:
    if figure.alternative is None:
        return ""
    return ", ".join(part for part in (value_text(figure.alternative, figure.unit), figure.against) if part)


def _limit(figure: Figure, between: str = " ") -> str:
    if figure.limit is None:
        return ""
    sign = "≤" if figure.better == "less" else "≥"
    unit = "" if between == "\n" else figure.unit
    return f"{sign} {value_text(figure.limit, unit)}{between}{'kept' if figure.is_kept else 'MISSED'}"


def _value_or_none(figure: Figure | None) -> str:
    return "none" if figure is None else value_text(figure.ours, figure.unit)


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
