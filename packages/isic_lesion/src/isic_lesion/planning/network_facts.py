"""What a network is, counted without computing anything: weights, operations, and what a step must remember.

The network is built on torch's device `meta`, where tensors have shapes and no numbers, so a backbone of any size is
counted in a second and needs no weights. Operations are those of convolutions and matrix products; the rest is small.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from furikaeri_common.planning import Amount, amount
from isic_lesion.image_models.backbones import open_backbone, require_timm
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import heads_of

__all__ = ["NetworkFacts", "checkpoint_bytes", "count_network", "gpu_memory", "network_bytes", "state_arrays"]

_TWO = 2  # pictures, of which what is remembered is counted: batch norms refuse one


class NetworkFacts(NamedTuple):
    """What a network is.

    Attributes:
        num_weights: numbers that it learns, its heads' among them.
        size: side of its pictures, in pixels.
        flops: operations of one picture forwards; a training step takes three times as many, for the gradients of
            weights and of what lies between cost as much again each.
        remembered: bytes that a training step keeps of each picture for its gradient, in float32.
    """

    num_weights: int
    size: int
    flops: float
    remembered: float


def count_network(config: ImageConfig) -> NetworkFacts:
    """Return what a model's networks are.

    Args:
        config: of the model; its weights are not looked for.

    Raises:
        MissingExtraError: without torch and timm.
        InputError: if timm has no such backbone, or it takes no pictures of that size.
    """
    require_timm()
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        backbone = open_backbone(config.backbone, "none", size=config.size, drop_path=config.drop_path)
        side = backbone.inputs.size
        module = backbone.module.eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.zeros(1, 3, side, side))
        module.train()
        remembered = _remembered(module, torch.zeros(_TWO, 3, side, side)) / _TWO
    heads = sum((backbone.num_features + 1) * head.width for head in heads_of(config))
    return NetworkFacts(backbone.num_weights + heads, side, float(counter.get_total_flops()), remembered)


def _remembered(module: Any, pictures: Any) -> float:
    """Return the bytes of all tensors that autograd keeps of a forward pass, weights and their views aside."""
    import torch

    weights = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, or its number would be given to another
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(pictures)
    return float(sum(storage.nbytes() for number, storage in kept.items() if number not in weights))


def state_arrays(config: ImageConfig) -> int:
    """Return how many numbers of each weight are kept while it learns: itself, two moments, and its moving average."""
    return 3 + (config.ema is not None)


def network_bytes(facts: NetworkFacts) -> int:
    """Return the size of a trained network's file."""
    return 4 * facts.num_weights


def checkpoint_bytes(facts: NetworkFacts, config: ImageConfig) -> int:
    """Return the size of the file that keeps a network in training."""
    best = config.early_stopping is not None
    return 4 * facts.num_weights * (state_arrays(config) + best)


def gpu_memory(facts: NetworkFacts, config: ImageConfig) -> Amount:
    """Return how much of a GPU's memory the training of a network takes; estimated.

    Weights, moments, moving average and the gradient are float32. What is remembered of a piece's pictures is partly in
    16 bits; libraries' work space and the GPU's own context come on top.
    """
    state = 4.0 * facts.num_weights * (state_arrays(config) + 1)
    pictures = facts.remembered * -(-config.batch // config.pieces)
    least, likely, most = 0.5, 0.7, 1.2
    context = 1e9
    return amount(
        context + state + likely * pictures,
        "estimated",
        low=0.5 * context + state + least * pictures,
        high=2 * context + state + most * pictures,
    )
