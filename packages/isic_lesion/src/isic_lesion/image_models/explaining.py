"""Where a network looks: Grad-CAM maps of the target head, and pictures with the map laid over them.

Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization". The features
are those before the pooling. A transformer that pools by its class token takes nothing from the others after the last
block, so its map is of what enters that block.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, MissingExtraError
from isic_lesion.image_models.heads import TARGET
from isic_lesion.image_models.scoring import evaluating

__all__ = ["explain", "overlay"]

_COLOURS = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]])
"""From no to most evidence: viridis, which no skin has."""


def explain(network: Any, pixels: Any, *, batch: int = 16) -> NDArray[np.float32]:
    """Return how much each place of a picture raises the target's log-odds.

    Args:
        network: of `build_network`.
        pixels: uint8 tensor (B, 3, S, S).
        batch: pictures at a time, at least 1.

    Returns:
        Maps in [0, 1], stretched picture by picture to reach 0 and 1; all 0 where no place raises the log-odds more
        than another. float32, shape (B, S, S).

    Raises:
        MissingExtraError: without grad-cam.
        InputError: if the backbone keeps no map of the picture up to its pooling.
        ValueError: if `batch` is less than 1.
    """
    import torch

    try:
        from pytorch_grad_cam import GradCAM
    except ImportError as error:
        raise MissingExtraError("a map", distribution="furikaeri-isic-lesion", extra="image") from error
    if batch < 1:
        raise ValueError(f"expected batch of at least 1, got {batch}")
    device = next(network.parameters()).device
    if len(pixels) == 0:
        return np.empty((0, *pixels.shape[2:]), np.float32)
    with evaluating(network), _only_activations(network), torch.enable_grad():
        path, layer, as_map = _path_of(network, pixels[:1].to(device))
        with _leaf(layer):
            cam = GradCAM(model=path, target_layers=[layer], reshape_transform=as_map)
            try:
                parts = [part.to(device) for part in pixels.split(batch)]
                maps = [cam(input_tensor=part, targets=[_itself] * len(part)) for part in parts]
            finally:
                cam.activations_and_grads.release()
    return np.concatenate(maps).astype(np.float32).clip(0, 1)


def _itself(log_odds: Any) -> Any:
    return log_odds[0]


@contextlib.contextmanager
def _only_activations(network: Any) -> Iterator[None]:
    """Keep the backward pass from computing, or changing, gradients of weights."""
    learning = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    gradients = [(parameter, parameter.grad) for parameter, _ in learning]
    for parameter, _ in learning:
        parameter.requires_grad_(False)
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, is_learning in learning:
            parameter.requires_grad_(is_learning)
        for parameter, gradient in gradients:
            parameter.grad = gradient


@contextlib.contextmanager
def _leaf(layer: Any) -> Iterator[None]:
    """Let the backward pass begin at a layer's output, and end there."""
    handle = layer.register_forward_hook(lambda _, inputs, output: output.detach().requires_grad_())
    try:
        yield
    finally:
        handle.remove()


def _path_of(network: Any, pixels: Any) -> tuple[Any, Any, Callable[[Any], Any] | None]:
    """Return a module from pixels to log-odds, its layer to look at, and what turns that layer's output into maps."""
    import torch

    class Features(torch.nn.Module):  # type: ignore[misc]
        def forward(self, normalised: Any) -> Any:
            return network.backbone.forward_features(normalised)

    class Path(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.features = Features()

        def forward(self, pixels: Any) -> Any:
            features = self.features(network.normalise(pixels))
            return network.outputs_of(network.backbone.forward_head(features))[TARGET]

    path, backbone = Path(), network.backbone
    with torch.no_grad():
        shape = tuple(path.features(network.normalise(pixels)).shape)
    if len(shape) == 4:
        is_last = shape[1] == shape[2] != shape[3]
        return path, path.features, _channels_first if is_last else None
    prefix = int(getattr(backbone, "num_prefix_tokens", 0))
    side = math.isqrt(shape[1] - prefix)
    if len(shape) != 3 or side * side != shape[1] - prefix:
        raise InputError(f"{type(backbone).__name__}: has no square map of a picture before its pooling")

    def as_map(tokens: Any) -> Any:
        return tokens[:, prefix:].transpose(1, 2).unflatten(2, (side, side))

    if getattr(backbone, "global_pool", "") == "token":
        return path, backbone.blocks[-1].norm1, as_map
    return path, path.features, as_map


def _channels_first(features: Any) -> Any:
    return features.permute(0, 3, 1, 2)


def overlay(pixels: Any, maps: NDArray[np.float32], *, strength: float = 0.6) -> NDArray[np.uint8]:
    """Return pictures with their maps laid over them in colour, the less the lower the map.

    Args:
        pixels: uint8 (B, 3, S, S), tensor or array.
        maps: in [0, 1], shape (B, S, S).
        strength: of the colour where a map is 1, in [0, 1].

    Returns:
        uint8, shape (B, S, S, 3).

    Raises:
        ValueError: if the shapes do not go together, or `strength` is out of its range.
    """
    pictures = np.asarray(pixels).transpose(0, 2, 3, 1)
    if pictures.shape != (*maps.shape, 3):
        raise ValueError(f"expected maps of shape {pictures.shape[:3]}, got {maps.shape}")
    if not 0 <= strength <= 1:
        raise ValueError(f"expected strength in [0, 1], got {strength}")
    stops = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(maps, stops, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
    share = strength * maps[..., None]
    mixed: NDArray[np.uint8] = np.rint(pictures * (1 - share) + colours * share).astype(np.uint8)
    return mixed
