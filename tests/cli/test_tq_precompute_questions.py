"""`tq precompute questions`: every list it writes, and that a killed run of a model goes on to the same bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_common.errors import WorkError
from furikaeri_common.models import writing
from furikaeri_common.models.config import Conversation
from twenty_questions.question_sources.language_model import REQUESTS_PER_TASK
from twenty_questions.question_sources.question_lists import read_counted, read_questions

REPLAY = Path(__file__).parents[1] / "twenty_questions" / "kaggle_replay.json"


class Scripted:
    """A writer whose texts follow from the conversation and the seed; it may fail at a call."""

    name = "scripted"
    identity: Mapping[str, Any] = {"model": "scripted"}

    def __init__(self, fails_at: int = 0) -> None:
        self.calls = 0
        self.fails_at = fails_at

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        self.calls += 1
        if self.fails_at and self.calls >= self.fails_at:
            raise WorkError("the model is gone")
        return [
            f"1. Is it alive?\n2. Is it made of stuff{seed % 3}?\n3. Does it start with a?\n"
            f"4. Is it a {conversation[-1]['content'].splitlines()[2]}?"
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Put a scripted writer in the place of every model."""

    def put(fails_at: int = 0) -> Scripted:
        writer = Scripted(fails_at)
        monkeypatch.setattr(writing, "open_once", lambda config: writer)
        return writer

    return put


def questions(invoke, *arguments: object):
    return invoke("tq", "precompute", "questions", *arguments)


def test_letters(invoke, tmp_path, things_folder) -> None:
    out = tmp_path / "letters.jsonl"
    result = questions(invoke, "letters", out)
    assert (result.code, result.out, result.err) == (0, f"127 questions in {out} (127 letter)\n", "")
    told = json.loads(
        questions(invoke, "letters", out, "--keywords", things_folder, "--least-share", 0.2, "--json").out
    )
    kept = read_questions(out)
    assert told == {"file": str(out), "questions": len(kept), "kinds": {"letter": len(kept)}}
    assert "contains:e" in {question.key for question in kept}
    assert "contains:z" not in {question.key for question in kept}
    assert 5 < len(kept) < 60


def test_mine(invoke, tmp_path) -> None:
    out, folder = tmp_path / "mined.jsonl", tmp_path / "replays"
    folder.mkdir()
    shutil.copy(REPLAY, folder)
    (folder / "broken.json").write_text("{", encoding="utf-8")
    result = questions(invoke, "mine", out, folder, "--least", 1)
    assert (result.code, result.out) == (0, f"5 questions in {out} (5 table)\n")
    assert f"warning: {folder / 'broken.json'}, line 1: not JSON" in result.err
    assert "2 games in 1 files (1 damaged, 0 repeated): 8 askings; left out: 3 spelling" in result.err
    told = json.loads(questions(invoke, "mine", out, folder, REPLAY, "--least", 1, "--json").out)
    assert (told["games"], told["files"], told["repeated_files"], told["left_out"]) == (2, 1, 1, {"spelling": 3})
    assert len(told["damaged"]) == 1
    assert {one.source for one in read_counted(out)} == {"games"}


def test_mine_says_when_nothing_is_left(invoke, tmp_path) -> None:
    result = questions(invoke, "mine", tmp_path / "out.jsonl", REPLAY, "--least", 3, "--quiet")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "none was asked in 3 games" in result.err
    assert not (tmp_path / "out.jsonl").exists()


def test_merge_by_words(invoke, tmp_path) -> None:
    (tmp_path / "a.txt").write_text(
        "Is it bigger than a shoe box?\nis it alive\nDoes it cost more than 5 dollars?\n", encoding="utf-8"
    )
    (tmp_path / "b.txt").write_text(
        "Is it alive?\nIs it smaller than a shoebox?\nDoes it cost more than 9 dollars?\n", encoding="utf-8"
    )
    out = tmp_path / "merged.jsonl"
    result = questions(invoke, "merge", out, tmp_path / "a.txt", tmp_path / "b.txt", "--embeddings", "off")
    assert (result.code, result.out) == (0, f"4 questions in {out} (4 table)\n")
    assert "6 questions, 5 different texts, 1 near-duplicates merged" in result.err
    assert "  words  Is it bigger than a shoe box? / Is it smaller than a shoebox? (opposite)" in result.err
    counts = {one.question.text: (one.count, one.source) for one in read_counted(out)}
    assert counts["Is it alive?"] == counts["Is it bigger than a shoe box?"] == (2, "a.txt, b.txt")
    told = json.loads(
        questions(invoke, "merge", out, tmp_path / "a.txt", tmp_path / "b.txt", "--embeddings", "off", "--json").out
    )
    assert (told["given"], told["texts"], told["near_duplicates"], told["embeddings"]) == (6, 5, 1, "off")
    assert told["just_above"][0]["opposite"] is True


