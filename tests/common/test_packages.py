"""What is installed, from made-up metadata and from our own."""

from __future__ import annotations

import platform
from email.message import Message
from importlib import metadata

import pytest

from furikaeri_common.packages import MEMBERS, Extra, Member, installed_members, package_versions

INSTALLED = {
    "furikaeri-common": ("0.1.0", ["numpy>=1.26", 'torch>=2.6 ; extra == "llm"', 'Bits_And-Bytes ; extra == "llm"']),
    "furikaeri-twenty-questions": (
        "0.1.0",
        ["furikaeri-common", "numpy", 'furikaeri-common[llm]>=0.1; extra == "llm"', "numba; extra == 'fast'"],
    ),
    "numpy": ("2.0.0", None),
    "numba": ("0.61", None),
}


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name not in INSTALLED:
            raise metadata.PackageNotFoundError(name)
        return INSTALLED[name][0]

    def described(name: str) -> Message:
        message = Message()
        for extra in {"furikaeri-common": ["llm"], "furikaeri-twenty-questions": ["llm", "fast"]}.get(name, []):
            message["Provides-Extra"] = extra
        return message

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: INSTALLED[name][1])
    monkeypatch.setattr(metadata, "metadata", described)


@pytest.mark.usefixtures("made_up")
def test_extras_and_what_they_lack() -> None:
    llm = Extra("llm", {"bits-and-bytes": None, "torch": None})
    common, game, *others = installed_members()
    assert common == Member("furikaeri-common", "0.1.0", {"numpy": "2.0.0"}, (llm,))
    assert game.packages == {"furikaeri-common": "0.1.0", "numpy": "2.0.0"}
    assert game.extras == (Extra("fast", {"numba": "0.61"}), llm)
    assert [extra.complete for extra in game.extras] == [True, False]
    assert [(member.version, member.extras) for member in others] == [(None, ()), (None, ())]


@pytest.mark.usefixtures("made_up")
def test_versions_are_of_what_is_installed() -> None:
    assert package_versions() == {
        "python": platform.python_version(),
        "furikaeri-common": "0.1.0",
        "furikaeri-twenty-questions": "0.1.0",
        "numba": "0.61",
        "numpy": "2.0.0",
    }


def test_our_own_members_are_all_installed_here() -> None:
    assert [(member.name, member.version is not None) for member in installed_members()] == [
        (name, True) for name in MEMBERS
    ]
    assert package_versions()["numpy"] == metadata.version("numpy")
