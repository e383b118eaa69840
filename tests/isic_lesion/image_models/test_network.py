"""The network: pictures to the outputs of every head, and its state as arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from furikaeri_common.errors import MissingExtraError
from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.image_models.backbones import InputSpec, open_backbone
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import heads_of

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")


def config_of(**options: Any) -> ImageConfig:
    given = {"backbone": "test_resnet", "weights": "none", "size": 32, "auxiliary": {"lesion_id": 0.1, "site": 0.2}}
    return ImageConfig(name="tiny", **{**given, **options})


def network_of(seed: int = 0, **options: Any) -> Any:
    from isic_lesion.image_models.network import build_network

    torch.manual_seed(seed)
    config = config_of(**options)
    network = build_network(config, heads_of(config))
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter)
    return network


def pixels_of(number: int, size: int = 32, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (number, 3, size, size), dtype=np.uint8))


def test_every_head_tells_its_own_width_in_order() -> None:
    outputs = network_of()(pixels_of(3))
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "target": (3, 1),
        "lesion_id": (3, 1),
        "site": (3, 5),
    }
    assert list(outputs) == ["target", "lesion_id", "site"]
    assert {output.dtype for output in outputs.values()} == {torch.float32}


def test_outputs_are_linear_in_the_backbones_features_of_normalised_pixels() -> None:
    network = network_of(backbone="test_efficientnet").eval()
    pixels = pixels_of(2)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    by_hand = (pixels.numpy().astype(np.float64) / 255 - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(network.normalise(pixels).double(), torch.from_numpy(by_hand), atol=1e-6)
    features = network.backbone(torch.from_numpy(by_hand).float())
    site = network.heads["site"]
    assert torch.allclose(network(pixels)["site"], features @ site.weight.T + site.bias, atol=1e-4)


def test_heads_begin_by_telling_nothing() -> None:
    from isic_lesion.image_models.network import build_network

    config = config_of()
    assert all((output == 0).all() for output in build_network(config, heads_of(config))(pixels_of(2)).values())


def test_a_state_goes_to_a_file_and_back_bit_for_bit() -> None:
    from isic_lesion.image_models.network import build_network, load_state, network_state

    network = network_of(seed=1)
    network(pixels_of(4))  # moves batch statistics and their counters
    state = network_state(network)
    _, read = unpack_tensors(pack_tensors({}, state))
    config = config_of()
    other = build_network(config, heads_of(config), weights="none", inputs=network.inputs)
    load_state(other, read)
    assert all(np.array_equal(state[name], array) for name, array in network_state(other).items())
    assert int(other.state_dict()["backbone.bn1.num_batches_tracked"]) == 1
    with torch.no_grad():
        assert torch.equal(network.eval()(pixels_of(3))["target"], other.eval()(pixels_of(3))["target"])


def test_a_state_is_a_copy() -> None:
    from isic_lesion.image_models.network import load_state, network_state

    network = network_of()
    state = network_state(network)
    kept = state["heads.target.weight"].copy()
    with torch.no_grad():
        network.heads["target"].weight.add_(1)
    assert np.array_equal(state["heads.target.weight"], kept)
    for array in state.values():
        array.flags.writeable = False
    load_state(network, state)
    assert np.array_equal(network_state(network)["heads.target.weight"], kept)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda state: state.pop("heads.site.bias"), "heads.site.bias"),
        (lambda state: state.update(odd=np.zeros(1)), "odd"),
        (lambda state: state.update({"heads.site.bias": np.zeros(4)}), "heads.site.bias"),
    ],
)
def test_the_state_of_another_network_is_refused(change: Any, name: str) -> None:
    from isic_lesion.image_models.network import load_state, network_state

    network = network_of()
    state = network_state(network)
    change(state)
    with pytest.raises(ValueError, match=f"1 differ, such as {name}"):
        load_state(network, state)


def test_what_pictures_a_network_takes_can_be_given_instead_of_looked_up() -> None:
    from isic_lesion.image_models.network import build_network

    inputs = InputSpec(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear")
    config = config_of(weights="hub", backbone="test_vit", size=None)
    network = build_network(config, heads_of(config), weights="none", inputs=InputSpec(*inputs._asdict().values()))
    assert network.inputs == inputs
    grey = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    assert network.normalise(grey)[0, :, 0, 0].tolist() == pytest.approx([0.9 / 0.4, 0.8 / 0.5, 0.7 / 0.6])
    assert network(grey)["target"].shape == (1, 1)


def test_in_a_short_format_the_outputs_stay_float32() -> None:
    network = network_of().eval()
    with torch.no_grad():
        exact = network(pixels_of(8))["target"]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = network.backbone(network.normalise(pixels_of(8)))
            found = network(pixels_of(8))["target"]
    assert features.dtype == torch.bfloat16
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)
    assert torch.allclose(found, exact, atol=0.1 * float(exact.abs().max()))
    assert not torch.equal(found, found.bfloat16().float())


def test_dropout_is_of_training_alone_and_a_function_of_the_seed() -> None:
    network = network_of(dropout=0.5, backbone="test_convnext")

    def outputs(seed: int) -> Any:
        torch.manual_seed(seed)
        with torch.no_grad():
            return network(pixels_of(4))["target"]

    assert torch.equal(outputs(1), outputs(1))
    assert not torch.equal(outputs(1), outputs(2))
    network.eval()
    assert torch.equal(outputs(1), outputs(2))


def test_kernels_lie_with_their_channels_last() -> None:
    network = network_of()
    kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4 and parameter.shape[1] > 1]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_every_weight_learns() -> None:
    network = network_of(dropout=0.1, backbone="test_efficientnet")
    sum(output.square().sum() for output in network(pixels_of(4)).values()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet", "test_vit", "test_byobnet"])
def test_the_features_are_those_that_timm_pools(name: str) -> None:
    torch.manual_seed(0)
    ours = open_backbone(name, "none", size=32).module.eval()
    torch.manual_seed(0)
    options = {"img_size": 32} if "vit" in name else {}
    theirs = timm.create_model(name, num_classes=0, **options).eval()
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(ours(pictures), theirs(pictures))


@pytest.mark.parametrize("missing", ["timm", "torch"])
def test_without_the_extra_the_line_that_installs_it_is_given(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from isic_lesion.image_models.network import build_network

    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "isic_lesion.image_models._network", raising=False)
    with pytest.raises(MissingExtraError, match=r"furikaeri-isic-lesion\[image\]"):
        build_network(config_of(), heads_of(config_of()))
