"""Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "transformers",
    "bitsandbytes",
    "timm",
    "xgboost",
    "lightgbm",
    "sklearn",
    "scipy",
    "polars",
    "pandas",
    "numba",
    "matplotlib",
    "kaggle_environments",
)
TERMINAL = ("typer", "rich", "pydantic")


def loaded_after(script: str, suspects: tuple[str, ...]) -> set[str]:
    """Run a script in a fresh interpreter and return which of the suspects it imported."""
    tail = "\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script + tail], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(suspects) & set(json.loads(ended.stdout.splitlines()[-1]))


def test_no_module_of_a_member_imports_anything_heavy(member) -> None:
    imports = "\n".join(f"import {name}" for name in member.modules())
    assert loaded_after(imports, HEAVY) == set()


def test_the_libraries_know_nothing_of_terminals(member) -> None:
    imports = "\n".join(f"import {name}" for name in member.modules())
    assert (loaded_after(imports, TERMINAL) == set()) == (member.package != "furikaeri_cli")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("tq", ["--help"]),
        ("isic", ["--help"]),
        ("furikaeri", ["--help"]),
        ("furikaeri", ["runs", "list", "--help"]),
        ("furikaeri", ["runs", "list"]),
    ],
)
def test_what_does_not_compute_or_draw_imports_nothing_for_it(program: str, arguments: list[str]) -> None:
    script = f"from furikaeri_cli.main import run\nassert run({program!r}, {arguments!r}) == 0"
    assert loaded_after(script, (*HEAVY, "rich", "pydantic", "numpy", "twenty_questions", "isic_lesion")) == set()


def test_the_guard_sees_what_it_looks_for() -> None:
    assert loaded_after("import numpy, rich", ("numpy", "rich", "torch")) == {"numpy", "rich"}


@pytest.mark.parametrize("program", ["tq", "isic", "furikaeri"])
def test_the_installed_scripts_answer(program: str) -> None:
    script = Path(sys.executable).parent / program
    ended = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: {program} ")
