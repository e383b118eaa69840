"""Files of weights: where they are on this machine, and what is in them (io: never the network).

Nothing is unpickled but tensors, so a file from a stranger runs none of its code.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.models.opening import first_line
from furikaeri_common.models.places import hub_folder, models_folder

__all__ = ["WeightFile", "find_weights", "read_weights"]

_HUB_FILES = (
    "model.safetensors",
    "pytorch_model.bin",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
_WRAPPINGS = ("state_dict_ema", "model_ema", "state_dict", "model")
_PREFIXES = ("_orig_mod.", "module.", "backbone.")  # of compiled, of distributed networks, and of ours


class WeightFile(NamedTuple):
    """Weights on this machine.

    Attributes:
        path: of the file.
        config: what the hub's config.json says of them (`mean`, `std`, `interpolation`, ...); empty for other files.
    """

    path: Path
    config: Mapping[str, Any]


def find_weights(weights: str, *, hub_id: str | None, hub_file: str | None = None) -> WeightFile:
    """Return where weights are on this machine.

    Args:
        weights: "hub", a file (also one in the models' folder), or the id of a model in the hub's cache.
        hub_id: of the repository that "hub" stands for; None where there is none.
        hub_file: the name of the weights' file there, if it is not a usual one.

    Raises:
        InputError: if they are nowhere; the message says how to get them.
    """
    if weights == "hub":
        if hub_id is None:
            raise InputError("timm has no weights on the hub for this backbone", fix="Name a file of weights, or none")
        return _in_hub_cache(hub_id, hub_file)
    path = Path(weights).expanduser()
    for place in (path, models_folder() / weights):
        if place.is_file():
            return WeightFile(place, {})
    suffixes = (".safetensors", ".pth", ".pt", ".bin")
    if weights.count("/") == 1 and not weights.startswith((".", "/", "~")) and not weights.endswith(suffixes):
        return _in_hub_cache(weights, None)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file of weights", fix="Name the file in it")
    raise InputError(
        f"there is no file of weights {weights}, here or in {models_folder()}",
        fix="Name a file of weights, hub, or none",
    )


def _in_hub_cache(repository: str, name: str | None) -> WeightFile:
    folder = hub_folder() / f"models--{repository.replace('/', '--')}"
    try:
        snapshot = folder / "snapshots" / (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        snapshot = folder
    for file in (name,) if name else _HUB_FILES:
        if (snapshot / file).is_file():
            return WeightFile(snapshot / file, _hub_config(snapshot))
    raise InputError(
        f"the weights of {repository} are not in the hub's cache ({hub_folder()}), and nothing is downloaded here",
        fix=f"Get them with `hf download {repository}`, or name a file of weights, or none",
    )


def _hub_config(snapshot: Path) -> dict[str, Any]:
    try:
        config = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
        own = config.get("pretrained_cfg", config)
    except (OSError, ValueError, AttributeError):
        return {}
    return own if isinstance(own, dict) else {}


def read_weights(path: Path) -> dict[str, Any]:
    """Read a file of weights: safetensors, or what torch saves; told apart by their first bytes.

    Returns:
        Name -> tensor, without the wrappings of training scripts.

    Raises:
        InputError: if the file cannot be read, is no such file, is damaged, or holds anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            first = stream.read(9)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if first[8:9] == b"{":
        found = _read_safetensors(path)
    elif first[:4] == b"PK\x03\x04" or first[:1] == b"\x80":
        found = _read_torch(path)
    else:
        raise InputError(f"{path}: holds no weights", fix="Give a .safetensors file, or what torch.save wrote")
    return dict(_unwrapped(found, path))


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged or no safetensors file ({first_line(error)})") from error


def _read_torch(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats, which are read all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may fail in any way
        if "GLOBAL" in str(error) or "Unsupported" in str(error):
            raise InputError(
                f"{path}: holds more than weights, and to read it would run its code",
                fix="Save its state_dict alone, best as safetensors",
            ) from error
        raise InputError(f"{path}: is damaged, or no file of weights", fix="Copy it again") from error


def _unwrapped(found: Any, path: Path) -> Iterator[tuple[str, Any]]:
    import torch

    outer = found if isinstance(found, dict) else {}
    inner = next((outer[key] for key in _WRAPPINGS if isinstance(outer.get(key), dict)), outer)
    if not inner or not all(isinstance(value, torch.Tensor) for value in inner.values()):
        raise InputError(f"{path}: holds no weights", fix="Give a file of named tensors, such as a state_dict")
    is_ours = any(str(name).startswith("heads.") for name in inner)
    for name, tensor in inner.items():
        own = str(name)
        if is_ours and own.startswith("heads."):
            continue
        for prefix in _PREFIXES:
            own = own.removeprefix(prefix)
        yield own, tensor
