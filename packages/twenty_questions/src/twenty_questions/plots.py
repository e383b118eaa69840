"""Pictures of results (io)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import MissingExtraError

__all__ = ["plot_by_round"]


def plot_by_round(curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], path: Path) -> None:
    """Draw the find rate and the mean reward up to each round as a PNG.

    Args:
        curves: per label, the share of games found by round r = 1..R, and the largest share that is possible by then.
        path: the picture.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a plot", distribution="furikaeri-twenty-questions", extra="study") from error
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    rate_axes, reward_axes = figure.subplots(1, 2)
    for label, (found, limit) in curves.items():
        rounds = np.arange(1, len(found) + 1)
        new = np.diff(found, prepend=0.0)
        reward = np.cumsum(new * (len(found) + 1 - rounds)) - (1 - found)
        (line,) = rate_axes.plot(rounds, found, marker="o", markersize=3, label=label)
        rate_axes.plot(rounds, limit, color=line.get_color(), linestyle=":", linewidth=1.2)
        reward_axes.plot(rounds, reward, marker="o", markersize=3, color=line.get_color(), label=label)
    rate_axes.set(xlabel="round", ylabel="share found", ylim=(0, 1.02), title="Found by round (dotted: the limit)")
    reward_axes.set(xlabel="round", ylabel="mean reward", title="Mean reward if the game ended here")
    for axes in (rate_axes, reward_axes):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(
        *rate_axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    with atomic_writer(path) as stream:
        figure.savefig(stream, format="png", dpi=130)
