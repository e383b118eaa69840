"""Simple pictures of made-up lesions: a patch of skin and the lesion on it, in the row's own colours, size and shape.

The field is 15 x 15 mm, as in the contest. What the table tells is what the picture shows: colours of skin and lesion,
length, width, border, asymmetry and unevenness of colour. Beyond that, malignant lesions more often show patches of a
second colour, so that a picture tells a little more than its row does.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isic_lesion.synthetic.marginals import monotone_cubic

__all__ = ["draw_lesion", "rgb_of_lab"]

FIELD_MM = 15.0
_QUALITY = 75
# Quantiles of the width of real pictures in pixels, all of them odd numbers (estimated on 771 of them).
_WIDTHS = {-4.5: 51, -2.33: 95, -1.645: 103, -0.674: 117, 0.0: 127, 0.674: 137, 1.645: 153, 2.33: 180, 4.5: 239}
_SECOND_COLOURS = np.array([[0.42, 0.45, 0.55], [0.85, 0.55, 0.52], [0.24, 0.16, 0.12]])  # blue-grey, pink, black
_NAMED = (
    "A",
    "Aext",
    "B",
    "Bext",
    "L",
    "Lext",
    "minorAxisMM",
    "norm_border",
    "color_std_mean",
    "stdL",
    "stdLExt",
    "symm_2axis",
)


def draw_lesion(row: Mapping[str, float], *, patches: float, generator: np.random.Generator) -> bytes:
    """Draw one lesion as a square RGB JPEG, 51 to 239 pixels wide.

    Args:
        row: clin_size_long_diam_mm and the tbp_lv_ columns of colour, width, border and asymmetry.
        patches: how much of a second colour is in the lesion, 0 to 1.
        generator: of what is random about this picture.
    """
    from PIL import Image

    width = _width(generator)
    value = {name: row[f"tbp_lv_{name}"] for name in _NAMED}
    colours = rgb_of_lab(
        np.array([value["Lext"], value["L"]]),
        np.array([value["Aext"], value["A"]]),
        np.array([value["Bext"], value["B"]]),
    )
    skin, lesion = colours
    texture = _waves(generator, width, 5) + 0.7 * _waves(generator, width, 13) + 0.5 * _waves(generator, width, 34)
    grain = generator.standard_normal((width, width), dtype=np.float32)
    shade = 1 + np.float32(0.008 * value["stdLExt"]) * texture + np.float32(0.014) * grain
    picture = skin.astype(np.float32) * shade[..., None]
    window = _window(width, row["clin_size_long_diam_mm"], value["minorAxisMM"])
    inside = _mask(
        window,
        row["clin_size_long_diam_mm"],
        value["minorAxisMM"],
        value["norm_border"],
        value["symm_2axis"],
        generator,
    )
    size = len(inside)
    tone = 1 + np.float32(0.05 * min(value["color_std_mean"], 4.0)) * _waves(generator, size, 6)
    tone += np.float32(0.02 * value["stdL"] ** 0.5) * _waves(generator, size, 14)
    second = _SECOND_COLOURS[generator.integers(len(_SECOND_COLOURS))]
    second = second * (0.3 + 0.7 * skin.mean() / 0.6)
    spots = np.clip((_waves(generator, size, 7) - 0.5) * 1.6, 0, 1) * np.float32(0.85 * patches)
    body = (lesion * tone[..., None] * (1 - spots[..., None]) + second * spots[..., None]).astype(np.float32)
    start = (width - size) // 2
    place = slice(start, start + size)
    picture[place, place] += inside[..., None] * (body * shade[place, place, None] - picture[place, place])
    _add_hairs(picture, generator)
    pixels = np.clip(picture * 255, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def rgb_of_lab(
    lightness: NDArray[np.float64], green_red: NDArray[np.float64], blue_yellow: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return sRGB colours within [0, 1] of CIELAB ones (D65, CIE 1976; sRGB as in IEC 61966-2-1); shape (N, 3)."""
    middle = (lightness + 16) / 116
    steps = np.stack([middle + green_red / 500, middle, middle - blue_yellow / 200])
    linear = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29))
    tristimulus = linear * np.array([[0.95047], [1.0], [1.08883]])
    to_rgb = np.array(
        [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
    )
    rgb = np.clip(to_rgb @ tristimulus, 0, 1).T
    return np.asarray(np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055))


def _width(generator: np.random.Generator) -> int:
    places, heights = np.array(list(_WIDTHS)), np.array(list(_WIDTHS.values()), dtype=np.float64)
    drawn = monotone_cubic(places, heights, np.array([generator.standard_normal()]))[0]
    return int(2 * round((float(drawn) - 1) / 2) + 1)


def _waves(generator: np.random.Generator, width: int, cells: int) -> NDArray[np.float32]:
    """Return smooth noise of about unit spread, with so many cells across; shape (width, width)."""
    from PIL import Image

    coarse = Image.fromarray(generator.standard_normal((cells, cells), dtype=np.float32))
    smooth = np.asarray(coarse.resize((width, width), Image.Resampling.BICUBIC), dtype=np.float32)
    return np.asarray(smooth * np.float32(1.3), dtype=np.float32)


def _window(width: int, long: float, short: float) -> NDArray[np.float32]:
    """Return the places of the columns that a lesion can reach, in mm from the middle: as many on either side."""
    axis = np.asarray((np.arange(width) + 0.5) / width * FIELD_MM - FIELD_MM / 2, dtype=np.float32)
    return axis[np.abs(axis) < 0.9 * max(long, short) + 0.6]


def _mask(
    axis: NDArray[np.float32],
    long: float,
    short: float,
    border: float,
    asymmetry: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Return how much of each pixel is lesion, 0 to 1: an ellipse with a wavy edge; shape (W, W) for W places."""
    turn = generator.uniform(0, np.pi)
    across, down = axis[None, :], axis[:, None]
    along = (across * np.cos(turn) + down * np.sin(turn)) / max(long / 2, 0.3)
    beside = (down * np.cos(turn) - across * np.sin(turn)) / max(short / 2, 0.2)
    angle = np.arctan2(beside, along)
    edge = np.ones_like(angle)
    phases = generator.uniform(0, 2 * np.pi, 5)
    for waves, phase in zip((1, 3, 5, 7, 9), phases.tolist(), strict=True):
        height = 0.4 * asymmetry if waves == 1 else 0.022 * border
        edge += np.float32(height / waves**0.5) * np.sin(waves * angle + phase, dtype=np.float32)
    depth = (edge - np.hypot(along, beside)) * min(long, short) / 2
    # Real edges fade over about half a millimetre.
    return np.asarray(np.clip(0.5 + depth / 0.55, 0, 1), dtype=np.float32)


def _add_hairs(picture: NDArray[np.float32], generator: np.random.Generator) -> None:
    width = len(picture)
    for _ in range(int(generator.poisson(0.7))):
        start, way = generator.uniform(0, width, 2), generator.uniform(0, 2 * np.pi)
        steps = np.arange(0, generator.uniform(0.2, 0.8) * width, 0.5)
        bend = way + generator.normal(0, 0.01) * steps
        columns = (start[0] + np.cumsum(np.cos(bend)) * 0.5).astype(np.int64)
        rows = (start[1] + np.cumsum(np.sin(bend)) * 0.5).astype(np.int64)
        there = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < width)
        picture[rows[there], columns[there]] *= np.float32(0.72)
