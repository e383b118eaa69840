"""What games teach: how much of what a wrong table costs is won back by learning from played games.

Two worlds, in which partners answer by a table of their own that the guesser does not have:
- cells: 111 things of the built-in table, and every cell by itself wrong with a rate;
- questions: the whole table, and in a tenth of the questions every cell a coin that was tossed once.

Games are played with the guesser's own table, learned from in groups, and then new games are played: with the table as
it was (before), as it has become (after), with cells alone learned (cells alone), and with the partner's own (matched).
Recovered is (after - before) / (matched - before), of the mean reward, with a bootstrap interval over the new games.

The guesser takes every answer for wrong at a rate of 0.1, and learns with the same.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.belief import Answer
from twenty_questions.guesser import GuesserConfig
from twenty_questions.learning import Lesson, learn
from twenty_questions.questions import Question
from twenty_questions.reliability import relearn
from twenty_questions.simulated_partners import table_partner
from twenty_questions.simulation import simulate
from twenty_questions.strategies import table_strategy
from twenty_questions.table import AnswerTable, builtin_table, code_of, probability_of
from twenty_questions.words import Keyword

GAMES = 500
LEAST_WON_BACK = 0.5  # of what the mismatch costs, by so many games
CONFIG = GuesserConfig(handshake=False, letters=False, noise=0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=GAMES, help="games to learn from (500)")
    parser.add_argument("--group", type=int, default=50, help="games between two lessons (50)")
    parser.add_argument("--tried", type=int, default=600, help="new games to judge by (600)")
    parser.add_argument("--wrong", type=float, default=0.1, help="share of wrong cells, or of wrong questions (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, one after the other (3)")
    options = parser.parse_args()
    print(f"{'world':<10} {'seed':>4} {'before':>8} {'cells alone':>12} {'after':>8} {'matched':>8}   recovered (95 %)")
    together: dict[str, list[np.ndarray]] = {}
    for seed in range(options.seed, options.seed + options.seeds):
        rng = np.random.default_rng(seed)
        table = builtin_table()
        few = _rows_of(table, rng.choice(len(table.keywords), size=111, replace=False))
        for name, believed, true in (
            ("cells", few, _with_wrong_cells(few, options.wrong, rng)),
            ("questions", table, _with_wrong_questions(table, options.wrong, rng)),
        ):
            lessons = _played(believed, true, seed, options.games, options.group)
            worlds = (believed, learn(believed, lessons), relearn(believed, lessons, noise=CONFIG.noise), true)
            rewards = np.array([_rewards(one, true, seed, options.tried) for one in worlds])
            together.setdefault(name, []).append(rewards)
            print(_row(name, str(seed), rewards), flush=True)
    figures = []
    for name, parts in together.items():
        rewards = np.concatenate(parts, axis=1)
        print(_row(name, "all", rewards))
        before, cells, after, matched = rewards.mean(axis=1).tolist()
        title = f"a table with {100 * options.wrong:g} % of its {name} wrong, {options.games} games to learn from"
        lost = matched - before
        won, by_cells = 100 * (after - before) / lost, 100 * (cells - before) / lost
        figures += [
            Figure(f"mean reward after, {title}", after, "", before, "before", better="more", exact=True),
            Figure(
                f"share of the lost reward won back, {title}",
                *(won, "%", by_cells, "learning cells alone"),
                limit=100 * LEAST_WON_BACK if options.games >= GAMES else None,
                better="more",
                exact=True,
            ),
        ]
    tell_figures(figures)


def _row(world: str, seed: str, rewards: np.ndarray) -> str:
    """Return a line of the report; `rewards` has a row for each of before, cells alone, after and matched."""
    before, cells, after, matched = rewards.mean(axis=1)
    value, low, high = _recovered(rewards[0], rewards[2], rewards[3])
    figures = f"{before:8.2f} {cells:12.2f} {after:8.2f} {matched:8.2f}"
    return f"{world:<10} {seed:>4} {figures}   {value:.0%} ({low:.0%} to {high:.0%})"


def _rows_of(table: AnswerTable, rows: np.ndarray) -> AnswerTable:
    kept = np.sort(rows)
    prior = table.prior[kept] / table.prior[kept].sum()
    return AnswerTable(
        tuple(table.keywords[row] for row in kept), table.questions, np.ascontiguousarray(table.codes[kept]), prior
    )


def _with_wrong_cells(table: AnswerTable, share: float, rng: np.random.Generator) -> AnswerTable:
    wrong = (rng.random(table.codes.shape) < share) & _meaning(table)
    p = probability_of(table.codes)
    return dataclasses.replace(table, codes=code_of(np.where(wrong, 1 - p, p)))


def _with_wrong_questions(table: AnswerTable, share: float, rng: np.random.Generator) -> AnswerTable:
    columns = np.flatnonzero(_meaning(table))
    wrong = rng.choice(columns, size=round(share * columns.size), replace=False)
    p = probability_of(table.codes)
    p[:, wrong] = np.where(rng.random((len(p), wrong.size)) < 0.5, 0.02, 0.98)
    return dataclasses.replace(table, codes=code_of(p))


def _meaning(table: AnswerTable) -> np.ndarray:
    return np.array([question.kind == "table" for question in table.questions])


def _played(believed: AnswerTable, true: AnswerTable, seed: int, games: int, group: int) -> list[Lesson]:
    """Play games one group after the other, each with what the groups before have taught."""
    secrets = np.random.default_rng([seed, 1]).choice(len(true.keywords), size=games, p=true.prior)
    partner, taught, held = table_partner(true), list[Lesson](), believed
    for first in range(0, games, group):
        heard: list[Answer] = []

        def telling(
            keyword: Keyword, question: Question, rng: np.random.Generator, heard: list[Answer] = heard
        ) -> Answer:
            heard.append(partner(keyword, question, rng))
            return heard[-1]

        keywords = [true.keywords[row] for row in secrets[first : first + group]]
        outcome = simulate(table_strategy(held, CONFIG), telling, keywords, seed=seed, first=first)
        # Games are played one after the other, so their answers follow each other.
        answers = iter(heard)
        for keyword, keys in zip(keywords, outcome.questions, strict=True):
            taught.append(Lesson(keyword.name, (), {key: next(answers) for key in keys}))
        held = relearn(believed, taught, noise=CONFIG.noise)
    return taught


def _rewards(believed: AnswerTable, true: AnswerTable, seed: int, tried: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 2])
    rows = rng.choice(len(true.keywords), size=tried, p=true.prior)
    keywords = [true.keywords[row] for row in rows]
    # The prior is the same for all, so that what is told apart is the answers.
    played = dataclasses.replace(believed, prior=true.prior)
    found = simulate(table_strategy(played, CONFIG), table_partner(true), keywords, seed=seed).found_in
    return np.where(found > 0, 21 - found, -1).astype(np.float64)


def _recovered(before: np.ndarray, after: np.ndarray, matched: np.ndarray) -> tuple[float, float, float]:
    draws = np.random.default_rng(0).multinomial(len(before), np.full(len(before), 1 / len(before)), size=1000)
    shares = (draws @ (after - before)) / (draws @ (matched - before))
    value = (after - before).sum() / (matched - before).sum()
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(value), float(low), float(high)


if __name__ == "__main__":
    main()
