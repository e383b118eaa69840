"""Pictures and a table become a data folder: what is stored, what stops it, and that it can be stopped anywhere."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.images import decode, open_images
from isic_lesion.data.schema import columns_of
from isic_lesion.importing.folder import ImportConfig, Imported, import_folder
from isic_lesion.importing.pictures import adapt_image
from isic_lesion.importing.tables import name_of_image

HERE = LocalProcesses(0)


def picture(width: int = 40, height: int = 30, kind: str = "JPEG", mode: str = "RGB", seed: int = 0) -> bytes:
    """A picture of soft noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three JPEGs, one of them below another folder, and a PNG."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "ISIC_1.jpg").write_bytes(picture(seed=1))
    (folder / "ISIC_2.JPEG").write_bytes(picture(50, 50, seed=2))
    (folder / "deep" / "ISIC_3_downsampled.jpg").write_bytes(picture(80, 20, seed=3) + b"\0\0")
    (folder / "ISIC_4.png").write_bytes(picture(kind="PNG", seed=4))
    (folder / "notes.txt").write_text("nothing")
    return folder


TABLE = (
    "isic_id,target,patient_id,age_approx,note\nISIC_3,1,IP_1,45.0,a\nISIC_1,0,,NA,b\nISIC_2,0,IP_2,,\nISIC_4,0,,,\n"
)


@pytest.fixture
def bring(photos: Path, tmp_path: Path) -> Callable[..., Imported]:
    """Import the photos with a table of this text."""

    def call(table: str | Path = TABLE, images: Path = photos, **options: Any) -> Imported:
        path = table if isinstance(table, Path) else tmp_path / "table.csv"
        if isinstance(table, str):
            path.write_text(table)
        return import_folder(images, [path], tmp_path / "out", ImportConfig(**options), engine=HERE)

    return call


def test_layout_and_bytes(bring, photos: Path) -> None:
    imported = bring()
    assert imported[1:] == ("train", 4, 1, {"PNG to JPEG": 1}, 2, ("note",), (), (), (), False)
    lesions = open_lesions(imported.folder)
    assert lesions.metadata.read_text().splitlines()[0] == ",".join(known.name for known in columns_of("train"))
    rows = lesions.read(["isic_id", "target", "iddx_1", "patient_id", "age_approx", "tbp_lv_A"]).rows()
    assert rows == [
        ("ISIC_3", 1, "Malignant", "IP_1", 45.0, None),
        ("ISIC_1", 0, "Benign", "image ISIC_1", None, None),
        ("ISIC_2", 0, "Benign", "IP_2", None, None),
        ("ISIC_4", 0, "Benign", "image ISIC_4", None, None),
    ]
    assert lesions.images is not None
    with open_images(lesions.images) as images:
        assert images.isic_ids() == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]
        assert images.jpeg("ISIC_1") == (photos / "ISIC_1.jpg").read_bytes()
        assert images.jpeg("ISIC_3") == (photos / "deep" / "ISIC_3_downsampled.jpg").read_bytes()
        drawn = decode(images.jpeg("ISIC_4")).astype(int)
    assert np.abs(drawn - np.asarray(Image.open(photos / "ISIC_4.png")).astype(int)).mean() < 2
    assert sorted(path.name for path in imported.folder.iterdir()) == [
        "train-image.hdf5",
        "train-import.json",
        "train-metadata.csv",
    ]


def test_a_test_split_beside_a_train_split(bring, photos: Path, tmp_path: Path) -> None:
    bring()
    imported = bring("Image_Name,sex\nphotos/ISIC_2.JPEG,male\nISIC_1.jpg,female\n", split="test")
    assert (imported.malignant, imported.rows, imported.unused) == (None, 2, ("ISIC_3", "ISIC_4"))
    assert open_lesions(imported.folder, "test").read(["isic_id", "sex"]).rows() == [
        ("ISIC_2", "male"),
        ("ISIC_1", "female"),
    ]
    assert len(open_lesions(imported.folder).read()) == 4
    assert "target" not in (tmp_path / "out" / "test-metadata.csv").read_text()


def test_parquet_and_a_named_column(bring, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["x", "y"], "photo": ["ISIC_1", "ISIC_2"], "target": [True, False], "tbp_lv_A": [1, 2]})
    frame.write_parquet(tmp_path / "table.parquet")
    imported = bring(tmp_path / "table.parquet", id_column="photo")
    assert open_lesions(imported.folder).read(["isic_id", "target", "tbp_lv_A"]).rows() == [
        ("ISIC_1", 1, 1.0),
        ("ISIC_2", 0, 2.0),
    ]
    assert imported.left_out == ("id",)


