"""`tq precompute gold`, with a writer and labellers that answer as they are told."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_common.errors import WorkError
from twenty_questions.experiments import read_labels
from twenty_questions.labelling.prompts import read_prompt

QUESTIONS = ["Is it alive?", "Is it large?", "Is it blue?", 'Does the keyword start with the letter "k"?']
WORDS = ["cat", "whale", "stone", "glacier", "moss", "sky"]


class Voter:
    """Sure of life, sure of size; of colour it says what the seed says, and of the sky nothing."""

    name = "voter"
    identity: Mapping[str, Any] = {"model": "voter"}

    def __init__(self) -> None:
        self.written = 0
        self.fails = False
        self.usage = {"requests": 0, "cost": 0.0}

    def write(self, conversations, *, seeds: Sequence[int], max_tokens: int, temperature: float) -> list[str]:
        if self.fails:
            raise WorkError("the server is gone")
        self.written += len(conversations)
        self.usage = {"requests": self.written, "cost": self.written / 1000}
        return [self._say(turns[-1]["content"], seed) for turns, seed in zip(conversations, seeds, strict=True)]

    def _say(self, asked: str, seed: int) -> str:
        if "sky" in asked:
            return "Who knows?"
        if "alive" in asked:
            return "Yes." if "cat" in asked or "whale" in asked or "moss" in asked else "No."
        if "large" in asked:
            return "yes" if "whale" in asked or "glacier" in asked else "no"
        return "yes" if hashlib.sha256(str(seed).encode()).digest()[0] % 2 else "no"


@pytest.fixture
def voter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Voter:
    """The writer, the labellers that stand for it in each wording, and the lists."""
    voter = Voter()
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(WORDS) + "\n")
    Path("questions.txt").write_text("\n".join(QUESTIONS) + "\n")
    Path("voter").mkdir()
    Path("voter/config.json").write_text("{}")

    class Worded:
        name = "voter"

        def __init__(self, config) -> None:
            self.prompt = read_prompt(config.prompt)
            self.identity = {"prompt": self.prompt.user}

        def label(self, keywords: Sequence[str], questions: Sequence[str]) -> np.ndarray:
            seed = len(self.prompt.user)
            said = [[voter._say(f"{keyword} {question}", seed) for question in questions] for keyword in keywords]
            numbers = {"yes": 0.9, "no": 0.2, "Yes.": 1.0, "No.": 0.0, "Who knows?": np.nan}
            return np.asarray([[numbers[text] for text in row] for row in said], dtype=np.float32)

    module = types.ModuleType("twenty_questions.labelling.opening")
    module.open_labeller = lambda config, *, on_note=None: Worded(config)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("furikaeri_common.models.writing.open_writer", lambda config: voter)
    return voter


COMMAND = ("tq", "precompute", "gold", "gold.csv", "--keywords", "words.txt", "--questions", "questions.txt")
COMMAND = (*COMMAND, "--model", "voter")


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_what_the_votes_settle_is_apart_from_what_they_do_not(invoke: Callable, voter: Voter) -> None:
    result = invoke(*COMMAND)
    assert result.code == 0, result.err
    assert voter.written == 5 * 6 * 3
    settled, ambiguous = rows("gold.csv"), rows("gold.ambiguous.csv")
    assert len(settled) + len(ambiguous) == 18
    assert {row["votes_yes"] for row in settled} <= {"0", "5"}
    answers = {(label.keyword, label.question): label.answer for label in read_labels(Path("gold.csv"))}
    assert answers[("whale", "Is it alive?")]
    assert not answers[("stone", "Is it alive?")]
    assert [row["votes"] for row in ambiguous if row["keyword"] == "sky"] == ["0"] * 3
    assert sum(row["question"] == "Is it blue?" for row in ambiguous) >= 4
    lines = result.out.splitlines()
    assert lines[0] == "question\tyes\tno\tambiguous"
    assert lines[1].startswith("Is it blue?\t")
    said = [sum(row["answer"] == answer for row in settled) for answer in ("yes", "no")]
    told = f"18 pairs: {said[0]} yes, {said[1]} no, {len(ambiguous)} ambiguous (3 without a vote)"
    assert lines[-1].startswith(told)
    assert said[0] >= 5
    assert lines[-1].endswith("cost 0.09")
    assert "1 questions of spelling were left out" in result.err


def test_stopped_votes_go_on_to_the_same_files(invoke: Callable, voter: Voter) -> None:
    assert invoke(*COMMAND).code == 0
    expected = [Path(name).read_bytes() for name in ("gold.csv", "gold.ambiguous.csv")]
    for shard in list(Path("gold.csv.votes").glob("*/000001.parquet"))[:2]:
        shard.unlink()
    voter.fails = True
    failed = invoke(*COMMAND, "--json")
    assert failed.code == 1
    assert "the server is gone" in failed.err
    voter.fails, voter.written = False, 0
    told = json.loads(invoke(*COMMAND, "--json").out)
    assert voter.written == 2 * 2 * 3
    assert [Path(name).read_bytes() for name in ("gold.csv", "gold.ambiguous.csv")] == expected
    assert (told["pairs"], told["unanswered"], told["questions_left_out"]) == (18, 3, 1)
    assert told["yes"] + told["no"] + told["ambiguous"] == 18


def test_another_seed_votes_anew(invoke: Callable, voter: Voter) -> None:
    assert invoke(*COMMAND, "--votes", "4").code == 0
    voter.written = 0
    assert invoke(*COMMAND, "--votes", "4", "--seed", "1").code == 0
    assert voter.written == 4 * 18


def test_wordings_vote_where_a_model_tells_probabilities(invoke: Callable, voter: Voter) -> None:
    result = invoke(*COMMAND, "--by", "wording", "--votes", "7", "--json")
    assert result.code == 0, result.err
    assert voter.written == 0
    assert {row["votes"] for row in rows("gold.csv")} == {"7"}
    assert len(list(Path("gold.csv.votes").glob("*/recipe.json"))) == 7
    answers = {(label.keyword, label.question): label.answer for label in read_labels(Path("gold.csv"))}
    assert answers[("glacier", "Is it large?")]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--votes", "3"), "--votes"),
        (("--temperature", "0"), "--temperature"),
        (("--by", "wording", "--votes", "8"), "there are 7 wordings"),
        (("--by", "wording", "--prompt", "my.toml"), "has prompts of its own"),
        (("--model", "nobody"), "there is no model 'nobody'"),
        (("--prompt", "unheard"), "there is no prompt 'unheard'"),
        (("--questions", "spelled.txt"), "spelling answers them all"),
    ],
)
def test_what_cannot_be_used_is_told(invoke: Callable, voter: Voter, options: tuple[str, ...], told: str) -> None:
    Path("spelled.txt").write_text(QUESTIONS[3] + "\n")
    result = invoke(*COMMAND, *options)
    assert result.code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1
    assert not Path("gold.csv").exists()


def test_a_gold_set_that_somebody_else_made_is_not_replaced(invoke: Callable, voter: Voter) -> None:
    Path("gold.csv").write_text("keyword,question,answer\ncat,Is it alive?,yes\n")
    result = invoke(*COMMAND)
    assert (result.code, voter.written) == (2, 0)
    assert "is there already, and was not made by this command" in result.err
    no_model = invoke(*COMMAND[:-2])
    assert (no_model.code, "no model is named" in no_model.err) == (2, True)
