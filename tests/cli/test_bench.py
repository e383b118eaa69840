"""`furikaeri bench`."""

from __future__ import annotations

import io
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from furikaeri_cli.bench import command
from furikaeri_cli.bench.comparing import changes
from furikaeri_cli.bench.listing import read_benchmarks
from furikaeri_cli.bench.results import Result, Row, rows_of
from furikaeri_cli.bench.tables import drawn_run
from furikaeri_common.errors import WorkError
from furikaeri_common.figures import Figure
from furikaeri_common.processes import is_running
from furikaeri_common.runs import start_run

TELLS = """
import json, os, pathlib, sys
times = pathlib.Path(__file__).with_suffix(".times")
number = len(times.read_text()) if times.exists() else 0
times.write_text("x" * (number + 1))
values = json.loads(os.environ.get("VALUES", "[40.0, 44.0, 42.0]"))
pathlib.Path(os.environ["FURIKAERI_FIGURES"]).write_text(json.dumps([
    dict(what="a choice, 10 x 10", ours=values[number % len(values)], unit="ms", alternative=840.0, against="a loop",
         limit=50.0, better="less", exact=False),
    dict(what="found | told", ours=float(sys.argv[1]), unit="%", alternative=None, against="", limit=99.0,
         better="more", exact=True),
]))
print("measured", *sys.argv[1:])
"""
FAILS = "print('first')\nprint('then it broke')\nraise SystemExit(3)\n"
SILENT = "print('nothing to tell')\n"
KILLED = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
HANGS = """
import pathlib, subprocess, sys, time
here = pathlib.Path(__file__)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
here.with_suffix(".pid").write_text(str(other.pid))
print("waiting", flush=True)
time.sleep(600)
"""
LIST = """
[{name}]
what = "{name} it is"
seconds = {{ quick = 1, full = 100 }}
{more}
"""

NEEDS = 'needs = ["data a.csv", "package no_such_package"]'
LARGE = 'quick = false\nfull = ["7"]'


def folder_of(place: Path, scripts: dict[str, str], **more: str) -> Path:
    folder = place / "benchmarks"
    folder.mkdir(exist_ok=True)
    for name, source in scripts.items():
        (folder / f"{name}.py").write_text(source)
    arguments = {"tells": 'quick = ["98.5"]\nfull = ["99.5"]'}
    entries = [LIST.format(name=name, more=more.get(name, arguments.get(name, ""))) for name in scripts]
    entries = [one.replace("quick = 1, full = 100", "full = 9") if "quick = false" in one else one for one in entries]
    (folder / "benchmarks.toml").write_text("".join(entries))
    return folder


@pytest.fixture
def bench(invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run `furikaeri bench` in a folder whose runs are below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FURIKAERI_REAL_DATA", raising=False)
    return lambda *arguments: invoke("furikaeri", "bench", *arguments)


def test_figures_are_told_kept_and_shown_again(bench, invoke, tmp_path: Path) -> None:
    folder_of(tmp_path, {"tells": TELLS})
    code, out, err = bench("--quick", "--repeat", 3)
    assert code == 0
    header, choice, found = [line.split("\t") for line in out.splitlines()]
    names = ["benchmark", "what", "ours", "unit", "alternative", "against", "ratio", "limit", "kept", "spread"]
    assert header == names
    assert choice == ["tells", "a choice, 10 x 10", "42", "ms", "840", "a loop", "20", "50", "yes", "4"]
    assert found == ["tells", "found | told", "98.5", "%", "", "", "", "99", "no", "0"]
    assert "[2/3] tells: done in" in err
    assert "limit ≥ 99 % MISSED" in err
    assert "quick sizes, medians of 3 repeats" in err
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "output" / "tells-2.txt").read_text() == "measured 98.5\n"
    assert not (run / "work").exists()
    assert bench("--show", run.name).out == out
    markdown = bench("--show", run.name, "--markdown").out.splitlines()
    assert markdown[2].startswith("| `tells` | a choice, 10 x 10 | 42 ms (40 to 44) | 840 ms, a loop | 20 x | ≤ 50 ms")
    assert r"| found \| told |" in markdown[3]
    assert markdown[5].startswith("Measured on ")
    document = json.loads(bench("--show", run.name, "--json").out)
    assert document["figures"][0]["values"] == [40.0, 44.0, 42.0]
    assert document["machine"]["cores"] >= 1
    shown = json.loads(invoke("furikaeri", "runs", "show", run.name, "--json").out)
    assert shown["metrics"]["tells: a choice, 10 x 10"] == 42.0
    assert shown["record"]["status"] == "done"


