"""Features in the order of a matrix's columns, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from furikaeri_common.documents import fingerprint
from isic_lesion.features.feature import Feature

__all__ = ["FeatureSet"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSet:
    """Features in the order of a matrix's columns.

    Args:
        name: of the set.
        features: with distinct names.

    Raises:
        ValueError: on a repeated name.
    """

    name: str
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for feature in self.features:
            if feature.name in seen:
                raise ValueError(f"expected distinct names, got {feature.name!r} twice")
            seen.add(feature.name)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def columns(self) -> frozenset[str]:
        """All raw columns that any feature depends on."""
        return frozenset[str]().union(*(feature.columns for feature in self.features))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its canonical JSON."""
        return fingerprint(self.as_document())

    def select(self, names: Iterable[str], *, name: str | None = None) -> FeatureSet:
        """Return the named features, in the order of the names.

        Raises:
            ValueError: if one is not in the set.
        """
        known = {feature.name: feature for feature in self.features}
        chosen = tuple(names)
        for one in chosen:
            if one not in known:
                raise ValueError(f"expected names of the set {self.name!r}, got {one!r}")
        return FeatureSet(name=name or self.name, features=tuple(known[one] for one in chosen))

    def without_columns(self, *columns: str) -> FeatureSet:
        """Return the features that depend on none of some raw columns, such as "attribution"."""
        kept = tuple(feature for feature in self.features if not feature.columns & set(columns))
        return FeatureSet(name=f"{self.name}-without-{'-'.join(columns)}", features=kept)

    def joined(self, other: FeatureSet, *, name: str | None = None) -> FeatureSet:
        """Return this set followed by what another adds to it; of two equal features one stays.

        Raises:
            ValueError: if one name means two features.
        """
        own = set(self.features)
        added = tuple(feature for feature in other.features if feature not in own)
        return FeatureSet(name=name or f"{self.name}+{other.name}", features=(*self.features, *added))

    def as_document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"name": self.name, "features": [feature.as_document() for feature in self.features]}

    @classmethod
    def from_document(cls, document: Any) -> FeatureSet:
        """Return the set that a JSON object describes.

        Raises:
            ValueError: if it describes none; the message names the feature.
        """
        whole = isinstance(document, dict) and set(document) == {"name", "features"}
        if not whole or not isinstance(document["name"], str) or not isinstance(document["features"], list):
            raise ValueError('expected an object {"name": text, "features": [...]}')
        return cls(name=document["name"], features=tuple(Feature.from_document(one) for one in document["features"]))
