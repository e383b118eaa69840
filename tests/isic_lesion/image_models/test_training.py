"""Whole trainings of tiny networks: out-of-fold scores without a leak, resumed to the same bytes, on any engine."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import runpy
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import psutil
import pytest
from PIL import Image

from furikaeri_common.artifacts import sha256_of
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.task_store import folder_name
from isic_lesion.boosters.booster import sigmoid
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.data.images import write_images
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import write_folds
from isic_lesion.image_models import network_task, training
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import load_image_model, read_image_record
from isic_lesion.image_models.inference import log_odds_of, predict_images
from isic_lesion.image_models.presets import IMAGE_PRESETS
from isic_lesion.image_models.rows import ImageRows, read_image_rows
from isic_lesion.image_models.training import num_networks, train_image_models
from isic_lesion.image_models.training_inputs import extended_folds
from isic_lesion.image_models.training_progress import NetworkProgress, ProgressFile, TrainingProgress
from isic_lesion.metrics.ordering import auc
from isic_lesion.scores import average_members, read_scores

pytest.importorskip("torch")
pytest.importorskip("timm")

HERE = LocalProcesses(0)
TINY = ImageConfig(
    name="tiny",
    backbone="test_resnet",
    weights="none",
    size=32,
    auxiliary={"lesion_id": 0.1, "past": 1e-4},
    negatives_per_positive=None,
    epochs=2,
    batch=16,
    lr_head=3e-2,
    lr_backbone=1e-3,
    ema=0.5,
    augmentation="flips",
    views="one",
    device="cpu",
    checkpoint_steps=4,
)


class Made(NamedTuple):
    """What models are trained from."""

    rows: ImageRows
    folds: Folds


def jpeg(is_malignant: bool, seed: int) -> bytes:
    """Return a picture of noise on a ground that is dark where the lesion is malignant."""
    pixels = np.random.default_rng(seed).integers(0, 60, (40, 40, 3)) + (40 if is_malignant else 150)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def write_contest(folder: Path, number: int, first: int, *, broken: tuple[int, ...] = ()) -> Path:
    """Write a table and pictures of so many lesions, four of each patient."""
    bad = [k % 4 == 1 for k in range(number)]
    ids = [f"ISIC_{first + k}" for k in range(number)]
    table = pl.DataFrame(
        {
            "isic_id": ids,
            "patient_id": [f"IP_{(k // 4) % 30}" for k in range(number)],
            "target": [int(one) for one in bad],
            "lesion_id": [f"IL_{first + k}" if one or k % 3 == 0 else None for k, one in enumerate(bad)],
            "attribution": [f"Hospital {k // 4 % 4}" for k in range(number)],
        }
    )
    folder.mkdir(exist_ok=True)
    table.write_csv(folder / "train-metadata.csv")
    pictures = [jpeg(one, first + k)[: 40 if k in broken else None] for k, one in enumerate(bad)]
    write_images(folder / "train-image.hdf5", zip(ids, pictures, strict=True))
    return folder


def files_of(folder: Path) -> tuple[Path, Path]:
    return folder / "train-metadata.csv", folder / "train-image.hdf5"


def digests(folder: Path) -> dict[str, str]:
    """Return the digests of what does not tell the time."""
    files = [*(folder / "weights").iterdir(), folder / "oof.parquet"]
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in sorted(files)}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Ninety-six lesions of this contest, and forty of a past one; five patients are in both."""
    place = tmp_path_factory.mktemp("contests")
    return write_contest(place / "now", 96, 1_000), write_contest(place / "past", 40, 5_000)


@pytest.fixture(scope="module")
def made(places: tuple[Path, Path]) -> Made:
    now, past = places
    rows = read_image_rows(*files_of(now), past=[files_of(past)])
    return Made(rows, assign_patient_folds(rows.frame.filter(~rows.frame["is_past"]), num_folds=3))


class Trained(NamedTuple):
    """A model that was trained without a break, in this process."""

    out: Path
    events: list[TrainingProgress]


