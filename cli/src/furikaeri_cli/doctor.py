"""`furikaeri doctor`: what is here, what is not, and the line that mends it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.devices import choose_device
from furikaeri_common.errors import FurikaeriError
from furikaeri_common.machine import cpu_memory
from furikaeri_common.models.places import CONVERTED, hub_folder, models_folder
from furikaeri_common.packages import installed_members

__all__ = ["Finding", "Places", "doctor_cli", "examine"]

_GIB = 2**30
_EXTRAS = {
    "fast": "the compiled kernel of question selection",
    "llm": "language models that label and answer",
    "server": "language models behind servers",
    "precompute": "tables labelled by language models",
    "study": "plots",
    "report": "reports as pages",
    "table": "boosted trees",
    "image": "image models",
}


class Finding(NamedTuple):
    """One thing that was looked at.

    Args:
        area: "installed", "machine", "models" or "data".
        name: what was looked at.
        state: "ok"; "absent" for what is optional and not here; "broken" for what nothing works without.
        detail: what was found.
        fix: the exact line that mends it; empty if nothing is to be mended.
    """

    area: Literal["installed", "machine", "models", "data"]
    name: str
    state: Literal["ok", "absent", "broken"]
    detail: str
    fix: str = ""


class Places(NamedTuple):
    """Where things are looked for.

    Args:
        models: the folder of language and image models, one folder each.
        hub: Hugging Face's cache of models.
        offline: whether `HF_HUB_OFFLINE` forbids downloads.
        real_data: the contest's own data, None where nobody said.
        runs: the folder that holds the runs.
    """

    models: Path
    hub: Path
    offline: bool
    real_data: Path | None
    runs: Path


def examine(places: Places, device: str = "auto") -> tuple[Finding, ...]:
    """Look at everything; nothing is changed, downloaded or left behind.

    Args:
        places: where to look.
        device: the device to ask for (see `choose_device`).
    """
    return (
        *_installed(),
        _table(),
        *_machine(places, device),
        *_models(places),
        _kaggle(),
        _real_data(places.real_data),
    )


def _installed() -> Iterator[Finding]:
    yield Finding("installed", "python", "ok", platform.python_version())
    for member in installed_members():
        if member.version is None:
            yield Finding("installed", member.name, "broken", "not installed", f"pip install {member.name}")
            continue
        missing = [name for name, version in member.packages.items() if version is None]
        if missing:
            fix = f"pip install --force-reinstall {member.name}"
            yield Finding("installed", member.name, "broken", f"{member.version}, lacks {', '.join(missing)}", fix)
        else:
            yield Finding("installed", member.name, "ok", member.version)
        for extra in member.extras:
            lacking = [name for name, version in extra.packages.items() if version is None]
            versions = ", ".join(f"{name} {version}" for name, version in extra.packages.items() if version)
            name, purpose = f"{member.name}[{extra.name}]", _EXTRAS.get(extra.name, "")
            if lacking:
                what = f"not installed: {', '.join(lacking)}" + (f" (for {purpose})" if purpose else "")
                yield Finding("installed", name, "absent", what, f'pip install "{name}"')
            else:
                yield Finding("installed", name, "ok", versions)


def _table() -> Finding:
    """Open the built-in table and hold every file of it to its hash."""
    fix = "pip install --force-reinstall --no-deps furikaeri-twenty-questions"
    try:
        from twenty_questions.builtin.build import TABLE_FOLDER
        from twenty_questions.table import open_table

        table = open_table(TABLE_FOLDER, verify=True)
    except (FurikaeriError, ImportError) as error:
        return Finding("installed", "built-in table", "broken", str(error), fix)
    shape = f"{len(table.keywords):,} things, {len(table.questions):,} questions"
    return Finding("installed", "built-in table", "ok", shape)


def _machine(places: Places, device: str) -> Iterator[Finding]:
    memory = cpu_memory()
    yield Finding("machine", "memory", "ok", f"{_gib(memory.free)} free of {_gib(memory.total)}")
    yield Finding("machine", "processors", "ok", f"{_processors()} usable, {platform.machine()}")
    for name, folder in (("disk for runs", places.runs), ("disk for models", places.models)):
        usage = shutil.disk_usage(_existing(folder))
        yield Finding("machine", name, "ok", f"{_gib(usage.free)} free of {_gib(usage.total)} at {folder}")
    choice = choose_device(device)
    room = f", {_gib(choice.memory_free)} free of {_gib(choice.memory_total)}" if choice.device != "cpu" else ""
    yield Finding("machine", "device", "ok", f"{choice.device} in {choice.dtype}{room}: {choice.reason}")


def _models(places: Places) -> Iterator[Finding]:
    own = sorted(
        path.name
        for path in _children(places.models)
        if path.name != CONVERTED and (path.is_dir() or path.suffix == ".gguf")
    )
    cached = sorted(
        path.name.removeprefix("models--").replace("--", "/")
        for path in _children(places.hub)
        if path.name.startswith("models--") and any(_children(path / "snapshots"))
    )
    fix = f"hf download ORGANISATION/MODEL --local-dir {places.models / 'MODEL'}"
    for name, folder, found in (("model folder", places.models, own), ("Hugging Face cache", places.hub, cached)):
        if found:
            yield Finding("models", name, "ok", f"{', '.join(found)} in {folder}")
        else:
            yield Finding("models", name, "absent", f"none in {folder}", fix if folder == places.models else "")
    said = "HF_HUB_OFFLINE is set: nothing is downloaded" if places.offline else "downloads are allowed when asked for"
    yield Finding("models", "network", "ok", said)


def _kaggle() -> Finding:
    """Find the contest's engine without importing it, which takes many seconds."""
    name, fix = "contest engine", "pip install kaggle-environments==1.18.0"
    spec = util.find_spec("kaggle_environments")
    if spec is None:
        return Finding("data", name, "absent", "kaggle-environments is not installed", fix)
    version = metadata.version("kaggle-environments")
    folders = [Path(folder) / "envs" / "llm_20_questions" for folder in spec.submodule_search_locations or ()]
    if any(folder.is_dir() for folder in folders):
        return Finding("data", name, "ok", f"kaggle-environments {version} with llm_20_questions")
    return Finding("data", name, "absent", f"kaggle-environments {version} holds no llm_20_questions", fix)


