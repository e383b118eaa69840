"""Backbones of timm by name, what pictures they take, and the weights they begin with."""

from __future__ import annotations

import json
import os
import pickle
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_common.artifacts import sha256_of
from furikaeri_common.errors import InputError, MissingExtraError
from isic_lesion.image_models.backbones import InputSpec, open_backbone
from isic_lesion.image_models.weight_files import read_weights

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep models of this machine, and the net, out of sight."""

    def refuse(*_: object) -> None:
        pytest.fail("a connexion was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))


def saved(path: Path, state: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def state_of(name: str, seed: int = 1, **options: Any) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = timm.create_model(name, **options)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_()
    return dict(model.state_dict())


def in_hub(repository: str, state: Any, root: Path, *, file: str = "model.safetensors", config: Any = None) -> Path:
    folder = root / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    if config is not None:
        (snapshot / "config.json").write_text(json.dumps(config))
    return saved(snapshot / file, state)


def assert_loaded(module: Any, state: dict[str, Any]) -> None:
    own = module.state_dict()
    assert own.keys() < state.keys()
    for name, tensor in own.items():
        assert torch.equal(tensor, state[name]), name


@pytest.mark.parametrize(
    ("name", "width", "inputs"),
    [
        ("convnext_base", 1024, InputSpec(224, *IMAGENET, "bicubic")),
        ("swin_base_patch4_window7_224", 1024, InputSpec(224, *IMAGENET, "bicubic")),
        ("convnext_small.fb_in22k_ft_in1k", 768, InputSpec(224, *IMAGENET, "bicubic")),
        ("resnet18.fb_swsl_ig1b_ft_in1k", 512, InputSpec(224, *IMAGENET, "bilinear")),
        ("swin_small_patch4_window7_224.ms_in22k_ft_in1k", 768, InputSpec(224, *IMAGENET, "bicubic")),
        ("resnet152.tv2_in1k", 2048, InputSpec(176, *IMAGENET, "bilinear")),
        ("tf_efficientnet_lite0", 1280, InputSpec(224, *HALF, "bicubic")),
        ("test_vit", 64, InputSpec(160, *HALF, "bicubic")),
    ],
)
def test_the_original_backbones_can_be_built_and_take_what_their_weights_were_made_for(
    name: str, width: int, inputs: InputSpec
) -> None:
    with torch.device("meta"):
        backbone = open_backbone(name, "none", drop_path=0.1)
    assert backbone.num_features == width
    assert backbone.inputs == inputs
    assert backbone.digest == ""
    assert backbone.num_weights == sum(parameter.numel() for parameter in backbone.module.parameters()) > 0
    assert backbone.module.training


def test_a_transformer_of_336_px_takes_smaller_pictures_and_its_positions_are_resampled(tmp_path: Path) -> None:
    name = "eva02_small_patch14_336.mim_in22k_ft_in1k"
    state = state_of(name)
    backbone = open_backbone(name, str(saved(tmp_path / "eva.safetensors", state)), size=56)
    clip = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    assert backbone.inputs == InputSpec(56, *clip, "bicubic")
    own = backbone.module.state_dict()
    assert own["pos_embed"].shape == (1, 1 + 4 * 4, 384)
    assert torch.equal(own["pos_embed"][:, 0], state["pos_embed"][:, 0])
    from timm.layers import resample_abs_pos_embed

    assert torch.allclose(own["pos_embed"], resample_abs_pos_embed(state["pos_embed"], [4, 4]), atol=1e-6)
    same = [key for key in own if key != "pos_embed"]
    assert len(same) > 150
    assert all(torch.equal(own[key], state[key]) for key in same)


def test_windows_of_a_smaller_picture_keep_the_middle_of_their_position_biases(tmp_path: Path) -> None:
    name, last = "swin_tiny_patch4_window7_224", "layers.3.blocks.0.attn.relative_position_bias_table"
    state = state_of(name)
    backbone = open_backbone(name, str(saved(tmp_path / "swin.safetensors", state)), size=64)
    own = backbone.module.state_dict()
    assert own[last].shape == (3 * 3, 24)  # windows of 2 x 2
    assert torch.allclose(own[last][4], state[last][6 * 13 + 6], atol=1e-5)  # no way between a place and itself
    first = "layers.0.blocks.0.attn.relative_position_bias_table"
    assert torch.equal(own[first], state[first])


def test_features_of_any_size_of_pictures_have_one_width() -> None:
    for name, size in (("test_convnext", 64), ("test_resnet", 33), ("test_vit", 48), ("test_efficientnet", 100)):
        backbone = open_backbone(name, "none", size=size)
        assert backbone.inputs.size == size
        features = backbone.module.eval()(torch.rand(2, 3, size, size))
        assert features.shape == (2, backbone.num_features)


def test_random_weights_are_a_function_of_the_generator() -> None:
    def first(seed: int) -> Any:
        torch.manual_seed(seed)
        return open_backbone("test_resnet", "none", size=32).module.state_dict()["conv1.0.weight"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


@pytest.mark.parametrize("file", ["w.safetensors", "w.pth", "w.bin", "w.odd"])
def test_a_file_is_read_by_what_is_in_it(tmp_path: Path, file: str) -> None:
    state = state_of("test_resnet")
    path = saved(tmp_path / file, state)
    backbone = open_backbone("test_resnet", str(path), size=32)
    assert_loaded(backbone.module, state)
    assert backbone.digest == sha256_of(path)


def test_weights_of_safetensors_do_not_need_the_ending(tmp_path: Path) -> None:
    state = state_of("test_resnet")
    path = saved(tmp_path / "w.safetensors", state).rename(tmp_path / "w.pth")
    assert_loaded(open_backbone("test_resnet", str(path), size=32).module, state)


def test_a_file_of_the_models_folder_is_found_by_its_name(tmp_path: Path) -> None:
    state = state_of("test_resnet")
    saved(tmp_path / "models" / "mine.safetensors", state)
    assert_loaded(open_backbone("test_resnet", "mine.safetensors", size=32).module, state)


@pytest.mark.parametrize("wrapping", ["state_dict", "model", "state_dict_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_what_training_scripts_wrap_around_weights_is_taken_off(tmp_path: Path, wrapping: str, prefix: str) -> None:
    state = state_of("test_vit")
    wrapped = {wrapping: {prefix + name: tensor for name, tensor in state.items()}, "epoch": 3}
    backbone = open_backbone("test_vit", str(saved(tmp_path / "w.pth", wrapped)), size=160)
    assert_loaded(backbone.module, state)


def test_the_weights_of_one_of_our_own_networks_can_be_begun_with(tmp_path: Path) -> None:
    state = state_of("test_resnet", num_classes=0)
    ours = {f"backbone.{name}": tensor for name, tensor in state.items()}
    ours |= {"heads.target.weight": torch.zeros(1, 96), "heads.target.bias": torch.zeros(1)}
    own = open_backbone("test_resnet", str(saved(tmp_path / "fold-0.safetensors", ours)), size=32).module.state_dict()
    assert own.keys() == state.keys()
    assert all(torch.equal(own[name], state[name]) for name in own)


def test_weights_with_the_names_of_another_package_are_put_where_they_belong(tmp_path: Path) -> None:
    state = state_of("convnext_atto")
    theirs = {}
    for name, tensor in state.items():  # the names that the paper's authors use
        renamed = name.replace("stem.", "downsample_layers.0.").replace(".blocks.", ".").replace("conv_dw", "dwconv")
        renamed = renamed.replace("mlp.fc", "pwconv").replace("head.fc", "head").replace("head.norm", "norm")
        stage = renamed.split(".")[1]
        theirs[renamed.replace(f"stages.{stage}.downsample", f"downsample_layers.{stage}")] = tensor
    assert len(theirs.keys() & state.keys()) < 20
    assert_loaded(open_backbone("convnext_atto", str(saved(tmp_path / "w.pth", theirs)), size=32).module, state)


def test_half_precision_weights_are_taken_up_in_full(tmp_path: Path) -> None:
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state_of("test_vit").items()
    }
    own = open_backbone("test_vit", str(saved(tmp_path / "w.safetensors", state))).module.state_dict()
    assert own["norm.weight"].dtype == torch.float32
    assert torch.equal(own["norm.weight"], state["norm.weight"].float())


def test_weights_of_the_hub_come_from_its_cache(tmp_path: Path) -> None:
    state = state_of("test_resnet")
    path = in_hub("timm/test_resnet.r160_in1k", state, tmp_path)
    backbone = open_backbone("test_resnet", "hub", size=32)
    assert_loaded(backbone.module, state)
    assert backbone.digest == sha256_of(path)
    assert_loaded(open_backbone("test_resnet.r160_in1k", "hub", size=32).module, state)


def test_weights_of_another_repository_bring_their_own_mean(tmp_path: Path) -> None:
    config = {"architecture": "test_resnet", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "interpolation": "bicubic"}}
    state = state_of("test_resnet")
    in_hub("someone/resnet", state, tmp_path, file="pytorch_model.bin", config=config)
    backbone = open_backbone("test_resnet", "someone/resnet")
    assert backbone.inputs == InputSpec(160, (0.1, 0.2, 0.3), HALF[1], "bicubic")
    assert_loaded(backbone.module, state)


def test_weights_whose_mean_is_not_of_three_colours_are_refused(tmp_path: Path) -> None:
    in_hub("someone/grey", state_of("test_resnet"), tmp_path, config={"mean": [0.5], "std": [0.5]})
    with pytest.raises(InputError, match=r"expected a mean and std of three colours, got \[0.5\] and"):
        open_backbone("test_resnet", "someone/grey")


@pytest.mark.parametrize(
    ("name", "weights", "repository"),
    [
        ("resnet18.fb_swsl_ig1b_ft_in1k", "hub", "timm/resnet18.fb_swsl_ig1b_ft_in1k"),
        ("tf_efficientnet_lite0", "hub", "timm/tf_efficientnet_lite0.in1k"),
        ("resnet18", "someone/else", "someone/else"),
    ],
)
def test_weights_that_are_not_in_the_cache_are_not_downloaded(name: str, weights: str, repository: str) -> None:
    with pytest.raises(InputError, match="nothing is downloaded") as caught:
        open_backbone(name, weights)
    assert f"`hf download {repository}`" in caught.value.fix
    assert "a file of weights" in caught.value.fix
    assert "or none" in caught.value.fix


def test_a_backbone_without_weights_on_the_hub_says_so() -> None:
    name = next(one for one in timm.list_models("resnet*") if not timm.is_model_pretrained(one))
    with pytest.raises(InputError, match="timm has no weights on the hub"):
        open_backbone(name, "hub")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet181", "resnet18"),
        ("convnxt_small", "convnext_small"),
        ("convnxt_small.fb_in22k_ft_in1k", "convnext_small.fb_in22k_ft_in1k"),
        ("EVA02_small_patch14_336", "eva02_small_patch14_336"),
        ("resnet18.fb_swls_ig1b_ft_in1k", "resnet18.fb_swsl_ig1b_ft_in1k"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        open_backbone(name, "none")
    assert nearest in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/somewhere", "", "ß"])
def test_a_name_that_is_like_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="has no model"):
        open_backbone(name, "none")


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("test_vit", 40, "side of 16 px, of which it must be a multiple"),
        ("test_convnext", 16, "cannot take pictures of 16 px"),
        ("vit_tiny_patch16_224", 8, "cannot take pictures of 8 px"),
    ],
)
def test_a_size_that_a_backbone_cannot_take_is_refused(name: str, size: int, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        open_backbone(name, "none", size=size)
    assert "\n" not in str(caught.value)


def test_branches_are_skipped_where_there_are_some() -> None:
    module = open_backbone("test_convnext", "none", size=32, drop_path=0.5).module
    assert max(getattr(part, "drop_prob", 0) or 0 for part in module.modules()) == 0.5
    with pytest.raises(InputError, match="vgg11: has no branches to skip"):
        open_backbone("vgg11", "none", drop_path=0.1)


def test_weights_of_another_architecture_are_refused_with_what_differs(tmp_path: Path) -> None:
    other = saved(tmp_path / "vit.pth", state_of("test_vit"))
    with pytest.raises(InputError) as caught:
        open_backbone("test_resnet", str(other), size=32)
    said = str(caught.value)
    assert f"{other}: not the weights of test_resnet" in said
    assert "arrays are missing (conv1.0.weight" in said
    assert "are not its own (cls_token, pos_embed, patch_embed.proj.weight, ...)" in said
    assert "\n" not in said


def test_one_array_less_one_more_and_one_of_another_shape_are_named(tmp_path: Path) -> None:
    state = state_of("test_resnet")
    state["conv1.0.weight"] = state["conv1.0.weight"][:, :1]
    state["extra.weight"] = state.pop("layer4.0.conv2.weight")
    with pytest.raises(InputError) as caught:
        open_backbone("test_resnet", str(saved(tmp_path / "w.safetensors", state)), size=32)
    said = str(caught.value)
    assert "1 of its" in said
    assert "(layer4.0.conv2.weight)" in said
    assert "1 are not its own (extra.weight)" in said
    assert "1 have another shape (conv1.0.weight [16, 1, 3, 3] instead of [16, 3, 3, 3])" in said


def test_a_missing_counter_of_batches_is_no_matter(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in state_of("test_resnet").items() if "num_batches" not in name}
    own = open_backbone("test_resnet", str(saved(tmp_path / "w.pth", state)), size=32).module.state_dict()
    assert torch.equal(own["bn1.running_mean"], state["bn1.running_mean"])


class _Code:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "was-run"
    torch.save({"conv1.weight": _Code(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="would run its code") as caught:
        open_backbone("test_resnet", str(path))
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


def damaged(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "w.bin"
    state = state_of("test_resnet")
    if kind == "text":
        path.write_text("<!DOCTYPE html><html>Not found</html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickle of a list":
        path.write_bytes(pickle.dumps([1, 2]))
    elif kind == "no tensors":
        torch.save({"accuracy": 0.9}, path)
    elif kind == "bare tensor":
        torch.save(torch.zeros(3), path)
    else:
        suffix = "safetensors" if "safetensors" in kind else "pth"
        whole = saved(tmp_path / f"w.{suffix}", state).read_bytes()
        path.write_bytes(whole[: int(len(whole) * (0.9 if "end" in kind else 0.001)) + 12])
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "empty",
        "pickle of a list",
        "no tensors",
        "bare tensor",
        "safetensors without its end",
        "safetensors, hardly begun",
        "pth without its end",
        "pth, hardly begun",
    ],
)
def test_a_file_that_holds_no_weights_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = damaged(tmp_path, kind)
    with pytest.raises(InputError, match=r"holds no weights|is damaged|would run its code") as caught:
        open_backbone("test_resnet", str(path), size=32)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file of weights .*nothing.pth"):
        open_backbone("test_resnet", str(tmp_path / "nothing.pth"))
    with pytest.raises(InputError, match="is a folder"):
        open_backbone("test_resnet", str(tmp_path))


@pytest.mark.parametrize("missing", ["timm", "torch"])
def test_without_the_extra_the_line_that_installs_it_is_given(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r'pip install "furikaeri-isic-lesion\[image\]"'):
        open_backbone("test_resnet", "none")


@pytest.fixture
def lite(request: pytest.FixtureRequest) -> Path:
    folder = Path(REAL_MODELS or Path.home() / ".cache/furikaeri/models")
    path = folder / f"tf_efficientnet_lite{request.param}.pth"
    if not path.is_file():
        pytest.skip(f"there is no {path}; set FURIKAERI_MODELS to a folder that holds it")
    return path


REAL_MODELS = os.environ.get("FURIKAERI_MODELS")


@pytest.mark.models
@pytest.mark.parametrize("lite", [0, 1, 2], indirect=True)
def test_real_weights_of_efficientnet_lite_know_what_is_on_a_photograph(lite: Path) -> None:
    from matplotlib import cbook
    from PIL import Image

    backbone = open_backbone(lite.stem, str(lite))
    side = backbone.inputs.size
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as photograph:
        square = photograph.convert("RGB").crop((0, 44, 512, 556)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in backbone.inputs[1:3])
    classifier = read_weights(lite)
    with torch.no_grad():
        features = backbone.module.eval()((pixels - mean) / std)
        best = (features @ classifier["_fc.weight"].T + classifier["_fc.bias"]).topk(2).indices[0].tolist()
    assert 652 in best  # of ImageNet: military uniform
