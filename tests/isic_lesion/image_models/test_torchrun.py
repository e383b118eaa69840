"""`torchrun` at its edges: shares that are not even, processes that are killed, and what is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import psutil
import pytest

from furikaeri_cli.main import run
from furikaeri_common.artifacts import sha256_of
from furikaeri_common.tensors import unpack_tensors
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.folds.files import read_folds, write_folds
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.image_models.rows import read_image_rows
from isic_lesion.scores import read_scores

pytest.importorskip("torch")
pytest.importorskip("timm")

HERE = Path(__file__).parent
MOST = 400.0  # seconds that anything may take on a machine that has other work
CONFIG = {
    "backbone": "test_convnext",
    "weights": "none",
    "size": 32,
    "auxiliary": {"lesion_id": 0.1},
    "negatives_per_positive": None,
    "epochs": 3,
    "lr_head": 0.03,
    "lr_backbone": 0.002,
    "ema": 0.8,
    "dropout": 0.1,
    "early_stopping": 2,
    "augmentation": "flips",
    "views": "one",
    "device": "cpu",
}


class Launched(NamedTuple):
    """`torchrun`, and what it has said in the end."""

    agent: subprocess.Popen[str]

    def ranks(self) -> dict[str, psutil.Process]:
        """Return the training processes by their rank, once they train."""
        found = {}
        for process in psutil.Process(self.agent.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found[process.environ().get("RANK", "")] = process
        return found

    def end(self) -> str:
        """Return what was said on stderr until all is over."""
        return self.agent.communicate(timeout=MOST)[1]


@contextlib.contextmanager
def torchrun(processes: int, *command: object) -> Iterator[Launched]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    options = ("--nproc-per-node", processes, "--master-port", port)
    agent = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *map(str, (*options, *command))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started: list[psutil.Process] = []
    try:
        yield Launched(agent)
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(agent.pid).children(recursive=True)
    finally:
        agent.kill()
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        agent.communicate()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-eight lesions with pictures, three of them damaged, and two folds."""
    place = tmp_path_factory.mktemp("torchrun")
    runpy.run_path(str(HERE / "fit_and_keep.py"))["write_folder"](place / "data", damaged=(6, 17, 41))
    rows = read_image_rows(place / "data" / "train-metadata.csv", place / "data" / "train-image.hdf5")
    write_folds(assign_patient_folds(rows.frame, num_folds=2), place / "folds.parquet")
    return place


def test_three_processes_with_uneven_shares_learn_what_one_learns(place: Path) -> None:
    """Every fold trains on 22 or 23 lesions: a last step whose pieces differ, and batches to score for few of three."""
    configs = [
        {**CONFIG, "name": "three", "batch": 16, "pieces": 3},
        {**CONFIG, "name": "four", "batch": 15, "pieces": 4, "negatives_per_positive": 2.0, "clip": 0.1},
    ]
    with torchrun(3, HERE / "train_edges.py", json.dumps({"place": str(place), "configs": configs})) as launched:
        said = launched.end()
    assert (launched.agent.returncode, said) == (0, "")
    runpy.run_path(str(HERE / "train_edges.py"))["main"](place, configs, "alone")
    folds = read_folds(place / "folds.parquet")
    for config in configs:
        together, alone = (place / out / str(config["name"]) for out in ("together", "alone"))
        records = [read_image_record(folder) for folder in (together, alone)]
        assert [(how.epochs, how.steps, how.rows) for how in records[0].parts.values()] == [
            (how.epochs, how.steps, how.rows) for how in records[1].parts.values()
        ]
        assert records[0].bad == records[1].bad == ("ISIC_0000006", "ISIC_0000017", "ISIC_0000041")
        scores, expected = (read_scores(folder / "oof.parquet", folds) for folder in (together, alone))
        assert len(scores) == 45
        assert scores.drop("score").equals(expected.drop("score"))
        assert (scores["score"] - expected["score"]).abs().max() == pytest.approx(0, abs=2e-5)
        assert expected["score"].std() > 1e-3
        told, first = (pl.read_parquet(folder / "history.parquet").drop("seconds") for folder in (together, alone))
        assert told.drop("loss", "^loss\\..*$").equals(first.drop("loss", "^loss\\..*$"))  # the held-out pAUC too
        assert (told["loss"] - first["loss"]).abs().max() == pytest.approx(0, abs=1e-4)
        for file in sorted((together / "weights").iterdir()):
            state, other = (
                unpack_tensors((folder / "weights" / file.name).read_bytes())[1] for folder in (together, alone)
            )
            for name, array in state.items():
                np.testing.assert_allclose(array, other[name], rtol=0, atol=2e-4, err_msg=name)
            assert not [name for name in state if np.isnan(state[name]).any()]


