"""Which words of a long list the game takes for a guess: a look-up among sorted hashes of their normal forms.

`words.names_match(a, b)` holds exactly when the normal form of a is among `spellings(b)`, which are at most five. So a
guess needs at most five look-ups, however long the list is. Normal forms are computed over one text of all words, a
word a line: each step of `words.normalise` acts on characters or on "the", which no line break is part of, so the lines
of the result are the normal forms of the words. A hash can be that of another form as well, so what it points to is
compared with the form itself.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twenty_questions.words import normalise, spellings

__all__ = ["WordForms", "lower_case", "normal_forms"]


@dataclass(frozen=True, slots=True, eq=False)
class WordForms:
    """The normal forms of some words, ready for look-ups.

    It holds 12 bytes a word beside the words, and takes about half a microsecond a word to build.

    Attributes:
        words: any texts, in any order; repeats are allowed.
    """

    words: Sequence[str]
    _hashes: NDArray[np.int64] = field(init=False, repr=False)
    _positions: NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Python salts its hashes in each process; what is found does not depend on them.
        hashes = np.fromiter(map(hash, normal_forms(self.words)), dtype=np.int64, count=len(self.words))
        order = np.argsort(hashes, kind="stable")
        object.__setattr__(self, "_hashes", hashes[order])
        object.__setattr__(self, "_positions", order.astype(np.int32))

    def positions(self, guess: str) -> NDArray[np.int64]:
        """Return the positions of all words that the game takes for the guess, in ascending order."""
        return self.of_forms(spellings(guess))

    def of_forms(self, forms: Iterable[str]) -> NDArray[np.int64]:
        """Return the positions of all words whose normal form is one of these, in ascending order."""
        wanted = set(forms)
        hashes = np.array([hash(form) for form in wanted], dtype=np.int64)
        first = np.searchsorted(self._hashes, hashes, side="left")
        after = np.searchsorted(self._hashes, hashes, side="right")
        near = (int(self._positions[at]) for low, high in zip(first, after, strict=True) for at in range(low, high))
        return np.array(sorted({at for at in near if normalise(self.words[at]) in wanted}), dtype=np.int64)


def normal_forms(words: Sequence[str]) -> list[str]:
    """Return `words.normalise` of each word."""
    text = "\n".join(words).lower().replace("the", "")
    if text.count("\n") != max(0, len(words) - 1):  # A word holds a line break itself.
        return [normalise(word) for word in words]
    for character in " " + string.punctuation:
        text = text.replace(character, "")
    return text.split("\n") if words else []


def lower_case(words: Sequence[str]) -> list[str]:
    """Return each word in lower case, as `str.lower` does it."""
    text = "\n".join(words).lower()
    if text.count("\n") != max(0, len(words) - 1):
        return [word.lower() for word in words]
    return text.split("\n") if words else []
