"""The network of an image model: built from a configuration, and its state as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isic_lesion.image_models.backbones import InputSpec, open_backbone, require_timm
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import Head

if TYPE_CHECKING:
    from isic_lesion.image_models._network import Network
    from isic_lesion.image_models.weight_files import WeightFile

__all__ = ["build_network", "load_state", "network_state"]


def build_network(
    config: ImageConfig,
    heads: Sequence[Head],
    *,
    weights: str | None = None,
    inputs: InputSpec | None = None,
    file: WeightFile | None = None,
) -> Network:
    """Build a network on the processor, in training mode; random numbers come from torch's global generator.

    Args:
        config: backbone, size, dropout and drop_path.
        heads: such as `heads_of(config)`.
        weights: instead of the configuration's; "none" for a network whose state is loaded afterwards.
        inputs: what pictures it takes, as it was kept with the state; None: as the weights were made for.
        file: where the weights lie; None: they are looked for.

    Raises:
        MissingExtraError: without torch and timm.
        InputError: if the backbone or its weights cannot be had; see `open_backbone`.
    """
    require_timm()
    import torch

    from isic_lesion.image_models._network import Network

    size = config.size if inputs is None else inputs.size
    chosen = config.weights if weights is None else weights
    backbone = open_backbone(config.backbone, chosen, size=size, drop_path=config.drop_path, file=file)
    if inputs is not None:
        backbone = backbone._replace(inputs=inputs)
    # Convolutions are faster with the channels of a place side by side, on processors and GPUs.
    network: Network = Network(backbone, heads, dropout=config.dropout).to(memory_format=torch.channels_last)
    return network


def network_state(network: Network) -> dict[str, NDArray[Any]]:
    """Return copies of all parameters and buffers as arrays, by name."""
    return {name: np.array(tensor.detach().cpu().contiguous().numpy()) for name, tensor in network.state_dict().items()}


def load_state(network: Network, state: Mapping[str, NDArray[Any]]) -> None:
    """Put arrays of `network_state` in their places, bit for bit.

    Raises:
        ValueError: if names or shapes differ.
    """
    import torch

    own = network.state_dict()
    wrong = sorted(own.keys() ^ state.keys()) or [
        name for name, tensor in own.items() if tuple(tensor.shape) != state[name].shape
    ]
    if wrong:
        raise ValueError(f"expected the arrays of this network; {len(wrong)} differ, such as {wrong[0]}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(torch.tensor(state[name]))