def test_earlier_contests_are_known(photos: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_3_downsampled,1,0,0,0,0,0,0,0,0\nISIC_1,0,0,0,1,0,0,0,0,0\n"
    )
    about = tmp_path / "about.csv"
    about.write_text("image,age_approx,anatom_site_general,lesion_id,sex\nISIC_3_downsampled,50,,L_7,male\n")
    imported = import_folder(photos, [truth, about], tmp_path / "out", ImportConfig(), engine=HERE)
    columns = ["isic_id", "target", "iddx_1", "patient_id", "age_approx"]
    assert open_lesions(imported.folder).read(columns).rows() == [
        ("ISIC_1", 0, "Indeterminate", "image ISIC_1", None),
        ("ISIC_3", 1, "Malignant", "lesion L_7", 50.0),
    ]
    assert imported.notes == ()
    ham = "lesion_id,image_id,dx,dx_type,age,sex,localization\nL_1,ISIC_1,bcc,histo,50,F,back\n"
    (tmp_path / "ham.csv").write_text(ham)
    noticed = import_folder(photos, [truth, about, tmp_path / "ham.csv"], tmp_path / "two", ImportConfig(), engine=HERE)
    assert noticed.notes == (
        "rows of truth about an image that another row told of: 1",
        "images whose truths differ, where the first of ISIC 2020, ISIC 2019, HAM10000, ISIC 2018, ISIC 2017, "
        "ISIC 2016 counts: 1",
        "sex 'F' (in 1 of the rows) is unknown and counts as missing",
    )
    tested = import_folder(photos, [about], tmp_path / "out", ImportConfig(split="test"), engine=HERE)
    assert open_lesions(tested.folder, "test").read(["isic_id", "sex"]).rows() == [("ISIC_3", "male")]
    (tmp_path / "other.csv").write_text(TABLE)
    with pytest.raises(InputError, match=r"other\.csv: only files of earlier contests can be given together"):
        import_folder(photos, [truth, tmp_path / "other.csv"], tmp_path / "new", ImportConfig(), engine=HERE)
    with pytest.raises(InputError, match="no table is given"):
        import_folder(photos, [], tmp_path / "new", ImportConfig(), engine=HERE)


