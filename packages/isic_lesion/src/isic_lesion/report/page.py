"""The report as one HTML file that loads nothing else. (io)

Ids, names and diagnoses come from strangers: the template escapes every value, and the page has no scripts.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.errors import MissingExtraError
from isic_lesion.report.crops import read_crops, read_maps
from isic_lesion.report.figures import (
    MOST_CURVES,
    draw_distributions,
    draw_folds,
    draw_nnt,
    draw_reliability,
    draw_roc,
)
from isic_lesion.report.findings import GROUPINGS, Findings, find
from isic_lesion.report.gallery import make_gallery, shown_lesions
from isic_lesion.report.inputs import ReportInputs
from isic_lesion.report.lists import ListedLesion, Lists, make_lists

__all__ = ["render_report", "write_report"]

_TEMPLATE = Path(__file__).with_name("page.html.jinja")
_UNSEEN = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
_MOST_FEATURES = 25
_CROPS_PER_PATIENT = 15


def write_report(inputs: ReportInputs, path: Path) -> Findings:
    """Write the report atomically, and return what it says in numbers.

    The same inputs give the same bytes.

    Raises:
        InputError: if the inputs do not belong together, images or maps cannot be made, or the file cannot be written.
        MissingExtraError: if jinja2 or matplotlib is not installed, or torch and timm for maps.
    """
    findings = find(inputs)
    write_bytes(Path(path), render_report(inputs, findings).encode())
    return findings


def render_report(inputs: ReportInputs, findings: Findings) -> str:
    """Return the page of a report.

    Args:
        inputs: what it is about.
        findings: what `find` found in them.

    Raises:
        InputError: if images cannot be read, or maps cannot be made.
        MissingExtraError: if jinja2 or matplotlib is not installed, or torch and timm for maps.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("a report", distribution="furikaeri-isic-lesion", extra="report") from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless
    )
    environment.filters.update(fixed=_fixed, count=_count, percent=_percent, place=_place, shown=_shown, zip=zip)
    lesions = findings.scored.pooled[findings.headline]
    has_truth = findings.scored.has_truth
    lists, gallery = make_lists(lesions, has_truth=has_truth), make_gallery(lesions, has_truth=has_truth)
    crops, maps = {}, None
    if inputs.images is not None:
        in_rows = list(shown_lesions(gallery))
        crops = read_crops(inputs.images, [*in_rows, *(one.isic_id for one in _pictured(lists))])
        maps = None if inputs.maps is None else read_maps(inputs.maps, inputs.images, in_rows)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=inputs.title,
        found=findings,
        groupings=GROUPINGS,
        figures=_figures(findings),
        lists=lists,
        gallery=[patient for patient in gallery if any(one.isic_id in crops for one in patient.first)],
        crops=crops,
        maps=maps,
        stack=inputs.stack,
        importances=_importances(inputs),
        about=inputs.about,
        most_curves=MOST_CURVES,
    )


def _figures(findings: Findings) -> dict[str, str]:
    def rows_of(name: str) -> tuple[Any, Any]:
        rows = findings.scored.pooled[name]
        return rows["target"].to_numpy(), rows["score"].to_numpy()

    drawn = {}
    if findings.models:
        curves = [(model.name, rows_of(model.name)) for model in findings.models[:MOST_CURVES]]
        drawn["roc"] = draw_roc(curves)
        drawn["nnt"] = draw_nnt(curves)
        drawn["folds"] = draw_folds(findings.models)
        drawn["scores"] = draw_distributions(*curves[0][1])
    else:
        score = findings.scored.pooled[findings.headline]["score"].to_numpy()
        drawn["scores"] = draw_distributions(None, score)
    if findings.calibration and findings.calibration.rows:
        shown = findings.calibration.rows.items()
        drawn["reliability"] = draw_reliability([(name, row.curve) for name, row in shown])
    return drawn


def _pictured(lists: Lists) -> list[ListedLesion]:
    first = [lesion for patient in lists.patients for lesion in patient.first[:_CROPS_PER_PATIENT]]
    return [*first, *lists.misses, *lists.false_alarms]


def _importances(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Return the most important features: their mean share over models, each model's importances summing to one."""
    import polars as pl

    if inputs.importances is None or inputs.importances.is_empty():
        return []
    value = pl.col("importance").cast(pl.Float64).fill_nan(0.0).fill_null(0.0).clip(lower_bound=0)
    summed = inputs.importances.group_by("model", "feature").agg(importance=value.sum())
    shares = summed.with_columns(share=pl.col("importance") / pl.col("importance").sum().over("model"))
    num_models = summed["model"].n_unique()
    table = (
        shares.group_by("feature")
        .agg(share=pl.col("share").fill_nan(0.0).sum() / num_models, models=pl.len())
        .sort(["share", "feature"], descending=[True, False])
        .head(_MOST_FEATURES)
    )
    highest = float(table["share"][0]) or 1.0
    return [{**row, "width": 100 * row["share"] / highest} for row in table.iter_rows(named=True)]


def _harmless(value: object) -> object:
    """Return text without letters that are not seen but turn or end what follows; anything else as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return value.translate(_UNSEEN)


def _fixed(value: float | None, digits: int = 4) -> str:
    if value is None or math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:,.{digits}f}".replace("-", "−")


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def _place(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _shown(score: float) -> str:
    """Return a score with as many digits as tell it from its neighbours."""
    return np.format_float_positional(score, precision=4, fractional=False, trim="-") if score else "0"
