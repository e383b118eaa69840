"""What a network is made to tell of a picture: the target, and beside it what is known of the lesion anyway.

A head is a linear layer on the backbone's features. The auxiliary ones are there to teach the backbone, and are not
looked at when lesions are scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from isic_lesion.data.schema import HOSPITALS, column

if TYPE_CHECKING:
    from isic_lesion.image_models.config import ImageConfig

__all__ = ["CATEGORIES", "KINDS", "TARGET", "Head", "Kind", "heads_of"]

Kind = Literal["binary", "number", "category"]

TARGET = "target"
"""The name of the head that lesions are scored by."""

KINDS: Mapping[str, Kind] = {
    TARGET: "binary",
    "lesion_id": "binary",
    "past": "binary",
    "age": "number",
    "sex": "binary",
    "site": "category",
    "location": "category",
    "hospital": "category",
    "tile": "binary",
    "size": "number",
    "diagnosis": "category",
}
"""What a head tells: the log-odds of a fact, a number in standard deviations from its mean, or a category's logits."""

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "site": column("anatom_site_general").categories,
    "location": tuple(name for name in column("tbp_lv_location_simple").categories if name != "Unknown"),
    "hospital": HOSPITALS,
    "diagnosis": column("iddx_1").categories,
}
"""The classes of the heads that tell a category, in the order of their outputs; other values count as unknown."""


class Head(NamedTuple):
    """One linear layer on the backbone's features.

    Attributes:
        name: "target", or one of `config.AUXILIARY`.
        kind: "binary", "number" or "category".
        width: of its output: 1, or the number of categories.
        weight: of its loss, at least 0.
    """

    name: str
    kind: Kind
    width: int
    weight: float


def heads_of(config: ImageConfig) -> tuple[Head, ...]:
    """Return the heads of a configuration: the target's with weight 1, then the auxiliary ones in the order given."""
    weights = {TARGET: 1.0, **config.auxiliary}
    widths = {name: len(CATEGORIES[name]) if name in CATEGORIES else 1 for name in weights}
    return tuple(Head(name, KINDS[name], widths[name], weight) for name, weight in weights.items())
