"""`furikaeri doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from furikaeri_cli import doctor
from furikaeri_cli.doctor import Places, examine
from furikaeri_common.devices import DeviceChoice
from furikaeri_common.packages import Extra, Member
from twenty_questions.builtin import build
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable, save_table
from twenty_questions.words import Keyword


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a small table, no torch to wait for, and nothing in the home folder."""
    table = AnswerTable(
        (Keyword("cat"), Keyword("dog")),
        (Question("barks", "Does it bark?", "table"),),
        np.array([[0], [254]], dtype=np.uint8),
        np.array([0.5, 0.5]),
        {},
    )
    save_table(table, tmp_path / "table")
    monkeypatch.setattr(build, "TABLE_FOLDER", tmp_path / "table")
    monkeypatch.setattr(doctor, "choose_device", lambda asked: DeviceChoice("cpu", "float32", f"{asked} asked", 8, 4))
    for name in (
        "HF_HUB_CACHE",
        "HF_HOME",
        "XDG_CACHE_HOME",
        "HF_HUB_OFFLINE",
        "FURIKAERI_MODELS",
        "FURIKAERI_REAL_DATA",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def places(folder: Path) -> Places:
    return Places(folder / "models", folder / "hub", False, None, folder / "runs")


def by_name(findings: tuple[doctor.Finding, ...]) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in findings}


def test_json_holds_every_finding_and_nothing_else_is_on_stdout(invoke, machine: Path) -> None:
    code, out, err = invoke("furikaeri", "doctor", "--json")
    document = json.loads(out)
    assert (code, document["ok"], err) == (0, True, "")
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["built-in table"]["detail"] == "2 things, 1 questions"
    assert found["furikaeri-common"]["state"] == "ok"
    assert "float32" in found["device"]["detail"]
    assert document["places"]["models"] == str(machine / "home/.cache/furikaeri/models")
    assert not (machine / "home").exists()


def test_every_lack_comes_with_the_line_that_mends_it(invoke) -> None:
    code, out, err = invoke("furikaeri", "doctor")
    assert code == 0
    assert "contest data\tabsent" in out
    assert "contest data: export FURIKAERI_REAL_DATA=/path/to/the/data\n" in err
    assert "model folder: hf download" in err


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_broken_table_is_exit_code_one(invoke, machine: Path, damage: str) -> None:
    if damage == "missing":
        (machine / "table").rename(machine / "elsewhere")
    else:
        with (machine / "table" / "keywords.jsonl").open("a") as keywords:
            keywords.write("\n")
    code, out, err = invoke("furikaeri", "doctor", "--json")
    document = json.loads(out)
    assert (code, document["ok"], err) == (1, False, "")
    broken = [finding for finding in document["findings"] if finding["state"] == "broken"]
    assert [finding["name"] for finding in broken] == ["built-in table"]
    assert broken[0]["fix"].startswith("pip install")


def test_members_and_extras_that_lack_something(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = (
        Member("furikaeri-common", "1.0", {"numpy": "2.0"}, (Extra("llm", {"torch": None, "transformers": "5"}),)),
        Member("furikaeri-twenty-questions", "1.0", {"numpy": None}, ()),
        Member("furikaeri-cli", None, {}, ()),
    )
    monkeypatch.setattr(doctor, "installed_members", lambda: members)
    found = by_name(examine(places(machine)))
    assert (found["furikaeri-common"].state, found["furikaeri-common"].fix) == ("ok", "")
    llm = found["furikaeri-common[llm]"]
    assert (llm.state, llm.fix) == ("absent", 'pip install "furikaeri-common[llm]"')
    assert "torch" in llm.detail
    assert found["furikaeri-twenty-questions"].state == "broken"
    assert found["furikaeri-cli"].fix == "pip install furikaeri-cli"


def test_models_are_found_in_both_places(machine: Path) -> None:
    for folder in ("models/small", "models/.hidden", "hub/models--org--name/snapshots/abc", "hub/models--org--half"):
        (machine / folder).mkdir(parents=True)
    (machine / "models" / "big.gguf").write_bytes(b"")
    (machine / "models" / "README.md").write_text("")
    found = by_name(examine(places(machine)._replace(offline=True)))
    assert found["model folder"].detail == f"big.gguf, small in {machine / 'models'}"
    assert found["Hugging Face cache"].detail == f"org/name in {machine / 'hub'}"
    assert "HF_HUB_OFFLINE" in found["network"].detail


def test_data_and_the_contest_engine(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "data" / "isic").mkdir(parents=True)
    found = by_name(examine(places(machine)._replace(real_data=machine / "data")))
    assert (found["contest data"].state, found["contest data"].detail) == ("ok", f"isic in {machine / 'data'}")
    found = by_name(examine(places(machine)._replace(real_data=machine / "nowhere")))
    assert found["contest data"].state == "absent"
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None)
    found = by_name(examine(places(machine)))
    assert (found["contest engine"].state, found["contest engine"].fix) == (
        "absent",
        "pip install kaggle-environments==1.18.0",
    )


def test_an_unknown_device_is_refused(invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    from furikaeri_common.devices import choose_device

    monkeypatch.setattr(doctor, "choose_device", choose_device)
    code, _, err = invoke("furikaeri", "doctor", "--device", "gpu")
    assert code == 2
    assert "unknown device 'gpu'" in err
