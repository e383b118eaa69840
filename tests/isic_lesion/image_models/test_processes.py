"""Two processes learn what one learns; one that dies or hangs does not keep the other."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from furikaeri_common.processes import this_process
from furikaeri_common.tensors import unpack_tensors
from isic_lesion.image_models.endings import is_told, sentence_of
from isic_lesion.image_models.processes import Processes, add_up, agree, joined, own_device, wait_for_all

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def torchrun(settings: list[dict]) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()),
        HERE / "fit_and_keep.py", json.dumps(settings),
    ]  # fmt: skip
    agent = subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = agent.communicate(timeout=400)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(agent.pid, signal.SIGKILL)
    assert (agent.returncode, said) == (0, "")


def test_two_processes_of_torchrun_learn_what_one_learns(tmp_path: Path) -> None:
    """With two pieces to the bit: a sum of two has one order. With four to tolerance, for each has then two of them."""
    ours = runpy.run_path(str(HERE / "fit_and_keep.py"))
    ours["write_folder"](tmp_path / "data", damaged=(6, 17, 41))
    # Four pictures of 64 px a piece: a batch norm of two numbers would make much of the last bit.
    four = {"pieces": 4, "batch": 16, "size": 64, "negatives_per_positive": None}
    configs = {"two": {"negatives_per_positive": None}, "four": four}
    settings = [
        {"folder": str(tmp_path / "data"), "config": config, "out": str(tmp_path / name)}
        for name, config in configs.items()
    ]
    for one in settings:
        ours["fit_and_keep"](**{**one, "out": f"{one['out']}-alone"})
    torchrun([{**one, "checkpoint": one["out"] + "-c", "steps": one["out"] + "-steps"} for one in settings])
    rows, held_out = ours["rows_of"](tmp_path / "data"), ours["HELD_OUT"]
    for name, num_steps in (("two", 12), ("four", 6)):
        told, state = unpack_tensors((tmp_path / f"{name}-alone-0").read_bytes())
        (of_first, first), (of_second, second) = (
            unpack_tensors((tmp_path / f"{name}-{rank}").read_bytes()) for rank in range(2)
        )
        steps = (tmp_path / f"{name}-steps").read_text().split()
        assert steps == [str(step) for step in range(1, num_steps + 1)]  # of the first process alone
        assert of_first["bad"] == of_second["bad"] == told["bad"] == ["ISIC_0000006", "ISIC_0000017"]
        assert of_first["best_epoch"] == of_second["best_epoch"] == told["best_epoch"]
        for one, other in zip(of_first["history"], told["history"], strict=True):
            assert one["losses"] == pytest.approx(other["losses"], rel=1e-5)
            assert one["held_out_pauc"] == pytest.approx(other["held_out_pauc"], abs=1e-6)
        assert all(np.array_equal(first[key], second[key]) for key in state)
        config = ours["config_of"](**configs[name])
        scores, expected = (ours["scores_of"](rows, held_out, config, weights) for weights in (first, state))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
        assert np.nanstd(expected) > 1e-3
        if name == "two":
            assert all(np.array_equal(first[key], state[key]) for key in state)


def test_more_processes_than_pieces_are_refused(monkeypatch) -> None:
    from isic_lesion.image_models import fitting
    from isic_lesion.image_models.config import ImageConfig

    config = ImageConfig(name="t", backbone="b", pieces=3)
    with pytest.raises(
        InputError, match=r"in 3 pieces cannot be shared by 4 processes\. Set pieces to 4 or a multiple"
    ):
        fitting._check_shares(config, Processes(0, 4))
    fitting._check_shares(config, Processes(2, 3))


def test_two_processes_add_up_agree_and_do_not_wait_for_ever(tmp_path: Path) -> None:
    ports = [str(free_port()) for _ in range(3)]
    started = [
        subprocess.Popen(
            [sys.executable, HERE / "in_company.py", tmp_path, *ports],
            env={**os.environ, "RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=400)[1] for process in started]
    assert [process.returncode for process in started] == [0, 9], said
    assert said == ["", ""]
    (first, given_up, left_alone), (second, _) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    shared = {"count": 2, "sum": [2.0, 10.0], "same": True, "other": False}
    assert first == {"rank": 0, "first": True, **shared}
    assert second == {"rank": 1, "first": False, **shared}
    assert given_up.startswith("process 0 of 2: another one ended or hangs (")
    assert left_alone.startswith("True process 0 of 2: another one ended or hangs (")
    assert "\n" not in given_up + left_alone


def test_the_second_process_tells_of_an_end_where_the_first_has_ended() -> None:
    here = this_process()
    ended = here._replace(started="long ago")
    assert not is_told(0, here)
    assert is_told(1, here)
    assert not is_told(1, ended)
    assert is_told(1, ended._replace(host="elsewhere")) is True
    assert [is_told(2, first) for first in (here, ended, None)] == [True] * 3
    error = RuntimeError("[/a/gloo/pair.cc:545] Read error [127.0.0.1]:1: Connection reset by peer. This is typical")
    assert sentence_of(error) == "Read error [127.0.0.1]:1: Connection reset by peer"


def test_one_process_alone_talks_to_no_one(monkeypatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert processes == Processes(0, 1)
        assert processes.is_first
        values = torch.tensor([1.0])
        add_up(processes, values)
        wait_for_all(processes)
        assert values == 1
        assert agree(processes, [3])
    assert own_device("cpu") == "cpu"


def test_what_torchrun_did_not_say_is_named(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_PORT", "29500")
    for name in ("RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="WORLD_SIZE is 2, but RANK, MASTER_ADDR are not set"), joined():
        pass
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(InputError, match="WORLD_SIZE: expected a whole number, got 'two'"), joined():
        pass


def test_processes_do_not_share_a_device(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert own_device("cpu") == "cpu"
    for device in ("cuda:1", "mps"):
        with pytest.raises(InputError, match=f"expected a device for each of 2 processes, got '{device}'"):
            own_device(device)
