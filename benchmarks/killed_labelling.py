"""Labelling that is killed at random moments, again and again, against one that is left alone: the same bytes?

    uv run python benchmarks/killed_labelling.py --kills 20
    uv run python benchmarks/killed_labelling.py --kills 20 --model smollm2-135m-instruct-q4_1

Labels a table with two labellers in a process that is killed (SIGKILL) at random moments, each time started again, and
at last left to finish. Then compares every file with those of an undisturbed run, and counts how often each shard was
labelled. Without --model the labellers draw numbers from the texts, and pause, so that most kills strike at work; with
one, the model labels. With `--at-once 2` two processes share the work; one is killed, then the other.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_cli.output import Output
from furikaeri_cli.tq.precompute_table import precompute_table
from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.labelling.labelled_table import ConsensusConfig
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.questions import Question, letter
from twenty_questions.sources.keyword_lists import keyword_list
from twenty_questions.words import Keyword

PER_SHARD = 8


class Drawing:
    """Labels every pair by a hash of its texts, after a pause."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self._seconds = name, seconds

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the numbers depend on."""
        return {"drawn": self.name}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair."""
        time.sleep(self._seconds)
        rows = [int(hashlib.sha256(f"{self.name} {keyword}".encode()).hexdigest()[:12], 16) for keyword in keywords]
        return np.stack([np.random.default_rng(row).random(len(questions), dtype=np.float32) for row in rows])


class Noted:
    """A labeller that notes every shard it begins in a log."""

    def __init__(self, labeller: Labeller, log: Path) -> None:
        self._labeller, self._log = labeller, log
        self.name, self.identity = labeller.name, labeller.identity

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair, and note that they were asked."""
        with self._log.open("ab", buffering=0) as stream:
            stream.write(f"{self.name}\t{keywords[0]}\n".encode())
        return self._labeller.label(keywords, questions)


def label(folder: Path, log: Path, given: argparse.Namespace) -> None:
    """Label, as the command does."""
    if given.model:
        from twenty_questions.labelling.opening import open_labeller

        opened: Callable[[LabellerConfig], Labeller] = open_labeller
        configs = [LabellerConfig(model=given.model)]
    else:
        opened = lambda config: Drawing(config.model, given.seconds)  # noqa: E731
        configs = [LabellerConfig(model=name, base_url="http://nowhere.invalid") for name in ("one", "other")]
    precompute_table(
        folder,
        keyword_list([Keyword(f"thing {number}") for number in range(given.keywords)]),
        [letter("starts", "t"), *(Question(f"q{n}", f"Is it of kind {n}?") for n in range(given.questions))],
        configs,
        config=ConsensusConfig(),
        per_shard=PER_SHARD,
        output=Output("quiet"),
        open_model=lambda config: Noted(opened(config), log),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--keywords", type=int, default=480)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each shard, without --model")
    parser.add_argument("--model", default="", help="a language model on this machine")
    parser.add_argument("--at-once", type=int, default=1, help="processes at once, each of which is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", type=Path, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.label:
        label(*given.label, given)
        return
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        begin = time.perf_counter()
        start(folder, "left-alone").wait()
        whole = time.perf_counter() - begin
        print(f"left alone: {whole:.1f} s, {len(noted(folder, 'left-alone'))} shards")
        struck = 0
        while struck < given.kills:
            processes = [start(folder, "killed") for _ in range(given.at_once)]
            before, began = len(noted(folder, "killed")), time.perf_counter()
            while len(noted(folder, "killed")) == before and time.perf_counter() - began < 60:
                time.sleep(0.01)
                if processes[0].poll() is not None:
                    break
            time.sleep(chance.uniform(0.0, 1.5 * whole / (given.kills + 1)))
            if all(process.poll() is not None for process in processes):
                print("finished before all kills were dealt")
                break
            chance.choice(processes).send_signal(signal.SIGKILL)
            for process in processes:
                if given.at_once > 1 and process.poll() is None:
                    time.sleep(0.3)
                    process.send_signal(signal.SIGKILL)
                process.wait()
            struck += given.at_once
            left = sorted(path.name.split(".")[-1] for path in (folder / "killed").glob("shards/*/.0*"))
            begun = len(noted(folder, "killed"))
            print(f"kill {struck:2}: {begun} shards begun; left behind: {dict(Counter(left)) or 'nothing'}", flush=True)
        last = [start(folder, "killed") for _ in range(given.at_once)]
        codes = [process.wait() for process in last]
        alone, killed = digests(folder / "left-alone"), digests(folder / "killed")
        wrong = sorted(name for name in alone.keys() | killed.keys() if alone.get(name) != killed.get(name))
        often = Counter(noted(folder, "killed"))
        again = sum(often.values()) - len(often)
        print(f"left to finish: exit codes {codes}")
        print(f"{len(alone)} files, {len(wrong)} of them different after {struck} kills {wrong[:5]}")
        print(f"{len(often)} shards labelled {sum(often.values())} times: {again} again, for {struck} kills")
        remains = [path.name for path in (folder / "killed").glob("shards/*/.*")]
        print(f"left behind in the end: {[name for name in remains if name.startswith('.0')] or 'nothing'}")
        tell_figures(
            [
                Figure(f"of {len(alone)} files, those that differ after {struck} kills", len(wrong), "", limit=0),
                Figure(f"of {len(often)} shards, those labelled again", again, "", limit=struck),
            ]
        )
        sys.exit(bool(wrong) or any(codes) or again > struck)


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a process that labels as this one was told to."""
    command = [sys.executable, __file__, *sys.argv[1:], "--label", str(folder / name), str(folder / f"{name}.log")]
    return subprocess.Popen(command)


def noted(folder: Path, name: str) -> list[str]:
    """Return the model and first keyword of every shard that was begun."""
    log = folder / f"{name}.log"
    return log.read_text().splitlines() if log.exists() else []


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file but hidden ones."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if not any(part.startswith(".") for part in name.parts)
    }


if __name__ == "__main__":
    main()
