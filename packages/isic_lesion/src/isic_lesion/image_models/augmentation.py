"""Changes to a training picture that leave its lesion's label alone: where it lies, how it is turned, how it is lit.

Pillow's and numpy's own arithmetic, not torchvision's: it is several times quicker on a picture of 128 pixels, needs
nothing imported but them, and gives the same bits on any number of threads. Geometry is one map and one resampling; all
changes of colour are one matrix.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.image_models.config import Augmentation

__all__ = ["augment"]

_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601
_GREY = np.outer(np.ones(3), _LUMA)
_COLOUR = np.eye(3) - _GREY
_QUARTER = _COLOUR @ np.array(((0, -1, 1), (1, 0, -1), (-1, 1, 0))) / math.sqrt(3) @ _COLOUR  # a quarter turn of hue
_ERASED = (1, 3)  # patches: the least and the most
_PATCH = (0.08, 0.25)  # side of one, as a share of the picture's
_CLEAR = (0.25, 0.75)  # the part of either axis where the lesion is: no patch touches it


class _Strength(NamedTuple):
    """How far each change goes at most, either way.

    Attributes:
        scale: of the logarithm of the size.
        shift: as a share of the side.
        light: of brightness, contrast and saturation, as a share.
        hue: in turns of the colour wheel.
        erase: whether patches beside the lesion are painted over.
    """

    scale: float
    shift: float
    light: float
    hue: float
    erase: bool


_STRENGTHS = {
    "lesion": _Strength(math.log(1.1), 0.05, 0.1, 0.01, erase=False),
    "strong": _Strength(math.log(1.2), 0.1, 0.25, 0.03, erase=True),
}


def augment(pixels: NDArray[np.uint8], kind: Augmentation, seed: int) -> NDArray[np.uint8]:
    """Return a picture changed at random.

    - "none": as it is.
    - "flips": itself or one of its 3 mirror images.
    - "lesion": mirrored or not, turned by any angle, up to a tenth larger or smaller, moved by up to a twentieth; up
      to a tenth brighter or darker, and as much of contrast and saturation; hue by up to a hundredth of the wheel.
    - "strong": the same, but a fifth of size, a tenth of place, a quarter of light and three hundredths of hue; one to
      three patches outside the central half of the picture, where the lesion is, are painted over in its mean colour.

    What comes in from outside the picture is its own mirror image.

    Args:
        pixels: values in [0, 255], shape (height, width, 3).
        kind: what is done.
        seed: at least 0; the same seed does the same.

    Returns:
        Values in [0, 255], shape (height, width, 3).

    Raises:
        ValueError: if there is no such kind.
    """
    if kind == "none":
        return pixels
    generator = np.random.default_rng(seed)
    if kind == "flips":
        return pixels[:: _sign(generator), :: _sign(generator)].copy()
    if kind not in _STRENGTHS:
        raise ValueError(f"expected augmentation 'none', 'flips', 'lesion' or 'strong', got {kind!r}")
    strength = _STRENGTHS[kind]
    changed = _recoloured(_moved(pixels, generator, strength), generator, strength)
    return _erased(changed, generator) if strength.erase else changed


def _sign(generator: np.random.Generator) -> int:
    return 1 if generator.random() < 0.5 else -1


def _moved(pixels: NDArray[np.uint8], generator: np.random.Generator, strength: _Strength) -> NDArray[np.uint8]:
    """Mirror, turn, scale and shift about the centre, in one resampling."""
    from PIL import Image

    height, width = pixels.shape[:2]
    flip = _sign(generator)
    angle = 2 * math.pi * generator.random()
    zoom = math.exp(-strength.scale * generator.uniform(-1, 1))
    shift = strength.shift * generator.uniform(-1, 1, 2) * (width, height)
    back = (
        zoom * np.array(((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle)))) @ ((flip, 0), (0, 1))
    )
    centre = np.array((width, height)) / 2
    corners = (np.array(((0, 0), (0, height), (width, 0), (width, height))) - centre - shift) @ back.T
    # The bicubic kernel looks two pixels beyond what it is centred on.
    beyond = [max(0, math.ceil(reach - half)) + 2 for reach, half in zip(np.abs(corners).max(0), centre, strict=True)]
    padded = np.pad(pixels, ((beyond[1], beyond[1]), (beyond[0], beyond[0]), (0, 0)), mode="reflect")
    offset = centre + beyond - back @ (centre + shift)
    moved = Image.fromarray(padded).transform(
        (width, height),
        Image.Transform.AFFINE,
        (*back[0], offset[0], *back[1], offset[1]),
        resample=Image.Resampling.BICUBIC,
    )
    return np.asarray(moved)


def _recoloured(pixels: NDArray[np.uint8], generator: np.random.Generator, strength: _Strength) -> NDArray[np.uint8]:
    """Change hue, saturation, contrast and brightness, in this order, with one matrix."""
    from PIL import Image

    brightness, contrast, saturation = 1 + strength.light * generator.uniform(-1, 1, 3)
    hue = 2 * math.pi * strength.hue * generator.uniform(-1, 1)
    saturated = _GREY + saturation * _COLOUR
    matrix = brightness * contrast * saturated @ _hue_matrix(hue)
    middle = float(_mean(pixels) @ _LUMA)
    offset = brightness * (1 - contrast) * middle
    flat = [float(value) for row in matrix for value in (*row, offset)]
    return np.asarray(Image.fromarray(pixels).convert("RGB", tuple(flat)))


def _hue_matrix(angle: float) -> NDArray[np.float64]:
    """Return what turns colours about the grey axis: greys stay as they are, and every colour keeps its luma."""
    turned: NDArray[np.float64] = _GREY + math.cos(angle) * _COLOUR + math.sin(angle) * _QUARTER
    return turned


def _erased(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Paint patches over that do not touch the central part."""
    changed = pixels.copy()
    colour = np.round(_mean(pixels)).astype(np.uint8)
    sides = np.array(pixels.shape[:2])
    for _ in range(int(generator.integers(_ERASED[0], _ERASED[1] + 1))):
        size = generator.uniform(*_PATCH, 2)
        start = generator.random(2) * (1 - size)
        axis = int(generator.integers(2))  # along which the patch lies beside the lesion
        start[axis] = generator.random() * (_CLEAR[0] - size[axis])
        if generator.random() < 0.5:
            start[axis] = 1 - size[axis] - start[axis]
        (top, left), (bottom, right) = (start * sides).astype(int), ((start + size) * sides).astype(int)
        changed[top:bottom, left:right] = colour
    return changed


def _mean(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean colour, of every fourth row and column: quick, and near enough."""
    colour: NDArray[np.float64] = pixels[::4, ::4].reshape(-1, 3).mean(0)
    return colour
