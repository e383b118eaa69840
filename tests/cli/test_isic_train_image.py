"""`isic train-image` and `isic predict-image`: models' folders, their figures, and one clear line for what is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import typer
from PIL import Image

from furikaeri_cli.isic.torchrun import with_one_voice
from furikaeri_cli.isic.training_progress import clock, showing_training, told_of
from furikaeri_cli.isic.trainings import EngineOptions
from furikaeri_cli.output import Output
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.data.images import write_images
from isic_lesion.data.schema import columns_of
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.folds.files import read_folds, write_folds
from isic_lesion.image_models.endings import Ended, OthersEndedError
from isic_lesion.image_models.training_progress import NetworkProgress, TrainingProgress
from isic_lesion.scores import read_scores

QUICK = """
preset = "demo-tiny"
backbone = "test_resnet"
size = 32
epochs = 2
batch = 24
lr_head = 3e-2
device = "cpu"
"""


class Made(NamedTuple):
    """What a user has before training."""

    data: Path
    past: Path
    folds: Path
    model: Path

    @property
    def options(self) -> tuple[object, ...]:
        return ("--data", self.data, "--folds", self.folds, "--model", self.model, "--workers", 0)


def jpeg(is_malignant: bool, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 60, (40, 40, 3)) + (40 if is_malignant else 150)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def write_contest(folder: Path, number: int, first: int, split: str = "train") -> pl.DataFrame:
    bad = [k % 4 == 1 for k in range(number)]
    told = {
        "isic_id": [f"ISIC_{first + k}" for k in range(number)],
        "patient_id": [f"IP_{first // 10_000 * 7 + k // 4}" for k in range(number)],
        "target": [int(one) for one in bad],
        "iddx_1": ["Malignant" if one else "Benign" for one in bad],
        "attribution": [f"Hospital {k // 4 % 3}" for k in range(number)],
    }
    names = [column.name for column in columns_of("train" if split == "train" else "test")]
    table = pl.DataFrame({name: told.get(name, [""] * number) for name in names}, strict=False)
    folder.mkdir(exist_ok=True)
    table.write_csv(folder / f"{split}-metadata.csv")
    pictures = zip(told["isic_id"], (jpeg(one, first + k) for k, one in enumerate(bad)), strict=True)
    write_images(folder / f"{split}-image.hdf5", pictures)
    return pl.DataFrame(told)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Seventy-two lesions, twenty-four past ones, eight of a test set, three folds, and a model of few steps."""
    place = tmp_path_factory.mktemp("made")
    rows = write_contest(place / "data", 72, 10_000)
    write_contest(place / "past", 24, 20_000)
    write_contest(place / "data", 8, 30_000, "test")
    write_folds(assign_patient_folds(rows, num_folds=3), place / "folds.parquet")
    (place / "quick.toml").write_text(QUICK)
    return Made(place / "data", place / "past", place / "folds.parquet", place / "quick.toml")


