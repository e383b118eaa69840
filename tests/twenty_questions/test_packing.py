"""The submission is the same for the same table, holds what it needs, and is proved to play."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError, WorkError
from twenty_questions import clean_room
from twenty_questions.kaggle_engine import has_engine
from twenty_questions.packed_main import MAIN
from twenty_questions.packing import pack, prove
from twenty_questions.table import open_table
from twenty_questions.vocabulary.packed import read_vocabulary


@pytest.fixture(scope="module")
def tarball(toy_folder, toy_vocabulary) -> bytes:
    return pack(toy_folder, vocabulary=toy_vocabulary)


def names_and_entries(tarball: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        return {entry.name: entry for entry in archive.getmembers()}


def with_main(tarball: bytes, source: str) -> bytes:
    """The same archive with another `main.py`."""
    changed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(tarball)) as old, tarfile.open(fileobj=changed, mode="w:gz") as new:
        for entry in old.getmembers():
            content = source.encode() if entry.name == "main.py" else old.extractfile(entry).read()
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return changed.getvalue()


def test_the_same_table_and_vocabulary_give_the_same_bytes(toy_folder, toy_vocabulary, tarball, tmp_path) -> None:
    elsewhere = shutil.copytree(toy_folder, tmp_path / "copy", copy_function=shutil.copyfile)
    copied = shutil.copyfile(toy_vocabulary, tmp_path / "copy.bin")
    assert pack(elsewhere, vocabulary=copied) == tarball
    entries = names_and_entries(tarball)
    assert list(entries) == sorted(entries)
    assert {(entry.uid, entry.gid, entry.mode, entry.mtime) for entry in entries.values()} == {(0, 0, 0o644, 315532800)}


def test_it_holds_the_agent_and_nothing_that_the_agent_does_not_import(tarball) -> None:
    names = set(names_and_entries(tarball))
    assert {"main.py", "answer_table/answers.safetensors", "answer_table/manifest.json", "vocabulary.bin"} <= names
    assert {"twenty_questions/joint/guesser.py", "twenty_questions/vocabulary/packed.py"} <= names
    assert {"twenty_questions/agent.py", "twenty_questions/rules/order.py", "furikaeri_common/errors.py"} <= names
    assert not {"twenty_questions/kaggle_engine.py", "twenty_questions/packing.py", "furikaeri_common/runs.py"} & names
    assert not any(name.startswith("/") or ".." in name or "__pycache__" in name for name in names)


def test_it_brings_the_vocabulary_as_it_is(tarball, toy_vocabulary) -> None:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        assert archive.extractfile("vocabulary.bin").read() == toy_vocabulary.read_bytes()


def test_the_proof_plays_for_things_of_the_table_and_for_words_that_it_lacks(tarball, toy_table, tmp_path) -> None:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        archive.extractall(tmp_path, filter="data")
    secrets = clean_room._secrets(tmp_path, 7)
    assert [keyword in toy_table.keywords for keyword in secrets] == [True, False] * 3 + [True]
    assert {keyword.name for keyword in secrets[1::2]} == {"library stadium", "meadow bakery", "harbor canyon"}


def test_it_plays_with_nothing_else_around(tarball) -> None:
    proof = prove(tarball, matches=6, engine=False)
    assert proof.matches == 7
    assert proof.found >= 6
    assert proof.moves > 60
    assert 0 < proof.peak < 2**30
    assert proof.engine is None


@pytest.mark.kaggle
def test_it_ends_alike_in_the_contests_engine(tarball) -> None:
    if not has_engine():
        pytest.skip("the dependency group `kaggle` is not installed")
    proof = prove(tarball, matches=3)
    assert proof.engine is not None
    assert (proof.engine.version, proof.engine.matches) == ("1.18.0", 2)


ONLINE = """
def online(obs, cfg):
    import socket
    try:
        socket.create_connection(("localhost", 9))
    except OSError:
        return agent(obs, cfg)
"""


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (MAIN + "def empty(obs, cfg):\n    return ''\n", "errs in the matches about"),
        (MAIN + "def raising(obs, cfg):\n    raise ValueError\n", "errs in the matches about"),
        ("import nothing_of_the_kind\n", "exit code 1: ModuleNotFoundError"),
        ("agent = 3\n", "exit code 1: IndexError"),
        ("BIG = bytearray(3 * 2**30)\n" + MAIN, "exit code 1: MemoryError"),
        (MAIN + ONLINE, r"wanted a socket \d+ times"),
        (MAIN.replace("from pathlib", "sys.path.append(STRANGERS)\nimport a_stranger\nfrom pathlib"), "outside: a_str"),
    ],
)
def test_an_agent_that_would_fail_in_the_contest_is_refused(tarball, tmp_path, source, complaint) -> None:
    (tmp_path / "a_stranger.py").touch()
    broken = with_main(tarball, source.replace("STRANGERS", repr(str(tmp_path))))
    with pytest.raises(WorkError, match=complaint):
        prove(broken, matches=1, engine=False, memory=2 * 2**30)


@pytest.mark.parametrize("place", ["file", "working folder"])
def test_main_finds_its_table_however_it_is_executed(tarball, tmp_path, place) -> None:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        archive.extractall(tmp_path, filter="data")
    name = str(tmp_path / "main.py") if place == "file" else "<string>" * 50
    script = (
        "import json, sys; names = {};"
        f"exec(compile(open({str(tmp_path / 'main.py')!r}).read(), {name!r}, 'exec'), names);"
        "agent = [value for value in names.values() if callable(value)][-1];"
        "import twenty_questions;"
        "print(json.dumps([agent({'turnType': 'guess'}, {}), twenty_questions.__file__]))"
    )
    folder = tmp_path if place == "working folder" else "/"
    done = subprocess.run([sys.executable, "-P", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    guess, code = json.loads(done.stdout)
    words = read_vocabulary(tmp_path / "vocabulary.bin").words
    assert guess in {*words, *(keyword.name for keyword in open_table(tmp_path / "answer_table").keywords)}
    assert Path(code).is_relative_to(tmp_path)


def test_a_vocabulary_that_is_missing_or_damaged_is_not_packed(toy_folder, toy_vocabulary, tmp_path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.bin: cannot be read"):
        pack(toy_folder, vocabulary=tmp_path / "nowhere.bin")
    (tmp_path / "damaged.bin").write_bytes(toy_vocabulary.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"damaged\.bin: is damaged"):
        pack(toy_folder, vocabulary=tmp_path / "damaged.bin")


def test_a_table_that_is_missing_or_damaged_is_not_packed(toy_folder, tmp_path) -> None:
    with pytest.raises(InputError, match="no table folder"):
        pack(tmp_path / "nowhere")
    damaged = shutil.copytree(toy_folder, tmp_path / "damaged")
    with (damaged / "questions.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(InputError, match=r"questions.jsonl: differs"):
        pack(damaged)
