"""Files that appear whole or not at all, and files that are not what they seem."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from furikaeri_common import artifacts
from furikaeri_common.artifacts import (
    atomic_writer,
    fingerprint_of,
    map_tensor,
    read_json,
    read_json_lines,
    sha256_of,
    write_bytes,
    write_json,
    write_json_lines,
    write_tensors,
)
from furikaeri_common.errors import InputError, WorkError


def test_a_crash_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def crash() -> None:
        with atomic_writer(path) as stream:
            stream.write(b"half of the n")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        crash()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    script = (
        "import os, signal, sys; from pathlib import Path; from furikaeri_common.artifacts import atomic_writer\n"
        "with atomic_writer(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'new' * 100_000); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == ["file"]


def test_folders_are_made_and_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    path, plain = tmp_path / "a" / "b" / "file", tmp_path / "plain"
    write_bytes(path, b"x")
    plain.write_bytes(b"x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_full_disk_is_a_failure_of_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(WorkError, match="the disk is full") as raised:
        write_bytes(path, b"new")
    assert raised.value.exit_code == 1
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_storage_that_fails_is_no_fault_of_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(descriptor: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(artifacts.os, "fsync", stale)
    with pytest.raises(WorkError, match=r"file: cannot be written \(Stale"):
        write_bytes(tmp_path / "file", b"x")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/inside: cannot be written"):
        write_bytes(tmp_path / "file" / "inside", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written"):
        write_bytes(tmp_path / "folder", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_error_about_another_file_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_writer(tmp_path / "file"):
        (tmp_path / "elsewhere").read_bytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(value=JSON, rows=st.lists(st.dictionaries(st.text(), JSON), max_size=4))
def test_json_comes_back_as_it_was(tmp_path: Path, value: object, rows: list[dict[str, object]]) -> None:
    write_json(tmp_path / "value.json", value)
    write_json_lines(tmp_path / "rows.jsonl", rows)
    assert read_json(tmp_path / "value.json") == value
    assert read_json_lines(tmp_path / "rows.jsonl") == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n "b": }', "line 2: not JSON"),
        (b"\xff\xfe", r"not UTF-8 text \(byte 0\)"),
        (b"[" * 100_000, "line 1: not JSON that can be read"),
        (b"9" * 5000, "line 1: not JSON that can be read"),
        (b"", "line 1: not JSON"),
    ],
)
def test_a_damaged_json_file_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"file\.json.*{message}"):
        read_json(tmp_path / "file.json")


def test_a_damaged_json_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(InputError, match="line 3: not JSON"):
        read_json_lines(path)
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(InputError, match="line 2: expected a JSON object, got list"):
        read_json_lines(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_json_lines(tmp_path / "missing.jsonl")


def test_fingerprints_are_of_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_bytes(folder / "a", b"abc")
    assert sha256_of(folder / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint_of(folder / "a") == sha256_of(folder / "a")
    first = fingerprint_of(folder)
    write_bytes(folder / ".hidden", b"x")
    assert fingerprint_of(folder) == first
    write_bytes(folder / "deep" / "b", b"")
    second = fingerprint_of(folder)
    (folder / "deep" / "b").rename(folder / "deep" / "c")
    assert len({first, second, fingerprint_of(folder)}) == 3
    with pytest.raises(InputError, match="cannot be read"):
        fingerprint_of(tmp_path / "missing")


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i4", "<i8", "<f2", "<f4", "<f8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_tensors_come_back_as_they_were(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    tensor = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    write_tensors(tmp_path / "t", {"first": np.arange(5, dtype=np.uint8), "second": tensor})
    mapped = map_tensor(tmp_path / "t", "second")
    np.testing.assert_array_equal(mapped, tensor)
    assert (mapped.dtype, mapped.shape) == (tensor.dtype, tensor.shape)
    assert not mapped.flags.writeable or not mapped.size


def file_of(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def header_of(**entry: object) -> bytes:
    return json.dumps({"t": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4], **entry}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x02",
        (2**63).to_bytes(8, "little"),
        file_of(b"{}"),
        file_of(b"[]"),
        file_of(b"3"),
        file_of(b"\xff\xff"),
        file_of(b"[" * 100_000),
        file_of(b'{"t": 3}'),
        file_of(b'{"t": {}}'),
        file_of(header_of(), b"abc"),
        file_of(header_of(dtype="BF17"), b"abcd"),
        file_of(header_of(dtype=["U8"]), b"abcd"),
        file_of(header_of(shape=[-2, -2]), b"abcd"),
        file_of(header_of(shape=[2.0, 2]), b"abcd"),
        file_of(header_of(shape="22"), b"abcd"),
        file_of(header_of(shape=[2**61, 4]), b"abcd"),
        file_of(header_of(shape=[True, 4]), b"abcd"),
        file_of(header_of(data_offsets=[-4, 0]), b"abcd"),
        file_of(header_of(data_offsets=["0", "4"]), b"abcd"),
        file_of(header_of(data_offsets=[0]), b"abcd"),
        file_of(header_of(data_offsets=[0, 2**80]), b"abcd"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputError, match="Copy or build it again"):
        map_tensor(tmp_path / "t", "t")


def test_a_missing_file_or_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="t: cannot be read"):
        map_tensor(tmp_path / "t", "t")
    write_tensors(tmp_path / "t", {"a": np.zeros(2)})
    with pytest.raises(InputError, match="no readable array 'b'"):
        map_tensor(tmp_path / "t", "b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_gives_the_array_of_its_size_or_one_clear_error(tmp_path: Path, data: st.DataObject) -> None:
    write_tensors(tmp_path / "t", {"t": np.arange(12, dtype=np.float32).reshape(3, 4)})
    content = bytearray((tmp_path / "t").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    (tmp_path / "t").write_bytes(bytes(content[:cut]))
    try:
        mapped = map_tensor(tmp_path / "t", "t")
    except InputError:
        return
    assert mapped.nbytes <= cut
    assert np.array(mapped).shape == mapped.shape


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=JSON, entry=JSON)
def test_any_header_gives_an_array_or_one_clear_error(tmp_path: Path, header: object, entry: object) -> None:
    for value in (header, {"t": entry}):
        (tmp_path / "t").write_bytes(file_of(json.dumps(value).encode(), b"data"))
        with pytest.raises(InputError):
            map_tensor(tmp_path / "t", "t")
