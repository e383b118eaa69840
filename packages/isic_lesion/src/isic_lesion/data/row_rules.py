"""What ties the columns of a row together, and the rows of a patient.

A label that contradicts the diagnosis is fatal. The rest holds for all real rows that were looked at, so breaking it
warns of wrong units, swapped columns, and rows pasted together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from isic_lesion.data.column_rules import Rule

if TYPE_CHECKING:
    from polars import Expr

__all__ = ["row_rules"]

_SITES = {
    "Head & Neck": "head/neck",
    "Left Arm": "upper extremity",
    "Right Arm": "upper extremity",
    "Left Leg": "lower extremity",
    "Right Leg": "lower extremity",
    "Torso Back": "posterior torso",
    "Torso Front": "anterior torso",
}


def row_rules() -> Iterator[Rule]:
    """Yield what ties label and diagnosis, body sites, the rows of a patient, and measurements."""
    yield from _label_rules()
    yield from _place_rules()
    yield from _patient_rules()
    yield from _identities()


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
            f"the {name} of the patient's other rows",
            (name, "patient_id"),
            # The rarer values are told, not all rows of the patient; of equally frequent ones the later by name.
            lambda value: value == value.drop_nulls().mode().min().over("patient_id"),
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
