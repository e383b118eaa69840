"""The wheels of the members, built, and installed in clean environments without extras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

UV = shutil.which("uv")
pytestmark = pytest.mark.skipif(UV is None, reason="uv is not on the path")

UNREACHABLE = ("error sending request", "dns error", "failed to fetch", "network was disabled", "connect", "timed out")


def uv(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run uv, out of reach of the environment that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [str(UV), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def wheels(members, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each member's wheel, by the name of its package."""
    built = {}
    for member in members:
        folder = tmp_path_factory.mktemp(member.package)
        ended = uv("build", "--wheel", "--quiet", member.folder, "--out-dir", folder)
        if ended.returncode and any(sign in ended.stderr.lower() for sign in UNREACHABLE):
            pytest.skip("the build back end cannot be fetched")
        assert ended.returncode == 0, ended.stderr
        (built[member.package],) = folder.glob("*.whl")
    return built


@pytest.fixture
def install(wheels: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Install wheels in a new environment and return the folder of its programs."""
    environment = tmp_path / "environment"

    def make(*packages: str) -> Path:
        made = uv("venv", "--quiet", "--python", sys.executable, environment)
        assert made.returncode == 0, made.stderr
        programs = environment / ("Scripts" if os.name == "nt" else "bin")
        ended = uv("pip", "install", "--quiet", "--python", programs / "python", *(wheels[name] for name in packages))
        if ended.returncode and any(sign in ended.stderr.lower() for sign in UNREACHABLE):
            pytest.skip("the package registry cannot be reached")
        assert ended.returncode == 0, ended.stderr
        return programs

    yield make
    shutil.rmtree(environment, ignore_errors=True)


def test_a_wheel_holds_every_file_of_its_package_and_nothing_else(member, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[member.package]) as wheel:
        held = {name for name in wheel.namelist() if not name.endswith("/") and ".dist-info/" not in name}
    files = {path.relative_to(member.source.parent).as_posix() for path in member.source.rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert f"{member.package}/py.typed" in held


@pytest.mark.parametrize(
    "packages",
    [
        ("furikaeri_common",),
        ("furikaeri_common", "twenty_questions"),
        ("furikaeri_common", "isic_lesion"),
        ("furikaeri_common", "twenty_questions", "isic_lesion", "furikaeri_cli"),
    ],
    ids=lambda packages: packages[-1],
)
def test_members_without_extras_import_whole(members, install, packages: tuple[str, ...], tmp_path: Path) -> None:
    programs = install(*packages)
    modules = [module for member in members if member.package in packages for module in member.modules()]
    script = "\n".join(f"import {module}" for module in modules)
    script += "\nfrom importlib.util import find_spec\nassert not any(map(find_spec, ('torch', 'numba', 'xgboost')))"
    ended = subprocess.run(
        [programs / "python", "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    if "furikaeri_cli" in packages:
        check_programs(programs, tmp_path)


def check_programs(programs: Path, folder: Path) -> None:
    """The programs answer, and the doctor finds the base sound and says how to install each extra."""
    for program in ("tq", "isic", "furikaeri"):
        ended = subprocess.run([programs / program, "--help"], cwd=folder, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
    ended = subprocess.run(
        [programs / "furikaeri", "doctor", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = {finding["name"]: finding for finding in json.loads(ended.stdout)["findings"]}
    assert found["furikaeri-twenty-questions[llm]"]["fix"] == 'pip install "furikaeri-twenty-questions[llm]"'
    assert "torch is not installed" in found["device"]["detail"]
