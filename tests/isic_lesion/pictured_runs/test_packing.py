"""A bundle carries the run's image models, and scores pictures where there is nothing else."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from isic_lesion.bundle.packing import pack
from isic_lesion.bundle.proof import ProofConfig, wanted_image_models
from isic_lesion.prediction import open_predictor


def test_it_is_proved_on_pictures(ran: Path, pictured: Path, tmp_path: Path) -> None:
    assert wanted_image_models(open_predictor(ran)) == ()
    packed = pack(ran, tmp_path / "bundle.zip", proof=ProofConfig(data=pictured))
    assert (packed.boosters, packed.networks) == (2, 1)
    assert packed.proof is not None
    assert packed.proof.lesions == 40
    assert {"torch", "timm", "h5py", "PIL"} <= set(packed.proof.libraries)
    with zipfile.ZipFile(packed.file) as archive:
        names, readme = set(archive.namelist()), archive.read("README.md").decode()
        needs = json.loads(archive.read("bundle.json"))["needs"]
    assert {name for name in names if name.startswith("image-models/")} == {
        "image-models/net/model.json",
        "image-models/net/weights/all-seed-42.safetensors",
    }
    assert needs["torch"]["at_least"] == "2.6"
    assert "`test-image.hdf5`" in readme
    assert "net: test_efficientnet, 1 fit" in readme
    assert "image_scores=" not in readme
    assert '`main(on_bad="skip")`' in readme


def test_a_network_that_is_missing_is_named(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "image-models" / "net")
    with pytest.raises(InputError, match="net: no such folder of a model"):
        pack(tmp_path / "run", tmp_path / "bundle.zip", proof=None)
