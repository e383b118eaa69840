"""Real processes that label: killed at any moment, several at once, and claims that nobody holds any more."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from furikaeri_common.processes import ProcessIdentity, identity_from, this_process
from twenty_questions.labelling import claims, shards
from twenty_questions.labelling.claims import FOREIGN_CLAIM_SECONDS, claimed, is_claimed
from twenty_questions.labelling.label_progress import LabelProgress, require_labelled
from twenty_questions.labelling.shards import label_pairs

SCRIPT = Path(__file__).with_name("labelling_process.py")
MODELS, KEYWORDS, SHARDS = 2, 40, 20


@pytest.fixture(scope="module")
def fakes():
    spec = importlib.util.spec_from_file_location("labelling_process", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(root: Path, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(SCRIPT), str(root), "--log", str(log), "--seconds", str(seconds)]
    return subprocess.Popen([*command, "--models", str(MODELS), "--keywords", str(KEYWORDS)])


def begun(log: Path) -> list[tuple[str, str]]:
    """Process and first keyword of every shard that was begun."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def left_alone(fakes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("alone")
    fakes.label(folder / "shards", folder / "log", MODELS, KEYWORDS, 0.0)
    return contents(folder / "shards")


def test_killed_again_and_again_it_ends_with_the_same_bytes(left_alone: dict[str, bytes], tmp_path: Path) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    kills = 0
    for target, pause in ((2, 0.003), (8, 0.013), (15, 0.0)):
        process = start(root, log, 0.02)
        wait_for(lambda target=target: len(begun(log)) >= target)
        time.sleep(pause)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert start(root, log, 0.0).wait() == 0
    assert contents(root) == left_alone
    assert SHARDS <= len(begun(log)) <= SHARDS + kills
    assert [path.name for path in root.glob("*/.*") if path.parent.name != ".settings"] == []


def test_two_processes_share_the_work(left_alone: dict[str, bytes], tmp_path: Path) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    processes = [start(root, log, 0.06) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert contents(root) == left_alone
    shares = Counter(pid for pid, _ in begun(log))
    assert sum(shares.values()) == SHARDS
    assert len(shares) == 2, "one of them did everything"
    assert min(shares.values()) >= 3


def test_one_of_two_that_is_killed_leaves_its_shard_to_the_other(left_alone: dict[str, bytes], tmp_path: Path) -> None:
    root, log = tmp_path / "shards", tmp_path / "log"
    lost = start(root, log, 600)
    wait_for(lambda: len(begun(log)) == 1)
    other = start(root, log, 0.0)
    wait_for(lambda: len(begun(log)) == SHARDS)
    time.sleep(0.2)
    assert other.poll() is None, "it did not wait for what another was at work on"
    lost.kill()
    lost.wait()
    assert other.wait() == 0
    assert contents(root) == left_alone
    assert len(begun(log)) == SHARDS + 1


@pytest.fixture
def somebody() -> Iterator[ProcessIdentity]:
    """Another process that lives."""
    code = (
        "import json; from furikaeri_common.processes import this_process as this; print(json.dumps(this()._asdict()))"
    )
    command = [sys.executable, "-uc", f"{code}; input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        told = process.stdout.readline() if process.stdout else b""
        identity = identity_from(json.loads(told))
        assert identity is not None
        yield identity
        process.kill()


def hold(path: Path, process: ProcessIdentity) -> None:
    path.write_text(json.dumps(process._asdict()))


def test_a_claim_is_held_by_one_and_let_go_whatever_happens(tmp_path: Path) -> None:
    path = tmp_path / ".claim"

    def work() -> None:
        with claimed(path) as held:
            assert held
            assert identity_from(json.loads(path.read_text())) == this_process()
            assert is_claimed(path)
            with claimed(path) as again:
                assert not again
            assert path.exists(), "who was refused let go of what it did not hold"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(tmp_path.iterdir()) == []
    assert not is_claimed(path)


def test_a_claim_of_the_living_stands_and_one_of_the_dead_is_taken_over(
    somebody: ProcessIdentity, tmp_path: Path
) -> None:
    path = tmp_path / ".claim"
    hold(path, somebody)
    with claimed(path) as held:
        assert not held
    os.kill(somebody.pid, signal.SIGKILL)
    wait_for(lambda: not is_claimed(path))
    hold(path, somebody)
    with claimed(path) as held:
        assert held
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "age", "stands"),
    [
        (json.dumps(this_process()._replace(host="another machine")._asdict()), 0.0, True),
        (json.dumps(this_process()._replace(host="another machine")._asdict()), FOREIGN_CLAIM_SECONDS + 60, False),
        (json.dumps(this_process()._replace(started="long ago")._asdict()), 0.0, False),
        ("", 0.0, True),  # another process is just about to write it
        ("", 60.0, False),
        ("[1, 2", 60.0, False),
    ],
    ids=["elsewhere", "elsewhere, old", "started later", "empty", "empty, old", "cut short, old"],
)
def test_claims_that_cannot_be_asked_about_stand_for_a_while(
    tmp_path: Path, content: str, age: float, stands: bool
) -> None:
    path = tmp_path / ".claim"
    path.write_text(content)
    os.utime(path, (time.time() - age, time.time() - age))
    assert is_claimed(path) == stands
    with claimed(path) as held:
        assert held != stands


def test_a_claim_that_changed_hands_meanwhile_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, late = tmp_path / ".claim", json.dumps(this_process()._asdict())
    hold(path, this_process()._replace(started="long ago"))
    judge = claims._is_stale

    def slow(path: Path, content: bytes) -> bool:
        stale = judge(path, content)
        path.write_text(late)  # another process was quicker
        return stale

    monkeypatch.setattr(claims, "_is_stale", slow)
    with claimed(path) as held:
        assert not held
    assert path.read_text() == late
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_left_is_waited_for_without_opening_a_model(
    fakes, somebody: ProcessIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_POLL_SECONDS", 0.01)
    grid, opened = fakes.grid_of(12), []
    (store,) = require_labelled(label_pairs(grid, [fakes.source_of("a")], tmp_path))
    content = (store.folder / "000001.parquet").read_bytes()
    (store.folder / "000001.parquet").unlink()
    hold(store.claim_of(1), somebody)

    def finish() -> None:
        (store.folder / "000001.parquet").write_bytes(content)
        store.claim_of(1).unlink()

    steps: list[LabelProgress] = []
    source = fakes.source_of("a", lambda keywords: opened.append(keywords))
    timer = threading.Timer(0.2, finish)
    timer.start()
    label_pairs(grid, [source], tmp_path, on_progress=steps.append)
    timer.join()
    assert [step.event for step in steps] == ["found", "found", "waiting", "shared"]
    assert steps[-1].done == grid.num_pairs
    assert opened == []


def test_what_the_dead_left_half_written_is_cleared_away(fakes, tmp_path: Path) -> None:
    grid = fakes.grid_of(12)
    (store,) = require_labelled(label_pairs(grid, [fakes.source_of("a")], tmp_path))
    (store.folder / "000001.parquet").unlink()
    (store.folder / ".000001.parquet.0a1b2c.part").write_bytes(b"half")
    hold(store.claim_of(1), this_process()._replace(started="long ago"))
    hold(store.claim_of(2), this_process()._replace(started="long ago"))  # killed between writing and letting go
    label_pairs(grid, [fakes.source_of("a")], tmp_path)
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "000000.parquet",
        "000001.parquet",
        "000002.parquet",
        "recipe.json",
    ]
