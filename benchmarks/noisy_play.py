"""How the table is played against partners who flip answers: greedy entropy, the look-ahead, and what is possible.

Three ways to play the same games, with secrets by the prior of the built-in table and answers flipped at a rate:
- greedy: always the question that leaves the least entropy;
- look-ahead: near the end the guess that follows an answer is counted, too (see `lookahead`), as `tq simulate` plays;
- told: the look-ahead by a guesser that believes answers as much as they deserve. The others take the table's 0.97 and
  0.03 at their word and the flips on top, while this partner is as sure of a cell as it can be; told takes that out.

Beside them stands the limit of `noise_limit` for every strategy. Differences are of the same games, against greedy,
with 95 % intervals.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from noise_limit import limits
from twenty_questions.guesser import GuesserConfig
from twenty_questions.quality import DEFINITE
from twenty_questions.simulated_partners import flipping, table_partner
from twenty_questions.simulation import simulate
from twenty_questions.strategies import table_strategy
from twenty_questions.table import AnswerTable, builtin_table, probability_of

ROUNDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=2000)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.15, 0.2])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = builtin_table()
    rows = np.random.default_rng(options.seed).choice(len(table.keywords), size=options.games, p=table.prior)
    secrets = [table.keywords[row] for row in rows]
    print(f"{'flipped':>7}  {'play':<10}  {'found':>6} {'(paired)':>18}  {'reward':>6} {'(paired)':>20}")
    figures = []
    for noise in options.noise:
        found_limit, reward_limit = limits(table.prior, ROUNDS, noise)
        print(f"{noise:7.0%}  {'limit':<10}  {found_limit:6.1%} {'':18}  {reward_limit:6.2f}")
        first: tuple[np.ndarray, np.ndarray] | None = None
        for name, config in _ways(table, noise).items():
            partner = flipping(table_partner(table), noise)
            found_in = simulate(table_strategy(table, config), partner, secrets, seed=options.seed).found_in
            found = (found_in > 0).astype(np.float64)
            rewards = np.where(found_in > 0, ROUNDS + 1.0 - found_in, -1.0)
            line = f"{'':7}  {name:<10}  {found.mean():6.1%} "
            if first is None:
                first = found, rewards
                line += f"{'':18}  {rewards.mean():6.2f}"
            else:
                line += f"{_paired(100 * (found - first[0]), 1):>18}  {rewards.mean():6.2f}"
                line += f" {_paired(rewards - first[1], 2):>20}"
            print(line.rstrip(), flush=True)
            if name == "look-ahead":
                title = f"{100 * noise:g} % of answers flipped, {options.games} games"
                share, greedy = 100 * float(found.mean()), float(first[1].mean())
                others = (100 * found_limit, "the most that any strategy can find")
                figures += [
                    Figure(f"found, {title}", share, "%", *others, better="more", exact=True),
                    Figure(
                        f"mean reward with a look at the guess after, {title}",
                        *(float(rewards.mean()), "", greedy, "greedy questions"),
                        better="more",
                        exact=True,
                    ),
                ]
    tell_figures(figures)


def _ways(table: AnswerTable, noise: float) -> dict[str, GuesserConfig]:
    """Return how each way plays at a noise; the first two as `tq simulate` sets them."""
    config = GuesserConfig(handshake=False, noise=max(0.05, noise), letter_noise=noise + 0.05)
    p = probability_of(table.codes[:, [question.kind == "table" for question in table.questions]])
    doubt = np.minimum(p, 1 - p)
    doubt = float(doubt[doubt <= 1 - DEFINITE].mean())
    told = max(0.0, (noise - doubt) / (1 - 2 * doubt))
    return {
        "greedy": dataclasses.replace(config, endgame_words=1),
        "look-ahead": config,
        "told": dataclasses.replace(config, noise=told, letter_noise=max(noise, 0.01)),
    }


def _paired(difference: np.ndarray, digits: int) -> str:
    half = 1.96 * difference.std(ddof=1) / difference.size**0.5
    return f"{difference.mean():+.{digits}f} +- {half:.{digits}f}"


if __name__ == "__main__":
    main()