def test_models_are_trained_told_and_stacked(invoke, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "models" / "quick"
    code, printed, err = invoke(
        "isic", "train-image", *made.options, "--past-images", made.past, "--out", out, "--json"
    )
    assert (code, err) == (0, "")
    (told,) = json.loads(printed)
    assert (told["model"], told["backbone"], told["networks"]) == ("quick", "test_resnet", 4)
    assert (told["lesions"], told["past_lesions"], told["bad"]) == (72, 24, [])
    assert [line["fold"] for line in told["quality"]] == [0, 1, 2, None]
    assert told["past_quality"]["lesions"] == 24
    assert "Not a medical device" in told["note"]
    assert len(read_scores(out / "oof.parquet")) == 96
    assert len(read_scores(out / "oof.parquet", read_folds(made.folds))) == 72
    code, printed, err = invoke("isic", "train-image", *made.options, "--past-images", made.past, "--out", out)
    assert code == 0
    lines = printed.splitlines()
    assert lines[0] == "model\tfold\tlesions\tmalignant\tpAUC\tAUC"
    assert [line.split("\t")[:2] for line in lines[1:]] == [["quick", fold] for fold in ("0", "1", "2", "all", "past")]
    assert "quick all-seed-42: was there (4 of 4 networks)" in err
    assert "quick: 4 networks of test_resnet on 72 lesions and 24 past ones, folds by patients; " in err
    scores = tmp_path / "test.parquet"
    code, printed, err = invoke("isic", "predict-image", out, "--data", made.data, "--out", scores, "--json")
    assert (code, err) == (0, "")
    told = json.loads(printed)
    assert (told["models"], told["lesions"], told["bad"]) == (["quick"], 8, [])
    assert read_scores(scores)["fold"].null_count() == 8
    # Out-of-fold scores with past lesions in them, and those of the test set, are what `isic stack` takes.
    stacked = tmp_path / "stack"
    options = ("--folds", made.folds, "--data", made.data, "--scores", out / "oof.parquet", "--scores", scores)
    code, _, err = invoke("isic", "stack", *options, "--out", stacked, "--weights", "equal", "--json")
    assert (code, err) == (0, "")
    assert len(pl.read_csv(stacked / "submission.csv")) == 8
    assert len(read_scores(stacked / "scores.parquet", read_folds(made.folds))) == 72


def test_several_models_go_into_a_folder_each(invoke, made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(QUICK + "name = 'second'\n")
    options = (*made.options, "--model", other, "--out", tmp_path / "models", "--parts", "all", "--epochs", 1)
    code, printed, err = invoke("isic", "train-image", *options, "--seeds", 2, "--json")
    assert (code, err) == (0, "")
    assert [(told["model"], told["networks"], told["quality"]) for told in json.loads(printed)] == [
        ("quick", 2, []),
        ("second", 2, []),
    ]
    models = [tmp_path / "models" / name for name in ("quick", "second")]
    assert json.loads((models[1] / "model.json").read_text())["config"]["seeds"] == [42, 43]
    out = tmp_path / "scores.parquet"
    options = ("--data", made.data, "--split", "train", "--members", "--out", out)
    code, printed, err = invoke("isic", "predict-image", *models, *options)
    assert code == 0
    assert printed.startswith(f"{out}: 72 lesions scored by quick, second in ")
    assert read_scores(out)["model"].unique().sort().to_list() == [
        f"{name}#all-seed-{seed}" for name in ("quick", "second") for seed in (42, 43)
    ]
    code, _, err = invoke("isic", "predict-image", *models, "--data", made.data, "--use", "folds")
    assert (code, err.count("\n")) == (2, 1)
    assert "has no networks of its folds, only those of all rows. Score with those (--use all)" in err
    code, _, err = invoke("isic", "predict-image", models[0], models[0], "--data", made.data)
    assert (code, "two of the models have the name 'quick'" in err) == (2, True)


def test_folds_are_dealt_for_a_table_that_has_few_columns(invoke, made: Made, tmp_path: Path) -> None:
    table = pl.read_csv(made.data / "train-metadata.csv").select("isic_id", "target")
    table.write_csv(tmp_path / "few.csv")
    files = ("--metadata", tmp_path / "few.csv", "--images", made.data / "train-image.hdf5")
    folds = tmp_path / "folds.parquet"
    options = (*files, "--folds", folds, "--model", made.model, "--workers", 0, "--out", tmp_path / "m", "--epochs", 1)
    code, _, err = invoke("isic", "train-image", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{folds}: no such file. Deal folds of this table here with --folds-count 5" in err
    code, _, err = invoke("isic", "train-image", *options, "--folds-count", 2, "--parts", "folds")
    assert code == 0
    assert "Dealt 72 lesions into 2 folds by patient" in err
    assert "72 lesions without a patient_id are patients of their own" in err
    assert read_folds(folds).num_folds == 2
    code, _, err = invoke("isic", "train-image", *options, "--folds-count", 3)
    assert (code, "holds 2 folds, not 3" in err) == (2, True)


def test_damaged_pictures_are_named(invoke, made: Made, tmp_path: Path) -> None:
    names = pl.read_csv(made.data / "train-metadata.csv")["isic_id"]
    pictures = [(name, jpeg(k % 4 == 1, k)[: 30 if k == 6 else None]) for k, name in enumerate(names)]
    write_images(tmp_path / "images.hdf5", pictures)
    options = (*made.options, "--images", tmp_path / "images.hdf5", "--out", tmp_path / "m" / "m", "--epochs", 1)
    code, printed, err = invoke("isic", "train-image", *options)
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert "1 of 72 pictures is damaged: ISIC_10006" in err
    code, _, err = invoke("isic", "train-image", *options, "--on-bad", "skip", "--parts", "all", "--quiet")
    assert code == 0
    assert err == (
        "warning: quick: left out 1 damaged picture: ISIC_10006\n"
        "warning: quick: no lesion tells anything of lesion_id, so nothing was learnt of it\n"
    )
    code, _, err = invoke(
        *("isic", "predict-image", tmp_path / "m" / "m", "--images", tmp_path / "images.hdf5", "--on-bad", "skip"),
        *("--data", made.data, "--split", "train", "--out", tmp_path / "s.parquet", "--quiet"),
    )
    assert (code, err) == (0, "warning: no score of 1 damaged picture: ISIC_10006\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "small-lite"), "small-lite: no image model of this name and no such file"),
        (("--folds", "nowhere.parquet"), "nowhere.parquet: no such file. Make it with `isic folds "),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--past-images", "nowhere"), "nowhere: no such folder"),
        (("--weights", "nowhere.pth"), "nowhere.pth"),
        (("--device", "gpu"), "unknown device 'gpu'"),
        (("--pieces", "25"), "model quick: expected pieces: at most batch (24); got 25"),
        (("--images", "a", "--metadata", "b"), "--data, --metadata and --images at once"),
        (("--epochs", "0"), "--epochs"),
        (("--parts", "none"), "--parts"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    invoke, made: Made, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = invoke("isic", "train-image", *made.options, *options, "--out", tmp_path / "m")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err
    assert not (tmp_path / "m").exists()


def test_scores_of_lesions_that_a_model_was_trained_on_come_with_a_warning(invoke, made: Made, tmp_path: Path) -> None:
    model, scores = tmp_path / "m", tmp_path / "s.parquet"
    options = (*made.options, "--out", model, "--epochs", 1, "--quiet")
    assert invoke("isic", "train-image", *options).code == 0
    predict = ("isic", "predict-image", model, "--data", made.data, "--quiet")
    code, _, err = invoke(*predict, "--split", "train", "--out", scores)
    assert code == 0
    assert err == "warning: quick was trained on 72 of these lesions: scores to trust are in its oof.parquet\n"
    code, printed, err = invoke(*predict, "--split", "train", "--out", scores, "--json")
    assert (code, json.loads(printed)["trained_on"], err) == (0, {"quick": 72}, "")
    assert invoke(*predict, "--out", scores).err == ""
    code, _, err = invoke(*predict, "--out", tmp_path / "s.csv.gz")
    assert (code, "scores are written as Parquet. Name it s.parquet" in err, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "s.csv.gz").exists()


def test_more_threads_than_cores_are_warned_of(invoke, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    options = (*made.options, "--data", "nowhere")
    for threads, workers, warned in ((4, 1, ""), (5, 0, "5 threads"), (3, 2, "6 threads"), (1, 9, "")):
        _, _, err = invoke("isic", "train-image", *options, "--threads", threads, "--workers", workers)
        assert ("on 4 cores slow each other down" in err, warned in err) == (bool(warned), True)


def test_a_file_is_no_folder_for_a_model(invoke, made: Made, tmp_path: Path) -> None:
    (tmp_path / "quick").write_text("")
    (tmp_path / "other.toml").write_text(QUICK)
    for options in (("--out", tmp_path / "quick"), ("--out", tmp_path, "--model", tmp_path / "other.toml")):
        code, printed, err = invoke("isic", "train-image", *made.options, *options)
        assert (code, printed, err.count("\n")) == (2, "", 1)
        assert f"{tmp_path / 'quick'}: is a file. Name a folder with --out" in err


def test_half_of_the_files_is_not_enough(invoke, made: Made, tmp_path: Path) -> None:
    for option, file, lacking in (
        ("--images", "train-image.hdf5", "--images needs --metadata"),
        ("--metadata", "train-metadata.csv", "--metadata needs --images"),
    ):
        for command in (("train-image",), ("predict-image", tmp_path)):
            code, _, err = invoke("isic", *command, option, made.data / file)
            assert (code, lacking in err) == (2, True)


def test_another_model_is_replaced_when_asked_alone(invoke, made: Made, tmp_path: Path) -> None:
    options = (*made.options, "--out", tmp_path / "m", "--parts", "all", "--quiet")
    assert invoke("isic", "train-image", *options, "--epochs", 1).code == 0
    code, _, err = invoke("isic", "train-image", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds the model quick with other settings. Choose another --out, or replace it with --force" in err
    assert invoke("isic", "train-image", *options, "--force").code == 0


def test_one_of_the_processes_of_torchrun_speaks(invoke, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert invoke("isic", "train-image", *made.options, "--data", "nowhere") == (2, "", "")


def test_ray_and_torchrun_exclude_each_other(invoke, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("WORLD_SIZE", "2")
    options = (*made.options[:-2], "--engine", "ray")
    code, printed, err = invoke("isic", "train-image", *options)
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert "--engine ray under torchrun, whose processes train one network together" in err
    monkeypatch.setenv("RANK", "1")
    assert invoke("isic", "train-image", *options) == (2, "", "")


def _end(error: BaseException, handlers: dict[int, Callable[..., None]]) -> None:
    with with_one_voice():
        if handlers:
            with contextlib.suppress(KeyboardInterrupt):
                handlers[signal.SIGTERM](signal.SIGTERM, None)
        raise error


def test_of_several_processes_one_tells_what_ended_them(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: dict[int, Any] = {}
    monkeypatch.setattr("signal.signal", set_to.__setitem__)
    monkeypatch.setenv("WORLD_SIZE", "3")

    def ended(rank: int, error: BaseException, *, by_torchrun: bool = False) -> BaseException:
        monkeypatch.setenv("RANK", str(rank))
        with pytest.raises(BaseException) as caught:  # noqa: PT011
            _end(error, set_to if by_torchrun else {})
        assert set_to[signal.SIGTERM] is signal.SIG_IGN
        return caught.value

    def code(found: BaseException) -> int:
        assert isinstance(found, typer.Exit)
        return found.exit_code

    assert type(ended(0, KeyboardInterrupt())) is KeyboardInterrupt
    assert [code(ended(rank, KeyboardInterrupt())) for rank in (1, 2)] == [130, 130]
    told, untold = Ended(is_told=True), Ended(is_told=False)
    for rank, error in ((0, told), (1, untold)):
        assert "torchrun ended the training" in str(ended(rank, error, by_torchrun=True))
    assert [code(ended(rank, told, by_torchrun=True)) for rank in (1, 2)] == [1, 1]
    lost = OthersEndedError("process 1 of 3: another one ended", is_told=False)
    assert ended(1, lost) is lost
    assert code(ended(2, OthersEndedError("process 2 of 3: another one ended", is_told=True))) == 1


def test_a_network_on_a_gpu_has_one_to_itself_unless_told_otherwise() -> None:
    def gpus(task_gpus: float | None, *devices: str) -> object:
        options = EngineOptions("ray", "10.0.0.1:6379", task_gpus=task_gpus)
        return options.engine(Output("quiet"), devices=devices).gpus  # type: ignore[attr-defined]

    assert [gpus(None, *devices) for devices in (("cuda", "auto"), ("auto", "cpu"), ("cpu",))] == [1.0, None, 0.0]
    assert gpus(0.5, "cuda") == 0.5
    assert EngineOptions().engine(Output("quiet"), devices=["cuda"]) == LocalProcesses(1)


def test_progress_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    network = NetworkProgress("m fold-0-seed-1", 2, 9, 50, 450, 0.12345, 210.4, 3725.0)
    assert told_of(network) == "epoch 2/9, loss 0.1235, 210/s, 1:02:05 left"
    longest = network._replace(key="original-convnext-small-aux fold-0-seed-42", epoch=12, epochs=100)
    assert len(f"{longest.key} {told_of(longest, is_narrow=True)}") <= 80
    assert [clock(seconds) for seconds in (0, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]
    with showing_training(Output(), 5) as tell:
        for done, seconds in ((640, 1.0), (1280, 30.5)):
            tell(TrainingProgress("checked", "", done, 4000, "", seconds))
        for seconds in (10.0, 31.0, 61.0):
            tell(TrainingProgress("step", "", 0, 5, "", seconds, (network,)))
        tell(TrainingProgress("retried", "m fold-1-seed-1", 0, 5, "its worker process died (SIGKILL)", 62.0))
        tell(TrainingProgress("finished", "m fold-0-seed-1", 1, 5, "", 63.0))
    assert capsys.readouterr() == (
        "",
        "1,280 of 4,000 pictures checked\n"
        "m fold-0-seed-1: epoch 2/9, loss 0.1235, 210/s, 1:02:05 left\n"
        "warning: network m fold-1-seed-1 failed (its worker process died (SIGKILL)); it is tried again\n"
        "m fold-0-seed-1: done after 1:03 (1 of 5 networks)\n",
    )