def test_merge_by_embeddings_shows_both_sides(invoke, tmp_path, monkeypatch) -> None:
    def encode(texts: Sequence[str]) -> np.ndarray:
        angles = np.radians([10 * text.count("o") for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    monkeypatch.setattr("furikaeri_cli.tq.embeddings.encoder_for", lambda *_: (encode, "by o"))
    (tmp_path / "a.txt").write_text("Is it xa?\nIs it xo?\nIs it xooo?\n", encoding="utf-8")
    out = tmp_path / "merged.jsonl"
    result = questions(invoke, "merge", out, tmp_path / "a.txt", "--threshold", 0.95)
    assert "merged, just above 0.95:\n  0.985  Is it xa? / Is it xo?\n" in result.err
    assert "both kept, just below 0.95:\n  0.866  Is it xa? / Is it xooo?\n" in result.err
    assert [question.text for question in read_questions(out)] == ["Is it xa?", "Is it xooo?"]
    none = questions(invoke, "merge", out, tmp_path / "a.txt", "--threshold", 0.95, "--examples", 0)
    assert none.err == "3 questions, 3 different texts, 1 near-duplicates merged\n"


def test_rank(invoke, tmp_path, things_folder) -> None:
    out = tmp_path / "best.jsonl"
    options = ("--table", things_folder, "--histories", 64)
    result = questions(invoke, "rank", out, *options, "--budget", 5)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].split("\t") == ["n", "question", "adds", "bits", "+-"]
    assert len(lines) == 6
    assert f"5 of 17 questions in {out} tell " in result.err
    told = json.loads(questions(invoke, "rank", out, *options, "--budget", 5, "--json").out)
    assert [step["key"] for step in told["steps"]] == [question.key for question in read_questions(out)]
    assert told["bits"] < told["entropy_bits"] == pytest.approx(np.log2(17))
    questions(invoke, "rank", out, *options, "--budget", 50, "--meaning", "--quiet")
    kept = read_questions(out)
    assert {question.kind for question in kept} == {"table"}
    assert len(kept) <= 14
    stopped = questions(invoke, "rank", tmp_path / "none.jsonl", *options, "--least-gain", 2)
    assert (stopped.code, stopped.err.splitlines()[-1]) == (2, "tq: no question adds 2 bits. Lower --least-gain")
    assert not (tmp_path / "none.jsonl").exists()


def test_llm(invoke, tmp_path, things_folder, scripted) -> None:
    writer = scripted()
    out, runs = tmp_path / "made.jsonl", tmp_path / "runs"
    options = ("--keywords", things_folder, "--model", "any", "--runs", runs, "--requests", 20)
    result = questions(invoke, "llm", out, *options)
    assert (result.code, result.out) == (0, f"4 questions in {out}\n")
    assert "20 requests, 0 of which gave no question; left out: 20 spelling, 20 names a thing" in result.err
    counts = {one.question.text: (one.count, one.source) for one in read_counted(out)}
    assert counts["Is it alive?"] == (20, "scripted")
    assert sum(count for count, _ in counts.values()) == 40
    assert writer.calls == 3
    first = out.read_bytes()
    told = json.loads(questions(invoke, "llm", out, *options, "--json").out)
    assert (told["questions"], told["requests"], writer.calls) == (4, 20, 3)
    assert out.read_bytes() == first
    (run,) = runs.iterdir()
    assert told["folder"] == str(run)
    assert (run / "questions.jsonl").read_bytes() == first
    questions(invoke, "llm", out, *options, "--seed", 1)
    assert writer.calls == 6


def test_a_run_of_a_model_that_failed_goes_on_to_the_same_bits(invoke, tmp_path, things_folder, scripted) -> None:
    def options(name: str) -> tuple[object, ...]:
        runs = tmp_path / f"runs of {name}"
        return (
            tmp_path / f"{name}.jsonl",
            "--keywords",
            things_folder,
            "--model",
            "any",
            "--runs",
            runs,
            "--requests",
            30,
        )

    scripted()
    questions(invoke, "llm", *options("whole"))
    scripted(fails_at=3)
    failed = questions(invoke, "llm", *options("parts"))
    assert (failed.code, failed.out) == (1, "")
    assert "2 of 4 shards of requests failed" in failed.err
    assert "Run the same command again" in failed.err
    writer = scripted()
    assert questions(invoke, "llm", *options("parts")).code == 0
    assert writer.calls == 2
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(list((tmp_path / "runs of parts").iterdir())) == 1
    assert REQUESTS_PER_TASK * 3 < 30 <= REQUESTS_PER_TASK * 4


def test_llm_without_a_model_or_without_questions(invoke, tmp_path, things_folder, scripted) -> None:
    result = questions(invoke, "llm", tmp_path / "out.jsonl", "--keywords", things_folder)
    assert (result.code, result.out, result.err) == (2, "", "tq: no model is named. Name one with --model\n")
    scripted()
    options = (
        "--keywords",
        things_folder,
        "--model",
        "any",
        "--runs",
        tmp_path / "runs",
        "--requests",
        8,
        "--least",
        9,
    )
    empty = questions(invoke, "llm", tmp_path / "out.jsonl", *options, "--quiet")
    assert (empty.code, empty.out, empty.err.count("\n")) == (1, "", 1)
    assert "no question is left of 8 texts that scripted wrote" in empty.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("letters",),
        ("mine", REPLAY),
        ("merge", REPLAY),
        ("rank",),
        ("llm", "--keywords", "x", "--model", "any"),
    ],
)
def test_something_else_is_never_replaced(invoke, tmp_path, arguments) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("dear diary", encoding="utf-8")
    result = questions(invoke, arguments[0], out, *arguments[1:])
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"{out}: holds something else than questions" in result.err
    assert out.read_text(encoding="utf-8") == "dear diary"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mine", "out.jsonl", "nowhere"), "nowhere: there is no such file or folder"),
        (("merge", "out.jsonl", "nowhere.txt"), "nowhere.txt: cannot be read"),
        (("merge", "out.jsonl", "bad.txt"), "bad.txt, line 1: expected a question that yes or no answers"),
        (("rank", "out.jsonl", "--table", "nowhere"), "nowhere: there is no table folder here"),
        (("letters", "out.jsonl", "--keywords", "nowhere.txt"), "nowhere.txt: cannot be read"),
    ],
)
def test_bad_input_is_one_clear_line(invoke, tmp_path, monkeypatch, arguments, words) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("what is it\n", encoding="utf-8")
    result = questions(invoke, *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err
    assert not Path("out.jsonl").exists()
