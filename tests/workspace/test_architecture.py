"""The layers of the workspace, and what each member says it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_layers_hold(root: Path) -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    checked = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def test_every_dependency_is_declared_and_used(member) -> None:
    command = [sys.executable, "-m", "deptry", "--no-ansi", "."]
    checked = subprocess.run(command, cwd=member.folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_member_is_typed_and_knows_itself(member) -> None:
    assert (member.source / "py.typed").is_file()
    assert member.package in member.modules()
