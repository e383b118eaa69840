"""What a stack is: models, their weights, and how good they were on lesions they had not seen.

A stack has two blends, for lesions of hospitals that the models were trained on and for those of others, since models
that know a hospital by its name are of use for the former only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from isic_lesion.stack.blending import Objective
from isic_lesion.stack.ranks import Reference

__all__ = ["Blend", "Estimate", "Line", "Stack", "StackConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StackConfig:
    """How a stack is made.

    Args:
        known_models: patterns (`*`, `?`) of the models that may score lesions of known hospitals; empty: all.
        unknown_models: the same for lesions of other hospitals.
        weights: "chosen" on the held-out scores, or "equal": on some hundred lesions chosen ones fit chance.
        objective: what weights are chosen by, "pooled" or "mean" (see `blending.choose_weights`).
        rank_within: held-out scores are ranked with "all" others of the model, or within their "fold".
        trials: how many weights are tried at most for each choice.
        least_weight: smaller ones become 0.
        nested: also choose weights without each fold in turn, for the nested estimate; takes as long once per fold.
        seed: of the search.
    """

    known_models: tuple[str, ...] = ()
    unknown_models: tuple[str, ...] = ()
    weights: Literal["chosen", "equal"] = "chosen"
    objective: Objective = "pooled"
    rank_within: Literal["all", "fold"] = "all"
    trials: int = 200
    least_weight: float = 0.02
    nested: bool = True
    seed: int = 42

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"expected trials of at least 1, got {self.trials}")
        if self.seed < 0:
            raise ValueError(f"expected seed of at least 0, got {self.seed}")
        if not 0 <= self.least_weight < 1:
            raise ValueError(f"expected least_weight in [0, 1), got {self.least_weight}")
        for name, value, possible in (
            ("weights", self.weights, ("chosen", "equal")),
            ("objective", self.objective, ("pooled", "mean")),
            ("rank_within", self.rank_within, ("all", "fold")),
        ):
            if value not in possible:
                raise ValueError(f"expected {name} of {possible}, got {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """How good held-out scores are, as partial AUC above 80 % TPR, in [0, 0.2].

    Args:
        pooled: of all rows together.
        per_fold: of each fold; None where it lacks a class.
    """

    pooled: float
    per_fold: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """The mean over the folds that have both classes."""
        values = [value for value in self.per_fold if value is not None]
        return float(np.mean(values)) if values else None

    @property
    def spread(self) -> float | None:
        """The standard deviation over these folds (n - 1); None for fewer than two."""
        values = [value for value in self.per_fold if value is not None]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row of a stack's table: a model by itself, their equal mean, or the stack.

    Args:
        name: the model, "equal weights", "stack" (weights chosen on the very rows it is judged on) or "stack, nested".
        weight: of a model in the stack; None for the others.
        estimate: how good its scores are.
    """

    name: str
    weight: float | None
    estimate: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend:
    """Weights of models, and what is known of them.

    Args:
        models: their names.
        weights: as many, at least 0, summing to 1.
        fold_weights: for each fold, weights chosen on the other folds; empty if none were.
        lines: the table.
        lesions: rows that the weights were chosen on: those that all models have scored.
        malignant: how many of them are malignant.
        left_out: rows that some of the models have not scored.
        references: how each model's held-out scores are distributed.
        reference: how the weighted mean of their places is.
    """

    models: tuple[str, ...]
    weights: tuple[float, ...]
    fold_weights: tuple[tuple[float, ...], ...]
    lines: tuple[Line, ...]
    lesions: int
    malignant: int
    left_out: int
    references: tuple[Reference, ...]
    reference: Reference

    def __post_init__(self) -> None:
        if not len(self.models) == len(self.weights) == len(self.references) or not self.models:
            raise ValueError(f"expected a weight and a reference for each of {len(self.models)} models")
        for weights in (self.weights, *self.fold_weights):
            fits = len(weights) == len(self.models) and all(weight >= 0 for weight in weights)
            if not fits or abs(sum(weights) - 1) > 1e-6:
                raise ValueError(f"expected {len(self.models)} weights of at least 0 that sum to 1, got {weights}")

    def estimate_of(self, name: str) -> Estimate | None:
        """Return the estimate of a line of the table; None if there is no such line."""
        return next((line.estimate for line in self.lines if line.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Two blends: for lesions of known hospitals, and of unknown ones.

    Args:
        known: None if no held-out row was of a known hospital.
        unknown: None if none was of an unknown one.
        config: how it was made.
        scheme: of the folds.
        folds: their fingerprint.
    """

    known: Blend | None
    unknown: Blend | None
    config: StackConfig
    scheme: Literal["patients", "hospitals"]
    folds: str

    @property
    def models(self) -> tuple[str, ...]:
        """The models that count for any lesion, sorted: those whose scores are needed to apply it."""
        return tuple(sorted({*self.weights_known, *self.weights_unknown}))

    @property
    def weights_known(self) -> dict[str, float]:
        """The models that count for lesions of known hospitals, and how much."""
        return _counting(self.known)

    @property
    def weights_unknown(self) -> dict[str, float]:
        """The same for lesions of other hospitals."""
        return _counting(self.unknown)


def _counting(blend: Blend | None) -> dict[str, float]:
    if blend is None:
        return {}
    return {model: weight for model, weight in zip(blend.models, blend.weights, strict=True) if weight > 0}
