"""Images read back bit by bit, and files that are not what they should be."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError, WorkError
from isic_lesion.data.images import ImageHeader, decode, open_images, read_header, write_images


def test_what_was_written_is_read(make_jpeg, tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"
    held = {f"ISIC_{k:07d}": make_jpeg(40 + k, seed=k) for k in (3, 1, 2)}
    assert write_images(path, held.items()) == 3
    with open_images(path) as images:
        assert images.isic_ids() == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
        assert len(images) == 3
        assert {name: images.jpeg(name) for name in held} == held
        assert "ISIC_0000001" in images
        assert "ISIC_0000009" not in images
        assert "" not in images
        assert 7 not in images


def test_the_layout_is_the_contests(make_jpeg, tmp_path: Path) -> None:
    jpeg = make_jpeg()
    write_images(tmp_path / "images.hdf5", [("ISIC_0000001", jpeg)])
    with h5py.File(tmp_path / "images.hdf5") as file:
        stored = file["ISIC_0000001"]
        assert stored.shape == ()
        assert stored.dtype == np.dtype(f"S{len(jpeg)}")
        assert bytes(stored[()]) == jpeg


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
def test_any_bytes_come_back_with_their_zeros(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("images") / "images.hdf5"
    contents = [*contents, b"\xff\xd9\0\0", b"\0"]
    write_images(path, ((f"a{k}", content) for k, content in enumerate(contents)))
    with open_images(path) as images:
        assert [images.jpeg(f"a{k}") for k in range(len(contents))] == contents


def test_the_same_images_make_the_same_file(make_jpeg, tmp_path: Path) -> None:
    held = [(f"ISIC_{k:07d}", make_jpeg(seed=k)) for k in range(5)]
    for name in ("one", "two"):
        write_images(tmp_path / name, held)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_real_images_copy_bit_by_bit(real_data: Path, tmp_path: Path) -> None:
    source, copy = real_data / "isic" / "images.hdf5", tmp_path / "copy.hdf5"
    with open_images(source) as images:
        names = images.isic_ids()[::4]
        assert write_images(copy, ((name, images.jpeg(name)) for name in names)) == len(names) == 1541
    with h5py.File(source) as old, h5py.File(copy) as new:
        assert list(new) == names
        for name in names:
            assert old[name].dtype == new[name].dtype
            assert old[name][()] == new[name][()]


def test_real_images_decode(real_data: Path) -> None:
    for file in ("images.hdf5", "contract/test-image.hdf5"):
        with open_images(real_data / "isic" / file) as images:
            for name in images.isic_ids()[::10]:
                jpeg = images.jpeg(name)
                width, height, mode = read_header(jpeg)
                assert mode == "RGB"
                assert 51 <= width == height <= 239
                assert decode(jpeg).shape == (height, width, 3)


def test_decoding_gives_rgb(make_jpeg) -> None:
    pixels = decode(make_jpeg(20, height=30))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (30, 20, 3)
    grey = make_jpeg(20, mode="L")
    assert read_header(grey) == ImageHeader(20, 20, "L")
    turned = decode(grey)
    assert turned.shape == (20, 20, 3)
    assert (turned[..., 0] == turned[..., 2]).all()
    pixels[0, 0, 0] = 1  # ours to change


def test_what_is_no_jpeg_is_refused(make_jpeg) -> None:
    whole = make_jpeg(100)
    for bad in (b"", b"GIF89a", b"\x89PNG\r\n", whole[:10], whole[:200], whole[2:]):
        with pytest.raises(ValueError, match=r"expected a JPEG, got|expected a whole JPEG"):
            decode(bad)
    with pytest.raises(ValueError, match="expected a whole JPEG, got one that does not decode"):
        decode(whole[: len(whole) // 2])


def test_a_huge_image_is_refused_before_it_is_decoded(make_jpeg) -> None:
    jpeg = bytearray(make_jpeg(16))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    assert read_header(bytes(jpeg))[:2] == (65535, 65535)
    with pytest.raises(ValueError, match="expected a JPEG of at most 16777216 pixels, got 65535 x 65535"):
        decode(bytes(jpeg))


def test_files_that_cannot_be_opened(make_jpeg, tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message) as caught, open_images(path):
            pass
        assert "\n" not in str(caught.value)

    refused("no such file")
    path.write_bytes(b"")
    refused("cannot be read as HDF5")
    path.write_bytes(b"isic_id,target\n" * 100)
    refused("cannot be read as HDF5")
    write_images(path, ((f"ISIC_{k:07d}", make_jpeg(seed=k)) for k in range(20)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    refused("is cut short")
    path.write_bytes(whole[: len(whole) // 3])
    refused("is cut short")
    path.unlink()
    path.mkdir()
    refused("no such file")


def test_what_is_not_bytes_of_a_jpeg_is_told(tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros((4, 4), np.float32)
        file["list"] = np.array([b"ab", b"cd"])
        file["text"] = "text"
        file["void"] = np.void(b"\xff\xd8\0")
        file.create_group("group")
    with open_images(path) as images:
        for name, message in (
            ("numbers", r"numbers: is of dtype float32 and shape \(4, 4\)"),
            ("list", r"list: is of dtype \|S2 and shape \(2,\)"),
            ("text", "text: is of dtype object"),
            ("group", "group: is a group"),
            ("nothing", "nothing: has no image"),
            ("group/x", "has no image"),
            ("", "has no image"),
        ):
            with pytest.raises(InputError, match=message):
                images.jpeg(name)
        assert images.jpeg("void") == b"\xff\xd8\0"


def test_images_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"
    path.write_bytes(b"before")
    for images, message in (
        ([("a", b"1"), ("a", b"2")], "a comes twice"),
        ([("a", b"1"), ("a/b", b"2")], "'a/b' cannot be the name of an image"),
        ([("", b"1")], "'' cannot be the name"),
        ([("a", b"")], "the image of a has no bytes"),
    ):
        with pytest.raises(InputError, match=message):
            write_images(path, images)
    with pytest.raises(ZeroDivisionError):
        write_images(path, ((str(k), bytes([1 // (3 - k)])) for k in range(5)))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        write_images(path / "below.hdf5", [])


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    def images():
        yield "a", b"1"
        raise OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')")

    with pytest.raises(WorkError, match="the disk is full"):
        write_images(tmp_path / "images.hdf5", images())


def test_no_images_make_an_empty_file(tmp_path: Path) -> None:
    assert write_images(tmp_path / "images.hdf5", []) == 0
    with open_images(tmp_path / "images.hdf5") as images:
        assert len(images) == 0
        assert images.isic_ids() == []


def test_several_processes_read_one_file(make_jpeg, tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"
    held = {f"ISIC_{k:07d}": make_jpeg(30 + k, seed=k) for k in range(6)}
    write_images(path, held.items())
    script = (
        "import sys; from isic_lesion.data.images import open_images\n"
        "with open_images(sys.argv[1]) as images:\n"
        "    sys.stdin.read(1)\n"
        "    print(*(len(images.jpeg(k)) for k in images.isic_ids()))"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script, str(path)]
    with open_images(path), contextlib.ExitStack() as stack:
        readers = [stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)) for _ in range(2)]
        told = [reader.communicate("x", timeout=60)[0].split() for reader in readers]
    assert told == [[str(len(jpeg)) for jpeg in held.values()]] * 2