def test_sizes_have_their_own_arguments_and_strict_minds_limits(bench, tmp_path: Path) -> None:
    folder_of(tmp_path, {"tells": TELLS})
    assert bench("--quick", "--strict").code == 1
    code, out, _ = bench("--strict")
    assert code == 0
    assert "found | told\t99.5" in out


def test_what_fails_is_told_and_the_rest_goes_on(bench, tmp_path: Path) -> None:
    scripts = {"fails": FAILS, "silent": SILENT, "killed": KILLED, "hangs": HANGS, "tells": TELLS, "wants": TELLS}
    limited = {"hangs": "timeout = { quick = 1.5, full = 100 }", "wants": 'needs = ["data isic/none.csv"]'}
    folder = folder_of(tmp_path, scripts, **limited)
    code, out, err = bench("--quick")
    assert code == 1
    assert [line.split("\t")[:2] for line in out.splitlines()[1:]] == [
        ["tells", "a choice, 10 x 10"],
        ["tells", "found | told"],
        ["fails", "failed: exit status 3"],
        ["silent", "failed: it told no figures"],
        ["killed", "failed: killed by SIGKILL"],
        ["hangs", "failed: stopped after 1.5 s"],
        ["wants", "skipped: no real data isic/none.csv: let FURIKAERI_REAL_DATA name the folder that has it"],
    ]
    assert "fails failed: exit status 3; all that it printed is in" in err
    assert "    then it broke\n" in err
    assert err.splitlines()[-1].startswith("furikaeri: 4 of 6 benchmarks failed: fails, silent, killed, hangs;")
    # What it had started, in a session of its own, ended with it.
    assert not is_running(int((folder / "hangs.pid").read_text()))