class Command(NamedTuple):
    """`isic train-image` for a network of many short steps, of which every third is kept."""

    out: Path
    options: tuple[object, ...]

    @property
    def command(self) -> tuple[object, ...]:
        return ("--no-python", Path(sys.executable).with_name("isic"), "train-image", *self.options, "--out", self.out)

    def steps(self) -> int:
        """Return how many steps the checkpoint holds; 0 without one."""
        for file in (self.out.parent / ".image-parts" / "unfinished").glob("[!.]*.safetensors"):
            with contextlib.suppress(OSError, ValueError):
                document: Any = unpack_tensors(file.read_bytes())[0]
                return int(document["document"]["progress"]["step"])
        return 0

    def wait_for_more_than(self, steps: int, launched: Launched) -> None:
        deadline = time.monotonic() + MOST
        while self.steps() <= steps:
            assert launched.agent.poll() is None, launched.end()
            assert time.monotonic() < deadline
            time.sleep(0.02)


def ours(said: str) -> list[str]:
    """Return the lines that are not torchrun's own."""
    return [line for line in said.splitlines() if line.startswith("isic: ")]


def gone(processes: list[psutil.Process]) -> bool:
    alive = psutil.wait_procs(processes, timeout=60)[1]
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_whatever_ends_torchrun_the_same_command_goes_on_to_the_same_bytes(place: Path) -> None:
    model = place / "tiny.toml"
    settings = {"backbone": "test_resnet", "size": 32, "epochs": 30, "batch": 12, "pieces": 2, "checkpoint_steps": 3}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    model.write_text("\n".join(['preset = "demo-tiny"', 'device = "cpu"', *lines]))
    data = ("--data", place / "data", "--folds", place / "folds.parquet", "--on-bad", "skip")
    options = (*data, "--model", model, "--parts", "all", "--quiet")
    command = Command(place / "ended" / "tiny", options)

    with torchrun(2, *command.command) as launched:
        command.wait_for_more_than(0, launched)
        ranks = launched.ranks()
        ranks["1"].kill()
        said = launched.end()
        assert launched.agent.returncode == 1
        (line,) = ours(said)
        assert line.endswith("the same command again: training goes on from its checkpoint")
        assert gone(list(ranks.values()))
    after_kill = command.steps()

    with torchrun(2, *command.command) as launched:
        command.wait_for_more_than(after_kill, launched)
        ranks = launched.ranks()
        launched.agent.send_signal(signal.SIGINT)
        said = launched.end()
        assert launched.agent.returncode != 0
        assert ours(said) == ["isic: interrupted; what was finished is kept"]
        assert gone(list(ranks.values()))
    last = command.steps()
    assert 0 < after_kill < last < 90

    # Alone, from where the two have come to; and alone from the beginning.
    undisturbed = place / "undisturbed" / "tiny"
    for out in (command.out, undisturbed):
        assert run("isic", [*map(str, ("train-image", *options, "--workers", 0, "--out", out))]) == 0
    assert command.steps() == 0
    file = Path("weights") / "all-seed-42.safetensors"
    assert sha256_of(command.out / file) == sha256_of(undisturbed / file)


TRAINS = """
import time
from isic_lesion.image_models.endings import ending_with_torchrun

with ending_with_torchrun():
    print("training", flush=True)
    time.sleep(600)
"""
STARTS = """
import subprocess, sys, time

trains = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, start_new_session=True)
print(trains.pid if trains.stdout.readline() else "it ended", flush=True)
time.sleep(600)
"""


def test_what_torchrun_started_does_not_outlive_it() -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", STARTS, TRAINS],
        env={**os.environ, "TORCHELASTIC_RUN_ID": "none"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert agent.stdout is not None
    trains = psutil.Process(int(agent.stdout.readline()))
    assert trains.is_running()
    agent.kill()
    agent.communicate()
    assert gone([trains])
