"""A small folder with pictures, and a finished run whose recipe has an image model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.runs import start_run
from furikaeri_common.stages import run_stages
from isic_lesion.data.dataset import open_lesions
from isic_lesion.pipeline import stages_of
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.synthetic.folder import FolderConfig, make_folder

RECIPE = """
[[images]]
preset = "demo-tiny"
name = "net"
size = 32
epochs = 1

[[models]]
preset = "small-lightgbm"
rounds = 3
hospital_features = ["with", "without"]

[folds]
count = 2

[stack]
trials = 2
"""


@pytest.fixture(scope="session")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 lesions to train on and 40 to score, with pictures."""
    config = FolderConfig(rows=160, patients=20, malignant_share=0.15, test_rows=40, test_patients=6, seed=3)
    return make_folder(tmp_path_factory.mktemp("pictured") / "data", config, engine=LocalProcesses(0)).folder


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    file = tmp_path_factory.mktemp("recipe") / "pictured.toml"
    file.write_text(RECIPE)
    return read_recipe(str(file))


@pytest.fixture(scope="session")
def inputs(pictured: Path, recipe: Recipe) -> RunInputs:
    return RunInputs(
        data=open_lesions(pictured), recipe=recipe, engine=LocalProcesses(0), test=open_lesions(pictured, "test")
    )


Run = Callable[..., dict[str, Mapping[str, Any]]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Return what runs all stages but some, and tells what each of them told."""

    def of(inputs: RunInputs, folder: Path, *, without: tuple[str, ...] = ("report",)) -> dict[str, Mapping[str, Any]]:
        stages = [stage for stage in stages_of(inputs, folder) if stage.name not in without]
        return {record.name: record.facts for record in run_stages(folder, stages)}

    return of


@pytest.fixture(scope="session")
def ran(inputs: RunInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, its report among what it made."""
    with start_run(tmp_path_factory.mktemp("runs"), "isic run", {}) as started:
        run_stages(started.path, stages_of(inputs, started.path))
    return started.path
