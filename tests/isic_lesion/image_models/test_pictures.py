"""Pictures as a network takes them: against Pillow, and those that are damaged or of another kind."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from furikaeri_common.errors import InputError
from isic_lesion.data.images import decode, write_images
from isic_lesion.image_models.augmentation import augment
from isic_lesion.image_models.backbones import InputSpec
from isic_lesion.image_models.pictures import Batch, Draw, Pictures, check_pictures, load_batches, open_pictures
from isic_lesion.image_models.reading import PictureReader, ReadingSpec, resize
from isic_lesion.image_models.rows import ImageRows, read_image_rows, row_schema


def inputs(size: int = 32, interpolation: str = "bicubic") -> InputSpec:
    return InputSpec(size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), interpolation)  # type: ignore[arg-type]


def rows_of(path: Path, ids: Sequence[str]) -> ImageRows:
    frame = pl.DataFrame({"isic_id": ids}).with_columns(
        source=pl.lit(0, pl.UInt8), target=pl.lit(0, pl.Int8), is_past=pl.lit(value=False)
    )
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in row_schema().items() if name not in frame.columns]
    return ImageRows(frame.with_columns(absent).select(row_schema().names()), (path,))


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., ImageRows]:
    """Return a function that stores pictures and returns their rows."""

    def write(*jpegs: bytes) -> ImageRows:
        path = tmp_path / "train-image.hdf5"
        write_images(path, ((f"ISIC_{k:07d}", jpeg) for k, jpeg in enumerate(jpegs)))
        return rows_of(path, [f"ISIC_{k:07d}" for k in range(len(jpegs))])

    return write


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def by_pillow(jpeg: bytes, size: int, interpolation: str = "bicubic") -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    kernel = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[interpolation]
    return np.asarray(image.resize((size, size), kernel)).transpose(2, 0, 1)


def read(rows: ImageRows, spec: InputSpec, draws: Sequence[Draw], augmentation: str = "none") -> Batch:
    return next(load_batches(open_pictures(rows, spec, augmentation), [draws]))  # type: ignore[arg-type]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_pillows_within_two_levels(stored, make_jpeg, interpolation: str) -> None:
    jpegs = [make_jpeg(side, seed=side) for side in (51, 64, 128, 239)]
    rows = stored(*jpegs)
    for size in (16, 64, 200):
        batch = read(rows, inputs(size, interpolation), [Draw(3), Draw(0), Draw(2), Draw(1)])
        assert batch.pixels.dtype == torch.uint8
        assert batch.pixels.is_contiguous()
        assert batch.rows.tolist() == [3, 0, 2, 1]
        assert batch.whole.all()
        for pixels, row in zip(batch.pixels, batch.rows, strict=True):
            plain = by_pillow(jpegs[row], size, interpolation).astype(int)
            assert abs(pixels.numpy() - plain).max() <= 2


def test_real_crops_are_as_pillow_reads_them(real_data: Path) -> None:
    path = real_data / "isic" / "images.hdf5"
    rows = read_image_rows(real_data / "isic" / "images-metadata.csv", path)
    batch = read(rows, inputs(224), [Draw(row) for row in range(0, 6162, 100)])
    with h5py.File(path) as file:
        plain = np.stack([by_pillow(file[rows.frame["isic_id"][row]][()], 224) for row in batch.rows.tolist()])
    apart = abs(batch.pixels.numpy() - plain.astype(int))
    assert apart.max() <= 2
    assert (apart > 0).mean() < 0.005
    assert batch.whole.all()


def test_a_draw_with_a_seed_is_augmented_at_the_smaller_size(stored, make_jpeg) -> None:
    small, large = make_jpeg(40, seed=1), make_jpeg(100, seed=2)
    rows = stored(small, large)
    batch = read(rows, inputs(64), [Draw(0, 7), Draw(1, 7), Draw(0), Draw(0, 8)], "lesion")
    first = resize(augment(decode(small), "lesion", 7), 64, "bicubic").transpose(2, 0, 1)
    assert (batch.pixels[0].numpy() == first).all()
    second = augment(resize(decode(large), 64, "bicubic"), "lesion", 7).transpose(2, 0, 1)
    assert (batch.pixels[1].numpy() == second).all()
    assert (batch.pixels[2] == read(rows, inputs(64), [Draw(0)]).pixels[0]).all()
    assert (batch.pixels[3] != batch.pixels[0]).any()
    assert (read(rows, inputs(64), [Draw(0, 7)], "none").pixels[0] == batch.pixels[2]).all()


def test_grey_cmyk_oblong_and_tiny_pictures_are_read(stored, make_jpeg) -> None:
    colours = Image.fromarray(np.full((30, 30, 3), (200, 120, 60), np.uint8))
    oblong = Image.fromarray(np.repeat(np.uint8([[[255] * 3], [[0] * 3]]), 20, axis=0).repeat(90, axis=1))
    one = Image.new("RGB", (1, 1), (200, 120, 60))
    rows = stored(make_jpeg(40, mode="L"), encoded(colours.convert("CMYK")), encoded(oblong), encoded(one))
    for augmentation in ("none", "flips", "lesion", "strong"):
        batch = read(rows, inputs(48), [Draw(row, 5) for row in range(4)], augmentation)
        assert batch.whole.all()
    batch = read(rows, inputs(48), [Draw(row) for row in range(4)])
    grey, cmyk, wide, tiny = batch.pixels.int()
    assert (grey[0] == grey[1]).all()
    assert grey.float().std() > 10
    for pixels in (cmyk, tiny):
        assert abs(pixels - torch.tensor([200, 120, 60])[:, None, None]).max() <= 4
    assert wide[:, :20].min() > 230  # 90 x 40 is stretched to 48 x 48: light above, dark below
    assert wide[:, 28:].max() < 25


def damaged(make_jpeg: Callable[..., bytes], tmp_path: Path) -> tuple[ImageRows, list[str]]:
    """Return rows of which the first, the fourth and the last two alone are whole, and the ids of the others."""
    whole = make_jpeg(60, seed=3)
    path = tmp_path / "damaged.hdf5"
    held = {"a": whole, "b": whole[: len(whole) // 2], "c": b"\x89PNG no", "d": whole, "e": whole[2:], "f": b"\0"}
    write_images(path, held.items())
    with h5py.File(path, "a") as file:
        file["g"] = h5py.Empty("S1")  # no byte at all
        file["h"] = np.arange(4)
        file["i"] = file["a"][()]
        file["j"] = file["d"][()]
    return rows_of(path, list("abcdefghij")), list("bcefgh")


def test_damaged_pictures_are_grey_and_told(make_jpeg, tmp_path: Path) -> None:
    rows, bad = damaged(make_jpeg, tmp_path)
    pictures = open_pictures(rows, inputs(), "lesion")
    (batch,) = load_batches(pictures, [[Draw(row, row) for row in range(10)]])
    assert [name for name, whole in zip("abcdefghij", batch.whole.tolist(), strict=True) if not whole] == bad
    assert (batch.pixels[~batch.whole] == 128).all()
    assert (batch.pixels[batch.whole].float().std((1, 2, 3)) > 10).all()
    assert pictures[Draw(0)].is_whole
    assert not pictures[Draw(1)].is_whole


def test_checking_returns_or_refuses_damaged_pictures(make_jpeg, tmp_path: Path) -> None:
    rows, bad = damaged(make_jpeg, tmp_path)
    heard: list[tuple[int, int]] = []
    assert check_pictures(rows, "skip", on_progress=lambda done, total: heard.append((done, total))) == bad
    assert heard[-1] == (10, 10)
    with pytest.raises(InputError, match=r"damaged\.hdf5: b and 5 more pictures are damaged\. Copy the file again, or"):
        check_pictures(rows)
    one = rows._replace(frame=rows.frame[:2])
    with pytest.raises(InputError, match=r"damaged\.hdf5: b is damaged"):
        check_pictures(one, "refuse")
    assert check_pictures(one._replace(frame=one.frame[:1])) == []


def test_all_real_crops_are_whole(real_data: Path) -> None:
    rows = read_image_rows(real_data / "isic" / "images-metadata.csv", real_data / "isic" / "images.hdf5")
    assert check_pictures(rows._replace(frame=rows.frame[::20])) == []


def test_files_that_changed_since_they_were_looked_up(stored, make_jpeg) -> None:
    rows = stored(make_jpeg(32), make_jpeg(32))
    pictures = open_pictures(rows, inputs())
    whole = rows.files[0].read_bytes()
    rows.files[0].unlink()
    for content, message in (
        (None, "no such file"),
        (b"short", "cannot be read as HDF5"),
        (whole[: len(whole) // 2], "is cut short"),
    ):
        if content is not None:
            rows.files[0].write_bytes(content)
        with pytest.raises(InputError, match=f"train-image.hdf5: {message}"):
            list(load_batches(pictures, [[Draw(0)]]))
    write_images(rows.files[0], [("ISIC_0000000", make_jpeg(32))])
    for workers in (0, 1):
        with contextlib.closing(load_batches(pictures, [[Draw(0)], [Draw(1)]], workers=workers)) as batches:
            assert next(batches).whole.all()
            with pytest.raises(InputError, match=r"train-image\.hdf5: ISIC_0000001: has no image\Z"):
                next(batches)


def test_pictures_are_a_data_set_of_torch(stored, make_jpeg) -> None:
    rows = stored(*(make_jpeg(seed=k) for k in range(6)))
    pictures = open_pictures(rows, inputs(), "flips")
    assert len(pictures) == 6
    draws = [Draw(k, k) for k in (5, 2, 2, 0)]
    expected = next(load_batches(pictures, [draws]))
    loader = torch.utils.data.DataLoader(pictures, batch_sampler=[draws])
    (batch,) = loader
    assert (batch.pixels == expected.pixels).all()
    assert batch.row.tolist() == [5, 2, 2, 0]
    copy: Pictures = pickle.loads(pickle.dumps(pictures))
    assert (copy[Draw(5, 5)].pixels == expected.pixels[0]).all()
    for row in (6, -1):
        with pytest.raises(IndexError, match=rf"expected a row in \[0, 6\), got {row}"):
            pictures[Draw(row)]


def test_pixels_do_not_depend_on_torchs_threads(stored, make_jpeg) -> None:
    rows = stored(make_jpeg(200, seed=1), make_jpeg(90, seed=2))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(read(rows, inputs(160), [Draw(0), Draw(1), Draw(0, 3), Draw(1, 3)], "strong").pixels)
    finally:
        torch.set_num_threads(before)
    assert (found[0] == found[1]).all()


def test_a_reader_opens_files_late_and_again_after_it_was_closed(stored, make_jpeg) -> None:
    rows = stored(make_jpeg(32))
    (place,) = open_pictures(rows, inputs()).places([Draw(0)])
    held = rows.files[0].rename(rows.files[0].with_name("held"))
    reader = PictureReader(ReadingSpec((str(rows.files[0]),), 32, "bicubic", "none"))
    held.rename(rows.files[0])
    first, _ = reader.read_all([place])
    reader.close()
    again, _ = reader.read_all([place])
    assert (first == again).all()
    reader.close()
    rows.files[0].unlink()
    with pytest.raises(InputError, match="no such file"):
        reader.read_all([place])


def test_batches_are_read_when_they_are_asked_for(stored, make_jpeg) -> None:
    pictures = open_pictures(stored(make_jpeg()), inputs())
    asked = 0

    def draws() -> Sequence[Draw]:
        nonlocal asked
        asked += 1
        return [Draw(0)]

    with contextlib.closing(load_batches(pictures, iter(draws, None))) as batches:  # without end
        for number in range(1, 4):
            next(batches)
            assert asked == number
    (empty,) = load_batches(pictures, [[]])
    assert empty.pixels.shape == (0, 3, 32, 32)
    assert empty.rows.shape == empty.whole.shape == (0,)
    with pytest.raises(ValueError, match="expected workers >= 0, got -1"):
        load_batches(pictures, [], workers=-1)
