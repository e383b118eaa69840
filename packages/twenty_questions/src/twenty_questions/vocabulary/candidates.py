"""Candidates: every name of every source, once, with what is known of it as columns of a table.

A prior over the names is learned from these columns, so a column states a fact and never a judgement. What a source
does not know of a name is 0 for counts, false for flags, "" for text and null for measurements.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twenty_questions.vocabulary.gathered import Sources
from twenty_questions.vocabulary.left_out import ADULT, FUNCTION_WORDS, is_left_out
from twenty_questions.vocabulary.written_lists import WrittenName

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COLUMNS", "Selection", "candidate_frame", "known_compounds", "known_names", "more_modifiers"]

COLUMNS = (
    *("name", "words", "letters", "written_tier", "written_files", "written_groups", "shown_tier", "judged_tier"),
    "in_builtin",
    *("wordnet_any", "wordnet_physical", "wordnet_instance", "wordnet_depth", "wordnet_lexname", "wordnet_sense"),
    *("wordnet_tags", "zipf", "zipf_head", "zipf_modifier", "concreteness", "concreteness_head"),
    *("concreteness_modifier", "bigram_count", "head_productivity", "modifier_productivity", "compound_score"),
)
"""The columns of a table of candidates, in order."""


_WORD = re.compile(r"[^\W\d_][^\d]*")
_UNWRITTEN = WrittenName(0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which names of open-ended sources are taken.

    Attributes:
        least_zipf: of a word that only the list of frequencies has.
        least_concreteness: of a name that only the ratings have, 1 to 5.
        compound_concreteness: of a rated pair of words that counts as a known compound, 1 to 5.
        least_productivity: known compounds that the second word of a frequent pair must head, at least 1.
        instances: whether WordNet's single persons, places and works are taken.
    """

    least_zipf: float = 2.0
    least_concreteness: float = 2.5
    compound_concreteness: float = 3.8
    least_productivity: int = 3
    instances: bool = False

    def __post_init__(self) -> None:
        for name in ("least_concreteness", "compound_concreteness"):
            if not 1 <= getattr(self, name) <= 5:
                raise ValueError(f"expected {name} in [1, 5], got {getattr(self, name)}")
        if self.least_productivity < 1:
            raise ValueError(f"expected least_productivity >= 1, got {self.least_productivity}")


def known_compounds(sources: Sources, selection: Selection) -> dict[str, float]:
    """Return the two-word names that teach how words join, in alphabetical order, and how much each counts.

    Those of the written lists and the built-in table count 1, WordNet's physical kinds and concrete rated pairs 1/2:
    they hold many names of species and of law that tell less of everyday things.
    """
    found = {
        name: 0.5
        for name, fact in sources.wordnet.items()
        if fact.physical and not fact.instance and fact.lexname != "noun.person" and _is_pair(name)
    }
    found |= {
        name: 0.5
        for name, rating in sources.concreteness.items()
        if rating >= selection.compound_concreteness and _is_pair(name)
    }
    found = {name: weight for name, weight in found.items() if not is_left_out(name)}
    found |= {name: 1.0 for name in (*sources.written, *sources.builtin) if _is_pair(name)}
    return dict(sorted(found.items()))


def more_modifiers(sources: Sources, compounds: Iterable[str]) -> list[str]:
    """Return words that may modify others though no known compound says so, in alphabetical order.

    They are the things of one word that people wrote down, and the heads of known compounds.
    """
    words = {name for name in (*sources.written, *sources.builtin) if len(name) > 1 and _WORD.fullmatch(name)}
    words = {word for word in words if " " not in word} | {name.split(" ")[1] for name in compounds}
    return sorted(word for word in words if not is_left_out(word))


def known_names(sources: Sources, selection: Selection, compounds: Iterable[str]) -> set[str]:
    """Return every name that a source has, new compounds aside.

    Args:
        sources: what is known.
        selection: which names of open-ended sources are taken.
        compounds: the known compounds; a frequent pair of words is taken if its second word heads some of them, and
            both words are nouns or rated.
    """
    heads = Counter(name.split()[1] for name in compounds)
    names = {name for name, fact in sources.wordnet.items() if selection.instances or not fact.instance}
    names |= {
        name
        for name, rating in sources.concreteness.items()
        if rating >= selection.least_concreteness and not is_left_out(name)
    }
    names |= {
        word
        for word, zipf in sources.zipf.items()
        if zipf >= selection.least_zipf and len(word) > 2 and word.isascii() and word.isalpha()
    }
    names |= {
        pair
        for pair in sources.bigrams
        if _is_pair(pair)
        and heads[pair.split()[1]] >= selection.least_productivity
        and all(part in sources.wordnet or part in sources.concreteness for part in pair.split())
        and not is_left_out(pair)
    }
    names = {name for name in names if not any(part in ADULT for part in name.split())}
    names -= FUNCTION_WORDS
    return names | sources.written.keys() | sources.builtin.keys()


