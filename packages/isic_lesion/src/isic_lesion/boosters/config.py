"""What a table model is trained with: a library's parameters, and how rows and labels reach it.

A configuration is a plain value. It becomes JSON and comes back equal, and whatever changes a booster is in it, so
that two boosters of one configuration, one seed and the same rows are the same to the bit (on a CPU).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from isic_lesion.setting_checks import check_name, check_whole, checked_seeds, refuse

__all__ = ["HOSPITAL_SUFFIXES", "ARRAY_LIBRARIES", "BoosterConfig", "HospitalFeatures", "Library"]

Library = Literal["xgboost", "lightgbm", "extra-trees", "kernel"]
ARRAY_LIBRARIES: tuple[Library, ...] = ("extra-trees", "kernel")
"""Those that are no boosters, but smooth models for few lesions (see `extra_trees` and `kernel_machine`)."""

HospitalFeatures = Literal["with", "without", "blanked"]

HOSPITAL_SUFFIXES: Mapping[HospitalFeatures, str] = {"with": "", "without": "-no-hospital", "blanked": "-blanked"}
"""What the variants of a model have behind its name."""

_XGBOOST = """
    alpha base_score colsample_bylevel colsample_bynode colsample_bytree eta gamma grow_policy interaction_constraints
    lambda learning_rate max_bin max_cached_hist_node max_delta_step max_depth max_leaves min_child_weight
    min_split_loss monotone_constraints num_parallel_tree reg_alpha reg_lambda sampling_method scale_pos_weight
    subsample
"""
_LIGHTGBM = """
    bagging_fraction bagging_freq bin_construct_sample_cnt boost_from_average boosting data_sample_strategy
    device_type drop_rate enable_bundle extra_trees feature_fraction feature_fraction_bynode force_col_wise
    force_row_wise gpu_device_id gpu_platform_id gpu_use_dp histogram_pool_size interaction_constraints lambda_l1
    lambda_l2 learning_rate max_bin max_delta_step max_depth max_drop min_data_in_bin
    min_data_in_leaf min_gain_to_split min_sum_hessian_in_leaf monotone_constraints monotone_penalty
    neg_bagging_fraction num_leaves other_rate path_smooth pos_bagging_fraction scale_pos_weight sigmoid skip_drop
    top_rate uniform_drop xgboost_dart_mode
"""
_EXTRA_TREES = """
    bootstrap criterion max_depth max_features max_leaf_nodes max_samples min_impurity_decrease min_samples_leaf
    min_samples_split min_weight_fraction_leaf scale_pos_weight
