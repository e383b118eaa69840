"""A folder in the contest's layout, checked from the file down to the pixels before anything is trained on it. (io)

Whatever is wrong is a finding, so one look shows all of it: what keeps the table from being read as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import Lesions, check_header_known
from isic_lesion.data.findings import Finding, Report, findings_of, join_findings
from isic_lesion.data.image_checking import Which, check_images
from isic_lesion.data.metadata_files import RaggedLine, line_numbers, ragged_lines, scan_cells, telling_of
from isic_lesion.data.table_checking import check_cells, check_header, check_shared

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["check", "check_between"]


class _Table(NamedTuple):
    """A table as text, without the rows that are not of the header's width."""

    cells: DataFrame
    lines: Series
    findings: DataFrame


def check(
    lesions: Lesions,
    *,
    images: Which = "all",
    sample: int = 1000,
    seed: int = 0,
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check a split: its file, its columns, each cell, what ties them together, and its images.

    Args:
        lesions: what to check.
        images: whether to decode all images, a random sample of them, or to leave the images alone.
        sample: how many images a sample holds.
        seed: of the sample.
        on_image: told now and then how many images of how many are done.

    Returns:
        All that was found; an unreadable file is a finding too.

    Raises:
        ValueError: if `images` is none of its values, or the sample is not positive.
    """
    if images not in ("all", "sample", "none"):
        raise ValueError(f"expected images 'all', 'sample' or 'none', got {images!r}")
    if sample < 1:
        raise ValueError(f"expected a sample of at least 1, got {sample}")
    try:
        table = _read(lesions)
    except InputError as error:
        return Report(findings_of([Finding(True, "unreadable table", error.fix, value=error.message)]), 0)
    header = findings_of(check_header(table.cells.columns, lesions.split))
    cells = check_cells(table.cells, table.lines, lesions.split)
    found, looked_at = [table.findings, header, cells], 0
    if images != "none" and "isic_id" in table.cells.columns:
        if lesions.images is None:
            text = f"{lesions.split}-image.hdf5 beside the table; tables work without"
            found.append(findings_of([Finding(False, "no images", text)]))
        else:
            ids = table.cells["isic_id"]
            named = ids.is_not_null() & ids.is_first_distinct()
            checked = check_images(
                lesions.images,
                ids.filter(named),
                table.lines.filter(named),
                which=images,
                sample=sample,
                seed=seed,
                on_image=on_image,
            )
            found.append(checked.findings)
            looked_at = checked.looked_at
    return Report(join_findings(found), len(table.cells), looked_at)


def check_between(train: Lesions, test: Lesions) -> Report:
    """Check what a training and a test table should not share: lesions and patients.

    Returns:
        Findings about rows of the test table; none if either cannot be read or lacks the ids, which `check` tells.
    """
    ids = []
    for lesions in (train, test):
        try:
            table = _read(lesions)
        except InputError:
            return Report(findings_of(()), 0)
        if not {"isic_id", "patient_id"}.issubset(table.cells.columns):
            return Report(findings_of(()), 0)
        ids.append(table.cells.select("isic_id", "patient_id", table.lines.alias("line")))
    return Report(check_shared(*ids), len(ids[1]))


def _read(lesions: Lesions) -> _Table:
    """Read a table as text, telling apart the lines that are not of the header's width.

    Raises:
        InputError: if it cannot be read at all.
    """
    path = lesions.metadata
    ragged: list[RaggedLine] = []
    try:
        with telling_of(path):
            cells = scan_cells(path).collect()
    except InputError:
        ragged = list(ragged_lines(path))
        if not ragged:
            raise
        cells = scan_cells(path, cut_long_lines=True).collect()
    check_header_known(path, cells.columns, lesions.split)
    # A short line reads as one that ends in missing values; only then is the slow look worth its time.
    if not ragged and cells.width and cells.to_series(cells.width - 1).has_nulls():
        ragged = list(ragged_lines(path))
    lines = line_numbers(path, len(cells))
    if not ragged:
        return _Table(cells, lines, findings_of(()))
    sound = ~lines.is_in([one.line for one in ragged if one.fields])
    return _Table(cells.filter(sound), lines.filter(sound), findings_of([_told(one) for one in ragged if one.fields]))


def _told(ragged: RaggedLine) -> Finding:
    fields = "1 field" if ragged.fields == 1 else f"{ragged.fields} fields"
    text = f"{ragged.width} fields, as the header has: the row is not looked into"
    return Finding(True, "wrong number of fields", text, line=ragged.line, value=fields)
