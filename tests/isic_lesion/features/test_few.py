"""Features for few lesions: flags of places and sizes, and the light a lesion takes away."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.schema import column
from isic_lesion.features import CATALOGUE, Feature, FeatureSet, compute, fit_population
from isic_lesion.features.catalogue import few
from isic_lesion.features.few import HUES, PLACES
from isic_lesion.features.formulas import evaluate
from isic_lesion.features.optics import OPTICS


def only(*names: str) -> FeatureSet:
    return few().select(names)


def test_stays_small_and_out_of_the_patient() -> None:
    assert 100 <= len(few()) <= 130
    assert "patient_id" not in few().columns
    assert CATALOGUE["few"]() == few()
    for name, categories in PLACES.values():
        assert set(categories) <= set(column(name).categories)


def test_everything_is_computed(some_rows) -> None:
    rows = some_rows(3)
    found = compute(rows, few(), fit_population(rows, few()))
    assert found.columns == list(few().names)
    assert set(HUES) | set(OPTICS) <= set(found.columns)
    assert set(found.dtypes) == {pl.Float32}
    assert not found.select(pl.all().is_infinite().any()).row(0).count(True)


def test_places_by_hand(some_rows) -> None:
    rows = some_rows(1)
    found = compute(rows, only("sun_exposed", "trunk", "legs"), None)
    exposed = {"Head & Neck", "Left Arm - Lower", "Right Arm - Lower", "Left Leg - Lower", "Right Leg - Lower"}
    for place, flag in zip(rows["tbp_lv_location"], found["sun_exposed"], strict=True):
        assert math.isnan(flag) if place is None else flag == (place in exposed)
    for place, trunk, leg in zip(rows["tbp_lv_location_simple"], found["trunk"], found["legs"], strict=True):
        assert math.isnan(trunk) if place is None else (trunk == place.startswith("Torso"))
        assert math.isnan(leg) if place is None else (leg == place.endswith("Leg"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category": ()}, "one column and its categories"),
        ({"category": ("male", "male")}, "each once"),
        ({"group": ("sex", "attribution")}, "one column and its categories"),
        ({"group": ()}, "group columns"),
        ({"group": ("cluster",)}, "'cluster' alone"),
        ({"formulas": ("A",)}, "expected no formula"),
    ],
)
def test_what_is_no_choice_of_categories(change: dict[str, object], message: str) -> None:
    parts = {"name": "x", "kind": "any_of", "group": ("sex",), "category": ("male", "female"), **change}
    with pytest.raises(ValueError, match=message):
        Feature(**parts)  # type: ignore[arg-type]


def test_a_choice_of_categories_is_told() -> None:
    trunk = only("trunk").features[0]
    assert trunk.description == "tbp_lv_location_simple is any of Torso Back, Torso Front"
    assert trunk.columns == {"tbp_lv_location_simple"}
    assert not trunk.crosses_patients
    assert Feature.from_document(trunk.as_document()) == trunk


def test_flags_of_size_and_colour() -> None:
    values = {
        "clin_size_long_diam_mm": np.asarray([2.44, 2.45, np.nan]),
        "tbp_lv_norm_color": np.asarray([0.0, 0.01, 0.0]),
    }
    flags = {one.name: one.formulas[0] for one in only("small_diameter", "one_colour").features}
    assert evaluate(flags["small_diameter"], values.__getitem__).tolist() == pytest.approx(
        [1, 0, math.nan], nan_ok=True
    )
    assert evaluate(flags["one_colour"], values.__getitem__).tolist() == [1, 0, 1]
    numbers = {"a": np.asarray([1.0, 0.0, -1.0, np.nan]), "b": np.asarray([1.0, 1.0, np.nan, 2.0])}
    found = evaluate("below(a, b)", numbers.__getitem__)
    assert found.tolist() == pytest.approx([0, 1, math.nan, math.nan], nan_ok=True)
    assert evaluate("log(a)", numbers.__getitem__).tolist() == pytest.approx([0, *[math.nan] * 3], nan_ok=True)


def lab_of(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """Return CIELAB of linear sRGB, by the inverse of what the formulas do."""
    from_xyz = np.asarray([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    x, y, z = np.linalg.solve(from_xyz, [red, green, blue]) / [0.9505, 1.0, 1.0888]
    return 116 * y ** (1 / 3) - 16, 500 * (x ** (1 / 3) - y ** (1 / 3)), 200 * (y ** (1 / 3) - z ** (1 / 3))


def test_densities_are_what_light_is_lost() -> None:
    """A lesion that halves red, and takes three and five sixths of green and blue from the skin's light."""
    skin = np.asarray([0.6, 0.4, 0.3])
    lesion = skin * [0.5, 0.25, 1 / 6]
    values = {
        f"tbp_lv_{name}{of}": np.asarray([value])
        for of, light in (("", lesion), ("ext", skin))
        for name, value in zip("LAB", lab_of(*light), strict=True)
    }
    values |= {f"tbp_lv_delta{name}": values[f"tbp_lv_{name}"] - values[f"tbp_lv_{name}ext"] for name in "LAB"}
    found = {name: float(evaluate(formula, values.__getitem__)[0]) for name, formula in OPTICS.items()}
    expected = {
        "density_red": math.log(2),
        "density_green": math.log(4),
        "density_blue": math.log(6),
        "density_green_less_red": math.log(2),
        "density_blue_less_green": math.log(1.5),
        "redness_index": math.log(3),
        "redness_index_skin": math.log(1.5),
        "yellowness_index": math.log(2),
        "yellowness_index_skin": math.log(4 / 3),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=2e-3), name
    assert 0 < found["darkening_angle"] < math.pi
