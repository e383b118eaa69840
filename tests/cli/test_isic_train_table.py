"""`isic train-table`: a model's folder, its figures, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import fingerprint_of
from isic_lesion.data.schema import columns_of
from isic_lesion.features import Feature, FeatureSet, write_features
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.folds.files import write_folds
from isic_lesion.scores import read_scores

SET = FeatureSet(
    name="few",
    features=(
        *(Feature(name=name, kind="lesion", formulas=(name,)) for name in ("tbp_lv_areaMM2", "tbp_lv_H", "tbp_lv_x")),
        Feature(name="hospital.mean", kind="group", formulas=("tbp_lv_H",), group=("attribution",), statistic="mean"),
    ),
)


class Made(NamedTuple):
    """What a user has before training."""

    data: Path
    folds: Path
    features: Path
    model: Path

    @property
    def given(self) -> tuple[object, ...]:
        return ("--data", self.data, "--folds", self.folds, "--features", self.features)

    @property
    def options(self) -> tuple[object, ...]:
        return (*self.given, "--model", self.model)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two hundred and forty lesions whose area tells the target, three folds, and a model of few rounds."""
    place = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    target = (np.arange(240) % 5 == 0).astype(int)
    told = {
        "isic_id": [f"ISIC_{1_000_000 + k}" for k in range(240)],
        "patient_id": [f"IP_{k // 4}" for k in range(240)],
        "target": target,
        "iddx_1": ["Malignant" if bad else "Benign" for bad in target],
        "attribution": [f"Hospital {k // 4 % 3}" for k in range(240)],
        "tbp_lv_areaMM2": rng.uniform(5, 8, 240) + 2 * target,
        "tbp_lv_H": rng.uniform(40, 60, 240),
        "tbp_lv_x": rng.uniform(-300, 300, 240),
    }
    names = [column.name for column in columns_of("train")]
    table = pl.DataFrame({name: told.get(name, [""] * 240) for name in names}, strict=False)
    (place / "data").mkdir()
    table.write_csv(place / "data" / "train-metadata.csv")
    rows = pl.DataFrame(told)
    folds = assign_patient_folds(rows, num_folds=3)
    write_folds(folds, place / "folds.parquet")
    write_features(rows, SET, place / "features", folds)
    (place / "quick.toml").write_text('preset = "small-lightgbm"\nrounds = 8\n')
    return Made(place / "data", place / "folds.parquet", place / "features", place / "quick.toml")


def test_a_model_is_trained_and_told(invoke, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "m"
    code, printed, err = invoke("isic", "train-table", *made.options, "--out", out, "--workers", 0, "--json")
    assert (code, err) == (0, "")
    told = json.loads(printed)
    assert (told["model"], told["features"], told["boosters"], told["dropped"]) == ("quick", 4, 4, None)
    assert [line["fold"] for line in told["quality"]] == [0, 1, 2, None]
    assert told["quality"][-1]["partial_auc"] > 0.1
    assert told["importances"][0][0] == "tbp_lv_areaMM2"
    assert "Not a medical device" in told["note"]
    assert set(read_scores(out / "oof.parquet")["model"]) == {"quick"}
    before = fingerprint_of(out)
    code, printed, err = invoke("isic", "train-table", *made.options, "--out", out, "--workers", 0)
    assert code == 0
    assert printed.startswith("round\tlesions\tmalignant\tpAUC\tAUC\n0\t")
    assert "quick: share of the gain: tbp_lv_areaMM2" in err
    assert "medical device" in err
    assert fingerprint_of(out) == before
    code, _, err = invoke("isic", "train-table", *made.options, "--out", out, "--workers", 0, "--hospital", "without")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds the model quick with other settings" in err
    assert "--force" in err
    options = ("--out", out, "--workers", 0, "--hospital", "without", "--force", "--seeds", 2, "--json")
    code, printed, _ = invoke("isic", "train-table", *made.options, *options)
    assert code == 0
    told = json.loads(printed)
    assert (told["model"], told["features"], told["boosters"]) == ("quick-no-hospital", 3, 8)


def test_features_are_selected(invoke, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "m"
    options = ("--out", out, "--workers", 0, "--select", "permutation", "--json")
    code, printed, err = invoke("isic", "train-table", *made.options, *options)
    assert (code, err) == (0, "")
    told = json.loads(printed)
    selection = json.loads((out / "selection.json").read_text())
    assert "tbp_lv_areaMM2" in selection["names"]
    assert (told["features"], told["dropped"]) == (len(selection["names"]), len(selection["dropped"]))
    options = ("--out", tmp_path / "n", "--workers", 0, "--select", out / "selection.json", "--parts", "all", "--json")
    code, printed, _ = invoke("isic", "train-table", *made.options, *options)
    assert code == 0
    again = json.loads(printed)
    assert again["quality"] == []
    assert again["features"] == told["features"]


def test_several_models_go_into_a_folder_each(invoke, made: Made, tmp_path: Path) -> None:
    other = tmp_path / "second.toml"
    other.write_text('preset = "small-xgboost"\nrounds = 5\n')
    models = tmp_path / "models"
    options = (*made.options, "--model", other, "--out", models, "--workers", 0, "--select", "zero-importance")
    code, printed, err = invoke("isic", "train-table", *options)
    assert code == 0
    assert [line.split("\t")[:2] for line in printed.splitlines()[1:]] == [
        [name, part] for name in ("quick", "second") for part in ("0", "1", "2", "all")
    ]
    assert "quick: 4 lightgbm boosters of " in err
    assert f"second: 4 xgboost boosters of 4 features (0 left out), folds by patients, in {models / 'second'}" in err
    for name in ("quick", "second"):
        assert set(read_scores(models / name / "oof.parquet")["model"]) == {name}
        assert (models / name / "selection.json").is_file()
    code, printed, err = invoke("isic", "train-table", *options, "--hospital", "without", "--json")
    assert (code, err) == (0, "")
    assert [told["model"] for told in json.loads(printed)] == ["quick-no-hospital", "second-no-hospital"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "small-lightgmb"), "no model of this name and no such file"),
        (("--folds", "nowhere.parquet"), "nowhere.parquet: no such file"),
        (("--features", "nowhere"), "nowhere"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--select", "importance"), "--select importance: no such method and no such file"),
        (("--correlation", "0.9"), "--correlation needs --select permutation"),
        (("--task-gpus", "1"), "--task-gpus is of a Ray cluster. Add --engine ray, or leave it out"),
        (("--address", "10.0.0.1:6379"), "--address is of a Ray cluster. Add --engine ray, or leave it out"),
        (
            ("--model", "few-kernel", "--device", "gpu"),
            "model few-kernel: expected device: 'cpu' for kernel; got 'gpu'",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    invoke, made: Made, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = invoke("isic", "train-table", *made.options, *options, "--out", tmp_path / "m", "--workers", 0)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err
    assert not (tmp_path / "m" / "model.json").exists()


@pytest.mark.parametrize("model", ["few-extra-trees", "few-kernel"])
def test_smooth_models_are_trained_too(invoke, made: Made, tmp_path: Path, model: str) -> None:
    out = tmp_path / "m"
    code, printed, err = invoke(
        *("isic", "train-table", *made.given, "--model", model, "--out", out, "--workers", 0, "--parts", "all"),
        *("--hospital", "without", "--json"),
    )
    assert (code, err) == (0, "")
    document = json.loads(printed)
    assert (document["model"], document["library"]) == (f"{model}-no-hospital", model.removeprefix("few-"))
    assert (out / "boosters" / "all-seed-42.safetensors").is_file()
