"""Features and sets are values: read, compared, hashed, written as JSON and selected from."""

from __future__ import annotations

import json
import re

import pytest

from isic_lesion.features import CATALOGUE, Feature, FeatureSet, full, original, small
from isic_lesion.features.catalogue import original_file_order

Z = Feature(name="z", kind="group", formulas=("minorAxisMM / size",), group=("patient_id",), statistic="z")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_catalogue_round_trips(name: str) -> None:
    chosen = CATALOGUE[name]()
    assert chosen.name == name
    again = FeatureSet.from_document(json.loads(json.dumps(chosen.as_document())))
    assert again == chosen
    assert again.fingerprint == chosen.fingerprint
    assert hash(again) == hash(chosen)
    assert all(feature.description for feature in chosen.features)
    assert all(re.fullmatch(r"[ -~]+", feature.name) for feature in chosen.features)


def test_sizes_of_the_catalogues() -> None:
    assert 200 <= len(small()) <= 600
    assert 2000 <= len(original()) <= 2600
    assert 2900 <= len(full()) <= 3300
    assert set(small().names) < set(full().names)
    assert len(original_file_order()) > 2000


def test_without_the_hospital() -> None:
    for make in CATALOGUE.values():
        chosen = make()
        kept = chosen.without_columns("attribution")
        assert "attribution" not in kept.columns
        assert 0 < len(kept) < len(chosen)
        gone = set(chosen.features) - set(kept.features)
        assert all("hospital" in feature.name or feature.name.startswith("attribution=") for feature in gone)


def test_what_a_feature_depends_on() -> None:
    assert Z.columns == {"patient_id", "tbp_lv_minorAxisMM", "clin_size_long_diam_mm"}
    assert Z.description == "z-score of minorAxisMM / size within patient_id"
    assert not Z.crosses_patients
    history = Feature(name="h", kind="history", statistic="years")
    assert history.columns == {"patient_id", "tbp_lv_location", "age_approx"}
    cluster = Feature(name="c", kind="group", formulas=("A",), group=("cluster",), statistic="z")
    assert cluster.crosses_patients
    assert {"tbp_lv_A", "tbp_lv_L"} < cluster.columns
    assert "cluster" not in cluster.columns
    assert Feature(name="a", kind="lesion", formulas=("A",)) == Feature(name="a", kind="lesion", formulas=("tbp_lv_A",))


def test_selecting_and_joining() -> None:
    chosen = small()
    assert chosen.select(chosen.names[5:2:-1]).names == chosen.names[5:2:-1]
    with pytest.raises(ValueError, match="expected names of the set 'small', got 'no'"):
        chosen.select(["no"])
    both = chosen.joined(FeatureSet(name="z", features=(Z, chosen.features[0])))
    assert both.names == (*chosen.names, "z")
    other = Feature(name=chosen.names[0], kind="lesion", formulas=("A",))
    with pytest.raises(ValueError, match="twice"):
        chosen.joined(FeatureSet(name="x", features=(other,)))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "a b", "kind": "lesion", "formulas": ["A"]}, "expected a name"),
        ({"name": "a", "kind": "magic"}, "expected a kind among"),
        ({"name": "a", "kind": "lesion"}, "expected one formula, got 0"),
        ({"name": "a", "kind": "lesion", "formulas": ["A", "B"]}, "expected one formula, got 2"),
        ({"name": "a", "kind": "lesion", "formulas": ["import os"]}, "a: expected a formula"),
        ({"name": "a", "kind": "lesion", "formulas": "A"}, "expected a list of texts"),
        ({"name": "a", "kind": "lesion", "formulas": ["A"], "statistic": "z"}, "expected a statistic among none"),
        ({"name": "a", "kind": "lesion", "formulas": ["A"], "colour": 1}, "no feature has a 'colour'"),
        ({"name": "a", "kind": "group", "formulas": ["A"], "statistic": "z"}, "expected distinct group columns"),
        (
            {"name": "a", "kind": "group", "formulas": ["A"], "statistic": "median", "group": ["sex"]},
            "expected a statistic among z, difference",
        ),
        (
            {"name": "a", "kind": "group", "formulas": ["A"], "statistic": "z", "group": ["sex", "cluster"]},
            "expected 'cluster' alone",
        ),
        ({"name": "a", "kind": "one_hot", "group": ["sex"]}, "expected a category for each"),
        (
            {"name": "a", "kind": "outlier", "formulas": ["A"], "statistic": "local_outlier_factor"},
            "expected neighbours >= 1",
        ),
        ({"name": "a", "kind": "lesion", "formulas": ["A"], "neighbours": 3}, "expected neighbours"),
        ({"name": "a", "kind": "lesion", "formulas": ["A"], "neighbours": "3"}, "expected a whole number"),
        ({"kind": "lesion"}, "expected an object with a name"),
        ([], "expected an object with a name"),
    ],
)
def test_what_is_no_feature(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureSet.from_document({"name": "x", "features": [document]})


@pytest.mark.parametrize("document", [[], {"features": []}, {"name": 1, "features": []}, {"name": "x", "features": {}}])
def test_what_is_no_set(document: object) -> None:
    with pytest.raises(ValueError, match="expected an object"):
        FeatureSet.from_document(document)
