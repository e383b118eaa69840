"""Grad-CAM maps of the target head, and pictures with the map laid over them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from furikaeri_common.errors import InputError, MissingExtraError
from isic_lesion.image_models.backbones import Backbone, InputSpec
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.explaining import explain, overlay
from isic_lesion.image_models.heads import heads_of

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("pytorch_grad_cam")

SIZE, GRID = 64, 8
LAYOUTS = ("channels first", "channels last", "tokens", "tokens and two more")


def network_of(name: str, size: int = SIZE, seed: int = 0, **options: Any) -> Any:
    from isic_lesion.image_models.network import build_network

    torch.manual_seed(seed)
    config = ImageConfig(name="tiny", backbone=name, weights="none", size=size, auxiliary={"site": 1}, **options)
    network = build_network(config, heads_of(config))
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter)
    return network


def pixels_of(number: int, size: int = SIZE, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (number, 3, size, size), dtype=np.uint8))


def brightness_network(layout: str, weight: float) -> Any:
    """Return a network whose log-odds are the mean brightness, times a weight; its map can be told beforehand."""
    from isic_lesion.image_models._network import Network

    class Brightness(torch.nn.Module):
        num_prefix_tokens = 2 if layout == "tokens and two more" else 0

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward_features(self, pictures: Any) -> Any:
            grid = torch.nn.functional.avg_pool2d(pictures * self.scale, SIZE // GRID)
            if layout == "channels first":
                return grid
            if layout == "channels last":
                return grid.permute(0, 2, 3, 1)
            tokens = grid.flatten(2).transpose(1, 2)
            return torch.cat([tokens.new_full((len(tokens), self.num_prefix_tokens, 3), 9.0), tokens], dim=1)

        def forward_head(self, features: Any) -> Any:
            if layout == "channels first":
                return features.mean((2, 3))
            return features.mean((1, 2)) if layout == "channels last" else features[:, self.num_prefix_tokens :].mean(1)

        def forward(self, pictures: Any) -> Any:
            return self.forward_head(self.forward_features(pictures))

    inputs = InputSpec(SIZE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear")
    config = ImageConfig(name="bright", backbone="x")
    network = Network(Backbone(Brightness(), 3, inputs, "", 1), heads_of(config))
    torch.nn.init.constant_(network.heads["target"].weight, weight)
    return network


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_patch_that_decides_is_found_where_it_is(layout: str) -> None:
    places = [(1, 5), (6, 0), (3, 3)]  # row, column
    pixels = torch.full((3, 3, SIZE, SIZE), 40, dtype=torch.uint8)
    side = SIZE // GRID
    for picture, (row, column) in zip(pixels, places, strict=True):
        picture[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = 250
    maps = explain(brightness_network(layout, 1.0), pixels, batch=2)
    assert maps.shape == (3, SIZE, SIZE)
    assert maps.dtype == np.float32
    for found, (row, column) in zip(maps, places, strict=True):
        top, left = np.unravel_index(found.argmax(), found.shape)
        assert (top // side, left // side) == (row, column)
        assert found[row * side + side // 2, column * side + side // 2] > 0.9
        outside = np.ones((GRID, GRID), bool)
        outside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = False
        assert found[np.kron(outside, np.ones((side, side), bool))].max() < 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_lowers_the_log_odds_is_not_shown(layout: str) -> None:
    pixels = torch.full((1, 3, SIZE, SIZE), 40, dtype=torch.uint8)
    pixels[:, :, :8, :8] = 250
    assert explain(brightness_network(layout, -1.0), pixels).max() == 0


@pytest.mark.parametrize(
    "name", ["test_convnext", "test_efficientnet", "test_resnet", "test_vit", "swin_tiny_patch4_window7_224"]
)
def test_maps_of_real_architectures_are_in_range_and_of_the_target_head(name: str) -> None:
    network = network_of(name)
    maps = explain(network, pixels_of(3))
    with torch.no_grad():
        network.heads["site"].weight.mul_(-3)
    assert np.array_equal(explain(network, pixels_of(3)), maps)
    with torch.no_grad():
        network.heads["target"].weight.mul_(-1)
    against = explain(network, pixels_of(3))
    # What speaks for a lesion's being malignant does not speak against it, and something does either.
    assert np.abs(against - maps).max() > 0.5
    for found in (maps, against):
        assert found.shape == (3, SIZE, SIZE)
        assert found.min() >= 0
        assert found.max() <= 1
        assert all(highest == 0 or highest > 0.999 for highest in found.max(axis=(1, 2)))


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "swin_tiny_patch4_window7_224"])
def test_where_the_mean_is_taken_last_the_map_is_the_weighted_sum_of_features(name: str) -> None:
    # log-odds = b + mean over places of w . features: the gradient of each feature is w / places, everywhere.
    import cv2

    network = network_of(name, size=128, seed=2).eval()
    pixels = pixels_of(2, size=128, seed=3)
    with torch.no_grad():
        features = network.backbone.forward_features(network.normalise(pixels))
    if name.startswith("swin"):
        features = features.permute(0, 3, 1, 2)
    weight = network.heads["target"].weight[0].detach().abs_()  # every feature speaks for it
    by_hand = (features * weight.view(1, -1, 1, 1)).sum(1).clamp(min=0).numpy() / features[0, 0].numel()
    assert by_hand.shape[1] > 1
    assert np.ptp(by_hand, axis=(1, 2)).min() > 0
    for found, raw in zip(explain(network, pixels), by_hand, strict=True):
        raw = raw - raw.min()
        expected = cv2.resize(raw / raw.max(), (128, 128))
        assert np.allclose(found, (expected - expected.min()) / np.ptp(expected), atol=1e-3)


@pytest.mark.parametrize("name", ["test_vit", "deit_tiny_distilled_patch16_224"])
def test_a_class_token_is_explained_by_what_its_last_block_reads(name: str) -> None:
    import cv2

    network = network_of(name, seed=4).eval()
    pixels = pixels_of(2, seed=5)
    backbone, prefix = network.backbone, network.backbone.num_prefix_tokens
    assert prefix >= 1
    kept: list[Any] = []
    backbone.blocks[-1].norm1.register_forward_hook(lambda _, inputs, output: kept.append(output))
    log_odds = network(pixels)["target"].sum()
    (gradient,) = torch.autograd.grad(log_odds, kept)
    weight = gradient[:, prefix:].mean(1, keepdim=True)
    raw = (kept[0][:, prefix:] * weight).sum(2).clamp(min=0).detach().view(2, 4, 4).numpy()
    for found, own in zip(explain(network, pixels), raw, strict=True):
        own = own - own.min()
        expected = cv2.resize(own / (1e-7 + own.max()), (SIZE, SIZE))
        assert np.allclose(found, (expected - expected.min()) / (1e-7 + np.ptp(expected)), atol=1e-3)


@pytest.mark.parametrize("name", ["test_convnext", "test_efficientnet", "test_vit", "eva02_tiny_patch14_224"])
def test_what_is_explained_is_what_lesions_are_scored_by(name: str) -> None:
    from isic_lesion.image_models.explaining import _path_of

    size = 56 if "eva" in name else SIZE
    network, pixels = network_of(name, size=size).eval(), pixels_of(2, size=size)
    with torch.no_grad():
        assert torch.equal(_path_of(network, pixels)[0](pixels), network(pixels)["target"])


def test_without_grad_cam_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(MissingExtraError, match=r"furikaeri-isic-lesion\[image\]"):
        explain(network_of("test_resnet"), pixels_of(1))


def test_maps_do_not_depend_on_the_batch() -> None:
    network, pixels = network_of("test_convnext"), pixels_of(5)
    assert np.allclose(explain(network, pixels, batch=1), explain(network, pixels, batch=5), atol=1e-4)
    assert explain(network, pixels[:0]).shape == (0, SIZE, SIZE)
    with pytest.raises(ValueError, match="got 0"):
        explain(network, pixels, batch=0)


def test_looking_leaves_a_network_as_it_was() -> None:
    network = network_of("test_resnet")
    network(pixels_of(2))["target"].sum().backward()
    network.backbone.bn1.eval()
    network.backbone.conv1.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [part.training for part in network.modules()]
    learning = [parameter.requires_grad for parameter in network.parameters()]
    gradients = [parameter.grad for parameter in network.parameters()]
    copies = [None if gradient is None else gradient.clone() for gradient in gradients]
    explain(network, pixels_of(3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [part.training for part in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == learning
    for parameter, gradient, copy in zip(network.parameters(), gradients, copies, strict=True):
        assert parameter.grad is gradient
        assert gradient is None or torch.equal(gradient, copy)
    assert not any(part._forward_hooks for part in network.modules())


def test_a_network_that_does_not_learn_can_be_explained() -> None:
    network, pixels = network_of("test_vit"), pixels_of(2)
    maps = explain(network, pixels)
    network.requires_grad_(False)
    with torch.no_grad():
        assert np.array_equal(explain(network, pixels), maps)


def test_a_backbone_without_a_square_map_says_so() -> None:
    network = brightness_network("tokens and two more", 1.0)
    type(network.backbone).num_prefix_tokens = 1
    network.backbone.forward_features = lambda pictures: pictures.new_zeros(1, 1 + 5, 3)
    with pytest.raises(InputError, match="Brightness: has no square map"):
        explain(network, pixels_of(1))


def test_an_overlay_is_the_picture_where_the_map_is_0_and_colour_where_it_is_1() -> None:
    pixels = pixels_of(2, size=4)
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 1, 2] = 1
    found = overlay(pixels, maps, strength=1.0)
    assert found.shape == (2, 4, 4, 3)
    assert found.dtype == np.uint8
    assert found[0, 1, 2].tolist() == [253, 231, 37]
    expected = pixels.numpy().transpose(0, 2, 3, 1).copy()
    expected[0, 1, 2] = found[0, 1, 2]
    assert np.array_equal(found, expected)
    half = overlay(pixels, maps, strength=0.5)[0, 1, 2].astype(float)
    assert half == pytest.approx((pixels.numpy()[0, :, 1, 2] + np.array([253, 231, 37])) / 2, abs=0.5)
    assert np.array_equal(overlay(pixels, maps, strength=0), pixels.numpy().transpose(0, 2, 3, 1))


def test_an_overlay_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="expected maps of shape"):
        overlay(pixels_of(2, size=4), np.zeros((2, 4, 5), np.float32))
    with pytest.raises(ValueError, match="strength"):
        overlay(pixels_of(1, size=4), np.zeros((1, 4, 4), np.float32), strength=2)
