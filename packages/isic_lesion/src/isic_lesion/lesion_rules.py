"""What holds for the rows of the contest's tables, as a dataframely schema: types, ranges, categories, identities.

A rule is fatal where no model can be trusted with what breaks it: an impossible number, a label that contradicts the
diagnosis, an id that two lesions have. A sex, site or tile type that is none of the known ones is fatal too, for each
becomes a 0/1 column of the models, and an unknown one (`Male`) would pass for a missing one without a word. Another
hospital or location is not: models for unseen hospitals are there, and statistics by place fall back to all places.
The rest are things that all real rows obey, so they warn of wrong units, swapped columns and rows pasted together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from isic_lesion.schema import Column, Split, columns_of

if TYPE_CHECKING:
    from dataframely import Schema
    from polars import Expr

__all__ = ["Rule", "lesion_schema", "rules_of"]

_WIDENED = 0.1  # of the span seen in the full training table: beyond it a number is unusual
_LONGEST_LIST = 120  # characters of categories that a finding spells out
_ID_SHAPES = {"isic_id": "ISIC_", "patient_id": "IP_", "lesion_id": "IL_"}
_SITES = {
    "Head & Neck": "head/neck",
    "Left Arm": "upper extremity",
    "Right Arm": "upper extremity",
    "Left Leg": "lower extremity",
    "Right Leg": "lower extremity",
    "Torso Back": "posterior torso",
    "Torso Front": "anterior torso",
}


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
    all_rules = [rule for known in columns_of(split) for rule in _column_rules(known)]
    all_rules += [*_label_rules(), *_place_rules(), *_patient_rules(), *_identities()]
    held = {known.name for known in columns_of(split)} & set(columns if columns is not None else _names(split))
    return tuple(rule for rule in all_rules if held.issuperset(rule.needs))


def _names(split: Split) -> list[str]:
    return [known.name for known in columns_of(split)]


def _of_rows(rule: Rule) -> Callable[[type], Expr]:
    import polars as pl

    holds = rule.holds
    assert holds is not None
    return lambda schema: holds(pl.col(rule.column))


def _column_rules(known: Column) -> Iterator[Rule]:
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


def _label_rules() -> Iterator[Rule]:
    """Yield what ties the label to the diagnosis."""
    import polars as pl

    yield Rule(
        "target_follows_diagnosis",
        "target",
        "label contradicts diagnosis",
        True,
        "1 where iddx_1 is Malignant, else 0",
        ("target", "iddx_1"),
        lambda target: (target == 1) == (pl.col("iddx_1") == "Malignant"),
    )
    levels = [f"iddx_{level}" for level in range(1, 6)]
    yield Rule(
        "diagnosis_is_its_levels",
        "iddx_full",
        "inconsistent diagnosis",
        False,
        "iddx_1 to iddx_5, joined by ::",
        ("iddx_full", *levels),
        lambda full: full == pl.concat_str(levels, separator="::", ignore_nulls=True),
    )
    yield Rule(
        "biopsied_has_lesion_id",
        "lesion_id",
        "inconsistent diagnosis",
        False,
        "a lesion_id where iddx_1 is not Benign",
        ("lesion_id", "iddx_1"),
        lambda lesion: lesion.is_not_null() | (pl.col("iddx_1") == "Benign"),
    )


def _place_rules() -> Iterator[Rule]:
    """Yield what ties the body sites to each other."""
    import polars as pl

    yield Rule(
        "site_follows_location",
        "anatom_site_general",
        "inconsistent place",
        False,
        "the site that tbp_lv_location_simple lies in",
        ("anatom_site_general", "tbp_lv_location_simple"),
        lambda site: site == pl.col("tbp_lv_location_simple").replace_strict(_SITES, default=None),
    )
    yield Rule(
        "location_is_part_of_simple",
        "tbp_lv_location",
        "inconsistent place",
        False,
        "a part of tbp_lv_location_simple",
        ("tbp_lv_location", "tbp_lv_location_simple"),
        lambda location: location.str.starts_with(pl.col("tbp_lv_location_simple")),
    )


def _patient_rules() -> Iterator[Rule]:
    """Yield what all rows of a patient share."""
    for name in ("sex", "attribution"):
        yield Rule(
            f"one_{name}_per_patient",
            name,
            "differs within a patient",
            False,
            f"one {name} for all rows of a patient",
            (name, "patient_id"),
            lambda value: value.drop_nulls().n_unique().over("patient_id") <= 1,
        )


def _identities() -> Iterator[Rule]:
    """Yield how measurements follow from others: exactly but for rounding, or about so."""
    import polars as pl

    def lv(name: str) -> Expr:
        return pl.col(f"tbp_lv_{name}")

    def rule(name: str, expected: str, needs: tuple[str, ...], holds: Callable[[Expr], Expr]) -> Rule:
        wanted = (name, *needs)
        columns = tuple(f"tbp_lv_{one}" for one in wanted)
        return Rule(f"{name}_follows", f"tbp_lv_{name}", "inconsistent measurement", False, expected, columns, holds)

    def about(name: str, expected: str, needs: tuple[str, ...], formula: Expr, slack: tuple[float, float]) -> Rule:
        absolute, relative = slack
        return rule(name, expected, needs, lambda value: (value - formula).abs() <= absolute + relative * formula.abs())

    exact, rough = (0.01, 0.001), (1.0, 0.5)
    for end in ("", "ext"):
        a, b = lv(f"A{end}"), lv(f"B{end}")
        text = f"hypot(tbp_lv_A{end}, tbp_lv_B{end})"
        yield about(f"C{end}", text, (f"A{end}", f"B{end}"), (a * a + b * b).sqrt(), exact)
        hue = pl.arctan2(b, a).degrees()
        yield rule(
            f"H{end}",
            f"atan2(tbp_lv_B{end}, tbp_lv_A{end}) in degrees",
            (f"A{end}", f"B{end}"),
            # Equal but for a full turn; the hue of a grey has no direction.
            lambda value, hue=hue, a=a, b=b: (  # type: ignore[misc]
                (((value - hue + 180) % 360 - 180).abs() <= 0.1) | ((a * a + b * b) < 0.01)
            ),
        )
    for name in "ABL":
        text = f"tbp_lv_{name} - tbp_lv_{name}ext"
        yield about(f"delta{name}", text, (name, f"{name}ext"), lv(name) - lv(f"{name}ext"), exact)
    yield about(
        "area_perim_ratio",
        "tbp_lv_perimeterMM ^ 2 / tbp_lv_areaMM2",
        ("perimeterMM", "areaMM2"),
        lv("perimeterMM").pow(2) / lv("areaMM2"),
        exact,
    )
    yield about(
        "deltaLB",
        "about hypot(tbp_lv_deltaL, tbp_lv_deltaB)",
        ("deltaL", "deltaB"),
        (lv("deltaL").pow(2) + lv("deltaB").pow(2)).sqrt(),
        rough,
    )
    yield about(
        "deltaLBnorm",
        "about 5.68 tbp_lv_deltaLB / sqrt(tbp_lv_Lext)",
        ("deltaLB", "Lext"),
        5.68 * lv("deltaLB") / lv("Lext").sqrt(),
        rough,
    )
    yield about(
        "norm_color",
        "about 1.26 tbp_lv_color_std_mean + 1.63 tbp_lv_radial_color_std_max, at most 10",
        ("color_std_mean", "radial_color_std_max"),
        (1.26 * lv("color_std_mean") + 1.63 * lv("radial_color_std_max")).clip(0, 10),
        rough,
    )
    yield about(
        "norm_border",
        "about 0.173 tbp_lv_area_perim_ratio + 7.58 tbp_lv_symm_2axis - 2.17, at most 10",
        ("area_perim_ratio", "symm_2axis"),
        (0.173 * lv("area_perim_ratio") + 7.58 * lv("symm_2axis") - 2.17).clip(0, 10),
        rough,
    )
