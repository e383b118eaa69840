"""How an image model is trained: one immutable value, which files, recipes and options are turned into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from isic_lesion.setting_checks import check_name, check_whole, checked_seeds, refuse

__all__ = ["AUXILIARY", "Augmentation", "ImageConfig", "Optimiser", "Precision", "Schedule", "Views"]

Optimiser = Literal["adamw", "adam"]
Schedule = Literal["cosine", "constant"]
Augmentation = Literal["none", "flips", "lesion", "strong"]
Views = Literal["one", "flips", "dihedral"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

AUXILIARY = ("lesion_id", "past", "age", "sex", "site", "location", "hospital", "tile", "size", "diagnosis")
"""What else a network can be made to tell of a picture; see `objectives`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """How the networks of one image model are trained; everything is checked on making one.

    Args:
        name: of the model, in files and in the column `model` of scores: letters, digits, `.`, `_` and `-`.
        backbone: a model of timm, such as "convnext_small.fb_in22k_ft_in1k".
        weights: to begin with: "none" (random ones), "hub" (timm's own for that name, from the hub's cache), a local
            file (.safetensors, .pth, .bin), or the id of a hub model in the cache, such as "timm/resnet18.a1_in1k".
        size: side of the square picture that the network sees, in pixels; None: the backbone's own.
        auxiliary: heads beside the target's, from `AUXILIARY`, each with the weight of its loss, at least 0.
        soft_labels: whether indeterminate lesions train as label 1 of weight 0.5 (else as benign).
        negatives_per_positive: how many benign rows are drawn for each malignant one, anew in every epoch and without
            repetition, above 0; None: all rows in every epoch.
        bagging: whether the malignant rows of an epoch are drawn with repetition, as many as there are.
        positive_repeats: how often each malignant row comes in an epoch, at least 1, each time augmented anew.
        epochs: at least 1.
        early_stopping: stop when the held-out rows' pAUC has not risen for so many epochs and keep the best; their
            scores are then a little too good. None: never.
        batch: pictures of a step, at least 1.
        pieces: into how many parts a step is cut, at most `batch`, and at most half of it for a backbone with batch
            norms. They are computed one after the other, or side by side where several processes train one network;
            which of both does not change what is learnt.
        optimiser: Adam with decoupled weight decay ("adamw") or without any decay ("adam").
        lr_head: learning rate of the heads, above 0, at its highest.
        lr_backbone: of the backbone, at least 0; 0 leaves it as it began, and its batch statistics too.
        weight_decay: at least 0; of matrices and kernels alone.
        schedule: of both rates after the warm-up: down to 0 as a cosine, or constant.
        warmup: the share of all steps in which the rates rise from 0, in [0, 1).
        clip: the largest norm of a step's gradient; None: any.
        ema: decay of the moving average of weights that is scored with, in (0, 1); its first steps follow sooner. None:
            the last weights themselves.
        dropout: before the heads, in [0, 1).
        drop_path: the rate of skipped residual branches in the backbone, in [0, 1).
        augmentation: what is done to training pictures; see `augmentation`.
        views: of a picture when it is scored: itself, with its 3 mirror images, or with all 8 turned and mirrored ones;
            their log-odds are averaged.
        precision: of the network's arithmetic; "auto": float32 on a processor, else what the device is fast in.
        seeds: one network each per fold; their log-odds are averaged.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of arithmetic on a processor, at least 1; part of what fixes the bits there.
        checkpoint_steps: after how many steps the state of training is kept, at least 1; a kill loses no more.

    Raises:
        ValueError: if a value is out of its range; it names the field.
    """

    name: str
    backbone: str
    weights: str = "hub"
    size: int | None = None
    auxiliary: Mapping[str, float] = field(default_factory=dict)
    soft_labels: bool = False
    negatives_per_positive: float | None = 1.0
    bagging: bool = False
    positive_repeats: int = 1
    epochs: int = 10
    early_stopping: int | None = None
    batch: int = 16
    pieces: int = 1
    optimiser: Optimiser = "adamw"
    lr_head: float = 1e-3
    lr_backbone: float = 1e-4
    weight_decay: float = 1e-2
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    clip: float | None = 1.0
    ema: float | None = None
    dropout: float = 0.0
    drop_path: float = 0.0
    augmentation: Augmentation = "lesion"
    views: Views = "flips"
    precision: Precision = "auto"
    seeds: tuple[int, ...] = (42,)
    device: str = "auto"
    threads: int = 1
    checkpoint_steps: int = 200

    def __post_init__(self) -> None:
        """Check every field, and take copies of what could be changed from outside."""
        check_name(self.name)
        for name in ("backbone", "weights", "device"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                refuse(name, "a text", value)
        for name, kind in (
            ("optimiser", Optimiser),
            ("schedule", Schedule),
            ("augmentation", Augmentation),
            ("views", Views),
            ("precision", Precision),
        ):
            if getattr(self, name) not in get_args(kind):
                refuse(name, " or ".join(map(repr, get_args(kind))), getattr(self, name))
        for name in ("positive_repeats", "epochs", "batch", "pieces", "threads", "checkpoint_steps"):
            check_whole(name, getattr(self, name), at_least=1)
        if self.size is not None:
            check_whole("size", self.size, at_least=16)
        if self.early_stopping is not None:
            check_whole("early_stopping", self.early_stopping, at_least=1)
        if self.pieces > self.batch:
            refuse("pieces", f"at most batch ({self.batch})", self.pieces)
        if self.negatives_per_positive is not None:
            _between("negatives_per_positive", self.negatives_per_positive, 0, math.inf, open_low=True)
        _between("lr_head", self.lr_head, 0, math.inf, open_low=True)
        _between("lr_backbone", self.lr_backbone, 0, math.inf)
        _between("weight_decay", self.weight_decay, 0, math.inf)
        for name in ("warmup", "dropout", "drop_path"):
            _between(name, getattr(self, name), 0, 1, open_high=True)
        if self.clip is not None:
            _between("clip", self.clip, 0, math.inf, open_low=True)
        if self.ema is not None:
            _between("ema", self.ema, 0, 1, open_low=True, open_high=True)
        for name in ("soft_labels", "bagging"):
            if not isinstance(getattr(self, name), bool):
                refuse(name, "true or false", getattr(self, name))
        object.__setattr__(self, "auxiliary", _auxiliary(self.auxiliary))
        object.__setattr__(self, "seeds", checked_seeds(self.seeds))

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as JSON has it; `config_from` makes an equal one of it."""
        document = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**document, "auxiliary": dict(self.auxiliary), "seeds": list(self.seeds)}


def _auxiliary(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        refuse("auxiliary", "names and weights", weights)
    for name, weight in weights.items():
        if name not in AUXILIARY:
            refuse("auxiliary", f"some of {', '.join(AUXILIARY)}", name)
        _between(f"auxiliary.{name}", weight, 0, math.inf)
    return {name: float(weight) for name, weight in weights.items()}


def _between(
    name: str, value: Any, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> None:
    is_number = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    if not is_number or value < low or value > high or (open_low and value == low) or (open_high and value == high):
        above = f"a number {'above' if open_low else 'of at least'} {low}"
        below = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high}"
        refuse(name, above + below, value)
