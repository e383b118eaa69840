"""`tq precompute table`, with labellers that follow from the texts."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_cli.tq.labelling_progress import LabelLines, duration, pace
from furikaeri_common.errors import WorkError
from twenty_questions.labelling.label_progress import LabelProgress
from twenty_questions.table import open_table

QUESTIONS = ["Is it alive?", "Is it large?", "Can you eat it?", 'Does the keyword start with the letter "k"?']
WORDS = [f"kind {number:02d}" for number in range(40)]


def truth(keyword: str, question: str) -> bool:
    return hashlib.sha256(f"{keyword}{question}".encode()).digest()[0] < 90


class Biased:
    """Leans the right way, much too surely, and more so the longer its name; may fail on some keywords."""

    def __init__(self, name: str, fails_on: str = "") -> None:
        self.name, self.fails_on, self.identity = name, fails_on, {"weights": name}
        self.asked: list[tuple[str, str]] = []
        self.usage = {"requests": 0, "cost": 0.0}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> np.ndarray:
        if self.fails_on in keywords:
            raise WorkError("the server hangs")
        self.asked += [(keyword, question) for keyword in keywords for question in questions]
        rng = np.random.default_rng(len(self.name) + int(keywords[0][-2:]))
        right = np.asarray([[truth(keyword, question) for question in questions] for keyword in keywords])
        wrong = rng.random(right.shape) < 0.2
        self.usage = {"requests": self.usage["requests"] + right.size, "cost": self.usage["cost"] + 0.5}
        return np.where(right != wrong, 0.999, 0.001).astype(np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, Biased]:
    """What was opened, by name; a name that is there already is opened as it is."""
    labellers: dict[str, Biased] = {}

    def open_labeller(config, *, on_note=None) -> Biased:
        return labellers.setdefault(Path(config.model).name, Biased(Path(config.model).name))

    module = types.ModuleType("twenty_questions.labelling.opening")
    module.open_labeller = open_labeller  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return labellers


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with lists, gold answers, and what stands for two models."""
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(WORDS) + "\n")
    Path("questions.txt").write_text("\n".join(QUESTIONS) + "\n")
    with Path("gold.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["keyword", "question", "answer"])
        writer.writerows([w, q, "yes" if truth(w, q) else "no"] for w in WORDS for q in QUESTIONS[:3])
    for name in ("alpha", "beta"):
        Path(name).mkdir()
        Path(name, "config.json").write_text("{}")
    return tmp_path


LISTS = ("--keywords", "words.txt", "--questions", "questions.txt")
BOTH = ("--model", "alpha", "--model", "./beta")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def test_it_makes_a_table_and_says_what_it_is_worth(invoke: Callable, given: Path, opened: dict[str, Biased]) -> None:
    result = invoke("tq", "precompute", "table", "out", *LISTS, *BOTH, "--calibrate", "gold.csv")
    assert result.code == 0, result.err
    table = open_table(Path("out"), verify=True)
    assert (len(table.keywords), len(table.questions)) == (40, 4)
    assert (table.codes[:, 3] == 254).all()  # spelled, not asked
    assert set(opened["alpha"].asked) == {(word, question) for word in WORDS for question in QUESTIONS[:3]}
    assert len(opened["alpha"].asked) == 120
    lines = result.out.splitlines()
    assert lines[0] == "model\tpairs\tyes\tmean P(yes)\tunlabelled"
    assert [line.split("\t")[:2] for line in lines[1:3]] == [["alpha", "120"], ["beta", "120"]]
    assert lines[3].startswith("alpha and beta: agree on ")
    assert any(line.startswith("calibration of average: ") for line in lines)
    assert any(line.startswith("  before: log-loss ") for line in lines)
    assert lines[-1].startswith("240 pairs labelled, 240 of them now; labelling took ")
    assert lines[-1].endswith("in all, cost 3")
    assert "opening alpha" in result.err
    assert "beta: 240 of 240 pairs" in result.err
    assert pl.read_parquet("out/shards/*/*.parquet").height == 240


def test_the_second_time_nothing_is_asked_and_nothing_changes(
    invoke: Callable, given: Path, opened: dict[str, Biased]
) -> None:
    command = ("tq", "precompute", "table", "out", *LISTS, *BOTH, "--calibrate", "gold.csv", "--json")
    first = json.loads(invoke(*command).out)
    before = contents(Path("out"))
    opened.clear()
    result = invoke(*command)
    second = json.loads(result.out)
    assert opened == {}
    assert contents(Path("out")) == before
    assert (first["labelled_now"], second["labelled_now"]) == (240, 0)
    assert second["spent"]["shards"] == 6
    assert second["spent"]["usage"] == {"requests": 240, "cost": 3.0}
    report = second["calibrations"]["average"]
    assert report["after"]["log_loss"] < report["before"]["log_loss"]
    assert second["agreement"][0]["one"] == "alpha"
    assert {key: first[key] for key in ("models", "agreement", "calibrations")} == {
        key: second[key] for key in ("models", "agreement", "calibrations")
    }


def test_other_options_label_anew_beside_the_old(invoke: Callable, given: Path, opened: dict[str, Biased]) -> None:
    assert invoke("tq", "precompute", "table", "out", *LISTS, *BOTH).code == 0
    before = contents(Path("out/shards"))
    opened["alpha"].identity = {"weights": "alpha", "centred": True}
    opened["alpha"].asked.clear()
    result = invoke("tq", "precompute", "table", "out", *LISTS, *BOTH, "--centring")
    assert result.code == 0
    after = contents(Path("out/shards"))
    assert {name: after[name] for name in before} == before
    assert len(opened["alpha"].asked) == 120
    assert "Beside them: 1 folder with shards of other models, prompts or lists" in result.err


def test_a_failure_exits_1_writes_no_table_and_is_retried_by_the_same_command(
    invoke: Callable, given: Path, opened: dict[str, Biased]
) -> None:
    opened["alpha"] = Biased("alpha", fails_on="kind 20")
    command = ("tq", "precompute", "table", "out", *LISTS, *BOTH, "--shard", "8", "--quiet")
    result = invoke(*command)
    assert result.code == 1
    assert "warning: alpha, shard 2: the server hangs; it is tried again" in result.err
    assert "warning: alpha, shard 2: the server hangs; the others go on" in result.err
    assert result.err.splitlines()[-1].endswith(
        "alpha: shard 2 (keywords 'kind 16' to 'kind 23') could not be labelled: the server hangs. "
        "Run the same command again to retry only what failed"
    )
    assert not Path("out/manifest.json").exists()
    opened["alpha"].fails_on = ""
    opened["alpha"].asked.clear()
    opened["beta"].asked.clear()
    assert invoke(*command).code == 0
    assert {keyword for keyword, _ in opened["alpha"].asked} == set(WORDS[16:24])
    assert opened["beta"].asked == []
    open_table(Path("out"), verify=True)


def test_ctrl_c_exits_130_and_keeps_what_was_labelled(invoke: Callable, given: Path, opened: dict[str, Biased]) -> None:
    class Stopping(Biased):
        def label(self, keywords: Sequence[str], questions: Sequence[str]) -> np.ndarray:
            if keywords[0] == "kind 16":
                raise KeyboardInterrupt
            return super().label(keywords, questions)

    opened["alpha"] = Stopping("alpha")
    command = ("tq", "precompute", "table", "out", *LISTS, "--model", "alpha", "--shard", "8")
    assert invoke(*command).code == 130
    assert len(list(Path("out/shards").glob("*/*.parquet"))) == 2
    opened["alpha"] = Biased("alpha")
    assert invoke(*command).code == 0
    assert {keyword for keyword, _ in opened["alpha"].asked} == set(WORDS[16:])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no model is named. Name one with --model"),
        (("--model", "alpha", "--model", "alpha"), "--model names 'alpha' twice. Name each model once"),
        (("--model", "gamma"), "there is no model 'gamma' on this machine"),
        ((*BOTH, "--weight", "1"), "expected --weight for each of 2 models"),
        ((*BOTH, "--prompt", "unheard"), "there is no prompt 'unheard'"),
        ((*BOTH, "--calibrate", "small.csv"), "the gold set is too small to calibrate with"),
        ((*BOTH, "--calibrate", "other.csv"), "the gold set shares no pair with the table"),
        ((*BOTH, "--questions", "handshake.jsonl"), "the question 'handshake'"),
        ((*BOTH, "--keywords", "nowhere.txt"), "nowhere.txt"),
        ((*BOTH, "--shard", "0"), "--shard"),
        ((*BOTH, "--threads", "2"), "--threads is of workers, and there are none. Add --workers, or leave it out"),
        ((*BOTH, "--task-gpus", "1"), "--task-gpus is of a Ray cluster. Add --engine ray, or leave it out"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_labelled(
    invoke: Callable, given: Path, opened: dict[str, Biased], options: tuple[str, ...], told: str
) -> None:
    Path("small.csv").write_text("keyword,question,answer\nkind 01,Is it alive?,yes\n")
    Path("other.csv").write_text("keyword,question,answer\nkind 01,Is it unheard of?,yes\n")
    Path("handshake.jsonl").write_text(
        '{"key": "handshake", "text": "Is it Agent Alpha?", "kind": "handshake", "argument": ""}\n'
    )
    result = invoke("tq", "precompute", "table", "out", *LISTS, *options)
    assert result.code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1
    assert opened == {}


def test_the_place_of_something_else_is_refused(invoke: Callable, given: Path, opened: dict[str, Biased]) -> None:
    Path("taken").mkdir()
    Path("taken/manifest.json").write_text('{"format": "something else"}')
    for place, told in (("taken", "belongs to something else"), ("words.txt", "is a file")):
        result = invoke("tq", "precompute", "table", place, *LISTS, *BOTH)
        assert (result.code, told in result.err) == (2, True)
    assert opened == {}


def test_one_model_and_spelling_alone_make_tables_too(invoke: Callable, given: Path, opened: dict[str, Biased]) -> None:
    Path("spelled.txt").write_text(QUESTIONS[3] + "\n")
    result = invoke("tq", "precompute", "table", "out", *LISTS, "--questions", "spelled.txt", "--model", "alpha")
    assert result.code == 0, result.err
    assert opened == {}
    assert (open_table(Path("out"), verify=True).codes == 254).all()


def step(**changes) -> LabelProgress:
    plain = LabelProgress("labelled", "m", 3, 40, 100, 10.0, 4.0, 15.0, {}, "")
    return plain._replace(**changes)


def test_lines_come_at_tenths_and_tell_the_pace() -> None:
    lines = LabelLines()
    assert lines.line_for(step(event="opening")) == "opening m"
    assert lines.line_for(step()) == "m: 40 of 100 pairs, 4 pairs/s, 15 s left"
    assert lines.line_for(step(done=45, seconds=12.0)) == ""
    assert lines.line_for(step(done=46, seconds=45.0)).startswith("m: 46 of 100 pairs")
    assert lines.line_for(step(done=100, left=0.0, rate=1234.5)) == "m: 100 of 100 pairs, 1,234 pairs/s"
    assert lines.line_for(step(event="failed", error="x")) == ""
    assert lines.line_for(step(event="waiting")) == "the rest is being labelled by another process"


def test_the_pace_tells_what_is_known() -> None:
    assert pace(step(rate=0.0, left=float("inf"))) == ""
    assert pace(step(usage={"cost": 1.25, "requests": 7})).endswith(", cost 1.25")
    assert pace(step(usage={"cost": 0.0, "requests": 1700})).endswith(", 1,700 requests")
    assert [duration(seconds) for seconds in (5, 89, 600, 7200)] == ["5 s", "89 s", "10 min", "2.0 h"]


def test_a_folder_of_other_things_and_options_without_effect_are_refused(
    invoke: Callable, given: Path, opened: dict[str, Biased]
) -> None:
    Path("busy").mkdir()
    Path("busy/note.txt").write_text("mine")
    result = invoke("tq", "precompute", "table", "busy", *LISTS, *BOTH)
    assert result.code == 2
    assert "busy: holds other things" in result.err
    result = invoke("tq", "precompute", "table", "out", *LISTS, *BOTH, "--calibration", "isotonic")
    assert result.code == 2
    assert "need gold answers" in result.err
    assert not opened
