"""Arrays with a document beside them: the same bytes each time, whole or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.artifacts import map_tensor, write_bytes, write_tensors
from furikaeri_common.tensors import pack_tensors, unpack_tensors

DOCUMENT = {"kind": "größe", "names": ["a", "b c"], "number": 3, "share": 0.1}
TENSORS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.asarray([1, -2]), "none": np.empty((0, 4))}


def test_comes_back_as_it_was() -> None:
    content = pack_tensors(DOCUMENT, TENSORS)
    assert content == pack_tensors(DOCUMENT, dict(reversed(TENSORS.items())))
    document, tensors = unpack_tensors(content)
    assert document == DOCUMENT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert np.array_equal(tensors[name], tensor)


def test_is_a_file_whose_arrays_can_be_mapped(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.safetensors", pack_tensors(DOCUMENT, {"x": TENSORS["x"].T}))
    assert np.array_equal(map_tensor(tmp_path / "a.safetensors", "x"), TENSORS["x"].T)


@pytest.mark.parametrize("cut", [0, 3, 8, 40, -1])
def test_a_file_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="no whole safetensors file"):
        unpack_tensors(pack_tensors(DOCUMENT, TENSORS)[:cut])


def test_a_file_without_a_document_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "plain.safetensors", TENSORS)
    with pytest.raises(ValueError, match="expected a document"):
        unpack_tensors((tmp_path / "plain.safetensors").read_bytes())
    with pytest.raises(ValueError, match="JSON compliant"):
        pack_tensors({"a": float("nan")}, {})
