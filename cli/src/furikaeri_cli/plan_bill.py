"""A plan of a big run as a bill: a line for each stage, what it comes to, and where the figures come from.

A line says how much there is to do, how long one device of each kind takes, the memory of a task, and what stays on
disk. Every figure that is not exact is marked: m for measured here, g for given, e for estimated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from furikaeri_cli.output import Output
from furikaeri_common.planning import HERE, bill_of, summed, wall_seconds

if TYPE_CHECKING:
    from rich.table import Table

    from furikaeri_common.planning import Amount, Bill, Plan, PlannedStage

__all__ = ["bytes_text", "money_text", "show_plan", "time_text"]

_MARKS = {"counted": "", "measured": " m", "given": " g", "estimated": " e"}
_LEAST_NAME, _GAP = 24, 2
_FEW = 3  # stages that are named where they are of unknown time
_LEGEND = {"measured": "m: measured here", "given": "g: given", "estimated": "e: estimated"}


def show_plan(output: Output, plan: Plan) -> None:
    """Print a plan: a line for each stage, the totals on one device and on several of each kind, and the notes."""
    counts = sorted({1, plan.devices})
    bills = {kind: [bill_of(plan, kind, devices) for devices in counts] for kind in plan.kinds}
    if output.is_json:
        output.result(_document(plan, [bill for some in bills.values() for bill in some]))
        return
    columns = ["stage", "work", *(kind if kind == HERE else f"1 {kind}" for kind in plan.kinds), "memory", "disk"]
    rows = [_row(plan, stage) for stage in plan.stages]
    rows.append(_total_row(plan, bills))
    if sys.stdout.isatty():
        for table in _drawn(plan.what, columns, rows, kinds=len(plan.kinds), width=output.console().width):
            output.show(table)
    else:
        output.show(plan.what)
        output.table(columns, rows)
    for kind, some in bills.items():
        output.show(_bill_text(plan, kind, some))
    for stage in plan.stages:
        if stage.tokens_in is not None:
            output.show(f"{stage.name}: {_server_text(plan, stage)}")
        if stage.note:
            output.show(f"{stage.name}: {stage.note}")
    for note in plan.notes:
        output.show(note)
    found = {mark for row in rows for cell in row for mark, sign in _MARKS.items() if sign and cell.endswith(sign)}
    output.show("; ".join(text for mark, text in _LEGEND.items() if mark in found))


def _drawn(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, kinds: int, width: int
) -> Iterator[Table]:
    """Yield the bill for a terminal: a line a stage, whose name is cut where there is no room for all of it.

    Kinds for which there is no room beside the others come in further tables.
    """
    widths = [max(len(column), *(len(row[place]) for row in rows)) for place, column in enumerate(columns)]
    last = len(columns) - 1
    # Stage, work, the kinds, memory, disk.
    shown, waiting = [1, last - 1, last], list(range(2, 2 + kinds))
    while waiting:
        room = width - _LEAST_NAME - sum(widths[place] + _GAP for place in shown)
        taken = [waiting.pop(0)]
        while waiting and sum(widths[place] + _GAP for place in (*taken, waiting[0])) <= room:
            taken.append(waiting.pop(0))
        places = sorted([*shown, *taken])
        name = width - sum(widths[place] + _GAP for place in places) - 2
        yield _one_table(title, columns, rows, places, {0: max(min(name, widths[0]), 1)})
        title, shown = "", []


def _one_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    places: Sequence[int],
    most: Mapping[int, int],
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place in (0, *places):
        side: Literal["left", "right"] = "right" if place else "left"
        drawn.add_column(columns[place], justify=side, no_wrap=True, overflow="ellipsis", max_width=most.get(place))
    for number, row in enumerate(rows):
        drawn.add_row(*(Text(row[place]) for place in (0, *places)), end_section=number == len(rows) - 2)
    return drawn


def _row(plan: Plan, stage: PlannedStage) -> list[str]:
    walls = [wall_seconds(stage, kind) for kind in plan.kinds]
    work = f"{number_text(stage.count.likely)} {stage.unit}{_MARKS[stage.count.basis]}"
    times = [_cell(wall, time_text, unknown="?") for wall in walls]
    return [stage.name, work, *times, _cell(stage.memory, bytes_text), _cell(stage.disk, bytes_text)]


def _total_row(plan: Plan, bills: Mapping[str, Sequence[Bill]]) -> list[str]:
    disks = [stage.disk for stage in plan.stages if stage.disk is not None]
    most = max((stage.memory for stage in plan.stages if stage.memory), key=lambda one: one.likely, default=None)
    times = [
        "?" if len(some[0].unknown) == len(plan.stages) else _cell(some[0].seconds, time_text)
        for some in bills.values()
    ]
    return ["all", "", *times, _cell(most, bytes_text), _cell(summed(disks) if disks else None, bytes_text)]


def _server_text(plan: Plan, stage: PlannedStage) -> str:
    read, written = ("" if one is None else number_text(one.likely) for one in (stage.tokens_in, stage.tokens_out))
    text = f"{read} tokens read, {written} written"
    if stage.fee is None:
        return f"{text}, at a price that is not known"
    return f"{text}, {_with_range(stage.fee, lambda money: money_text(money, plan.currency))}"


def _bill_text(plan: Plan, kind: str, bills: Sequence[Bill]) -> str:
    """Return a line such as "on 1 a100: 12.3 h (11.1 to 14.0 h), 23.2 $; on 8: 1.6 h (1.4 to 1.8 h), 24.1 $"."""
    parts = []
    for bill in bills:
        first = "here" if kind == HERE else f"on 1 {kind}"
        where = first if bill.devices == 1 else f"on {bill.devices}{' such machines' if kind == HERE else ''}"
        if len(bill.unknown) == len(plan.stages):
            return f"{where}: not known, for nothing was measured, given or reckoned"
        parts.append(f"{where}: {_with_range(bill.seconds, time_text)}")
        if bill.money is not None:
            parts[-1] += f", {_with_range(bill.money, lambda money: money_text(money, plan.currency))}"
    text = "; ".join(parts)
    if bills[0].unknown:
        unknown = bills[0].unknown
        named = ", ".join(unknown) if len(unknown) <= _FEW else f"the {len(unknown)} stages marked ?"
        text += f"; without {named}, whose time is not known"
    return text


def _document(plan: Plan, bills: Sequence[Bill]) -> dict[str, Any]:
    from furikaeri_common.documents import jsonable

    document: dict[str, Any] = jsonable(plan)
    for stage, told in zip(plan.stages, document["stages"], strict=True):
        told["seconds"] = {kind: jsonable(wall_seconds(stage, kind)) for kind in plan.kinds}
    return {**document, "bills": [{**jsonable(bill), "money": jsonable(bill.money)} for bill in bills]}


def _cell(figure: Amount | None, text: Callable[[float], str], *, unknown: str = "") -> str:
    return unknown if figure is None else f"{text(figure.likely)}{_MARKS[figure.basis]}"


def _with_range(figure: Amount, text: Callable[[float], str]) -> str:
    """Return a figure and its range, the unit once where it is the same."""
    likely, low, high = text(figure.likely), text(figure.low), text(figure.high)
    if low == likely == high:
        return likely
    number, _, unit = low.rpartition(" ")
    return f"{likely} ({number if unit == high.rpartition(' ')[2] else low} to {high})"


def number_text(value: float) -> str:
    """Return a count: in full up to ten thousand, and then as 20 k, 32 M or 1.6 G."""
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= max(size, 1e4):
            return f"{_three(value / size)}{sign}"
    return f"{value:,.0f}"


def time_text(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, most, sign in ((1, 100, "s"), (60, 5400, "min"), (3600, 1e7, "h")):
        if seconds < most:
            return f"{_three(seconds / unit)} {sign}"
    return f"{_three(seconds / 86400)} days"


def bytes_text(size: float) -> str:
    """Return bytes in the unit that suits them."""
    for unit, sign in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{_three(size / unit)} {sign}"
    return f"{size:.0f} B"


def money_text(money: float, currency: str) -> str:
    """Return money with its sign, the cents where they tell something."""
    return f"{money:,.2f} {currency}" if money < 100 else f"{money:,.0f} {currency}"


def _three(value: float) -> str:
    """Return a number by three digits, and never by a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
