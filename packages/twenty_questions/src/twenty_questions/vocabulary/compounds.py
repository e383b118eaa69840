"""How words join into names: two-word names that no source lists, scored by the ones that are known.

A known name such as "desk lamp" is a pair of a modifier and a head. In the matrix X (modifiers x heads) it is an entry,
and a new name is an empty place that should be one: the task of recommending, with modifiers for people and heads for
what they buy. It is done in two steps.

1. A ridge regression of every head's column on all the others (Steck 2019, "Embarrassingly shallow autoencoders for
   sparse data"): with P = (Y'Y + penalty I)^-1 the weights are B = -P / diag(P) columnwise, zero on the diagonal, and
   the scores Y B: "what goes with table, floor and wall goes with ceiling". Y is X beside what WordNet says of the
   modifiers (`traits`), so that a word that modified nothing yet is judged by its kind. The best places by this score,
   helped by how productive both words are, make the pool.
2. Boosted trees re-rank the pool by more than that score: the same regression the other way round (modifiers on
   modifiers), a truncated singular value decomposition, the productivity, frequency, concreteness and length of both
   words. They learn on names that were hidden from step 1, which then has to find them: what they will face.

Scores are log-odds by the trees: they rank, and they are not calibrated, for the hidden names are a sample of what
exists.

The method was chosen by hiding a fifth of the two-word names that only the written lists have (9,418 names) from all of
it, and looking for them among the best new names:

    among the best              100,000  300,000  600,000
    both steps                     36 %     51 %     60 %
    step 1                         35 %     50 %     59 %
    both, without traits           35 %     50 %     59 %
    the decomposition alone        32 %     47 %     57 %
    productivity alone             15 %     28 %     38 %   (later, of 10,608 names: both steps 35, 50 and 59 %)
"""

from __future__ import annotations

import importlib.util
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError
from twenty_questions.vocabulary.pair_matrix import (
    BestPlaces,
    PairMatrix,
    Regression,
    pair_matrix,
    scaled_factors,
    trait_columns,
)

__all__ = ["CompoundConfig", "Compounds", "WordFacts", "new_compounds"]

