"""The report's figures as inline SVG that takes its colours and its font from the page.

Each is narrow enough for a phone. Names come from strangers: they are never read as formulas, and are escaped.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from furikaeri_common.errors import MissingExtraError
from isic_lesion.report.curves import histogram, nnt_curve, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from isic_lesion.metrics.calibration import Reliability
    from isic_lesion.report.findings import ModelFindings

__all__ = ["MOST_CURVES", "draw_distributions", "draw_folds", "draw_nnt", "draw_reliability", "draw_roc"]

MOST_CURVES = 6
"""How many models a figure of curves shows."""

_INK, _FAINT, _PAPER = "#010203", "#040506", "#070809"  # stand for the page's own colours
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")  # `--series-0` and on of the page
_WIDTH, _HEIGHT = 4.7, 3.5  # inches
_LONGEST_NAME = 34
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": _FAINT,
    "grid.alpha": 0.45,
    "grid.linewidth": 0.5,
    "text.color": _INK,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "path.simplify": True,
}

_Rows = tuple["NDArray[np.int8]", "NDArray[np.float64]"]


def draw_roc(models: Sequence[tuple[str, _Rows]]) -> str:
    """Return the ROC curves, the area that the contest counts shaded under the first.

    Args:
        models: name, and (target, score) of both classes, shape (N,) each; the first stands out.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    with _figure("roc") as (axes, done):
        for number, (name, rows) in enumerate(models[:MOST_CURVES]):
            curve = roc_curve(*rows)
            colour = _COLOURS[number]
            axes.plot(
                curve.fpr, curve.tpr, color=colour, linewidth=1.8 if not number else 1.0, label=_label(name), zorder=3
            )
            if not number:
                first = int(np.argmax(curve.tpr >= 0.8))
                (fpr_before, fpr_after), (before, after) = (
                    curve.fpr[first - 1 : first + 1],
                    curve.tpr[first - 1 : first + 1],
                )
                begin = fpr_before + (fpr_after - fpr_before) * (0.8 - before) / (after - before)
                fpr, tpr = np.append(begin, curve.fpr[first:]), np.append(0.8, curve.tpr[first:])
                axes.fill_betweenx(tpr, fpr, 1.0, color=colour, alpha=0.18, linewidth=0)
        axes.axhline(0.8, color=_FAINT, linestyle=":", linewidth=1)
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle="--", linewidth=0.8)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="false positive rate", ylabel="true positive rate")
        axes.legend(loc="lower right")
    return done()


def draw_folds(models: Sequence[ModelFindings]) -> str:
    """Return each model's partial AUC: a dot for each fold, numbered, and a bar of the pooled value's interval."""
    shown = list(models[:12])
    with _figure("folds", height=max(1.7, 0.9 + 0.36 * len(shown))) as (axes, done):
        for row, model in enumerate(shown):
            interval = model.partial_auc
            if not np.isnan(interval.low):
                axes.plot([interval.low, interval.high], [row, row], color=_INK, linewidth=5, alpha=0.18)
            axes.plot([interval.value], [row], marker="|", markersize=14, markeredgewidth=2, color=_INK)
            for number, group in enumerate(model.groups.get("fold", ())):
                if group.partial_auc is not None:
                    colour = _COLOURS[number % len(_COLOURS)]
                    axes.plot([group.partial_auc], [row], marker="o", markersize=8.5, color=colour, linestyle="none")
                    at = (group.partial_auc, row)
                    axes.annotate(group.group or "", at, ha="center", va="center_baseline", fontsize=6, color=_PAPER)
        axes.set_yticks(range(len(shown)), [_label(model.name, 27) for model in shown])
        axes.set(ylim=(len(shown) - 0.5, -0.5), xlabel="pAUC above 80 % TPR")
        axes.grid(axis="x")
    return done()


