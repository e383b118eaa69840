"""How a vocabulary spells a name: lower case, single spaces, and no punctuation but - ' . & and %."""

from __future__ import annotations

import re

__all__ = ["spelled"]

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2010": "-", "\u2011": "-", "\u2013": "-"})
_OTHER = re.compile(r"[^\w'.&%-]|_")
_LOOSE = re.compile(r"(?<!\S)[-'.&%]+(?!\S)")


def spelled(name: str) -> str:
    """Return the vocabulary's spelling of a name; "" if nothing is left.

    Whatever else stands between words becomes a space: "and/or_gate" is "and or gate". Accents stay.
    """
    plain = _OTHER.sub(" ", name.lower().translate(_APOSTROPHES))
    return " ".join(_LOOSE.sub(" ", plain).split())
