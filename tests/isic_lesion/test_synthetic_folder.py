"""Made-up folders: whole, of the contest's form, the same bytes however they are made, and never over other data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Progress
from isic_lesion.data.schema import frame_schema
from isic_lesion.synthetic.folder import FolderConfig, make_folder

SMALL = FolderConfig(rows=60, patients=7, malignant_share=0.2, test_rows=9, test_patients=3, seed=5)
BARE = FolderConfig(rows=9000, patients=40, test_rows=100, test_patients=4, images=False, seed=1)


def test_holds_what_a_folder_of_the_contest_holds(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "made", SMALL, engine=LocalProcesses(0))

    assert sorted(file.name for file in made.folder.iterdir()) == [
        "sample_submission.csv",
        "synthetic.json",
        "test-image.hdf5",
        "test-metadata.csv",
        "train-image.hdf5",
        "train-metadata.csv",
    ]
    train = pl.read_csv(made.folder / "train-metadata.csv", infer_schema=False)
    test = pl.read_csv(made.folder / "test-metadata.csv", infer_schema=False)
    assert train.columns == frame_schema("train").names()
    assert test.columns == frame_schema("test").names()
    assert (len(train), len(test), train["target"].cast(int).sum()) == (60, 9, 12)
    assert not set(train["patient_id"]) & set(test["patient_id"])
    assert not set(train["isic_id"]) & set(test["isic_id"])
    sample = pl.read_csv(made.folder / "sample_submission.csv")
    assert sample.columns == ["isic_id", "target"]
    assert sample["isic_id"].to_list() == test["isic_id"].to_list()


def test_pictures_are_square_jpegs_of_every_lesion(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    folder = make_folder(tmp_path / "made", SMALL, engine=LocalProcesses(0)).folder
    for split in ("train", "test"):
        ids = pl.read_csv(folder / f"{split}-metadata.csv", infer_schema=False)["isic_id"].to_list()
        with h5py.File(folder / f"{split}-image.hdf5") as file:
            assert sorted(file) == ids
            for name in ids:
                assert file[name].shape == ()
                assert file[name].dtype.kind == "S"
                picture = Image.open(BytesIO(file[name][()]))
                assert (picture.format, picture.mode) == ("JPEG", "RGB")
                assert picture.width == picture.height
                assert 51 <= picture.width <= 239


def test_same_seed_same_bytes_with_any_workers_and_after_a_kill(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(event: Progress) -> None:
        if event.done == 2:
            raise Killed

    make_folder(tmp_path / "alone", BARE, engine=LocalProcesses(0))
    make_folder(tmp_path / "shared", BARE, engine=LocalProcesses(2))
    with pytest.raises(Killed):
        make_folder(tmp_path / "killed", BARE, engine=LocalProcesses(0), on_progress=kill)
    assert not (tmp_path / "killed" / "train-metadata.csv").exists()
    events: list[Progress] = []
    make_folder(tmp_path / "killed", BARE, engine=LocalProcesses(0), on_progress=events.append)

    assert [event.event for event in events].count("reused") == 2
    marks = {fingerprint_of(tmp_path / name) for name in ("alone", "shared", "killed")}
    assert len(marks) == 1


def test_pictures_are_the_same_bytes_too_and_halves_of_killed_commands_go(tmp_path: Path) -> None:
    first = make_folder(tmp_path / "one", SMALL, engine=LocalProcesses(0)).folder
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ".train-image.hdf5.abc.part").write_text("half")
    second = make_folder(tmp_path / "two", SMALL, engine=LocalProcesses(2)).folder
    assert fingerprint_of(first) == fingerprint_of(second)
    assert not list(second.glob(".*"))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    make_folder(tmp_path, SMALL, engine=LocalProcesses(0))
    before = fingerprint_of(tmp_path)
    again = make_folder(tmp_path, SMALL, engine=LocalProcesses(0))
    assert again.was_there
    assert fingerprint_of(tmp_path) == before
    with pytest.raises(InputError, match="other sizes, seed or version"):
        make_folder(tmp_path, BARE, engine=LocalProcesses(0))


def test_other_data_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "train-metadata.csv").write_text("mine")
    with pytest.raises(InputError, match=r"already holds train-metadata\.csv"):
        make_folder(tmp_path, SMALL, engine=LocalProcesses(0))
    with pytest.raises(InputError, match="is no folder"):
        make_folder(tmp_path / "train-metadata.csv", SMALL, engine=LocalProcesses(0))


def test_one_row(tmp_path: Path) -> None:
    config = FolderConfig(rows=1, patients=1, malignant_share=0, test_rows=1, test_patients=1, seed=3)
    folder = make_folder(tmp_path / "one", config, engine=LocalProcesses(0)).folder
    assert len(pl.read_csv(folder / "train-metadata.csv")) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"malignant_share": 1.5}, "malignant_share"),
        ({"patients": 20_000, "rows": 10}, "patients <= rows"),
        ({"rows": 0}, "patients <= rows"),
        ({"seed": -1}, "seed"),
        ({"rows": 6_000_000}, "at most"),
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FolderConfig(**wrong)  # type: ignore[arg-type]


def test_ages_that_are_not_known_are_written_as_the_contest_does(tmp_path: Path) -> None:
    config = FolderConfig(rows=3000, patients=600, test_rows=1, test_patients=1, images=False)
    folder = make_folder(tmp_path / "made", config, engine=LocalProcesses(0)).folder
    ages = pl.read_csv(folder / "train-metadata.csv", infer_schema=False)["age_approx"]
    assert ages.null_count() == 0
    assert 0 < (ages == "NA").sum() < 40
    known = ages.filter(ages != "NA").cast(pl.Float64).to_numpy()
    assert np.all(known % 5 == 0)
