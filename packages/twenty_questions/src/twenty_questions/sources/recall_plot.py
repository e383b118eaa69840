"""Recall, precision and list size by count, drawn (io)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import MissingExtraError
from twenty_questions.sources.recall import AtCutOff

__all__ = ["plot_recall"]


def plot_recall(rows: Sequence[AtCutOff], path: Path) -> None:
    """Draw precision by count, recall by cut-off, and list size beside recall, as a PNG.

    Args:
        rows: of `recall.evaluate_list`.
        path: the picture.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a plot", distribution="furikaeri-twenty-questions", extra="study") from error
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    precision, recall, size = figure.subplots(1, 3)
    counts = [row.least for row in rows]
    precision.plot(counts, [row.precision_here for row in rows], marker="o", markersize=3, label="with this count")
    precision.plot(counts, [row.precision for row in rows], marker="o", markersize=3, label="with at least this count")
    precision.set(xlabel="count", ylabel="share of words that are keywords", title="Precision by count")
    recall.plot(counts, [row.recall for row in rows], marker="o", markersize=3, label="the game's matching")
    recall.plot(counts, [row.recall_exact for row in rows], marker="o", markersize=3, label="letter for letter")
    recall.set(xlabel="lowest count kept", ylabel="recall", ylim=(0, 1.02), title="Recall by cut-off")
    size.plot([row.size for row in rows], [row.recall for row in rows], marker="o", markersize=3)
    size.set(xlabel="words kept", ylabel="recall", ylim=(0, 1.02), xscale="log", title="Recall by list size")
    for axes in (precision, recall):
        axes.set_xscale("log")
        axes.legend(fontsize=8, frameon=False)
    for axes in (precision, recall, size):
        axes.grid(alpha=0.3)
    with atomic_writer(path) as stream:
        figure.savefig(stream, format="png", dpi=130)
