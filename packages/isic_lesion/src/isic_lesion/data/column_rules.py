"""What holds for each value of the contest's tables by itself: there or not, possible, known, seen before.

A rule is fatal where no model can be trusted with what breaks it: an impossible number, an id that two lesions have.
A sex, site or tile type that is none of the known ones is fatal too, for each becomes a 0/1 column of the models, and
an unknown one (`Male`) would pass for a missing one without a word. Another hospital or location is not: models for
unseen hospitals are there, and statistics by place fall back to all places. The rest warn of wrong units and the like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from isic_lesion.data.schema import Column

if TYPE_CHECKING:
    from polars import Expr

__all__ = ["Rule", "column_rules"]

_WIDENED = 0.1  # of the span seen in the full training table: beyond it a number is unusual
_LONGEST_LIST = 120  # characters of categories that a finding spells out
_ID_SHAPES = {"isic_id": "ISIC_", "patient_id": "IP_", "lesion_id": "IL_"}


class Rule(NamedTuple):
    """Something that each row obeys.

    Attributes:
        name: what dataframely calls it.
        column: whose value is shown where it is broken.
        kind: what is wrong then, in a few words.
        fatal: whether no model can be trusted with such a row.
        expected: what is right.
        needs: the columns that it looks at, in a table that may lack some.
        holds: whether a row obeys it, given the column; null counts as obeying. None for what dataframely knows.
    """

    name: str
    column: str
    kind: str
    fatal: bool
    expected: str
    needs: tuple[str, ...]
    holds: Callable[[Expr], Expr] | None = None


def column_rules(known: Column) -> Iterator[Rule]:
    """Yield what holds for each value of a column by itself."""
    name = known.name

    def rule(
        check: str, kind: str, expected: str, holds: Callable[[Expr], Expr] | None, *, fatal: bool = False
    ) -> Rule:
        return Rule(f"{name}|{check}", name, kind, fatal, expected, (name,), holds)

    if known.required:
        fatal = name in ("isic_id", "patient_id", "target", "iddx_1")
        yield rule("nullability", "missing value", "a value", None, fatal=fatal)
    if known.kind == "number":
        yield rule("nan", "not a finite number", "a finite number, or nothing", None, fatal=True)
        yield rule("inf", "not a finite number", "a finite number, or nothing", None, fatal=True)
        yield rule("check__possible", "impossible value", _range_text(known), _possible(known), fatal=True)
        if known.seen is not None:
            low, high = known.seen
            text = f"about {low:g} to {high:g}, as in the contest's table"
            yield rule("check__usual", "unusual value", text, _usual(known, (low, high)))
    elif known.categories:
        listed = ", ".join(known.categories)
        among = f"one of {listed}" if len(listed) < _LONGEST_LIST else "a value of the contest's training table"
        what = "unknown category" if known.closed else "new category"
        yield rule("check__known", what, among, lambda value: value.is_in(known.categories), fatal=known.closed)
    elif known.name in _ID_SHAPES:
        prefix = _ID_SHAPES[known.name]
        yield rule(
            "check__shape",
            "unusual id",
            f"{prefix} and seven digits",
            lambda value: value.str.contains(f"^{prefix}[0-9]{{7}}$"),
        )
        if name == "isic_id":
            text = "an id without a slash, for it is the name of an image"
            yield rule(
                "check__nameable", "impossible id", text, lambda value: ~value.str.contains(r"[/\x00]"), fatal=True
            )
            yield rule(
                "check__unique", "repeated id", "an id of its own", lambda value: value.is_first_distinct(), fatal=True
            )


def _range_text(known: Column) -> str:
    low, high = known.minimum, known.maximum
    above, below = known.open_ends
    if math.isinf(low) and math.isinf(high):
        return "a finite number"
    if math.isinf(high):
        return f"a number above {low:g}" if above else f"a number of at least {low:g}"
    return f"a number {'above' if above else 'from'} {low:g} {'and below' if below else 'to'} {high:g}"


def _possible(known: Column) -> Callable[[Expr], Expr]:
    above, below = known.open_ends

    def holds(value: Expr) -> Expr:
        low = value > known.minimum if above else value >= known.minimum
        high = value < known.maximum if below else value <= known.maximum
        return ~value.is_finite() | (low & high)

    return holds


def _usual(known: Column, seen: tuple[float, float]) -> Callable[[Expr], Expr]:
    low, high = seen
    margin = _WIDENED * (high - low)

    def holds(value: Expr) -> Expr:
        return ~value.is_finite() | ~_possible(known)(value) | value.is_between(low - margin, high + margin)

    return holds
