"""Gold sets: votes that are drawn or worded, what they come to, and files that readers of labels take."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from furikaeri_common.documents import fingerprint
from twenty_questions.experiments import read_labels
from twenty_questions.labelling.gold import (
    FEWEST_VOTES,
    WORDINGS,
    GoldRow,
    SampledVote,
    WordedVote,
    ambiguous_file,
    gold_rows,
    write_gold,
)
from twenty_questions.labelling.prompts import ORIGINAL
from twenty_questions.quality import Label


class Echo:
    """A writer that says what it is told to, and remembers what it was asked."""

    name, usage = "echo", (1, 2)
    identity: Mapping[str, Any] = {"model": "echo"}

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked, self.seeds = texts, [], []

    def write(self, conversations, *, seeds: Sequence[int], max_tokens: int, temperature: float) -> list[str]:
        self.asked += [turns[-1]["content"] for turns in conversations]
        self.seeds += seeds
        return [self.texts[place % len(self.texts)] for place in range(len(conversations))]


def test_a_drawn_vote_reads_what_was_written() -> None:
    writer = Echo("Yes.", "no", "I cannot tell")
    vote = SampledVote(writer, ORIGINAL, vote=0, temperature=1.0, seed=3)
    p_yes = vote.label(["cat", "dog"], ["Is it x?", "Is it y?", "Is it z?"])
    np.testing.assert_array_equal(p_yes, np.asarray([[1, 0, np.nan]] * 2, dtype=np.float32))
    assert p_yes.dtype == np.float32
    assert writer.asked[1] == "Keyword: cat, Question: Is it y?"
    assert vote.usage == (1, 2)


def test_seeds_are_of_the_pair_and_the_vote_and_not_of_the_place() -> None:
    def seeds(keywords: list[str], questions: list[str], vote: int = 0, seed: int = 0) -> dict[tuple[str, str], int]:
        writer = Echo("yes")
        SampledVote(writer, ORIGINAL, vote=vote, temperature=1.0, seed=seed).label(keywords, questions)
        pairs = [(keyword, question) for keyword in keywords for question in questions]
        return dict(zip(pairs, writer.seeds, strict=True))

    whole, part = seeds(["cat", "dog"], ["x?", "y?"]), seeds(["dog"], ["y?"])
    assert part[("dog", "y?")] == whole[("dog", "y?")]
    others = [*whole.values(), *seeds(["cat"], ["x?"], vote=1).values(), *seeds(["cat"], ["x?"], seed=1).values()]
    assert len(set(others)) == 6
    assert all(0 <= value < 2**31 for value in others)


def test_votes_are_told_apart_by_name_and_identity() -> None:
    votes = [SampledVote(Echo("yes"), ORIGINAL, vote=number, temperature=1.0, seed=0) for number in range(2)]
    assert [vote.name for vote in votes] == ["echo vote 1", "echo vote 2"]
    assert fingerprint(votes[0].identity) != fingerprint(votes[1].identity)
    worded = WordedVote(votes[0], vote=4)
    assert (worded.name, worded.identity, worded.usage) == ("echo vote 1 wording 5", votes[0].identity, (1, 2))
    np.testing.assert_array_equal(worded.label(["a"], ["b?"]), [[1.0]])
    for wrong in ({"vote": -1, "temperature": 1.0}, {"vote": 0, "temperature": 0.0}):
        with pytest.raises(ValueError, match="expected vote >= 0 and temperature > 0"):
            SampledVote(Echo("yes"), ORIGINAL, seed=0, **wrong)


def test_wordings_differ_and_each_holds_the_pair() -> None:
    asked = [tuple(turn["content"] for turn in wording.conversation("cat", "Is it x?")) for wording in WORDINGS]
    assert len(set(asked)) == len(WORDINGS) >= FEWEST_VOTES
    assert all("cat" in turns[-1] and "Is it x?" in turns[-1] for turns in asked)


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0, np.nan]), min_size=1, max_size=14))
def test_a_pair_is_settled_when_its_interval_leaves_out_one_half(votes: list[float]) -> None:
    (row,) = gold_rows(["a"], ["b?"], np.asarray(votes, dtype=np.float32).reshape(-1, 1, 1))
    yes, no = sum(vote > 0.5 for vote in votes), sum(vote < 0.5 for vote in votes)
    assert (row.votes_yes, row.votes) == (yes, yes + no)
    assert row.answer == ("yes" if yes > no else "no" if no > yes else "")
    if yes + no:
        interval = binomtest(yes, yes + no).proportion_ci(0.95, method="wilson")
        assert row.ambiguous == (interval.low <= 0.5 <= interval.high)
    else:
        assert row.ambiguous


def test_fewest_votes_are_the_fewest_that_can_settle() -> None:
    for number in range(1, 12):
        (row,) = gold_rows(["a"], ["b?"], np.ones((number, 1, 1), dtype=np.float32))
        assert row.ambiguous == (number < FEWEST_VOTES)


def test_rows_go_keyword_by_keyword() -> None:
    p_yes = np.zeros((5, 2, 3), dtype=np.float32)
    p_yes[:, 1, 2] = 1
    rows = gold_rows(["a", "b"], ["x?", "y?", "z?"], p_yes)
    assert [(row.keyword, row.question) for row in rows] == [(k, q) for k in "ab" for q in ("x?", "y?", "z?")]
    assert [row.answer for row in rows] == ["no"] * 5 + ["yes"]


def test_labels_are_read_back_and_ambiguous_pairs_stay_apart(tmp_path: Path) -> None:
    odd = 'two\nlines, "quoted" 🐙'
    rows = [
        GoldRow(odd, "Is it x?", "yes", 5, 5, False),
        GoldRow("b", "Is it x?", "no", 2, 5, True),
        GoldRow("c", "Is it, y?", "no", 0, 5, False),
        GoldRow("d", "Is it x?", "", 0, 0, True),
    ]
    file = tmp_path / "gold.csv"
    write_gold(file, rows)
    assert read_labels(file) == [Label(odd, "Is it x?", True), Label("c", "Is it, y?", False)]
    assert ambiguous_file(file).name == "gold.ambiguous.csv"
    with ambiguous_file(file).open(newline="") as stream:
        held = list(csv.DictReader(stream))
    assert [(row["keyword"], row["answer"], row["votes_yes"], row["votes"]) for row in held] == [
        ("b", "no", "2", "5"),
        ("d", "", "0", "0"),
    ]
