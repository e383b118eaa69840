"""What is carried to another machine arrives as it was, whatever it is cut into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common import carried_files
from furikaeri_common.carried_files import below, inventory_of, is_same, packets, place, renamed, write_piece

NAMES = st.text("abc.", min_size=1, max_size=3).filter(lambda name: name.strip("."))


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@given(files=st.dictionaries(NAMES, st.binary(max_size=40), max_size=6), size=st.integers(1, 50))
def test_files_arrive_whole_whatever_the_size_of_packets(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], size: int
) -> None:
    folder = tmp_path_factory.mktemp("carried")
    (folder / "from" / "deep" / "empty").mkdir(parents=True)
    for number, (name, content) in enumerate(files.items()):
        (folder / "from" / ("deep" if number % 2 else ".") / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carried_files, "PACKET", size)
        for packet in packets(folder / "from"):
            assert sum(len(piece.content or b"") for piece in packet) <= size
            for piece in packet:
                write_piece(folder / "to", piece)
    assert contents(folder / "to") == contents(folder / "from")


def test_a_single_file_arrives(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    for packet in packets(tmp_path / "file"):
        for piece in packet:
            write_piece(tmp_path / "to" / "copy", piece)
    assert (tmp_path / "to" / "copy").read_bytes() == b"content"


def test_the_store_and_links_that_lead_nowhere_stay(tmp_path: Path) -> None:
    (tmp_path / "run" / "store").mkdir(parents=True)
    (tmp_path / "run" / "store" / "result").touch()
    (tmp_path / "run" / "table").write_text("rows")
    (tmp_path / "run" / "by-link").symlink_to(tmp_path / "run" / "table")
    (tmp_path / "run" / "nowhere").symlink_to(tmp_path / "gone")
    carried = [piece for packet in packets(tmp_path / "run", without=tmp_path / "run" / "store") for piece in packet]
    assert carried == [("by-link", 0, b"rows"), ("table", 0, b"rows")]


@pytest.mark.parametrize("change", ["nothing", "time", "content", "size", "name", "more", "gone"])
def test_a_copy_is_known_by_its_times_or_its_content(tmp_path: Path, change: str) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text("content")
        os.utime(tmp_path / name / "deep" / "file", (1e9, 1e9))
    expected, file = inventory_of(tmp_path / "here"), tmp_path / "there" / "deep" / "file"
    assert expected is not None
    assert expected.size == len("content")
    if change == "time":
        file.touch()
    elif change in ("content", "size"):
        file.write_text("CONTENT" if change == "content" else "other content")
    elif change == "name":
        file.rename(file.with_name("other"))
    elif change == "more":
        (tmp_path / "there" / "more").touch()
    elif change == "gone":
        file.unlink()
        file.parent.rmdir()
        (tmp_path / "there").rmdir()
    assert is_same(tmp_path / "there", expected) == (change in ("nothing", "time"))


def test_what_is_not_there_has_no_inventory(tmp_path: Path) -> None:
    assert inventory_of(tmp_path / "missing") is None


def test_paths_are_mirrored_wherever_inputs_name_them() -> None:
    def here(text: str) -> str:
        return str(place(Path("/scratch"), text)) if below(text, ["/data", "/more/x.csv"]) else text

    given = {"/data": ["/data", "/data/a", "/database", "/more/x.csv", "/more/x.csv.gz", 3, None], "b": {"c": "/data/"}}
    assert renamed(given, here) == {
        "/data": ["/scratch/data", "/scratch/data/a", "/database", "/scratch/more/x.csv", "/more/x.csv.gz", 3, None],
        "b": {"c": "/scratch/data"},
    }
