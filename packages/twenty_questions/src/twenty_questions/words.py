"""What counts as naming a keyword: the game's own matching rule.

The rule is the contest engine's: lower case; "the" (anywhere), spaces and ASCII punctuation removed; then equal, or
equal up to one trailing "s" or "es". Names shorter than three characters must be equal.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Keyword", "find", "matches", "names_match", "normalise", "spellings"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Keyword:
    """A thing that can be the secret.

    Attributes:
        name: what the thing is called; spelling questions are about this name alone.
        alts: other names that also win as a guess.
    """

    name: str
    alts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("expected a keyword's name to hold a visible character, got an empty name")

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the alts."""
        return (self.name, *self.alts)


def normalise(text: str) -> str:
    """Return the form in which the game compares names.

    "the" goes wherever it stands ("bathe" becomes "ba"), as in the engine.
    """
    return text.lower().replace("the", "").replace(" ", "").translate(_PUNCTUATION)


def _normal_forms_match(a: str, b: str) -> bool:
    if a == b:
        return True
    if len(a) < 3 or len(b) < 3:
        return False
    return any(a == b + ending or b == a + ending for ending in ("s", "es"))


def names_match(a: str, b: str) -> bool:
    """Return whether the game takes two names for the same.

    Symmetric but not transitive: "cars" matches both "car" and "carss", which do not match each other.
    """
    return _normal_forms_match(normalise(a), normalise(b))


def matches(guess: str, keyword: Keyword) -> bool:
    """Return whether a guess names the keyword by its name or one of its alts."""
    return any(names_match(guess, name) for name in keyword.names)


def spellings(name: str) -> tuple[str, ...]:
    """Return every normal form that the game takes for `name`, so that matching becomes a look-up.

    `names_match(a, b)` holds exactly when `normalise(a)` is among `spellings(b)`.
    """
    form = normalise(name)
    forms = [form]
    for ending in ("s", "es"):
        if len(form) >= 3:
            forms.append(form + ending)
        if form.endswith(ending) and len(form) - len(ending) >= 3:
            forms.append(form[: -len(ending)])
    return tuple(forms)


def find(name: str, keywords: Iterable[Keyword]) -> list[int]:
    """Return the positions of all keywords that `name` would win against, in order."""
    form = normalise(name)
    return [
        position
        for position, keyword in enumerate(keywords)
        if any(_normal_forms_match(form, normalise(known)) for known in keyword.names)
    ]
