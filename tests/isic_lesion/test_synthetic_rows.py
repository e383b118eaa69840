"""Made-up rows: the published figures, and every rule that real rows keep."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion.data.schema import COLUMNS, NUMERIC_COLUMNS, frame_schema
from isic_lesion.synthetic.dependence import dependence, nearest_positive, normal_correlation
from isic_lesion.synthetic.lesions import norm_border_of, norm_color_of
from isic_lesion.synthetic.marginals import GRID, marginal, monotone_cubic
from isic_lesion.synthetic.metadata import lesion_rows
from isic_lesion.synthetic.parameters import CLASSES, published
from isic_lesion.synthetic.plan import plan
from isic_lesion.synthetic.sizes import Sizes

ROWS = 30_720


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Rows with the contest's patients and many malignant ones, so that both classes can be measured."""
    return lesion_rows(Sizes(rows=ROWS, patients=8_000, malignant=10_000, seed=11), 0, ROWS)


@pytest.fixture(scope="module")
def values(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Their numeric columns, without the prefix."""
    return {name.removeprefix("tbp_lv_"): rows[name].to_numpy() for name in NUMERIC_COLUMNS}


def test_rows_are_typed_whole_and_in_order_of_id(rows: pl.DataFrame) -> None:
    assert rows.schema == frame_schema("train")
    assert rows["isic_id"].is_sorted()
    assert rows["isic_id"].is_unique().all()
    assert rows["isic_id"].str.contains(r"^ISIC_\d{7}$").all()
    for column in COLUMNS:
        if column.kind == "number" and column.required:
            assert rows[column.name].null_count() == 0, column.name
        if column.kind == "number":
            assert rows[column.name].drop_nulls().is_finite().all(), column.name


def test_numbers_stay_within_what_the_full_table_has(rows: pl.DataFrame) -> None:
    facts = published().full
    for name in ("clin_size_long_diam_mm", "tbp_lv_A", "tbp_lv_B", "tbp_lv_L", "tbp_lv_Lext", "tbp_lv_deltaLBnorm"):
        low, high = rows[name].min(), rows[name].max()
        assert facts[name]["min"] - 1.6 <= float(low) <= float(high) <= facts[name]["max"] + 1.6, name  # type: ignore[arg-type]


def test_identities_of_real_rows_hold(values: dict[str, np.ndarray]) -> None:
    v = values
    for ext in ("", "ext"):
        np.testing.assert_allclose(v[f"C{ext}"], np.hypot(v[f"A{ext}"], v[f"B{ext}"]), rtol=1e-6)
        hue = np.degrees(np.arctan2(v[f"B{ext}"], v[f"A{ext}"]))
        np.testing.assert_allclose(v[f"H{ext}"], hue, atol=1e-4)
    for letter in "ABL":
        np.testing.assert_allclose(v[f"delta{letter}"], v[letter] - v[f"{letter}ext"], atol=2e-5)
    np.testing.assert_allclose(v["area_perim_ratio"], v["perimeterMM"] ** 2 / v["areaMM2"], rtol=1e-5)
    np.testing.assert_allclose(
        v["norm_color"], norm_color_of(v["color_std_mean"], v["radial_color_std_max"]), atol=2e-5
    )
    np.testing.assert_allclose(v["norm_border"], norm_border_of(v["area_perim_ratio"], v["symm_2axis"]), atol=2e-5)
    pixels = v["areaMM2"] / (10 / 73) ** 2
    np.testing.assert_allclose(pixels, np.round(pixels), atol=2e-2)
    assert set(v["symm_2axis_angle"]) == set(range(0, 180, 5))
    assert np.all(v["minorAxisMM"] < v["clin_size_long_diam_mm"] + 0.005)
    assert np.all(v["deltaL"] < 0)
    assert np.all(v["deltaLB"] > np.hypot(v["deltaL"], v["deltaB"]) - 1e-4)
    colourless = v["color_std_mean"] == 0
    assert np.all(v["radial_color_std_max"][colourless] == 0)
    assert v["areaMM2"][colourless].max() < 8
    area = v["areaMM2"] / (0.97 * np.pi / 4 * v["clin_size_long_diam_mm"] * v["minorAxisMM"])
    assert 0.9 < np.median(area) < 1.1


def test_rules_of_real_rows_are_those_measured_here(real_data: object) -> None:
    from pathlib import Path

    from isic_lesion.data.dataset import open_lesions

    real = open_lesions(Path(str(real_data)) / "isic").read()
    v = {name.removeprefix("tbp_lv_"): real[name].to_numpy() for name in NUMERIC_COLUMNS}
    np.testing.assert_allclose(
        v["norm_color"], norm_color_of(v["color_std_mean"], v["radial_color_std_max"]), atol=1e-4
    )
    np.testing.assert_allclose(v["norm_border"], norm_border_of(v["area_perim_ratio"], v["symm_2axis"]), atol=1e-4)
    pixels = v["areaMM2"] / (10 / 73) ** 2
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-2)


def test_texts_follow_from_each_other(rows: pl.DataFrame) -> None:
    assert ((rows["target"] == 1) == (rows["iddx_1"] == "Malignant")).all()
    assert rows.filter(pl.col("iddx_1") != "Benign")["lesion_id"].null_count() == 0
    named = rows["lesion_id"].drop_nulls()
    assert named.is_unique().all()
    for level in range(1, 6):
        parts = rows["iddx_full"].str.split("::").list.get(level - 1, null_on_oob=True)
        assert parts.equals(rows[f"iddx_{level}"], check_names=False)
    sites = rows.group_by("tbp_lv_location_simple").agg(pl.col("anatom_site_general").n_unique())
    assert (sites["anatom_site_general"] == 1).all()
    assert (rows["anatom_site_general"].is_null() == (rows["tbp_lv_location"] == "Unknown")).all()
    for column in ("sex", "attribution", "copyright_license"):
        assert (rows.group_by("patient_id").agg(pl.col(column).n_unique())[column] == 1).all()
    spans = rows.group_by("patient_id").agg((pl.col("age_approx").max() - pl.col("age_approx").min()).alias("span"))
    assert set(spans["span"].drop_nulls()) <= {0.0, 5.0}
    white = rows.filter(pl.col("tbp_tile_type") == "3D: white")["attribution"].value_counts(sort=True)
    assert white["attribution"][0] == "Memorial Sloan Kettering Cancer Center"


def test_columns_have_the_published_quantiles(rows: pl.DataFrame) -> None:
    facts = published().classes
    for target, name in enumerate(CLASSES):
        own = rows.filter((pl.col("target") == target) & (pl.col("iddx_1") != "Indeterminate"))
        for column in ("clin_size_long_diam_mm", "tbp_lv_A", "tbp_lv_Hext", "tbp_lv_stdL", "tbp_lv_deltaL", "tbp_lv_y"):
            figures = facts[column][name]
            width = figures["p75"] - figures["p25"]
            for share, key in ((0.05, "p05"), (0.5, "p50"), (0.95, "p95")):
                assert own[column].quantile(share) == pytest.approx(figures[key], abs=0.35 * width), (column, key)


def test_columns_have_the_published_rank_correlations(rows: pl.DataFrame) -> None:
    facts = published()
    names = [name for name in facts.columns if name not in ("age_approx", "tbp_lv_symm_2axis_angle")]
    places = [facts.columns.index(name) for name in names]
    for target, (name, most) in enumerate(zip(CLASSES, (0.03, 0.045), strict=True)):
        own = rows.filter(pl.col("target") == target).select(names)
        ranks = np.column_stack([own[column].rank("average").to_numpy() for column in names])
        gaps = np.corrcoef(ranks, rowvar=False) - facts.spearman[name][np.ix_(places, places)]
        assert np.sqrt(np.mean(gaps**2)) < most


def test_patients_lesions_resemble_each_other(rows: pl.DataFrame) -> None:
    within = rows.filter((pl.col("target") == 0) & (pl.col("attribution") == "University Hospital of Basel"))
    within = within.filter(pl.len().over("patient_id") > 3)
    shares = within.select(
        (1 - (pl.col(name) - pl.col(name).mean().over("patient_id")).var() / pl.col(name).var()).alias(name)
        for name in ("tbp_lv_Lext", "tbp_lv_eccentricity")
    )
    assert shares["tbp_lv_Lext"][0] > 0.3
    assert shares["tbp_lv_eccentricity"][0] < 0.25


def test_full_size_has_the_published_counts() -> None:
    facts = published().patients
    table = plan(Sizes(rows=401_059, patients=1_042, malignant=393, seed=2))
    counts = np.bincount(table.lesions.patient, minlength=1_042)
    assert counts.min() >= 1
    assert counts.max() == pytest.approx(facts["max"], rel=0.02)
    assert counts.std() == pytest.approx(facts["sd"], rel=0.15)
    assert np.median(counts) == pytest.approx(facts["median"], rel=0.15)
    ill = table.lesions.kind == 1
    assert ill.sum() == 393
    assert len(np.unique(table.lesions.patient[ill])) == 259
    assert (table.lesions.kind == 2).sum() == 114
    assert (table.lesions.lesion_id >= 0).sum() == 22_058
    names = list(facts_names := published().diagnoses)
    found = np.bincount(table.lesions.diagnosis, minlength=len(names))
    assert dict(zip(names, found.tolist(), strict=True)) == dict(facts_names)
    shares = np.bincount(table.patients.hospital[table.lesions.patient], minlength=7) / 401_059
    wanted = np.array([hospital.rows for hospital in published().hospitals]) / 401_059
    np.testing.assert_allclose(shares, wanted, atol=0.03)
    missing = (table.patients.sex[table.lesions.patient] < 0).mean()
    assert missing == pytest.approx(0.0287, abs=0.004)


def test_test_rows_are_of_other_patients_and_partly_of_other_hospitals() -> None:
    train = lesion_rows(Sizes(rows=2_000, patients=100, malignant=5, seed=4), 0, 2_000)
    test = lesion_rows(
        Sizes(rows=2_000, patients=300, malignant=5, seed=4, split="test", unseen_hospitals=True), 0, 2_000
    )
    assert test.schema == frame_schema("test")
    assert not set(train["patient_id"]) & set(test["patient_id"])
    patients = test.unique("patient_id")["attribution"]
    assert (patients == "FNQH Cairns").mean() == pytest.approx(0.189, abs=0.07)
    assert (patients == "Alfred Hospital").mean() == pytest.approx(0.032, abs=0.03)


def test_any_part_of_a_table_can_be_made_alone() -> None:
    sizes = Sizes(rows=3_000, patients=20, malignant=3, seed=9)
    whole = lesion_rows(sizes, 0, 3_000)
    assert whole[1_024:2_048].equals(lesion_rows(sizes, 1_024, 2_048))
    assert whole[2_048:].equals(lesion_rows(sizes, 2_048, 3_000))
    assert not whole.equals(lesion_rows(Sizes(rows=3_000, patients=20, malignant=3, seed=10), 0, 3_000))
    with pytest.raises(ValueError, match="multiple of 1024"):
        lesion_rows(sizes, 5, 10)
    with pytest.raises(ValueError, match="within 3000"):
        lesion_rows(sizes, 0, 3_001)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 60), patients=st.integers(1, 60), malignant=st.integers(0, 60), seed=st.integers(0, 2**40))
def test_every_size_can_be_made(rows: int, patients: int, malignant: int, seed: int) -> None:
    sizes = Sizes(rows=rows, patients=min(patients, rows), malignant=min(malignant, rows), seed=seed)
    frame = lesion_rows(sizes, 0, rows)
    assert len(frame) == rows
    assert frame["target"].sum() == sizes.malignant
    assert frame["patient_id"].n_unique() == sizes.patients


@given(st.lists(st.floats(0.01, 3), min_size=2, max_size=8), st.data())
def test_monotone_cubic_goes_through_its_points_and_never_falls(steps: list[float], data: st.DataObject) -> None:
    places = np.cumsum(steps)
    rises = data.draw(
        st.lists(st.floats(0, 5).map(lambda rise: round(rise, 9)), min_size=len(steps), max_size=len(steps))
    )
    heights = np.cumsum(rises)
    np.testing.assert_allclose(monotone_cubic(places, heights, places), heights, atol=1e-9)
    fine = monotone_cubic(places, heights, np.linspace(places[0] - 1, places[-1] + 1, 300))
    assert np.all(np.diff(fine) >= -1e-9)


def test_marginals_pass_through_the_published_quantiles() -> None:
    facts = published()
    made = marginal("tbp_lv_stdL", "malignant")
    figures = facts.classes["tbp_lv_stdL"]["malignant"]
    np.testing.assert_allclose(made.at(np.array([-9.0, 0.0, 9.0])), [figures["min"], figures["p50"], figures["max"]])
    np.testing.assert_allclose(made.scores_of(made.at(GRID[1500:2900])), GRID[1500:2900], atol=1e-3)
    assert marginal("tbp_lv_stdL", "benign").at(np.zeros(1))[0] == pytest.approx(facts.full["tbp_lv_stdL"]["50%"])
    assert marginal("tbp_lv_color_std_mean", "malignant").zero == pytest.approx(90 / 393, abs=1e-6)


def test_nearest_positive_matrix() -> None:
    good = np.array([[1.0, 0.3], [0.3, 1.0]])
    np.testing.assert_allclose(nearest_positive(good), good, atol=1e-12)
    # Higham (2002), section 4: the nearest correlation matrix of this one is known.
    bad = np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    known = np.array([[1.0, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]])
    np.testing.assert_allclose(nearest_positive(bad, least=0.0), known, atol=1e-3)
    assert normal_correlation(np.array([1.0, 0.0, -1.0])) == pytest.approx([1.0, 0.0, -1.0])
    assert math.isclose(float(normal_correlation(np.array([0.5]))[0]), 2 * math.sin(math.pi / 12))


@pytest.mark.parametrize("name", CLASSES)
def test_parts_of_the_copula_fit_together(name: str) -> None:
    parts = dependence(name)  # type: ignore[arg-type]
    spread = np.diag(parts.patient @ parts.patient.T) + np.diag(parts.lesion @ parts.lesion.T)
    assert np.all(spread < 1.05)
    assert np.all(np.diff(parts.uniform, axis=1) >= 0)
