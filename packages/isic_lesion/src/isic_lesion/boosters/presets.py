"""The table models that come by name: the original's, some that a laptop trains in minutes, some for few lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from isic_lesion.boosters.config import BoosterConfig

__all__ = ["PRESETS", "over_preset"]

_ORIGINAL_XGBOOST = {
    "learning_rate": 0.03,
    "max_depth": 7,
    "subsample": 0.6,
    "colsample_bytree": 0.5,
    "reg_lambda": 5.0,
    "scale_pos_weight": 8.0,
}
_ORIGINAL_LIGHTGBM = {
    "learning_rate": 0.005,
    "num_leaves": 32,
    "feature_fraction": 0.6,
    "lambda_l1": 1.5,
    "lambda_l2": 5.5,
    "scale_pos_weight": 5.0,
}

_CONFIGS = (
    BoosterConfig(name="original-xgboost", library="xgboost", params=_ORIGINAL_XGBOOST, rounds=600),
    BoosterConfig(name="original-lightgbm", library="lightgbm", params=_ORIGINAL_LIGHTGBM, rounds=1500),
    # The third of the stack differs on purpose: plain labels, and other negatives for every seed. Positives weigh no
    # more than the draw gives them.
    BoosterConfig(
        name="original-sampled",
        library="lightgbm",
        params={
            "learning_rate": 0.02,
            "num_leaves": 24,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l1": 0.5,
            "lambda_l2": 5.0,
            "min_data_in_leaf": 40,
        },
        rounds=400,
        seeds=(42, 43, 44, 45, 46),
        negatives_per_positive=100,
        least_positive_ratio=0.003,
        soft_labels=False,
    ),
    BoosterConfig(
        name="small-xgboost",
        library="xgboost",
        params={
            "learning_rate": 0.08,
            "max_depth": 5,
            "subsample": 0.7,
            "colsample_bytree": 0.4,
            "reg_lambda": 5.0,
            "max_bin": 64,
        },
        rounds=120,
        negatives_per_positive=100,
    ),
    BoosterConfig(
        name="small-lightgbm",
        library="lightgbm",
        params={
            "learning_rate": 0.06,
            "num_leaves": 16,
            "feature_fraction": 0.4,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l1": 0.5,
            "lambda_l2": 5.0,
            "max_bin": 63,
        },
        rounds=120,
        negatives_per_positive=100,
    ),
    # For some hundred to some thousand lesions: thresholds drawn at random, small leaves, hardly a penalty. What is
    # strongly regularised elsewhere shrinks leaves of three positives to nothing.
    BoosterConfig(
        name="few-lightgbm",
        library="lightgbm",
        params={
            "learning_rate": 0.08,
            "num_leaves": 31,
            "min_data_in_leaf": 5,
            "extra_trees": True,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "scale_pos_weight": 2.5,
        },
        rounds=200,
        seeds=(42, 43, 44),
    ),
    # A tree of every row takes long where lesions are no longer few; the draw leaves some hundred to one alone.
    BoosterConfig(
        name="few-extra-trees",
        library="extra-trees",
        params={"max_features": 0.6},
        rounds=300,
        negatives_per_positive=100,
    ),
    BoosterConfig(name="few-kernel", library="kernel", params={"scale_pos_weight": 2.5}, rounds=30),
)

PRESETS: Mapping[str, BoosterConfig] = MappingProxyType(
    # Out-of-fold scores of image models are surer than what a table model should make of them.
    {config.name: replace(config, feature_noise={"image_*": 0.1}) for config in _CONFIGS}
)
"""Name -> configuration. The rounds of the original's two are ours: it did not say."""


def over_preset(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings laid over those of their `preset`, if they name one; `params` add to those of the same library.

    Raises:
        ValueError: if there is no such preset.
    """
    own = {name: value for name, value in settings.items() if name != "preset"}
    if "preset" not in settings:
        return own
    preset = settings["preset"]
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(f"preset: no preset {preset!r}; there are {', '.join(PRESETS)}")
    base = PRESETS[preset].to_json()
    params = own.get("params", {})
    if isinstance(params, Mapping) and own.get("library", base["library"]) == base["library"]:
        own["params"] = {**base["params"], **params}
    return {**base, **own}
