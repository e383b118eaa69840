"""Rows of image models: read from tables with few or all columns, and refused with one line where they are unsound."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.data.images import write_images
from isic_lesion.image_models.rows import OPTIONAL_COLUMNS, open_image_folder, read_image_rows, row_schema


@pytest.fixture
def place(tmp_path: Path, make_jpeg: Callable[..., bytes]) -> Callable[..., tuple[Path, Path]]:
    """Return a function that writes a table as it is given, and pictures of some lesions."""

    def write(table: str | bytes, ids: str, name: str = "train-metadata.csv") -> tuple[Path, Path]:
        metadata, images = tmp_path / name, tmp_path / f"{name}.hdf5"
        metadata.write_bytes(table if isinstance(table, bytes) else table.encode())
        write_images(images, ((isic_id, make_jpeg(8)) for isic_id in ids.split()))
        return metadata, images

    return write


def refused(metadata: Path, images: Path, message: str, split: str = "train") -> None:
    with pytest.raises(InputError) as caught:
        read_image_rows(metadata, images, split=split)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{metadata.parent}/")
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)


def test_two_columns_are_enough(place) -> None:
    rows = read_image_rows(*place("target,isic_id\n0,b\n1,a\n0.0,c\n", "a b c d"))
    assert rows.frame.schema == row_schema()
    assert rows.frame["isic_id"].to_list() == ["b", "a", "c"]
    assert rows.frame["target"].to_list() == [0, 1, 0]
    assert rows.frame["source"].to_list() == [0, 0, 0]
    assert not rows.frame["is_past"].any()
    assert all(rows.frame[name].null_count() == 3 for name in OPTIONAL_COLUMNS)
    assert [path.name for path in rows.files] == ["train-metadata.csv.hdf5"]


def test_a_whole_table_is_read_alike_from_every_format(make_folder, make_table, tmp_path: Path) -> None:
    table = make_table(30)
    metadata, images = open_image_folder(make_folder(table))
    rows = read_image_rows(metadata, images)
    assert rows.frame.select("isic_id", "target", *OPTIONAL_COLUMNS).equals(
        table.select("isic_id", pl.col("target").cast(pl.Int8), *OPTIONAL_COLUMNS)
    )
    text = metadata.read_text()
    (tmp_path / "na.csv").write_text(
        "\n".join(line.replace(",,", ",NA,").replace(",,", ",NA,") for line in text.split("\n"))
    )
    (tmp_path / "zip.csv.gz").write_bytes(gzip.compress(text.encode()))
    table.write_parquet(tmp_path / "table.parquet")
    assert (tmp_path / "na.csv").read_text().count("NA") > 30
    for name in ("na.csv", "zip.csv.gz", "table.parquet"):
        assert read_image_rows(tmp_path / name, images).frame.equals(rows.frame), name


def test_test_rows_have_no_target(make_folder, make_table, place) -> None:
    rows = read_image_rows(*open_image_folder(make_folder(make_table(12, "test"), "test"), "test"), split="test")
    assert len(rows.frame) == 12
    assert rows.frame["target"].null_count() == 12
    answered = read_image_rows(*place("isic_id,target\na,1\n", "a"), split="test")
    assert answered.frame["target"].to_list() == [None]


def test_past_rows_stand_below_and_none_comes_twice(place) -> None:
    now = place("isic_id,target,sex\na,0,male\nb,1,\n", "a b")
    old = place("isic_id,target,patient_id\nc,1,p\nb,0,q\nd,0,\n", "b c d", "old.csv")
    older = place("isic_id,target\ne,0\nd,1\na,1\n", "a d e", "older.csv")
    rows = read_image_rows(*now, past=[old, older])
    assert rows.frame.select("isic_id", "source", "target", "is_past", "patient_id").rows() == [
        ("a", 0, 0, False, None),
        ("b", 0, 1, False, None),
        ("c", 1, 1, True, "p"),
        ("d", 1, 0, True, None),
        ("e", 2, 0, True, None),
    ]
    assert rows.frame.head(2).equals(read_image_rows(*now).frame)
    assert rows.files == (now[1], old[1], older[1])
    same = read_image_rows(*now, past=[now])
    assert same.frame.equals(read_image_rows(*now).frame)


def test_past_pictures_are_looked_up_only_where_they_count(place) -> None:
    now = place("isic_id,target\na,0\n", "a")
    old = place("isic_id,target\na,0\nb,1\n", "b", "old.csv")
    assert len(read_image_rows(*now, past=[old]).frame) == 2
    with pytest.raises(InputError, match=r"old\.csv\.hdf5: b has no picture, of 1 lesions in .*old\.csv\. Copy"):
        read_image_rows(*now, past=[place("isic_id,target\na,0\nb,1\n", "a", "old.csv")])


def test_tables_that_are_unsound(place) -> None:
    table = "isic_id,target,age_approx\n"
    for text, message in (
        (table + "a,0,50\nb,2,NA\n", ", line 3 (b): expected 0 or 1 in target, got '2'"),
        (table + "a,yes,50\nb,no,NA\n", ", line 2 (a): expected 0 or 1 in target, got 'yes' (2 rows in all)"),
        (table + "a,0,old\n", ", line 2 (a): expected a number in age_approx, got 'old'"),
        (table + "a,0,inf\n", ", line 2 (a): expected a number in age_approx, got 'inf'"),
        (table + "a,0,50\nb,NA,\n", ", line 3 (b): has no target"),
        (table + "a,0,50\n,0,50\n", ", line 3: has no isic_id"),
        (table + "a,0,50\nb,0,5\na,1,50\n", ", line 4: a was already on line 2 (1 of the ids are not unique)"),
        (table + "a,0,50\nb,0\n", ", line 3: 2 fields, but the header has 3"),
        (table + "a,0,50\nb\na,0,50\n", ", line 3: 1 field, but the header has 3"),
        (table + "a,0,50,7\n", ", line 2: 4 fields, but the header has 3"),
        (table, ": holds no lesion"),
        ("", ": is empty"),
        ("isic_id\na\n", ": lacks the column target"),
        ("target\n1\n", ": lacks the column isic_id"),
        ("isic_id;target\na;1\n", ": its header has none of the contest's columns: 'isic_id;target'"),
        (b"isic_id,target\n\xff\xfe,1\n", ", line 2: is not UTF-8 text"),
    ):
        refused(*place(text, "a b"), message)


def test_parquet_rows_are_counted_from_one(place, tmp_path: Path) -> None:
    _, images = place("isic_id,target\n", "a b")
    path = tmp_path / "t.parquet"
    pl.DataFrame({"isic_id": ["a", "b"], "target": [0, 3]}).write_parquet(path)
    refused(path, images, ", row 2 (b): expected 0 or 1 in target, got '3'")
    pl.DataFrame({"isic_id": ["a", "b"], "target": [0.0, 1.0], "age_approx": [50.0, float("nan")]}).write_parquet(path)
    assert read_image_rows(path, images).frame["age_approx"].to_list() == [50, None]
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, images, ": cannot be read as a table")


def test_pictures_that_are_missing(place, tmp_path: Path) -> None:
    metadata, images = place("isic_id,target\na,0\nb,0\nc,1\nd,1\n", "a c")
    refused(metadata, images, f"{images}: b and 1 more have no picture, of 4 lesions in {metadata}")
    refused(metadata, tmp_path / "none.hdf5", "none.hdf5: no such file")
    images.write_bytes(images.read_bytes()[:-100])
    refused(metadata, images, ".hdf5: is cut short")
    images.write_bytes(b"no hdf5")
    refused(metadata, images, ".hdf5: cannot be read as HDF5")
    refused(tmp_path / "none.csv", images, "none.csv: ")


def test_folders(make_folder, tmp_path: Path) -> None:
    folder = make_folder(images=False)
    with pytest.raises(InputError, match=r"data: holds no train-image\.hdf5\. Put the contest's file"):
        open_image_folder(folder)
    with pytest.raises(InputError, match=r"data: holds no test-metadata\.csv"):
        open_image_folder(folder, "test")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        open_image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'all'"):
        read_image_rows(folder, folder, split="all")  # type: ignore[arg-type]


def test_real_crops_are_read(real_data: Path) -> None:
    rows = read_image_rows(real_data / "isic" / "images-metadata.csv", real_data / "isic" / "images.hdf5")
    assert len(rows.frame) == 6162
    assert rows.frame["target"].sum() == 187
    assert np.array_equal(rows.frame["target"] == 1, rows.frame["iddx_1"] == "Malignant")
