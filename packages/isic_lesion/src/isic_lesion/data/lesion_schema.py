"""The contest's tables as dataframely schemas, put together from the rules of their columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from isic_lesion.data.column_rules import Rule, column_rules
from isic_lesion.data.row_rules import row_rules
from isic_lesion.data.schema import Split, columns_of

if TYPE_CHECKING:
    from dataframely import Schema
    from polars import Expr

__all__ = ["lesion_schema", "rules_of"]


def lesion_schema(split: Split, columns: Sequence[str] | None = None, *, only_fatal: bool = False) -> type[Schema]:
    """Return the dataframely schema of a loaded table: `lesion_schema("test").validate(lesions.read())`.

    Args:
        split: "train" or "test".
        columns: those that the table has; rules about others are left out. None: all of the split's.
        only_fatal: whether to leave out the rules that merely warn.

    Raises:
        ValueError: if the split is neither.
    """
    import dataframely as dy

    rules = [rule for rule in rules_of(split, columns) if rule.fatal or not only_fatal]
    body: dict[str, Any] = {"__doc__": f"A {split} table of the contest.", "__module__": __name__}
    for known in columns_of(split):
        if columns is not None and known.name not in columns:
            continue
        own = {
            rule.name.rpartition("check__")[2]: rule.holds
            for rule in rules
            if rule.holds is not None and rule.name.startswith(f"{known.name}|")
        }
        required = any(rule.name == f"{known.name}|nullability" for rule in rules)
        if known.kind == "number":
            body[known.name] = dy.Float64(nullable=not required, check=own or None)
        elif known.kind == "target":
            body[known.name] = dy.Int8(nullable=not required, check=own or None)
        else:
            body[known.name] = dy.String(nullable=not required, check=own or None)
    for rule in rules:
        if rule.holds is not None and "|" not in rule.name:
            body[rule.name] = dy.rule()(_of_rows(rule))
    return type(f"{split.capitalize()}Lesions", (dy.Schema,), body)


def rules_of(split: Split, columns: Sequence[str] | None = None) -> tuple[Rule, ...]:
    """Return what holds for the rows of a table.

    Args:
        split: "train" or "test".
        columns: those that the table has; rules that need others are left out. None: all of the split's.

    Raises:
        ValueError: if the split is neither.
    """
    all_rules = [rule for known in columns_of(split) for rule in column_rules(known)] + [*row_rules()]
    held = {known.name for known in columns_of(split) if columns is None or known.name in columns}
    return tuple(rule for rule in all_rules if held.issuperset(rule.needs))


def _of_rows(rule: Rule) -> Callable[[type], Expr]:
    import polars as pl

    holds = rule.holds
    assert holds is not None
    return lambda schema: holds(pl.col(rule.column))
