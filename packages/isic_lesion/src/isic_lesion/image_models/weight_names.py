"""Names of EfficientNet's arrays in the package EfficientNet-PyTorch, and what timm calls the same arrays.

Both build the same network (Tan & Le 2019, "EfficientNet"; the Lite variants leave out squeeze-and-excitation). There
blocks are numbered through, here they are counted within their stage; and a block's three batch norms are numbered by
where they stand in a full block, here from the block's first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["is_efficientnet_pytorch", "timm_names"]

_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(.+)")
_AROUND = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_WITH_EXPANSION = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
    **_SQUEEZE,
}
_WITHOUT_EXPANSION = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
    **_SQUEEZE,
}


def is_efficientnet_pytorch(names: Iterable[str]) -> bool:
    """Return whether arrays are named as in EfficientNet-PyTorch."""
    return "_conv_stem.weight" in set(names)


def timm_names(names: Iterable[str], depths: Sequence[int]) -> dict[str, str]:
    """Return timm's name of every array; an unknown one keeps its own.

    Args:
        names: in EfficientNet-PyTorch.
        depths: how many blocks each stage of timm's network has.

    >>> timm_names(["_blocks.2._bn0.bias", "_blocks.2._expand_conv.weight", "_conv_stem.weight"], [1, 2])
    {'_blocks.2._bn0.bias': 'blocks.1.1.bn1.bias', '_blocks.2._expand_conv.weight': 'blocks.1.1.conv_pw.weight', \
'_conv_stem.weight': 'conv_stem.weight'}
    """
    names = list(names)
    places = [f"blocks.{stage}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]
    expanded = {match[1] for name in names if (match := _BLOCK.fullmatch(name)) and match[2] == "_expand_conv"}
    return {name: _timm_name(name, places, expanded) for name in names}


def _timm_name(name: str, places: Sequence[str], expanded: set[str]) -> str:
    if match := _BLOCK.fullmatch(name):
        number, layer, rest = match.groups()
        own = (_WITH_EXPANSION if number in expanded else _WITHOUT_EXPANSION).get(layer)
        return name if own is None or int(number) >= len(places) else f"{places[int(number)]}.{own}.{rest}"
    layer, _, rest = name.partition(".")
    return f"{_AROUND[layer]}.{rest}" if layer in _AROUND else name
