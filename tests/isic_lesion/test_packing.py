"""A bundle is the same for the same run, holds what it needs, and is proved to score as the run does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import read_json, sha256_of, write_json
from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.runs import start_run
from furikaeri_common.stages import run_stages
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.bundle.packing import contents_of, pack
from isic_lesion.bundle.proof import ProofConfig, prove, wanted_image_models
from isic_lesion.data.dataset import open_lesions
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.pipeline import stages_of
from isic_lesion.prediction import Predictor, open_predictor, predict
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import write_scores
from isic_lesion.submission import write_submission

PAST = """image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target
ISIC_9000001,{patient},male,45.0,torso,melanoma,malignant,1
"""


def run_of(inputs: RunInputs, runs: Path) -> Path:
    """Run all but the report, which no bundle holds."""
    with start_run(runs, "isic run", {}) as run:
        run_stages(run.path, [stage for stage in stages_of(inputs, run.path) if stage.name != "report"])
    return run.path


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Path) -> Recipe:
    """One booster of each library, of which one looks at the hospital."""
    whole = read_recipe(str(tiny_recipe))
    return replace(whole, models=(whole.models[0], replace(whole.models[3], seeds=(1,))))


@pytest.fixture(scope="module")
def ran(made_up: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs = RunInputs(data=open_lesions(made_up), recipe=recipe, engine=LocalProcesses(0))
    return run_of(inputs, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def predictor(ran: Path) -> Predictor:
    return open_predictor(ran)


@pytest.fixture(scope="module")
def bundle(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(ran, tmp_path_factory.mktemp("bundle") / "bundle.zip", proof=None).file


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


@pytest.fixture(scope="module")
def expected(predictor: Predictor, made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The submission that the run itself makes."""
    file = tmp_path_factory.mktemp("expected") / "submission.csv"
    write_submission(predict(predictor, open_lesions(made_up, "test")).frame, file)
    return file.read_bytes()


