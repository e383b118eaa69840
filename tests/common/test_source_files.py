"""A program's own modules are found, wherever it imports them."""

from __future__ import annotations

from furikaeri_common.source_files import modules_needed

PROGRAM = """
import json
from furikaeri_common.artifacts import write_json

def later():
    import furikaeri_common.stages
"""


def test_what_a_program_imports_is_found_with_what_that_imports() -> None:
    found = {file.name: file.path for file in modules_needed(PROGRAM, ["furikaeri_common"])}
    assert {
        "furikaeri_common/__init__.py",
        "furikaeri_common/artifacts.py",
        "furikaeri_common/stages.py",
        "furikaeri_common/errors.py",  # by way of artifacts
        "furikaeri_common/memory.py",  # by way of stages
    } <= set(found)
    assert "furikaeri_common/devices.py" not in found
    assert all(path.as_posix().endswith(name) for name, path in found.items())


def test_other_packages_are_left_out() -> None:
    assert modules_needed(PROGRAM, ["numpy"]) == []
