"""The torch module of an image model: a backbone, and a linear head for everything that it is to tell.

It must name torch's class, so it imports torch at its top; `network` imports it once a network is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from isic_lesion.image_models.backbones import Backbone
from isic_lesion.image_models.heads import Head

__all__ = ["Network"]


class Network(torch.nn.Module):  # type: ignore[misc]
    """Pictures to the outputs of every head.

    The heads begin at 0, so that the first steps of training do not push the backbone about at random. They compute in
    float32 whatever the backbone does: scores rounded to a short format would tie.

    Attributes:
        backbone: of timm; its parameters have names that start with `backbone.`.
        heads: name of a head -> linear layer; their parameters have names that start with `heads.`.
        inputs: what pictures it takes. Keep it with the weights (`inputs._asdict()` is JSON): `build_network` takes it.
        digest: SHA-256 of the file that the backbone's first weights came from; "" for random ones.
    """

    def __init__(self, backbone: Backbone, heads: Sequence[Head], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone.module
        self.dropout = torch.nn.Dropout(dropout)
        self.heads = torch.nn.ModuleDict(
            {head.name: torch.nn.Linear(backbone.num_features, head.width) for head in heads}
        )
        for parameter in self.heads.parameters():
            torch.nn.init.zeros_(parameter)
        for name, values in (("mean", backbone.inputs.mean), ("std", backbone.inputs.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.inputs = backbone.inputs
        self.digest = backbone.digest

    def forward(self, pixels: Any) -> dict[str, Any]:
        """Return each head's output, in the heads' order.

        Args:
            pixels: uint8 tensor (B, 3, size, size), RGB, on the network's device.

        Returns:
            Name of a head -> float32 tensor (B, width): log-odds, standardised numbers, or logits of classes.
        """
        return self.outputs_of(self.backbone(self.normalise(pixels)))

    def normalise(self, pixels: Any) -> Any:
        """Return pixels as the backbone takes them: float32, of its mean and standard deviation, channels last."""
        scaled = (pixels.float() / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def outputs_of(self, features: Any) -> dict[str, Any]:
        """Return each head's output for pooled features (B, num_features)."""
        with torch.autocast(features.device.type, enabled=False):
            kept = self.dropout(features.float())
            return {name: head(kept) for name, head in self.heads.items()}
