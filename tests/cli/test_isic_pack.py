"""`isic pack` writes the newest finished run as one zip, or says why it cannot."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from furikaeri_common.artifacts import read_json, sha256_of
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.runs import start_run
from furikaeri_common.stages import run_stages
from isic_lesion.data.dataset import open_lesions
from isic_lesion.pipeline import stages_of
from isic_lesion.recipe import read_recipe
from isic_lesion.run_inputs import RunInputs


@pytest.fixture(scope="module")
def runs(made_up: Path, tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one finished run, without its report, and of an older one that failed."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.raises(RuntimeError), start_run(folder, "isic run", {}):
        raise RuntimeError
    whole = read_recipe(str(tiny_recipe))
    recipe = replace(whole, models=whole.models[1:2], folds=replace(whole.folds, count=2))
    inputs = RunInputs(data=open_lesions(made_up), recipe=recipe, engine=LocalProcesses(0))
    with start_run(folder, "isic run", {}) as run:
        run_stages(run.path, [stage for stage in stages_of(inputs, run.path) if stage.name != "report"])
    return folder


def test_the_newest_run_is_packed_and_proved(invoke, runs, made_up, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = invoke("isic", "pack", "bundle.zip", "--runs", runs, "--prove-on", made_up)
    assert code == 0, err
    assert f"sha256 {sha256_of(tmp_path / 'bundle.zip')}" in out
    assert "scored 90 lesions in a clean process exactly as the run does" in out
    assert "no network wanted, no module from outside" in out
    assert "then proving it" in err

    with zipfile.ZipFile("bundle.zip") as archive:
        archive.extractall("unpacked")
    assert invoke("isic", "predict", made_up, "--run", "unpacked", "--out", "by-bundle.csv").code == 0
    assert invoke("isic", "predict", made_up, "--runs", runs, "--out", "by-run.csv").code == 0
    assert Path("by-bundle.csv").read_bytes() == Path("by-run.csv").read_bytes()


def test_without_a_proof(invoke, runs, tmp_path) -> None:
    code, out, err = invoke("isic", "pack", tmp_path / "b.zip", "--runs", runs, "--no-prove", "--json")
    assert (code, err) == (0, "")
    packed = json.loads(out)
    assert packed["proof"] is None
    assert packed["boosters"] == 1
    assert packed["bytes"] == (tmp_path / "b.zip").stat().st_size
    code, out, _ = invoke("isic", "pack", tmp_path / "b.zip", "--runs", runs, "--no-prove")
    assert out.endswith("not proved\n")


def test_what_cannot_be_packed(invoke, runs, made_up, tmp_path) -> None:
    out = tmp_path / "b.zip"
    assert invoke("isic", "pack", out, "--runs", tmp_path).code == 2
    failed = next(run for run in sorted(runs.iterdir()) if read_json(run / "run.json")["status"] == "failed")
    code, _, err = invoke("isic", "pack", out, "--run", failed)
    assert (code, "is not finished (failed)" in err) == (2, True)
    code, _, err = invoke("isic", "pack", out, "--runs", runs, "--no-prove", "--prove-on", made_up)
    assert (code, "Give one of the two" in err) == (2, True)
    code, _, err = invoke("isic", "pack", tmp_path / "b", "--runs", runs)
    assert (code, "such as bundle.zip" in err) == (2, True)
    code, _, err = invoke("isic", "pack", out, "--runs", runs, "--prove-on", tmp_path)
    assert (code, "test-metadata.csv" in err) == (2, True)
    assert not out.exists()


def test_a_bundle_that_fails_its_proof_is_not_written(invoke, runs, made_up, tmp_path, monkeypatch) -> None:
    (tmp_path / "predict.py").write_text("import sys\nsys.exit('broken on purpose')\n")
    monkeypatch.setattr("isic_lesion.bundle.packing._PREDICT", tmp_path / "predict.py")
    code, _, err = invoke("isic", "pack", tmp_path / "b.zip", "--runs", runs, "--prove-on", made_up)
    assert (code, "broken on purpose" in err) == (1, True)
    assert not (tmp_path / "b.zip").exists()
