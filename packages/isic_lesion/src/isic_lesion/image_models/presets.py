"""The image models that come by name: the original's two parts, a laptop's and a tiny one; and those of TOML. (io)

Of the original's we know what the presets say. What it did not tell is ours: the batch and the schedule of part 2, how
pictures are augmented, and the weights of the further heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from furikaeri_common.configs import config_from
from furikaeri_common.errors import InputError
from furikaeri_common.toml_files import read_toml
from isic_lesion.image_models.config import AUXILIARY, ImageConfig

__all__ = [
    "AUXILIARY_SUFFIX",
    "IMAGE_PRESETS",
    "ORIGINAL_PART_1",
    "ORIGINAL_PART_2",
    "over_image_preset",
    "read_image_config",
]

AUXILIARY_SUFFIX = "-aux"
"""How the name of a variant ends that learns age, site, sex and the rest beside the target."""

_BACKBONES_1 = {
    "original-convnext-base": "convnext_base.fb_in22k_ft_in1k",
    "original-eva02-small": "eva02_small_patch14_336.mim_in22k_ft_in1k",
    "original-swin-base": "swin_base_patch4_window7_224.ms_in22k_ft_in1k",
}
_BACKBONES_2 = {
    "original-convnext-small": "convnext_small.fb_in22k_ft_in1k",
    "original-resnet18": "resnet18.fb_swsl_ig1b_ft_in1k",
    "original-swin-small": "swin_small_patch4_window7_224.ms_in22k_ft_in1k",
    "original-resnet152": "resnet152.tv2_in1k",
}
_THREE_HEADS = {"lesion_id": 0.1, "past": 1e-4}
_ALL_HEADS = {**dict.fromkeys(AUXILIARY, 0.1), **_THREE_HEADS}


def _part_1(name: str, backbone: str) -> ImageConfig:
    return ImageConfig(
        name=name,
        backbone=backbone,
        negatives_per_positive=1.0,
        bagging=True,
        epochs=30,
        batch=16,
        optimiser="adamw",
        lr_head=1e-5,
        lr_backbone=1e-5,
        schedule="cosine",
        clip=None,
    )


def _part_2(name: str, backbone: str) -> ImageConfig:
    return ImageConfig(
        name=name,
        backbone=backbone,
        auxiliary=_THREE_HEADS,
        negatives_per_positive=None,
        epochs=5,
        batch=32,
        optimiser="adam",
        lr_head=2e-4,
        lr_backbone=2e-5,
        weight_decay=0.0,
        schedule="cosine",
        clip=None,
    )


_PART_1 = [_part_1(name, backbone) for name, backbone in _BACKBONES_1.items()]
_PART_2 = [_part_2(name, backbone) for name, backbone in _BACKBONES_2.items()]
_VARIANTS = [replace(config, name=f"{config.name}{AUXILIARY_SUFFIX}", auxiliary=_ALL_HEADS) for config in _PART_2]

_SMALL = ImageConfig(
    name="small-lite0",
    backbone="tf_efficientnet_lite0.in1k",
    size=128,
    auxiliary={"lesion_id": 0.1},
    negatives_per_positive=3.0,
    epochs=20,
    batch=32,
    optimiser="adamw",
    lr_head=1e-3,
    lr_backbone=3e-4,
    weight_decay=1e-2,
    warmup=0.05,
    clip=1.0,
    ema=0.99,
    dropout=0.2,
    drop_path=0.1,
)
_TINY = ImageConfig(
    name="demo-tiny",
    backbone="test_efficientnet",
    weights="none",
    size=48,
    auxiliary={"lesion_id": 0.1},
    negatives_per_positive=2.0,
    epochs=12,
    batch=16,
    lr_head=1e-2,
    lr_backbone=3e-3,
    ema=0.9,
    augmentation="flips",
    views="one",
)

ORIGINAL_PART_1 = tuple(config.name for config in _PART_1)
"""Trained on this contest's rows, malignant and benign ones alike in number."""

ORIGINAL_PART_2 = tuple(config.name for config in _PART_2)
"""Trained on all rows of this contest and of past ones, with three heads."""

IMAGE_PRESETS: Mapping[str, ImageConfig] = MappingProxyType(
    {config.name: config for config in (*_PART_1, *_PART_2, *_VARIANTS, _SMALL, _TINY)}
)
"""Name -> configuration."""


def read_image_config(name_or_file: str) -> ImageConfig:
    """Return the preset of a name, or what a TOML file describes: fields of `ImageConfig`, on top of a `preset`.

    Without `name` the file's own name is taken; `auxiliary` replaces the preset's.

    Raises:
        InputError: if there is neither such a preset nor such a file, or it is not such a description.
    """
    if name_or_file in IMAGE_PRESETS:
        return IMAGE_PRESETS[name_or_file]
    path = Path(name_or_file)
    document = read_toml(path, asked=name_or_file, what="image model", names=tuple(IMAGE_PRESETS))
    return config_from(ImageConfig, over_image_preset({"name": path.stem, **document}, str(path)), source=str(path))


def over_image_preset(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings laid over those of their `preset`, if they name one.

    Args:
        settings: fields of `ImageConfig`, and `preset`.
        where: they stand, for messages.

    Raises:
        InputError: if there is no such preset.
    """
    own = {name: value for name, value in settings.items() if name != "preset"}
    if "preset" not in settings:
        return own
    preset = settings["preset"]
    if not isinstance(preset, str) or preset not in IMAGE_PRESETS:
        raise InputError(f"{where}: preset: no preset {preset!r}", fix=f"There are: {', '.join(IMAGE_PRESETS)}")
    return {**IMAGE_PRESETS[preset].to_json(), **own}
