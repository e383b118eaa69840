"""Scores of pictures: log-odds averaged over views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from furikaeri_common.devices import DeviceChoice
from isic_lesion.image_models import scoring
from isic_lesion.image_models.config import ImageConfig, Views
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.pictures import Batch
from isic_lesion.image_models.scoring import autocast, evaluating, score, views_of

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

SIZE = 32


@pytest.fixture(scope="module")
def network() -> Any:
    from isic_lesion.image_models.network import build_network

    torch.manual_seed(3)
    config = ImageConfig(
        name="tiny", backbone="test_resnet", weights="none", size=SIZE, dropout=0.5, auxiliary={"sex": 1}
    )
    network = build_network(config, heads_of(config))
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter)
    return network


@pytest.fixture(scope="module")
def pixels() -> Any:
    # Smooth, so that views of one picture differ, and pictures more.
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (11, 3, 4, 4)))
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear").round().to(torch.uint8)


def batches_of(pixels: Any, sizes: Sequence[int], damaged: Sequence[int] = ()) -> list[Batch]:
    whole = torch.tensor([row not in damaged for row in range(len(pixels))])
    rows = torch.arange(len(pixels))
    return [
        Batch(*parts) for parts in zip(*(torch.split(of, list(sizes)) for of in (pixels, rows, whole)), strict=True)
    ]


def single(network: Any, pixels: Any) -> Any:
    with evaluating(network), torch.no_grad():
        return network(pixels)["target"][:, 0].double().numpy()


def test_one_view_is_the_target_heads_log_odds(network: Any, pixels: Any) -> None:
    found = score(network, batches_of(pixels, [11]), views="one")
    assert found.dtype == np.float64
    assert np.array_equal(found, single(network, pixels))
    assert len(np.unique(found)) == 11


@pytest.mark.parametrize(("views", "number"), [("flips", 4), ("dihedral", 8)])
def test_a_score_is_the_mean_over_the_scores_of_single_views(
    network: Any, pixels: Any, views: Views, number: int
) -> None:
    turns = range(0, 4, 2) if views == "flips" else range(4)
    each = [
        single(network, torch.rot90(of, turn, (2, 3)).contiguous()) for turn in turns for of in (pixels, pixels.flip(3))
    ]
    assert len(each) == number
    spread = np.ptp(each, axis=0)
    found = score(network, batches_of(pixels, [11]), views=views)
    assert np.allclose(found, np.mean(each, axis=0), atol=1e-5)
    assert spread.min() > 1e-3


def test_the_eight_views_are_all_ways_to_turn_and_mirror() -> None:
    picture = torch.arange(9).view(1, 1, 3, 3)
    found = {tuple(view.flatten().tolist()) for view in views_of(picture, "dihedral")}
    turned = [torch.rot90(of, turn, (2, 3)) for turn in range(4) for of in (picture, picture.flip(3))]
    assert found == {tuple(view.flatten().tolist()) for view in turned}
    assert len(found) == 8
    for views in ("one", "flips", "dihedral"):
        assert torch.equal(views_of(picture, views)[0], picture)


def test_a_view_of_no_kind_is_refused(pixels: Any) -> None:
    with pytest.raises(ValueError, match="got 'five'"):
        views_of(pixels, "five")  # type: ignore[arg-type]


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_picture_has_the_score_of_the_picture(network: Any, pixels: Any, turn: int) -> None:
    turned = torch.rot90(pixels, turn, (2, 3)).contiguous()
    first, second = (score(network, batches_of(of, [11]), views="dihedral") for of in (pixels, turned))
    assert np.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 11, [4, 4, 3], [10, 1]])
def test_scores_do_not_depend_on_the_batch(network: Any, pixels: Any, sizes: list[int]) -> None:
    found = score(network, batches_of(pixels, sizes))
    assert np.allclose(found, score(network, batches_of(pixels, [11])), atol=1e-5)


def test_a_damaged_picture_has_no_score_and_changes_no_other(network: Any, pixels: Any) -> None:
    found = score(network, batches_of(pixels, [6, 5], damaged=[2, 10]))
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 10]
    whole = score(network, batches_of(pixels, [6, 5]))
    assert np.array_equal(np.delete(found, [2, 10]), np.delete(whole, [2, 10]))


def test_no_pictures_have_no_scores(network: Any) -> None:
    assert score(network, []).shape == (0,)


def test_scoring_leaves_every_part_in_its_mode_and_all_weights_alone(network: Any, pixels: Any) -> None:
    network.train()
    network.backbone.bn1.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [part.training for part in network.modules()]
    assert 0 < sum(modes) < len(modes)
    score(network, batches_of(pixels, [11]))
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(RuntimeError, match="stop"), evaluating(network):
        raise RuntimeError("stop")
    assert [part.training for part in network.modules()] == modes


def test_a_short_format_changes_scores_little_and_auto_not_at_all_on_a_processor(network: Any, pixels: Any) -> None:
    exact, auto, short = (
        score(network, batches_of(pixels, [11]), precision=precision) for precision in ("float32", "auto", "bfloat16")
    )
    assert np.array_equal(exact, auto)
    assert not np.array_equal(exact, short)
    assert np.allclose(exact, short, atol=0.1 * np.abs(exact).max())


def test_the_format_asked_for_is_the_one_computed_in() -> None:
    a = torch.ones(2, 2)
    for precision in ("float32", "bfloat16", "float16"):
        with autocast("cpu", precision):
            assert (a @ a).dtype == getattr(torch, precision)


@pytest.mark.filterwarnings("ignore::UserWarning")  # that there is no such GPU
def test_a_gpu_is_asked_once_for_the_format_it_is_fast_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(device: str) -> DeviceChoice:
        asked.append(device)
        return DeviceChoice(device, "bfloat16", "it is there", None, None)

    asked: list[str] = []
    monkeypatch.setattr(scoring, "choose_device", answer)
    for device in ("cuda:71", "cuda:71", "cuda:72", "cuda:71"):
        autocast(device, "auto")
        autocast(device, "float32")
    assert asked == ["cuda:71", "cuda:72"]
