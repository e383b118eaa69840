"""`isic data synth` at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Invoke = Callable[..., tuple[int, str, str]]


def test_makes_a_folder_and_says_what_is_in_it(invoke: Invoke, tmp_path: Path) -> None:
    out = str(tmp_path / "made")
    code, printed, notes = invoke("isic", "data", "synth", "--out", out, "--rows", "40", "--patients", "4", "--json")
    assert code == 0
    assert notes.startswith("warning: 0 malignant lesions")
    told = json.loads(printed)
    assert told["train"] == {"lesions": 40, "malignant": 0, "patients": 4}
    assert told["test"]["lesions"] == 4
    assert (tmp_path / "made" / "train-image.hdf5").exists()

    code, printed, _ = invoke("isic", "data", "synth", "--out", out, "--rows", "40", "--patients", "4", "--json")
    assert code == 0
    assert json.loads(printed)["was_there"] is True


def test_enough_malignant_lesions_need_no_warning(invoke: Invoke, tmp_path: Path) -> None:
    sizes = ("--rows", "100", "--malignant-share", "0.2", "--no-images")
    code, printed, notes = invoke("isic", "data", "synth", "--out", str(tmp_path / "made"), *sizes, "--json")
    assert (code, notes) == (0, "")
    assert json.loads(printed)["train"]["malignant"] == 20


def test_progress_and_notes_go_to_stderr(invoke: Invoke, tmp_path: Path) -> None:
    code, printed, notes = invoke(
        "isic", "data", "synth", "--out", str(tmp_path / "made"), "--rows", "40", "--no-images"
    )
    assert code == 0
    assert "lesions" in printed
    assert "made up" in notes
    assert not (tmp_path / "made" / "train-image.hdf5").exists()


def test_impossible_sizes_and_other_data_exit_2(invoke: Invoke, tmp_path: Path) -> None:
    out = str(tmp_path / "made")
    code, _, told = invoke("isic", "data", "synth", "--out", out, "--rows", "3", "--patients", "5")
    assert code == 2
    assert "patients <= rows" in told
    assert not Path(out).exists()

    invoke("isic", "data", "synth", "--out", out, "--rows", "3", "--no-images")
    code, _, told = invoke("isic", "data", "synth", "--out", out, "--rows", "4", "--no-images")
    assert code == 2
    assert "other sizes" in told
