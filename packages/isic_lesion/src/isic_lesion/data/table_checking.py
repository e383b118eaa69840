"""A table's cells against what the contest's tables obey: every finding is named, none leaves anything out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isic_lesion.data.column_rules import Rule
from isic_lesion.data.dataset import cast_cells
from isic_lesion.data.findings import Finding, finding_schema, findings_of, join_findings
from isic_lesion.data.lesion_schema import lesion_schema, rules_of
from isic_lesion.data.schema import Split, columns_of

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["check_cells", "check_header", "check_shared"]

_TWICE = re.compile(r"(.*)_duplicated_\d+")


def check_header(names: Sequence[str], split: Split) -> list[Finding]:
    """Return what is wrong with a table's columns; their order does not matter.

    Args:
        names: as polars reads them: a second column of a name is called `<name>_duplicated_0`.
        split: "train" or "test".
    """
    known = [column.name for column in columns_of(split)]
    found = [Finding(True, "missing column", f"all {len(known)} columns", name) for name in known if name not in names]
    for name in names:
        twice = _TWICE.fullmatch(name)
        if twice and twice[1] in known:
            found.append(Finding(True, "column twice", "one column of each name", twice[1]))
        elif name not in known:
            found.append(Finding(False, "extra column", f"not in a {split} table: left out", name))
    return found


def check_cells(cells: DataFrame, lines: Series, split: Split) -> DataFrame:
    """Return what is wrong with a table's rows.

    Args:
        cells: a table as text, null where a cell is empty, shape (N, any); columns that it lacks are not looked for.
        lines: where each row begins in its file, UInt32, shape (N,).
        split: "train" or "test".

    Returns:
        A frame of findings, see `findings.finding_schema`.
    """
    import polars as pl

    if cells.is_empty():
        return findings_of([Finding(True, "no rows", "at least one lesion below the header")])
    empty = cells.select(pl.all_horizontal(pl.all().is_null())).to_series()
    found = [_located(Finding(True, "empty line", "a row; remove it"), lines.filter(empty))]
    if empty.any():
        cells, lines = cells.filter(~empty), lines.filter(~empty)
    known = [column.name for column in columns_of(split) if column.name in cells.columns]
    cells = cells.select(known)
    if "isic_id" not in known:
        cells = cells.with_columns(isic_id=pl.lit(None, pl.String))
    typed = cast_cells(cells, split)
    for column in columns_of(split):
        if column.kind in ("number", "target") and column.name in known:
            wrong = cells[column.name].is_not_null() & typed[column.name].is_null()
            expected = "0 or 1" if column.kind == "target" else "a number, or nothing"
            finding = Finding(True, "not a number" if column.kind == "number" else "not 0 or 1", expected, column.name)
            found.append(_rows(finding, cells, lines, wrong.arg_true()))
    found += _broken_rules(cells, typed, lines, split, known)
    return join_findings(found)


def check_shared(train: DataFrame, test: DataFrame) -> DataFrame:
    """Return what a training and a test table should not share: lesions (fatal) and patients (a warning).

    Args:
        train: columns isic_id and patient_id, String.
        test: the same and line, UInt32; findings are about its rows.
    """
    import polars as pl

    rows = test.filter(pl.col("isic_id").is_in(train["isic_id"].implode()))
    lesions = Finding(True, "lesion of training", "lesions that the training table lacks", "isic_id")
    patients = test.filter(pl.col("patient_id").is_in(train["patient_id"].implode()))
    patient = Finding(False, "patient of training", "patients that the training table lacks", "patient_id")
    return join_findings(
        [
            _frame(lesions, rows["line"], rows["isic_id"], rows["isic_id"]),
            _frame(patient, patients["line"], patients["isic_id"], patients["patient_id"]),
        ]
    )


def _broken_rules(
    cells: DataFrame, typed: DataFrame, lines: Series, split: Split, known: Sequence[str]
) -> list[DataFrame]:
    import dataframely as dy
    import polars as pl

    schema = lesion_schema(split, known)
    numbered: type[dy.Schema] = type("NumberedLesions", (schema,), {"row": dy.UInt32(), "__module__": __name__})
    failure = numbered.filter(typed.with_row_index("row")).failure
    counts = failure.counts()
    if not counts:
        return []
    details = failure.details().sort("row")
    found = []
    for rule in rules_of(split, known):
        if not counts.get(rule.name):
            continue
        rows = details.filter(pl.col(rule.name) == "invalid")["row"]
        if rule.kind == "missing value":  # what is no number became null, and is told already
            rows = rows.filter(cells[rule.column][rows].is_null())
        finding = Finding(rule.fatal, rule.kind, rule.expected, rule.column)
        of_rule = _rows(finding, cells, lines, rows)
        found.append(_naming_first(of_rule, cells, lines) if _is_repeat(rule) else of_rule)
    return found


def _is_repeat(rule: Rule) -> bool:
    return rule.kind == "repeated id"


def _naming_first(found: DataFrame, cells: DataFrame, lines: Series) -> DataFrame:
    """Say of each repeated id where it stood first."""
    import polars as pl

    first = (
        cells.select("isic_id", lines.alias("before"))
        .filter(pl.col("isic_id").is_in(found["isic_id"].implode()))
        .unique("isic_id", keep="first")
    )
    joined = found.join(first, on="isic_id", how="left", maintain_order="left")
    return joined.with_columns(expected=pl.format("an id of its own: {} has this one too", pl.col("before"))).select(
        finding_schema().names()
    )


def _rows(finding: Finding, cells: DataFrame, lines: Series, rows: Series) -> DataFrame:
    assert finding.column is not None
    return _frame(finding, lines[rows], cells["isic_id"][rows], cells[finding.column][rows])


def _located(finding: Finding, lines: Series) -> DataFrame:
    import polars as pl

    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
    return _frame(finding, lines, nothing, nothing)


def _frame(finding: Finding, lines: Series, isic_ids: Series, values: Series) -> DataFrame:
    """Return one finding for each of the rows."""
    import polars as pl

    return pl.DataFrame({"line": lines, "isic_id": isic_ids, "value": values}).select(
        fatal=pl.lit(finding.fatal),
        kind=pl.lit(finding.kind),
        expected=pl.lit(finding.expected),
        column=pl.lit(finding.column, dtype=pl.String),
        line=pl.col("line").cast(pl.UInt32),
        isic_id="isic_id",
        value="value",
    )
