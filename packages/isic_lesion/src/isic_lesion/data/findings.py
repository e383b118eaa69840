"""What was found wrong with a folder: one row a finding, and how to sum them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from polars import DataFrame
    from polars import Schema as FrameSchema

__all__ = ["Finding", "FindingGroup", "Report", "finding_schema", "findings_of", "join_findings"]


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        fatal: whether no model can be trusted with it; else it is a warning.
        kind: what is wrong, in a few words that many findings share.
        expected: what would be right, or what to do.
        column: of the table; None where no column is meant.
        line: where the row begins, the header counted (of a Parquet file: its number from 1); None if no row is meant.
        isic_id: of the row or image, if it has one.
        value: as it is written in the file.
    """

    fatal: bool
    kind: str
    expected: str
    column: str | None = None
    line: int | None = None
    isic_id: str | None = None
    value: str | None = None


class FindingGroup(NamedTuple):
    """Findings of one kind in one column.

    Attributes:
        first: the first of them.
        total: how many there are.
    """

    first: Finding
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Args:
        findings: a row a `Finding`, its fields as columns, fatal ones first, else as found. A frame, not a list, for
            there can be as many as cells.
        rows: how many rows were looked at.
        images: how many images were looked at.
    """

    findings: DataFrame
    rows: int
    images: int = 0

    @property
    def fatal(self) -> int:
        """How many findings are fatal."""
        return int(self.findings["fatal"].sum())

    @property
    def warnings(self) -> int:
        """How many findings are not fatal."""
        return len(self.findings) - self.fatal

    def groups(self) -> tuple[FindingGroup, ...]:
        """Return the findings by kind and column, fatal ones first, each told by its first."""
        import polars as pl

        grouped = self.findings.group_by("fatal", "kind", "column", maintain_order=True).agg(
            pl.exclude("fatal", "kind", "column").first(), pl.len().alias("total")
        )
        return tuple(
            FindingGroup(Finding(*(row[name] for name in Finding._fields)), row["total"])
            for row in grouped.iter_rows(named=True)
        )


def finding_schema() -> FrameSchema:
    """Return names and types of a frame of findings."""
    import polars as pl

    dtypes = {"fatal": pl.Boolean(), "line": pl.UInt32()}
    return pl.Schema({name: dtypes.get(name, pl.String()) for name in Finding._fields})


def findings_of(findings: Sequence[Finding]) -> DataFrame:
    """Return findings as a frame."""
    import polars as pl

    return pl.DataFrame(list(findings), schema=finding_schema(), orient="row")


def join_findings(frames: Sequence[DataFrame]) -> DataFrame:
    """Return frames of findings as one, fatal ones first, else in the order given."""
    import polars as pl

    # Not sorted: there can be millions, and a row's order among its own does not change.
    fatal = [frame.filter("fatal") for frame in frames]
    rest = [frame.filter(~pl.col("fatal")) for frame in frames]
    return pl.concat([findings_of(()), *fatal, *rest])