def draw_distributions(target: NDArray[np.int8] | None, score: NDArray[np.float64]) -> str:
    """Return how the scores of malignant and benign lesions are spread; of all where truth is None."""
    drawn = histogram(target, score)
    with _figure("scores") as (axes, done):
        if target is not None:
            axes.stairs(drawn.malignant, drawn.edges, color=_COLOURS[1], fill=True, alpha=0.3)
            axes.stairs(drawn.malignant, drawn.edges, color=_COLOURS[1], label="malignant", linewidth=1.4)
        name = "all lesions" if target is None else "benign"
        axes.stairs(drawn.benign, drawn.edges, color=_COLOURS[0], fill=True, alpha=0.3)
        axes.stairs(drawn.benign, drawn.edges, color=_COLOURS[0], label=name, linewidth=1.4)
        if drawn.on_log_odds:
            marks = np.array([1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
            places = np.log(marks / (1 - marks))
            inside = (places >= drawn.edges[0]) & (places <= drawn.edges[-1])
            axes.set_xticks(places[inside], [f"{mark:g}" for mark in marks[inside]])
        axes.set(
            xlabel="score" + (" (by its log-odds)" if drawn.on_log_odds else ""),
            ylabel="share" if target is None else "share of the class",
        )
        axes.legend(loc="upper right")
    return done()


def draw_reliability(curves: Sequence[tuple[str, Reliability]]) -> str:
    """Return what was predicted against what was observed, with 95 % intervals; on logarithmic axes for rare disease.

    A bin in which nothing malignant was seen has no place on such an axis: it is a hollow mark at the lower edge.
    """
    positive = np.concatenate([np.concatenate([curve.predicted, curve.high]) for _, curve in curves])
    rare = float(np.average(curves[0][1].observed, weights=curves[0][1].weight)) < 0.05
    floor = max(float(positive[positive > 0].min()) / 2, 1e-6) if rare else 0.0
    with _figure("reliability") as (axes, done):
        axes.plot([floor, 1], [floor, 1], color=_FAINT, linestyle="--", linewidth=0.9)
        for number, (name, curve) in enumerate(curves):
            colour = _COLOURS[number]
            x, y = np.maximum(curve.predicted, floor), np.maximum(curve.observed, floor)
            low, high = np.maximum(curve.low, floor), np.maximum(curve.high, floor)
            axes.plot(x, y, color=colour, linewidth=1.3, label=_label(name))
            axes.vlines(x, low, high, color=colour, linewidth=0.9, alpha=0.6)
            seen = curve.observed > floor
            axes.plot(x[seen], y[seen], color=colour, marker="o", markersize=4, linestyle="none")
            axes.plot(
                x[~seen], y[~seen], color=colour, marker="o", markersize=4, markerfacecolor="none", linestyle="none"
            )
        if rare:
            axes.set(xscale="log", yscale="log", xlim=(floor * 0.9, 1), ylim=(floor * 0.9, 1))
            for axis in (axes.xaxis, axes.yaxis):
                _number_plainly(axis, subs=(1,))
        else:
            axes.set(xlim=(0, 1), ylim=(-0.01, 1.01))
        axes.set(xlabel="predicted", ylabel="observed share malignant")
        axes.legend(loc="upper left")
    return done()


def draw_nnt(models: Sequence[tuple[str, _Rows]]) -> str:
    """Return how many lesions are flagged per malignant one found, over the sensitivity; arguments as `draw_roc`."""
    with _figure("nnt") as (axes, done):
        for number, (name, rows) in enumerate(models[:MOST_CURVES]):
            curve = nnt_curve(*rows)
            width = 1.8 if not number else 1.0
            axes.step(
                curve.sensitivity,
                curve.number,
                where="pre",
                color=_COLOURS[number],
                linewidth=width,
                label=_label(name),
            )
        for level in (0.8, 0.9):
            axes.axvline(level, color=_FAINT, linestyle=":", linewidth=1)
        axes.set(xlim=(0, 1.005), yscale="log", xlabel="sensitivity", ylabel="lesions flagged per malignant one")
        axes.set_ylim(bottom=0.95)
        _number_plainly(axes.yaxis, subs=(1, 2, 5))
        axes.grid(axis="y")
        axes.legend(loc="upper left")
    return done()


def _number_plainly(axis: Axis, *, subs: tuple[int, ...]) -> None:
    """Write the numbers of a logarithmic axis as text: powers of ten times `subs`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _label(name: str, longest: int = _LONGEST_NAME) -> str:
    # A leading underscore would keep a name out of the legend.
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    name = name if len(name) <= longest else name[: longest - 1] + "…"
    return f"\u200b{name}" if name.startswith("_") else name


@contextmanager
def _figure(name: str, *, height: float = _HEIGHT) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Give axes to draw on, and a function that returns the SVG once the block is left."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a report", distribution="furikaeri-isic-lesion", extra="report") from error
    drawn: list[str] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names may be in any script: the page's font has its letters even where the measuring one has not.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        yield figure.subplots(), lambda: drawn[0]
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        drawn.append(_inlined(stream.getvalue(), name))


def _inlined(svg: str, name: str) -> str:
    """Return an SVG document as an element of a page: its ids its own, its colours and font the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\s(?:width|height|version)="[^"]*"', "", svg[: svg.index(">")]) + svg[svg.index(">") :]
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", svg)
    variables = {_INK: "currentColor", _FAINT: "var(--faint)", _PAPER: "var(--paper)"}
    variables |= {colour: f"var(--series-{number})" for number, colour in enumerate(_COLOURS)}
    for stand_in, variable in variables.items():
        svg = svg.replace(stand_in, variable)
    svg = svg.replace("'DejaVu Sans'", "system-ui, sans-serif")
    svg = re.sub(r"\n\s*", "\n", svg)
    return svg.replace("<svg", '<svg role="img"', 1).strip()
