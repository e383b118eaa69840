"""Answer tables far beyond the original's: built from shards, opened, and played from.

    OMP_NUM_THREADS=1 uv run python benchmarks/large_table.py                    # about half an hour, 8 GB of disk
    OMP_NUM_THREADS=1 uv run python benchmarks/large_table.py --keywords 2000 --questions 500 1300

Every table goes the whole way of `tq precompute table`: two made-up labellers fill the shards, which are averaged and
saved; then the same command is given again, so that the table is made of shards that are there. Keywords are the most
probable names of the built-in vocabulary; what is true of them follows from hidden traits of keywords and questions,
which the labellers see through noise of their own. Then the table is opened, `tq table info` tells of it, a question is
selected from it, whole games are played by both guessers, and a question in a person's own words is understood.

Each step is measured in a process of its own. `held` is all that was resident at once, pages of the table's file among
it, which the system can take back at any time; `own` leaves those out. Selections, moves and wordings are timed by the
processor's time, so that other work on the machine does not count, all else by the clock.

Growth is how many times more a step takes with the most questions than with the fewest, over how many times more bytes
the table has: 1 is linear. What does not grow with the table, such as the interpreter's start, makes it less. Steps
that take less than 20 ms with the fewest are held to no limit of growth: of these chance decides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.figures import Figure, tell_figures

MIB = 2**20
TRAITS = 12
NOISE = 0.05
TEMPLATES = (
    "Is it made of {}?",
    "Is it found near a {}?",
    "Would you keep it beside a {}?",
    "Is it larger than a {}?",
    "Can it be used like a {}?",
    "Does it belong to a {}?",
    "Is it older than the {}?",
    "Does it look like a {}?",
    "Is it sold together with a {}?",
    "Could it hurt a {}?",
    "Is it a part of a {}?",
    "Does it work without a {}?",
    "Is it heavier than a {}?",
)
MOST_GROWTH = {"selection": 1.25, "built again": 1.25, "wordings": 1.5}
LEAST_FOR_GROWTH = 0.02  # seconds
LEAST_TIMED = 0.1  # seconds
STEPS = ("labelled and built", "built again", "opened", "checked", "info", "selection", "games", "wordings")


class MadeUpLabeller:
    """Labels that follow from traits of keywords and questions, with noise of the labeller's own."""

    def __init__(self, name: str, seed: int, traits: Mapping[str, NDArray[np.float32]]) -> None:
        self.name, self._seed, self._traits = name, seed, traits
        self._asked: tuple[Sequence[str], NDArray[np.float32]] | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its labels depend on."""
        return {"made_up": self.name, "seed": self._seed}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair; the first keyword seeds the noise, so that shards may come in any order."""
        if self._asked is None or self._asked[0] is not questions:
            self._asked = questions, np.stack([self._traits[text] for text in questions]).T
        known = np.stack([self._traits[name] for name in keywords])
        rng = np.random.default_rng([self._seed, *keywords[0].encode()])
        odds = known @ self._asked[1] + rng.standard_normal((len(keywords), len(questions)), dtype=np.float32)
        return np.asarray(1 / (1 + np.exp(-2 * odds)), dtype=np.float32)