def test_smaller_and_square(bring) -> None:
    imported = bring(max_size=32, square=True)
    assert imported.changes == {"PNG to JPEG, other size": 1, "other size": 3}
    with open_images(imported.folder / "train-image.hdf5") as images:
        shapes = [decode(images.jpeg(name)).shape[:2] for name in images.isic_ids()]
    assert shapes == [(30, 30), (32, 32), (20, 20), (30, 30)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,target\nISIC_1,0\n", "no column of image names among 'a', 'target'. Name it with --id-column"),
        ("isic_id,sex\nISIC_1,male\n", "has no column 'target'. Add it, 0 or 1, or import lesions without truth with"),
        ("isic_id,target\n", "has a header but no rows"),
        ("isic_id,target\nISIC_1,0\nISIC_2,\n", "line 3: expected 0 or 1 in target, it is empty"),
        ("isic_id,target\nISIC_1,benign\n", "line 2: expected 0 or 1 in target, got 'benign'"),
        ("isic_id,target,age_approx\nISIC_1,0,old\nISIC_2,0,x\n", r"in age_approx, got 'old' \(2 rows in all\)"),
        ("image,target\n.jpg,0\n", "line 2: expected an image's name in image"),
        (",target\nISIC_1,0\n", "no column of image names"),
        ("isic_id,target\nISIC_1,0\nISIC_2,0,5\n", "line 3: 3 fields, but the header has 2"),
        ("isic_id,target,sex\nISIC_1,0,male\nISIC_2,1", "line 3: 2 fields, but the header has 3"),
        (
            "isic_id,target\nISIC_7,0\n",
            r"holds no picture of any of the 1 rows, such as ISIC_7\.jpg \(it has ISIC_1\.jpg\)",
        ),
        (
            TABLE + "ISIC_8,0,,,\nISIC_9,0,,,\n",
            r"rows without a picture \(2\): ISIC_8 \(line 6\), ISIC_9 \(line 7\)\. Mend",
        ),
        (TABLE + "ISIC_1,0,,,\n", r"repeated ids \(1\): ISIC_1 \(line 6\)"),
    ],
)
def test_what_is_wrong_with_a_table(bring, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        bring(text)
    assert not list(tmp_path.glob("out/train*"))


def test_what_is_wrong_with_pictures(bring, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        bring(images=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.jpg").write_bytes(picture())
    with pytest.raises(InputError, match="holds no JPEG and no PNG"):
        bring(images=tmp_path / "empty")
    with pytest.raises(InputError, match="is not a folder"):
        bring(images=photos / "notes.txt")
    (photos / "ISIC_1.jpg").write_bytes(picture()[:-40])
    with pytest.raises(
        InputError, match=r"pictures that cannot be used \(1\): .*ISIC_1\.jpg: does not decode: .*truncated"
    ):
        bring()
    (photos / "ISIC_1.jpg").write_text("<html>")
    with pytest.raises(InputError, match=r"ISIC_1\.jpg: is neither a JPEG nor a PNG\. Mend them, or leave them out"):
        bring()
    (photos / "deep" / "ISIC_1.png").write_bytes(picture(kind="PNG"))
    with pytest.raises(InputError, match=r"ids with several pictures \(1\): .*ISIC_1\.jpg and .*ISIC_1\.png"):
        bring()


def test_skip_leaves_out_and_tells(bring, photos: Path) -> None:
    (photos / "ISIC_2.JPEG").write_bytes(b"")
    (photos / "deep" / "ISIC_1.png").write_bytes(picture(kind="PNG"))
    (photos / "ISIC_0.jpg").write_bytes(b"never looked at")
    Path(os.fsdecode(os.fsencode(photos / "ISIC_") + b"\xe9.jpg")).write_bytes(b"no text")
    imported = bring(TABLE + "ISIC_8,0,,,\nISIC_3,0,,,\n", skip=True)
    assert imported.rows == 3
    assert imported.unused == ("ISIC_0", "ISIC_?")
    told = dict(imported.skipped)
    assert told["repeated ids"] == ("ISIC_3 (line 7)",)
    assert told["rows without a picture"] == ("ISIC_8 (line 6)",)
    assert told["ids with several pictures"] == (f"{photos / 'ISIC_1.jpg'} and {photos / 'deep' / 'ISIC_1.png'}",)
    assert told["pictures that cannot be used"] == (f"{photos / 'ISIC_2.JPEG'}: is empty",)
    assert open_lesions(imported.folder).read(["isic_id", "target"]).rows() == [
        ("ISIC_3", 1),
        ("ISIC_1", 0),
        ("ISIC_4", 0),
    ]
    again = bring(TABLE + "ISIC_8,0,,,\nISIC_3,0,,,\n", skip=True)
    assert again == imported._replace(was_there=True)
    for path in photos.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match=r"holds train-metadata\.csv and train-image\.hdf5 already, not made of this"):
        bring(skip=True)
    for path in imported.folder.glob("train*"):
        path.unlink()
    with pytest.raises(InputError, match="no picture is left to import"):
        bring(skip=True)


def test_many_problems_are_listed_in_a_file(bring, tmp_path: Path) -> None:
    rows = "".join(f"ISIC_{number},0,,,\n" for number in range(10, 16))
    with pytest.raises(
        InputError, match=r"rows without a picture \(6\): .* and 3 more \(all of them: .*problems\.json\)"
    ):
        bring(TABLE + rows)
    listed = json.loads((tmp_path / "out" / ".import-train" / "problems.json").read_text())
    assert [len(problem["names"]) for problem in listed] == [6]
    assert bring().rows == 4


def test_the_same_again_does_nothing_and_a_changed_picture_is_noticed(bring, photos: Path) -> None:
    first = bring()
    before = (first.folder / "train-image.hdf5").stat().st_mtime_ns
    assert bring() == first._replace(was_there=True)
    assert (first.folder / "train-image.hdf5").stat().st_mtime_ns == before
    (photos / "ISIC_1.jpg").write_bytes(picture(seed=9))
    with pytest.raises(InputError, match="not made of this"):
        bring()


def test_what_somebody_else_made_stays(bring, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train-metadata.parquet").write_bytes(b"dear")
    with pytest.raises(InputError, match=r"holds train-metadata\.parquet already"):
        bring()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train-metadata.parquet"]


def test_it_goes_on_where_it_was_killed(bring, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("isic_lesion.importing.folder._IMAGES_PER_TASK", 1)
    looked: list[str] = []

    def counted(content: bytes, **options: Any) -> Any:
        looked.append("x")
        if len(looked) == 3:
            raise KeyboardInterrupt
        return adapt_image(content, **options)

    with monkeypatch.context() as patch:
        patch.setattr("isic_lesion.importing.pictures.adapt_image", counted)
        with pytest.raises(KeyboardInterrupt):
            bring()
        assert bring().rows == 4
        assert len(looked) == 3 + 2
    whole = (tmp_path / "out" / "train-metadata.csv").read_bytes()
    with open_images(tmp_path / "out" / "train-image.hdf5") as images:
        stored = {name: images.jpeg(name) for name in images.isic_ids()}
    # Killed between the two files: the images are there, the table is not, and the work is kept.
    (tmp_path / "other").mkdir()

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    config = ImportConfig()
    with monkeypatch.context() as patch:
        patch.setattr("isic_lesion.importing.folder.atomic_writer", kill)
        with pytest.raises(KeyboardInterrupt):
            import_folder(photos, [tmp_path / "table.csv"], tmp_path / "other", config, engine=HERE)
    assert (tmp_path / "other" / "train-image.hdf5").exists()
    (tmp_path / "other" / ".train-image.hdf5.0123.part").write_bytes(b"half")
    import_folder(photos, [tmp_path / "table.csv"], tmp_path / "other", config, engine=HERE)
    assert (tmp_path / "other" / "train-metadata.csv").read_bytes() == whole
    assert not list((tmp_path / "other").glob(".*"))
    with open_images(tmp_path / "other" / "train-image.hdf5") as images:
        assert {name: images.jpeg(name) for name in images.isic_ids()} == stored


def test_names_and_settings() -> None:
    names = ["ISIC_1.jpg", "a\\ISIC_1.JPEG", " ISIC_1_downsampled", "x/y/ISIC_1_DOWNSAMPLED.png", "ISIC_1"]
    assert {name_of_image(name) for name in names} == {"ISIC_1"}
    assert name_of_image("ISIC_1.gif") == "ISIC_1.gif"
    with pytest.raises(ValueError, match="max_size of at least 16, got 3"):
        ImportConfig(max_size=3)
    with pytest.raises(ValueError, match="split 'train' or 'test', got 'all'"):
        ImportConfig(split="all")  # type: ignore[arg-type]


def adapted(content: bytes, **options: Any) -> Image.Image:
    result = adapt_image(content, **options)
    assert result.jpeg is not None
    return Image.open(io.BytesIO(result.jpeg))


def test_each_kind_of_picture() -> None:
    for mode in ("RGB", "L", "CMYK"):
        assert adapt_image(picture(mode=mode)) == (None, "")
        assert adapted(picture(mode=mode), max_size=20).mode == "RGB"
    for mode in ("RGB", "RGBA", "LA", "P", "1", "L"):
        assert adapted(picture(kind="PNG", mode=mode)).size == (40, 30)
    clear = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(clear, "PNG")
    assert np.asarray(adapted(clear.getvalue())).min() > 250
    assert adapted(picture(4000, 100), max_size=400).size == (400, 10)
    assert adapted(picture(1000, 800), max_size=100, square=True).size == (100, 100)
    assert adapt_image(picture(100, 100), max_size=100, square=True) == (None, "")


def test_pictures_taken_sideways_are_turned_when_they_are_changed() -> None:
    image = Image.open(io.BytesIO(picture(100, 40)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    assert adapt_image(stream.getvalue()).jpeg is None
    assert adapted(stream.getvalue(), max_size=50).size == (20, 50)


def test_pictures_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = io.BytesIO()
    Image.fromarray(np.zeros((20, 20), dtype=np.uint16)).save(deep, "PNG")
    for content, message in (
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0abc", "does not decode"),
        (picture(kind="PNG")[:200], "does not decode"),
        (b"\x89PNG\r\n\x1a\n", "does not decode"),
        (deep.getvalue(), "has pixels of mode I;16, which a JPEG cannot keep"),
    ):
        with pytest.raises(ValueError, match=message):
            adapt_image(content)
    monkeypatch.setattr("isic_lesion.importing.pictures.MOST_PIXELS", 1000)
    with pytest.raises(ValueError, match="40 x 30 pixels are more than 1000; --max-size makes it smaller"):
        adapt_image(picture())
    assert adapted(picture(), max_size=20).size == (20, 15)


def test_real_pictures_with_workers(real_data: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    with open_images(real_data / "isic" / "images.hdf5") as images:
        names = images.isic_ids()[:300]
        for name in names:
            (photos / f"{name}.jpg").write_bytes(images.jpeg(name))
        table = real_data / "isic" / "images-metadata.csv"
        config = ImportConfig()
        with pytest.raises(InputError, match="rows without a picture"):
            import_folder(photos, [table], tmp_path / "out", config, engine=HERE)
        imported = import_folder(photos, [table], tmp_path / "out", ImportConfig(skip=True), engine=LocalProcesses(2))
        assert (imported.rows, imported.changes) == (300, {})
        with open_images(imported.folder / "train-image.hdf5") as stored:
            assert all(stored.jpeg(name) == images.jpeg(name) for name in names)
