"""Recall, precision and size by count, and neighbours by vectors, each against a slow obvious version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.sources.keyword_lists import keyword_list
from twenty_questions.sources.neighbours import embedding_neighbours, nearest
from twenty_questions.sources.recall import evaluate_list, split_words
from twenty_questions.sources.recall_plot import plot_recall
from twenty_questions.words import Keyword, matches, normalise

POOL = ["car", "cars", "cat", "Cat!", "dog", "couch", "sofa", "eel", "fern", "ice cream", "ice creams", "kite", "oar"]
KEYWORDS = st.lists(
    st.builds(Keyword, st.sampled_from(POOL), st.lists(st.sampled_from(POOL), max_size=1).map(tuple)),
    min_size=1,
    max_size=10,
    unique_by=lambda keyword: normalise(keyword.name),
)


def covers(keyword: Keyword, word: Keyword, *, exact: bool) -> bool:
    if exact:
        return bool({name.lower() for name in keyword.names} & {name.lower() for name in word.names})
    return any(matches(name, word) for name in keyword.names)


@settings(deadline=None)
@given(KEYWORDS, st.lists(st.integers(1, 4), min_size=10, max_size=10), KEYWORDS, KEYWORDS)
def test_figures_are_those_of_the_slow_way(
    held: list[Keyword], counts: list[int], validation: list[Keyword], train: list[Keyword]
) -> None:
    listed = keyword_list(held, counts[: len(held)])
    rows = evaluate_list(listed, validation, train)
    assert [row.least for row in rows] == sorted(set(counts[: len(held)]))
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        kept = [keyword for keyword, count in zip(held, counts, strict=False) if count >= row.least]
        above = [
            keyword for keyword, count in zip(held, counts, strict=False) if following and count >= following.least
        ]
        assert row.size == len(kept)
        for exact, recall in ((False, row.recall), (True, row.recall_exact)):
            found = [any(covers(keyword, word, exact=exact) for keyword in kept) for word in validation]
            assert recall == pytest.approx(np.mean(found))
        for words, precision in (
            (kept, row.precision),
            ([one for one in kept if one not in above], row.precision_here),
        ):
            hits = [any(covers(keyword, word, exact=False) for word in validation) for keyword in words]
            known = [any(covers(keyword, word, exact=False) for word in train) for keyword in words]
            judged = [hit for hit, ours in zip(hits, known, strict=True) if hit or not ours]
            expected = np.mean(judged) if judged else np.nan
            assert precision == pytest.approx(expected, nan_ok=True)
    assert sum(row.words_here for row in rows) == len(held)
    assert [row.recall for row in rows] == sorted((row.recall for row in rows), reverse=True)


def test_an_alt_may_be_what_is_found() -> None:
    listed = keyword_list([Keyword("settee", ("sofas",)), Keyword("cup")], [2, 1])
    (row,) = evaluate_list(listed, [Keyword("couch", ("Sofa",)), Keyword("eel")], cut_offs=[2])
    assert (row.size, row.recall, row.recall_exact, row.precision) == (1, 0.5, 0.0, 1.0)


def test_many_counts_are_thinned_out_and_keep_their_ends() -> None:
    listed = keyword_list([Keyword(f"word {number}") for number in range(500)], np.arange(1, 501) ** 2)
    rows = evaluate_list(listed, [Keyword("word 499")])
    assert len(rows) == 30
    assert (rows[0].least, rows[0].size, rows[-1].least, rows[-1].size) == (1, 500, 250_000, 1)
    assert sum(row.words_here for row in rows) == 500


@settings(deadline=None)
@given(st.lists(st.text(min_size=1).filter(str.strip), max_size=30), st.floats(0, 1), st.integers(0, 99))
def test_a_split_is_a_partition_that_does_not_depend_on_the_rest(names: list[str], share: float, seed: int) -> None:
    words = [Keyword(name) for name in names]
    split = split_words(words, train_share=share, seed=seed)
    assert sorted((*split.train, *split.validation), key=str) == sorted(words, key=str)
    alone = [split_words([word], train_share=share, seed=seed) for word in words]
    assert [word for word, one in zip(words, alone, strict=True) if one.train] == list(split.train)
    assert not split_words(words, train_share=0, seed=seed).train
    assert not split_words(words, train_share=1, seed=seed).validation
    assert set(split.train) <= set(split_words(words, train_share=(1 + share) / 2, seed=seed).train)


def test_splits_have_about_their_share_and_differ_by_seed() -> None:
    words = [Keyword(f"word {number}") for number in range(4000)]
    ours = [set(split_words(words, train_share=0.3, seed=seed).train) for seed in (0, 1)]
    assert [len(train) / 4000 for train in ours] == pytest.approx([0.3, 0.3], abs=0.025)
    assert len(ours[0] & ours[1]) / 4000 == pytest.approx(0.09, abs=0.02)
    one, other = (split_words([Keyword(name)], train_share=0.5) for name in ("Ice Cream", "ice-cream"))
    assert bool(one.train) == bool(other.train)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one validation word"):
        evaluate_list(keyword_list([Keyword("a")]), [])
    with pytest.raises(ValueError, match="train_share"):
        split_words([], train_share=1.5)


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    listed = keyword_list([Keyword(name) for name in "abcdef"], [1, 1, 2, 5, 9, 9])
    rows = evaluate_list(listed, [Keyword("a"), Keyword("f")])
    plot_recall(rows, tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 600), st.integers(1, 12), st.integers(1, 15), st.integers(0, 10**6))
def test_nearest_is_the_sorted_product(num_vectors: int, num_candidates: int, number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, size=(num_vectors, 3)).astype(np.float32)
    candidates = rng.integers(-2, 3, size=(num_candidates, 3)).astype(np.float32)
    found = nearest(vectors, candidates, number)
    expected = [
        sorted(range(num_candidates), key=lambda row: (-float(vector @ candidates[row]), row))[:number]
        for vector in vectors
    ]
    assert found.shape == (num_vectors, min(number, num_candidates))
    assert found.tolist() == expected


def test_vectors_of_two_dimensions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="of one dimension"):
        nearest(np.zeros((1, 2), dtype=np.float32), np.zeros((1, 3), dtype=np.float32), 1)


def on_a_line(texts: list[str]) -> np.ndarray:
    """Vectors that are the nearer, the nearer the first letters are in the alphabet."""
    angles = np.asarray([(ord(text.lower()[0]) - ord("a")) / 26 for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_neighbours_by_vectors_leave_the_word_itself_out() -> None:
    given_words = [Keyword("dog"), Keyword("kite", ("jet",))]
    candidates = ["ant", "cat", "Dogs", "elk", "fig", "jet", "lamp", "the dog"]
    found = embedding_neighbours(given_words, candidates, on_a_line, number=3)
    assert found == [["cat", "elk", "fig"], ["lamp", "fig", "elk"]]
    assert embedding_neighbours(given_words, [], on_a_line) == [[], []]
    assert embedding_neighbours([], candidates, on_a_line) == []
    with pytest.raises(ValueError, match="at least 1"):
        embedding_neighbours(given_words, candidates, on_a_line, number=0)
