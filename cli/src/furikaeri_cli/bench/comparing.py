"""Two runs of benchmarks side by side: what changed, and whether that is more than noise.

A figure that is the same in every run on one machine changed if it changed at all. Any other changed if its two medians
are further apart than both runs' spreads together; where a run has fewer than three repeats, half the tolerance of its
median stands for its spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from furikaeri_cli.bench.results import BenchRun, Row, rows_of
from furikaeri_common.figures import Figure

__all__ = ["Change", "Verdict", "changes", "changes_between", "differences"]

Verdict = Literal["better", "worse", "same", "gone", "new"]

_ROUNDING = 1e-6  # relative; libraries may sum in another order
_REPEATS = 3  # from which on their spread tells the noise


class Change(NamedTuple):
    """One figure of two runs; `before` or `after` is None where a run lacks it."""

    benchmark: str
    what: str
    unit: str
    before: Figure | None
    after: Figure | None
    verdict: Verdict

    @property
    def change(self) -> float | None:
        """How much more it is after, by what it was before; None if a run lacks it, or it was 0."""
        if self.before is None or self.after is None or self.before.ours == 0:
            return None
        return (self.after.ours - self.before.ours) / abs(self.before.ours)


def changes(before: Sequence[Row], after: Sequence[Row], *, tolerance: float, same_machine: bool) -> list[Change]:
    """Return every figure of either run, in the order of the second, then what only the first has.

    Args:
        before: rows of the earlier run.
        after: rows of the later one.
        tolerance: share of a value that single measurements may differ by, at least 0.
        same_machine: whether exact figures must agree.
    """
    if tolerance < 0:
        raise ValueError(f"expected tolerance >= 0, got {tolerance}")
    earlier = {(row.benchmark, row.figure.what): row for row in before}
    found = []
    for row in after:
        old = earlier.pop((row.benchmark, row.figure.what), None)
        verdict = "new" if old is None else _verdict(old, row, tolerance, same_machine)
        old_figure = None if old is None else old.figure
        found.append(Change(row.benchmark, row.figure.what, row.figure.unit, old_figure, row.figure, verdict))
    gone = [
        Change(row.benchmark, row.figure.what, row.figure.unit, row.figure, None, "gone") for row in earlier.values()
    ]
    return found + gone


def differences(before: BenchRun, after: BenchRun) -> list[str]:
    """Return what else differs between two runs and may be why their figures do, a line each."""
    told = []
    if before.size != after.size:
        told.append(f"sizes: {before.size}, then {after.size}")
    if before.machine != after.machine:
        told.append(f"machines: {before.machine or 'unknown'}; then {after.machine or 'unknown'}")
    commits = [str((run.record.git or {}).get("commit", "unknown"))[:10] for run in (before, after)]
    if commits[0] != commits[1]:
        told.append(f"commits: {commits[0]}, then {commits[1]}")
    old, new = before.record.packages, after.record.packages
    moved = [
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if moved:
        told.append(f"packages: {', '.join(moved)}")
    failed = [
        ", ".join(dict.fromkeys(one.benchmark for one in run.results if one.state == "failed")) or "none"
        for run in (before, after)
    ]
    if failed != ["none", "none"]:
        told.append(f"failed: {failed[0]}, then {failed[1]}")
    loads = [max((one.load for one in run.results if one.load is not None), default=0.0) for run in (before, after)]
    if max(loads) > 2 * max(0.5, min(loads)):
        told.append(f"load of the machine at most: {loads[0]:g}, then {loads[1]:g}")
    return told


def changes_between(before: BenchRun, after: BenchRun, *, tolerance: float) -> list[Change]:
    """Return the changes between two runs that were read back (see `changes`)."""
    alike = before.machine is not None and before.machine == after.machine
    return changes(rows_of(before.results), rows_of(after.results), tolerance=tolerance, same_machine=alike)


def _verdict(old: Row, new: Row, tolerance: float, same_machine: bool) -> Verdict:
    before, after = old.figure.ours, new.figure.ours
    if same_machine and old.figure.exact and new.figure.exact:
        noise = _ROUNDING * max(abs(before), abs(after))
    else:
        noise = _noise(old, tolerance) + _noise(new, tolerance)
    if abs(after - before) <= noise:
        return "same"
    return "better" if (after < before) == (new.figure.better == "less") else "worse"


def _noise(row: Row, tolerance: float) -> float:
    return row.spread if len(row.values) >= _REPEATS else tolerance / 2 * abs(row.figure.ours)