"""
_KERNEL = "binary_scale gamma max_rows penalty scale_pos_weight"
_PARAMS: Mapping[str, frozenset[str]] = {
    "xgboost": frozenset(_XGBOOST.split()),
    "lightgbm": frozenset(_LIGHTGBM.split()),
    "extra-trees": frozenset(_EXTRA_TREES.split()),
    "kernel": frozenset(_KERNEL.split()),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BoosterConfig:
    """How boosters of one kind are trained; everything is checked on making one.

    Args:
        name: of the model, in files and in the column `model` of scores: letters, digits, `.`, `_` and `-`.
        library: "xgboost", "lightgbm", "extra-trees" (scikit-learn's, scored by our own code) or "kernel" (our own).
        params: the library's own parameters, by its own names (see `kernel_machine`); text, numbers or booleans.
        rounds: trees at most, at least 1; of a kernel model, Newton steps at most, of which 20 are enough.
        early_stopping_rounds: of boosters alone: stop when the validation rows' pAUC has not risen for so many
            rounds, and keep the best; the validation scores are then a little too good. None: never.
        seeds: one booster each per fold; their log-odds are averaged.
        device: "cpu", or for boosters "gpu" (XGBoost's `cuda`; LightGBM's `gpu` unless `params` sets `device_type`).
        threads: of each booster, at least 1; part of what fixes its bits.
        negatives_per_positive: how many negatives are drawn per positive, without repetition, anew for every seed and
            fold; above 0. None: all.
        least_positive_ratio: positives per negative, in (0, 1], up to which positives are repeated before the
            negatives are drawn; 0.003 with `negatives_per_positive=100` is a recipe of several solutions. None: once.
        soft_labels: whether indeterminate lesions train as label 1 of weight 0.5 (else as benign).
        hospital_features: "with" what is derived from the hospital, "without" it, or "blanked": with it, and every
            training row a second time with it missing, both at half weight, for one model that knows either case.
        feature_noise: a pattern of feature names (`*` and `?` as in a shell) -> standard deviation, in the feature's
            own unit, of Gaussian noise added in training alone; against too much trust in out-of-fold scores.

    Raises:
        ValueError: if a value is out of its range or a parameter is unknown to the library; it names the field.
    """

    name: str
    library: Library
    params: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    rounds: int
    early_stopping_rounds: int | None = None
    seeds: tuple[int, ...] = (42,)
    device: Literal["cpu", "gpu"] = "cpu"
    threads: int = 1
    negatives_per_positive: float | None = None
    least_positive_ratio: float | None = None
    soft_labels: bool = True
    hospital_features: HospitalFeatures = "with"
    feature_noise: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every field, and take copies of what could be changed from outside."""
        check_name(self.name)
        _one_of("library", self.library, get_args(Library))
        _one_of("device", self.device, ("cpu", "gpu"))
        _one_of("hospital_features", self.hospital_features, ("with", "without", "blanked"))
        check_whole("rounds", self.rounds, at_least=1)
        check_whole("threads", self.threads, at_least=1)
        if self.early_stopping_rounds is not None:
            check_whole("early_stopping_rounds", self.early_stopping_rounds, at_least=1)
        if self.negatives_per_positive is not None and not _number(self.negatives_per_positive) > 0:
            refuse("negatives_per_positive", "a number above 0", self.negatives_per_positive)
        if self.least_positive_ratio is not None and not 0 < _number(self.least_positive_ratio) <= 1:
            refuse("least_positive_ratio", "a number in (0, 1]", self.least_positive_ratio)
        _one_of("soft_labels", self.soft_labels, (True, False))
        object.__setattr__(self, "seeds", checked_seeds(self.seeds))
        object.__setattr__(self, "params", _params(self.library, self.params))
        object.__setattr__(self, "feature_noise", _noise(self.feature_noise))
        if self.library in ARRAY_LIBRARIES and self.early_stopping_rounds is not None:
            refuse("early_stopping_rounds", f"none for {self.library}", self.early_stopping_rounds)
        if self.library in ARRAY_LIBRARIES and self.device == "gpu":
            refuse("device", f"'cpu' for {self.library}", self.device)
        if "device_type" in self.params and self.device == "cpu":
            refuse("params.device_type", "device = 'gpu' beside it", self.params["device_type"])

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as JSON has it; `from_json` makes an equal one of it."""
        document = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        kept = {"seeds": list(self.seeds), "params": dict(self.params), "feature_noise": dict(self.feature_noise)}
        return {**document, **kept}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> BoosterConfig:
        """Return the configuration that a JSON or TOML document describes; what it leaves out is the default.

        Raises:
            ValueError: if a field is unknown, missing or out of its range; it names the field.
        """
        known = [entry.name for entry in dataclasses.fields(cls)]
        for name in document:
            if name not in known:
                raise ValueError(f"no field is called {name!r}{_nearest(name, known)}")
        for name in ("name", "library", "rounds"):
            if name not in document:
                raise ValueError(f"expected {name}, got no such field")
        return cls(**document)


def _params(library: str, params: Any) -> dict[str, bool | int | float | str]:
    if not isinstance(params, Mapping):
        refuse("params", "names and values", params)
    for name, value in params.items():
        if name not in _PARAMS[library]:
            nearest = _nearest(str(name), sorted(_PARAMS[library]))
            raise ValueError(f"expected params of {library}, got {name!r}{nearest}")
        if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
            refuse(f"params.{name}", "text, a finite number, true or false", value)
    return dict(params)


def _noise(noise: Any) -> dict[str, float]:
    if not isinstance(noise, Mapping):
        refuse("feature_noise", "patterns and standard deviations", noise)
    for pattern, deviation in noise.items():
        if not isinstance(pattern, str) or not pattern or not _number(deviation) >= 0:
            refuse(f"feature_noise.{pattern}", "a number of at least 0", deviation)
    return {pattern: float(deviation) for pattern, deviation in noise.items()}


def _number(value: Any) -> float:
    """Return a finite number as it is, NaN for anything else: NaN fails every comparison."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)


def _one_of(name: str, value: Any, choices: tuple[object, ...]) -> None:
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        refuse(name, " or ".join(repr(choice) for choice in choices), value)


def _nearest(name: str, among: list[str]) -> str:
    found = difflib.get_close_matches(name, among, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
