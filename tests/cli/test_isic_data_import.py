"""`isic data import`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

TABLE = "image,target,sex\nISIC_1,1,female\nISIC_2,0,male\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two JPEGs and a table of them."""
    (tmp_path / "photos").mkdir()
    for number in (1, 2):
        stream = io.BytesIO()
        Image.new("RGB", (60, 40), (200, 100 * number, 90)).save(stream, "JPEG")
        (tmp_path / "photos" / f"ISIC_{number}.jpg").write_bytes(stream.getvalue())
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path / "photos"


def test_pictures_and_a_table_become_a_folder(invoke, photos: Path, tmp_path: Path) -> None:
    code, out, err = invoke("isic", "data", "import", photos, tmp_path / "table.csv", "--out", tmp_path / "new data")
    assert code == 0
    rows = dict(line.split("\t") for line in out.splitlines())
    assert (rows["lesions"], rows["malignant"], rows["lesions without a patient"]) == ("2", "1", "2")
    assert f"Look it over: isic data check '{tmp_path / 'new data'}'" in err
    assert "pictures decoded: 1 of 1 tasks" in err
    checked = invoke("isic", "data", "check", tmp_path / "new data", "--json")
    assert checked.code == 0, checked.err
    code, out, err = invoke(
        "isic", "data", "import", photos, tmp_path / "table.csv", "--out", tmp_path / "new data", "--json"
    )
    document = json.loads(out)
    assert (code, err, document["was_there"], document["rows"]) == (0, "", True, 2)


def test_options_reach_the_import(invoke, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE.replace("image", "photo") + "ISIC_3,0,male\n")
    arguments = ["isic", "data", "import", photos, tmp_path / "table.csv", "--out", tmp_path / "out", "--json"]
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert "Name it with --id-column" in err
    arguments += ["--id-column", "photo", "--max-size", 30, "--square", "--split", "test"]
    code, _, err = invoke(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert "rows without a picture (1): ISIC_3 (line 4). Mend them, or leave them out with --skip" in err
    code, out, err = invoke(*arguments, "--skip", "--workers", 1)
    document = json.loads(out)
    assert (code, document["changes"], document["malignant"]) == (0, {"other size": 2}, None)
    assert document["skipped"] == [{"kind": "rows without a picture", "names": ["ISIC_3 (line 4)"]}]


def test_what_cannot_be_meant(invoke, photos: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "out"
    for arguments, message in (
        ([photos, table, "--out", out, "--max-size", 3], "expected --max-size of at least 16, got 3"),
        ([photos, "--out", out], "TABLE"),
        ([photos, table], "--out"),
        ([photos, tmp_path / "none.csv", "--out", out], "none.csv: no such file"),
        ([photos, table, "--out", table], "table.csv"),
    ):
        code, _, err = invoke("isic", "data", "import", *arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert message in err
