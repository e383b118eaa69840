"""The whole chain from the command line, stopped and taken up again, and what it scores afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from furikaeri_common.artifacts import sha256_of

ISIC = str(Path(sys.executable).with_name("isic"))
BRIEF = """
[[models]]
preset = "small-lightgbm"
rounds = 4
seeds = [1, 2, 3]
hospital_features = ["with", "without"]
[folds]
count = 3
[stack]
trials = 3
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "brief.toml"
    file.write_text(BRIEF)
    return file


@pytest.fixture(scope="module")
def runs(made_up: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one finished run."""
    folder = tmp_path_factory.mktemp("runs")
    command = [ISIC, "run", "--data", made_up, "--recipe", recipe, "--runs", folder, "--workers", "0", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["submission"].endswith("submission.csv")
    return folder


def digests(run: Path) -> dict[str, str]:
    # The report names the folder it was made from.
    patterns = (
        "folds.parquet",
        "features/*",
        "models/*/*.parquet",
        "models/*/boosters/*",
        "stack/*",
        "*.csv",
    )
    files = [file for pattern in patterns for file in run.glob(pattern)]
    return {file.relative_to(run).as_posix(): sha256_of(file) for file in files}


def test_a_run_says_what_each_stage_took_and_where_it_lies(runs: Path, invoke) -> None:
    (run,) = runs.iterdir()
    code, out, _ = invoke("furikaeri", "runs", "show", run, "--json")
    assert code == 0
    assert json.loads(out)["record"]["status"] == "done"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in metrics][:3] == ["data", "folds", "features"]
    assert all(line["seconds"] >= 0 and line["peak_bytes"] > 0 for line in metrics)
    page = (run / "report.html").read_text()
    assert "no medical device" in page.lower() or "not a medical device" in page.lower()
    assert "CC-BY-NC" in page


def test_killed_again_and_again_it_ends_with_the_same_bytes(
    runs: Path, made_up: Path, recipe: Path, tmp_path: Path
) -> None:
    command = [ISIC, "run", "--data", made_up, "--recipe", recipe, "--runs", tmp_path, "--quiet"]
    places = [
        "stages/features.json",
        "models/.parts/finished/*",
        "models/.parts/finished/*no-hospital*",
        "stages/stack.json",
    ]
    struck = 0
    for place in places:
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(f"*/{place}")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            struck += 1
        process.wait()
    assert struck == len(places)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (killed,), (whole,) = tmp_path.iterdir(), runs.iterdir()
    assert digests(killed) == digests(whole)
    assert len(digests(whole)) > 20


def test_a_polite_kill_ends_with_130_and_loses_nothing(made_up: Path, recipe: Path, tmp_path: Path) -> None:
    command = [ISIC, "run", "--data", made_up, "--recipe", recipe, "--runs", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("*/stages/features.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    (run,) = tmp_path.iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"


def test_predict_takes_the_newest_run_and_agrees_with_it(runs: Path, made_up: Path, tmp_path: Path, invoke) -> None:
    code, out, err = invoke(
        "isic", "predict", made_up, "--runs", runs, "--out", tmp_path / "mine.csv", "--chunk-rows", 20
    )
    assert code == 0, err
    assert "90 lesions" in out
    (run,) = runs.iterdir()
    assert (tmp_path / "mine.csv").read_bytes() == (run / "submission.csv").read_bytes()


def test_predicted_training_rows_can_be_scored(runs: Path, made_up: Path, tmp_path: Path, invoke) -> None:
    out = tmp_path / "train.csv"
    assert invoke("isic", "predict", made_up, "--train", "--runs", runs, "--out", out, "--quiet")[0] == 0
    code, printed, err = invoke("isic", "score", made_up / "train-metadata.csv", out, "--json")
    assert code == 0, err
    assert json.loads(printed)["partial_auc"] > 0.1  # rows it was trained on


def test_a_lesion_alone_is_scored(runs: Path, made_up: Path, tmp_path: Path, invoke) -> None:
    table = pl.read_csv(made_up / "test-metadata.csv", infer_schema=False).head(1)
    table.write_csv(tmp_path / "test-metadata.csv")
    code, _, err = invoke("isic", "predict", tmp_path, "--runs", runs, "--out", tmp_path / "one.csv")
    assert code == 0, err
    assert pl.read_csv(tmp_path / "one.csv")["target"].to_list() == [1.0]


def test_recipes_are_listed(invoke) -> None:
    code, out, _ = invoke("isic", "run", "--recipes", "--json")
    assert code == 0
    recipes = {recipe["name"]: recipe for recipe in json.loads(out)}
    assert {"original", "small"} <= set(recipes)
    assert len(recipes["original"]["images"]) == 7
    assert [model["name"] for model in recipes["pictures"]["images"]] == ["small-lite0"]


def test_image_models_can_be_left_out(made_up: Path, recipe: Path, runs: Path, tmp_path: Path, invoke) -> None:
    """Without them a run is what it would be had the recipe never spoken of any."""
    with_images = tmp_path / recipe.name  # which names the recipe
    with_images.write_text('[[images]]\npreset = "demo-tiny"\n' + recipe.read_text())
    arguments = ["run", "--data", made_up, "--recipe", with_images, "--workers", 0, "--runs", tmp_path / "runs"]
    code, out, err = invoke("isic", *arguments)
    assert (code, out) == (2, "")
    assert "holds no train-image.hdf5" in err
    assert "--no-images" in err
    assert not (tmp_path / "runs").exists()
    code, _, err = invoke("isic", *arguments, "--no-images")
    assert code == 0, err
    (run,), (whole,) = (tmp_path / "runs").iterdir(), runs.iterdir()
    assert digests(run) == digests(whole)
    assert (run / "recipe.json").read_bytes() == (whole / "recipe.json").read_bytes()


def test_torchrun_is_not_for_whole_runs(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = invoke("isic", "run", "--data", made_up, "--runs", tmp_path, "--quiet")
    assert code == 2
    assert "train-image" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--data", "{tmp}/none"], "none"),
        (["run", "--data", "{data}", "--recipe", "smal"], "no recipe of this name"),
        (["run", "--data", "{data}", "--recipe", "original"], "earlier contests"),
        (["predict", "{data}", "--runs", "{tmp}"], "holds no finished run"),
        (["predict", "{data}", "--run", "{tmp}"], "has no recipe"),
        (["predict", "{tmp}", "--runs", "{runs}"], "metadata"),
        (["predict", "{data}", "--runs", "{runs}", "--out", "{tmp}"], "is a folder"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    arguments: list[str], said: str, runs: Path, made_up: Path, tmp_path: Path, invoke
) -> None:
    filled = [word.format(tmp=tmp_path, data=made_up, runs=runs) for word in arguments]
    if filled[0] == "run":
        filled += ["--runs", str(tmp_path / "runs")]
    code, out, err = invoke("isic", *filled)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
