"""Vocabularies far beyond the built-in one: written, opened, and played from.

    OMP_NUM_THREADS=1 uv run python benchmarks/large_vocabulary.py               # about ten minutes
    OMP_NUM_THREADS=1 uv run python benchmarks/large_vocabulary.py --words 20000 40000 --games 1

Names are made up, of one or two words each, with a prior as long-tailed as that of real names (see `joint_move`). They
are written as one compact file and read again, beside the same words and weights as a text file. Then both players
play: bisection, with an exact partner, and the guesser with one belief over partner and keyword, with an exact partner
and with one who declines the handshake. A move is what happens between two answers: the answer is observed, a guess is
chosen, turns out wrong, and the next question is chosen.

Each step is measured in a process of its own; `MiB` is the most that was resident at once, interpreter included. Moves
are timed by the processor's time, so that other work on the machine does not count. Growth is how many times more a
step takes with the most words than with the fewest, over how many times more words there are: 1 is linear, and what
does not depend on the words, such as the interpreter's own memory, makes it less.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from joint_move import histories, made_up, timed_move
from large_table import memory_watched
from twenty_questions import bisection
from twenty_questions.belief import Answer
from twenty_questions.bisection import WordList
from twenty_questions.joint import guesser
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.universe import universe_of
from twenty_questions.questions import HANDSHAKE
from twenty_questions.table import builtin_table
from twenty_questions.vocabulary.packed import read_vocabulary, write_vocabulary
from twenty_questions.word_files import read_words

STEPS = ("written", "opened", "opened as text", "bisection", "one belief")
MOST_GROWTH = 1.25
MOST_MOVE = 75.0  # ms at 1,500,000 words: 50 at a million
MOST_MEMORY = 700.0  # bytes a word, with all that a guesser holds


def write(file: Path, num_words: int, seed: int) -> dict[str, float]:
    """Make words up and write them; making them up does not count."""
    words = made_up(num_words, seed)
    lines = (f"{word}\t{weight!r}\n" for word, weight in zip(words.words, words.prior.tolist(), strict=True))
    file.with_suffix(".txt").write_text("".join(lines), encoding="utf-8")
    begin = time.perf_counter()
    write_vocabulary(file, words, {"made up": True, "seed": seed})
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "bytes a word": file.stat().st_size / num_words}


def open_packed(file: Path) -> dict[str, float]:
    """Read the compact file."""
    begin = time.perf_counter()
    words = read_vocabulary(file)
    return {"seconds": time.perf_counter() - begin, "words": len(words.words)}


def open_text(file: Path) -> dict[str, float]:
    """Read the text file."""
    begin = time.perf_counter()
    words = read_words(file.with_suffix(".txt"))
    return {"seconds": time.perf_counter() - begin, "words": len(words.words)}


def bisect(file: Path, games: int, seed: int) -> dict[str, float]:
    """Play games by halving the mass until the word is found."""
    words = read_vocabulary(file)
    begin = time.perf_counter()
    bisection.forms_of(words)
    prepared = time.perf_counter() - begin
    worst, rounds = 0.0, []
    for secret in secrets(words, 10 * games, seed):
        interval, count = bisection.start(words), 0
        while True:
            count += 1
            begin = time.process_time()
            halves = bisection.soonest_split(words, interval)
            if halves is not None:
                argument = halves.question.argument
                interval = bisection.narrow(words, interval, argument, words.words[secret].lower() < argument)
            guess = bisection.best_word(words, interval)
            assert guess is not None
            if hit := guess == words.words[secret]:
                rounds.append(count)
            else:
                interval = bisection.exclude(words, interval, guess)
            worst = max(worst, time.process_time() - begin)
            if hit:
                break
    return {"seconds": prepared, "worst move": 1e3 * worst, "mean rounds": statistics.mean(rounds)}


def hold_one_belief(file: Path, games: int, seed: int) -> dict[str, float]:
    """Join the words to the built-in table and play games, and moves of every other kind of history."""
    words = read_vocabulary(file)
    begin = time.perf_counter()
    universe = universe_of(builtin_table(), words)
    config = JointConfig()
    guesser.start(universe, config)
    prepared = time.perf_counter() - begin
    moves = []
    for _, steps in histories(universe, seed):
        state = guesser.start(universe, config)
        for text, answer in steps:
            state, _, spent = timed_move(universe, state, text, answer, config, seed)
            moves.append(spent["move"])
    for secret in secrets(universe.words, games, seed):
        for accepts in (True, False):
            state, rng = guesser.start(universe, config), np.random.default_rng(seed)
            text = guesser.choose_question(universe, state, config, rng)[0].text
            for _ in range(config.rounds - 1):
                said = answer_of(text, universe.words, secret, rng, accepts=accepts)
                state, text, spent = timed_move(universe, state, text, said, config, seed)
                moves.append(spent["move"])
    return {"seconds": prepared, "worst move": max(moves), "median move": statistics.median(moves)}


def answer_of(text: str, words: WordList, secret: int, rng: np.random.Generator, *, accepts: bool) -> Answer:
    """Return an honest answer about the order of words, and any other, but to the handshake, by a draw."""
    if text == HANDSHAKE.text:
        return "yes" if accepts else "no"
    quoted = text.split('"')
    if accepts and len(quoted) == 3:
        return "yes" if words.words[secret].lower() < quoted[1] else "no"
    return "yes" if rng.random() < 0.5 else "no"


def secrets(words: WordList, games: int, seed: int) -> list[int]:
    """Return secrets drawn from the prior."""
    drawn: list[int] = np.random.default_rng(seed).choice(len(words.words), size=games, p=words.prior).tolist()
    return drawn


def work(step: str, file: Path, num_words: int, given: argparse.Namespace) -> dict[str, float]:
    """Do one step in this process."""
    steps: dict[str, Callable[[], dict[str, float]]] = {
        "written": lambda: write(file, num_words, given.seed),
        "opened": lambda: open_packed(file),
        "opened as text": lambda: open_text(file),
        "bisection": lambda: bisect(file, given.games, given.seed),
        "one belief": lambda: hold_one_belief(file, given.games, given.seed),
    }
    with memory_watched() as peaks:
        figures = steps[step]()
    return {**figures, "held": peaks()["held"]}


def in_a_process(step: str, file: Path, num_words: int) -> dict[str, float]:
    """Do one step in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", step, str(file), str(num_words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure(place: Path, given: argparse.Namespace) -> dict[int, dict[str, dict[str, float]]]:
    """Do every step for every number of words, and print as it goes."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for num_words in given.words:
        print(f"\n{num_words:,} words\n{'step':16} {'seconds':>9} {'MiB':>7}  besides")
        found[num_words] = {}
        for step in STEPS:
            figures = found[num_words][step] = in_a_process(step, place / f"{num_words}.bin", num_words)
            rest = {name: value for name, value in figures.items() if name not in ("seconds", "held", "words")}
            besides = ", ".join(f"{name} {value:.3g}{' ms' * name.endswith('move')}" for name, value in rest.items())
            print(f"{step:16} {figures['seconds']:9.2f} {figures['held']:7.0f}  {besides}", flush=True)
    return found


def figures_of(found: dict[int, dict[str, dict[str, float]]]) -> list[Figure]:
    """Return what is worth keeping, with limits, and print how it grows."""
    few, many = min(found), max(found)
    figures = []
    for num_words, steps in found.items():
        size = f"{num_words:,} words"
        opened, text, belief = steps["opened"], steps["opened as text"], steps["one belief"]
        most = MOST_MOVE * max(1.0, num_words / 1_500_000)
        memory = MOST_MEMORY * num_words / 2**20 + 150
        figures += [
            Figure(f"{size}: opening", 1e3 * opened["seconds"], "ms", 1e3 * text["seconds"], "a text file"),
            Figure(f"{size}: opening, most memory", opened["held"], "MiB", text["held"], "a text file"),
            Figure(f"{size}: worst move of bisection", steps["bisection"]["worst move"], "ms", limit=most),
            Figure(f"{size}: worst move of one belief", belief["worst move"], "ms", limit=most),
            Figure(f"{size}: one belief, most memory", belief["held"], "MiB", limit=memory),
        ]
    if many > few:
        more = many / few
        print(f"\ngrowth from {few:,} to {many:,} words, over their {more:.2f} times")
        for step, what in (
            ("written", "seconds"),
            ("opened", "seconds"),
            ("opened", "held"),
            ("bisection", "worst move"),
            ("one belief", "seconds"),
            ("one belief", "worst move"),
            ("one belief", "held"),
        ):
            growth = found[many][step][what] / found[few][step][what] / more
            print(f"{step:16} {what:12} {growth:6.2f}")
            # Compressing looks further back the more there is, and no game waits for it.
            limit = None if step == "written" else MOST_GROWTH
            figures.append(Figure(f"{step}, {what}: growth beside that of the words", growth, "times", limit=limit))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, nargs="+", default=[750_000, 1_500_000], help="sizes")
    parser.add_argument("--games", type=int, default=2, help="with each player and partner")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps what is made; else a temporary one")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.worker:
        step, file, num_words = given.worker
        print(json.dumps(work(step, Path(file), int(num_words), given)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        found = measure(place, given)
    tell_figures(figures_of(found))


if __name__ == "__main__":
    main()