def candidate_frame(
    sources: Sources, selection: Selection, compounds: Iterable[str], scores: Mapping[str, float]
) -> pl.DataFrame:
    """Return a row for every name, in alphabetical order (by code point), with the columns `COLUMNS`.

    Args:
        sources: what is known.
        selection: which names of open-ended sources are taken.
        compounds: the known compounds.
        scores: new compounds, and how well each is formed (see `compounds`).

    Returns:
        Tiers (`shown_tier` is `WrittenName.shown`, `judged_tier` what judges said) and `wordnet_sense` are 0 where
        there is none; `in_builtin` is the built-in table's prior, 0 for other names; `zipf` is of a name of one word;
        head and modifier are the last and the first word of longer ones; productivity is the number of other known
        compounds with this head, and with this modifier (a name of one word is its own head and modifier);
        `compound_score` is null for names that a source has.
    """
    import polars as pl

    compounds = set(compounds)
    heads = Counter(name.split()[1] for name in compounds)
    modifiers = Counter(name.split()[0] for name in compounds)
    known = known_names(sources, selection, compounds)
    names = sorted(known | scores.keys())
    parts = [name.split() for name in names]
    last, first = [several[-1] for several in parts], [several[0] for several in parts]
    itself = [name in compounds for name in names]
    is_long = [len(several) > 1 for several in parts]
    written = [sources.written.get(name, _UNWRITTEN) for name in names]
    nouns = [sources.wordnet.get(name) for name in names]

    def of_part(facts: Mapping[str, float], part: Sequence[str]) -> list[float | None]:
        return [facts.get(word) if long else None for word, long in zip(part, is_long, strict=True)]

    columns: dict[str, pl.Series] = {
        "name": pl.Series(names, dtype=pl.String),
        "words": pl.Series([len(several) for several in parts], dtype=pl.Int8),
        "letters": pl.Series([sum(map(str.isalpha, name)) for name in names], dtype=pl.Int16),
        "written_tier": pl.Series([fact.tier for fact in written], dtype=pl.Int8),
        "written_files": pl.Series([fact.files for fact in written], dtype=pl.Int16),
        "written_groups": pl.Series([fact.writers for fact in written], dtype=pl.Int16),
        "shown_tier": pl.Series([fact.shown for fact in written], dtype=pl.Int8),
        "judged_tier": pl.Series([sources.judged.get(name, 0) for name in names], dtype=pl.Int8),
        "in_builtin": pl.Series([sources.builtin.get(name, 0.0) for name in names], dtype=pl.Float64),
        "wordnet_any": pl.Series([fact is not None for fact in nouns], dtype=pl.Boolean),
        "wordnet_physical": pl.Series([fact is not None and fact.physical for fact in nouns], dtype=pl.Boolean),
        "wordnet_instance": pl.Series([fact is not None and fact.instance for fact in nouns], dtype=pl.Boolean),
        "wordnet_depth": pl.Series([fact.depth if fact else None for fact in nouns], dtype=pl.Int8),
        "wordnet_lexname": pl.Series([fact.lexname if fact else "" for fact in nouns], dtype=pl.String),
        "wordnet_sense": pl.Series([fact.sense if fact else 0 for fact in nouns], dtype=pl.Int8),
        "wordnet_tags": pl.Series([fact.tags if fact else 0 for fact in nouns], dtype=pl.Int32),
        "zipf": pl.Series(
            [None if long else sources.zipf.get(name) for name, long in zip(names, is_long, strict=True)],
            dtype=pl.Float32,
        ),
        "zipf_head": pl.Series(of_part(sources.zipf, last), dtype=pl.Float32),
        "zipf_modifier": pl.Series(of_part(sources.zipf, first), dtype=pl.Float32),
        "concreteness": pl.Series([sources.concreteness.get(name) for name in names], dtype=pl.Float32),
        "concreteness_head": pl.Series(of_part(sources.concreteness, last), dtype=pl.Float32),
        "concreteness_modifier": pl.Series(of_part(sources.concreteness, first), dtype=pl.Float32),
        "bigram_count": pl.Series([sources.bigrams.get(name, 0) for name in names], dtype=pl.Int64),
        "head_productivity": pl.Series(
            [heads[word] - own for word, own in zip(last, itself, strict=True)], dtype=pl.Int32
        ),
        "modifier_productivity": pl.Series(
            [modifiers[word] - own for word, own in zip(first, itself, strict=True)], dtype=pl.Int32
        ),
        "compound_score": pl.Series([None if name in known else scores[name] for name in names], dtype=pl.Float32),
    }
    return pl.DataFrame({name: columns[name] for name in COLUMNS})


def _is_pair(name: str) -> bool:
    """Return whether a name is two words of at least two characters, each with a letter and no digit."""
    parts = name.split(" ")
    return len(parts) == 2 and all(len(part) > 1 and _WORD.fullmatch(part) for part in parts)
