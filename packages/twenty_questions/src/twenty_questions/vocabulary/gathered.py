"""What the sources say, gathered: names to facts, and the same as one table, so that it can be kept as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twenty_questions.vocabulary.word_sources import WordNetName
from twenty_questions.vocabulary.written_lists import WrittenName

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Sources", "sources_from_table", "table_of_sources"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What is known of names and words.

    Attributes:
        written: the lists written for this project.
        judged: the judgements of names that judges were asked about, 1 to 3.
        builtin: prior of the built-in table's names, alts included.
        wordnet: WordNet's nouns.
        kinds: WordNet's kinds above single words, as numbers.
        zipf: how frequent words are.
        concreteness: how concrete names are, 1 to 5.
        bigrams: how often pairs of words were met.
    """

    written: Mapping[str, WrittenName] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)
    builtin: Mapping[str, float] = field(default_factory=dict)
    wordnet: Mapping[str, WordNetName] = field(default_factory=dict)
    kinds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    zipf: Mapping[str, float] = field(default_factory=dict)
    concreteness: Mapping[str, float] = field(default_factory=dict)
    bigrams: Mapping[str, int] = field(default_factory=dict)


def table_of_sources(sources: Sources) -> pl.DataFrame:
    """Return a row for every name that a source has, in alphabetical order; what a source does not know is null."""
    import polars as pl

    names = sorted(
        {
            *sources.written,
            *sources.judged,
            *sources.builtin,
            *sources.wordnet,
            *sources.kinds,
            *sources.zipf,
            *sources.concreteness,
            *sources.bigrams,
        }
    )

    def column(facts: Mapping[str, Any], dtype: Any) -> pl.Series:
        return pl.Series([facts.get(name) for name in names], dtype=dtype)

    written = pl.Struct({"tier": pl.Int8, "files": pl.Int16, "writers": pl.Int16, "shown": pl.Int8})
    wordnet = pl.Struct(
        {
            "physical": pl.Boolean,
            "instance": pl.Boolean,
            "depth": pl.Int8,
            "lexname": pl.String,
            "sense": pl.Int8,
            "tags": pl.Int32,
        }
    )
    return pl.DataFrame(
        {
            "name": pl.Series(names, dtype=pl.String),
            "written": column({name: fact._asdict() for name, fact in sources.written.items()}, written),
            "judged": column(sources.judged, pl.Int8),
            "builtin": column(sources.builtin, pl.Float64),
            "wordnet": column({name: fact._asdict() for name, fact in sources.wordnet.items()}, wordnet),
            "kinds": column(sources.kinds, pl.List(pl.Int64)),
            "zipf": column(sources.zipf, pl.Float64),
            "concreteness": column(sources.concreteness, pl.Float64),
            "bigrams": column(sources.bigrams, pl.Int64),
        }
    )


def sources_from_table(table: pl.DataFrame) -> Sources:
    """Return the sources that `table_of_sources` made a table of."""

    def facts(column: str) -> dict[str, Any]:
        known = table.select("name", column).drop_nulls(column)
        return dict(zip(known["name"].to_list(), known[column].to_list(), strict=True))

    return Sources(
        written={name: WrittenName(**fact) for name, fact in facts("written").items()},
        judged=facts("judged"),
        builtin=facts("builtin"),
        wordnet={name: WordNetName(**fact) for name, fact in facts("wordnet").items()},
        kinds={name: tuple(kinds) for name, kinds in facts("kinds").items()},
        zipf=facts("zipf"),
        concreteness=facts("concreteness"),
        bigrams=facts("bigrams"),
    )
