"""EfficientNet-PyTorch's names of arrays, and timm's."""

from __future__ import annotations

from collections import Counter

import pytest

from isic_lesion.image_models.weight_names import is_efficientnet_pytorch, timm_names


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_var", "bn1.running_var"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._bn1.bias", "blocks.0.0.bn1.bias"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.0._bn2.bias", "blocks.0.0.bn2.bias"),
        ("_blocks.3._expand_conv.weight", "blocks.2.0.conv_pw.weight"),
        ("_blocks.3._bn0.bias", "blocks.2.0.bn1.bias"),
        ("_blocks.3._depthwise_conv.weight", "blocks.2.0.conv_dw.weight"),
        ("_blocks.3._bn1.bias", "blocks.2.0.bn2.bias"),
        ("_blocks.3._se_reduce.bias", "blocks.2.0.se.conv_reduce.bias"),
        ("_blocks.3._se_expand.weight", "blocks.2.0.se.conv_expand.weight"),
        ("_blocks.3._project_conv.weight", "blocks.2.0.conv_pwl.weight"),
        ("_blocks.3._bn2.num_batches_tracked", "blocks.2.0.bn3.num_batches_tracked"),
        ("_conv_head.weight", "conv_head.weight"),
        ("_bn1.weight", "bn2.weight"),
        ("_fc.bias", "classifier.bias"),
    ],
)
def test_an_array_has_the_name_of_its_place(theirs: str, ours: str) -> None:
    present = [theirs, "_blocks.3._expand_conv.weight", "_blocks.1._expand_conv.weight"]
    assert timm_names(present, [1, 2, 4])[theirs] == ours


def test_what_has_no_place_keeps_its_name() -> None:
    odd = ["_blocks.7._bn1.bias", "_blocks.0._other.weight", "fc.weight", "_blocks.x._bn1.bias"]
    assert timm_names(odd, [1, 2, 4]) == {name: name for name in odd}


def test_the_package_is_known_by_its_stem() -> None:
    assert is_efficientnet_pytorch({"_conv_stem.weight": 1, "_fc.bias": 2})
    assert not is_efficientnet_pytorch(["conv_stem.weight", "classifier.bias"])


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b1"])
def test_every_array_of_a_whole_network_is_met_once(name: str) -> None:
    # The other way round: their names are made of timm's, block by block in the order of the network.
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        network = timm.create_model(name)
    theirs = _their_names(network)
    found = timm_names(theirs, [len(stage) for stage in network.blocks])
    assert found == theirs
    assert Counter(found.values()) == Counter(network.state_dict().keys())


def _their_names(network: object) -> dict[str, str]:
    """Return EfficientNet-PyTorch's names -> timm's, read off the kinds of blocks."""
    full = "conv_pw=_expand_conv bn1=_bn0 conv_dw=_depthwise_conv bn2=_bn1 conv_pwl=_project_conv bn3=_bn2"
    first = "conv_dw=_depthwise_conv bn1=_bn1 conv_pw=_project_conv bn2=_bn2"
    around = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    names = {}
    number = 0
    for s, stage in enumerate(network.blocks):  # type: ignore[attr-defined]
        for b, block in enumerate(stage):
            kinds = dict(pair.split("=") for pair in (full if hasattr(block, "conv_pwl") else first).split())
            kinds |= {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
            for own in block.state_dict():
                layer, _, rest = own.rpartition(".")
                names[f"_blocks.{number}.{kinds[layer]}.{rest}"] = f"blocks.{s}.{b}.{own}"
            number += 1
    for own in network.state_dict():  # type: ignore[attr-defined]
        layer, _, rest = own.rpartition(".")
        if layer in around:
            names[f"{around[layer]}.{rest}"] = own
    return names
