"""Training on real files: what it learns, what it refuses, and that an interruption changes no bit."""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import runpy
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.tensors import unpack_tensors

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from isic_lesion.image_models import one_step  # noqa: E402
from isic_lesion.image_models.fitting import Fitted, StepReport, fit  # noqa: E402

SCRIPT = str(Path(__file__).with_name("fit_and_keep.py"))
OURS = runpy.run_path(SCRIPT)
TRAIN, HELD_OUT = OURS["TRAIN"], OURS["HELD_OUT"]


class StopHereError(Exception):
    """What a test's `on_step` raises."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    OURS["write_folder"](folder)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path):
    return OURS["rows_of"](folder)


@pytest.fixture(scope="module")
def whole(rows) -> Fitted:
    """The training that no one interrupted."""
    return run(rows)


def run(rows, *, train=TRAIN, seed: int = 7, fold: int | None = 0, held_out=HELD_OUT, checkpoint=None, workers=0,
        on_step=None, **options) -> Fitted:  # fmt: skip
    return fit(
        rows, train, OURS["config_of"](**options), fold=fold, seed=seed, held_out=held_out, checkpoint=checkpoint,
        workers=workers, on_step=on_step,
    )  # fmt: skip


def assert_same_bits(one, other) -> None:
    assert set(one) == set(other)
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def without_seconds(fitted: Fitted):
    return [record._replace(seconds=0.0) for record in fitted.history]


def test_a_network_learns_to_tell_bright_pictures_from_dark_ones(rows) -> None:
    fitted = run(rows, early_stopping=None, epochs=6, drop_path=0.0, dropout=0.0, ema=None, held_out=None)
    losses = [record.losses["target"] for record in fitted.history]
    assert losses[0] > 0.5
    assert losses[-1] < 0.25
    assert fitted.epochs == fitted.best_epoch == 6
    assert fitted.steps == 18
    assert fitted.peak_bytes > 50e6
    assert fitted.peak_device_bytes is None
    assert fitted.bad == ()
    assert fitted.inputs.size == 32


def test_reports_tell_every_step_and_the_history_every_epoch(rows, whole: Fitted) -> None:
    reports: list[StepReport] = []
    fitted = run(rows, on_step=reports.append)
    assert_same_bits(fitted.state, whole.state)
    assert [report.step for report in reports] == list(range(1, 10))
    assert {(report.steps, report.epochs, report.images, report.fold, report.seed) for report in reports} == {
        (9, 3, 9, 0, 7)
    }
    assert [report.epoch for report in reports] == [1] * 3 + [2] * 3 + [3] * 3
    assert [report.record for report in reports if report.record] == list(fitted.history)
    for report in reports:
        losses = report.losses
        expected = losses["target"] + 0.1 * losses["lesion_id"] + 0.2 * losses["age"]
        assert report.loss == pytest.approx(expected, rel=1e-6)
        assert report.gradient_norm > 0
        assert report.seconds > 0
    assert [report.lr_head for report in reports][:3] == pytest.approx([0.005, 0.01, 0.01])
    for epoch, record in enumerate(fitted.history):
        mine = reports[3 * epoch : 3 * epoch + 3]
        assert record.loss == pytest.approx(np.mean([report.loss for report in mine]))
        assert record.lr_head == mine[-1].lr_head
        assert record.images == 27
        assert record.seconds == pytest.approx(sum(report.seconds for report in mine))
        assert 0 <= record.held_out_pauc <= 0.2


@pytest.mark.parametrize("step", [1, 2, 5, 8, 9])
def test_stopped_after_any_step_it_ends_with_the_same_bits(rows, whole: Fitted, tmp_path: Path, step: int) -> None:
    path = tmp_path / "c.safetensors"

    def stop(report: StepReport) -> None:
        if report.step == step:
            raise StopHereError

    with pytest.raises(StopHereError):
        run(rows, checkpoint=path, on_step=stop)
    seen: list[int] = []
    fitted = run(rows, checkpoint=path, on_step=lambda report: seen.append(report.step))
    assert seen == list(range(step // 2 * 2 + 1, 10))
    assert_same_bits(fitted.state, whole.state)
    assert without_seconds(fitted) == without_seconds(whole)
    assert fitted.best_epoch == whole.best_epoch
    assert path.exists()  # its caller removes it


def test_a_training_that_another_one_took_over_ends_before_it_writes(rows, whole: Fitted, tmp_path: Path) -> None:
    path, others = tmp_path / "c.safetensors", list[Fitted]()

    def take_over(report: StepReport) -> None:
        if report.step == 3:
            others.append(run(rows, checkpoint=path))

    with pytest.raises(WorkError, match=r"tiny, fold 0, seed 7: another process has taken this training over"):
        run(rows, checkpoint=path, on_step=take_over)
    assert_same_bits(others[0].state, whole.state)


def test_a_training_that_was_over_ends_at_once_with_the_best_weights(rows, tmp_path: Path) -> None:
    path, seen = tmp_path / "c.safetensors", []
    # The rate is too small to move any score, so the second epoch is no better than the first.
    options = {"lr_head": 1e-30, "lr_backbone": 0.0, "early_stopping": 1, "checkpoint": path, "checkpoint_steps": 1}
    first = run(rows, **options)
    again = run(rows, **options, on_step=lambda report: seen.append(report.step))
    assert (first.epochs, first.best_epoch, first.steps) == (2, 1, 6)
    assert seen == []
    assert_same_bits(first.state, again.state)
    assert without_seconds(first) == without_seconds(again)


@pytest.mark.parametrize("damage", ["cut", "bit", "another seed", "another rate", "other rows"])
def test_a_checkpoint_that_does_not_fit_is_begun_again(rows, whole: Fitted, tmp_path: Path, damage: str) -> None:
    path, seen = tmp_path / "c.safetensors", []

    def stop(report: StepReport) -> None:
        if report.step == 4:
            raise StopHereError

    options = {"another seed": {"seed": 8}, "another rate": {"lr_head": 0.02}, "other rows": {"train": TRAIN[:-1]}}
    with pytest.raises(StopHereError):
        run(rows, checkpoint=path, on_step=stop, **options.get(damage, {}))
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[-1000] ^= 1
    path.write_bytes(content[:-1] if damage == "cut" else content)
    fitted = run(rows, checkpoint=path, on_step=lambda report: seen.append(report.step))
    assert seen == list(range(1, 10))
    assert_same_bits(fitted.state, whole.state)


def test_neither_reading_processes_nor_the_models_name_change_a_bit(rows) -> None:
    options = {"early_stopping": None, "epochs": 1}
    fitted = run(rows, workers=2, name="another", seeds=(7, 8), checkpoint_steps=5, **options)
    assert_same_bits(fitted.state, run(rows, **options).state)


def test_seed_and_fold_change_all_weights(rows, whole: Fitted) -> None:
    for options in ({"seed": 8}, {"fold": 1}, {"fold": None}):
        other = run(rows, **options)
        name = "backbone.conv_stem.weight"
        assert (other.state[name] != whole.state[name]).mean() > 0.9


def test_the_average_is_what_is_scored_with(rows) -> None:
    options = {"early_stopping": None, "held_out": None, "epochs": 1}
    averaged, plain = run(rows, ema=0.9, **options), run(rows, ema=None, **options)
    followed = run(rows, ema=1e-9, **options)  # forgets all but the last weights
    name = "backbone.conv_stem.weight"
    assert np.abs(averaged.state[name] - plain.state[name]).max() > 1e-5
    for name, array in plain.state.items():
        np.testing.assert_allclose(followed.state[name], array, atol=1e-6, rtol=1e-5)


def test_a_backbone_of_rate_0_stays_with_its_batch_statistics(rows) -> None:
    fitted = run(rows, lr_backbone=0.0, early_stopping=None, ema=None)
    longer = run(rows, lr_backbone=0.0, early_stopping=None, ema=None, epochs=1)
    for name, array in fitted.state.items():
        assert np.array_equal(array, longer.state[name]) == name.startswith("backbone."), name


def test_damaged_pictures_are_told_and_teach_nothing(folder: Path, rows, tmp_path: Path) -> None:
    OURS["write_folder"](tmp_path, damaged=(5, 12, 40))
    broken = OURS["rows_of"](tmp_path)
    fitted = run(broken, negatives_per_positive=None, checkpoint=tmp_path / "c")
    assert fitted.bad == ("ISIC_0000005", "ISIC_0000012")
    assert all(np.isfinite(array).all() for array in fitted.state.values())

    def stop(report: StepReport) -> None:
        if report.step == 6:
            raise StopHereError

    path = tmp_path / "c2"
    with pytest.raises(StopHereError):
        run(broken, negatives_per_positive=None, checkpoint=path, on_step=stop)
    again = run(broken, negatives_per_positive=None, checkpoint=path)
    assert again.bad == fitted.bad
    assert_same_bits(again.state, fitted.state)


@pytest.mark.parametrize("part", ["malignant", "benign"])
def test_rows_of_one_kind_alone_are_refused(rows, part: str) -> None:
    malignant = rows.frame["target"].to_numpy() == 1
    only = np.flatnonzero(malignant if part == "benign" else ~malignant)
    with pytest.raises(InputError, match=f"no {part} lesion"):
        run(rows, train=only)
    for held_out in (only, None):
        with pytest.raises(InputError, match="early stopping needs malignant and benign lesions"):
            run(rows, held_out=held_out)


def test_a_mask_is_not_taken_for_places(rows) -> None:
    mask = np.isin(np.arange(48), TRAIN)
    with pytest.raises(TypeError, match="expected train: places of rows as whole numbers, got bool"):
        run(rows, train=mask)
    with pytest.raises(TypeError, match="expected held_out"):
        run(rows, held_out=~mask)


def test_pieces_of_one_picture_are_refused_for_batch_norms_alone(rows) -> None:
    options = {"batch": 3, "pieces": 2, "early_stopping": None, "epochs": 1, "train": np.array([0, 1, 2])}
    with pytest.raises(
        InputError, match=r"a batch of 3 in 2 pieces has pieces of fewer than 2 .* batch to at least 4, or"
    ):
        run(rows, **options)
    assert run(rows, **options, backbone="test_vit").steps == 1


def test_a_loss_that_is_no_number_names_step_epoch_and_pictures(rows, tmp_path: Path, monkeypatch) -> None:
    def poisoned(outputs, labels, weights, totals):
        found = real(outputs, labels, weights, totals)
        steps.append(None)
        return {**found, "age": found["age"] * (math.nan if len(steps) > 2 * 4 else 1.0)}

    steps: list[None] = []
    real = one_step.losses
    monkeypatch.setattr(one_step, "losses", poisoned)
    path = tmp_path / "c.safetensors"
    with pytest.raises(WorkError) as caught:
        run(rows, checkpoint=path)
    said = str(caught.value)
    assert said.startswith("tiny, fold 0, seed 7: the loss of age is not a number in step 5 (epoch 2), whose pictures")
    assert said.count("ISIC_") == 8
    assert " and 1 more. Lower lr_backbone (now 0.002) or lr_head (0.01), use precision float32, or clip" in said
    assert path.exists()  # of step 4, before it went wrong


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
    ids=["python", "processor", "gpu"],
)
def test_too_little_memory_says_what_to_try(rows, monkeypatch, error) -> None:
    def grasp(*_):
        raise error

    monkeypatch.setattr(one_step, "losses", grasp)
    with pytest.raises(WorkError) as caught:
        run(rows)
    assert str(caught.value) == (
        "tiny, fold 0, seed 7: the memory of cpu does not suffice for steps of 9 pictures of 32 x 32 px in 2 pieces. "
        "Raise pieces (now 2), lower batch, or choose a smaller size or backbone"
    )


def test_another_error_stays_what_it_is(rows, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(one_step, "losses", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run(rows)


def test_torch_is_left_as_it_was(rows) -> None:
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    threads, during = torch.get_num_threads(), []
    try:
        torch.set_num_threads(3)
        run(rows, threads=1, epochs=1, on_step=lambda _: during.append(torch.get_num_threads()))
        assert set(during) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(3), expected)


def test_killed_at_any_moment_and_run_again_it_ends_with_the_same_bits(
    folder: Path, whole: Fitted, tmp_path: Path
) -> None:
    """SIGKILL at random moments; every life but the last is cut short after a step or two."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "h5py", "isic_lesion.image_models.network"])
    settings = {
        "folder": str(folder),
        "out": str(tmp_path / "fitted"),
        "checkpoint": str(tmp_path / "c.safetensors"),
        "steps": str(tmp_path / "steps"),
        "config": {},
        "pause": 0.1,
    }
    random_moments = random.Random(3)
    text, lives, last = json.dumps([settings]), 0, 4
    while not (tmp_path / "fitted-0").exists():
        lives += 1
        assert lives < 15, "no life got anywhere"
        process = context.Process(target=runpy.run_path, args=(SCRIPT, {"SETTINGS": text}, "__main__"))
        process.start()
        before = num_lines(tmp_path / "steps")
        wanted = before + random_moments.randint(2, 3)
        while lives < last and process.is_alive() and num_lines(tmp_path / "steps") < wanted:
            time.sleep(0.001)
        if lives < last:
            time.sleep(random_moments.random() * 0.15)
            process.kill()  # SIGKILL
        process.join()
    assert 2 < lives <= last
    document, state = unpack_tensors((tmp_path / "fitted-0").read_bytes())
    assert_same_bits(state, whole.state)
    assert document["steps"] == 9
    assert [entry["loss"] for entry in document["history"]] == [record.loss for record in whole.history]
    assert 9 <= num_lines(tmp_path / "steps") < last * 9
    assert not list(tmp_path.glob(".*.part"))


def test_ctrl_c_ends_the_readers_and_loses_nothing(rows, whole: Fitted, tmp_path: Path) -> None:
    path, seen = tmp_path / "c.safetensors", []
    children = set(psutil.Process().children(recursive=True))

    def interrupt(report: StepReport) -> None:
        if report.step == 2:
            seen.extend(set(psutil.Process().children(recursive=True)) - children)
            signal.raise_signal(signal.SIGINT)

    # A process that a shell started in the background may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(rows, checkpoint=path, workers=1, on_step=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen
    psutil.wait_procs(seen, timeout=10)
    assert not any(process.is_running() for process in seen)
    steps: list[int] = []
    fitted = run(rows, checkpoint=path, on_step=lambda report: steps.append(report.step))
    assert steps == list(range(3, 10))
    assert_same_bits(fitted.state, whole.state)


def num_lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0
