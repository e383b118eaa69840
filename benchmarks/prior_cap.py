"""What capping the prior's max/min ratio does to simulated games (the original's two submissions: 10 and 400).

    uv run python benchmarks/prior_cap.py [--games 300] [--noise 0.05] [--seed 0] [--table DIR] [--json]

The guesser believes one of two priors, capped at 1 (uniform), 10, 400, or not: "own", the table's, and "sharp", the
table's to the fourth power, which stands for counts that say too much. Secrets come (a) from the table's own prior, (b)
uniformly from the contest's public words that the table knows, (c) from the sharp prior, where believing it is right.
The same secrets and the same draws of the partner meet every cap. A cap that changes nothing is played once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.experiments import STRATEGIES
from twenty_questions.simulated_partners import flipping, table_partner
from twenty_questions.simulation import Outcome, simulate, summarise
from twenty_questions.sources.priors import cap_ratio
from twenty_questions.sources.public_list import read_public_list
from twenty_questions.strategies import table_strategy
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.words import normalise, spellings

CAPS = (1.0, 10.0, 400.0, float("inf"))
SHARPENED = 4
_Z = 1.96


def public_rows(table: AnswerTable) -> list[int]:
    """Return the rows of the public words that the table knows."""
    try:
        forms = {form for word in read_public_list().keywords for name in word.names for form in spellings(name)}
    except InputError:
        return []
    known = enumerate(table.keywords)
    return [row for row, keyword in known if any(normalise(name) in forms for name in keyword.names)]


def play(table: AnswerTable, prior: NDArray[np.float64], rows: Sequence[int], noise: float, seed: int) -> Outcome:
    """Play a game a secret with a guesser that believes a prior."""
    config = dataclasses.replace(STRATEGIES["table"], noise=max(STRATEGIES["table"].noise, noise))
    partner = flipping(table_partner(table), noise)
    believed = dataclasses.replace(table, prior=prior)
    return simulate(table_strategy(believed, config), partner, [table.keywords[row] for row in rows], seed=seed)


def figures_of(outcome: Outcome, uniform: Outcome) -> dict[str, object]:
    """Return a game set's figures, and its reward against the uniform prior's, game by game."""
    told = summarise(outcome)
    rewards, base = (np.where(one.found_in > 0, 21 - one.found_in, -1) for one in (outcome, uniform))
    gain = rewards - base
    error = _Z * gain.std(ddof=1) / np.sqrt(len(gain))
    return {
        "find_rate": told.find_rate,
        "find_rate_interval": told.find_rate_interval,
        "mean_rounds": told.mean_rounds,
        "mean_reward": told.mean_reward,
        "mean_reward_interval": told.mean_reward_interval,
        "gain_on_uniform": float(gain.mean()),
        "gain_interval": (float(gain.mean() - error), float(gain.mean() + error)),
    }


def _figures(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Return what capping the sharp prior gains on secrets that it was not made for."""
    figures = []
    for secrets in dict.fromkeys(row["secrets"] for row in rows):
        of = {row["cap"]: row for row in rows if row["secrets"] == secrets and row["belief"] == "sharp"}
        for cap in CAPS[1:-1]:
            title = f"reward with a prior that is too sure, capped at {cap:g}: {of[cap]['games']} secrets, {secrets}"
            values = (of[cap]["mean_reward"], "", of[CAPS[-1]]["mean_reward"], "not capped")
            figures.append(Figure(title, *values, better="more", exact=True))
    return figures


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=300)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = open_table(arguments.table) if arguments.table else builtin_table()
    sharp = table.prior**SHARPENED / (table.prior**SHARPENED).sum()
    rng = np.random.default_rng(arguments.seed)
    draw = arguments.games
    known = public_rows(table)
    secrets = {"own prior": rng.choice(len(table.prior), draw, p=table.prior)}
    if known:
        secrets["public words"] = rng.choice(known, min(draw, len(known)), replace=False)
    secrets["sharp prior"] = rng.choice(len(table.prior), draw, p=sharp)
    rows: list[dict[str, object]] = []
    began = time.perf_counter()
    for name, chosen in secrets.items():
        played: dict[bytes, Outcome] = {}
        for belief, prior in (("own", table.prior), ("sharp", sharp)):
            for cap in CAPS:
                capped = cap_ratio(prior, cap) if cap > 1 else np.full(len(prior), 1 / len(prior))
                if capped.tobytes() not in played:
                    outcome = play(table, capped, chosen.tolist(), arguments.noise, arguments.seed)
                    played[capped.tobytes()] = outcome
                outcome, uniform = played[capped.tobytes()], next(iter(played.values()))
                ratio = float(capped.max() / capped.min())
                told = figures_of(outcome, uniform)
                row = {"secrets": name, "games": len(chosen), "belief": belief, "cap": cap, "ratio": ratio, **told}
                rows.append(row)
                if not arguments.json:
                    low, high = told["gain_interval"]  # type: ignore[misc]
                    print(
                        f"{name:13} {len(chosen):4} games, belief {belief:5} cap {cap:5g} (ratio {ratio:6.1f}): "
                        f"found {told['find_rate']:.1%}, rounds {told['mean_rounds']:.2f}, "
                        f"reward {told['mean_reward']:.2f}, on uniform {told['gain_on_uniform']:+.2f} "
                        f"({low:+.2f} to {high:+.2f})",
                        flush=True,
                    )
    tell_figures(_figures(rows))
    if arguments.json:
        settings = {"noise": arguments.noise, "seed": arguments.seed, "seconds": time.perf_counter() - began}
        print(json.dumps({**settings, "rows": [{**row, "cap": str(row["cap"])} for row in rows]}, indent=2))


if __name__ == "__main__":
    main()
