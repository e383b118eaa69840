"""Float32 between the matrices of a model whose weights are bfloat16.

A number of bfloat16 has eight bits of precision. Where a token tree is computed, sums are taken in another order than
for a prompt alone, so that some numbers round to the other neighbour, and from layer to layer more of them do. Here
only the matrices' own products are of bfloat16; the residual stream, norms, attention, and the keys and values that are
kept are of float32. The answers of both ways then differ by a quarter less.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["fine_sums", "may_be_fine"]


def may_be_fine(model: Any) -> bool:
    """Say whether a model of transformers has weights of bfloat16 on a processor: elsewhere it would cost too much."""
    import torch

    return bool(model.dtype == torch.bfloat16 and model.device.type == "cpu" and not _is_quantised(model))


@contextlib.contextmanager
def fine_sums(model: Any) -> Iterator[None]:
    """Let a model compute so within the block; what comes into its output layer is float32 too.

    A model whose code does not take float32 between its layers raises what torch raises.

    Args:
        model: of transformers, for which `may_be_fine` holds.
    """
    import torch

    head = model.get_output_embeddings()
    hooks = [model.get_input_embeddings().register_forward_hook(_to_float32)]
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer is not head and layer.weight.dtype == torch.bfloat16:
            hooks.append(layer.register_forward_pre_hook(_to_bfloat16))
            hooks.append(layer.register_forward_hook(_to_float32))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_quantised(model: Any) -> bool:
    return bool(getattr(model, "is_quantized", False))


def _to_float32(layer: Any, inputs: Any, output: Any) -> Any:
    return output.float()


def _to_bfloat16(layer: Any, inputs: Any) -> Any:
    return (inputs[0].bfloat16(), *inputs[1:])
