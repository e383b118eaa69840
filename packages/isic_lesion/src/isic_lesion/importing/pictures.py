"""Folders of pictures that are to become a data folder's images: found, decoded, and converted where asked. (io)

A JPEG that needs no change is stored byte for byte as it is; anything else is decoded and written as a JPEG of high
quality. Every picture is decoded once to the last pixel, for a cut download is worth knowing before the training.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.data.images import write_images
from isic_lesion.importing.tables import name_of_image

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CONVERTED", "MOST_PIXELS", "Adapted", "adapt_image", "adapt_images", "find_images"]

CONVERTED = "images.hdf5"
"""The file of a task's folder that holds what it changed."""

MOST_PIXELS = 1 << 24
"""The largest picture that is stored as it is: 4096 x 4096, the largest that is decoded in training."""

_MOST_TO_SHRINK = 1 << 28
_ENDINGS = (".jpg", ".jpeg", ".png")
_QUALITY = 95
_DAMAGE = (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, MemoryError, OverflowError)


class Adapted(NamedTuple):
    """A picture as it will be stored.

    Attributes:
        jpeg: the new bytes; None if the file's own are stored.
        change: what was done, such as "PNG to JPEG, 6000 x 4000 to 512 x 341"; "" if nothing.
    """

    jpeg: bytes | None
    change: str


def find_images(folder: Path) -> dict[str, list[Path]]:
    """Return the JPEG and PNG files below a folder, at any depth: isic_id -> its files, in the order of their names.

    Hidden files and folders do not count.

    Raises:
        InputError: if there is no such folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        wrong = "is not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {wrong}", fix="Give the folder that holds the pictures")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _ENDINGS and not hidden and path.is_file():
            found.setdefault(name_of_image(path.name), []).append(path)
    if not found:
        raise InputError(f"{folder}: holds no JPEG and no PNG", fix="Give the folder that holds the pictures, unpacked")
    return found


def adapt_image(content: bytes, *, max_size: int | None = None, square: bool = False) -> Adapted:
    """Return a picture as it will be stored.

    Args:
        content: the file's bytes, a JPEG or a PNG whatever its name says.
        max_size: the longest side in pixels; a larger picture is made smaller, keeping its shape. None: any size.
        square: cut the middle out of a picture that is not square.

    Raises:
        ValueError: if it is neither, does not decode, or is too large to be stored as it is.
    """
    image = _opened(content)
    before = image.size
    is_png = image.format == "PNG"
    limit = MOST_PIXELS if max_size is None else _MOST_TO_SHRINK
    if before[0] * before[1] > limit:
        hint = "; --max-size makes it smaller" if max_size is None else ""
        raise ValueError(f"{before[0]} x {before[1]} pixels are more than {limit}{hint}")
    too_large = max_size is not None and max(before) > max_size
    to_cut = square and before[0] != before[1]
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"has pixels of mode {image.mode}, which a JPEG cannot keep")
    if too_large and max_size is not None and not is_png:
        image.draft(None, (2 * max_size, 2 * max_size))  # decoded smaller, so many times faster
    try:
        image.load()
        if not (is_png or too_large or to_cut):
            return Adapted(None, "")
        upright = _upright(image)
        if to_cut:
            side = min(upright.size)
            left, top = (upright.width - side) // 2, (upright.height - side) // 2
            upright = upright.crop((left, top, left + side, top + side))
        if max_size is not None:
            upright.thumbnail((max_size, max_size))
        stream = io.BytesIO()
        upright.save(stream, "JPEG", quality=_QUALITY, subsampling=0)  # colours are kept as finely as light
    except _DAMAGE as error:
        raise ValueError(f"does not decode: {error}") from error
    changes = ["PNG to JPEG"] if is_png else []
    if upright.size != before:
        changes.append(f"{before[0]} x {before[1]} to {upright.width} x {upright.height}")
    return Adapted(stream.getvalue(), ", ".join(changes) or "turned upright")


def adapt_images(inputs: Mapping[str, Any], folder: Path) -> list[list[str]]:
    """Adapt pictures; the function of a task (see `furikaeri_common.tasks`).

    Args:
        inputs: `images`, a list of [isic_id, path, bytes, time of change]; `max_size` and `square` of `adapt_image`.
        folder: gets `CONVERTED` if any picture was changed.

    Returns:
        For each picture [what was done, what is wrong with it], each "" if nothing.
    """
    told: list[list[str]] = []
    changed: list[tuple[str, bytes]] = []
    for isic_id, path, *_ in inputs["images"]:
        try:
            adapted = adapt_image(Path(path).read_bytes(), max_size=inputs["max_size"], square=inputs["square"])
        except ValueError as error:
            told.append(["", " ".join(str(error).split())[:200]])
            continue
        except OSError as error:
            told.append(["", f"cannot be read: {error.strerror or error}"])
            continue
        told.append([adapted.change, ""])
        if adapted.jpeg is not None:
            changed.append((isic_id, adapted.jpeg))
    if changed:
        write_images(folder / CONVERTED, changed)
    return told


def _opened(content: bytes) -> Image:
    # Not Image.open, which tries every format there is, and warns of large pictures before their size can be asked.
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    kind = JpegImageFile if content.startswith(b"\xff\xd8") else PngImageFile
    if not content.startswith((b"\xff\xd8", b"\x89PNG\r\n\x1a\n")):
        raise ValueError("is neither a JPEG nor a PNG" if content else "is empty")
    try:
        return kind(io.BytesIO(content))
    except _DAMAGE as error:
        raise ValueError(f"does not decode: {error}") from error


def _upright(image: Image) -> Image:
    """Return a picture in RGB, turned as its EXIF says, what is transparent on white."""
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(image)
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        clear = turned.convert("RGBA")
        ground = Image.new("RGBA", clear.size, "white")
        ground.alpha_composite(clear)
        return ground.convert("RGB")
    return turned.convert("RGB")
