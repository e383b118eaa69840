"""What is known of a name, as numbers that a prior can weigh.

A continuous fact enters as a broken line: itself, and what it exceeds some knots by, so that its effect may bend and
level off. A fact that is not known of a name counts 0 and has an indicator of its own.

Two facts would flatter the known keywords, from which a prior is learned. Kinship tells how many of them share a name's
head ("lamp" of "desk lamp") or its modifier: a known keyword does not count for itself. And lists that were written in
sight of known keywords hold these more often than new ones, or less: such a list counts only for a name that no other
list has, as one list of the next lower tier, and for a keyword that its writer had in sight not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Features", "features_of", "kinship"]

_LEXNAMES = (
    "artifact",
    "food",
    "plant",
    "animal",
    "object",
    "substance",
    "body",
    "phenomenon",
    "group",
    "person",
    "location",
    "act",
    "communication",
)
_ZIPF_KNOTS = (2.5, 3.5, 4.5)
_CONCRETENESS_KNOTS = (3.5, 4.5)
_LAST_TIER = 3


class Features(NamedTuple):
    """Numbers by name.

    Attributes:
        columns: what each column says, F of them.
        values: float32, shape (N, F), finite.
    """

    columns: tuple[str, ...]
    values: NDArray[np.float32]


def features_of(frame: pl.DataFrame, known: NDArray[np.intp], in_sight: NDArray[np.intp] | None = None) -> Features:
    """Return the features of candidates.

    Args:
        frame: the candidates (see `vocabulary.candidates`), N rows.
        known: rows of the keywords that a prior is learned from.
        in_sight: rows of the keywords that the writers of some lists had in sight: all of these, where a prior is
            learned from some of them and judged on the others; None: `known`.
    """
    columns: list[str] = []
    values: list[NDArray[np.float32]] = []

    def add(name: str, column: NDArray[np.generic]) -> None:
        columns.append(name)
        values.append(column.astype(np.float32))

    def number(name: str) -> NDArray[np.float64]:
        return np.asarray(frame[name].cast(float).fill_null(float("nan")).to_numpy())

    def line(name: str, x: NDArray[np.float64], knots: Sequence[float]) -> None:
        is_known = np.isfinite(x)
        add(f"{name}_known", is_known)
        add(name, np.where(is_known, x - knots[0], 0.0))
        for knot in knots:
            add(f"{name}_above_{knot:g}", np.where(is_known, np.maximum(x - knot, 0.0), 0.0))

    words, letters = number("words"), number("letters")
    tier, groups, files = _written(frame, known if in_sight is None else in_sight)
    add("two_words", words == 2)
    add("three_words", words >= 3)
    line("letters", letters, (6, 12, 18))
    for level in (1, 2, 3):
        add(f"written_tier_{level}", tier == level)
        add(f"written_tier_{level}_two_words", (tier == level) & (words == 2))
    for count in (2, 3, 4):
        add(f"written_by_{count}", groups >= count)
    add("written_files", np.log1p(files))
    builtin = number("in_builtin")
    add("in_builtin", builtin > 0)
    add("builtin_prior", np.where(builtin > 0, np.log(np.maximum(builtin, 1e-9)), 0.0))
    for name in ("wordnet_physical", "wordnet_any"):
        add(name, number(name) > 0)
        add(f"{name}_two_words", (number(name) > 0) & (words >= 2))
    lexname = frame["wordnet_lexname"].fill_null("").to_numpy()
    for one in _LEXNAMES:
        add(f"wordnet_{one}", lexname == f"noun.{one}")
    add("wordnet_first_sense", number("wordnet_sense") == 1)
    add("wordnet_tags", np.log1p(number("wordnet_tags")))
    line("wordnet_depth", number("wordnet_depth"), (6.0, 9.0))
    line("concreteness", number("concreteness"), _CONCRETENESS_KNOTS)
    for part in ("head", "modifier"):
        line(f"concreteness_{part}", np.where(words >= 2, number(f"concreteness_{part}"), np.nan), _CONCRETENESS_KNOTS)
        line(f"zipf_{part}", np.where(words >= 2, number(f"zipf_{part}"), np.nan), _ZIPF_KNOTS)
        productivity = np.where(words >= 2, number(f"{part}_productivity"), 0.0)
        add(f"{part}_productivity", np.log1p(productivity))
    add("as_head", np.where(words == 1, np.log1p(number("head_productivity")), 0.0))
    line("zipf", np.where(words == 1, number("zipf"), np.nan), _ZIPF_KNOTS)
    bigrams = number("bigram_count")
    line("bigram", np.where(bigrams > 0, np.log10(np.maximum(bigrams, 1)), np.nan), (6.0, 7.5))
    scores = number("compound_score")
    spread = np.nanquantile(scores, (0.5, 0.9, 0.99)) if np.isfinite(scores).any() else (0.0, 1.0, 2.0)
    line("compound_score", scores, tuple(float(knot) for knot in spread))
    for level in (1, 2, 3):
        add(f"judged_{level}", number("judged_tier") == level)
    kin = kinship(frame, known)
    return Features((*columns, *kin.columns), np.column_stack([*values, kin.values]))


def _written(
    frame: pl.DataFrame, in_sight: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return tier, writers and files of each name, with what was written in sight of known keywords counted as said."""
    tier, writers, files = (
        frame[name].cast(float).to_numpy().copy() for name in ("written_tier", "written_groups", "written_files")
    )
    shown = frame["shown_tier"].cast(float).to_numpy()
    counts = (shown > 0) & (tier == 0)
    counts[in_sight] = False
    tier[counts] = np.minimum(shown[counts] + 1, _LAST_TIER)
    writers[counts] = files[counts] = 1.0
    return tier, writers, files


def kinship(frame: pl.DataFrame, known: NDArray[np.intp]) -> Features:
    """Return how many known keywords share a name's head and modifier, the name itself left out.

    Args:
        frame: the candidates.
        known: rows of known keywords.
    """
    names = frame["name"].to_list()
    split = [name.split() for name in names]
    heads, firsts = [parts[-1] for parts in split], [parts[0] if len(parts) > 1 else "" for parts in split]
    is_known = np.zeros(len(names), dtype=np.bool_)
    is_known[known] = True
    columns: list[str] = []
    values: list[NDArray[np.float64]] = []
    for what, parts in (("head", heads), ("modifier", firsts)):
        counts = Counter(parts[row] for row in known if parts[row])
        own = np.asarray([counts.get(part, 0) for part in parts], dtype=np.float64)
        own -= is_known & np.asarray([bool(part) for part in parts])
        columns += [f"kin_{what}", f"kin_{what}_any"]
        values += [np.log1p(own), (own > 0).astype(np.float64)]
    return Features(tuple(columns), np.column_stack(values).astype(np.float32))
