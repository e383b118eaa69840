"""From a lesion's JPEG to the pixels that a network takes: decoded, augmented, of one size. (io)

Augmenting happens at the picture's own size, if that is the smaller one, before it is brought to the network's: there
are fewer pixels then, and what is turned was not smoothed before.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.data.images import LesionImages, decode, open_images
from isic_lesion.image_models.augmentation import augment
from isic_lesion.image_models.config import Augmentation

__all__ = ["PictureReader", "Place", "ReadingSpec", "network_pixels", "resize"]

_GREY = 128  # of every pixel of a picture that cannot be decoded


class ReadingSpec(NamedTuple):
    """How pictures are read; JSON as it stands.

    Attributes:
        files: the HDF5 files of pictures.
        size: side of the square that comes out, in pixels.
        interpolation: how it is brought to that size.
        augmentation: what is done to pictures with a seed.
    """

    files: tuple[str, ...]
    size: int
    interpolation: Literal["bilinear", "bicubic"]
    augmentation: Augmentation


class Place(NamedTuple):
    """One picture to read; JSON as it stands.

    Attributes:
        source: the index of its file.
        isic_id: whose it is.
        seed: of its augmentation; below 0: none.
    """

    source: int
    isic_id: str
    seed: int


class PictureReader:
    """Reads pictures and keeps their files open; each is opened when it is first needed, and not before a fork."""

    def __init__(self, spec: ReadingSpec) -> None:
        self.spec = spec
        self._open = ExitStack()
        self._files: dict[int, LesionImages] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; reading opens them again."""
        self._files.clear()
        self._open.close()

    def read_all(self, places: list[Place]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return pixels, shape (B, 3, size, size), and which pictures are whole, shape (B,).

        A picture that does not decode is not whole and grey all over.

        Raises:
            InputError: if a file cannot be opened, or holds no picture of that lesion.
        """
        pixels = np.empty((len(places), 3, self.spec.size, self.spec.size), np.uint8)
        whole = np.ones(len(places), np.bool_)
        for number, place in enumerate(places):
            try:
                decoded = decode(self._jpeg(place))
            except ValueError:
                pixels[number], whole[number] = _GREY, False
            else:
                pixels[number] = network_pixels(decoded, self.spec, place.seed)
        return pixels, whole

    def _jpeg(self, place: Place) -> bytes:
        """Return a picture as it is stored; ValueError if it is there and cannot be read."""
        images = self._files.get(place.source)
        if images is None:
            images = self._open.enter_context(open_images(Path(self.spec.files[place.source])))
            self._files[place.source] = images
        try:
            return images.jpeg(place.isic_id)
        except InputError as error:
            if place.isic_id in images:
                raise ValueError(error.message) from error
            raise


def network_pixels(pixels: NDArray[np.uint8], spec: ReadingSpec, seed: int = -1) -> NDArray[np.uint8]:
    """Return a picture as a network takes it.

    Args:
        pixels: values in [0, 255], shape (height, width, 3); what is not square is stretched.
        spec: size, interpolation and augmentation.
        seed: of the augmentation; below 0: none.

    Returns:
        Values in [0, 255], shape (3, size, size).
    """
    if seed >= 0 and spec.augmentation != "none":
        if max(pixels.shape[:2]) > spec.size:
            pixels = resize(pixels, spec.size, spec.interpolation)
        pixels = augment(pixels, spec.augmentation, seed)
    return resize(pixels, spec.size, spec.interpolation).transpose(2, 0, 1)


def resize(pixels: NDArray[np.uint8], size: int, interpolation: Literal["bilinear", "bicubic"]) -> NDArray[np.uint8]:
    """Return a picture of another size, antialiased; torch's whole-number arithmetic, within 2 levels of Pillow's.

    Args:
        pixels: values in [0, 255], shape (height, width, 3).
        size: side of the square that comes out, in pixels.
        interpolation: "bilinear" or "bicubic".

    Returns:
        Values in [0, 255], shape (size, size, 3).
    """
    if pixels.shape[:2] == (size, size):
        return pixels
    import torch

    # A view with the colours last in memory: torch is quickest on this layout.
    batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(batch, (size, size), mode=interpolation, antialias=True)
    held: NDArray[np.uint8] = resized[0].permute(1, 2, 0).numpy()
    return held