@pytest.fixture(scope="module")
def trained(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out, events = tmp_path_factory.mktemp("trained") / "models" / "tiny", list[TrainingProgress]()
    train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE, on_progress=events.append)
    return Trained(out, events)


def test_every_lesion_is_scored_by_networks_that_have_not_seen_its_patient(made: Made, trained: Trained) -> None:
    folds = extended_folds(made.rows, made.folds)
    oof = read_scores(trained.out / "oof.parquet", folds)
    assert set(oof["isic_id"]) == set(made.rows.frame["isic_id"])
    assert oof["model"].unique().to_list() == ["tiny"]
    ours = read_scores(trained.out / "oof.parquet", made.folds)
    assert set(ours["isic_id"]) == set(made.folds.frame["isic_id"])
    patients = folds.frame.drop_nulls("patient_id").group_by("patient_id").agg(pl.col("fold").n_unique())
    assert patients["fold"].to_list() == [1] * len(patients)
    ids = made.rows.frame["isic_id"]
    for fold in range(3):
        held_out = np.flatnonzero(folds.split(ids, fold)[1])
        (network,) = load_image_model(trained.out, fold).networks
        expected = sigmoid(log_odds_of(network, made.rows, held_out, TINY, device="cpu"))
        of_fold = oof.filter(pl.col("fold") == fold)
        by_id = dict(zip(of_fold["isic_id"], of_fold["score"], strict=True))
        assert [by_id[name] for name in ids.gather(held_out)] == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_past_picture_of_a_lesion_is_held_out_with_its_patient(made: Made) -> None:
    ours = made.rows.frame.filter(~pl.col("is_past") & pl.col("lesion_id").is_not_null())
    names = ours["lesion_id"].unique(maintain_order=True)
    past = made.rows.frame.tail(40).head(len(names))
    past = past.with_columns(patient_id=pl.lit(None, pl.String), lesion_id=names.head(len(past)))
    rows = made.rows._replace(frame=pl.concat([made.rows.frame.head(96), past]))
    folds = extended_folds(rows, made.folds).frame
    fold_of = dict(folds.select("isic_id", "fold").iter_rows())
    of_lesion = {lesion: fold_of[name] for name, lesion in ours.select("isic_id", "lesion_id").iter_rows()}
    assert [fold_of[name] for name in past["isic_id"]] == [of_lesion[lesion] for lesion in past["lesion_id"]]
    assert len(past) > 20