def test_the_same_command_tries_what_failed_alone_once_more(bench, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tells": TELLS, "fails": FAILS})
    assert bench("--quick").code == 1
    (folder / "fails.py").write_text(TELLS.replace("sys.argv[1]", "7"))
    code, out, err = bench("--quick")
    assert code == 0
    assert "[1/2] tells: done before" in err
    assert "fails\tfound | told\t7" in out
    assert (folder / "tells.times").read_text() == "x"
    assert len(list((tmp_path / "runs").iterdir())) == 1
    # It is whole now, so the next one is another run.
    assert bench("--quick").code == 0
    assert (folder / "tells.times").read_text() == "xx"
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_what_is_unfinished_is_measured_again_when_its_code_is_another(bench, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tells": TELLS, "fails": FAILS})
    assert bench("--quick").code == 1
    (folder / "tells.py").write_text(TELLS + "\n")
    assert "tells: done in" in bench("--quick").err
    assert (folder / "tells.times").read_text() == "xx"
    bench("--quick", "--new", "tells")
    assert (folder / "tells.times").read_text() == "xxx"


def test_a_limit_that_the_script_holds_itself_is_no_failure(bench, tmp_path: Path) -> None:
    folder_of(tmp_path, {"tells": TELLS + "\nraise SystemExit(1)\n"})
    assert bench("--quick").code == 0  # 98.5 is below its limit of 99
    assert bench().code == 1  # 99.5 is not


def test_interrupted_it_leaves_no_orphan_and_goes_on(bench, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tells": TELLS, "hangs": HANGS})
    command = [sys.executable, "-c", "from furikaeri_cli.main import furikaeri; raise SystemExit(furikaeri())", "bench"]
    for signal_sent, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        started = subprocess.Popen([*command, "--quick"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        child = wait_for(lambda: int((folder / "hangs.pid").read_text()))
        started.send_signal(signal_sent)
        _, err = started.communicate(timeout=20)
        assert started.returncode == code
        assert signal_sent == signal.SIGKILL or "interrupted; what was finished is kept" in err
        assert wait_for(lambda child=child: not is_running(child))
        (folder / "hangs.pid").unlink()
    (folder / "hangs.py").write_text(TELLS.replace("sys.argv[1]", "7"))
    code, _, err = bench("--quick")
    assert (code, "tells: done before" in err) == (0, True)
    assert len(list((tmp_path / "runs").iterdir())) == 1


def wait_for(look: Callable[[], Any]) -> Any:
    """Return what is true at last; fail after a long while."""
    for _ in range(400):
        try:
            if found := look():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError("nothing came")


def row(values: list[float], *, better: Literal["less", "more"] = "less", exact: bool = False, what: str = "x") -> Row:
    figure = Figure(what, statistics.median(values), "ms", better=better, exact=exact)
    return Row("one", figure, tuple(values))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([40.0], [42.0], "same"),  # 10 % of single measurements are noise
        ([40.0], [50.0], "worse"),
        ([50.0], [40.0], "better"),
        ([40.0, 40.1, 40.2], [42.0, 42.1, 42.2], "worse"),  # small spreads
        ([30.0, 40.0, 41.0], [33.0, 43.0, 43.1], "same"),  # large ones
        ([40.0, 40.1, 40.2], [42.0], "same"),
        ([0.0], [0.0], "same"),
        ([0.0], [1.0], "worse"),
    ],
)
def test_a_change_counts_beyond_the_noise(before: list[float], after: list[float], verdict: str) -> None:
    (found,) = changes([row(before)], [row(after)], tolerance=0.1, same_machine=True)
    assert found.verdict == verdict
    mirrored = {"worse": "better", "better": "worse"}.get(verdict, verdict)
    more = [row(before, better="more")], [row(after, better="more")]
    assert changes(*more, tolerance=0.1, same_machine=True)[0].verdict == mirrored
    assert changes([row(after)], [row(before)], tolerance=0.1, same_machine=True)[0].verdict == mirrored


def test_what_is_exact_may_not_change_on_one_machine() -> None:
    before, after = [row([98.5], exact=True)], [row([98.4], better="more", exact=True)]
    assert changes(before, after, tolerance=0.1, same_machine=True)[0].verdict == "worse"
    assert changes(before, after, tolerance=0.1, same_machine=False)[0].verdict == "same"
    assert changes(before, before, tolerance=0.0, same_machine=True)[0].verdict == "same"


def test_figures_of_one_run_alone_are_told() -> None:
    found = changes([row([1.0], what="old")], [row([1.0], what="young")], tolerance=0.1, same_machine=True)
    assert [(one.what, one.verdict, one.change) for one in found] == [("young", "new", None), ("old", "gone", None)]


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (WorkError("the disk is full"), 1)])
def test_what_ends_a_run_before_it_began_is_told_as_it_is(
    bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    folder_of(tmp_path, {"tells": TELLS})
    monkeypatch.setattr(command, "start_run", fail)
    ended = bench("--quick")
    assert ended.code == code
    assert "unexpected" not in ended.err


def test_a_damaged_repeat_is_measured_again_alone(bench, tmp_path: Path) -> None:
    scripts = folder_of(tmp_path, {"tells": TELLS, "fails": FAILS})
    bench("--quick", "--repeat", 3)
    (run,) = (tmp_path / "runs").iterdir()
    (run / "results" / "tells-1.json").write_text("{")
    bench("--quick", "--repeat", 3)
    assert (scripts / "tells.times").read_text() == "xxxx"


def test_two_runs_are_laid_side_by_side(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, {"tells": TELLS})
    for value in (40.0, 50.0):
        monkeypatch.setenv("VALUES", json.dumps([value]))
        assert bench("--quick").code == 0
    names = [file.name for file in Path("runs").iterdir()]
    names.sort(key=lambda name: json.loads((tmp_path / "runs" / name / "run.json").read_text())["started"])
    assert (folder / "tells.times").read_text() == "xx"
    assert bench("--compare", names[0], names[0], "--strict").code == 0
    code, out, err = bench("--compare", *names, "--strict")
    assert code == 1
    assert out.splitlines()[1] == "tells\ta choice, 10 x 10\tms\t40\t50\t+25.0%\tworse\t21\t16.8"
    assert "1 worse, 0 better" in err
    assert bench("--compare", *names, "--strict", "--tolerance", 0.3).code == 0
    markdown = bench("--compare", *names, "--markdown").out
    assert "| `tells` | a choice, 10 x 10 | 40 ms | 50 ms | +25.0% | worse |" in markdown
    # What failed has no figures that could be worse.
    result = tmp_path / "runs" / names[1] / "results" / "tells-1.json"
    whole = result.read_text()
    result.write_text(json.dumps({**json.loads(whole), "state": "failed", "reason": "exit 1", "figures": []}))
    code, out, _ = bench("--compare", *names, "--strict", "--json")
    assert code == 1
    assert "failed: none, then tells" in json.loads(out)["differences"]
    result.write_text(whole)
    # Another machine is told.
    file = tmp_path / "runs" / names[1] / "run.json"
    record = json.loads(file.read_text())
    record["config"]["machine"]["processor"] = "An abacus"
    record["packages"]["numpy"] = "0.1"
    file.write_text(json.dumps(record))
    told = json.loads(bench("--compare", *names, "--json").out)["differences"]
    assert any(line.startswith("machines: ") and "An abacus" in line for line in told)
    assert any(line.startswith("packages: numpy ") and line.endswith("-> 0.1") for line in told)


def test_the_list_says_what_is_lacking(bench, tmp_path: Path) -> None:
    folder_of(tmp_path, {"tells": TELLS, "wants": TELLS, "large": TELLS}, wants=NEEDS, large=LARGE)
    _, out, err = bench("--list")
    told, wanting, large = (line.split("\t") for line in out.splitlines()[1:])
    assert told == ["tells", "tells it is", "1.0 s", "2 min", ""]
    assert wanting[4] == "lacks real data a.csv, package no-such-package"
    assert large[2:] == ["", "9.0 s", ""]
    assert "for what is lacking: let FURIKAERI_REAL_DATA name the folder that has it\n" in err
    (tmp_path / "a.csv").write_text("x")
    documents = json.loads(bench("--list", "--json", "--real-data", tmp_path).out)
    assert [len(document["lacks"]) for document in documents] == [0, 1, 0]
    assert "large\tskipped: too large for a quick run" in bench("--quick", "large").out


@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_is_broken_on_a_terminal(width: int, tmp_path: Path) -> None:
    what = "choosing one question among very many, 35,000 keywords x 2,000 questions, by the compiled kernel"
    figure = Figure(what, 41.25, "ms", 3200.0, "the textbook's loop over every question, from 40 of them", limit=64.0)
    results = [
        Result("selection", number, "done", figures=(figure._replace(ours=41.25 + number),), seconds=9.0)
        for number in range(2)
    ]
    results.append(Result("others", 1, "skipped", "no model"))
    drawn = io.StringIO()
    Console(file=drawn, width=width).print(drawn_run(results, rows_of(results), width))
    lines = drawn.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    first = next(line for line in lines if "41.75 ms" in line)
    assert "77 x   ≤ 64" in first
    assert "choosing one question" in first
    assert any("(41.25 to 42.25)" in line and "kept" in line for line in lines)
    assert lines[-1] == "skipped others: no model"


def test_bad_input_gets_one_line(bench, invoke, tmp_path: Path) -> None:
    code, _, err = bench()
    assert (code, err.count("\n")) == (2, 1)
    assert "benchmarks come with the source alone" in err
    folder = folder_of(tmp_path, {"tells": TELLS})
    assert "Did you mean tells?" in bench("tels").err
    assert "each stand alone" in bench("--list", "--show", "x").err
    assert bench("--compare", "x", "y").code == 2
    assert bench("--quick").code == 0
    (run,) = Path("runs").iterdir()
    assert "is a run without 'other'" in bench("--show", run.name, "other").err
    assert "tells" in bench("--show", run.name, "tells").out
    with start_run(Path("runs"), "tq simulate", {}) as other:
        pass
    assert "is a run of tq simulate, not of benchmarks" in bench("--show", other.id).err
    file = folder / "benchmarks.toml"
    for text, complaint in (
        ("[tells", "is no TOML"),
        ("", "lists no benchmarks"),
        ('[tells]\nwhat = "x"\n', "expected { quick = ..., full = ... }, got None"),
        ('[tells]\nwhat = "x"\nsecs = 1\n', "unknown key 'secs'"),
        ('[other]\nwhat = "x"\nseconds = {quick = 1, full = 1}\n', "there is no"),
        ('[tells]\nwhat = "x"\nneeds = ["gold"]\nseconds = {quick = 1, full = 1}\n', "unknown need 'gold'"),
        ('[tells]\nwhat = "x"\nquick = ["a", 1]\nseconds = {quick = 1, full = 1}\n', "expected a list of texts"),
        ('[tells]\nwhat = "x"\nseconds = {quick = 0, full = 1}\n', "expected seconds above 0"),
    ):
        file.write_text(text)
        code, _, err = bench("--quick")
        assert (code, err.count("\n")) == (2, 1)
        assert complaint in err


def test_every_script_is_listed_and_tells_figures() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    listed = {benchmark.script.name for benchmark in read_benchmarks(folder)}
    assert listed == {file.name for file in folder.glob("*.py")}
    silent = [name for name in sorted(listed) if "tell_figures(" not in (folder / name).read_text(encoding="utf-8")]
    assert silent == []