_BLOCK = 1024
_UNKNOWN = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompoundConfig:
    """How new compounds are found.

    Attributes:
        number: how many are returned at most; 0: none.
        pool: how many places step 1 passes on, at least `number`.
        heads: the most heads and the most modifiers that regressions are about, the most productive ones.
        penalty: of the regressions, > 0.
        trait_weight: of what WordNet says of a modifier beside what it modifies, >= 0.
        trait_words: the fewest words that share a trait that counts, at least 2.
        push: how much the logarithm of productivity helps in step 1, >= 0.
        hidden: the share of names that is hidden from step 1 for the trees to learn on, in (0, 1); only names of full
            weight are hidden.
        rank: of the singular value decomposition, at least 1.
        rounds: trees, at least 1.
        negatives: places of the pool that stand for the wrong ones while learning, at least 1.
    """

    number: int = 600_000
    pool: int = 2_000_000
    heads: int = 6_000
    penalty: float = 200.0
    trait_weight: float = 0.5
    trait_words: int = 15
    push: float = 0.002
    hidden: float = 0.2
    rank: int = 20
    rounds: int = 200
    negatives: int = 400_000

    def __post_init__(self) -> None:
        if not 0 <= self.number <= self.pool:
            raise ValueError(f"expected 0 <= number <= pool, got {self.number} and {self.pool}")
        for name, least in (("heads", 1), ("trait_words", 2), ("rank", 1), ("rounds", 1), ("negatives", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} >= {least}, got {getattr(self, name)}")
        if not self.penalty > 0 or self.trait_weight < 0 or self.push < 0 or not 0 < self.hidden < 1:
            raise ValueError("expected penalty > 0, trait_weight >= 0, push >= 0 and hidden in (0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class WordFacts:
    """What is known of single words.

    Attributes:
        zipf: how frequent a word is.
        concreteness: 1 to 5.
        traits: kinds that a word belongs to, by any names.
    """

    zipf: Mapping[str, float] = field(default_factory=dict)
    concreteness: Mapping[str, float] = field(default_factory=dict)
    traits: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Compounds(NamedTuple):
    """New names.

    Attributes:
        names: the best formed first.
        scores: float32, one each, descending.
    """

    names: tuple[str, ...]
    scores: NDArray[np.float32]


def new_compounds(
    known: Mapping[str, float],
    facts: WordFacts,
    *,
    modifiers: Sequence[str] = (),
    exclude: Container[str] = (),
    config: CompoundConfig | None = None,
    seed: int = 0,
) -> Compounds:
    """Return new two-word names, the best formed first.

    Args:
        known: two-word names that teach, with weights in (0, 1].
        facts: of single words.
        modifiers: words that may modify though none of the known names says so.
        exclude: names that are not new.
        config: how.
        seed: of which names are hidden, and which places stand for wrong ones.

    Returns:
        At most `config.number` names, none of them known or excluded, both words different. The same names and scores
        for the same input.

    Raises:
        ValueError: if no known name is given.
        MissingExtraError: if scipy or lightgbm is not installed.
    """
    config = config or CompoundConfig()
    if not known:
        raise ValueError("expected at least one known compound, got none")
    if not config.number:
        return Compounds((), np.empty(0, dtype=np.float32))
    _require_extra()
    rng = np.random.default_rng(seed)
    # Sums of floats depend on their order, which is to be that of the names.
    known, names = dict(sorted(known.items())), sorted(known)
    hidden = {
        name
        for name, drawn in zip(names, rng.random(len(names)), strict=True)
        if known[name] == 1 > drawn / config.hidden
    }
    if len(hidden) == len(known):  # Of few names chance may hide all, which leaves nothing to find them by.
        hidden = set()
    shown = pair_matrix({name: known[name] for name in names if name not in hidden}, modifiers)
    learning = _pool(shown, facts, config)
    positive = np.isin(_keys(shown, learning), _keys_of_names(shown, hidden))
    everything = pair_matrix(known, modifiers)
    found = _pool(everything, facts, config)
    scores = _reranked(learning.features, positive, found.features, config, rng, seed)
    order = np.lexsort((found.heads, found.modifiers, -scores))
    kept: list[str] = []
    kept_scores: list[float] = []
    for place in order.tolist():
        modifier, head = everything.modifiers[found.modifiers[place]], everything.heads[found.heads[place]]
        name = f"{modifier} {head}"
        if modifier != head and name not in exclude:
            kept.append(name)
            kept_scores.append(scores[place])
            if len(kept) == config.number:
                break
    return Compounds(tuple(kept), np.asarray(kept_scores, dtype=np.float32))


class _Pool(NamedTuple):
    """Empty places of a matrix, by row and then column, and what the trees see of them: float32, shape (n, F)."""

    modifiers: NDArray[np.int64]
    heads: NDArray[np.int64]
    features: NDArray[np.float32]


def _pool(matrix: PairMatrix, facts: WordFacts, config: CompoundConfig) -> _Pool:
    """Return the best empty places by step 1, with their features."""
    x = matrix.weights
    by_head = np.log1p(np.asarray(x.sum(axis=0)).ravel())
    by_modifier = np.log1p(np.asarray(x.sum(axis=1)).ravel())
    traits = trait_columns(matrix.modifiers, facts.traits, least_words=config.trait_words, weight=config.trait_weight)
    scored = Regression.of_heads(matrix, traits, most=config.heads, penalty=config.penalty)
    best = BestPlaces(config.pool)
    for first in range(0, x.shape[0], _BLOCK):
        last = min(first + _BLOCK, x.shape[0])
        scores = scored.rows(first, last)
        scores += config.push * (by_modifier[first:last, None] + by_head).astype(np.float32)
        scores[x[first:last].tocoo().coords] = -np.inf
        best.add(first, scores)
    rows, columns, values = best.found()
    first_step = values - config.push * (by_modifier[rows] + by_head[columns])
    other_way = Regression.of_modifiers(matrix, most=config.heads, penalty=config.penalty).at(rows, columns)
    factors = scaled_factors(matrix, config.rank)
    return _Pool(
        rows,
        columns,
        np.column_stack(
            [
                first_step,
                other_way,
                *(_dot(left, right, rows, columns) for left, right in factors),
                by_head[columns],
                by_modifier[rows],
                *(
                    np.asarray([known_of.get(word, _UNKNOWN) for word in words])[places]
                    for known_of in (facts.zipf, facts.concreteness)
                    for words, places in ((matrix.modifiers, rows), (matrix.heads, columns))
                ),
                np.asarray([len(word) for word in matrix.modifiers])[rows],
                np.asarray([len(word) for word in matrix.heads])[columns],
            ]
        ).astype(np.float32),
    )


def _dot(
    left: NDArray[np.float64], right: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.asarray(sum(left[rows, factor] * right[columns, factor] for factor in range(left.shape[1])))


def _reranked(
    seen: NDArray[np.float32],
    positive: NDArray[np.bool_],
    asked: NDArray[np.float32],
    config: CompoundConfig,
    rng: np.random.Generator,
    seed: int,
) -> NDArray[np.float64]:
    """Return the trees' log-odds of the places asked; the first step's score where nothing hidden came back."""
    if not positive.any() or positive.all():
        return asked[:, 0].astype(np.float64)
    import lightgbm

    wrong = np.flatnonzero(~positive)
    chosen = np.sort(rng.permutation(wrong)[: config.negatives])
    rows = np.concatenate([np.flatnonzero(positive), chosen])
    settings = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": min(50, max(1, len(rows) // 20)),
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    trees = lightgbm.train(settings, lightgbm.Dataset(seen[rows], positive[rows].astype(np.float64)), config.rounds)
    return np.asarray(trees.predict(asked, raw_score=True), dtype=np.float64)


def _keys(matrix: PairMatrix, pool: _Pool) -> NDArray[np.int64]:
    return pool.modifiers * len(matrix.heads) + pool.heads


def _keys_of_names(matrix: PairMatrix, names: set[str]) -> NDArray[np.int64]:
    row, column = ({word: place for place, word in enumerate(words)} for words in (matrix.modifiers, matrix.heads))
    pairs = [name.split(" ") for name in sorted(names)]
    return np.asarray(
        [row[modifier] * len(column) + column[head] for modifier, head in pairs if modifier in row and head in column],
        dtype=np.int64,
    )


def _require_extra() -> None:
    if any(importlib.util.find_spec(package) is None for package in ("lightgbm", "scipy")):
        raise MissingExtraError("new names", distribution="furikaeri-twenty-questions", extra="vocabulary")
