"""Recall by the number of names, drawn (io)."""

from __future__ import annotations

from pathlib import Path

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import MissingExtraError
from twenty_questions.vocabulary.coverage import Coverage

__all__ = ["plot_coverage"]


def plot_coverage(found: Coverage, path: Path) -> None:
    """Draw recall and the share of the prior by the number of names, as a PNG.

    Args:
        found: of `coverage.coverage`, with sizes enough for a curve.
        path: the picture.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a plot", distribution="furikaeri-twenty-questions", extra="study") from error
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [row.size for row in found.sizes]
    axes.plot(sizes, [row.recall for row in found.sizes], marker="o", markersize=3, label="recall, the game's matching")
    axes.plot(sizes, [row.recall_exact for row in found.sizes], marker="o", markersize=3, label="recall, by letter")
    axes.plot(sizes, [row.mass for row in found.sizes], linestyle="--", label="share of the prior")
    axes.set(xlabel="most probable names", ylabel="share", ylim=(0, 1.02), xscale="log")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(alpha=0.3)
    with atomic_writer(path) as stream:
        figure.savefig(stream, format="png", dpi=130)