def python(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", *(str(argument) for argument in arguments)]
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_the_same_run_gives_the_same_bytes(ran: Path, bundle: Path, unpacked: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(ran, tmp_path / "copy", copy_function=shutil.copyfile)
    again = pack(elsewhere, tmp_path / "again.zip", proof=None)
    assert again.sha256 == sha256_of(bundle)
    assert again.bytes == bundle.stat().st_size
    assert pack(unpacked, tmp_path / "of-itself.zip", proof=None).sha256 == again.sha256
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert again.files == len(names) == len(set(names))
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_it_holds_what_scores_and_nothing_else(bundle: Path, ran: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        readme, notice = archive.read("README.md").decode(), archive.read("NOTICE").decode()
    code = {name for name in names if name.startswith(("isic_lesion/", "furikaeri_common/"))}
    assert names - code == {
        *("predict.py", "bundle.json", "README.md", "NOTICE", "recipe.json", "feature_set.json", "stack/stack.json"),
        "features/population-all.parquet",
        "models/small-xgboost/model.json",
        "models/small-xgboost/boosters/all-seed-42.ubj",
        "models/small-lightgbm-no-hospital/model.json",
        "models/small-lightgbm-no-hospital/boosters/all-seed-1.txt",
    }
    assert {"isic_lesion/prediction.py", "isic_lesion/features/__init__.py", "furikaeri_common/errors.py"} <= code
    assert not any("/synthetic/" in name or "/report/" in name for name in code)
    assert not {"isic_lesion/pipeline.py", "isic_lesion/bundle/packing.py", "furikaeri_common/runs.py"} & code
    for text in (readme, notice):
        assert "no medical device" in text
        assert str(ran) not in text
    assert "CC-BY-NC" in notice
    assert "It was not proved" in readme
    assert "small-lightgbm-no-hospital: lightgbm, 1 fit" in readme


def test_it_is_a_run_to_score_with(unpacked: Path, made_up: Path, expected: bytes, tmp_path: Path) -> None:
    predicted = predict(open_predictor(unpacked), open_lesions(made_up, "test"))
    write_submission(predicted.frame, tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_bytes() == expected


def test_it_is_proved_where_there_is_nothing_else(ran: Path, tmp_path: Path) -> None:
    packed = pack(ran, tmp_path / "bundle.zip", proof=ProofConfig())
    assert packed.proof is not None
    assert packed.proof.lesions == 240
    assert packed.proof.made_up
    assert 0 < packed.proof.unknown < 240
    libraries = set(packed.proof.libraries)
    assert {"numpy", "polars", "xgboost", "lightgbm"} <= libraries
    assert libraries <= {"numpy", "polars", "_polars_runtime_32", "scipy", "xgboost", "lightgbm", "narwhals", "nvidia"}
    with zipfile.ZipFile(packed.file) as archive:
        assert "| proved with |" in archive.read("README.md").decode()
    assert [file.name for file in tmp_path.iterdir()] == ["bundle.zip"]


def test_models_that_want_more_than_the_table(made_up: Path, recipe: Recipe, tmp_path: Path) -> None:
    """Models of the rounds, one of them no booster, an image model that features look at too, and earlier contests."""
    rows = open_lesions(made_up).read()
    folds = assign_patient_folds(rows, num_folds=3)
    scores = rows.select(
        "isic_id",
        fold=pl.Series(folds.fold_of(rows["isic_id"])),
        model=pl.lit("net-18"),
        score=pl.col("target") * 0.5 + pl.Series(np.random.default_rng(0).uniform(0, 0.5, len(rows))),
    )
    write_scores(tmp_path / "oof.parquet", scores, folds)
    (tmp_path / "2020.csv").write_text(PAST.format(patient=rows["patient_id"][0]))
    inputs = RunInputs(
        data=open_lesions(made_up),
        recipe=replace(
            recipe,
            models=(*recipe.models, replace(PRESETS["few-extra-trees"], rounds=5)),
            features=replace(recipe.features, past=True),
            inference=replace(recipe.inference, boosters="folds"),
        ),
        engine=LocalProcesses(0),
        image_scores=(tmp_path / "oof.parquet",),
        past=(tmp_path / "2020.csv",),
    )
    run = run_of(inputs, tmp_path / "runs")
    assert wanted_image_models(open_predictor(run)) == ("net-18",)
    packed = pack(run, tmp_path / "bundle.zip", proof=ProofConfig(data=made_up))
    assert packed.boosters == 9
    assert packed.proof is not None
    assert packed.proof.lesions == 90
    assert not packed.proof.made_up
    assert "safetensors" in packed.proof.libraries
    with zipfile.ZipFile(packed.file) as archive:
        names, readme = archive.namelist(), archive.read("README.md").decode()
    assert "models/small-xgboost/boosters/fold-2-seed-42.ubj" in names
    assert "features/population-fold-0.parquet" in names
    assert not any("all" in Path(name).name for name in names if "boosters/" in name or "population-" in name)
    assert "scores of the image models net-18" in readme
    assert 'main(image_scores=["scores.parquet"], past=["FOLDER_OF_EARLIER_CONTESTS"])' in readme


FAKE = """
from pathlib import Path

class Made:
    rows, unknown = 90, 0

def main(data, out, image_scores, past):
    Path(out).write_bytes(Path({expected!r}).read_bytes())
    {line}
    return Made
"""
ONLINE = "import socket\n    try: socket.create_connection(('localhost', 9))\n    except OSError: pass"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import nothing_of_the_kind", "exit code 1: ModuleNotFoundError"),
        ("import dataframely", "exit code 1: ModuleNotFoundError"),
        (ONLINE, r"wanted a socket \d+ times"),
        ("import sys; sys.path.append({strangers!r}); import a_stranger", "from outside: a_stranger"),
        ("Path(__file__).with_name('left').touch()", "writes into its own folder: left"),
        (
            "Path(out).write_text(Path(out).read_text().replace(',0.', ',1.'))",
            r"otherwise than the run: \d+ of 90 lesions, such as ISIC_\d+,1\.",
        ),
        ("Path(out).write_text('isic_id,target\\n')", "scores 0 lesions, and the run 90"),
        ("import time; time.sleep(60)", "took more than 0.5 s"),
    ],
)
def test_a_bundle_that_would_fail_is_refused(
    bundle: Path, predictor: Predictor, made_up: Path, expected: bytes, tmp_path: Path, line: str, complaint: str
) -> None:
    (tmp_path / "expected.csv").write_bytes(expected)
    (tmp_path / "a_stranger.py").touch()
    body = line.replace("{strangers!r}", repr(str(tmp_path)))
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "broken.zip", "w") as broken:
        broken.writestr("bundle.json", old.read("bundle.json"))
        broken.writestr("predict.py", FAKE.format(expected=str(tmp_path / "expected.csv"), line=body))
    timeout = 0.5 if "sleep" in line else 60
    with pytest.raises(WorkError, match=complaint):
        prove(tmp_path / "broken.zip", predictor, ProofConfig(data=made_up, timeout=timeout))


def test_what_fails_its_proof_leaves_what_was_there(
    ran: Path, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle.zip").write_text("earlier")
    monkeypatch.setattr("isic_lesion.bundle.packing._PREDICT", tmp_path / "other.py")
    (tmp_path / "other.py").write_text("raise RuntimeError('broken on purpose')\n")
    with pytest.raises(WorkError, match="RuntimeError: broken on purpose"):
        pack(ran, tmp_path / "bundle.zip", proof=ProofConfig(data=made_up))
    assert (tmp_path / "bundle.zip").read_text() == "earlier"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bundle.zip", "other.py"]


def test_predict_works_wherever_it_stands(unpacked: Path, made_up: Path, expected: bytes, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for place in (unpacked, *unpacked.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        done = python(unpacked / "predict.py", made_up, "--out", "scores.csv", "--chunk-rows", 20, cwd=work)
        assert (done.returncode, (work / "scores.csv").read_bytes()) == (0, expected), done.stderr
        assert done.stdout.startswith("scores.csv: 90 lesions, ")
        assert "90 of 90 lesions" in done.stderr
    finally:
        for place in (unpacked, *unpacked.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "/kaggle/input/isic-2024-challenge: no such folder"),
        (("nowhere",), "nowhere: no such folder"),
        (("nowhere", "--out", "."), ".: is a folder"),
        (("--chunk-rows", 0), "expected 1 or more"),
    ],
)
def test_predict_says_in_one_line_what_is_wrong(
    unpacked: Path, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = python(unpacked / "predict.py", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_predict_refuses_libraries_that_will_not_do(unpacked: Path, tmp_path: Path) -> None:
    told = read_json(unpacked / "bundle.json")

    def with_needs(**needs: tuple[str, str]) -> subprocess.CompletedProcess[str]:
        entries = {name: {"at_least": least, "packed_with": made} for name, (least, made) in needs.items()}
        write_json(unpacked / "bundle.json", {**told, "needs": entries})
        return python(unpacked / "predict.py", "nowhere", cwd=tmp_path)

    done = with_needs(polars=("99.1", "99.1"))
    assert (done.returncode, "is older than 99.1" in done.stderr) == (2, True)
    done = with_needs(no_such_library=("1.0", "1.0"))
    assert (done.returncode, "no_such_library is not installed" in done.stderr) == (2, True)
    done = with_needs(xgboost=("1.0", "99.1"))
    assert "is older than 99.1, for which these models were made" in done.stderr


def test_predict_refuses_code_that_is_not_its_own(unpacked: Path, tmp_path: Path) -> None:
    script = f"import sys, isic_lesion; sys.path.insert(0, {str(unpacked)!r}); from predict import main; main()"
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 1
    assert "ImportError: isic_lesion was imported from" in done.stderr


def test_a_feature_set_from_a_file_leaves_no_trace_of_the_machine(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran, tmp_path / "run")
    layout = RunLayout(tmp_path / "run")
    told = read_json(layout.recipe)
    told["features"]["set"] = "/home/somebody/sets/mine.json"
    write_json(layout.recipe, told)
    contents = contents_of(layout.folder, open_predictor(layout.folder), proved=False)
    assert json.loads(bytes(contents["recipe.json"]))["features"]["set"] == "feature_set.json"


def set_status(folder: Path, **changes: object) -> None:
    write_json(folder / "run.json", {**read_json(folder / "run.json"), **changes})


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda run: shutil.rmtree(run), "no such folder"),
        (lambda run: set_status(run, status="interrupted"), r"is not finished \(interrupted\)"),
        (lambda run: set_status(run, command="tq simulate"), "is a run of `tq simulate`"),
        (lambda run: (run / "stack" / "stack.json").unlink(), "has no stack"),
        (
            lambda run: (run / "models/small-xgboost/boosters/all-seed-42.ubj").write_bytes(b"{"),
            "all-seed-42.ubj: is not the file that",
        ),
        (lambda run: (run / "features" / "population-all.parquet").write_bytes(b"PAR1"), "population-all.parquet"),
    ],
)
def test_a_run_that_is_not_whole_is_not_packed(
    ran: Path, tmp_path: Path, broken: Callable[[Path], object], said: str
) -> None:
    shutil.copytree(ran, tmp_path / "run")
    broken(tmp_path / "run")
    with pytest.raises(InputError, match=said):
        pack(tmp_path / "run", tmp_path / "bundle.zip", proof=None)
    assert not (tmp_path / "bundle.zip").exists()


def test_names_that_are_no_zips_are_refused(ran: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    for name in ("bundle", "bundle.tar", "folder.zip"):
        with pytest.raises(InputError, match=f"{name}: is not the name of a zip"):
            pack(ran, tmp_path / name, proof=None)
    with pytest.raises(ValueError, match="expected timeout > 0"):
        ProofConfig(timeout=0)


def test_a_library_that_is_not_installed_is_named(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match="table"):
        pack(ran, tmp_path / "bundle.zip", proof=None)
