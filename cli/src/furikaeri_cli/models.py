"""`furikaeri models`: which models are on this machine, what they take, and how they would be loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from furikaeri_cli.options import Device, Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.runs import size_text
from furikaeri_common.devices import choose_device
from furikaeri_common.errors import InputError
from furikaeri_common.models.config import Weights
from furikaeri_common.models.folders import FolderContents, bytes_held, read_folder
from furikaeri_common.models.gguf_header import read_gguf_header
from furikaeri_common.models.places import (
    Place,
    find_model,
    hub_folder,
    list_models,
    models_folder,
)
from furikaeri_common.models.removal import remove_model

__all__ = ["ModelFacts", "list_cli", "remove_cli", "show", "show_cli"]

_WEIGHTS: tuple[Weights, ...] = ("full", "8bit", "4bit")


class ModelFacts(NamedTuple):
    """What is known about a model without loading it.

    Attributes:
        name: of it.
        kind: "folder" or "gguf".
        path: of it.
        revision: of the hub; "" for a model from elsewhere.
        architecture: as its config or its GGUF names it; "" where nothing does.
        parameters: number of weights.
        stored_as: how many weights are held in which number format.
        bytes_on_disk: of the weights.
        chat_template: whether it knows a form to talk in.
        context: tokens that it can read; None where nothing says.
        licence: as it names it, or the file with it; "" where there is none.
        device, dtype, reason: where and in what it would be loaded here, and why.
        memory_free: bytes free there; None where that cannot be known.
        bytes_in_memory: what the weights would take, by how they are held.
    """

    name: str
    kind: str
    path: Path
    revision: str
    architecture: str
    parameters: int
    stored_as: dict[str, int]
    bytes_on_disk: int
    chat_template: bool
    context: int | None
    licence: str
    device: str
    dtype: str
    reason: str
    memory_free: int | None
    bytes_in_memory: dict[str, int]


def list_cli(json: Json = False, quiet: Quiet = False) -> None:
    """List the models in the models' folder (FURIKAERI_MODELS), converted GGUF files, and the hub's cache.

    Nothing is downloaded. A GGUF file is converted once, when it is first loaded; the copy is listed beside it.

    Examples:
        furikaeri models list
        furikaeri models list --json | jq '.[] | select(.removable) | .name'
    """
    output = Output.choose(json=json, quiet=quiet)
    models = list_models()
    rows = [(model.name, model.kind, size_text(model.num_bytes), model.where) for model in models]
    output.table(("name", "kind", "size", "where"), rows, value=models)
    output.note(
        f"{len(models)} model{'' if len(models) == 1 else 's'}, {size_text(sum(model.num_bytes for model in models))}, "
        f"in {models_folder()} and {hub_folder()}"
    )


def show(name: str, device: str = "auto") -> ModelFacts:
    """Return what is known about a model without loading its weights.

    Args:
        name: as `find_model` takes it.
        device: as `choose_device` takes it.

    Raises:
        InputError: if it is not on this machine, or damaged.
    """
    place, choice = find_model(name), choose_device(device)
    if place.kind == "gguf":
        facts, contents = _gguf_facts(place)
    else:
        contents = read_folder(place.path)
        facts = _folder_facts(place, contents)
    return ModelFacts(
        name=place.name,
        kind=place.kind,
        path=place.path,
        revision=place.revision,
        parameters=contents.num_parameters,
        stored_as=dict(contents.dtypes),
        bytes_on_disk=contents.num_bytes,
        device=choice.device,
        dtype=choice.dtype,
        reason=choice.reason,
        memory_free=choice.memory_free,
        bytes_in_memory={
            weights: bytes_held(contents, weights, choice.dtype)
            for weights in (("full",) if contents.quantised else _WEIGHTS)
        },
        **facts,
    )


def _gguf_facts(place: Place) -> tuple[dict[str, Any], FolderContents]:
    header = read_gguf_header(place.path)
    context = header.notes.get(f"{header.architecture}.context_length")
    facts = {
        "architecture": header.architecture,
        "chat_template": "tokenizer.chat_template" in header.notes,
        "context": int(context) if context is not None else None,
        "licence": str(header.notes.get("general.license", "")),
    }
    size = place.path.stat().st_size
    return facts, FolderContents({}, (), header.num_parameters, header.num_linear, header.types, size)


def _folder_facts(place: Place, contents: FolderContents) -> dict[str, Any]:
    config = contents.config
    architectures = config.get("architectures") or [config.get("model_type") or config.get("architecture") or ""]
    tokenizer = place.path / "tokenizer_config.json"
    licences = sorted(file.name for file in place.path.iterdir() if file.name.upper().startswith(("LICEN", "COPYING")))
    context = config.get("max_position_embeddings")
    return {
        "architecture": str(architectures[0]),
        "chat_template": any((place.path / name).is_file() for name in ("chat_template.jinja", "chat_template.json"))
        or (tokenizer.is_file() and '"chat_template"' in tokenizer.read_text(encoding="utf-8", errors="replace")),
        "context": context if isinstance(context, int) else None,
        "licence": ", ".join(licences),
    }


def show_cli(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, a GGUF file, or a name that is listed.")],
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Show what a model is and how it would be loaded here; its weights are not read.

    Examples:
        furikaeri models show qwen2.5-coder-1.5b-instruct-q4_k_m
        furikaeri models show Qwen/Qwen2.5-1.5B-Instruct --device cuda
        furikaeri models show ./my-model --json
    """
    output = Output.choose(json=json)
    facts = show(name, device)
    total = sum(facts.stored_as.values()) or 1
    stored = ", ".join(
        f"{kind} {count / total:.1%}" for kind, count in sorted(facts.stored_as.items(), key=lambda item: -item[1])
    )
    free = "" if facts.memory_free is None else f", {size_text(facts.memory_free)} free"
    held = ", ".join(f"{size_text(size)} {how}" for how, size in facts.bytes_in_memory.items())
    lines = [
        f"{facts.name}: {facts.architecture or 'of no known architecture'}, {_millions(facts.parameters)} weights",
        f"place: {facts.path}{f' (revision {facts.revision})' if facts.revision else ''}",
        f"stored: {size_text(facts.bytes_on_disk)}, {stored}",
        f"chat template: {'yes' if facts.chat_template else 'no'}",
        f"context: {f'{facts.context:,} tokens' if facts.context else 'not said'}",
        f"licence: {facts.licence or 'not said'}",
        f"loads here: on {facts.device} in {facts.dtype} ({facts.reason}){free}",
        f"in memory: {held}",
    ]
    output.result(facts, "\n".join(lines))


def remove_cli(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="A name as `furikaeri models list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete a folder of the models' folder, a converted copy, or a model of the hub's cache.

    Files that somebody brought (GGUF files, image weights) and links are left alone; so is everything elsewhere.
    A converted copy is made again when its GGUF file is next loaded.

    Examples:
        furikaeri models remove converted/smollm2-135m-instruct-q4_1-b179c9523d0e
        furikaeri models remove Qwen/Qwen2.5-1.5B-Instruct --yes
    """
    output = Output.choose(json=json, quiet=quiet)
    model = next((model for model in list_models() if model.name == name and model.removable), None)
    if model is not None and not yes:
        if json or not _can_ask():
            raise InputError(
                f"nothing is deleted: {name} would go, free {size_text(model.num_bytes)}, and nobody can be asked",
                fix="Add --yes to delete",
            )
        # Not typer.confirm, which tells Ctrl-C and the end of the input alike.
        question = f"Delete {name} ({model.path}) and free {size_text(model.num_bytes)}? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            output.note("nothing is deleted")
            return
    gone = remove_model(name)
    if json:
        output.result(gone)
    output.note(f"deleted {gone.name}, freed {size_text(gone.num_bytes)}")


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"
