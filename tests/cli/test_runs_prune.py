"""`furikaeri runs prune`, and the ids that `runs list` shows on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from furikaeri_cli.runs import size_text
from furikaeri_common.runs import start_run

OWN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PROGRAM = Path(sys.executable).parent / "furikaeri"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four runs: two done of one command, one failed, and one that still runs."""
    for day, command, fields in (
        (1, "tq simulate", {}),
        (2, "tq simulate", {}),
        (3, "isic run", {"status": "failed", "error": "no"}),
        (4, "isic run", {"status": "running", "ended": None}),
    ):
        with start_run(tmp_path, command, {}) as run:
            (run.path / "output").write_bytes(b"x" * 5000)
        file = run.path / "run.json"
        moment = f"2026-03-0{day}T10:00:00.000+00:00"
        file.write_text(json.dumps({**json.loads(file.read_text()), "started": moment, "ended": moment, **fields}))
        run.path.rename(tmp_path / f"2026030{day}-100000-{command.replace(' ', '-')}-0a1b")
    (tmp_path / "notes").mkdir()
    return tmp_path


def ids(root: Path) -> list[str]:
    return sorted(path.name[6:8] for path in root.iterdir() if path.name.startswith("2026"))


def on_terminal(*arguments: object, keys: bytes = b"", after: bytes = b"", columns: int = 80) -> tuple[int, str]:
    """Run the program on a terminal of its own; return its exit code and all that it showed.

    The keys are typed once the text `after` is shown.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(columns), "LINES": "40"}
    command = [sys.executable, "-c", OWN_TERMINAL, PROGRAM, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, sent = b"", False
    try:
        while True:
            if not sent and after in shown:
                os.write(ours, keys)
                sent = True
            if not (part := os.read(ours, 4096)):
                break
            shown += part
    except OSError:  # Linux's way of saying that the other end is closed
        pass
    os.close(ours)
    return process.wait(20), re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_sizes_are_read_at_a_glance() -> None:
    texts = [size_text(size) for size in (0, 999, 1000, 12_345, 999_499, 999_500, 5_000_000_000, 10**18)]
    assert texts == ["0 B", "999 B", "1 kB", "12.3 kB", "999 kB", "1 MB", "5 GB", "1e+03 PB"]


@pytest.mark.parametrize(
    ("columns", "header"),
    [(40, "id"), (60, "id status size"), (80, "id status command size"), (120, "id status command started seed size")],
)
def test_an_id_is_whole_on_a_terminal(root: Path, columns: int, header: str) -> None:
    code, shown = on_terminal("runs", "list", "--runs", root, columns=columns)
    assert code == 0
    assert shown.split("─")[0].split() == header.split()
    assert "20260301-100000-tq-simulate-0a1b" in shown.split()
    assert max(len(line) for line in shown.splitlines() if "warning" not in line) <= columns


def test_the_longest_id_is_whole_at_80_columns(root: Path) -> None:
    name = "20260301-100000-" + "a" * 40 + "-0a1b"
    (root / "20260301-100000-tq-simulate-0a1b").rename(root / name)
    assert name in on_terminal("runs", "list", "--runs", root)[1].split()


def test_rules_choose_and_yes_deletes(invoke, root: Path) -> None:
    code, out, err = invoke("furikaeri", "runs", "prune", "--runs", root, "--failed", "--yes")
    assert (code, ids(root)) == (0, ["01", "02", "04"])
    assert "20260303-100000-isic-run-0a1b\tfailed\tisic run" in out
    assert err.startswith("deleted 1 run, freed ")
    code, out, err = invoke("furikaeri", "runs", "prune", "--runs", root, "--keep-last", 1, "--yes", "--json")
    document = json.loads(out)
    assert (code, err, ids(root)) == (0, "", ["02", "04"])
    assert [run["id"][6:8] for run in document["deleted"]] == ["01"]
    assert document["freed"] == document["deleted"][0]["size"] > 5000
    assert document["kept"] == []
    code, out, err = invoke("furikaeri", "runs", "prune", "--runs", root, "--failed", "--yes")
    assert (code, out) == (0, "")
    assert err == f"{root}: no such run\n"
    invoke("furikaeri", "runs", "prune", "--runs", root, "--older-than", "1m", "--yes")
    assert ids(root) == ["04"]
    assert (root / "notes").is_dir()


def test_names_choose_and_rules_narrow_them(invoke, root: Path) -> None:
    invoke("furikaeri", "runs", "prune", "20260301", "20260302", "--keep-last", 1, "--runs", root, "--yes")
    assert ids(root) == ["02", "03", "04"]
    path = root / "20260302-100000-tq-simulate-0a1b"
    assert invoke("furikaeri", "runs", "prune", path, path.name, "--runs", root / "other", "-y", "-q").code == 2
    assert invoke("furikaeri", "runs", "prune", path, path.name, "--runs", root, "-y", "-q").err == ""
    assert ids(root) == ["03", "04"]


def test_without_yes_nothing_goes(invoke, root: Path) -> None:
    code, out, err = invoke("furikaeri", "runs", "prune", "--keep-last", 0, "--runs", root)
    assert (code, ids(root)) == (2, ["01", "02", "03", "04"])
    assert out.count("\n") == 4
    assert "nothing is deleted: 3 runs would go and nobody can be asked. Add --yes" in err
    code, out, err = invoke("furikaeri", "runs", "prune", "--keep-last", 0, "--runs", root, "--json")
    assert (code, out) == (2, "")
    code, out, err = invoke("furikaeri", "runs", "prune", "--command", "isic run", "--runs", root, "--dry-run")
    assert (code, out.count("\n"), len(ids(root))) == (0, 2, 4)
    assert err.startswith("1 run would go and free ")
    out = invoke("furikaeri", "runs", "prune", "--failed", "--runs", root, "--dry-run", "--json").out
    assert [run["id"][6:8] for run in json.loads(out)["would_delete"]] == ["03"]


def test_a_person_is_asked(root: Path) -> None:
    code, shown = on_terminal("runs", "prune", "--failed", "--runs", root, keys=b"n\n", after=b"[y/N]")
    assert (code, len(ids(root))) == (0, 4)
    assert "Delete 1 run and free " in shown
    assert "nothing is deleted" in shown
    code, shown = on_terminal("runs", "prune", "--failed", "--runs", root, keys=b"\x04", after=b"[y/N]")
    assert (code, len(ids(root))) == (0, 4)
    code, shown = on_terminal("runs", "prune", "--failed", "--runs", root, keys=b"y\n", after=b"[y/N]")
    assert (code, ids(root)) == (0, ["01", "02", "04"])
    assert "20260303-100000-isic-run-0a1b" in shown.split()


def test_ctrl_c_at_the_question_deletes_nothing(root: Path) -> None:
    code, _ = on_terminal("runs", "prune", "--failed", "--runs", root, keys=b"\x03", after=b"[y/N]")
    assert (code, len(ids(root))) == (130, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing says which runs are to go. Name runs, or give --failed"),
        (["--older-than", "soon"], "--older-than soon: expected a number and m, h, d or w. Write 30d for thirty days"),
        (["--older-than", "-3d"], "expected a number and m, h, d or w"),
        (["--keep-last", "-1"], "greater than or equal to 0"),
        (["20260304"], "is still running"),
        (["2026030"], "begins 4 runs"),
        (["notes"], "is not a run folder"),
        (["none"], "holds no run 'none'"),
        (["20260301", "link"], "is a link, which is left alone"),
    ],
)
def test_what_cannot_be_pruned(invoke, root: Path, arguments: list[str], message: str) -> None:
    (root / "link").symlink_to(root / "20260301-100000-tq-simulate-0a1b")
    code, _, err = invoke("furikaeri", "runs", "prune", "--runs", root, "--yes", *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert len(ids(root)) == 4


def test_links_to_runs_stay(invoke, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "linked").symlink_to(root / "20260301-100000-tq-simulate-0a1b")
    assert invoke("furikaeri", "runs", "prune", "--runs", elsewhere, "--keep-last", 0, "--yes").code == 0
    assert (elsewhere / "linked" / "output").exists()


def test_one_that_cannot_go_does_not_keep_the_others(invoke, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name.startswith("20260301"):
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    code, _, err = invoke("furikaeri", "runs", "prune", "--runs", root, "--keep-last", 0, "--yes")
    assert (code, ids(root)) == (1, ["01", "04"])
    assert "warning: 20260301-100000-tq-simulate-0a1b: " in err
    assert "cannot be deleted (Permission denied)" in err
    assert "deleted 2 runs" in err
