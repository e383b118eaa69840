"""Token trees: every sequence is a path, what is shared is there once, and a node sees its own path alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.labelling.token_tree import TokenTree, ancestors, grow, trees

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=12)


def path(tree: TokenTree, node: int) -> list[int]:
    """The tokens from the first to a node."""
    tokens = []
    while node >= 0:
        tokens.append(int(tree.tokens[node]))
        node = int(tree.parents[node])
    return tokens[::-1]


@given(SEQUENCES)
def test_every_sequence_is_a_path_and_every_beginning_is_there_once(sequences: list[list[int]]) -> None:
    tree = grow(sequences)
    assert [path(tree, end) for end in tree.ends] == sequences
    beginnings = {tuple(sequence[:length]) for sequence in sequences for length in range(1, len(sequence) + 1)}
    assert len(tree.tokens) == len(beginnings)
    assert (tree.parents < np.arange(len(tree.tokens))).all()
    assert [len(path(tree, node)) - 1 for node in range(len(tree.tokens))] == tree.depths.tolist()


@given(SEQUENCES)
def test_a_node_attends_to_itself_and_its_ancestors(sequences: list[list[int]]) -> None:
    tree = grow(sequences)
    seen = ancestors(tree)
    for node in range(len(tree.tokens)):
        line, place = set(), node
        while place >= 0:
            line.add(place)
            place = int(tree.parents[place])
        assert set(np.flatnonzero(seen[node])) == line


@given(SEQUENCES, st.integers(1, 20))
def test_runs_cover_all_sequences_and_keep_to_the_size(sequences: list[list[int]], nodes: int) -> None:
    ordered = sorted(sequences)
    runs = list(trees(ordered, nodes))
    assert [place for run, _ in runs for place in run] == list(range(len(ordered)))
    for run, tree in runs:
        assert [path(tree, end) for end in tree.ends] == [ordered[place] for place in run]
        assert len(tree.tokens) <= nodes or len(run) == 1


def test_sorted_sequences_lose_no_room() -> None:
    assert len(list(trees([[1, 2, 3], [1, 2, 4], [1, 2, 5], [1, 2, 6]], 6))) == 1


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        grow([[1], []])
