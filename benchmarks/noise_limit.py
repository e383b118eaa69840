"""The largest share of secrets that any strategy can find when answers are flipped, by linear programming.

    uv run python benchmarks/noise_limit.py [--words 2663] [--rounds 20]

K equally likely words; each answer is flipped with probability e; after each answer one guess. Fix a strategy and a
word. The word's history after r answers is one to one with the first r flips, so the word is guessed after a set of
prefixes of flips, none of which begins another. With a(r, w) the mean number (over words) of such prefixes of
length r with w flips, the share found is sum a(r, w) e^w (1 - e)^(r - w), and

- a history makes one guess: K sum_w a(r, w) <= 2^r for each r;
- a prefix continues only where the word is not yet guessed: with open(r, w) = b(r, w) - a(r, w) there are
  b(r, w) = open(r-1, w) + open(r-1, w-1) prefixes left to guess at, and 0 <= a(r, w) <= b(r, w).

The largest value of this linear program is a limit for every strategy (feedback included). It is tighter than
`evaluation.find_rate_limit`, which lets a history share its guesses among all of its beginnings.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import lil_matrix

from twenty_questions.evaluation import find_rate_limit


def limit(words: int, rounds: int, noise: float) -> float:
    index = {pair: n for n, pair in enumerate((r, w) for r in range(1, rounds + 1) for w in range(r + 1))}
    size = len(index)
    flow, supply = lil_matrix((size, 2 * size)), np.zeros(size)
    guesses = lil_matrix((rounds, 2 * size))
    for (r, w), row in index.items():
        flow[row, row] = flow[row, size + row] = 1
        supply[row] = r == 1
        for earlier in ((r - 1, w), (r - 1, w - 1)):
            if earlier in index:
                flow[row, size + index[earlier]] = -1
        guesses[r - 1, row] = words / 2.0**r
    value = [noise**w * (1 - noise) ** (r - w) for r, w in index]
    cost = np.concatenate([-np.asarray(value), np.zeros(size)])
    solved = linprog(cost, A_ub=guesses.tocsr(), b_ub=np.ones(rounds), A_eq=flow.tocsr(), b_eq=supply, method="highs")
    return min(1.0, -float(solved.fun))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=2663)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    print("flipped  limit (program)  limit (counting)")
    for noise in (0.0, 0.05, 0.1, 0.2):
        counted = find_rate_limit(np.ones(arguments.words), arguments.rounds, noise)
        print(f"{noise:7.0%}  {limit(arguments.words, arguments.rounds, noise):15.4f}  {counted:16.4f}")


if __name__ == "__main__":
    main()
