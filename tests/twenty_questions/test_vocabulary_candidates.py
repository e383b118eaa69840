"""Candidates: every name once, the facts of every source beside it, and the same sources back from a table."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("polars")

import polars as pl

from twenty_questions.vocabulary.candidates import (
    COLUMNS,
    Selection,
    candidate_frame,
    known_compounds,
    known_names,
    more_modifiers,
)
from twenty_questions.vocabulary.gathered import Sources, sources_from_table, table_of_sources
from twenty_questions.vocabulary.word_sources import WordNetName
from twenty_questions.vocabulary.written_lists import WrittenName


def noun(lexname: str = "noun.artifact", **changes: object) -> WordNetName:
    return WordNetName(True, False, 5, lexname, 1, 0)._replace(**changes)


SOURCES = Sources(
    written={
        "tea cup": WrittenName(1, 3, 2),
        "paper cup": WrittenName(2, 1, 1),
        "dixie cup": WrittenName(3, 1, 1),
        "cup": WrittenName(1, 1, 1),
        "paper": WrittenName(0, 0, 0, shown=2),
        "cup holder rack": WrittenName(2, 1, 1),
    },
    judged={"cup": 1, "tea cup": 3, "judged alone": 1},
    builtin={"tea cup": 0.25, "kettle": 0.75},
    wordnet={
        "cup": noun(tags=12),
        "kettle": noun(),
        "egg": noun("noun.food"),
        "egg cup": noun(),
        "nile": noun("noun.object", instance=True),
        "tea party": noun("noun.act", physical=False),
        "head nurse": noun("noun.person"),
    },
    kinds={"cup": (3, 1), "kettle": (1,)},
    zipf={"cup": 4.5, "tea": 4.6, "trellis": 2.2, "qzx": 1.2, "the": 7.7, "porn": 4.0, "3d": 4.0},
    concreteness={"cup": 5.0, "tea": 4.7, "oven mitt": 4.9, "high hopes": 1.5, "think of": 2.7, "gold": 4.8},
    bigrams={"gold cup": 900, "world cup": 9000, "the cup": 500, "gold mitt": 80, "nude cup": 70, "tea cup": 600},
)
SELECTION = Selection(least_productivity=3)


def test_known_compounds_and_what_they_count() -> None:
    assert known_compounds(SOURCES, SELECTION) == {
        "dixie cup": 1.0,
        "egg cup": 0.5,
        "oven mitt": 0.5,
        "paper cup": 1.0,
        "tea cup": 1.0,
    }


def test_which_names_are_taken() -> None:
    names = known_names(SOURCES, SELECTION, known_compounds(SOURCES, SELECTION))
    assert names >= SOURCES.written.keys() | SOURCES.builtin.keys() | {"egg", "tea party", "trellis", "oven mitt"}
    assert "gold cup" in names  # cup heads four known compounds, and both words are rated
    assert not names & {"nile", "qzx", "the", "porn", "3d", "high hopes", "think of"}
    assert not names & {"world cup", "the cup", "gold mitt", "nude cup"}
    assert "nile" in known_names(SOURCES, dataclasses.replace(SELECTION, instances=True), ())


def test_more_modifiers_are_written_things_and_heads() -> None:
    assert more_modifiers(SOURCES, known_compounds(SOURCES, SELECTION)) == ["cup", "kettle", "mitt", "paper"]


def test_a_row_has_every_fact_of_its_name() -> None:
    frame = candidate_frame(SOURCES, SELECTION, known_compounds(SOURCES, SELECTION), {"gold kettle": -2.5})
    assert tuple(frame.columns) == COLUMNS
    assert frame["name"].to_list() == sorted(set(frame["name"]))
    rows = {row["name"]: row for row in frame.iter_rows(named=True)}
    cup = rows["tea cup"]
    assert (cup["words"], cup["letters"], cup["written_tier"], cup["written_files"], cup["written_groups"]) == (
        *(2, 6, 1, 3, 2),
    )
    assert cup["in_builtin"] == 0.25
    assert (cup["zipf"], cup["zipf_head"], cup["zipf_modifier"]) == pytest.approx((None, 4.5, 4.6))
    assert (cup["concreteness"], cup["concreteness_head"], cup["concreteness_modifier"]) == pytest.approx(
        (None, 5.0, 4.7)
    )
    assert (cup["bigram_count"], cup["head_productivity"], cup["modifier_productivity"]) == (600, 3, 0)
    assert (cup["wordnet_any"], cup["wordnet_lexname"], cup["wordnet_sense"], cup["wordnet_depth"]) == (
        *(False, "", 0, None),
    )
    assert [rows[name]["shown_tier"] for name in ("paper", "cup", "egg")] == [2, 0, 0]
    assert [rows[name]["judged_tier"] for name in ("cup", "tea cup", "paper")] == [1, 3, 0]
    assert "judged alone" not in rows  # Who judges a name does not make it one.
    one = rows["cup"]
    assert (one["wordnet_physical"], one["wordnet_tags"], one["wordnet_lexname"]) == (True, 12, "noun.artifact")
    assert (one["zipf"], one["zipf_head"], one["head_productivity"]) == pytest.approx((4.5, None, 4))
    assert rows["oven mitt"]["concreteness"] == pytest.approx(4.9)
    assert (rows["gold kettle"]["compound_score"], rows["gold kettle"]["written_tier"]) == (-2.5, 0)
    assert frame.filter(pl.col("compound_score").is_not_null()).height == 1


def test_a_known_name_keeps_no_score() -> None:
    frame = candidate_frame(SOURCES, SELECTION, known_compounds(SOURCES, SELECTION), {"tea cup": 1.0})
    assert frame["compound_score"].null_count() == frame.height


def test_sources_come_back_from_their_table() -> None:
    table = table_of_sources(SOURCES)
    assert table["name"].to_list() == sorted(set(table["name"]))
    back = sources_from_table(table)
    for field in dataclasses.fields(Sources):
        assert dict(getattr(back, field.name)) == dict(getattr(SOURCES, field.name)), field.name


@pytest.mark.parametrize(
    "wrong", [{"least_concreteness": 0.0}, {"compound_concreteness": 6}, {"least_productivity": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Selection(**wrong)