def test_the_record_tells_the_figures(made: Made, trained: Trained) -> None:
    record = read_image_record(trained.out)
    assert record.config == TINY
    assert (record.lesions, record.past_lesions, record.bad) == (96, 40, ())
    assert (record.size, record.weights, record.scheme, record.num_folds) == (32, "", "patients", 3)
    assert list(record.parts) == [Part(0, 42), Part(1, 42), Part(2, 42), Part(None, 42)]
    assert len(record.parts) == num_networks([TINY], 3)
    truth = made.rows.frame.select("isic_id", "target")
    oof = read_scores(trained.out / "oof.parquet", made.folds).join(truth, on="isic_id")
    *of_folds, together = record.quality
    assert [quality.fold for quality in of_folds] == [0, 1, 2]
    assert (together.fold, together.lesions, together.malignant) == (None, 96, 24)
    assert together.auc == auc(oof["target"].to_numpy(), oof["score"].to_numpy())
    assert [quality.auc for quality in of_folds] == [1.0] * 3  # pooled, the folds' networks differ in their levels
    assert record.past_quality is not None
    assert (record.past_quality.lesions, record.past_quality.malignant) == (40, 10)
    for part, how in record.parts.items():
        train = 136 if part.fold is None else int(extended_folds(*made).split(truth["isic_id"], part.fold)[0].sum())
        steps = -(-train // 16) if train % 16 >= 2 or train % 16 == 0 else train // 16
        assert (how.epochs, how.steps, how.rows, how.device) == (2, 2 * steps, train, "cpu")
        assert how.images_per_second > 0
        assert how.peak_bytes > 10_000_000
    history = pl.read_parquet(trained.out / "history.parquet")
    assert history.columns[:7] == ["fold", "seed", "epoch", "loss", "loss.target", "loss.lesion_id", "loss.past"]
    assert history.select("fold", "epoch").rows()[-2:] == [(None, 1), (None, 2)]
    assert len(history) == 8
    weighted = pl.col("loss.target") + 0.1 * pl.col("loss.lesion_id") + 1e-4 * pl.col("loss.past")
    assert history.select((pl.col("loss") - weighted).abs().max()).item() < 1e-4


def test_progress_is_told_network_by_network(trained: Trained) -> None:
    assert [event[:4] for event in trained.events[:3]] == [("checked", "", done, 136) for done in (64, 128, 136)]
    finished = [event for event in trained.events if event.event == "finished"]
    assert [event.key for event in finished] == [
        f"tiny {name}-seed-42" for name in ("fold-0", "fold-1", "fold-2", "all")
    ]
    assert [(event.done, event.total) for event in finished] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_models_of_one_name_and_other_settings_keep_their_own_networks(made: Made, tmp_path: Path) -> None:
    configs = {epochs: dataclasses.replace(TINY, epochs=epochs) for epochs in (1, 2)}
    first = {epochs: digests(_trained(made, config, tmp_path / f"{epochs}")) for epochs, config in configs.items()}
    assert len({found["weights/fold-0-seed-42.safetensors"] for found in first.values()}) == 2
    events = list[TrainingProgress]()
    for epochs, config in configs.items():
        assert digests(_trained(made, config, tmp_path / f"{epochs}", events.append)) == first[epochs]
    assert {event.event for event in events} == {"reused"}


def _trained(
    made: Made, config: ImageConfig, out: Path, tell: Callable[[TrainingProgress], None] | None = None
) -> Path:
    train_image_models(made.rows, made.folds, [config], [out], engine=HERE, parts="folds", on_progress=tell)
    return out


def test_nothing_is_trained_twice_and_nothing_is_left_behind(
    made: Made, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, events = digests(trained.out), list[TrainingProgress]()
    model = (trained.out / "model.json").read_bytes()
    unfinished = trained.out.parent / ".image-parts" / "unfinished"
    key = folder_name("tiny all-seed-42 0123456789ab")  # of other settings
    long_ago = time.time() - 2 * 24 * 60 * 60
    for name in (f"{key}.safetensors", f".{key}.safetensors.45.part"):  # killed
        (unfinished / name).touch()
        os.utime(unfinished / name, (long_ago, long_ago))
    (unfinished / f"{key}0.safetensors").touch()  # at work
    packed = pl.DataFrame.write_parquet
    monkeypatch.setattr(  # another version of Parquet's writer is no other lesions
        pl.DataFrame,
        "write_parquet",
        lambda frame, stream, **options: packed(frame, stream, **{**options, "compression": "uncompressed"}),
    )
    train_image_models(made.rows, made.folds, [TINY], [trained.out], engine=HERE, on_progress=events.append)
    assert {event.event for event in events} == {"reused"}  # the pictures are not decoded again either
    assert (trained.out / "model.json").read_bytes() != model  # it names the digests of its tables
    monkeypatch.undo()
    train_image_models(made.rows, made.folds, [TINY], [trained.out], engine=HERE)
    assert (trained.out / "model.json").read_bytes() == model
    assert digests(trained.out) == before
    assert [file.name for file in unfinished.iterdir()] == [f"{key}0.safetensors"]
    assert not [*(unfinished.parent / "progress").iterdir()]


def test_weights_take_their_place_on_the_disk_once(
    made: Made, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, file = trained.out.parent / ".image-parts", "weights/fold-0-seed-42.safetensors"
    (part,) = (store / "finished").glob("tiny_fold-0-seed-42_*/weights.safetensors")
    assert (trained.out / file).samefile(part)

    def refuse(*names: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    out = tmp_path / "copied"
    train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE, store=store)
    assert not (out / file).samefile(part)
    assert digests(out) == digests(trained.out)
    assert [entry.suffix for entry in (out / "weights").iterdir()] == [".safetensors"] * 4


def test_what_is_told_between_networks_counts_those_that_are_settled(
    made: Made, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[TrainingProgress] = []

    @contextlib.contextmanager
    def watching(folder: Path, keys: object, tell: Callable[[tuple[NetworkProgress, ...]], None]) -> Iterator[None]:
        looks.append(lambda: tell(()))
        yield

    looks: list[Callable[[], None]] = []

    def note(event: TrainingProgress) -> None:
        events.append(event)
        if event.event == "reused":
            looks[0]()

    monkeypatch.setattr(training, "watching", watching)
    train_image_models(made.rows, made.folds, [TINY], [trained.out], engine=HERE, on_progress=note)
    assert [(event.event, event.done) for event in events] == [
        (event, done) for done in (1, 2, 3, 4) for event in ("reused", "step")
    ]


class Interrupting(ProgressFile):
    """Ctrl-C in the middle of the second network."""

    def __call__(self, report) -> None:  # type: ignore[no-untyped-def]
        super().__call__(report)
        if report.fold == 1 and report.step == 6:
            raise KeyboardInterrupt


def test_interrupted_training_goes_on_to_the_same_bytes(
    made: Made, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tiny"
    monkeypatch.setattr(network_task, "ProgressFile", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE)
    assert not out.exists()
    (state,) = (tmp_path / ".image-parts" / "unfinished").iterdir()
    assert state.name.startswith("tiny_fold-1-seed-42_")
    first_steps: dict[int | None, int] = {}

    class Noting(ProgressFile):
        def __call__(self, report) -> None:  # type: ignore[no-untyped-def]
            first_steps.setdefault(report.fold, report.step)

    monkeypatch.setattr(network_task, "ProgressFile", Noting)
    train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE)
    assert first_steps == {1: 5, 2: 1, None: 1}
    assert digests(out) == digests(trained.out)
    assert not [*(tmp_path / ".image-parts" / "unfinished").iterdir()]


def test_a_worker_process_gives_the_same_bytes_even_if_it_is_killed(
    made: Made, trained: Trained, tmp_path: Path
) -> None:
    out, events = tmp_path / "tiny", list[TrainingProgress]()
    unfinished = tmp_path / ".image-parts" / "unfinished"

    over, others = threading.Event(), psutil.Process().children()

    def kill_one() -> None:
        while not over.wait(0.02):
            if unfinished.is_dir() and any(unfinished.glob("*.safetensors")):
                next(child for child in psutil.Process().children() if child not in others).kill()
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        train_image_models(made.rows, made.folds, [TINY], [out], engine=LocalProcesses(1), on_progress=events.append)
    over.set()
    killer.join()
    assert [event.error for event in events if event.event == "retried"] == ["its worker process died (SIGKILL)"]
    assert digests(out) == digests(trained.out)


def test_folds_and_all_rows_may_be_trained_by_different_calls(made: Made, trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "models" / "tiny"
    shutil.copytree(trained.out.parent / ".image-parts", out.parent / ".image-parts")
    finished = out.parent / ".image-parts" / "finished"
    for folder in finished.glob("tiny_all*"):
        folder.rename(tmp_path / folder.name)
    (record,) = train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE, parts="folds")
    assert (record.has_folds, record.has_all) == (True, False)
    assert not (out / "weights" / "all-seed-42.safetensors").exists()
    with pytest.raises(InputError, match="has no networks trained on all rows, only those of its folds"):
        predict_images(out, made.rows)
    for folder in tmp_path.glob("tiny_all*"):
        folder.rename(finished / folder.name)
    (record,) = train_image_models(made.rows, made.folds, [TINY], [out], engine=HERE, parts="all")
    assert (record.has_folds, record.has_all) == (True, True)
    assert digests(out) == digests(trained.out)


def test_new_pictures_are_scored_by_all_rows_or_by_the_mean_of_folds(made: Made, trained: Trained) -> None:
    rows = made.rows._replace(frame=made.rows.frame.tail(70).with_columns(target=pl.lit(None, pl.Int8)))
    places, told = np.arange(70), list[tuple[int, int]]()
    by_all = predict_images(trained.out, rows, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(64, 70), (70, 70)]
    assert by_all.columns == ["isic_id", "fold", "model", "score"]
    assert by_all["isic_id"].equals(rows.frame["isic_id"])
    assert by_all["fold"].null_count() == 70
    (network,) = load_image_model(trained.out).networks
    assert by_all["score"].to_list() == sigmoid(log_odds_of(network, rows, places, TINY, device="cpu")).tolist()
    members = predict_images(trained.out, rows, "folds", members=True)
    assert members["model"].unique(maintain_order=True).to_list() == [f"tiny#fold-{k}-seed-42" for k in range(3)]
    assert average_members(members)["model"].unique().to_list() == ["tiny"]
    odds = np.log(members["score"].to_numpy() / (1 - members["score"].to_numpy())).reshape(3, 70)
    by_folds = predict_images(trained.out, rows, "folds")
    assert by_folds["score"].to_numpy() == pytest.approx(1 / (1 + np.exp(-odds.mean(axis=0))))
    # Whoever shares the batches, the sum is what one process computes.
    shares = [log_odds_of(network, rows, places, TINY, device="cpu", share=(rank, 3)) for rank in range(3)]
    assert sum(shares).tolist() == log_odds_of(network, rows, places, TINY, device="cpu").tolist()


def test_damaged_pictures_are_refused_by_id_or_left_out(tmp_path: Path) -> None:
    folder = write_contest(tmp_path / "data", 64, 2_000, broken=(3, 13))
    rows = read_image_rows(*files_of(folder))
    folds = assign_patient_folds(rows.frame, num_folds=2)
    config, out = dataclasses.replace(TINY, epochs=1), tmp_path / "m" / "tiny"
    with pytest.raises(InputError) as caught:
        train_image_models(rows, folds, [config], [out], engine=HERE)
    assert "2 of 64 pictures are damaged: ISIC_2003, ISIC_2013 (all ids: " in str(caught.value)
    assert "--on-bad skip" in str(caught.value)
    assert not (out.parent / ".image-parts" / "finished").exists()
    (record,) = train_image_models(rows, folds, [config], [out], engine=HERE, on_bad="skip")
    assert record.bad == ("ISIC_2003", "ISIC_2013")
    assert record.parts[Part(None, 42)].rows == 62
    oof = read_scores(out / "oof.parquet", folds)
    assert set(rows.frame["isic_id"]) - set(oof["isic_id"]) == set(record.bad)
    with pytest.raises(InputError, match="2 of 64 pictures are damaged: ISIC_2003, ISIC_2013"):
        predict_images(out, rows)
    assert len(predict_images(out, rows, on_bad="skip")) == 62
    with pytest.raises(InputError, match="all 2 pictures are damaged"):
        predict_images(out, rows._replace(frame=rows.frame.filter(pl.col("isic_id").is_in(record.bad))), on_bad="skip")


def test_several_models_are_trained_in_one_call(made: Made, trained: Trained, tmp_path: Path) -> None:
    store = trained.out.parent / ".image-parts"
    other = dataclasses.replace(TINY, name="other", auxiliary={}, seeds=(1, 2), epochs=1, ema=None)
    outs = [tmp_path / "a", tmp_path / "b"]
    events: list[TrainingProgress] = []
    records = train_image_models(
        made.rows, made.folds, [TINY, other], outs, engine=HERE, parts="all", store=store, on_progress=events.append
    )
    assert [record.config.name for record in records] == ["tiny", "other"]
    assert [(event.event, event.total) for event in events if event.event not in ("step", "checked")] == [
        ("reused", 3),
        ("finished", 3),
        ("finished", 3),
    ]
    assert digests(outs[0]) == digests(trained.out)
    assert (records[1].has_folds, list(records[1].parts)) == (False, [Part(None, 1), Part(None, 2)])
    assert not (outs[1] / "oof.parquet").exists()
    model = load_image_model(outs[1])
    assert len(model.networks) == 2
    odds = [log_odds_of(network, made.rows, np.arange(9), other, device="cpu") for network in model.networks]
    assert np.abs(odds[0] - odds[1]).max() > 0
    rows = made.rows._replace(frame=made.rows.frame.head(9))
    scores = predict_images(outs[1], rows)["score"].to_numpy()
    assert scores == pytest.approx(sigmoid((odds[0] + odds[1]) / 2), abs=1e-6)


def test_networks_of_all_rows_train_as_long_as_those_that_stopped_early(made: Made, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, name="early", early_stopping=1, epochs=3)
    out = tmp_path / "early"
    (record,) = train_image_models(made.rows, made.folds, [config], [out], engine=HERE)
    best = [how.epochs for part, how in record.parts.items() if part.fold is not None]
    assert record.parts[Part(None, 42)].epochs == max(1, round(sum(best) / 3))
    assert record.config == config
    with pytest.raises(InputError, match="early stopping needs folds"):
        train_image_models(made.rows, made.folds, [config], [out], engine=HERE, parts="all")


def test_whole_hospitals_can_be_held_out(made: Made, tmp_path: Path) -> None:
    ours = made.rows.frame.filter(~pl.col("is_past"))
    folds = assign_hospital_folds(ours, num_folds=2)
    config, out = dataclasses.replace(TINY, epochs=1), tmp_path / "tiny"
    (record,) = train_image_models(made.rows, folds, [config], [out], engine=HERE, parts="folds")
    assert record.scheme == "hospitals"
    oof = read_scores(out / "oof.parquet", folds)
    assert len(oof) == record.quality[-1].lesions > 96
    for fold in range(2):
        unseen = ours["isic_id"].filter(pl.Series(folds.unseen(ours["isic_id"], fold)))
        assert set(unseen) <= set(oof.filter(pl.col("fold") == fold)["isic_id"])


def test_another_model_in_the_folder_is_not_replaced_unasked(made: Made, trained: Trained, tmp_path: Path) -> None:
    changed = dataclasses.replace(TINY, epochs=1)
    others = assign_patient_folds(made.rows.frame.filter(~made.rows.frame["is_past"]), num_folds=3, seed=1)
    fewer = made.rows._replace(frame=made.rows.frame.filter(~made.rows.frame["is_past"]))
    for rows, folds, config, message in (
        (made.rows, made.folds, changed, "holds the model tiny with other settings"),
        (made.rows, others, TINY, "holds a model of other folds"),
        (fewer, made.folds, TINY, "holds a model of other lesions"),
    ):
        with pytest.raises(InputError, match=message):
            train_image_models(
                rows, folds, [config], [trained.out], engine=HERE, store=tmp_path / "parts", replace_other=False
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "test_resnit"}, "test_resnet"),
        ({"weights": "nowhere.pth"}, "nowhere.pth"),
        ({"device": "cuda:77"}, "cuda:77"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_trained(
    made: Made, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    config = dataclasses.replace(TINY, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        train_image_models(made.rows, made.folds, [config], [tmp_path / "m"], engine=HERE)
    assert not (tmp_path / ".image-parts" / "finished").exists()


def test_lesions_and_folds_must_fit(made: Made, tmp_path: Path) -> None:
    few = Folds(frame=made.folds.frame.head(90), scheme="patients", num_folds=3, seed=42)
    with pytest.raises(
        InputError, match=r"the folds are not of these lesions: ISIC_\d+ has none \(6 of 96 have none\)"
    ):
        train_image_models(made.rows, few, [TINY], [tmp_path / "m"], engine=HERE)
    benign = made.rows._replace(frame=made.rows.frame.filter(pl.col("target") == 0))
    with pytest.raises(InputError, match="no malignant lesion among the"):
        train_image_models(benign, made.folds, [TINY], [tmp_path / "m"], engine=HERE)
    for configs, outs, message in (
        ([TINY, TINY], ["a", "b"], "two models have the name 'tiny'"),
        ([TINY, dataclasses.replace(TINY, name="b")], ["a", "a"], "two models have one folder"),
        ([TINY, dataclasses.replace(TINY, name="b", threads=2)], ["a", "b"], "differ in their threads"),
    ):
        with pytest.raises(InputError, match=message):
            train_image_models(made.rows, made.folds, configs, [tmp_path / out for out in outs], engine=HERE)


def test_a_loss_that_is_not_finite_is_told_with_the_lesions_of_its_step(made: Made, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, lr_head=1e30, lr_backbone=1e30, clip=None, epochs=3)
    with pytest.raises(WorkError, match=r"tiny .* failed 2 times: .*ISIC_"):
        train_image_models(made.rows, made.folds, [config], [tmp_path / "m"], engine=HERE, parts="all")


def test_a_network_that_fails_is_tried_again_while_the_rest_goes_on(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = network_task.fit

    def fails(*given: Any, fold: int | None, **more: Any) -> Any:
        if fold == 0:
            raise WorkError("this device ran out of memory", fix="Use smaller batches")
        return fit(*given, fold=fold, **more)

    monkeypatch.setattr(network_task, "fit", fails)
    events = list[TrainingProgress]()
    with pytest.raises(WorkError, match=r"fold-0.* failed 2 times: this device ran out of memory\. "):
        train_image_models(made.rows, made.folds, [TINY], [tmp_path / "m"], engine=HERE, on_progress=events.append)
    settled = [event.event for event in events if event.event in ("retried", "failed", "finished")]
    assert settled == ["retried", "finished", "finished", "finished", "failed"]
    monkeypatch.setattr(network_task, "fit", fit)
    events.clear()
    train_image_models(made.rows, made.folds, [TINY], [tmp_path / "m"], engine=HERE, on_progress=events.append)
    assert [event.event for event in events].count("reused") == 3


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Path:
    """A copy of a model's folder, to be damaged."""
    return Path(shutil.copytree(trained.out, tmp_path / "copied"))


def test_a_model_of_another_machine_is_scored_on_what_there_is(made: Made, trained: Trained, copied: Path) -> None:
    text = (copied / "model.json").read_text()
    (copied / "model.json").write_text(text.replace('"device": "cpu"', '"device": "cuda:77"', 1))
    assert read_image_record(copied).config.device == "cuda:77"
    rows = made.rows._replace(frame=made.rows.frame.head(5))
    assert predict_images(copied, rows).equals(predict_images(trained.out, rows))
    with pytest.raises(InputError, match="cuda:77"):
        predict_images(copied, rows, device="cuda:77")


def test_a_folder_that_is_not_whole_is_told(copied: Path) -> None:
    weights = copied / "weights" / "fold-1-seed-42.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"fold-1-seed-42.safetensors: is not the file that model.json names"):
        load_image_model(copied, 1)
    assert load_image_model(copied, 0).fold == 0
    weights.unlink()
    with pytest.raises(InputError, match=r"fold-1-seed-42.safetensors: is missing"):
        load_image_model(copied, 1)
    with pytest.raises(InputError, match="has no networks of fold 7, only others"):
        load_image_model(copied, 7)
    text = (copied / "model.json").read_text()
    for before, after, message in (
        ('"test_resnet"', '"test_resnet", "bacbone": 1', "no such setting"),
        ('"weights/fold-1-seed-42.safetensors"', '"../../x"', "expected distinct networks"),
        ('"num_weights"', '"num_wights"', "lacks 'num_weights'"),
        ('"isic image model"', '"isic table model"', "describes no image model"),
        ('"format": 1', '"format": 2', "is of format 2, not 1"),
    ):
        assert before in text
        (copied / "model.json").write_text(text.replace(before, after, 1))
        with pytest.raises(InputError, match=message):
            read_image_record(copied)
    (copied / "model.json").unlink()
    with pytest.raises(InputError, match=r"holds no model.json"):
        read_image_record(copied)
    with pytest.raises(InputError, match="no such folder"):
        read_image_record(copied / "none")


def test_where_a_network_is_can_be_read_by_another_process(tmp_path: Path) -> None:
    from isic_lesion.image_models.fitting import StepReport
    from isic_lesion.image_models.training_progress import watching

    told: list[tuple[NetworkProgress, ...]] = []
    common = {"fold": 0, "seed": 1, "losses": {}, "lr_head": 1.0, "lr_backbone": 1.0, "gradient_norm": 1.0}
    with watching(tmp_path, ["m fold-0-seed-1 0123"], told.append):
        tell = ProgressFile(tmp_path, "m fold-0-seed-1 0123", "m fold-0-seed-1")
        for step in (1, 2):
            tell(
                StepReport(
                    **common, step=step, steps=10, epoch=1, epochs=5, loss=0.5, images=8, seconds=0.25, record=None
                )
            )
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
    (network,) = told[0]
    assert network == NetworkProgress("m fold-0-seed-1", 1, 5, 1, 10, 0.5, 32.0, 2.25)
    assert not list(tmp_path.iterdir())


def test_the_tiny_preset_learns(made: Made, tmp_path: Path) -> None:
    config = dataclasses.replace(IMAGE_PRESETS["demo-tiny"], device="cpu", epochs=6)
    rows = made.rows._replace(frame=made.rows.frame.filter(~pl.col("is_past")))
    train_image_models(rows, made.folds, [config], [tmp_path / "m"], engine=HERE, parts="all")
    losses = pl.read_parquet(tmp_path / "m" / "history.parquet")["loss.target"]
    assert losses[-1] < losses[0] / 2


TOGETHER = str(Path(__file__).with_name("train_together.py"))


def free_ports(number: int) -> list[str]:
    listening = [socket.socket() for _ in range(number)]
    for one in listening:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in listening]
    for one in listening:
        one.close()
    return ports


def test_two_processes_make_one_model(tmp_path: Path) -> None:
    rows = read_image_rows(*files_of(write_contest(tmp_path / "data", 64, 1_000)))
    folds = assign_patient_folds(rows.frame, num_folds=2)
    write_folds(folds, tmp_path / "folds.parquet")
    config = dataclasses.replace(TINY, batch=8, epochs=1)
    settings = {"place": str(tmp_path), "config": config.to_json(), "ports": free_ports(2)}
    texts = [json.dumps({**settings, "rank": rank}) for rank in range(2)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "h5py", "isic_lesion.image_models.network"])
    other = context.Process(target=runpy.run_path, args=(TOGETHER, {"SETTINGS": texts[1]}, "__main__"))
    other.start()
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
                patched.setenv(name, "")  # so that it is as before afterwards
            runpy.run_path(TOGETHER, {"SETTINGS": texts[0]}, "__main__")
        other.join(timeout=300)
        assert other.exitcode == 0
    finally:
        other.kill()
    first, second = (json.loads((tmp_path / f"told-{rank}.json").read_text()) for rank in range(2))
    assert first[0] == (
        "model tiny: 2 processes cannot share steps of 1 piece. Set pieces to a multiple of 2, such as with --pieces, "
        "or start fewer processes"
    )
    assert second == ["the first process of the training failed. See what it said", 2]
    assert [event for event in first[1:] if event not in ("checked", "step")] == ["finished", "finished", 2]
    # What they have finished, one process goes on from: nothing is trained again.
    out, alone, events = tmp_path / "together" / "tiny", tmp_path / "alone" / "tiny", list[str]()
    in_pieces = dataclasses.replace(config, pieces=2)
    together = read_scores(out / "oof.parquet", folds)
    train_image_models(
        rows,
        folds,
        [in_pieces],
        [out],
        engine=HERE,
        parts="folds",
        on_progress=lambda event: events.append(event.event),
    )
    assert events == ["reused", "reused"]
    train_image_models(rows, folds, [in_pieces], [alone], engine=HERE, parts="folds")
    expected = read_scores(alone / "oof.parquet", folds)
    assert together.drop("score").equals(expected.drop("score"))
    assert (together["score"] - expected["score"]).abs().max() == pytest.approx(0, abs=1e-5)
    assert pl.read_parquet(out / "history.parquet")["images"].to_list() == [32, 32]
