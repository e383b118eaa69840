"""The reliability of a prior as a picture (io)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import MissingExtraError
from twenty_questions.vocabulary.prior_study import Band

__all__ = ["plot_reliability"]

_WIDTH = 0.4


def plot_reliability(bands: Sequence[Band], path: Path) -> None:
    """Draw how many held-out keywords each band of probabilities should hold, and how many it holds, as a PNG.

    The bars of what was seen have the exact 95 % interval of a Poisson count (Garwood 1936).

    Args:
        bands: at least one, the most probable candidates first.
        path: the picture.

    Raises:
        MissingExtraError: if matplotlib or scipy is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from scipy.stats import chi2
    except ImportError as error:
        raise MissingExtraError("a plot", distribution="furikaeri-twenty-questions", extra="study") from error
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(bands))
    seen = np.array([band.seen for band in bands], dtype=np.float64)
    low = np.where(seen > 0, chi2.ppf(0.025, 2 * np.maximum(seen, 1)) / 2, 0.0)
    high = chi2.ppf(0.975, 2 * (seen + 1)) / 2
    axes.bar(places - _WIDTH / 2, [band.expected for band in bands], _WIDTH, label="expected", color="#9db4c8")
    axes.bar(
        places + _WIDTH / 2, seen, _WIDTH, yerr=(seen - low, high - seen), capsize=3, label="seen", color="#d98c4a"
    )
    labels = [f"$2^{{{np.log2(band.low):g}}}$" for band in bands]
    axes.set_xticks(places, labels)
    axes.set(
        xlabel="probability from",
        ylabel="held-out keywords",
        title="Do as many turn up as the prior says?",
        ylim=(0, None),
    )
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.3)
    with atomic_writer(path) as stream:
        figure.savefig(stream, format="png", dpi=130)
