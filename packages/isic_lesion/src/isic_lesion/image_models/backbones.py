"""Backbones of timm by name, and what pictures they take (io: reads weights).

A backbone ends with its pooled features. That it takes pictures of the size asked for is tried on a blank one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from furikaeri_common.artifacts import sha256_of
from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.models.opening import first_line
from isic_lesion.image_models.pretrained import load_weights
from isic_lesion.image_models.weight_files import WeightFile, find_weights, read_weights

__all__ = ["Backbone", "InputSpec", "open_backbone", "require_timm"]

_OFFERED = 3  # names, where one is not known
_OF_WEIGHTS = ("mean", "std", "interpolation")
"""What weights of the same architecture may ask for differently."""


class InputSpec(NamedTuple):
    """What pictures a backbone was made for.

    Attributes:
        size: side of the square, in pixels.
        mean: of red, green and blue, in [0, 1]; taken off.
        std: of red, green and blue, in [0, 1]; divided by after that.
        interpolation: when a picture is brought to the size.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"]


class Backbone(NamedTuple):
    """A network without its classifier.

    Attributes:
        module: torch module; float pictures (B, 3, size, size) -> pooled features (B, num_features).
        num_features: the width of its output.
        inputs: what pictures it takes.
        digest: SHA-256 of the file its weights came from; "" for random ones.
        num_weights: how many numbers it learns.
        file: its weights came from; None for random ones.
    """

    module: Any
    num_features: int
    inputs: InputSpec
    digest: str
    num_weights: int
    file: Path | None = None


def open_backbone(
    name: str, weights: str, *, size: int | None = None, drop_path: float = 0.0, file: WeightFile | None = None
) -> Backbone:
    """Build a backbone and read the weights it begins with; random ones are drawn from torch's global generator.

    Args:
        name: a model of timm, such as "convnext_small.fb_in22k_ft_in1k".
        weights: "none", "hub" (timm's own for that name, from the hub's cache), a file (.safetensors, .pth, .bin; also
            one in the models' folder), or the id of a model in the hub's cache, such as "timm/resnet18.a1_in1k".
        size: side of the pictures, in pixels; None: the backbone's own.
        drop_path: the rate of skipped residual branches, in [0, 1).
        file: where the weights lie; None: they are looked for.

    Raises:
        MissingExtraError: without torch and timm.
        InputError: if timm has no such model (the nearest names are offered), it cannot take pictures of that size or
            skip branches, or the weights are nowhere, are none, hold code, or are another architecture's.
    """
    require_timm()
    config = _config_of(name)
    if weights == "none":
        file = None
    elif file is None:
        file = find_weights(weights, hub_id=config.get("hf_hub_id"), hub_file=config.get("hf_hub_filename"))
    own = {} if file is None else {key: file.config[key] for key in _OF_WEIGHTS if key in file.config}
    inputs = _inputs_of({**config, **own}, size)
    module = _build(name, config, size, drop_path)
    num_features = _try(module, name, inputs)
    if file is not None:
        classifier = config.get("classifier") or ()
        classifiers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        load_weights(module, read_weights(file.path), name=name, classifiers=classifiers, path=file.path)
    return Backbone(
        module=module,
        num_features=num_features,
        inputs=inputs,
        digest=sha256_of(file.path) if file else "",
        num_weights=sum(parameter.numel() for parameter in module.parameters()),
        file=file.path if file else None,
    )


def require_timm() -> None:
    """Refuse to go on without what networks are made with.

    Raises:
        MissingExtraError: without torch and timm.
    """
    try:
        import timm  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an image model", distribution="furikaeri-isic-lesion", extra="image") from error


def _config_of(name: str) -> dict[str, Any]:
    """Return what timm says of a model and its weights."""
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        tagged = timm.list_models(include_tags=True) if tag else known
        near = difflib.get_close_matches(name, tagged, n=_OFFERED) or difflib.get_close_matches(
            architecture, known, n=_OFFERED
        )
        raise InputError(
            f"timm {timm.__version__} has no model {name!r}" + (f"; there is {', '.join(near)}" if near else ""),
            fix="Choose one of `python -c 'import timm; print(*timm.list_models())'`",
        )
    try:
        config: dict[str, Any] = timm.models.get_pretrained_cfg(name).to_dict()
    except (RuntimeError, AttributeError):
        tags = [one for one in timm.list_models(architecture, include_tags=True) if one != architecture]
        near = difflib.get_close_matches(name, tags, n=_OFFERED, cutoff=0)
        raise InputError(
            f"timm {timm.__version__} has no weights {tag!r} for {architecture}",
            fix=f"Choose one of: {', '.join([architecture, *near])}",
        ) from None
    return config


def _inputs_of(config: Mapping[str, Any], size: int | None) -> InputSpec:
    from timm.data import resolve_data_config

    resolved = resolve_data_config({}, pretrained_cfg=dict(config))
    try:
        mean, std = (
            (float(red), float(green), float(blue)) for red, green, blue in (resolved["mean"], resolved["std"])
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{config.get('architecture')}: expected a mean and std of three colours, "
            f"got {resolved['mean']} and {resolved['std']}",
            fix="Choose another backbone, or other --weights",
        ) from error
    return InputSpec(
        size=size or int(resolved["input_size"][-1]),
        mean=mean,
        std=std,
        interpolation="bilinear" if resolved["interpolation"] == "bilinear" else "bicubic",
    )


def _build(name: str, config: Mapping[str, Any], size: int | None, drop_path: float) -> Any:
    import timm

    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    if size is not None and config.get("fixed_input_size"):
        options["img_size"] = size
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **options)
    except TypeError as error:
        if "drop_path_rate" in str(error):
            raise InputError(f"{name}: has no branches to skip", fix="Leave drop_path at 0") from error
        raise
    except (AssertionError, ValueError, RuntimeError, ZeroDivisionError) as error:
        if size is None:
            raise
        raise _unfit(name, size, first_line(error)) from error


def _try(module: Any, name: str, inputs: InputSpec) -> int:
    """Return the width of the features of a blank picture."""
    import torch

    patch = getattr(getattr(module, "patch_embed", None), "patch_size", None)
    side = patch[0] if isinstance(patch, tuple) else patch
    if isinstance(side, int) and inputs.size % side:
        raise _unfit(name, inputs.size, f"its patches have a side of {side} px, of which it must be a multiple")
    module.eval()
    try:
        with torch.no_grad():
            features = module(torch.zeros(1, 3, inputs.size, inputs.size))
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        raise _unfit(name, inputs.size, first_line(error)) from error
    module.train()
    if features.ndim != 2:
        raise InputError(f"{name}: its features are not pooled (shape {tuple(features.shape)})", fix="Choose another")
    return int(features.shape[1])


def _unfit(name: str, size: int, why: str) -> InputError:
    return InputError(f"{name}: cannot take pictures of {size} px: {why}", fix="Choose another --size")
