"""Token sequences as one tree, so that what they share at their beginnings is computed once.

All prompts about one keyword begin alike, and so do many of its questions. Merged into a tree (a trie), a token that
stands at the same place after the same tokens is one node; a causal model's state there depends on the path from the
root alone. A forward pass over the nodes, in which a node attends to itself and its ancestors and has its depth for a
position, therefore gives for every leaf what a pass over its sequence alone would give.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TokenTree", "ancestors", "grow", "trees"]


class TokenTree(NamedTuple):
    """A tree of tokens; parents stand before their children.

    Attributes:
        tokens: int64, shape (nodes,).
        parents: int64, shape (nodes,): the position of each node's parent; -1 for a first token.
        depths: int64, shape (nodes,): 0 for a first token.
        ends: int64, shape (sequences,): the node at which each sequence ends.
    """

    tokens: NDArray[np.int64]
    parents: NDArray[np.int64]
    depths: NDArray[np.int64]
    ends: NDArray[np.int64]


def grow(sequences: Sequence[Sequence[int]]) -> TokenTree:
    """Return the tree of some sequences, in the order in which they bring their nodes.

    Raises:
        ValueError: if a sequence is empty.
    """
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    ends: list[int] = []
    child: dict[tuple[int, int], int] = {}
    for sequence in sequences:
        if not len(sequence):
            raise ValueError("expected sequences of at least one token")
        node = -1
        for depth, token in enumerate(sequence):
            step = (node, token)
            node = child.setdefault(step, len(tokens))
            if node == len(tokens):
                tokens.append(token)
                parents.append(step[0])
                depths.append(depth)
        ends.append(node)
    return TokenTree(*(np.asarray(values, dtype=np.int64) for values in (tokens, parents, depths, ends)))


def ancestors(tree: TokenTree) -> NDArray[np.bool_]:
    """Return which nodes each node attends to, itself and its ancestors; shape (nodes, nodes), a row per node."""
    count = len(tree.tokens)
    seen = np.eye(count, dtype=np.bool_)
    # Level by level, so that a parent's row is complete before its children take it over.
    order = np.argsort(tree.depths, kind="stable")
    starts = np.searchsorted(tree.depths[order], np.arange(1, int(tree.depths.max(initial=0)) + 2))
    for first, last in itertools.pairwise(starts):
        level = order[first:last]
        seen[level] |= seen[tree.parents[level]]
    return seen


def trees(sequences: Sequence[Sequence[int]], nodes: int) -> Iterator[tuple[range, TokenTree]]:
    """Yield runs of neighbouring sequences and their tree, each of at most `nodes` nodes where one sequence fits.

    Where a run ends depends on the sequences alone.

    Args:
        sequences: sorted, so that neighbours share their beginnings.
        nodes: the most nodes of a tree that holds more than one sequence, at least 1.
    """
    first, size = 0, 0
    for number, sequence in enumerate(sequences):
        new = len(sequence) - (_shared(sequences[number - 1], sequence) if number > first else 0)
        if size + new > nodes and number > first:
            yield range(first, number), grow(sequences[first:number])
            first, size, new = number, 0, len(sequence)
        size += new
    if first < len(sequences):
        yield range(first, len(sequences)), grow(sequences[first:])


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Return the length of the common beginning."""
    return next(
        (place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b))
    )
