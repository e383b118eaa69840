"""Old runs: which ones a rule means, how large they are, and that nothing else is ever deleted."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.pruning import choose_runs, delete_run, folder_size, sweep_leftovers, whole_run
from furikaeri_common.records import RunRecord, list_runs
from furikaeri_common.runs import start_run

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with a folder of outputs."""
    with start_run(tmp_path / "runs", "tq simulate", {"games": 1}) as run:
        (run.path / "deep" / "deeper").mkdir(parents=True)
        (run.path / "deep" / "deeper" / "file").write_bytes(b"x" * 100_000)
    return run.path


def rewritten(run: Path, **fields: object) -> Path:
    """Change a run's record."""
    file = run / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
    return run


def record(number: int, command: str = "a", status: str = "done", days: float = 0.0, **fields: object) -> RunRecord:
    """A record that ended so many days before NOW."""
    ended = NOW - timedelta(days=days)
    return RunRecord(
        **{
            "id": f"run-{number}",
            "path": Path(f"runs/run-{number}"),
            "command": command,
            "config": {},
            "seed": None,
            "status": status,
            "started": (ended - timedelta(hours=1)).isoformat(),
            "ended": ended.isoformat(),
            "resumed": (),
            "error": None,
            "packages": {},
            "git": None,
            "data": {},
            "process": None,
            **fields,
        }
    )


RECORDS = [
    record(1, days=40),
    record(2, days=30, status="failed"),
    record(3, "b", days=20, status="interrupted"),
    record(4, days=10, status="died", ended=None),
    record(5, "b", days=5),
    record(6, days=1),
    record(7, days=50, status="running", ended=None),
]


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"failed": True}, [2, 3, 4]),
        ({"older_than": timedelta(days=30)}, [1]),
        ({"older_than": timedelta(days=29, hours=23)}, [1, 2]),
        ({"older_than": timedelta(days=10)}, [1, 2, 3, 4]),
        ({"keep_last": 0}, [1, 2, 3, 4, 5, 6]),
        ({"keep_last": 1}, [1, 2, 3, 4]),
        ({"keep_last": 2}, [1, 2]),
        ({"keep_last": 99}, []),
        ({"command": "b"}, [3, 5]),
        ({"command": "B"}, []),
        ({"command": "b", "keep_last": 1, "failed": True}, [3]),
    ],
)
def test_rules_narrow_each_other(rules, chosen: list[int]) -> None:
    assert [run.id for run in choose_runs(RECORDS, now=NOW, **rules)] == [f"run-{number}" for number in chosen]


def test_a_run_taken_up_again_is_as_old_as_that() -> None:
    taken_up = record(1, status="died", days=50, ended=None, resumed=((NOW - timedelta(days=2)).isoformat(),))
    assert choose_runs([taken_up], now=NOW, older_than=timedelta(days=3)) == []
    assert choose_runs([taken_up], now=NOW, older_than=timedelta(days=1)) == [taken_up]
    unknown = record(1, ended="once upon a time")
    assert choose_runs([unknown], now=NOW, older_than=timedelta(days=1)) == []


def test_what_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="keep_last >= 0, got -1"):
        choose_runs([], now=NOW, keep_last=-1)
    with pytest.raises(ValueError, match="zone"):
        choose_runs([], now=NOW.replace(tzinfo=None))


def test_size_is_what_du_says(run: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x" * 1_000_000)
    (run / "link").symlink_to(tmp_path / "outside")
    (run / "loop").symlink_to(run)
    os.link(run / "deep" / "deeper" / "file", run / "same")
    counted = subprocess.run(["du", "-s", "--block-size=1", run], capture_output=True, text=True, check=True)
    whole = int(counted.stdout.split()[0])
    assert folder_size(run) + run.stat().st_blocks * 512 == whole
    assert folder_size(tmp_path / "none") == 0


def test_a_deleted_run_is_gone_and_nothing_else(run: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("dear")
    (run / "link").symlink_to(tmp_path / "outside")
    (run.parent / "beside").mkdir()
    deleted = delete_run(run)
    assert deleted[0] == run.name
    assert deleted.size >= 100_000
    assert (deleted.reason, deleted.failed) == ("", False)
    assert [path.name for path in run.parent.iterdir()] == ["beside"]
    assert (tmp_path / "outside" / "file").read_text() == "dear"


def test_what_is_no_run_stays(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("dear")
    assert delete_run(folder).reason == "holds no run.json"
    assert delete_run(tmp_path / "never").reason == "is gone already"
    link = tmp_path / "link"
    link.symlink_to(run)
    assert "is a link" in delete_run(link).reason
    (folder / "run.json").write_text("{")
    assert "not JSON" in delete_run(folder).reason
    assert (folder / "file").exists()
    assert (run / "deep").exists()


def test_a_running_run_stays(run: Path) -> None:
    here = json.loads((run / "run.json").read_text())["process"]
    with pytest.raises(InputError, match=rf"still running \(process {os.getpid()} on "):
        whole_run(rewritten(run, status="running"))
    assert "still running" in delete_run(run).reason
    # Nobody can ask another machine whether its process lives.
    rewritten(run, process={**here, "host": "elsewhere"})
    assert "still running" in delete_run(run).reason
    assert delete_run(rewritten(run, process={**here, "started": "long ago"})).reason == ""


def test_a_run_named_from_within(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run / "deep")
    assert delete_run(Path("..")).id == run.name
    assert not run.exists()


def test_leftovers_of_a_killed_deletion_are_swept(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("furikaeri_common.pruning.shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            delete_run(run)
    assert list_runs(run.parent) == ([], [])
    hidden = list(run.parent.iterdir())
    assert len(hidden) == 1
    (run.parent / ".mine.pruned").mkdir()
    (run.parent / ".mine.0123456789ab.pruned").symlink_to(run.parent / ".mine.pruned")
    assert sweep_leftovers(run.parent) >= 100_000
    assert sorted(path.name for path in run.parent.iterdir()) == [".mine.0123456789ab.pruned", ".mine.pruned"]
    assert sweep_leftovers(run.parent) == sweep_leftovers(run.parent / "none") == 0


def test_a_run_that_vanishes_meanwhile(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path) -> int:
        path.rename(path.with_name("elsewhere"))
        return 1

    monkeypatch.setattr("furikaeri_common.pruning.folder_size", vanish)
    assert delete_run(run) == (run.name, 0, "is gone already", False)


def test_a_folder_that_may_not_be_changed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(WorkError, match="cannot be deleted \\(Permission denied\\)"):
            delete_run(run)
    monkeypatch.setattr("furikaeri_common.pruning.shutil.rmtree", refuse)
    with pytest.raises(WorkError, match="only partly deleted"):
        delete_run(run)
