"""Lesion crops as small pictures inside the page. (io)"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from furikaeri_common.errors import InputError

__all__ = ["read_crops"]

_SIDE = 112  # pixels: twice the width it is shown at, about the size that crops have
_QUALITY = 72


def read_crops(path: Path, isic_ids: Iterable[str]) -> dict[str, str]:
    """Return lesions' crops as `data:` URIs of small JPEGs; lesions without one are left out.

    Crops are decoded and encoded anew, so that nothing of a stranger's file gets into the page but pixels. One that is
    no picture is left out too.

    Args:
        path: the HDF5 file in the contest's layout.
        isic_ids: which lesions.

    Raises:
        InputError: if the file is none.
    """
    from PIL import Image

    from isic_lesion.data.images import decode, open_images

    found = {}
    with open_images(path) as images:
        for isic_id in dict.fromkeys(isic_ids):
            if isic_id not in images:
                continue
            try:
                pixels = decode(images.jpeg(isic_id))
            except (InputError, ValueError):
                continue
            picture = Image.fromarray(pixels)
            picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            stream = io.BytesIO()
            picture.save(stream, format="JPEG", quality=_QUALITY, optimize=True)
            found[isic_id] = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    return found
