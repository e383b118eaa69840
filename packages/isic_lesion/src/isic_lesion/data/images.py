"""The images of a split: one HDF5 file with a JPEG for each lesion, under its isic_id. (io)

The contest's layout is a scalar dataset of fixed-length bytes (`S<n>`, n the JPEG's length) for each lesion, directly
in the root. numpy drops zero bytes at the end of such a value; here they are kept, so that what was stored is what is
read, bit by bit.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import FullDiskError, InputError

if TYPE_CHECKING:
    import h5py
    from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["ImageHeader", "LesionImages", "decode", "open_images", "read_header", "write_images"]

_MOST_PIXELS = 1 << 24  # of an image that is decoded: 4096 x 4096; the contest's have at most 239 x 239
_AGAIN = "Copy or download it again"


class ImageHeader(NamedTuple):
    """What a JPEG says of itself before it is decoded.

    Attributes:
        width: in pixels.
        height: in pixels.
        mode: Pillow's name of its colours: "RGB", "L" (grey), "CMYK".
    """

    width: int
    height: int
    mode: str


class LesionImages:
    """An open file of images; see `open_images`. Each process opens its own: an open one must not cross a fork."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._file)

    def __contains__(self, isic_id: object) -> bool:
        """Return whether a lesion has an image."""
        return isinstance(isic_id, str) and _is_name(isic_id) and isic_id in self._file

    def isic_ids(self) -> list[str]:
        """Return the lesions that have an image, in the file's order: alphabetical.

        Raises:
            InputError: if the file is damaged.
        """
        try:
            return list(self._file)
        except (OSError, RuntimeError) as error:
            raise InputError(f"{self.path}: is damaged: {_reason(error)}", fix=_AGAIN) from error

    def jpeg(self, isic_id: str) -> bytes:
        """Return a lesion's image as it is stored.

        Raises:
            InputError: if there is none, it is not stored as bytes, or the file is damaged.
        """
        import h5py

        place = f"{self.path}: {isic_id}"
        if not isinstance(isic_id, str) or not _is_name(isic_id):
            raise InputError(f"{place}: has no image")
        # The low-level calls: quicker than `file[isic_id][()]`, and no zero byte is lost.
        try:
            stored = h5py.h5o.open(self._file.id, isic_id.encode())
        except KeyError:
            raise InputError(f"{place}: has no image") from None
        except (OSError, RuntimeError) as error:
            raise InputError(f"{place}: cannot be read: {_reason(error)}", fix=_AGAIN) from error
        if not isinstance(stored, h5py.h5d.DatasetID):
            raise InputError(f"{place}: is a group, not the bytes of a JPEG", fix="Write the file with write_images")
        try:
            kind = stored.get_type()
            if stored.shape != () or kind.dtype.kind not in "SV" or kind.dtype.fields:
                raise InputError(
                    f"{place}: is of dtype {kind.dtype} and shape {stored.shape}, not the bytes of a JPEG",
                    fix="Store each JPEG as one scalar of dtype S<n>; write_images does",
                )
            held = np.empty((), kind.dtype)
            stored.read(h5py.h5s.ALL, h5py.h5s.ALL, held, kind)
        except (OSError, RuntimeError, TypeError) as error:
            raise InputError(f"{place}: cannot be read: {_reason(error)}", fix=_AGAIN) from error
        return held.tobytes()


@contextmanager
def open_images(path: Path) -> Iterator[LesionImages]:
    """Open a file of images for reading.

    Raises:
        InputError: if it is missing, no HDF5 file, or cut short.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        cut = "truncated file" in str(error)
        wrong = "is cut short" if cut else f"cannot be read as HDF5: {_reason(error)}"
        raise InputError(f"{path}: {wrong}", fix=_AGAIN) from error
    with file:
        yield LesionImages(path, file)


def read_header(jpeg: bytes) -> ImageHeader:
    """Return size and colours of a JPEG without decoding it.

    Raises:
        ValueError: if it is no JPEG.
    """
    image = _parsed(jpeg)
    return ImageHeader(*image.size, image.mode)


def decode(jpeg: bytes) -> NDArray[np.uint8]:
    """Return an image's pixels, grey or CMYK ones turned into RGB.

    Args:
        jpeg: the bytes of one JPEG of at most 2^24 pixels, far above any of the contest.

    Returns:
        Values in [0, 255], shape (height, width, 3), uint8.

    Raises:
        ValueError: if it is no JPEG, too large, or damaged.
    """
    image = _parsed(jpeg)
    width, height = image.size
    if width * height > _MOST_PIXELS:
        raise ValueError(f"expected a JPEG of at most {_MOST_PIXELS} pixels, got {width} x {height}")
    try:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError) as error:
        raise ValueError(f"expected a whole JPEG, got one that does not decode: {error}") from error


def write_images(path: Path, images: Iterable[tuple[str, bytes]]) -> int:
    """Write images in the contest's layout; the file appears once all of them are in it.

    Args:
        path: the HDF5 file.
        images: isic_id and JPEG of each lesion, taken one at a time; they are stored as they are.

    Returns:
        How many were written.

    Raises:
        InputError: if an id comes twice or cannot be a name in the file, a JPEG has no bytes, or the file cannot be
            written there.
        WorkError: if the disk is full.
    """
    import h5py

    written = 0
    # HDF5 opens the temporary file by its name, beside the stream that will flush and rename it.
    with atomic_writer(path) as stream, _telling_full_disk(path), h5py.File(stream.name, "w") as file:
        for isic_id, jpeg in images:
            _check_entry(path, file, isic_id, jpeg)
            held = np.frombuffer(jpeg, dtype=f"S{len(jpeg)}").reshape(())
            file.create_dataset(isic_id, data=held, dtype=held.dtype)
            written += 1
    return written


def _check_entry(path: Path, file: h5py.File, isic_id: str, jpeg: bytes) -> None:
    if not _is_name(isic_id):
        raise InputError(f"{path}: {isic_id!r} cannot be the name of an image", fix="Use ids such as ISIC_0000001")
    if isic_id in file:
        raise InputError(f"{path}: {isic_id} comes twice", fix="Give each lesion one image")
    if not jpeg:
        raise InputError(f"{path}: the image of {isic_id} has no bytes")


def _is_name(isic_id: str) -> bool:
    return bool(isic_id) and isic_id != "." and "/" not in isic_id and "\0" not in isic_id


def _parsed(jpeg: bytes) -> JpegImageFile:
    # Not Image.open: that tries other formats, and warns of large images before their size can be asked.
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        return JpegImageFile(io.BytesIO(jpeg))
    except (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError) as error:
        raise ValueError(f"expected a JPEG, got {len(jpeg)} bytes that are none: {error}") from error


@contextmanager
def _telling_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 tells the errno in its text alone
        if f"errno = {errno.ENOSPC}" in str(error) or f"errno = {errno.EDQUOT}" in str(error):
            raise FullDiskError(path) from error
        raise


def _reason(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
