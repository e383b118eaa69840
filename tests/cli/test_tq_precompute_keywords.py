"""`tq precompute keywords`: every source writes one kind of list, says what it holds, and overwrites nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from furikaeri_common.errors import WorkError
from furikaeri_common.models import writing
from furikaeri_common.models.config import Conversation
from twenty_questions.sources.keyword_lists import read_keyword_list

KNOWN = (
    "anvil",
    "barge",
    "cello; violoncello",
    "dune",
    "eel",
    "fern",
    "gong",
    "harp",
    "inkwell",
    "jar",
    "kite",
    "lute",
)
BELOW = {"animal": ("thing", ["animal"]), "eel": ("animal", ["eel", "sea snake"]), "newt": ("animal", ["newt", "eft"])}


class Used(NamedTuple):
    requests: int
    cost: float


class Parrot:
    """Names twenty things by its seed; may fall silent or fail."""

    name = "parrot"
    identity: Mapping[str, Any] = {"kind": "parrot"}

    def __init__(self) -> None:
        self.asked = 0
        self.says: str | None = None
        self.fails_after = 10**9

    @property
    def usage(self) -> Used:
        return Used(self.asked, self.asked / 100)

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        self.asked += len(conversations)
        if self.asked > self.fails_after:
            raise WorkError("the parrot flew away")
        return [self.says if self.says is not None else parrot_text(seed) for seed in seeds]


def parrot_text(seed: int) -> str:
    letters = ((seed * factor) % 2**31 >> 12 for factor in (1, 3, 5, 7, 11, 13, 17))
    return "\n".join(f"- {'abcdefghijkl'[code % 12]}{'eiou'[code % 4]}g" for code in letters) + "\n- eel"


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Parrot:
    bird = Parrot()
    monkeypatch.setattr(writing, "open_once", lambda config: bird)
    return bird


@pytest.fixture
def known(tmp_path: Path) -> Path:
    path = tmp_path / "known.txt"
    path.write_text("\n".join(KNOWN))
    return path


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """Seven nouns: a thing, an animal, and two animals with two names each."""
    names = {"thing": ("", ["physical_entity"]), **BELOW}
    lines, at = [], {}
    for _ in range(2):
        lines, offset = [], 0
        for name, (above, words) in names.items():
            links = [f"@ {at.get(above, 0):08d} n 0000"] * bool(above)
            links += [f"~ {at.get(other, 0):08d} n 0000" for other, (parent, _) in names.items() if parent == name]
            lemmas = " ".join(f"{word.replace(' ', '_')} 0" for word in words)
            line = f"{offset:08d} 03 n {len(words):02x} {lemmas} {len(links):03d} {' '.join(links)} | some {name}  \n"
            at[name] = offset
            offset += len(line)
            lines.append(line)
    index = sorted((word.replace(" ", "_"), at[name]) for name, (_, words) in names.items() for word in words)
    folder = tmp_path / "wordnet"
    folder.mkdir()
    (folder / "data.noun").write_text("".join(lines))
    (folder / "index.noun").write_text("".join(f"{word} n 1 0 1 0 {offset:08d}  \n" for word, offset in index))
    return folder


def keywords(invoke, *arguments: object) -> dict:
    code, out, err = invoke("tq", "precompute", "keywords", *arguments, "--json")
    assert code == 0, err
    assert "Traceback" not in err
    return json.loads(out)


def names_of(path: Path) -> list[str]:
    return [keyword.name for keyword in read_keyword_list(path).keywords]


def test_wordnet_lists_what_lies_below(invoke, tmp_path: Path, wordnet: Path, known: Path) -> None:
    out = tmp_path / "keywords.jsonl"
    told = keywords(invoke, "wordnet", out, "--wordnet", wordnet, "--against", known)
    assert names_of(out) == ["animal", "eel", "newt"]
    assert told["words"] == 3
    assert told["recall"] == {"words": 12, "exact": 1 / 12, "by_the_game": 1 / 12, "precision": 1 / 3}
    keywords(invoke, "wordnet", out, "--wordnet", wordnet, "--lemmas", "all", "--synset", "animal.n.01")
    assert names_of(out) == ["eel", "sea snake", "newt", "eft"]
    code, text, err = invoke("tq", "precompute", "keywords", "wordnet", out, "--wordnet", wordnet)
    assert (code, err) == (0, "")
    assert text == f"3 words in {out}: counts up to 1, prior max/min 1\n"


def test_neighbours_count_the_words_they_are_near_to(invoke, tmp_path: Path, wordnet: Path) -> None:
    given, out = tmp_path / "given.txt", tmp_path / "near.jsonl"
    given.write_text("newt\neel\nunicorn\n")
    keywords(invoke, "neighbours", out, "--given", given, "--wordnet", wordnet, "--lemmas", "first")
    held = read_keyword_list(out)
    assert dict(zip(names_of(out), held.counts.tolist(), strict=True)) == {"animal": 2, "eel": 1, "newt": 1}
    assert set(held.sources) == {("neighbours by wordnet",)}


def test_lists_are_merged_cut_and_capped(invoke, tmp_path: Path) -> None:
    one, other, out = (tmp_path / name for name in ("one.jsonl", "other.txt", "out.jsonl"))
    rows = ({"name": "cup", "count": 90}, {"name": "eel", "count": 9}, {"name": "oar", "count": 1})
    one.write_text("\n".join(json.dumps(row) for row in rows))
    other.write_text("cups\nfern\n")
    told = keywords(invoke, "file", out, one, other, "--weight", 4, "--weight", 1)
    assert dict(zip(names_of(out), read_keyword_list(out).prior.round(6).tolist(), strict=True)) == pytest.approx(
        {"cup": 0.82, "fern": 0.1, "eel": 0.072, "oar": 0.008}
    )
    assert told["largest_count"] == 91
    told = keywords(invoke, "file", out, one, "--cap", 10)
    assert told["prior_ratio"] == pytest.approx(10)
    told = keywords(invoke, "file", out, one, "--prior", "counts", "--smoothing", 9, "--least", 2)
    assert read_keyword_list(out).prior.tolist() == pytest.approx([99 / 117, 18 / 117])
    told = keywords(invoke, "file", out, one, "--limit", 2, "--cap", 3)
    assert (names_of(out), told["prior_ratio"]) == (["cup", "eel"], pytest.approx(3))
    keywords(invoke, "file", out, one, "--exclude", other)
    assert names_of(out) == ["eel", "oar"]
    before = out.read_bytes()
    keywords(invoke, "file", out, one, "--exclude", other)
    assert out.read_bytes() == before


def llm(known: Path, out: Path, runs: Path, *more: object) -> tuple[object, ...]:
    common = ("--given", known, "--model", "parrot", "--requests", 20, "--shown", 3, "--asked", 8, "--runs", runs)
    return ("llm", out, *common, *more)


def test_a_models_words_are_counted_by_request(invoke, tmp_path: Path, known: Path, parrot: Parrot) -> None:
    out, runs = tmp_path / "keywords.jsonl", tmp_path / "runs"
    told = keywords(invoke, *llm(known, out, runs, "--train-share", "0.5"))
    (run,) = runs.iterdir()
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["config"]["identity"]) == ("done", {"kind": "parrot"})
    assert told["requests"] == parrot.asked == 20
    assert told["usage"] == pytest.approx({"requests": 20, "cost": 0.2})
    samples = [
        sample
        for file in sorted(run.glob("parts/*/result.json"))
        for sample in json.loads(file.read_text())["value"]["samples"]
    ]
    held = read_keyword_list(out)
    for keyword, count in zip(held.keywords, held.counts.tolist(), strict=True):
        assert count == sum(keyword.name in sample for sample in samples)
    assert sum(held.counts) == sum(map(len, samples)) == told["names"]
    assert 0 < told["recall"]["words"] < len(KNOWN)


def test_the_same_command_asks_for_nothing_again(invoke, tmp_path: Path, known: Path, parrot: Parrot) -> None:
    out, runs = tmp_path / "keywords.jsonl", tmp_path / "runs"
    parrot.fails_after = 9
    code, text, err = invoke("tq", "precompute", "keywords", *llm(known, out, runs))
    assert (code, text) == (1, "")
    assert "2 of 3 shards of requests failed, the first: WorkError: the parrot flew away" in err
    assert "Run the same command again to ask only for what is missing" in err
    assert not out.exists()
    parrot.fails_after, parrot.asked = 10**9, 0
    keywords(invoke, *llm(known, out, runs))
    assert parrot.asked == 12
    before = out.read_bytes()
    keywords(invoke, *llm(known, out, runs, "--least", 9))
    assert out.read_bytes() != before
    told = keywords(invoke, *llm(known, out, runs))
    assert out.read_bytes() == before
    assert parrot.asked == 12
    (run,) = runs.iterdir()
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1
    assert told["folder"] == str(run)
    keywords(invoke, *llm(known, out, runs, "--seed", 1))
    assert parrot.asked == 32


def test_a_run_that_is_done_needs_neither_its_model_nor_the_engine(
    invoke, tmp_path: Path, known: Path, parrot: Parrot, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, runs = tmp_path / "keywords.jsonl", tmp_path / "runs"
    keywords(invoke, *llm(known, out, runs, "--base-url", "http://one:1/v1"))
    before = out.read_bytes()
    monkeypatch.setattr(writing, "open_once", lambda config: pytest.fail("opened for nothing"))
    elsewhere = ("--base-url", "http://two:1/v1,http://three:1/v1", "--concurrency", 3, "--price-in", 2)
    keywords(invoke, *llm(known, out, runs, *elsewhere))
    keywords(invoke, *llm(known, out, runs, *elsewhere, "--workers", 2))
    assert (out.read_bytes(), parrot.asked) == (before, 20)
    (run,) = runs.iterdir()
    assert json.loads((run / "run.json").read_text())["config"]["model"]["base_url"] == "server"
    (reached, counted) = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert (reached["base_url"], counted["requests"]) == ("http://one:1/v1", 20)


def test_an_unfinished_run_goes_on_with_other_servers(invoke, tmp_path: Path, known: Path, parrot: Parrot) -> None:
    out, runs = tmp_path / "keywords.jsonl", tmp_path / "runs"
    parrot.fails_after = 9
    failed = invoke("tq", "precompute", "keywords", *llm(known, out, runs, "--base-url", "http://one:1/v1"))
    assert failed.code == 1
    parrot.fails_after, parrot.asked = 10**9, 0
    keywords(invoke, *llm(known, out, runs, "--base-url", "http://two:1/v1"))
    assert parrot.asked == 12
    assert len(list(runs.iterdir())) == 1


@pytest.mark.parametrize("said", ["", "I am sorry, but I cannot do that for you at all.", "???"])
def test_a_model_that_names_nothing_fails(invoke, tmp_path: Path, known: Path, parrot: Parrot, said: str) -> None:
    parrot.says = said
    code, text, err = invoke("tq", "precompute", "keywords", *llm(known, tmp_path / "out.jsonl", tmp_path / "runs"))
    assert (code, text) == (1, "")
    assert "parrot wrote nothing that is a name in 20 requests. Look at the texts below" in err
    assert not (tmp_path / "out.jsonl").exists()


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_tq_precompute_keywords as tests
from furikaeri_cli.output import Output
from furikaeri_cli.tq.precompute_keywords_llm import write_keywords
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models import writing
from twenty_questions.sources.language_model import LlmConfig
from twenty_questions.words import Keyword

class Slow(tests.Parrot):
    def write(self, *arguments, **more):
        time.sleep(float(sys.argv[2]))
        return super().write(*arguments, **more)

writing.open_once = lambda config: Slow()
written = write_keywords(
    [Keyword(name) for name in tests.KNOWN], LlmConfig(requests=24, shown=3, asked=8, shard=2), ModelConfig(model="x"),
    seed=3, runs=Path(sys.argv[1]), engine=LocalProcesses(0), output=Output("quiet"),
)
print(written.folder)
"""


