"""The contest's columns, against the contest's own files and the figures of its full table."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from isic_lesion.data.lesion_schema import lesion_schema, rules_of
from isic_lesion.data.schema import COLUMNS, HOSPITALS, NUMERIC_COLUMNS, TRAIN_ONLY, column, columns_of, frame_schema


def header_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return next(csv.reader(stream))


def test_columns_and_order_are_those_of_the_contests_files(real_data: Path) -> None:
    train, test = (real_data / "isic" / name for name in ("train-metadata.csv", "contract/test-metadata.csv"))
    assert [known.name for known in COLUMNS] == header_of(train)
    assert [known.name for known in columns_of("test")] == header_of(test)


def test_ranges_hold_all_of_the_full_table(real_data: Path) -> None:
    figures = pl.read_csv(real_data / "isic" / "stats" / "describe_full_401059.csv")
    told = {row["column"]: row for row in figures.iter_rows(named=True)}
    for known in COLUMNS:
        if known.kind == "number":
            row = told[known.name]
            assert known.minimum <= row["min"] <= row["max"] <= known.maximum
            assert known.seen == pytest.approx((row["min"], row["max"]), abs=1e-6)
            assert known.required == (row["count"] == 401_059)


def test_places_and_hospitals_are_known(real_data: Path) -> None:
    locations = pl.read_csv(real_data / "isic" / "stats" / "location_stats_sample.csv")["location"]
    assert set(locations) <= set(column("tbp_lv_location").categories)
    assert len(column("tbp_lv_location").categories) == 21
    hospitals = pl.read_csv(real_data / "isic" / "stats" / "attribution_stats_sample.csv")["attribution"]
    assert set(hospitals) == set(HOSPITALS)


def test_a_test_table_lacks_what_a_diagnosis_tells() -> None:
    assert len(COLUMNS) == 55
    assert len(columns_of("test")) == 44
    assert len(NUMERIC_COLUMNS) == 34
    assert {known.name for known in COLUMNS} - {known.name for known in columns_of("test")} == set(TRAIN_ONLY)


def test_types() -> None:
    schema = frame_schema("train")
    assert schema["target"] == pl.Int8
    assert schema["mel_thick_mm"] == pl.Float64
    assert schema["mel_mitotic_index"] == pl.String
    assert schema["age_approx"] == pl.Float64
    assert list(frame_schema("test")) == [known.name for known in columns_of("test")]


def test_another_split_is_refused() -> None:
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'valid'"):
        columns_of("valid")  # type: ignore[arg-type]


def test_no_category_is_written_twice() -> None:
    for known in COLUMNS:
        assert len(set(known.categories)) == len(known.categories)
        assert (known.kind == "category") == bool(known.categories)


def test_rules_have_names_of_their_own() -> None:
    names = [rule.name for rule in rules_of("train")]
    assert len(set(names)) == len(names)


def test_rules_are_left_out_with_their_columns() -> None:
    kept = rules_of("train", ["tbp_lv_A", "tbp_lv_B", "tbp_lv_C"])
    assert {rule.column for rule in kept} == {"tbp_lv_A", "tbp_lv_B", "tbp_lv_C"}
    assert "C_follows" in {rule.name for rule in kept}
    assert "H_follows" not in {rule.name for rule in kept}
    assert not any("iddx_1" in rule.needs for rule in rules_of("test"))


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_dataframely_schema_takes_a_sound_table(make_table, split: str) -> None:
    schema = lesion_schema(split)
    table = make_table(30, split).cast(dict(frame_schema(split)))
    assert schema.column_names() == list(frame_schema(split))
    assert schema.validate(table).equals(table)


def test_the_dataframely_schema_refuses_what_is_fatal_or_also_what_is_odd(make_table) -> None:
    table = make_table(6).cast(dict(frame_schema("train")))
    odd = table.with_columns(attribution=pl.lit("Elsewhere"))
    bad = table.with_columns(sex=pl.lit("Male"))
    assert lesion_schema("train", only_fatal=True).is_valid(odd)
    assert not lesion_schema("train").is_valid(odd)
    assert not lesion_schema("train", only_fatal=True).is_valid(bad)
