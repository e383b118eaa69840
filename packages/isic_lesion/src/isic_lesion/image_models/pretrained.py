"""Weights that a backbone begins with: whether they fit, and under which names.

What is missing or left over is refused: a backbone that begins half random trains without a word and scores badly. The
classifier alone does not count, for it is not used.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.image_models.weight_names import is_efficientnet_pytorch, timm_names

__all__ = ["load_weights"]

_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained")
_NAMED = 3  # arrays of each kind, in a message


class _Misfit(NamedTuple):
    """How arrays differ from those of a network, by name; shapes as (given, expected)."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def number(self) -> int:
        """How many arrays differ."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)


def load_weights(module: Any, state: Mapping[str, Any], *, name: str, classifiers: Sequence[str], path: Path) -> None:
    """Put weights in a backbone, whole or not at all.

    Arrays may have timm's names, those of EfficientNet-PyTorch, or any that timm itself translates for this
    architecture; it also resamples position embeddings that were made for pictures of another size.

    Args:
        module: of timm, without classifier.
        state: name -> tensor.
        name: of the backbone, for messages.
        classifiers: timm's names of the layers that tell the classes; what they hold is passed over.
        path: of the weights, for messages.

    Raises:
        InputError: if they are another architecture's; the message names some of what differs.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    closest: _Misfit | None = None
    for candidate in _readings(module, state):
        own = {key: tensor for key, tensor in candidate.items() if not _is_of(key, classifiers)}
        misfit = _compare(own, expected)
        if misfit.number == 0:
            module.load_state_dict(own, strict=False)  # but for counters of batches, which may be missing
            return
        if closest is None or misfit.number < closest.number:
            closest = misfit
    assert closest is not None
    raise InputError(
        f"{path}: not the weights of {name}: {_told(closest, len(expected))}",
        fix="Choose the backbone that they belong to, or other --weights",
    )


def _readings(module: Any, state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the state as it is, and as it may be meant; each only if the one before does not fit."""
    yield state
    if is_efficientnet_pytorch(state) and hasattr(module, "blocks"):
        names = timm_names(state, [len(stage) for stage in module.blocks])
        yield {names[key]: tensor for key, tensor in state.items()}
    translate = next((found for of in _FILTERS if (found := getattr(_home(module), of, None))), None)
    if translate is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of how timm resamples
                translated = translate(dict(state), module)
        except Exception:  # it takes the state for another architecture's
            return
        if isinstance(translated, dict):
            yield translated


def _home(module: Any) -> Any:
    return sys.modules[type(module).__module__]


def _is_of(key: str, classifiers: Iterable[str]) -> bool:
    return any(key.startswith(f"{classifier}.") for classifier in classifiers)


def _compare(state: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> _Misfit:
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    return _Misfit(
        tuple(key for key in expected if key not in shapes and not key.endswith("num_batches_tracked")),
        tuple(key for key in shapes if key not in expected),
        {key: (shapes[key], shape) for key, shape in expected.items() if shapes.get(key, shape) != shape},
    )


def _told(misfit: _Misfit, number: int) -> str:
    reshaped = [
        f"{key} {list(given)} instead of {list(expected)}" for key, (given, expected) in misfit.reshaped.items()
    ]
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:_NAMED])}{', ...' * (len(keys) > _NAMED)})"
        for keys, what in (
            (misfit.missing, f"of its {number} arrays are missing"),
            (misfit.unexpected, "are not its own"),
            (reshaped, "have another shape"),
        )
        if keys
    ]
    return ", ".join(parts)