def _real_data(folder: Path | None) -> Finding:
    name = "contest data"
    if folder is None:
        return Finding("data", name, "absent", "no folder is named", "export FURIKAERI_REAL_DATA=/path/to/the/data")
    if not folder.is_dir():
        return Finding(
            "data", name, "absent", f"{folder} is not a folder", "export FURIKAERI_REAL_DATA=/path/to/the/data"
        )
    found = ", ".join(sorted(path.name for path in _children(folder)))
    return Finding("data", name, "ok", f"{found or 'nothing'} in {folder}")


def _children(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def _processors() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / _GIB:.1f} GiB"


def doctor_cli(
    models: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of models, one folder or GGUF file each.")
    ] = None,
    real_data: Annotated[Path | None, typer.Option(metavar="DIR", help="The contest's own data.")] = None,
    runs: Runs = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what is installed, which device would be used and why, which models and data are here, and mend the rest.

    What is optional may lack; the exit code is 1 only when the base is broken. Nothing is downloaded or changed.

    Examples:
        furikaeri doctor
        furikaeri doctor --device cuda
        furikaeri doctor --json | jq '.findings[] | select(.state != "ok")'
    """
    output = Output.choose(json=json, quiet=quiet)
    places = Places(
        models=models.expanduser() if models else models_folder(),
        hub=hub_folder(),
        offline=os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"),
        real_data=real_data.expanduser() if real_data else None,
        runs=runs.expanduser(),
    )
    findings = examine(places, device)
    broken = [finding for finding in findings if finding.state == "broken"]
    rows = [(finding.area, finding.name, finding.state, finding.detail) for finding in findings]
    output.table(
        ("area", "what", "state", "found"), rows, value={"ok": not broken, "findings": findings, "places": places}
    )
    for finding in findings:
        if finding.fix:
            output.note(f"{finding.name}: {finding.fix}")
    if broken:
        raise typer.Exit(1)
