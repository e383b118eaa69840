"""Lesion crops as small pictures inside the page. (io)"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError

__all__ = ["MapPictures", "read_crops", "read_maps"]

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 112  # pixels: twice the width it is shown at, about the size that crops have
_QUALITY = 72


class MapPictures(NamedTuple):
    """Where an image model looked.

    Attributes:
        model: its name.
        pictures: isic_id -> the crop with its map laid over it, as a `data:` URI of a small JPEG.
        unseen: whether all of them are by networks of a fold that had not seen the patient.
    """

    model: str
    pictures: dict[str, str]
    unseen: bool


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
            found[isic_id] = _uri(Image.fromarray(pixels))
    return found


def read_maps(folder: Path, path: Path, isic_ids: Iterable[str]) -> MapPictures:
    """Return where an image model looked on lesions, laid over their crops; lesions without a sound one are left out.

    Args:
        folder: the model's.
        path: the HDF5 file of the crops.
        isic_ids: which lesions.

    Raises:
        InputError: if a file is none, or is damaged.
        MissingExtraError: if the extra `image` is not installed.
    """
    from PIL import Image

    from isic_lesion.image_models.folder import read_image_record
    from isic_lesion.lesion_maps import map_lesions

    maps = map_lesions(folder, path, list(dict.fromkeys(isic_ids)))
    pictures = {one.isic_id: _uri(Image.fromarray(one.overlay)) for one in maps}
    return MapPictures(read_image_record(folder).config.name, pictures, all(one.fold is not None for one in maps))


def _uri(picture: Image) -> str:
    from PIL import Image

    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
