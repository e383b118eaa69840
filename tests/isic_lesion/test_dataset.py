"""Reading a table as it is typed, whatever its first rows look like."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.schema import columns_of, frame_schema


def edit(folder: Path, old: str, new: str, split: str = "train") -> Path:
    path = folder / f"{split}-metadata.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def cell(folder: Path, row: int, name: str, value: str | None) -> Path:
    """Write one cell of a training table."""
    path = folder / "train-metadata.csv"
    table = pl.read_csv(path, infer_schema=False)
    column = table[name].to_list()
    column[row] = value
    table.with_columns(pl.Series(name, column, dtype=pl.String)).write_csv(path)
    return folder


def test_reads_what_was_written(make_table, make_folder) -> None:
    table = make_table(9)
    lesions = open_lesions(make_folder(table))
    assert lesions.images == lesions.folder / "train-image.hdf5"
    frame = lesions.read()
    assert frame.schema == frame_schema("train")
    assert_frame_equal(frame, table.cast(dict(frame_schema("train"))))
    assert_frame_equal(lesions.scan().collect(), frame)


def test_real_rows_load_as_they_are(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "train-metadata.csv").write_bytes((real_data / "isic" / "train-metadata.csv").read_bytes())
    (tmp_path / "test-metadata.csv").write_bytes((real_data / "isic" / "contract" / "test-metadata.csv").read_bytes())
    train = open_lesions(tmp_path).read()
    assert train.shape == (811, 55)
    assert train["target"].sum() == 241
    assert train["iddx_5"].null_count() == 811
    assert train["mel_mitotic_index"].drop_nulls().str.contains("mm").all()
    assert train["age_approx"].null_count() == 6
    test = open_lesions(tmp_path, "test").read()
    assert test.shape == (3, 44)
    assert test["tbp_lv_nevi_confidence"][2] == 8.05e-13
    assert test["age_approx"].to_list() == [45.0, 35.0, 65.0]


def test_types_do_not_come_from_the_first_rows(make_table, make_folder) -> None:
    number = 30_000
    table = make_table(number).with_columns(
        pl.Series("age_approx", ["45"] * (number - 2) + ["NA", "8.5E1"]),
        pl.Series("iddx_5", [None] * (number - 1) + ["Deep"], dtype=pl.String),
        pl.Series("mel_mitotic_index", [None] * (number - 1) + ["<1/mm^2"], dtype=pl.String),
        pl.Series("mel_thick_mm", [None] * (number - 1) + ["1"], dtype=pl.String),
        pl.Series("tbp_lv_nevi_confidence", ["1"] * (number - 1) + ["1.26e-16"]),
    )
    frame = open_lesions(make_folder(table, images=False)).read()
    last = frame.row(-1, named=True)
    assert frame["age_approx"].null_count() == 1
    assert (last["age_approx"], last["iddx_5"], last["mel_mitotic_index"]) == (85.0, "Deep", "<1/mm^2")
    assert (last["mel_thick_mm"], last["tbp_lv_nevi_confidence"]) == (1.0, 1.26e-16)


@pytest.mark.parametrize("form", ["gz", "parquet", "text parquet", "shuffled", "quoted", "bom", "crlf", "float target"])
def test_other_forms_of_the_same_table(make_table, tmp_path: Path, form: str) -> None:
    table = make_table(7)
    expected = table.cast(dict(frame_schema("train")))
    path = tmp_path / "train-metadata.csv"
    if form == "gz":
        (tmp_path / "train-metadata.csv.gz").write_bytes(gzip.compress(table.write_csv().encode()))
    elif form == "parquet":
        table.with_columns(pl.col("sex").cast(pl.Categorical)).write_parquet(tmp_path / "train-metadata.parquet")
    elif form == "text parquet":
        texts = table.cast(pl.String).with_columns(pl.col("age_approx").fill_null("NA"))
        texts.write_parquet(tmp_path / "train-metadata.parquet")
    elif form == "shuffled":
        table.select(*reversed(table.columns), pl.lit("more").alias("note")).write_csv(path)
    elif form == "quoted":
        table.cast(pl.String).fill_null("").write_csv(path, quote_style="non_numeric")
    elif form == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + table.write_csv().encode())
    elif form == "crlf":
        path.write_bytes(table.write_csv().replace("\n", "\r\n").encode())
    else:
        table.with_columns(pl.col("target").cast(pl.Float64)).write_csv(path)
    assert_frame_equal(open_lesions(tmp_path).read(), expected)


def test_some_columns_in_the_order_asked_for(make_folder) -> None:
    lesions = open_lesions(make_folder())
    frame = lesions.read(["target", "isic_id"])
    assert frame.columns == ["target", "isic_id"]
    assert lesions.read(["sex"]).columns == ["sex"]
    with pytest.raises(KeyError, match="expected columns of a train table, got 'colour'"):
        lesions.read(["colour"])


def test_only_a_header_reads_as_no_rows(make_table, make_folder) -> None:
    frame = open_lesions(make_folder(make_table(3).clear(), images=False)).read()
    assert frame.shape == (0, 55)
    assert frame.schema == frame_schema("train")


def test_what_is_there_is_found(make_folder, tmp_path: Path) -> None:
    folder = make_folder(images=False)
    assert open_lesions(folder).images is None
    with pytest.raises(InputError, match=r"data: holds no test-metadata\.csv \(nor \.csv\.gz or \.parquet\)"):
        open_lesions(folder, "test")
    with pytest.raises(InputError, match="no such folder"):
        open_lesions(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"train-metadata\.csv: is not a folder"):
        open_lesions(folder / "train-metadata.csv")
    with pytest.raises(ValueError, match="expected split"):
        open_lesions(folder, "valid")  # type: ignore[arg-type]


def test_lesions_are_a_value(make_folder) -> None:
    folder = make_folder()
    assert open_lesions(folder) == open_lesions(folder)
    with pytest.raises(dataclasses.FrozenInstanceError):
        open_lesions(folder).split = "test"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "age_approx",
            "old",
            r"train-metadata\.csv, line 6 \(ISIC_1000004\): expected a number in age_approx, got 'old'$",
        ),
        ("tbp_lv_A", "1,5", "line 6 .*expected a number in tbp_lv_A, got '1,5'"),
        ("target", "2", "line 6 .*expected 0 or 1 in target, got '2'"),
        ("target", "0.5", "line 6 .*expected 0 or 1 in target, got '0.5'"),
        ("target", None, r"line 6 \(ISIC_1000004\): has no target"),
        ("isic_id", None, r"line 6: has no isic_id"),
        ("patient_id", "NA", r"line 6 \(ISIC_1000004\): has no patient_id"),
        ("isic_id", "ISIC_1000002", r"line 6: ISIC_1000002 was already on line 4 \(1 of the ids"),
    ],
)
def test_a_wrong_cell_is_named(make_folder, name: str, value: str | None, message: str) -> None:
    folder = cell(make_folder(), 4, name, value)
    with pytest.raises(InputError, match=message):
        open_lesions(folder).read()


def test_a_wrong_cell_does_not_become_a_missing_one_in_a_scan(make_folder) -> None:
    for value in ("2", "0.5", "yes"):
        folder = cell(make_folder(), 4, "target", value)
        with pytest.raises(pl.exceptions.PolarsError):
            open_lesions(folder).scan().collect()


def test_rows_of_parquet_are_told_by_number(make_table, tmp_path: Path) -> None:
    table = make_table(5).with_columns(isic_id=pl.Series(["ISIC_1", "ISIC_2", "ISIC_1", "ISIC_3", "ISIC_4"]))
    table.write_parquet(tmp_path / "train-metadata.parquet")
    with pytest.raises(InputError, match="row 3: ISIC_1 was already on row 1"):
        open_lesions(tmp_path).read()


def test_lines_are_counted_through_line_breaks_in_cells(make_folder) -> None:
    folder = cell(make_folder(), 1, "iddx_full", "two\nlines")
    with pytest.raises(InputError, match=r"line 8 \(ISIC_1000005\): has no target"):
        open_lesions(cell(folder, 5, "target", None)).read()


def test_files_that_are_no_tables(make_table, make_folder, tmp_path: Path) -> None:
    folder = make_folder(images=False)
    path = folder / "train-metadata.csv"
    sound = path.read_bytes()
    header, *rows = sound.splitlines(keepends=True)

    def refused(data: bytes, message: str) -> None:
        path.write_bytes(data)
        with pytest.raises(InputError, match=message) as caught:
            open_lesions(folder).read()
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    refused(b"", "is empty")
    refused(b"\n\n", "is empty")
    refused(sound.replace(b"posterior", b"post\xe9rior", 1), "line 2: is not UTF-8 text")
    refused(sound.decode().encode("utf-16"), "line 1: is not UTF-8 text")
    refused(
        b"".join([header, rows[0], rows[1].rstrip() + b",1\n", *rows[2:]]), "line 3: 56 fields, but the header has 55"
    )
    refused(sound[: sound.rindex(b",", 0, -40)], r"line 13: \d+ fields, but the header has 55.*cut short")
    refused(sound.replace(b"posterior", b'"posterior', 1), "line 2: not a CSV")
    refused(sound.replace(b"posterior", b'post"erior', 1), "line 2: has a quote that does not close")
    refused(sound.replace(b"\n", b"\r"), "line breaks in its header")
    refused(b"".join([header, rows[0], rows[1][:90] + b"\n", *rows[2:]]), r"line 3: \d+ fields, but the header has 55")
    refused(sound.replace(b",", b";"), "its header has none of the contest's columns: 'isic_id;target")
    refused(sound.replace(b"tbp_lv_A,", b"tbp_lv_a,", 1), "lacks the column tbp_lv_A")
    refused(
        make_table(3, "test").write_csv().encode(), "lacks the columns target, lesion_id, .* and 7 more.*a test table"
    )
    refused(header + rows[0] + b"\n" + rows[1], "line 3: is empty")


def test_damaged_gzip_and_parquet(make_table, tmp_path: Path) -> None:
    packed = tmp_path / "train-metadata.csv.gz"
    packed.write_bytes(gzip.compress(make_table(2000).write_csv().encode())[:-3000])
    with pytest.raises(InputError, match=r"train-metadata\.csv\.gz: damaged gzip"):
        open_lesions(tmp_path).read()
    packed.write_bytes(b"isic_id,target\n")
    with pytest.raises(InputError, match="lacks the columns patient_id"):
        open_lesions(tmp_path).read()
    packed.unlink()
    table = tmp_path / "train-metadata.parquet"
    make_table(50).write_parquet(table)
    table.write_bytes(table.read_bytes()[:500])
    with pytest.raises(InputError, match=r"train-metadata\.parquet: cannot be read as a table"):
        open_lesions(tmp_path).read()


def test_column_kinds_cover_the_table(make_folder) -> None:
    lesions = open_lesions(make_folder())
    assert lesions.scan().collect_schema().names() == [known.name for known in columns_of("train")]
