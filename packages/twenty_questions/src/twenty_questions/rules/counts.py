"""Numbers in words: "more than five", "6 or more", "between 4 and 6", "twice"."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["COUNT", "Count", "read_count"]

_SMALL = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
]
_NUMBER = rf"(?:\d{{1,6}}|{'|'.join(_SMALL)})"

_COMPARISONS = {
    "above": ("more than", "over", "greater than", "above", "longer than", "larger than", "exceeding", "higher than"),
    "below": ("fewer than", "less than", "under", "below", "smaller than", "shorter than", "lower than"),
    "least": (
        "greater than or equal to", "more than or equal to", "at least", "no fewer than", "no less than",
        "not fewer than", "not less than", "a minimum of",
    ),
    "most": (
        "less than or equal to", "at most", "no more than", "not more than", "no longer than", "up to", "a maximum of",
    ),
    "exact": ("exactly", "precisely", "only", "just", "equal to", "a total of exactly"),
    "bare": ("a total of", "a"),
}  # fmt: skip
_MEANING = {phrase: kind for kind, phrases in _COMPARISONS.items() for phrase in phrases}
_PHRASES = "|".join(sorted(_MEANING, key=len, reverse=True))
_AT_LEAST = r"(?:or more|or longer|or greater|or above|plus|\+|and up)"
_AT_MOST = r"(?:or fewer|or less|or shorter|or under|or below)"

COUNT = (
    rf"(?P<many>multiple|several|many|a single|a couple of)"
    rf"|(?:between|from) (?P<low>{_NUMBER})(?: \w+)? (?:and|to) (?P<high>{_NUMBER})"
    rf"|(?P<from>{_NUMBER}) ?(?:-|to|or) ?(?P<to>{_NUMBER})"
    rf"|(?:(?P<compare>{_PHRASES}) )?(?P<number>{_NUMBER})(?: ?(?P<tail>{_AT_LEAST}|{_AT_MOST}))?"
)
"""A count; its groups are what `read_count` reads. Put it in a group of its own, once in a pattern."""


class Count(NamedTuple):
    """A range of whole numbers, both ends in it.

    Attributes:
        low: the least number that fits.
        high: the greatest, or None for no bound.
        bare: a plain number, of which it is open whether more also fits ("it has two wheels").
    """

    low: int
    high: int | None
    bare: bool = False

    def fits(self, number: int) -> bool:
        """Return whether a number lies in the range."""
        return self.low <= number and (self.high is None or number <= self.high)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _SMALL.index(text.lower())


def read_count(match: re.Match[str], late_tail: str = "") -> Count:
    """Return the range that a match of `COUNT` names.

    Args:
        match: of a pattern that holds `COUNT`.
        late_tail: "or more" and the like when it stands behind the unit.
    """
    groups = match.groupdict()
    if groups["many"]:
        return Count(1, 1) if groups["many"].lower() == "a single" else Count(2, None)
    for low, high in (("low", "high"), ("from", "to")):
        if groups[low]:
            return Count(_number(groups[low]), _number(groups[high]))
    number = _number(groups["number"])
    tail = (groups["tail"] or late_tail or "").lower()
    kind = _MEANING[groups["compare"].lower()] if groups["compare"] else "bare"
    if kind == "bare" and tail:
        kind = "least" if re.fullmatch(_AT_LEAST, tail) else "most"
    match kind:
        case "above":
            return Count(number + 1, None)
        case "below":
            return Count(0, number - 1)
        case "least":
            return Count(number, None)
        case "most":
            return Count(0, number)
    return Count(number, number, bare=kind == "bare")
