"""The picture of players: find rate against mean reward, one point a player (io)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import MissingExtraError
from twenty_questions.studies.games import GameFigures, PlayerFigures

__all__ = ["plot_players"]

_LONGEST_NAME = 28


def plot_players(players: Sequence[PlayerFigures], path: Path) -> None:
    """Draw find rate against mean reward as a PNG: games that bisect the alphabet on one side, the others on the other.

    A point's area grows with its games. Names that would hide others, of players with fewer games, are not written. A
    side without games is left out.

    Args:
        players: whose games; those without a mean reward have no point.
        path: the picture.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter
    except ImportError as error:
        raise MissingExtraError("a plot", distribution="furikaeri-twenty-questions", extra="study") from error
    sides = {
        "Games that bisect the alphabet": [(player.player, player.bisection) for player in players],
        "Other games": [(player.player, player.others) for player in players],
    }
    drawn = {title: points for title, side in sides.items() if (points := _points(side))}
    figure = Figure(figsize=(5.6 * max(1, len(drawn)), 4.6), layout="constrained")
    for column, (title, points) in enumerate(drawn.items(), start=1):
        axes = figure.add_subplot(1, len(drawn), column)
        most = max(figures.games for _, figures in points)
        axes.scatter(
            [figures.find_rate.value for _, figures in points],
            [figures.mean_reward.value for _, figures in points],
            s=[20 + 130 * figures.games / most for _, figures in points],
            alpha=0.6,
            linewidths=0,
        )
        axes.set(xlabel="find rate", ylabel="mean reward", title=title)
        axes.margins(0.2, 0.15)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.3)
    with atomic_writer(path) as stream, warnings.catch_warnings():
        # Names may be in scripts that the font does not have; a box is drawn then.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.draw_without_rendering()
        for axes, points in zip(figure.axes, drawn.values(), strict=True):
            _write_names(axes, points)
        figure.savefig(stream, format="png", dpi=130)


def _write_names(axes: Any, points: Sequence[tuple[str, GameFigures]]) -> None:
    """Write names beside their points, those with the most games first, where they hide no other name or point."""
    from matplotlib.transforms import Bbox

    places = [(figures.find_rate.value, figures.mean_reward.value) for _, figures in points]
    inside = axes.get_window_extent()
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform(places)]
    order = sorted(range(len(points)), key=lambda place: -points[place][1].games)
    for place in order:
        for right, above in itertools.product((True, False), (True, False)):
            text = axes.annotate(
                _name(points[place][0]),
                places[place],
                xytext=(6 if right else -6, 3 if above else -3),
                textcoords="offset points",
                ha="left" if right else "right",
                va="bottom" if above else "top",
                fontsize=8,
                parse_math=False,
            )
            box = text.get_window_extent()
            fits = box.x0 >= inside.x0 and box.x1 <= inside.x1
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _points(side: Sequence[tuple[str, GameFigures]]) -> list[tuple[str, GameFigures]]:
    return [(name, figures) for name, figures in side if figures.games and np.isfinite(figures.mean_reward.value)]


def _name(player: str) -> str:
    shown = player or "(not told)"
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"
