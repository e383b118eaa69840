"""Checkpoints: whole or none, of this training or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.image_models.checkpoints import (
    Checkpoint,
    digest_of_arrays,
    digest_of_json,
    read_checkpoint,
    remove_checkpoint,
    remove_unfinished,
    write_checkpoint,
)

ARRAYS = {
    "weights/a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "weights/n": np.array(3, np.int64),
    "none": np.empty((0, 2), np.float32),
}
KEPT = Checkpoint({"progress": {"step": 3}, "loss": 0.1}, ARRAYS)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "c.safetensors"
    write_checkpoint(path, "me", KEPT)
    found = read_checkpoint(path, "me")
    assert found is not None
    assert found.document == KEPT.document
    assert digest_of_arrays(found.arrays) == digest_of_arrays(ARRAYS)
    assert all(found.arrays[name].dtype == array.dtype for name, array in ARRAYS.items())


def test_another_trainings_checkpoint_and_a_missing_one_count_as_none(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    assert read_checkpoint(path, "me") is None
    write_checkpoint(path, "another", KEPT)
    assert read_checkpoint(path, "me") is None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "c.safetensors"
    write_checkpoint(path, "me", KEPT)
    return path


@given(data=st.data())
def test_a_damaged_file_counts_as_none_wherever_it_is_damaged(written: Path, data) -> None:
    content = bytearray(written.read_bytes())
    path = written.with_name("damaged.safetensors")
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = read_checkpoint(path, "me")
    # A header may be damaged without any meaning (a space that pads it): what is read is then what was written.
    assert found is None or (
        found.document == KEPT.document and digest_of_arrays(found.arrays) == digest_of_arrays(ARRAYS)
    )


def test_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the checkpoint cannot be read"):
        read_checkpoint(tmp_path, "me")


def test_removing_takes_half_written_ones_too_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, "me", KEPT)
    (tmp_path / ".c.safetensors.0123456789ab.part").write_bytes(b"half")
    (tmp_path / ".d.safetensors.0123456789ab.part").write_bytes(b"another's")
    remove_unfinished(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".d.safetensors.0123456789ab.part", "c.safetensors"]
    remove_checkpoint(path)
    remove_checkpoint(path)
    assert [file.name for file in tmp_path.iterdir()] == [".d.safetensors.0123456789ab.part"]


def test_digests_tell_names_types_shapes_and_bits_apart_but_not_orders() -> None:
    one = np.zeros(4, np.float32)
    others = [{"b": one}, {"a": one.reshape(2, 2)}, {"a": one.astype(np.int32)}, {"a": -one}, {}]
    digests = {digest_of_arrays(arrays) for arrays in ({"a": one}, *others)}
    assert len(digests) == 6
    assert digest_of_arrays({"a": one, "b": one + 1}) == digest_of_arrays({"b": one + 1, "a": one})
    turned = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert digest_of_arrays({"a": turned}) == digest_of_arrays({"a": np.ascontiguousarray(turned)})
    assert digest_of_json({"a": 1, "b": [2]}) == digest_of_json({"b": [2], "a": 1}) != digest_of_json({"a": 1, "b": 2})
