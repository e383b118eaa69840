"""Each kind of trouble is found, named, and nothing sound is blamed."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isic_lesion.data.checking import check, check_between
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.findings import Finding, Report, finding_schema, findings_of
from isic_lesion.data.image_checking import check_images
from isic_lesion.data.images import open_images, write_images
from isic_lesion.data.lesion_schema import rules_of
from isic_lesion.data.schema import NUMERIC_COLUMNS, column, frame_schema
from isic_lesion.data.table_checking import check_cells, check_header


def found(table: pl.DataFrame, split: str = "train") -> list[Finding]:
    """Return what is wrong with the rows of a table."""
    cells = table.cast(pl.String)
    frame = check_cells(cells, pl.int_range(2, len(cells) + 2, dtype=pl.UInt32, eager=True), split)
    assert frame.schema == finding_schema()
    return [Finding(*row) for row in frame.iter_rows()]


def put(table: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    """Return the table as text with other values in one row."""
    cells = table.cast(pl.String)
    for name, value in values.items():
        column = cells[name].to_list()
        column[row] = None if value is None else str(value)
        cells = cells.with_columns(pl.Series(name, column, dtype=pl.String))
    return cells


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("number", [1, 2, 60])
def test_nothing_is_wrong_with_a_sound_table(make_table, split: str, number: int) -> None:
    assert found(make_table(number, split), split) == []


@pytest.mark.parametrize(
    ("name", "value", "kind", "fatal"),
    [
        ("isic_id", None, "missing value", True),
        ("isic_id", "ISIC_1000002", "repeated id", True),
        ("isic_id", "ISIC/1000004", "impossible id", True),
        ("isic_id", "1000004", "unusual id", False),
        ("patient_id", None, "missing value", True),
        ("patient_id", "P1", "unusual id", False),
        ("lesion_id", "IL_1", "unusual id", False),
        ("target", None, "missing value", True),
        ("target", "2", "not 0 or 1", True),
        ("target", "-1", "not 0 or 1", True),
        ("target", "yes", "not 0 or 1", True),
        ("age_approx", "200", "impossible value", True),
        ("age_approx", "-5", "impossible value", True),
        ("age_approx", "110", "unusual value", False),
        ("age_approx", "fifty", "not a number", True),
        ("age_approx", "nan", "not a finite number", True),
        ("age_approx", "-inf", "not a finite number", True),
        ("sex", "Male", "unknown category", True),
        ("anatom_site_general", "leg", "unknown category", True),
        ("tbp_tile_type", "3D", "unknown category", True),
        ("tbp_tile_type", None, "missing value", False),
        ("image_type", "photo", "new category", False),
        ("tbp_lv_location", "Head & Neck - Left", "new category", False),
        ("copyright_license", "MIT", "new category", False),
        ("clin_size_long_diam_mm", "-1", "impossible value", True),
        ("clin_size_long_diam_mm", "0", "impossible value", True),
        ("clin_size_long_diam_mm", None, "missing value", False),
        ("clin_size_long_diam_mm", "50", "unusual value", False),
        ("tbp_lv_areaMM2", "0", "impossible value", True),
        ("tbp_lv_perimeterMM", "-0.5", "impossible value", True),
        ("tbp_lv_eccentricity", "1", "impossible value", True),
        ("tbp_lv_eccentricity", "-0.01", "impossible value", True),
        ("tbp_lv_symm_2axis_angle", "180", "impossible value", True),
        ("tbp_lv_nevi_confidence", "100.5", "impossible value", True),
        ("tbp_lv_dnn_lesion_confidence", "-1", "impossible value", True),
        ("tbp_lv_y", "99999", "unusual value", False),
        ("tbp_lv_stdL", "1e400", "not a finite number", True),
        ("mel_thick_mm", "thin", "not a number", True),
        ("iddx_1", "Unclear", "unknown category", True),
        ("iddx_1", None, "missing value", True),
    ],
)
def test_a_wrong_cell_is_named(make_table, name: str, value: str | None, kind: str, fatal: bool) -> None:
    findings = found(put(make_table(12), 4, **{name: value}))
    of_kind = [finding for finding in findings if finding.column == name and finding.kind == kind]
    assert len(of_kind) == 1, findings
    isic_id = value if name == "isic_id" else "ISIC_1000004"
    assert of_kind[0]._replace(expected="") == Finding(fatal, kind, "", name, 6, isic_id, value)
    assert all(finding.line == 6 for finding in findings)
    assert [finding.fatal for finding in findings] == sorted((finding.fatal for finding in findings), reverse=True)


def test_a_repeated_id_tells_where_it_stood_first(make_table) -> None:
    table = put(put(make_table(12), 4, isic_id="ISIC_1000002"), 9, isic_id="ISIC_1000002")
    repeated = [finding for finding in found(table) if finding.kind == "repeated id"]
    assert [(finding.line, finding.expected) for finding in repeated] == [
        (6, "an id of its own: 4 has this one too"),
        (11, "an id of its own: 4 has this one too"),
    ]


@pytest.mark.parametrize(
    ("values", "name", "fatal"),
    [
        ({"target": "1"}, "target", True),
        ({"iddx_1": "Malignant"}, "target", True),
        ({"iddx_1": "Indeterminate"}, "lesion_id", False),
        ({"iddx_2": "Nevus"}, "iddx_full", False),
        ({"iddx_full": "Benign::Nevus"}, "iddx_full", False),
        ({"tbp_lv_location": "Left Leg"}, "tbp_lv_location", False),
        ({"anatom_site_general": "lower extremity"}, "anatom_site_general", False),
        ({"tbp_lv_A": "30"}, "tbp_lv_C", False),
        ({"tbp_lv_B": "20"}, "tbp_lv_deltaB", False),
        ({"tbp_lv_H": "80"}, "tbp_lv_H", False),
        ({"tbp_lv_Hext": "40"}, "tbp_lv_Hext", False),
        ({"tbp_lv_L": "60"}, "tbp_lv_deltaL", False),
        ({"tbp_lv_deltaA": "-5"}, "tbp_lv_deltaA", False),
        ({"tbp_lv_perimeterMM": "30"}, "tbp_lv_area_perim_ratio", False),
        ({"tbp_lv_deltaLB": "39"}, "tbp_lv_deltaLB", False),
        ({"tbp_lv_Lext": "95"}, "tbp_lv_deltaL", False),
        ({"tbp_lv_deltaLBnorm": "30"}, "tbp_lv_deltaLBnorm", False),
        ({"tbp_lv_norm_color": "10"}, "tbp_lv_norm_color", False),
        ({"tbp_lv_norm_border": "9"}, "tbp_lv_norm_border", False),
    ],
)
def test_columns_that_contradict_each_other(make_table, values: dict[str, str], name: str, fatal: bool) -> None:
    findings = found(put(make_table(12), 4, **values))
    assert (name, fatal, 6) in [(finding.column, finding.fatal, finding.line) for finding in findings]
    assert {finding.line for finding in findings} == {6}


def test_rows_of_a_patient_that_differ(make_table) -> None:
    findings = found(put(make_table(12), 4, sex="female", attribution="Elsewhere"))
    differing = [finding for finding in findings if finding.kind == "differs within a patient"]
    assert {(finding.column, finding.line) for finding in differing} == {("sex", 6), ("attribution", 6)}
    apart = put(make_table(2), 0, sex=None)
    assert [finding.kind for finding in found(apart)] == []
    tied = put(put(make_table(2), 0, sex="male"), 1, sex="female")
    assert [(finding.kind, finding.line) for finding in found(tied)] == [("differs within a patient", 2)]


def test_what_is_no_number_is_not_missing_as_well(make_table) -> None:
    assert [finding.kind for finding in found(put(make_table(12), 4, tbp_lv_x="left"))] == ["not a number"]


def test_the_full_tables_extremes_are_sound(make_table) -> None:
    ends = {name: column(name).seen for name in NUMERIC_COLUMNS}
    low, high = ({name: seen[end] for name, seen in ends.items() if seen} for end in (0, 1))
    kinds = {finding.kind for finding in found(put(put(make_table(6), 1, **low), 4, **high))}
    assert kinds == {"inconsistent measurement"}


def test_the_header(make_table) -> None:
    names = make_table(1).columns
    assert check_header(names, "train") == []
    assert check_header(names[::-1], "train") == []
    assert [finding[:4] for finding in check_header([*names[:-1], "sex_duplicated_0", "note"], "train")] == [
        (True, "missing column", "all 55 columns", "tbp_lv_dnn_lesion_confidence"),
        (True, "column twice", "one column of each name", "sex"),
        (False, "extra column", "not in a train table: left out", "note"),
    ]
    assert {finding.kind for finding in check_header(names, "test")} == {"extra column"}


def test_cells_are_checked_without_the_columns_that_lack(make_table) -> None:
    table = put(make_table(12), 4, age_approx="200").drop("isic_id", "iddx_1", "tbp_lv_A")
    assert [finding[0:1] + finding[3:] for finding in found(table)] == [(True, "age_approx", 6, None, "200")]


def test_no_rows_and_empty_lines(make_table) -> None:
    table = make_table(3)
    assert [finding.kind for finding in found(table.clear())] == ["no rows"]
    empty = table.cast(pl.String).clear(1)
    assert [finding[1:5] for finding in found(pl.concat([table.cast(pl.String), empty]))] == [
        ("empty line", "a row; remove it", None, 5)
    ]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.integers(0, 11), unique=True, max_size=6),
    name=st.sampled_from(["age_approx", "tbp_lv_areaMM2", "tbp_lv_eccentricity", "tbp_lv_nevi_confidence"]),
)
def test_each_wrong_row_is_found_once(make_table, rows: list[int], name: str) -> None:
    table = make_table(12)
    for row in rows:
        table = put(table, row, **{name: "-7"})
    impossible = [finding.line for finding in found(table) if finding.kind == "impossible value"]
    assert impossible == [row + 2 for row in sorted(rows)]


def test_rules_agree_with_a_slow_look_at_each_row(make_table) -> None:
    rng = np.random.default_rng(0)
    table = make_table(40).with_columns(
        (pl.col(name) * pl.Series(rng.choice([1.0, -1.0, 3.0, 100.0], 40, p=[0.7, 0.1, 0.1, 0.1])))
        for name in NUMERIC_COLUMNS
    )
    told = {(finding.line, finding.column) for finding in found(table) if finding.kind == "impossible value"}
    slow = set()
    for line, row in enumerate(table.iter_rows(named=True), start=2):
        for name in NUMERIC_COLUMNS:
            known, value = column(name), row[name]
            if value is not None:
                low = value > known.minimum if known.open_ends[0] else value >= known.minimum
                high = value < known.maximum if known.open_ends[1] else value <= known.maximum
                if not (low and high):
                    slow.add((line, name))
    assert told == slow
    assert told


def test_every_rule_can_be_broken_or_is_dataframelys(make_table) -> None:
    assert all(
        rule.holds is not None or rule.name.rpartition("|")[2] in ("nullability", "nan", "inf")
        for rule in rules_of("train")
    )


def test_a_sound_folder(make_folder) -> None:
    told: list[tuple[int, int]] = []
    report = check(open_lesions(make_folder()), on_image=lambda done, total: told.append((done, total)))
    assert (report.rows, report.images, report.fatal, report.warnings) == (12, 12, 0, 0)
    assert report.groups() == ()
    assert told == [(12, 12)]


def test_how_many_images_are_decoded(make_folder) -> None:
    lesions = open_lesions(make_folder())
    assert check(lesions, images="none").images == 0
    assert check(lesions, images="sample", sample=5).images == 5
    assert check(lesions, images="sample").images == 12
    with pytest.raises(ValueError, match="expected images 'all', 'sample' or 'none', got 'some'"):
        check(lesions, images="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a sample of at least 1, got 0"):
        check(lesions, sample=0)


def test_images_that_are_not_what_they_should_be(make_folder, make_table, make_jpeg) -> None:
    table = make_table(12)
    folder = make_folder(table, images=False)
    names = table["isic_id"].to_list()
    held = {name: make_jpeg(seed=k) for k, name in enumerate(names)}
    del held[names[0]]
    held[names[1]] = held[names[1]][:400]
    held[names[2]] = b"no image"
    held[names[3]] = make_jpeg(60, height=70)
    held[names[4]] = make_jpeg(60, mode="L")
    held[names[5]] = make_jpeg(20)
    held["ISIC_9999999"] = make_jpeg()
    path = folder / "train-image.hdf5"
    write_images(path, held.items())
    with h5py.File(path, "a") as file:
        del file[names[6]]
        file[names[6]] = np.zeros(3)
    report = check(open_lesions(folder))
    told = [
        (finding.fatal, finding.kind, finding.line, finding.isic_id)
        for finding in map(tuple_finding, report.findings.iter_rows())
    ]
    assert told == [
        (True, "no image", 2, names[0]),
        (True, "broken image", 3, names[1]),
        (True, "broken image", 4, names[2]),
        (True, "unreadable image", 8, names[6]),
        (False, "image without a row", None, "ISIC_9999999"),
        (False, "image not square", 5, names[3]),
        (False, "image not RGB", 6, names[4]),
        (False, "image of unusual size", 7, names[5]),
    ]
    assert report.images == 11
    assert check(open_lesions(folder), images="none").fatal == 0


def tuple_finding(row: tuple[object, ...]) -> Finding:
    return Finding(*row)  # type: ignore[arg-type]


def test_a_file_of_images_that_is_cut_short_or_absent(make_folder) -> None:
    folder = make_folder()
    path = folder / "train-image.hdf5"
    path.write_bytes(path.read_bytes()[:-100])
    (group,) = check(open_lesions(folder)).groups()
    assert (group.first.fatal, group.first.kind) == (True, "unreadable images")
    assert "is cut short" in str(group.first.value)
    path.unlink()
    (group,) = check(open_lesions(folder)).groups()
    assert (group.first.fatal, group.first.kind) == (False, "no images")
    assert check(open_lesions(folder), images="none").findings.is_empty()


def test_lines_of_another_width_are_told_and_the_rest_is_looked_at(make_table, make_folder) -> None:
    folder = make_folder(put(make_table(12), 7, tbp_tile_type="XP"), images=False)
    path = folder / "train-metadata.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows[2] = rows[2][:50] + "\n"
    for long in (False, True):
        rows[4] = rows[4].rstrip("\n") + (",more\n" if long else "\n")
        path.write_text("".join([header, *rows]), encoding="utf-8")
        report = check(open_lesions(folder))
        told = [(group.first.kind, group.first.line, group.total) for group in report.groups()]
        assert told == [
            ("wrong number of fields", 4, 1 + long),
            ("unknown category", 9, 1),
            ("no images", None, 1),
        ]
        assert report.rows == 11 - long


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"isic_id;target\nISIC_1;0\n", "none of the contest's columns"),
        (b"isic_id,target\n\xff\xfe,0\n", "line 2: is not UTF-8 text"),
        (b'isic_id,target\n"ISIC_1,0\n', "line 2: not a CSV"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_finding(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "train-metadata.csv").write_bytes(data)
    report = check(open_lesions(tmp_path))
    (group,) = report.groups()
    assert (group.first.kind, report.fatal, report.rows, report.images) == ("unreadable table", 1, 0, 0)
    assert message in str(group.first.value)


def test_training_and_test_share_nothing(make_table, make_folder) -> None:
    train = open_lesions(make_folder())
    apart = open_lesions(make_folder(split="test"), "test")
    assert check_between(train, apart).findings.is_empty()
    table = put(make_table(12, "test"), 3, isic_id="ISIC_1000005", patient_id="IP_1000000")
    table = put(table, 5, patient_id="IP_1000001")
    report = check_between(train, open_lesions(make_folder(table, "test"), "test"))
    assert [(row["fatal"], row["column"], row["line"], row["value"]) for row in report.findings.to_dicts()] == [
        (True, "isic_id", 5, "ISIC_1000005"),
        (False, "patient_id", 5, "IP_1000000"),
        (False, "patient_id", 7, "IP_1000001"),
    ]


def test_groups_count_and_show_the_first() -> None:
    many = [Finding(False, "odd", "even", "x", line) for line in (9, 3)] + [Finding(False, "odd", "even", "y", 1)]
    report = Report(findings_of(many), 10)
    assert [(group.first.column, group.first.line, group.total) for group in report.groups()] == [
        ("x", 9, 2),
        ("y", 1, 1),
    ]
    assert (report.fatal, report.warnings) == (0, 3)


def test_the_real_rows_and_images_are_sound(real_data: Path, tmp_path: Path) -> None:
    shutil.copy(real_data / "isic" / "train-metadata.csv", tmp_path / "train-metadata.csv")
    shutil.copy(real_data / "isic" / "contract" / "test-metadata.csv", tmp_path / "test-metadata.csv")
    shutil.copy(real_data / "isic" / "contract" / "test-image.hdf5", tmp_path / "test-image.hdf5")
    with open_images(real_data / "isic" / "images.hdf5") as images:
        ids = set(open_lesions(tmp_path).read()["isic_id"])
        shared = [name for name in images.isic_ids() if name in ids]
        write_images(tmp_path / "train-image.hdf5", ((name, images.jpeg(name)) for name in shared))
    report = check(open_lesions(tmp_path))
    assert report.rows == 811
    assert report.images == len(shared)
    (group,) = report.groups()
    assert (group.first.kind, group.total) == ("no image", 811 - len(shared))
    test = check(open_lesions(tmp_path, "test"))
    assert (test.rows, test.images, test.fatal) == (3, 3, 0)
    assert [(row["kind"], row["value"], row["line"]) for row in test.findings.to_dicts()] == [
        ("new category", "FNQH Cairns", 4)
    ]


def test_all_real_crops_are_sound(real_data: Path) -> None:
    table = pl.read_csv(real_data / "isic" / "images-metadata.csv", infer_schema=False)
    checked = check_images(
        real_data / "isic" / "images.hdf5", table["isic_id"], table.select(pl.row_index() + 2).to_series()
    )
    assert checked.looked_at == 6162
    assert checked.findings.is_empty()


def test_a_loaded_table_is_typed_as_its_findings_assume(make_folder) -> None:
    assert open_lesions(make_folder()).read().schema == frame_schema("train")
