"""What a choice of questions is worth in games: greedy by joint information, one by one, and at random.

    uv run python benchmarks/question_ranking.py [--games 500] [--seed 0]

The built-in table's questions of meaning are cut down to a budget in three ways, and the guesser plays with what is
left, against a partner that answers as the table says but for 5 % of the answers. Then the same where every question
stands in the list in three wordings, whose labels differ in 2 % of the cells, as they do before near-duplicates are
merged: there, one by one, the best questions are the same few over again. Intervals are of 95 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.guesser import GuesserConfig
from twenty_questions.information import information_gain
from twenty_questions.question_sources.ranking import rank_questions
from twenty_questions.questions import Question
from twenty_questions.simulated_partners import flipping, table_partner
from twenty_questions.simulation import simulate, summarise
from twenty_questions.strategies import table_strategy
from twenty_questions.table import AnswerTable, builtin_table

NOISE = 0.05
WORDINGS = 3
CHANGED = 0.02
BUDGETS = (15, 30, 60)


def of_meaning(table: AnswerTable) -> AnswerTable:
    columns = [place for place, question in enumerate(table.questions) if question.kind == "table"]
    return with_columns(table, columns)


def with_columns(table: AnswerTable, columns: list[int]) -> AnswerTable:
    questions = tuple(table.questions[column] for column in columns)
    return dataclasses.replace(table, questions=questions, codes=np.ascontiguousarray(table.codes[:, columns]))


def in_other_wordings(table: AnswerTable, rng: np.random.Generator) -> AnswerTable:
    """Return the table with each question several times, the copies' labels changed in a few cells."""
    questions, codes = list(table.questions), [np.asarray(table.codes)]
    for wording in range(1, WORDINGS):
        questions += [Question(f"{one.key}-{wording}", f"({wording}) {one.text}") for one in table.questions]
        changed = rng.random(table.codes.shape) < CHANGED
        codes.append(np.where(changed, 254 - np.minimum(table.codes, 254), table.codes).astype(np.uint8))
    return dataclasses.replace(table, questions=tuple(questions), codes=np.hstack(codes))


def choices(table: AnswerTable, budget: int, seed: int) -> dict[str, list[int]]:
    codes = np.asarray(table.codes)
    began = time.perf_counter()
    ranking = rank_questions(codes, table.prior, budget=budget, seed=seed, noise=NOISE)
    greedy = f"greedy ({time.perf_counter() - began:.0f} s)"
    singly = np.argsort(-information_gain(codes, table.prior, noise=NOISE), kind="stable")[:budget]
    drawn = np.random.default_rng(seed).choice(codes.shape[1], size=budget, replace=False)
    return {greedy: [step.column for step in ranking.steps], "one by one": singly.tolist(), "random": drawn.tolist()}


def main() -> None:
    """Play with every choice, and print find rates and rewards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    plain = of_meaning(builtin_table())
    config = GuesserConfig(handshake=False, letters=False, noise=NOISE)
    rows = np.random.default_rng(options.seed).choice(len(plain.keywords), size=options.games, p=plain.prior)
    secrets = [plain.keywords[row] for row in rows]
    reworded = in_other_wordings(plain, np.random.default_rng(options.seed))
    figures = []
    for title, table in (("each question once", plain), (f"each in {WORDINGS} wordings", reworded)):
        print(f"{title}: {len(table.keywords):,} keywords, {len(table.questions):,} questions")
        for budget in BUDGETS:
            rewards = []
            for name, columns in choices(table, budget, options.seed).items():
                cut = with_columns(table, columns)
                partner = flipping(table_partner(cut), NOISE)
                done = summarise(simulate(table_strategy(cut, config), partner, secrets, seed=options.seed), rounds=20)
                low, high = done.mean_reward_interval
                rewards.append(done.mean_reward)
                print(
                    f"  {budget:3} questions, {name:16} found {done.find_rate:6.1%}  "
                    f"reward {done.mean_reward:5.2f} ({low:.2f} to {high:.2f})",
                    flush=True,
                )
            figures.append(
                Figure(
                    f"mean reward with {budget} of {len(table.questions):,} questions, {title}, {options.games} games",
                    *(rewards[0], "", rewards[1], "the best one by one"),
                    better="more",
                    exact=True,
                )
            )
    tell_figures(figures)


if __name__ == "__main__":
    main()