def names_and_prior(count: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return the most probable names of the built-in vocabulary, in its order, that the game tells apart."""
    from twenty_questions.vocabulary.packed import builtin_vocabulary
    from twenty_questions.words import normalise

    words = builtin_vocabulary()
    kept: dict[str, int] = {}
    for position in np.argsort(-words.prior, kind="stable").tolist():
        kept.setdefault(normalise(words.words[position]), position)
        if len(kept) == count:
            break
    positions = sorted(kept.values())
    prior = words.prior[positions]
    return [words.words[position] for position in positions], prior / prior.sum()


def texts(count: int) -> list[str]:
    """Return so many distinct questions about everyday words."""
    from twenty_questions.table import builtin_table

    per_word = len(TEMPLATES)
    nouns = list(dict.fromkeys(keyword.name.lower() for keyword in builtin_table().keywords))
    if count > per_word * len(nouns):
        sys.exit(f"expected at most {per_word * len(nouns)} questions, got {count}")
    return [TEMPLATES[number % per_word].format(nouns[number // per_word]) for number in range(count)]


def precompute(folder: Path, num_keywords: int, num_questions: int, seed: int) -> dict[str, float]:
    """Make a table as `tq precompute table` does, or what is missing of it."""
    from furikaeri_cli.output import Output
    from furikaeri_cli.tq.precompute_table import precompute_table
    from twenty_questions.labelling.labelled_table import ConsensusConfig
    from twenty_questions.labelling.labeller import LabellerConfig
    from twenty_questions.questions import Question
    from twenty_questions.sources.keyword_lists import KeywordList
    from twenty_questions.words import Keyword

    names, prior = names_and_prior(num_keywords)
    asked = texts(num_questions)
    rng = np.random.default_rng(seed)
    scale = np.float32(TRAITS**-0.5 * 2)
    traits = dict(zip(names, scale * rng.standard_normal((len(names), TRAITS), dtype=np.float32), strict=True))
    traits |= dict(zip(asked, rng.standard_normal((len(asked), TRAITS), dtype=np.float32), strict=True))
    labellers = {f"made-up-{number}": MadeUpLabeller(f"made-up-{number}", number, traits) for number in (1, 2)}
    # An address, so that no such model is looked for on this machine; nothing is sent to it.
    configs = [LabellerConfig(model=name, base_url="http://localhost:1/v1") for name in labellers]
    begin = time.perf_counter()
    precompute_table(
        folder,
        KeywordList(tuple(map(Keyword, names)), np.ones(len(names), dtype=np.int64), prior, ((),) * len(names)),
        [Question(f"made-up-{number}", text, "table", "") for number, text in enumerate(asked)],
        configs,
        config=ConsensusConfig(calibration="none"),
        output=Output("quiet"),
        open_model=lambda config: labellers[config.model],
    )
    return {"seconds": time.perf_counter() - begin}


def opened(folder: Path, *, verify: bool) -> dict[str, float]:
    """Open a table, and hash all of it too if asked."""
    from twenty_questions.table import open_table

    begin = time.perf_counter()
    open_table(folder, verify=verify)
    return {"seconds": time.perf_counter() - begin}


def told(folder: Path) -> dict[str, float]:
    """Let `tq table info` tell of a table."""
    from furikaeri_cli.main import run

    begin = time.perf_counter()
    if run("tq", ["table", "info", "--table", str(folder), "--json"]):
        sys.exit("tq table info failed")
    return {"seconds": time.perf_counter() - begin}


def selected(folder: Path, runs: int, seed: int, sample: int) -> dict[str, float]:
    """Choose a question again and again; the textbook's way is timed on some of the questions."""
    from twenty_questions.information import (
        choose,
        expected_posterior_entropy,
        information_gain,
        textbook_posterior_entropy,
    )
    from twenty_questions.table import open_table

    table = open_table(folder)
    rng = np.random.default_rng(seed)

    def select() -> int:
        return choose(-information_gain(table.codes, table.prior, noise=NOISE, threads=1), rng)

    begin = time.perf_counter()
    select()
    first = time.perf_counter() - begin
    seconds = [_seconds_of(select) for _ in range(runs)]
    few = np.ascontiguousarray(table.codes[:, :sample])
    begin = time.process_time()
    slow = textbook_posterior_entropy(few, table.prior, noise=NOISE)
    textbook = (time.process_time() - begin) * table.codes.shape[1] / sample
    apart = np.abs(expected_posterior_entropy(few, table.prior, noise=NOISE) - slow).max()
    if apart > 1e-6:
        sys.exit(f"the textbook's entropies are {apart} bits from ours")
    return {"seconds": statistics.median(seconds), "first": first, "textbook": textbook}


def _seconds_of(function: Callable[[], object]) -> float:
    """Return the processor's seconds of one call, the mean of so many that they can be told from chance."""
    begin, calls = time.process_time(), 0
    while calls == 0 or time.process_time() - begin < LEAST_TIMED:
        function()
        calls += 1
    return (time.process_time() - begin) / calls


def played(folder: Path, games: int, rounds: int, seed: int) -> dict[str, float]:
    """Play whole games by both guessers with a partner who answers as the table does; return the worst move."""
    from twenty_questions.information import information_gain
    from twenty_questions.joint.config import JointConfig
    from twenty_questions.simulated_partners import accepting, table_partner
    from twenty_questions.strategies import strategy_of
    from twenty_questions.table import open_table
    from twenty_questions.words import matches

    table = open_table(folder)
    begin = time.perf_counter()
    information_gain(table.codes[:2, :2], np.full(2, 0.5), kernel="numba")
    figures = {"kernel's start": time.perf_counter() - begin}
    secrets = np.random.default_rng(seed).choice(len(table.keywords), size=games, p=table.prior).tolist()
    declining = table_partner(table)
    for name, config, partner in (
        ("from the table", None, declining),
        ("one belief", JointConfig(rounds=rounds), declining),
        ("one belief, alpha", JointConfig(rounds=rounds), accepting(declining)),
    ):
        begin = time.perf_counter()
        strategy = strategy_of(table, config)
        strategy.start()
        figures[f"{name}: start"] = time.perf_counter() - begin
        worst, found = 0.0, 0
        for secret in secrets:
            state, rng = strategy.start(), np.random.default_rng(seed)
            for _ in range(rounds):
                begin = time.process_time()
                question = strategy.ask(state, rng)
                thought = time.process_time() - begin
                answer = partner(table.keywords[secret], question, rng)
                begin = time.process_time()
                state = strategy.hear(state, question.text, answer)
                guess = strategy.guess(state)
                if hit := matches(guess, table.keywords[secret]):
                    found += 1
                else:
                    state = strategy.miss(state, guess)
                worst = max(worst, thought + time.process_time() - begin)
                if hit:
                    break
        figures[f"{name}: worst move"] = worst
        figures[f"{name}: found"] = found / len(secrets)
    return {"seconds": max(value for name, value in figures.items() if name.endswith("worst move")), **figures}


def understood(folder: Path, seed: int) -> dict[str, float]:
    """Prepare the wordings of all questions, and hear some of them in other words."""
    from twenty_questions.hearing import hear
    from twenty_questions.table import open_table
    from twenty_questions.understanding import Wording, index_wordings

    table = open_table(folder)
    begin = time.process_time()
    index = index_wordings(Wording(column, question.text) for column, question in enumerate(table.questions))
    prepared = time.process_time() - begin
    rng = np.random.default_rng(seed)
    seconds = []
    for column in rng.choice(len(table.questions), size=min(20, len(table.questions)), replace=False).tolist():
        text = "Say, " + table.questions[column].text.lower().replace(" it ", " the thing ")
        begin = time.process_time()
        hear(table, index, text)
        seconds.append(time.process_time() - begin)
    return {"seconds": prepared, "slowest hearing": max(seconds)}


@contextmanager
def memory_watched() -> Iterator[Callable[[], dict[str, float]]]:
    """Give a function that tells the most memory this process held since the block began, in MiB."""
    import threading

    over, peaks = threading.Event(), {"held": 0.0, "own": 0.0}

    def look() -> None:
        lines = Path("/proc/self/status").read_text().splitlines()
        kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssAnon"))}
        peaks["held"] = max(peaks["held"], kib["VmRSS"] / 1024)
        peaks["own"] = max(peaks["own"], kib["RssAnon"] / 1024)

    def keep_looking() -> None:
        while not over.wait(0.01):
            look()

    look()
    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield lambda: dict(peaks)
    finally:
        over.set()
        thread.join()


def work(step: str, folder: Path, given: argparse.Namespace, num_questions: int) -> dict[str, float]:
    """Do one step in this process."""
    steps: dict[str, Callable[[], dict[str, float]]] = {
        "labelled and built": lambda: precompute(folder, given.keywords, num_questions, given.seed),
        "built again": lambda: precompute(folder, given.keywords, num_questions, given.seed),
        "opened": lambda: opened(folder, verify=False),
        "checked": lambda: opened(folder, verify=True),
        "info": lambda: told(folder),
        "selection": lambda: selected(folder, given.runs, given.seed, given.sample),
        "games": lambda: played(folder, given.games, given.rounds, given.seed),
        "wordings": lambda: understood(folder, given.seed),
    }
    with memory_watched() as peaks:
        figures = steps[step]()
    return {**figures, **peaks()}


def in_a_process(step: str, folder: Path, num_questions: int) -> dict[str, float]:
    """Do one step in a process of its own."""
    options = [argument for argument in sys.argv[1:] if argument != "--worker"]
    command = [sys.executable, __file__, *options, "--worker", step, str(folder), str(num_questions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure(place: Path, given: argparse.Namespace) -> dict[int, dict[str, dict[str, float]]]:
    """Do every step for every number of questions, and print as it goes."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for num_questions in given.questions:
        folder = place / f"table-{num_questions}"
        cells = given.keywords * num_questions
        print(f"\n{given.keywords:,} keywords x {num_questions:,} questions: {cells / 1e6:.0f} million cells")
        print(f"{'step':20} {'seconds':>9} {'MiB held':>9} {'MiB own':>9}  besides")
        found[num_questions] = {}
        for step in STEPS:
            figures = found[num_questions][step] = in_a_process(step, folder, num_questions)
            rest = {name: value for name, value in figures.items() if name not in ("seconds", "held", "own")}
            besides = ", ".join(f"{name} {value:.3g}" for name, value in rest.items())
            memory = f"{figures['held']:9.0f} {figures['own']:9.0f}"
            print(f"{step:20} {figures['seconds']:9.3f} {memory}  {besides}", flush=True)
    return found


def figures_of(found: dict[int, dict[str, dict[str, float]]], given: argparse.Namespace) -> list[Figure]:
    """Return what is worth keeping, with limits, and print how it grows."""
    few, many = min(found), max(found)
    figures = []
    for num_questions, steps in found.items():
        size = f"{given.keywords:,} x {num_questions:,}"
        table = given.keywords * num_questions / MIB
        select, build = steps["selection"], steps["built again"]
        figures += [
            Figure(f"{size}: selection", 1e3 * select["seconds"], "ms", 1e3 * select["textbook"], "textbook loop"),
            # Two shards of labels, the codes, and the interpreter with polars; not the labels of the whole table.
            Figure(f"{size}: building, most memory", build["own"], "MiB", limit=2 * table + 700),
            Figure(f"{size}: opening", 1e3 * steps["opened"]["seconds"], "ms"),
            Figure(f"{size}: opening, most memory", steps["opened"]["own"], "MiB", limit=200),
            Figure(f"{size}: selection, most memory", select["own"], "MiB", limit=500),
            Figure(f"{size}: worst move of a game", 1e3 * steps["games"]["seconds"], "ms"),
            Figure(f"{size}: games, most memory", steps["games"]["own"], "MiB", limit=table + 700),
            Figure(f"{size}: preparing wordings", 1e3 * steps["wordings"]["seconds"], "ms"),
        ]
    if many > few:
        more = many / few
        print(f"\ngrowth from {few:,} to {many:,} questions, over the bytes' {more:.1f} times")
        for step in STEPS:
            begun = found[few][step]["seconds"]
            growth = found[many][step]["seconds"] / begun / more
            print(f"{step:20} {growth:6.2f}")
            limit = MOST_GROWTH.get(step) if begun >= LEAST_FOR_GROWTH else None
            figures.append(Figure(f"{step}: growth beside that of the bytes read", growth, "times", limit=limit))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keywords", type=int, default=35_000)
    parser.add_argument("--questions", type=int, nargs="+", default=[2_000, 13_000])
    parser.add_argument("--games", type=int, default=3, help="with each partner")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=7, help="selections of which the median is taken")
    parser.add_argument("--sample", type=int, default=20, help="questions the textbook's loop is timed on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps what is made; else a temporary one")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.worker:
        step, folder, num_questions = given.worker
        print(json.dumps(work(step, Path(folder), given, int(num_questions))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(given.folder or Path(temporary), given)
    tell_figures(figures_of(found, given))


if __name__ == "__main__":
    main()
