"""Augmentation: nothing comes in from outside, nothing of the lesion is lost, and a seed fixes every bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isic_lesion.image_models.augmentation import augment

KINDS = ("none", "flips", "lesion", "strong")


def noise(height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def disc(side: int = 128, radius: float = 16, at: tuple[float, float] = (0, 0)) -> NDArray[np.uint8]:
    """Return a dark round lesion on light skin, `at` pixels right of and below the centre."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    dark = (x - at[0]) ** 2 + (y - at[1]) ** 2 < radius**2
    return np.where(dark[..., None], (90, 60, 50), (210, 170, 150)).astype(np.uint8)


def dark_place(pixels: NDArray[np.uint8]) -> tuple[float, NDArray[np.float64]]:
    """Return area and middle (x, y from the centre) of what is darker than the mean of lightest and darkest."""
    light = pixels.astype(float).mean(2)
    rows, columns = np.nonzero(light < (light.max() + light.min()) / 2)
    return float(len(rows)), np.array([columns.mean(), rows.mean()]) - (len(light) - 1) / 2


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 50), st.integers(1, 70), st.sampled_from(KINDS), st.integers(0, 2**63 - 1))
def test_any_picture_keeps_its_shape_and_a_seed_fixes_every_bit(height: int, width: int, kind: str, seed: int) -> None:
    pixels = noise(height, width, seed % 97)
    before = pixels.copy()
    changed = augment(pixels, kind, seed)
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    assert (pixels == before).all()
    np.random.seed(seed % 1000)  # noqa: NPY002
    assert (augment(pixels, kind, seed) == changed).all()


def test_seeds_differ() -> None:
    pixels = noise()
    for kind in ("lesion", "strong"):
        assert len({augment(pixels, kind, seed).tobytes() for seed in range(50)}) == 50
    assert augment(pixels, "none", 3) is pixels


def test_flips_are_the_four_mirror_images_equally_often() -> None:
    pixels = noise(5, 7)
    images = [
        np.ascontiguousarray(image).tobytes() for image in (pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1])
    ]
    drawn = [images.index(augment(pixels, "flips", seed).tobytes()) for seed in range(2000)]
    assert abs(np.bincount(drawn, minlength=4) - 500).max() < 5 * 19.4  # binomial


@pytest.mark.parametrize("kind", ["lesion", "strong"])
def test_a_plain_picture_stays_plain(kind: str) -> None:
    pixels = np.full((40, 40, 3), (200, 160, 140), np.uint8)
    for seed in range(60):
        changed = augment(pixels, kind, seed)
        assert (changed == changed[0, 0]).all()  # no black corner, no border


@pytest.mark.parametrize("kind", ["lesion", "strong"])
def test_grey_stays_grey(kind: str) -> None:
    pixels = np.repeat(noise()[..., :1], 3, axis=2)
    for seed in range(30):
        changed = augment(pixels, kind, seed).astype(int)
        assert np.ptp(changed, axis=2).max() <= 1


@pytest.mark.parametrize(("kind", "scale", "shift"), [("lesion", 1.1, 0.05), ("strong", 1.2, 0.1)])
def test_a_lesion_keeps_its_size_and_place_within_what_is_said(kind: str, scale: float, shift: float) -> None:
    pixels = disc()
    area, _ = dark_place(pixels)
    found = [dark_place(augment(pixels, kind, seed)) for seed in range(200)]
    areas, places = np.array([a for a, _ in found]) / area, np.array([place for _, place in found])
    assert scale**-2 - 0.03 < areas.min() < scale**-1.5
    assert scale**1.5 < areas.max() < scale**2 + 0.03
    assert shift * 128 * 0.9 < abs(places).max() < shift * 128 + 1
    assert abs(places.mean(0)).max() < 5 * shift * 128 / 3**0.5 / 200**0.5


def test_lesions_are_turned_by_any_angle_and_mirrored_every_other_time() -> None:
    right, below = disc(radius=8, at=(30, 0)), disc(radius=8, at=(0, 30))
    places = np.array([[dark_place(augment(p, "lesion", seed))[1] for p in (right, below)] for seed in range(300)])
    angles = np.arctan2(places[:, 0, 1], places[:, 0, 0])
    assert (np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0] > 18).all()  # 37.5 expected
    mirrored = np.linalg.det(places) < 0
    assert 110 < mirrored.sum() < 190  # 150 expected, standard deviation 8.7


def test_light_changes_within_what_is_said() -> None:
    pixels = disc(radius=20)
    luma = np.array((0.299, 0.587, 0.114))
    for kind, most in (("lesion", 0.1), ("strong", 0.25)):
        changes = [(augment(pixels, kind, seed) @ luma).mean() / (pixels @ luma).mean() - 1 for seed in range(100)]
        assert most / 2 < np.abs(changes).max() < most + 0.06  # a lesion of another size changes the mean a little too


def test_patches_are_painted_beside_the_lesion_alone() -> None:
    pixels = noise()
    for seed in range(100):
        changed = augment(pixels, "strong", seed)
        same = (changed[1:] == changed[:-1]).all(2)[:, 1:] & (changed[:, 1:] == changed[:, :-1]).all(2)[1:]
        assert 8 < same.sum() < 64 * 64 * 3 / 16
        assert not same[16:47, 16:47].any()
        lesion = augment(pixels, "lesion", seed)
        assert ((lesion[1:] == lesion[:-1]).all(2)).sum() < 8


def test_a_turned_picture_keeps_its_fine_detail() -> None:
    rough = noise(128, 128).astype(float)
    smooth = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1) + np.roll(rough, (1, 1), (0, 1))) / 4
    pixels = smooth.astype(np.uint8)

    def detail(image: NDArray[np.uint8]) -> float:
        middle = image[32:96, 32:96].astype(float)
        return float((np.diff(middle, axis=0) ** 2).mean() + (np.diff(middle, axis=1) ** 2).mean())

    kept = [detail(augment(pixels, "lesion", seed)) / detail(pixels) for seed in range(60)]
    assert 0.75 < np.median(kept) < 1.15  # linear interpolation keeps half of it


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected augmentation 'none', 'flips', 'lesion' or 'strong', got 'mixup'"):
        augment(noise(), "mixup", 0)  # type: ignore[arg-type]
