"""P(word is the keyword): a distribution over a vocabulary, learned from keywords that are known.

Two models are averaged, each a distribution over all N candidates fitted to the known keywords as draws from it:

- a conditional logit of the features (see `conditional_logit`), which bends little and extrapolates well;
- boosted trees of the same features with a Poisson loss, sum_k exp(s_k) - y_k s_k. With y_k = 1 for the n known
  keywords its minimum over a common shift of the scores, at sum_k exp(s_k) = n, is n - n log n more than the
  conditional logit's loss -sum_k y_k log softmax(s)_k (Baker 1994, "The multinomial-Poisson transformation"). So trees
  and logit reduce the same log-loss per word, each with penalties of its own.

The average is of probabilities, weighted by w and 1 - w. By the concavity of the logarithm no word's log-loss exceeds
the mean, so weighted, of the two; and a word that one of them finds absurd keeps the share w or 1 - w of what the other
gives it. A share of the mass is spread over all candidates alike, which bounds what any word can lose against a uniform
prior: at most -log2(share) bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.vocabulary.conditional_logit import fit_conditional_logit, log_softmax
from twenty_questions.vocabulary.prior_features import Features, features_of
from twenty_questions.word_forms import normal_forms
from twenty_questions.words import Keyword, spellings

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PriorConfig", "Seen", "fit_prior", "fitted_prior", "rows_of_keywords"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorConfig:
    """How the prior is learned.

    Attributes:
        ridge: the logit's penalty, > 0.
        trees: boosted trees, at least 0.
        leaves: of each tree, at least 2.
        learning_rate: in (0, 1].
        trees_share: of the trees in the average, in [0, 1].
        uniform_share: of the mass that is spread over all candidates alike, in [0, 1).
    """

    ridge: float = 10.0
    trees: int = 150
    leaves: int = 8
    learning_rate: float = 0.05
    trees_share: float = 0.6
    uniform_share: float = 0.01

    def __post_init__(self) -> None:
        if not self.ridge > 0 or self.trees < 0 or self.leaves < 2 or not 0 < self.learning_rate <= 1:
            raise ValueError("expected ridge > 0, trees >= 0, leaves >= 2 and learning_rate in (0, 1]")
        if not 0 <= self.trees_share <= 1 or not 0 <= self.uniform_share < 1:
            raise ValueError("expected trees_share in [0, 1] and uniform_share in [0, 1)")


class Seen(NamedTuple):
    """Known keywords among the candidates.

    Attributes:
        rows: shape (n,): the candidate that each found keyword is.
        found: bool, shape (keywords,): which keywords the candidates have.
    """

    rows: NDArray[np.intp]
    found: NDArray[np.bool_]


def rows_of_keywords(names: Sequence[str], keywords: Sequence[Keyword]) -> Seen:
    """Find keywords among candidates: letter for letter in lower case, else by the game's matching of names and alts.

    Of several candidates that the game takes for a keyword the first one is it.

    Args:
        names: of the candidates, in lower case.
        keywords: what is looked for.
    """
    exact = {name: row for row, name in enumerate(names)}
    by_form: dict[str, int] = {}
    for row, form in enumerate(normal_forms(names)):
        by_form.setdefault(form, row)
    rows: list[int] = []
    found: list[bool] = []
    for keyword in keywords:
        places = [exact.get(name.lower()) for name in keyword.names]
        places += [by_form.get(form) for name in keyword.names for form in spellings(name)]
        first = next((place for place in places if place is not None), None)
        found.append(first is not None)
        if first is not None:
            rows.append(first)
    return Seen(np.asarray(rows, dtype=np.intp), np.asarray(found, dtype=np.bool_))


def fit_prior(frame: pl.DataFrame, known: Sequence[Keyword], config: PriorConfig, seed: int) -> NDArray[np.float64]:
    """Return the probability of each candidate, learned from known keywords.

    Args:
        frame: the candidates (see `vocabulary.candidates`).
        known: keywords, of which some must be candidates.
        config: how.
        seed: of the trees.

    Returns:
        float64, shape (rows,), positive, sums to 1.

    Raises:
        InputError: if no known keyword is a candidate.
        MissingExtraError: if trees are asked for and LightGBM is not installed.
    """
    rows = np.unique(rows_of_keywords(frame["name"].to_list(), known).rows)
    if not rows.size:
        raise InputError("none of the known keywords is a candidate, so that no prior can be learned")
    return fitted_prior(features_of(frame, rows), rows, config, seed)


def fitted_prior(features: Features, rows: NDArray[np.intp], config: PriorConfig, seed: int) -> NDArray[np.float64]:
    """Return the probability of each candidate, given the rows of distinct known keywords.

    Args:
        features: of N candidates.
        rows: shape (n,), distinct.
        config: how the prior is learned.
        seed: of the trees.

    Returns:
        float64, shape (N,), positive, sums to 1.
    """
    values = features.values
    mean, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    spread[spread < 1e-6] = 1.0
    scaled = values - mean.astype(np.float32)
    scaled /= spread.astype(np.float32)
    weights = np.ones(rows.size)
    b = fit_conditional_logit(scaled, rows, weights, ridge=config.ridge)
    p = np.exp(log_softmax(np.asarray(scaled @ b.astype(np.float32), dtype=np.float64)))
    if config.trees and config.trees_share:
        p = (1 - config.trees_share) * p + config.trees_share * _by_trees(values, rows, config, seed)
    p = (1 - config.uniform_share) * p + config.uniform_share / p.size
    return np.asarray(p / p.sum())


def _by_trees(
    values: NDArray[np.float32], rows: NDArray[np.intp], config: PriorConfig, seed: int
) -> NDArray[np.float64]:
    try:
        import lightgbm
    except ImportError as error:
        raise MissingExtraError(
            "A prior of boosted trees", distribution="furikaeri-twenty-questions", extra="vocabulary"
        ) from error
    seen = np.bincount(rows, minlength=len(values)).astype(np.float64)
    start = np.full(len(values), np.log(seen.sum() / len(values)))
    settings = {
        "objective": "poisson",
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_sum_hessian_in_leaf": 5.0,
        "min_data_in_leaf": 50,
        "lambda_l2": 5.0,
        "poisson_max_delta_step": 0.1,
        "feature_fraction": 0.7,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
    trees = lightgbm.train(settings, lightgbm.Dataset(values, seen, init_score=start), num_boost_round=config.trees)
    return np.exp(log_softmax(np.asarray(trees.predict(values, raw_score=True, num_threads=1)) + start))
