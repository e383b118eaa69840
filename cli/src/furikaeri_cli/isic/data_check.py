"""`isic data check`: what is wrong with a folder in the contest's layout, before anything is trained on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from isic_lesion.data.dataset import Lesions
    from isic_lesion.data.findings import Finding, FindingGroup, Report
    from isic_lesion.data.schema import Split

__all__ = ["Checked", "check_cli", "check_folder"]

Images = Literal["all", "sample", "none"]
Splits = Literal["train", "test", "both"]

_LONGEST = 60  # characters of a cell that a table shows
_LISTED = 200_000  # findings in a JSON document: a table in wrong units has one in nearly every cell
_WORTH_A_BAR = 5000  # images: about two seconds
_GROUPS = 40  # rows of the short table


class Checked(NamedTuple):
    """A split and what was found in it.

    Attributes:
        lesions: the split.
        report: the findings.
    """

    lesions: Lesions
    report: Report


def check_cli(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds train-metadata.csv, train-image.hdf5, ...")],
    split: Annotated[
        Splits | None, typer.Option("--split", help="Which tables; without this option those that are there.")
    ] = None,
    images: Annotated[
        Images, typer.Option("--images", help="Decode every image, a random sample, or leave images alone.")
    ] = "sample",
    sample: Annotated[int, typer.Option("--sample", min=1, help="How many images a sample holds.")] = 1000,
    seed: Seed = 0,
    all: Annotated[bool, typer.Option("--all", help="List every finding, not the first of each kind.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a data folder: files, columns, every cell, what ties the columns together, and the images.

    A finding is fatal where no model can be trusted with it: a missing column, a repeated id, an impossible number, a
    label that contradicts the diagnosis, a category that models would take for a missing one, a missing or broken
    image. The rest are warnings, such as a hospital that is unseen in training. Each is told with its line, id, column
    and value; --all tells every one of them, --json too (up to 200,000 a table without --all, and how many it leaves
    out). Exits 2 if one is fatal, else 0.

    Examples:
        isic data check data/isic
        isic data check data/isic --split train --images all
        isic data check data/isic --images none --json
    """
    output = Output.choose(json=json, quiet=quiet)
    checked = check_folder(folder, split=split, images=images, sample=sample, seed=seed, output=output)
    if output.is_json:
        output.result(_document(folder, checked, most=None if all else _LISTED))
    else:
        for one in checked:
            _print(output, one, everything=all)
    if any(one.report.fatal for one in checked):
        raise typer.Exit(2)


def check_folder(
    folder: Path,
    *,
    split: Splits | None = None,
    images: Images = "sample",
    sample: int = 1000,
    seed: int = 0,
    output: Output | None = None,
) -> list[Checked]:
    """Check the splits of a folder, and where both are, that the test table has none of training's lesions.

    Args:
        folder: in the contest's layout.
        split: which splits; None: those whose tables are there.
        images: whether to decode all images, a random sample, or none.
        sample: how many images a sample holds.
        seed: of the sample.
        output: who is told of progress; None: nobody.

    Raises:
        InputError: if the folder, or a table that was asked for, is not there.
    """
    from isic_lesion.data.checking import check, check_between
    from isic_lesion.data.findings import Report, join_findings

    splits = _open(folder, split)
    checked = []
    for lesions in splits:
        with _progress(output, f"{lesions.split} images") as on_image:
            report = check(lesions, images=images, sample=sample, seed=seed, on_image=on_image)
        if lesions.split == "test" and len(splits) > 1:
            between = check_between(splits[0], lesions)
            joined = join_findings([report.findings, between.findings])
            report = Report(joined, report.rows, report.images)
        checked.append(Checked(lesions, report))
    return checked


def _open(folder: Path, split: Splits | None) -> list[Lesions]:
    from furikaeri_common.errors import InputError
    from isic_lesion.data.dataset import open_lesions

    names: tuple[Split, ...] = ("train", "test") if split in (None, "both") else (split,)  # type: ignore[assignment]
    found, lacking = [], []
    for name in names:
        try:
            found.append(open_lesions(folder, name))
        except InputError as error:
            lacking.append(error)
    if lacking and (split is not None or not found):
        raise lacking[0]
    return found


@contextmanager
def _progress(output: Output | None, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback that draws how many images are done; the bar begins with the first of them."""
    from contextlib import ExitStack

    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.tasks import Progress

    if output is None:
        yield lambda done, total: None
        return
    began = time.monotonic()
    with ExitStack() as stack:
        draw: list[Callable[[Progress], None]] = []

        def tell(done: int, total: int) -> None:
            if total < _WORTH_A_BAR:
                return
            if not draw:
                draw.append(stack.enter_context(showing_progress(output, what, total)))
            draw[0](Progress("finished", what, done, total, "", time.monotonic() - began))

        yield tell


def _document(folder: Path, checked: Sequence[Checked], *, most: int | None) -> dict[str, Any]:
    splits = [
        {
            "split": lesions.split,
            "metadata": str(lesions.metadata),
            "images": str(lesions.images) if lesions.images else None,
            "rows": report.rows,
            "images_decoded": report.images,
            "fatal": report.fatal,
            "warnings": report.warnings,
            "not_listed": 0 if most is None else max(0, len(report.findings) - most),
            "findings": (report.findings if most is None else report.findings.head(most)).to_dicts(),
        }
        for lesions, report in checked
    ]
    return {
        "folder": str(folder),
        "fatal": sum(report.fatal for _, report in checked),
        "warnings": sum(report.warnings for _, report in checked),
        "splits": splits,
    }


def _print(output: Output, checked: Checked, *, everything: bool) -> None:
    from isic_lesion.data.findings import Finding
    from isic_lesion.data.metadata_files import row_word

    lesions, report = checked
    images = f", {report.images:,} images decoded" if report.images else ""
    verdict = f"{_count(report.fatal, 'fatal finding')}, {_count(report.warnings, 'warning')}"
    output.show(f"{lesions.metadata}: {_count(report.rows, 'row')}{images}; {verdict}")
    if report.findings.is_empty():
        return
    columns = ("weight", "found", row_word(lesions.metadata), "isic_id", "column", "value", "expected")
    if everything:
        rows = [_row(Finding(*row), "") for row in report.findings.iter_rows()]
        output.table(columns, rows)
        return
    groups = report.groups()
    output.table(columns, [_row(group.first, _more(group)) for group in groups[:_GROUPS]])
    hidden = len(report.findings) - min(len(groups), _GROUPS)
    if hidden:
        output.note(f"{_count(hidden, 'more finding')}; --all lists each, --json too")


def _row(finding: Finding, more: str) -> tuple[object, ...]:
    return (
        "fatal" if finding.fatal else "warning",
        finding.kind + more,
        "" if finding.line is None else str(finding.line),
        finding.isic_id or "",
        finding.column or "",
        _short(finding.value) if finding.line else finding.value or "",
        finding.expected,
    )


def _more(group: FindingGroup) -> str:
    return f" ({group.total - 1:,} more)" if group.total > 1 else ""


def _short(text: str | None) -> str:
    if text is None:
        return ""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
