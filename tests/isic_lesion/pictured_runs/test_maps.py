"""Maps come from the networks that had not seen a lesion, and are drawn beside its crop."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from furikaeri_common.artifacts import read_json, sha256_of, write_json
from furikaeri_common.errors import InputError
from isic_lesion.data.images import open_images, write_images
from isic_lesion.lesion_maps import LesionMap, held_out_scores, map_lesions, picture_rows
from isic_lesion.map_pictures import contact_sheet, lesion_png
from isic_lesion.report import ReportInputs, find, render_report
from isic_lesion.report.gallery import make_gallery
from isic_lesion.report.sources import sources_of_run
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import read_scores


@pytest.fixture(scope="module")
def model(ran: Path) -> Path:
    return RunLayout(ran).image_model("net")


def test_each_lesion_is_explained_by_the_fold_that_held_it_out(model: Path, pictured: Path) -> None:
    """The score beside a map is the out-of-fold score, which no other network gives."""
    oof = held_out_scores(model)
    assert oof["score"].is_sorted(descending=True)
    chosen = oof.sample(8, seed=1)
    maps = map_lesions(model, pictured / "train-image.hdf5", chosen["isic_id"].to_list())
    assert [one.isic_id for one in maps] == chosen["isic_id"].to_list()
    assert [one.fold for one in maps] == chosen["fold"].to_list()
    np.testing.assert_allclose([one.score for one in maps], chosen["score"], atol=1e-6)
    others = map_lesions(model, pictured / "train-image.hdf5", [one.isic_id for one in maps], which="all")
    assert {one.fold for one in others} == {None}
    assert all(abs(one.score - other.score) > 1e-6 for one, other in zip(maps, others, strict=True))
    for one in maps:
        assert one.crop.shape == one.overlay.shape == (32, 32, 3)
        assert one.crop.dtype == one.overlay.dtype == np.uint8
        assert one.map.shape == (32, 32)
        assert float(one.map.min()) >= 0
        assert float(one.map.max()) in (0.0, 1.0)


def test_a_fold_can_be_named_and_must_be_there(model: Path, pictured: Path) -> None:
    names = held_out_scores(model)["isic_id"].head(3).to_list()
    assert [one.fold for one in map_lesions(model, pictured / "train-image.hdf5", names, which=1)] == [1, 1, 1]
    with pytest.raises(InputError, match="no networks of fold 7"):
        map_lesions(model, pictured / "train-image.hdf5", names, which=7)


def test_lesions_that_nobody_trained_on_are_explained_by_the_networks_of_all_rows(
    model: Path, ran: Path, pictured: Path
) -> None:
    scores = read_scores(RunLayout(ran).test_image_scores("net"))
    maps = map_lesions(model, pictured / "test-image.hdf5", scores["isic_id"].head(5).to_list())
    assert [one.fold for one in maps] == [None] * 5
    np.testing.assert_allclose([one.score for one in maps], scores["score"].head(5), atol=1e-6)


def test_lesions_without_a_sound_picture_are_left_out(model: Path, pictured: Path, tmp_path: Path) -> None:
    with open_images(pictured / "train-image.hdf5") as images:
        names = images.isic_ids()[:4]
        jpegs = {name: images.jpeg(name) for name in names}
    write_images(tmp_path / "some.hdf5", {**jpegs, names[1]: b"no picture"}.items())
    asked = [names[3], "ISIC_none", names[1], names[0], names[3]]
    assert picture_rows(tmp_path / "some.hdf5", asked).frame["isic_id"].to_list() == [names[3], names[1], names[0]]
    maps = map_lesions(model, tmp_path / "some.hdf5", asked)
    assert [one.isic_id for one in maps] == [names[3], names[0]]
    assert map_lesions(model, tmp_path / "some.hdf5", [names[1]]) == []


def lesion(number: int, *, score: float = 0.5) -> LesionMap:
    pixels = np.full((20, 20, 3), 40 * number, dtype=np.uint8)
    overlay = np.full((20, 20, 3), 200, dtype=np.uint8)
    return LesionMap(f"ISIC_{number}", None, score, pixels, overlay, np.zeros((20, 20), dtype=np.float32))


def test_a_lesions_picture_has_the_crop_on_the_left_and_the_map_on_the_right() -> None:
    picture = np.asarray(Image.open(io.BytesIO(lesion_png(lesion(2)))))
    height, width, _ = picture.shape
    assert (picture[:, :height] == 80).all()
    assert (picture[:, width - height :] == 200).all()
    assert (picture[:, height : width - height] == 255).all()


@pytest.mark.parametrize("number", [1, 5, 23])
def test_a_sheet_holds_every_lesion_and_frames_the_malignant(number: int) -> None:
    lesions = [lesion(k % 6) for k in range(number)]
    lesions = [one._replace(isic_id=f"ISIC_{k}") for k, one in enumerate(lesions)]
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(lesions, {"ISIC_0": True, "ISIC_1": False}, title="net"))))
    red = (sheet == (179, 38, 30)).all(axis=2)
    assert red[:, 9:12].any()  # the frame of the first, which stands at the left margin
    plain = np.asarray(Image.open(io.BytesIO(contact_sheet(lesions, {}, title="net"))))
    assert plain.shape == sheet.shape
    assert not (plain == (179, 38, 30)).all(axis=2).any()
    maps = (sheet == 200).all(axis=2).sum()
    assert maps >= number * 144 * 144


def scored(number: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "isic_id": [f"ISIC_{k:04}" for k in range(number)],
            "patient_id": [f"IP_{k}" for k in rng.integers(0, 12, number)],
            "owner": np.zeros(number, dtype=np.int64),
            "target": (rng.random(number) < 0.2).astype(np.int8),
            "score": rng.random(number).round(2),
        }
    ).with_columns(owner=pl.col("patient_id").rank("dense").cast(pl.Int64))


@pytest.mark.parametrize("seed", range(5))
def test_a_gallery_is_what_the_slow_way_finds(seed: int) -> None:
    rows = scored(90, seed)
    alone = rows.head(1).with_columns(isic_id=pl.lit("ISIC_alone"), patient_id=pl.lit("IP_alone"), owner=99, score=2.0)
    rows = pl.concat([rows, alone.cast(dict(rows.schema))])
    gallery = make_gallery(rows, has_truth=True, num_patients=4, num_first=3)
    by_patient: dict[str, list[tuple[float, str, int]]] = {}
    for row in rows.iter_rows(named=True):
        by_patient.setdefault(row["patient_id"], []).append((-row["score"], row["isic_id"], row["target"]))
    several = {name: sorted(own) for name, own in by_patient.items() if len(own) > 1}
    assert "IP_alone" not in several
    order = sorted(several, key=lambda name: several[name][0])
    assert [patient.patient for patient in gallery] == order[:4]
    for patient in gallery:
        own = several[str(patient.patient)]
        assert patient.lesions == len(own)
        assert patient.malignant == sum(target for *_, target in own)
        assert [one.isic_id for one in patient.first] == [name for _, name, _ in own[:3]]
        middle = len(own) // 2
        assert (patient.median and patient.median.isic_id) == (own[middle][1] if middle >= 3 else None)


def page_of(table: pl.DataFrame, images: Path | None, maps: Path | None) -> str:
    scores = table.select("isic_id", fold=pl.lit(None, pl.UInt8), model=pl.lit("stack"), score=pl.lit(0.5))
    scores = scores.with_columns(score=pl.int_range(len(table), 0, -1) / len(table))
    given = ReportInputs(metadata=table, scores=scores, images=images, maps=maps, num_resamples=0)
    return render_report(given, find(given))


def test_a_page_shows_maps_where_there_is_a_model_and_crops_alone_where_there_is_none(
    model: Path, pictured: Path
) -> None:
    table = pl.read_csv(pictured / "train-metadata.csv", infer_schema_length=None)
    images = pictured / "train-image.hdf5"
    pages = [page_of(table, images, maps) for maps in (model, None)]
    assert pages[0] == page_of(table, images, model)
    shown = make_gallery(
        table.with_columns(owner=pl.col("patient_id").rank("dense"), score=pl.int_range(len(table), 0, -1)),
        has_truth=True,
    )
    num_tiles = sum(len(patient.first) + (patient.median is not None) for patient in shown)
    assert pages[0].count('alt="Where net looked on ') == num_tiles > 20
    assert "by the networks that had not seen the patient" in pages[0]
    assert pages[0].count('<li class="tile') == pages[1].count('<li class="tile') == num_tiles
    assert "Grad-CAM" not in pages[1]
    malignant = sum(one.malignant or False for patient in shown for one in patient.first)
    assert pages[0].count('<li class="tile ill"') == malignant > 0
    assert len(pages[0]) - len(pages[1]) < 6000 * num_tiles
    assert "Patients at a glance" not in page_of(table, None, None)


def test_a_report_of_a_run_refuses_other_pictures(ran: Path, pictured: Path, tmp_path: Path) -> None:
    run = shutil.copytree(ran, tmp_path / "run")
    record = read_json(run / "run.json")
    digest = sha256_of(pictured / "train-image.hdf5")
    write_json(run / "run.json", {**record, "data": {"train_images": digest}})
    assert sources_of_run(run, data=pictured).maps == RunLayout(run).image_model("net")
    write_json(run / "run.json", {**record, "data": {"train_images": digest[::-1]}})
    with pytest.raises(InputError, match=r"train-image\.hdf5: is not the file of pictures that .* was made of"):
        sources_of_run(run, data=pictured)
    assert sources_of_run(run).data is None