def contents(run: Path) -> dict[str, bytes]:
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def test_a_killed_command_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW.format(tests=str(Path(__file__).parent)))

    def start(runs: Path, pause: float) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, script, runs, str(pause)], stdout=subprocess.PIPE, text=True)

    with start(tmp_path / "whole", 0) as whole:
        assert whole.communicate()[0]
    killed = start(tmp_path / "killed", 0.05)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("killed/*/parts/requests-*"))) < 3:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/*/parts/requests-*/result.json")}
    assert 3 <= len(done) < 12
    with start(tmp_path / "killed", 0) as again:
        assert again.communicate()[0]
    (one,), (other,) = ((tmp_path / name).iterdir() for name in ("whole", "killed"))
    assert contents(one) == contents(other)
    assert all(path.stat().st_mtime_ns == moment for path, moment in done.items())
    assert json.loads((other / "run.json").read_text())["resumed"]


def test_a_list_is_judged_by_count(invoke, tmp_path: Path, known: Path) -> None:
    held = tmp_path / "keywords.jsonl"
    rows = [{"name": name, "count": count} for name, count in (("eels", 9), ("violoncello", 9), ("owl", 9), ("jar", 2))]
    held.write_text("\n".join(json.dumps(row) for row in rows))
    told = keywords(invoke, "evaluate", held, "--against", known, "--plot", tmp_path / "recall.png")
    assert (told["train"], told["validation"]) == (0, 12)
    low, high = told["cut_offs"]
    assert (low["least"], low["size"], low["recall"], low["precision"]) == (2, 4, 3 / 12, 3 / 4)
    assert (high["least"], high["size"], high["recall_exact"], high["precision"]) == (9, 3, 1 / 12, 2 / 3)
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
    told = keywords(invoke, "evaluate", held, "--against", known, "--train-share", "0.5", "--cut-off", 1, "--seed", 4)
    assert told["train"] + told["validation"] == 12
    assert 0 < told["train"] < 12
    assert [row["least"] for row in told["cut_offs"]] == [1]
    code, out, err = invoke("tq", "precompute", "keywords", "evaluate", held, "--against", known)
    assert code == 0
    assert out.splitlines()[0].split("\t") == [
        *("count from", "words", "recall", "exact", "precision", "of this count", "words of it"),
    ]
    assert "12 words to find, 0 left out" in err


