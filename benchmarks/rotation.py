"""Loads per round of models that do not all fit, in the rotated and in a fixed order, over a game of 20 rounds.

    .venv/bin/python benchmarks/rotation.py [--rounds 20] [--json] [--models A B C [--fit 1] [--weights 4bit]]

Three ways to go through the models of each round are played on the pool itself:

fixed       the same order every round, the least recently used model evicted: what a plain cache does
fixed, best the same order, with the best evictions that there are, found by trying all of them
rotated     the order of `furikaeri_common.models.rotation`, as the vote uses it

and beside them stands the least that any order and any evictions need: for equal sizes by the formula, else by trying
all of them. Exits 1 if the rotation misses it. With --models the models are really opened and asked a question
in each round, with a budget that fits `--fit` of the largest, and the seconds are what they took here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.models.config import Weights
from furikaeri_common.models.pool import ModelPool, Opened
from furikaeri_common.models.rotation import least_loads

CASES = {
    "3 models, 1 fits": ((10, 10, 10), 10),
    "3 models, 2 fit": ((10, 10, 10), 20),
    "4 models, 2 fit": ((10, 10, 10, 10), 20),
    "sizes 9, 8, 7 in 16": ((9, 8, 7), 16),
    "sizes 6, 5, 4, 3 in 10": ((6, 5, 4, 3), 10),
}


def fake_pool(sizes: Sequence[int], budget: int) -> ModelPool[str]:
    """Return a pool of names that take so many bytes."""
    by_name = {str(number): size for number, size in enumerate(sizes)}
    return ModelPool(budget, lambda name: Opened(name, by_name[name]), predict=by_name.__getitem__)


def loads_fixed(sizes: Sequence[int], budget: int, rounds: int) -> int:
    """Play the same order in every round."""
    pool = fake_pool(sizes, budget)
    for _ in range(rounds):
        for number in range(len(sizes)):
            with pool.use(str(number)):
                pass
    return pool.counts.loads


def loads_rotated(sizes: Sequence[int], budget: int, rounds: int) -> int:
    """Play the order that the pool gives."""
    pool = fake_pool(sizes, budget)
    for done in range(rounds):
        for name in pool.order_round([str(number) for number in range(len(sizes))], rounds=rounds - done):
            with pool.use(name):
                pass
    return pool.counts.loads


def least_by_trying(sizes: tuple[int, ...], budget: int, rounds: int, *, fixed: bool = False) -> int:
    """Return the least loads over all evictions, and over all orders unless that is fixed."""
    everything = frozenset(range(len(sizes)))
    subsets = {
        chosen: [
            frozenset(kept)
            for size in range(len(chosen) + 1)
            for kept in itertools.combinations(sorted(chosen), size)
            if sum(sizes[model] for model in kept) <= budget
        ]
        for count in range(len(sizes) + 1)
        for chosen in map(frozenset, itertools.combinations(everything, count))
    }

    @cache
    def least(loaded: frozenset[int], unused: frozenset[int], left: int) -> int:
        if not unused:
            return 0 if left == 1 else least(loaded, everything, left - 1)
        return min(
            (model not in kept) + least(kept | {model}, unused - {model}, left)
            for model in ([min(unused)] if fixed else unused)
            for kept in subsets[loaded]
            if sum(sizes[other] for other in kept | {model}) <= budget
        )

    return least(frozenset(), everything, rounds)


def measure(names: Sequence[str], weights: Weights, fit: int, rounds: int) -> dict[str, Any]:
    """Open real models: a game in fixed and in rotated order."""
    from furikaeri_common.devices import choose_device
    from furikaeri_common.models.budget import default_budget, predicted_bytes
    from furikaeri_common.models.places import find_model
    from twenty_questions.labelling.labeller import Labeller, LabellerConfig
    from twenty_questions.panel import open_member

    choice = choose_device()
    # The same model may be given several times: it is opened as often.
    config_of = {f"{number}: {name}": LabellerConfig(model=name, weights=weights) for number, name in enumerate(names)}
    sizes = {
        name: predicted_bytes(find_model(config.model), weights, choice.dtype) for name, config in config_of.items()
    }
    # Buffers come on top of the weights that headers tell of.
    budget = min(default_budget(choice), int(1.05 * fit * max(sizes.values())))
    figures: dict[str, Any] = {"device": choice.device, "weights": weights, "budget": budget, "rounds": rounds}
    for way in ("fixed", "rotated"):
        pool: ModelPool[Labeller] = ModelPool(
            budget, lambda name: open_member(config_of[name]), predict=sizes.__getitem__
        )
        start = time.perf_counter()
        for done in range(rounds):
            order = tuple(config_of) if way == "fixed" else pool.order_round(tuple(config_of), rounds=rounds - done)
            for name in order:
                with pool.use(name) as lease:
                    lease.value.label(["kettle"], [f"Is it used on day {done + 1} of a journey?"])
        seconds = time.perf_counter() - start
        pool.close()
        figures[way] = {
            "loads a round": pool.counts.loads / rounds,
            "seconds loading": round(pool.counts.seconds_loading, 2),
            "seconds in all": round(seconds, 2),
        }
    return figures


def main() -> int:
    """Print the table, and with models what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--models", nargs="+", metavar="MODEL")
    parser.add_argument("--fit", type=int, default=1, help="how many of the largest model the budget holds")
    parser.add_argument("--weights", choices=("full", "8bit", "4bit"), default="full")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.models:
        found = measure(options.models, options.weights, options.fit, options.rounds)
        print(json.dumps(found, indent=2))
        size = f"{len(options.models)} models of which {options.fit} fits, {options.rounds} rounds"
        own, fixed = found["rotated"], found["fixed"]
        key = "seconds in all"
        tell_figures([Figure(f"votes of {size}, really loaded", own[key], "s", fixed[key], "a fixed order")])
        return 0
    rows = {}
    for case, (sizes, budget) in CASES.items():
        equal = len(set(sizes)) == 1
        least = (
            least_loads(len(sizes), budget // sizes[0], options.rounds)
            if equal
            else least_by_trying(sizes, budget, options.rounds)
        )
        rows[case] = {
            "fixed": loads_fixed(sizes, budget, options.rounds),
            "fixed, best": least_by_trying(sizes, budget, options.rounds, fixed=True),
            "rotated": loads_rotated(sizes, budget, options.rounds),
            "least": least,
        }
    tell_figures(
        [
            Figure(
                f"loads a round, {case}, {options.rounds} rounds",
                *(row["rotated"] / options.rounds, "", row["fixed"] / options.rounds, "a fixed order"),
                limit=row["least"] / options.rounds,
                exact=True,
            )
            for case, row in rows.items()
        ]
    )
    if options.json:
        print(json.dumps({"rounds": options.rounds, "loads": rows}, indent=2))
    else:
        print(f"loads a round over {options.rounds} rounds, the first from nothing loaded")
        print(f"{'':24}{'fixed':>12}{'fixed, best':>12}{'rotated':>12}{'least':>12}")
        for case, row in rows.items():
            print(f"{case:24}" + "".join(f"{loads / options.rounds:12.2f}" for loads in row.values()))
    return 0 if all(row["rotated"] == row["least"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
