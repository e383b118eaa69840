"""`isic plan`: the bill of a run, measured or given, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("timm")

TINY = """
[[images]]
preset = "demo-tiny"
size = 32
epochs = 2

[[models]]
preset = "small-lightgbm"
rounds = 3

[features]
set = "few"

[folds]
count = 2

[stack]
trials = 2
"""
SMALL = ("--rows", 160, "--patients", 20, "--malignant", 20)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(TINY)
    return file


def test_a_recipe_is_measured_here_and_nothing_is_kept(recipe: Path, tmp_path: Path, monkeypatch, invoke) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    code, out, err = invoke("isic", "plan", recipe, *SMALL, "--sample", 0.2, "--price", "here=0.1", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [stage["name"] for stage in told["stages"]] == [
        *("data", "folds", "image demo-tiny", "held out demo-tiny", "features", "model small-lightgbm"),
        *("stack", "report"),
    ]
    (bill,) = told["bills"]
    assert bill["unknown"] == []
    seconds = [stage["seconds"]["here"]["likely"] for stage in told["stages"]]
    assert bill["seconds"]["likely"] == pytest.approx(sum(seconds))
    assert min(seconds) >= 0
    assert bill["seconds"]["basis"] == "measured"
    assert bill["money"]["likely"] == pytest.approx(bill["device_seconds"]["likely"] * 0.1 / 3600)
    by_name = {stage["name"]: stage for stage in told["stages"]}
    assert by_name["image demo-tiny"]["tasks"] == 3
    # All benign lesions are drawn where there are two for each malignant one and more: 20 of 160 are malignant.
    assert by_name["image demo-tiny"]["count"]["likely"] == 2 * (2 * 30 + 60)
    assert by_name["held out demo-tiny"]["count"]["likely"] == 160
    assert by_name["model small-lightgbm"]["count"]["likely"] == 3 * 3
    for name in ("image demo-tiny", "model small-lightgbm"):
        assert 5e7 < by_name[name]["memory"]["likely"] < 5e9
    assert all(stage["disk"]["likely"] > 0 for name, stage in by_name.items() if "held out" not in name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary", "tiny.toml"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_original_is_planned_for_gpus_without_measuring(invoke) -> None:
    asked = ("--sample", 0, "--throughput", "a100=500", "--throughput", "resnet18@a100=3000", "--price", "a100=2")
    code, out, err = invoke("isic", "plan", "original", *asked, "--scale", 10, "--gpus", 8, "--kind", "h100", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["kinds"] == ["h100", "a100"]
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert len([name for name in stages if name.startswith(("image ", "held out "))]) == 14
    assert stages["held out original-swin-base"]["count"]["likely"] == 4_010_590
    pace = {name: stages[f"image original-{name}"]["paces"] for name in ("resnet18", "swin-base")}
    assert pace["resnet18"]["a100"]["per_unit"]["likely"] == pytest.approx(1 / 3000)
    assert pace["swin-base"]["a100"]["per_unit"] == {"likely": 0.002, "low": 0.002, "high": 0.002, "basis": "given"}
    assert pace["swin-base"]["h100"]["per_unit"]["basis"] == "estimated"
    bills = {(bill["kind"], bill["devices"]): bill for bill in told["bills"]}
    assert bills["a100", 8]["seconds"]["likely"] < bills["a100", 1]["seconds"]["likely"]
    assert bills["a100", 1]["money"]["likely"] > 0
    assert bills["h100", 1]["money"] is None


def test_a_folder_tells_its_own_sizes(recipe: Path, made_up: Path, invoke) -> None:
    code, out, err = invoke("isic", "plan", recipe, "--data", made_up, "--no-images", "--sample", 0, "--json")
    assert code == 0, err
    count = {stage["name"]: stage["count"]["likely"] for stage in json.loads(out)["stages"]}
    for split, name in (("train", "data"), ("test", "submission")):
        assert count[name] == len((made_up / f"{split}-metadata.csv").read_text().splitlines()) - 1


def test_without_a_sample_it_is_said_that_nothing_is_known(invoke) -> None:
    code, out, err = invoke("isic", "plan", "small", "--sample", 0)
    assert code == 0, err
    assert "here: not known, for nothing was measured" in out


def test_image_models_need_a_picture_of_every_lesion_as_in_a_run(
    recipe: Path, made_up: Path, tmp_path: Path, invoke
) -> None:
    from isic_lesion.data.images import write_images

    folder = tmp_path / "data"
    shutil.copytree(made_up, folder)
    code, out, err = invoke("isic", "plan", recipe, "--data", folder, "--sample", 0)
    assert (code, out) == (2, "")
    assert "holds no train-image.hdf5" in err
    for split in ("train", "test"):
        write_images(folder / f"{split}-image.hdf5", [("ISIC_0000000", b"of another lesion")])
    code, out, err = invoke("isic", "plan", recipe, "--data", folder, "--sample", 0)
    assert (code, out) == (2, "")
    assert "more have no picture" in err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["nowhere"], "no recipe of this name"),
        (["small", "--kind", "b9"], "no GPU of the kind 'b9' is known"),
        (["small", "--price", "a100"], "expected KIND=MONEY"),
        (["pictures", "--throughput", "b0@a100=3"], "there is no 'b0' in the recipe"),
        (["small", "--throughput", "a100=-3"], "expected a rate above 0"),
        (["small", "--scale", "0"], "expected a factor above 0"),
        (["small", "--rows", "9", "--patients", "12"], "expected from 2 patients"),
        (["small", "--malignant", "1"], "at least 2 malignant"),
        (["small", "--data", "nowhere"], "no such folder"),
        (["small", "--data", "nowhere", "--rows", "9"], "--rows beside --data"),
        (["small", "--kind", "here", "--sample", "0"], "nothing is measured here"),
    ],
)
def test_what_cannot_be_planned_is_told_in_a_line(given: list[str], message: str, invoke) -> None:
    code, out, err = invoke("isic", "plan", *given)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1
