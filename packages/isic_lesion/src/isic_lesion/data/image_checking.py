"""A file of images against the table beside it: which are missing, and which are not what they should be. (io)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from furikaeri_common.errors import InputError
from isic_lesion.data.findings import Finding, findings_of
from isic_lesion.data.images import LesionImages, decode, open_images, read_header

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["ImageCheck", "Which", "check_images"]

Which = Literal["all", "sample", "none"]

_SIDES = (51, 239)  # pixels: the least and the largest of the contest's images
_STEP = 250  # images between two words of progress


class ImageCheck(NamedTuple):
    """What was found of images.

    Attributes:
        findings: see `findings.finding_schema`.
        looked_at: how many images were decoded.
    """

    findings: DataFrame
    looked_at: int


def check_images(
    path: Path,
    isic_ids: Series,
    lines: Series,
    *,
    which: Literal["all", "sample"] = "all",
    sample: int = 1000,
    seed: int = 0,
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> ImageCheck:
    """Compare a file of images with a table's ids, and decode all of its images or a random sample.

    Args:
        path: the HDF5 file.
        isic_ids: of the table's rows, without nulls, shape (N,).
        lines: where each of them stands in the table's file, shape (N,).
        which: images of which lesions are decoded; whether they are there is looked up for all.
        sample: how many a sample holds.
        seed: of the sample.
        on_image: told now and then how many images of how many are done.
    """
    line_of = dict(zip(isic_ids.to_list(), lines.to_list(), strict=True))
    try:
        with open_images(path) as images:
            held = dict.fromkeys(images.isic_ids())
            found = [
                Finding(True, "no image", f"an image in {path.name}", "isic_id", line, name, name)
                for name, line in line_of.items()
                if name not in held
            ]
            found += [
                Finding(False, "image without a row", "a row in the table: left out", None, None, name, name)
                for name in held
                if name not in line_of
            ]
            chosen = _chosen([name for name in line_of if name in held], which, sample, seed)
            for done, name in enumerate(chosen, start=1):
                found += _look_at(images, name, line_of[name])
                if done % _STEP == 0 or done == len(chosen):
                    on_image(done, len(chosen))
    except InputError as error:
        return ImageCheck(findings_of([Finding(True, "unreadable images", error.fix, value=error.message)]), 0)
    return ImageCheck(findings_of(found), len(chosen))


def _chosen(names: Sequence[str], which: Which, sample: int, seed: int) -> list[str]:
    if which == "all" or len(names) <= sample:
        return list(names)
    drawn = np.random.default_rng(seed).choice(len(names), sample, replace=False)
    return [names[place] for place in np.sort(drawn)]


def _look_at(images: LesionImages, name: str, line: int) -> list[Finding]:
    """Return what is wrong with one image."""
    try:
        jpeg = images.jpeg(name)
        header = read_header(jpeg)
        decode(jpeg)
    except InputError as error:
        return [Finding(True, "unreadable image", error.fix, None, line, name, error.message)]
    except ValueError as error:
        return [Finding(True, "broken image", "a whole JPEG", None, line, name, str(error))]
    found = []
    size = f"{header.width} x {header.height}"
    if header.mode != "RGB":
        found.append(Finding(False, "image not RGB", "RGB: turned into it", None, line, name, header.mode))
    if header.width != header.height:
        found.append(Finding(False, "image not square", "as wide as high: distorted", None, line, name, size))
    elif not _SIDES[0] <= header.width <= _SIDES[1]:
        text = f"{_SIDES[0]} to {_SIDES[1]} pixels, as in the contest"
        found.append(Finding(False, "image of unusual size", text, None, line, name, size))
    return found