BY_EMBEDDINGS = ("neighbours", "{out}", "--given", "{known}", "--by", "embeddings", "--candidates", "{known}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("wordnet", "{out}", "--wordnet", "/nowhere"), "/nowhere: is no WordNet folder"),
        (("wordnet", "{out}", "--wordnet", "{wordnet}", "--synset", "dog"), "expected a synset such as"),
        (("wordnet", "{out}", "--wordnet", "{wordnet}", "--synset", "eft.n.01"), "nothing lies below this synset"),
        (("wordnet", "{out}", "--wordnet", "{wordnet}", "--least", "2"), "no keyword is left"),
        (("wordnet", "{known}", "--wordnet", "{wordnet}"), "holds something else than keywords"),
        (("wordnet", "{wordnet}"), "is a folder"),
        (("wordnet", "{out}", "--wordnet", "{wordnet}", "--cap", "0.5"), "'--cap'"),
        (
            ("neighbours", "{out}", "--given", "{known}", "--wordnet", "{wordnet}", "--train-share", "0"),
            "Raise --train-share",
        ),
        (
            (*BY_EMBEDDINGS, "--embeddings", "off"),
            "--by embeddings needs an embedder",
        ),
        (
            (*BY_EMBEDDINGS, "--device", "abacus"),
            "unknown device 'abacus'",
        ),
        (("neighbours", "{out}", "--given", "{known}", "--against", "{known}"), "all of its words make the list"),
        (("neighbours", "{out}", "--given", "/nowhere.txt"), "/nowhere.txt: cannot be read"),
        (
            ("file", "{out}", "{known}", "--weight", "1", "--weight", "2"),
            "--weight: expected at least one list and a weight",
        ),
        (("file", "{out}", "{known}", "--smoothing", "1"), "Add --prior counts"),
        (("file", "{out}", "{known}", "--exclude", "{known}"), "no keyword is left"),
        (("file", "{out}"), "Missing argument"),
        (("llm", "{out}", "--given", "{known}"), "Name one with --model"),
        (("llm", "{out}", "--given", "{known}", "--model", "parrot", "--requests", "0"), "'--requests'"),
        (("evaluate", "{known}", "--against", "{known}", "--train-share", "1"), "no word is left to look for"),
        (("evaluate", "/nowhere.jsonl", "--against", "{known}"), "/nowhere.jsonl: cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    invoke, tmp_path: Path, known: Path, wordnet: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    before = known.read_bytes()
    places = {"out": tmp_path / "out.jsonl", "known": known, "wordnet": wordnet}
    code, out, err = invoke("tq", "precompute", "keywords", *(part.format(**places) for part in arguments))
    assert (code, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err
    assert known.read_bytes() == before
    assert not (tmp_path / "out.jsonl").exists()
