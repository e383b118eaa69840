"""`isic explain` draws what it says, and one clear line tells what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from furikaeri_common.artifacts import write_json
from furikaeri_common.documents import jsonable
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion import lesion_maps
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.rows import open_image_folder, read_image_rows
from isic_lesion.image_models.training import train_image_models
from isic_lesion.recipe import recipe_from
from isic_lesion.scores import read_scores
from isic_lesion.synthetic.folder import FolderConfig, make_folder

NET = ImageConfig(name="net", backbone="test_efficientnet", weights="none", size=32, epochs=1, views="one")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = FolderConfig(rows=60, patients=8, malignant_share=0.2, test_rows=10, test_patients=2, seed=4)
    return make_folder(tmp_path_factory.mktemp("data") / "data", config, engine=LocalProcesses(0)).folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a run's, with one image model."""
    folder = tmp_path_factory.mktemp("run")
    rows = read_image_rows(*open_image_folder(data))
    folds = assign_patient_folds(rows.frame, num_folds=2)
    train_image_models(rows, folds, [NET], [folder / "image-models" / "net"], engine=LocalProcesses(0))
    recipe = recipe_from(
        {"models": [{"preset": "small-lightgbm"}], "images": [jsonable(NET.to_json())]}, source="net.toml"
    )
    write_json(folder / "recipe.json", jsonable(recipe))
    return folder


def test_the_highest_lesions_are_drawn(data: Path, run: Path, tmp_path: Path, invoke: Callable) -> None:
    code, out, err = invoke(
        "isic", "explain", "--run", run, "--data", data, "--top", 5, "--out", tmp_path / "maps", "--json"
    )
    assert code == 0, err
    made = json.loads(out)
    scores = read_scores(run / "image-models" / "net" / "oof.parquet").sort(
        ["score", "isic_id"], descending=[True, False]
    )
    assert [one["isic_id"] for one in made["lesions"]] == scores["isic_id"].head(5).to_list()
    assert [one["score"] for one in made["lesions"]] == pytest.approx(scores["score"].head(5).to_list(), abs=1e-6)
    assert [one["fold"] for one in made["lesions"]] == scores["fold"].head(5).to_list()
    truth = pl.read_csv(data / "train-metadata.csv", infer_schema_length=None).select("isic_id", "target")
    assert [one["malignant"] for one in made["lesions"]] == [
        truth.filter(isic_id=one["isic_id"])["target"].item() == 1 for one in made["lesions"]
    ]
    files = {Path(one["file"]) for one in made["lesions"]} | {Path(made["sheet"])}
    assert files == set((tmp_path / "maps").iterdir())
    for file in files:
        with Image.open(file) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_named_lesions_of_the_test_table(data: Path, run: Path, tmp_path: Path, invoke: Callable) -> None:
    names = pl.read_csv(data / "test-metadata.csv", infer_schema_length=None)["isic_id"].head(2).to_list()
    model = run / "image-models" / "net"
    code, out, err = invoke(
        *("isic", "explain", *names, "--model", model, "--data", data, "--split", "test", "--out", tmp_path / "maps")
    )
    assert code == 0, err
    lines = [line.split("\t") for line in out.splitlines()[1:]]
    assert [line[0] for line in lines] == names
    assert {line[2] for line in lines} == {"all rows"}
    assert {line[3] for line in lines} == {""}
    assert "no medical device" in err


def test_empty_maps_are_told(
    data: Path, run: Path, tmp_path: Path, invoke: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_empty(*args: object, **options: object) -> list[lesion_maps.LesionMap]:
        first, *others = found(*args, **options)
        return [first._replace(map=first.map * 0), *(one._replace(map=one.map + 1) for one in others)]

    found = lesion_maps.map_lesions
    monkeypatch.setattr(lesion_maps, "map_lesions", with_one_empty)
    options = ("--model", run / "image-models" / "net", "--data", data, "--top", 3, "--out", tmp_path / "maps")
    _, out, err = invoke("isic", "explain", *options, "--json")
    empty = json.loads(out)["empty"]
    assert (empty, err) == ([json.loads(out)["lesions"][0]["isic_id"]], "")
    code, _, err = invoke("isic", "explain", *options, "--quiet")
    assert code == 0
    assert err == f"warning: 1 of 3 maps is empty, since no place raised the score: {empty[0]}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "{tmp}/none", "--data", "{data}"], "no such folder of a model"),
        (["--model", "{model}", "--data", "{tmp}/none"], "none"),
        (["--model", "{model}", "--data", "{data}", "ISIC_0"], "has no lesion 'ISIC_0'"),
        (["--model", "{model}", "--data", "{data}", "--fold", "x"], "--fold x: expected a fold's number"),
        (["--model", "{model}", "--data", "{data}", "--fold", "9"], "no networks of fold 9"),
        (["--model", "{model}", "--data", "{data}", "--split", "test"], "to choose by"),
        (["--model", "{model}", "--data", "{data}", "--out", "{data}/train-metadata.csv"], "is a file"),
        (["--runs", "{tmp}", "--data", "{data}"], "holds no finished run"),
        (["--run", "{tmp}", "--data", "{data}"], "has no recipe"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    arguments: list[str], said: str, data: Path, run: Path, tmp_path: Path, invoke: Callable
) -> None:
    filled = [word.format(tmp=tmp_path, data=data, model=run / "image-models" / "net") for word in arguments]
    place = [] if "--out" in filled else ["--out", tmp_path / "maps"]
    code, out, err = invoke("isic", "explain", *filled, *place)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert not (tmp_path / "maps").exists()
