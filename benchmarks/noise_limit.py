"""The most that any strategy can find, and earn, when answers are flipped, by linear programming.

    uv run python benchmarks/noise_limit.py [--words 2663 | --built-in] [--rounds 20] [--noise 0 0.1 ...]

Words k of probability p_k; each answer is flipped with probability e; after each answer one guess. Fix a strategy and a
word. The word's history after r answers is one to one with the first r flips, so the word is guessed after a set of
prefixes of flips, none of which begins another. With a_k(r, w) the number of such prefixes of length r with w flips,
the share found is sum p_k a_k(r, w) e^w (1 - e)^(r - w), the reward the same with a hit worth 21 - r and the rest -1,
and

- a history makes one guess: sum_k,w a_k(r, w) <= 2^r for each r;
- a prefix continues only where the word is not yet guessed: with open(r, w) = b(r, w) - a(r, w) there are
  b(r, w) = open(r-1, w) + open(r-1, w-1) prefixes left to guess at, and 0 <= a(r, w) <= b(r, w).

Words that are as probable share their numbers, since their mean obeys the same. The largest values of these linear
programs are limits for every strategy (feedback included). The one of the share is tighter than
`evaluation.find_rate_limit`, which lets a history share its guesses among all of its beginnings.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.evaluation import find_rate_limit
from twenty_questions.table import builtin_table


class Limits(NamedTuple):
    """What no strategy exceeds."""

    find_rate: float
    reward: float


def limits(prior: np.ndarray, rounds: int, noise: float) -> Limits:
    """Return the limits for words of these probabilities, which sum to 1."""
    shares, count = np.unique(np.round(prior, 12), return_counts=True)
    pairs = [(r, w) for r in range(1, rounds + 1) for w in range(r + 1)]
    index = {pair: n for n, pair in enumerate(pairs)}
    size = len(pairs)
    # Variables: a of every group and pair, then open of every group and pair.
    entries: list[tuple[int, int, float]] = []
    for group in range(shares.size):
        first, after = group * size, (shares.size + group) * size
        for (r, w), place in index.items():
            entries += [(first + place, first + place, 1.0), (first + place, after + place, 1.0)]
            entries += [
                (first + place, after + index[earlier], -1.0)
                for earlier in ((r - 1, w), (r - 1, w - 1))
                if earlier in index
            ]
    row, column, value = zip(*entries, strict=True)
    num_variables = 2 * shares.size * size
    flow = coo_matrix((value, (row, column)), shape=(shares.size * size, num_variables)).tocsr()
    supply = np.tile([float(r == 1) for r, _ in pairs], shares.size)
    of_round = np.tile([r - 1 for r, _ in pairs], shares.size)
    used = np.repeat(count, size) / 2.0 ** (of_round + 1)
    guesses = coo_matrix((used, (of_round, np.arange(used.size))), shape=(rounds, num_variables)).tocsr()
    chance = np.tile([noise**w * (1 - noise) ** (r - w) for r, w in pairs], shares.size)
    found = np.repeat(count * shares, size) * chance
    best = []
    for worth in (found, found * (rounds + 1 - of_round)):
        cost = np.concatenate([-worth, np.zeros(worth.size)])
        solved = linprog(cost, A_ub=guesses, b_ub=np.ones(rounds), A_eq=flow, b_eq=supply, method="highs")
        best.append(-float(solved.fun))
    return Limits(min(1.0, best[0]), best[1] - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=2663, help="so many words, each as probable (2663)")
    parser.add_argument("--built-in", action="store_true", help="the keywords of the built-in table and their prior")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.15, 0.2])
    arguments = parser.parse_args()
    prior = builtin_table().prior if arguments.built_in else np.full(arguments.words, 1 / arguments.words)
    figures = []
    print("flipped  found (program)  found (counting)  reward (program)")
    for noise in arguments.noise:
        counted = find_rate_limit(prior, arguments.rounds, noise)
        found, reward = limits(prior, arguments.rounds, noise)
        print(f"{noise:7.0%}  {found:15.4f}  {counted:16.4f}  {reward:16.3f}", flush=True)
        figures.append(
            Figure(
                f"the most that can be found of {prior.size:,} words, {100 * noise:g} % of answers flipped",
                *(100 * found, "%", 100 * counted, "counting alone, a looser limit"),
                exact=True,
            )
        )
    tell_figures(figures)


if __name__ == "__main__":
    main()
