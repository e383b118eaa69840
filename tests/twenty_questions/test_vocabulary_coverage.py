"""Recall by size: the same as by comparing every name with every wanted thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.bisection import WordList, word_list
from twenty_questions.vocabulary.coverage import coverage
from twenty_questions.words import Keyword, names_match

some_name = st.text(st.sampled_from("abes -"), min_size=1, max_size=5).filter(lambda name: name.strip())


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(some_name, st.integers(1, 4), min_size=1, max_size=12),
    st.lists(st.lists(some_name, min_size=1, max_size=3), min_size=1, max_size=6),
    st.lists(st.integers(1, 15), max_size=3),
)
def test_it_agrees_with_comparing_everything(
    weights: dict[str, int], wanted: list[list[str]], sizes: list[int]
) -> None:
    words = word_list(weights, list(weights.values()))
    things = [Keyword(first, tuple(alts)) for first, *alts in wanted]
    found = coverage(words, things, sizes)
    order = sorted(range(len(words.words)), key=lambda place: (-words.prior[place], place))

    def wins(place: int, thing: Keyword) -> bool:
        return any(names_match(words.words[place], name) for name in thing.names)

    assert [row.size for row in found.sizes] == sorted({min(size, len(order)) for size in (*sizes, len(order))})
    for row in found.sizes:
        kept = order[: row.size]
        assert row.recall == pytest.approx(np.mean([any(wins(place, thing) for place in kept) for thing in things]))
        exact = [any(words.words[place] in map(str.lower, thing.names) for place in kept) for thing in things]
        assert row.recall_exact == pytest.approx(np.mean(exact))
        assert row.mass == pytest.approx(words.prior[kept].sum())
    masses = [sum(words.prior[place] for place in order if wins(place, thing)) for thing in things]
    assert found.missed == tuple(thing for thing, mass in zip(things, masses, strict=True) if not mass)
    bits = [-np.log2(mass) for mass in masses if mass]
    assert found.bits == pytest.approx(np.mean(bits)) if bits else np.isnan(found.bits)


def test_what_cannot_be_judged_is_refused() -> None:
    words = word_list(["cup"])
    with pytest.raises(ValueError, match="wanted thing"):
        coverage(words, [])
    with pytest.raises(ValueError, match="wanted thing"):
        coverage(words, [Keyword("cup")], [0])


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from twenty_questions.vocabulary.coverage_plot import plot_coverage

    words = WordList(("bowl", "cup", "jug"), np.asarray([0.5, 0.3, 0.2]))
    plot_coverage(coverage(words, [Keyword("cup"), Keyword("saucer")], [1, 2]), tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
