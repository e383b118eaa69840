"""What tests of every member share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast a machine is, or on what else runs there.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data, or skip where there is none."""
    folder = Path(os.environ.get("FURIKAERI_REAL_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder; set FURIKAERI_REAL_DATA")
    return folder


TINY = """
about = "Small enough for a test."

[features]
set = "small"

[[models]]
preset = "small-xgboost"
rounds = 5
hospital_features = ["with", "without"]

[[models]]
preset = "small-lightgbm"
rounds = 5
seeds = [1, 2]
hospital_features = ["with", "without"]

[folds]
count = 3

[stack]
trials = 5
"""


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up data folder without images: 600 lesions to train on, 90 to predict, some of hospitals not seen."""
    from furikaeri_common.local_processes import LocalProcesses
    from isic_lesion.synthetic.folder import FolderConfig, make_folder

    config = FolderConfig(
        rows=600, patients=40, malignant_share=0.08, test_rows=90, test_patients=9, images=False, seed=5
    )
    return make_folder(tmp_path_factory.mktemp("made-up") / "data", config, engine=LocalProcesses(0)).folder


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of four small models."""
    file = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    file.write_text(TINY)
    return file
