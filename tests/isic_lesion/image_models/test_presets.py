"""Image models by name and by TOML: what the original did, and one clear line for what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from isic_lesion.image_models.config import AUXILIARY, ImageConfig
from isic_lesion.image_models.presets import IMAGE_PRESETS, ORIGINAL_PART_1, ORIGINAL_PART_2, read_image_config


def test_part_1_is_what_the_original_did() -> None:
    assert [IMAGE_PRESETS[name].backbone.partition("_")[0] for name in ORIGINAL_PART_1] == ["convnext", "eva02", "swin"]
    for config in (IMAGE_PRESETS[name] for name in ORIGINAL_PART_1):
        assert (config.optimiser, config.schedule, config.lr_head, config.lr_backbone) == (
            "adamw",
            "cosine",
            1e-5,
            1e-5,
        )
        assert (config.batch, config.epochs, config.early_stopping) == (16, 30, None)
        assert (config.negatives_per_positive, config.bagging, config.weights) == (1.0, True, "hub")
        assert dict(config.auxiliary) == {}


def test_part_2_is_what_the_original_did() -> None:
    assert [IMAGE_PRESETS[name].backbone for name in ORIGINAL_PART_2] == [
        "convnext_small.fb_in22k_ft_in1k",
        "resnet18.fb_swsl_ig1b_ft_in1k",
        "swin_small_patch4_window7_224.ms_in22k_ft_in1k",
        "resnet152.tv2_in1k",
    ]
    for name in ORIGINAL_PART_2:
        config, variant = IMAGE_PRESETS[name], IMAGE_PRESETS[f"{name}-aux"]
        assert (config.optimiser, config.lr_head, config.lr_backbone) == ("adam", 2e-4, 2e-5)
        assert (config.epochs, config.early_stopping, config.negatives_per_positive) == (5, None, None)
        assert dict(config.auxiliary) == {"lesion_id": 0.1, "past": 1e-4}
        assert set(variant.auxiliary) == set(AUXILIARY)
        assert (variant.auxiliary["lesion_id"], variant.auxiliary["past"]) == (0.1, 1e-4)
        assert variant.backbone == config.backbone


def test_every_backbone_is_one_of_timm() -> None:
    timm = pytest.importorskip("timm")
    for config in IMAGE_PRESETS.values():
        assert timm.is_model(config.backbone)
        tag = config.backbone.partition(".")[2]
        assert config.weights == "none" or config.backbone in timm.list_models(config.backbone, pretrained=True), tag


def test_a_file_changes_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('preset = "original-resnet18"\nepochs = 2\nseeds = [1, 2]\n[auxiliary]\nage = 0.5\n')
    config = read_image_config(str(file))
    assert (config.name, config.epochs, config.seeds, dict(config.auxiliary)) == ("mine", 2, (1, 2), {"age": 0.5})
    assert (config.backbone, config.clip, config.negatives_per_positive) == (
        "resnet18.fb_swsl_ig1b_ft_in1k",
        None,
        None,
    )
    file.write_text('backbone = "resnet18"\nname = "other"\n')
    assert read_image_config(str(file)) == ImageConfig(name="other", backbone="resnet18")
    assert read_image_config("small-lite0") is IMAGE_PRESETS["small-lite0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3", "mine.toml: backbone is missing"),
        ('preset = "small-lite1"', "mine.toml: preset: no preset 'small-lite1'. There are: original-convnext-base"),
        ('preset = "small-lite0"\nepoch = 3', "mine.toml: epoch: no such setting. Did you mean epochs?"),
        ('preset = "small-lite0"\nepochs = "3"', "mine.toml: epochs: expected a whole number, got '3'"),
        ('preset = "small-lite0"\nepochs = 0', "mine.toml: expected epochs: a whole number of at least 1; got 0"),
        ('preset = "small-lite0"\noptimiser = "sgd"', "mine.toml: optimiser: expected one of adamw, adam, got 'sgd'"),
        ("preset = [1]", "mine.toml: preset: no preset [1]"),
        ("epochs == 3", "mine.toml: is no TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_image_config(str(file))


def test_neither_a_name_nor_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"small-lito: no image model .* no such file\. Did you mean small-lite0\?"):
        read_image_config("small-lito")
    with pytest.raises(InputError, match="cannot be read"):
        read_image_config(str(tmp_path))
