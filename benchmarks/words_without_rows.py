"""What it costs when a word of the vocabulary has no row in the answer table.

The built-in table's keywords are the vocabulary. The rows of a share of them are taken out of the table while the words
stay in the vocabulary, and the guesser with one belief plays a partner that answers meaning from the whole table and
spelling as carelessly as a language model. It is played for words that keep their row at every share, and for words
that lose it at every share, the same ones with each table and each `shrink` (see `joint.config`): how far the answers
expected of a word without a row are moved from the mean of the column towards 1/2.

`lost` is the reward that the whole table earned more in the same games, with its 95 % interval.
"""

from __future__ import annotations

import argparse

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.bisection import word_list
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import Kind
from twenty_questions.simulated_partners import careless, table_partner
from twenty_questions.simulation import simulate
from twenty_questions.strategies import joint_strategy
from twenty_questions.table import AnswerTable, builtin_table
from twenty_questions.words import Keyword

ERRORS: dict[Kind, float] = {"alphabetical": 0.45, "letter": 0.3, "list": 0.1}
ROUNDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=100, help="games for words of each kind and setting (100)")
    parser.add_argument("--without", type=float, nargs="+", default=[0.1, 0.5], help="shares without a row (0.1 0.5)")
    parser.add_argument("--shrink", type=float, nargs="+", default=[0.0, 0.5, 1.0], help="shrinkages (0 0.5 1)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = builtin_table()
    rng = np.random.default_rng(options.seed)
    order = rng.permutation(len(table.keywords))
    least, most = (round(share * len(order)) for share in (min(options.without), max(options.without)))
    secrets = {
        "row": _drawn(table, order[most:], options.games, rng),
        "none": _drawn(table, order[:least], options.games, rng),
    }
    whole = {kind: _rounds(_without(table, order[:0]), 0.0, names, table, options) for kind, names in secrets.items()}
    print("without  shrink  secrets    found  rounds  reward   lost (95 %)")
    for kind, found in whole.items():
        print(f"{0:7.0%}  {'':6}  {kind:7}  {_figures(found)}")
    figures = []
    for share in options.without:
        universe = _without(table, order[: round(share * len(order))])
        for shrink in options.shrink:
            for kind, names in secrets.items():
                found = _rounds(universe, shrink, names, table, options)
                lost = _rewards(whole[kind]) - _rewards(found)
                half = 1.96 * lost.std(ddof=1) / lost.size**0.5
                interval = f"{lost.mean():5.2f} ({lost.mean() - half:.2f} to {lost.mean() + half:.2f})"
                print(f"{share:7.0%}  {shrink:6g}  {kind:7}  {_figures(found)}  {interval}", flush=True)
                if kind == "none":
                    title = f"{100 * share:g} % of the rows removed, shrink {shrink:g}, {options.games} games"
                    values = (float(_rewards(found).mean()), "", float(_rewards(whole[kind]).mean()), "with its row")
                    figures.append(
                        Figure(f"reward for a word without a row, {title}", *values, better="more", exact=True)
                    )
    tell_figures(figures)


def _without(table: AnswerTable, rows: np.ndarray) -> Universe:
    """Return the vocabulary of all keywords, joined to the table without some rows."""
    kept = np.setdiff1d(np.arange(len(table.keywords)), rows)
    known = AnswerTable(
        tuple(table.keywords[row] for row in kept),
        table.questions,
        np.ascontiguousarray(table.codes[kept]),
        table.prior[kept] / table.prior[kept].sum(),
    )
    return universe_of(known, word_list([keyword.name for keyword in table.keywords], table.prior))


def _drawn(table: AnswerTable, rows: np.ndarray, games: int, rng: np.random.Generator) -> list[Keyword]:
    p = table.prior[rows] / table.prior[rows].sum()
    return [table.keywords[row] for row in rng.choice(rows, size=games, p=p)]


def _rounds(
    universe: Universe, shrink: float, secrets: list[Keyword], table: AnswerTable, options: argparse.Namespace
) -> np.ndarray:
    partner = careless(table_partner(table), ERRORS, handshake=0.05, seed=options.seed)
    strategy = joint_strategy(universe, JointConfig(shrink=shrink, rounds=ROUNDS))
    return simulate(strategy, partner, secrets, seed=options.seed, rounds=ROUNDS).found_in


def _rewards(found: np.ndarray) -> np.ndarray:
    return np.where(found > 0, ROUNDS + 1 - found, -1).astype(np.float64)


def _figures(found: np.ndarray) -> str:
    hits = found[found > 0]
    rounds = f"{hits.mean():6.2f}" if hits.size else f"{'':6}"
    return f"{hits.size / found.size:6.1%}  {rounds}  {_rewards(found).mean():6.2f}"


if __name__ == "__main__":
    main()
