"""How good a prior is on keywords it was not learned from: log-loss, rounds, losers, and whether its numbers hold.

What a word costs is -log2 p bits. What it takes is the round in which a bisection with this prior finds it, against a
partner who answers exactly, the handshake first (see `alphabetical_players`); a word that takes more rounds than a game
has is not found. A prior is calibrated if among words that it gives some probability as many are keywords as it says:
of n keywords, n times the mass of the words should lie in any set of words that it chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.alphabetical_players import halve_and_guess_best
from twenty_questions.studies.intervals import Estimate, mean_estimate
from twenty_questions.vocabulary.prior_features import features_of
from twenty_questions.vocabulary.prior_model import PriorConfig, fitted_prior, rows_of_keywords
from twenty_questions.words import Keyword

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Band", "PriorFigures", "PriorStudy", "baselines", "study_priors"]

LEARNED = "learned"
_ROUNDS = 20
_LEAST_FREQUENCY = 1e-9
_LOSS = 2
_EDGES = np.exp2(np.arange(-32.0, 2.0, 1.5))  # of the bands; what is less probable counts in the lowest


class PriorFigures(NamedTuple):
    """What a prior is worth on held-out keywords.

    Attributes:
        name: the prior.
        bits: mean of -log2 p over the keywords that are candidates.
        rounds: mean round of those that are found within a game.
        find_rate: share found, of all keywords, candidates or not.
        reward: mean reward over all keywords; -1 for one that is not found.
        losers: share of all keywords that take more than two rounds more than with a uniform prior.
    """

    name: str
    bits: Estimate
    rounds: Estimate
    find_rate: float
    reward: Estimate
    losers: float


class Band(NamedTuple):
    """Candidates of similar probability.

    Attributes:
        low: their probabilities are at least this,
        high: and less than this.
        expected: how many held-out keywords they should hold.
        seen: how many they hold.
    """

    low: float
    high: float
    expected: float
    seen: int


class PriorStudy(NamedTuple):
    """Priors beside each other on the same held-out keywords.

    Attributes:
        figures: of each prior, the learned one first.
        bands: how far the learned one's numbers hold, the most probable candidates first.
        rounds: per prior, the round of each held-out keyword; 0 for one that is no candidate.
    """

    figures: tuple[PriorFigures, ...]
    bands: tuple[Band, ...]
    rounds: dict[str, NDArray[np.int64]]


def baselines(frame: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return priors that need no learning, each shape (N,), sums to 1.

    `uniform`; `frequency`, of the name in print, where several words are as frequent as words that must meet, one over
    the sum of one over their frequencies; `counts`, one and the number of lists that name it, as samples of a language
    model were counted in the contest.
    """

    def frequency(column: str) -> NDArray[np.float64]:
        zipf = frame[column].cast(float).fill_null(0.0).to_numpy()
        return np.maximum(10.0 ** (zipf - 9), _LEAST_FREQUENCY)

    alone = frame["words"].to_numpy() == 1
    met = 1 / (1 / frequency("zipf_head") + 1 / frequency("zipf_modifier"))
    weights = {
        "uniform": np.ones(len(frame)),
        "frequency": np.where(alone, frequency("zipf"), met),
        "counts": 1.0 + frame["written_files"].to_numpy() + (frame["in_builtin"].to_numpy() > 0),
    }
    return {name: values / values.sum() for name, values in weights.items()}


def study_priors(
    frame: pl.DataFrame,
    known: Sequence[Keyword],
    config: PriorConfig,
    seed: int,
    *,
    held_out: Sequence[Keyword] = (),
    parts: int = 10,
) -> PriorStudy:
    """Return the learned prior beside others on keywords that it was not learned from.

    Args:
        frame: the candidates, in alphabetical order.
        known: keywords to learn from.
        config: how.
        seed: of the parts and the trees.
        held_out: keywords to judge on, learning from all known ones; none: the known ones themselves, each by a prior
            that was learned from the other parts (cross-validation by word). The lists that were written in sight of
            known keywords count for none of these, learned from or judged.
        parts: of the cross-validation, at least 2 and at most the number of known keywords.

    Raises:
        ValueError: if `parts` is out of range.
        MissingExtraError: if trees are asked for and LightGBM is not installed.
    """
    if not held_out and not 2 <= parts <= len(known):
        raise ValueError(f"expected parts in [2, {len(known)} known keywords], got {parts}")
    names = frame["name"].to_list()
    seen = rows_of_keywords(names, known)
    in_sight = np.unique(seen.rows)
    if held_out:
        splits = [(in_sight, rows_of_keywords(names, held_out).rows, len(held_out))]
    else:
        part = np.random.default_rng(seed).permutation(len(known)) % parts
        of_found = part[seen.found]
        splits = [
            (np.unique(seen.rows[of_found != one]), seen.rows[of_found == one], int((part == one).sum()))
            for one in range(parts)
        ]
    given = baselines(frame)
    given_rounds = {name: halve_and_guess_best(p) for name, p in given.items()}
    log_p: dict[str, list[NDArray[np.float64]]] = {}
    rounds: dict[str, list[NDArray[np.int64]]] = {}
    expected, counted = np.zeros(len(_EDGES) - 1), np.zeros(len(_EDGES) - 1)
    for learn, judge, number in splits:
        p = fitted_prior(features_of(frame, learn, in_sight), learn, config, seed)
        both = {LEARNED: (p, halve_and_guess_best(p)), **{name: (given[name], given_rounds[name]) for name in given}}
        for name, (prior, found_in) in both.items():
            log_p.setdefault(name, []).append(np.log2(prior[judge]))
            taken = np.zeros(number, dtype=np.int64)
            taken[: judge.size] = found_in[judge]
            rounds.setdefault(name, []).append(taken)
        # What was learned from cannot be held out.
        others = np.ones(p.size, dtype=np.bool_)
        others[learn] = False
        binned = np.maximum(p, _EDGES[0])
        expected += judge.size * np.histogram(binned[others], _EDGES, weights=p[others])[0] / p[others].sum()
        counted += np.histogram(binned[judge], _EDGES)[0]
    joined = {name: np.concatenate(several) for name, several in rounds.items()}
    figures = tuple(
        _figures(name, np.concatenate(log_p[name]), joined[name], joined["uniform"]) for name in (LEARNED, *given)
    )
    bands = [
        Band(float(low), float(high), float(one), int(other))
        for low, high, one, other in zip(_EDGES[:-1], _EDGES[1:], expected, counted, strict=True)
        if one > 0 or other
    ]
    return PriorStudy(figures, tuple(reversed(bands)), joined)


def _figures(
    name: str, log_p: NDArray[np.float64], rounds: NDArray[np.int64], uniform: NDArray[np.int64]
) -> PriorFigures:
    found = (rounds > 0) & (rounds <= _ROUNDS)
    is_candidate = rounds > 0
    return PriorFigures(
        name=name,
        bits=mean_estimate(-log_p),
        rounds=mean_estimate(rounds[found]),
        find_rate=float(found.mean()),
        reward=mean_estimate(np.where(found, _ROUNDS + 1 - rounds, -1)),
        losers=float((is_candidate & (rounds - uniform > _LOSS)).mean()),
    )
