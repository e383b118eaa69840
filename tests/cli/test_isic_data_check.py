"""`isic data check`: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isic_lesion.data.images import write_images


@pytest.fixture
def folder(real_data: Path, tmp_path: Path) -> Path:
    """Return a folder with the contest's public test rows, their images, and forty real training rows."""
    place = tmp_path / "data"
    place.mkdir()
    for name in ("test-metadata.csv", "test-image.hdf5"):
        shutil.copy(real_data / "isic" / "contract" / name, place / name)
    table = pl.read_csv(real_data / "isic" / "train-metadata.csv", infer_schema=False, n_rows=40)
    table.write_csv(place / "train-metadata.csv")
    stream = io.BytesIO()
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(stream, "JPEG")
    write_images(place / "train-image.hdf5", ((name, stream.getvalue()) for name in table["isic_id"]))
    return place


def edit(path: Path, old: str, new: str, count: int = -1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def test_a_sound_folder_ends_well(invoke, folder: Path) -> None:
    result = invoke("isic", "data", "check", folder)
    assert result.code == 0
    assert f"{folder / 'train-metadata.csv'}: 40 rows, 40 images decoded; 0 fatal findings, 0 warnings" in result.out
    assert f"{folder / 'test-metadata.csv'}: 3 rows, 3 images decoded; 0 fatal findings, 1 warning" in result.out
    assert "warning\tnew category\t4\tISIC_0015740\tattribution\tFNQH Cairns" in result.out


def test_a_fatal_finding_exits_2_and_names_its_place(invoke, folder: Path) -> None:
    edit(folder / "train-metadata.csv", ",male,", ",Male,")
    edit(folder / "train-metadata.csv", "Memorial Sloan Kettering Cancer Center", "Elsewhere", 1)
    result = invoke("isic", "data", "check", folder, "--split", "train")
    assert result.code == 2
    lines = [line.split("\t") for line in result.out.splitlines()[1:]]
    assert lines[0] == ["weight", "found", "line", "isic_id", "column", "value", "expected"]
    table = pl.read_csv(folder / "train-metadata.csv", infer_schema=False)
    males = int((table["sex"] == "Male").sum())
    first = int((table["sex"] == "Male").arg_max() or 0)
    assert lines[1] == [
        "fatal",
        f"unknown category ({males - 1} more)",
        str(first + 2),
        table["isic_id"][first],
        "sex",
        "Male",
        "one of female, male",
    ]
    assert f"{males - 1} more findings" in result.err.replace(",", "")


def test_all_lists_each(invoke, folder: Path) -> None:
    edit(folder / "train-metadata.csv", ",male,", ",Male,")
    short = invoke("isic", "data", "check", folder, "--split", "train", "--images", "none")
    long = invoke("isic", "data", "check", folder, "--split", "train", "--images", "none", "--all")
    males = (folder / "train-metadata.csv").read_text(encoding="utf-8").count(",Male,")
    assert (short.out.count("unknown category"), long.out.count("unknown category")) == (1, males)
    assert "images decoded" not in long.out
    assert "more" not in long.err


def test_json_holds_every_finding(invoke, folder: Path) -> None:
    edit(folder / "train-metadata.csv", ",male,", ",Male,")
    result = invoke("isic", "data", "check", folder, "--json", "--images", "all")
    document = json.loads(result.out)
    assert result.code == 2
    assert result.err == ""
    assert [split["split"] for split in document["splits"]] == ["train", "test"]
    train = document["splits"][0]
    assert (train["rows"], train["images_decoded"], train["fatal"]) == (40, 40, document["fatal"])
    assert train["metadata"] == str(folder / "train-metadata.csv")
    assert len(train["findings"]) == train["fatal"] + train["warnings"]
    assert set(train["findings"][0]) == {"fatal", "kind", "expected", "column", "line", "isic_id", "value"}
    assert {finding["value"] for finding in train["findings"]} == {"Male"}
    assert train["not_listed"] == 0


def test_json_of_very_many_findings_tells_how_many_it_leaves_out(invoke, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("furikaeri_cli.isic.data_check._LISTED", 5)
    edit(folder / "train-metadata.csv", "3D: ", "3D ")
    arguments = ("isic", "data", "check", folder, "--split", "train", "--json", "--images", "none")
    (train,) = json.loads(invoke(*arguments).out)["splits"]
    assert (train["fatal"], train["not_listed"], len(train["findings"])) == (40, 35, 5)
    (train,) = json.loads(invoke(*arguments, "--all").out)["splits"]
    assert (train["not_listed"], len(train["findings"])) == (0, 40)


def test_what_is_there_is_checked_and_what_was_asked_for_must_be(invoke, folder: Path, tmp_path: Path) -> None:
    (folder / "train-metadata.csv").unlink()
    assert "train-metadata" not in invoke("isic", "data", "check", folder).out
    for split in ("train", "both"):
        result = invoke("isic", "data", "check", folder, "--split", split)
        assert result.code == 2
        assert "holds no train-metadata.csv" in result.err
    (folder / "test-metadata.csv").unlink()
    assert "holds no train-metadata.csv" in invoke("isic", "data", "check", folder).err
    result = invoke("isic", "data", "check", tmp_path / "nowhere")
    assert (result.code, result.out) == (2, "")
    assert "nowhere: no such folder" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_table_that_cannot_be_read_does_not_keep_the_other_from_being_checked(invoke, folder: Path) -> None:
    path = folder / "train-metadata.csv"
    path.write_bytes(path.read_bytes().replace(b"torso", b"t\xf6rso", 1))
    result = invoke("isic", "data", "check", folder)
    assert result.code == 2
    assert "is not UTF-8 text" in result.out
    assert "3 rows, 3 images decoded" in result.out


def test_lesions_in_both_tables_are_fatal(invoke, folder: Path) -> None:
    edit(folder / "test-metadata.csv", "ISIC_0015729,IP_1664139", "ISIC_6249729,IP_0973797")
    result = invoke("isic", "data", "check", folder, "--images", "none")
    assert result.code == 2
    assert "fatal\tlesion of training\t3\tISIC_6249729\tisic_id" in result.out
    assert "warning\tpatient of training\t3\tISIC_6249729\tpatient_id" in result.out
    assert invoke("isic", "data", "check", folder, "--images", "none", "--split", "test").code == 0


def test_many_kinds_are_cut_off_and_counted(invoke, folder: Path) -> None:
    path = folder / "train-metadata.csv"
    table = pl.read_csv(path, infer_schema=False)
    extra = {f"note_{k}": pl.lit("x") for k in range(60)}
    table.with_columns(**extra).write_csv(path)
    result = invoke("isic", "data", "check", folder, "--split", "train", "--images", "none")
    assert result.code == 0
    assert result.out.count("extra column") == 40
    assert "20 more findings" in result.err
    everything = invoke("isic", "data", "check", folder, "--split", "train", "--images", "none", "--all")
    assert everything.out.count("extra column") == 60


def test_quiet_leaves_notes_out(invoke, folder: Path) -> None:
    edit(folder / "train-metadata.csv", ",male,", ",Male,")
    result = invoke("isic", "data", "check", folder, "--split", "train", "--quiet")
    assert (result.code, result.err) == (2, "")


def test_wrong_options_are_refused(invoke, folder: Path) -> None:
    for arguments in (["--split", "valid"], ["--images", "some"], ["--sample", "0"]):
        assert invoke("isic", "data", "check", folder, *arguments).code == 2
    assert invoke("isic", "data", "check").code == 2
