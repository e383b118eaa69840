"""What `tq simulate` tells: the figures of every setting, of a mixed population, and beside a specialist."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from furikaeri_cli.output import Output
from furikaeri_common.errors import MissingExtraError
from twenty_questions.experiments import MIXTURE
from twenty_questions.simulation import Summary
from twenty_questions.studies.beside_specialists import Beside, beside
from twenty_questions.studies.intervals import Estimate

__all__ = ["MIXED", "Setting", "Simulated", "draw_results", "plain_result", "tell_results"]

MIXED = "mixed"
"""The name of the population of all partners of `MIXTURE`."""


class Setting(NamedTuple):
    """One combination that is simulated."""

    strategy: str
    partner: str
    noise: float


class Simulated(NamedTuple):
    """A setting, what came of it, and the limits beside it.

    Attributes:
        setting: what was played.
        summary: figures with every game counted alike.
        weighted: the same with games weighted by the secrets' prior, if they were not drawn from it.
        fewest_rounds: the least prior-weighted mean round of any strategy without noise, sum_i p_(i) floor(log2(i+1));
            floor(log2 i) + 1 for a strategy that opens with the handshake. NaN where more can be guessed than is played
            for.
        limit_by_round: the largest find rate that any strategy can have by each round (see `evaluation`).
        found_in: the round of each game's hit, 0 for none.
    """

    setting: Setting
    summary: Summary
    weighted: Summary
    fewest_rounds: float
    limit_by_round: tuple[float, ...]
    found_in: tuple[int, ...] = ()


def draw_results(output: Output, results: Sequence[Simulated], folder: Path) -> None:
    """Draw find rate and mean reward by round into `by_round.png`; without the extra for plots, say what is missing."""
    from twenty_questions.plots import plot_by_round

    curves = {
        _title(result.setting): (result.summary.found_by_round, np.asarray(result.limit_by_round)) for result in results
    }
    try:
        plot_by_round(curves, folder / "by_round.png")
    except MissingExtraError as error:
        output.warn(str(error))


def plain_result(result: Simulated) -> dict[str, Any]:
    """Return a result as JSON has it."""
    from furikaeri_common.documents import jsonable

    return dict(jsonable(result))


def _title(setting: Setting) -> str:
    return f"{setting.strategy}, {setting.partner}, {setting.noise:.0%}"


def _interval(bounds: tuple[float, float], scale: float) -> str:
    return f"{scale * bounds[0]:.1f}-{scale * bounds[1]:.1f}"


def tell_results(
    output: Output, results: Sequence[Simulated], folder: Path, *, rounds: int, seed: int, mixed: bool
) -> None:
    """Print the figures of every setting, and what comes of them together.

    Args:
        output: where to.
        results: of all settings.
        folder: of the run.
        rounds: rounds in a game.
        seed: of the intervals.
        mixed: whether the partners were also played as a mixed population.
    """
    columns: tuple[str, ...] = ("setting", "games", "found (95 %)", "limit", "rounds", "least", "reward (95 %)")
    rows: list[tuple[object, ...]] = [
        (
            _title(result.setting),
            result.summary.games,
            f"{result.summary.find_rate:.1%} ({_interval(result.summary.find_rate_interval, 100)})",
            f"{result.limit_by_round[-1]:.1%}",
            _number(result.weighted.mean_rounds),
            _number(result.fewest_rounds),
            f"{result.summary.mean_reward:.2f} ({_interval(result.summary.mean_reward_interval, 1)})",
        )
        for result in results
    ]
    populations = _populations(results) if mixed else {}
    rows += [
        (name, "", f"{found:.1%}", "", _number(mean_rounds), "", f"{reward:.2f}")
        for name, (found, mean_rounds, reward) in populations.items()
    ]
    has_least = not all(math.isnan(result.fewest_rounds) for result in results)
    if not has_least:
        # The settings need the room.
        at = columns.index("least")
        columns, rows = (*columns[:at], *columns[at + 1 :]), [(*row[:at], *row[at + 1 :]) for row in rows]
    costs = _costs(results, rounds, seed)
    value = {
        "results": [plain_result(result) for result in results],
        "populations": {
            name: dict(zip(("find_rate", "mean_rounds", "mean_reward"), figures, strict=True))
            for name, figures in populations.items()
        },
        "beside_specialist": [{**setting._asdict(), **cost._asdict()} for setting, cost in costs.items()],
        "run": str(folder),
    }
    output.table(columns, rows, value=value)
    beside_least = ", beside the least that any strategy can have without noise" if has_least else ""
    output.note(
        "setting: strategy, partner, share of answers flipped; rounds: mean round of the hits, weighted by the prior"
        f"{beside_least}; limit: the largest find rate at this noise, what a partner "
        "gets wrong by itself left aside."
    )
    if costs:
        output.note("\nBeside a specialist, who knows the partner's type, on the same games (95 %):")
    for setting, cost in costs.items():
        output.note(f"  {_title(setting)}")
        output.note(f"    rounds {_signed(cost.extra_rounds)}, where both found it {_signed(cost.extra_rounds_both)}")
        output.note(f"    found {_share(cost.find_ratio)} of the specialist's")
        output.note(f"    reward {_signed(cost.rewards)}")
    output.note(f"Kept in {folder}")


def _populations(results: Sequence[Simulated]) -> dict[str, tuple[float, float, float]]:
    """Return the find rate, the mean round of the hits and the mean reward of each strategy over the mixture."""
    by_setting = {result.setting: result.summary for result in results}
    taken: dict[str, tuple[float, float, float]] = {}
    for strategy, noise in dict.fromkeys((setting.strategy, setting.noise) for setting in by_setting):
        parts = [(share, by_setting[Setting(strategy, name, noise)]) for name, share in MIXTURE.items()]
        found = sum(share * one.find_rate for share, one in parts)
        in_rounds = sum(share * one.find_rate * one.mean_rounds for share, one in parts if one.find_rate)
        reward = sum(share * one.mean_reward for share, one in parts)
        taken[f"{strategy}, {MIXED}, {noise:.0%}"] = (found, in_rounds / found if found else math.nan, reward)
    return taken


def _costs(results: Sequence[Simulated], rounds: int, seed: int) -> dict[Setting, Beside]:
    """Return what each other strategy lost to the specialist in the same games."""
    by_setting = {result.setting: np.asarray(result.found_in, dtype=np.int64) for result in results}
    return {
        setting: beside(found, by_setting[known], rounds=rounds, seed=seed)
        for setting, found in by_setting.items()
        if setting.strategy != "specialist" and (known := setting._replace(strategy="specialist")) in by_setting
    }


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _signed(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "unknown"
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"


def _share(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "an unknown share"
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"
