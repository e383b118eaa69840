"""Lesion maps as pictures: crop and map side by side, and many of these on one sheet."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from isic_lesion.lesion_maps import LesionMap

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["contact_sheet", "lesion_png"]

_SIDE = 256  # pixels of a panel in a lesion's own picture
_TILE = 144  # and on a sheet
_GAP, _MARGIN, _LINE = 6, 12, 16
_INK, _QUIET, _ILL, _PAPER = (27, 29, 33), (92, 98, 107), (179, 38, 30), (255, 255, 255)
_WIDEST = 1600  # pixels of a sheet


def lesion_png(lesion: LesionMap) -> bytes:
    """Return a lesion's crop and, on its right, the crop with its map, as PNG; 256 pixels high."""
    return _png(_pair(lesion, _SIDE))


def contact_sheet(lesions: Sequence[LesionMap], malignant: Mapping[str, bool | None], *, title: str) -> bytes:
    """Return lesions row by row, each with its crop, its map, its score and the fold that explains it, as PNG.

    Args:
        lesions: at least one, in the order in which they are shown.
        malignant: isic_id -> the truth; a malignant lesion is framed in red, and nothing is said where it is missing.
        title: a line above them.
    """
    from PIL import Image, ImageDraw, ImageFont

    width, height = 2 * _TILE + _GAP, _TILE + 2 * _LINE + _GAP
    columns = max(1, min(math.ceil(math.sqrt(len(lesions) / 2)), (_WIDEST - _MARGIN) // (width + _MARGIN)))
    rows = math.ceil(len(lesions) / columns)
    top = _MARGIN + 2 * _LINE
    size = (_MARGIN + columns * (width + _MARGIN), top + rows * (height + _MARGIN))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for number, lesion in enumerate(lesions):
        x, y = _MARGIN + number % columns * (width + _MARGIN), top + number // columns * (height + _MARGIN)
        sheet.paste(_pair(lesion, _TILE), (x, y))
        is_ill = malignant.get(lesion.isic_id)
        if is_ill:
            draw.rectangle((x - 3, y - 3, x + width + 2, y + _TILE + 2), outline=_ILL, width=3)
        told = {True: ", malignant", False: ", benign", None: ""}[is_ill]
        by = "networks of all rows" if lesion.fold is None else f"fold {lesion.fold}"
        draw.text((x, y + _TILE + _GAP), lesion.isic_id, fill=_INK, font=small)
        draw.text(
            (x, y + _TILE + _GAP + _LINE),
            f"{lesion.score:.3f}{told}, {by}",
            fill=_ILL if is_ill else _QUIET,
            font=small,
        )
    return _png(sheet)


def _pair(lesion: LesionMap, side: int) -> Image:
    from PIL import Image

    pair = Image.new("RGB", (2 * side + _GAP, side), _PAPER)
    for at, pixels in enumerate((lesion.crop, lesion.overlay)):
        panel = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        pair.paste(panel, (at * (side + _GAP), 0))
    return pair


def _png(picture: Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
