"""How long one whole move of the joint guesser takes, with a vocabulary of a million words.

    OMP_NUM_THREADS=1 uv run benchmarks/joint_move.py           # about two minutes
    OMP_NUM_THREADS=1 uv run benchmarks/joint_move.py --words 1000000 --rounds 8

A move is what happens between two answers: the answer is observed, a guess is chosen, the guess turns out wrong, and
the next question is chosen. The vocabulary is made up, the table is the built-in one, and three types of partner are
reckoned with. Moves are timed in every kind of history: a handshake accepted and declined, then answers about the order
of words, letters, lists and meaning, from an honest partner and from one who lies; and moves as the guesser itself
plays. Times are the processor's, so that other work on the machine does not count, and each move is timed three times
and the fastest taken, since that work slows memory. The aim is at most 50 ms for the worst move at 1,000,000 words.

The naive way makes, for every candidate and answer, the posterior of all words under each type in float64, and its
entropy. A few candidates are timed and the time is multiplied by how many there are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.belief import Answer, entropy_bits
from twenty_questions.bisection import WordList
from twenty_questions.joint import guesser
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.guesser import JointState
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import HANDSHAKE, alphabetical, letter, one_of
from twenty_questions.spelling_questions import letter_questions
from twenty_questions.table import builtin_table

AIM_MS = 50.0
AIM_WORDS = 1_000_000  # up to which the aim holds
SYLLABLES = np.array([a + b for a in "bcdfghklmnprstvw" for b in "aeiou"][::2])


def made_up(count: int, seed: int) -> WordList:
    """Return so many names of one or two made-up words, with a prior as long-tailed as that of real names."""
    rng = np.random.default_rng(seed)
    found: set[str] = set()
    while len(found) < count:
        syllables = SYLLABLES[rng.integers(len(SYLLABLES), size=(count, 7))]
        lengths = rng.integers(2, 8, size=count).tolist()
        for parts, length, two in zip(syllables.tolist(), lengths, (rng.random(count) < 0.6).tolist(), strict=True):
            words = (
                ["".join(parts[:length])] if length < 4 or not two else ["".join(parts[:2]), "".join(parts[2:length])]
            )
            found.add(" ".join(words))
            if len(found) == count:
                break
    prior = rng.pareto(1.2, size=count) + 0.02
    return WordList(tuple(sorted(found)), prior / prior.sum())


def histories(universe: Universe, seed: int) -> Iterator[tuple[str, Iterable[tuple[str, Answer]]]]:
    """Return kinds of history: a name, and questions with answers."""
    rng = np.random.default_rng(seed)
    words = universe.words.words
    size = len(words)
    accepted: list[tuple[str, Answer]] = [(HANDSHAKE.text, "yes")]
    declined: list[tuple[str, Answer]] = [(HANDSHAKE.text, "no")]
    halves = [alphabetical(words[place]).text for place in rng.integers(size, size=8).tolist()]
    secret = size // 3
    order: list[tuple[str, Answer]] = [(text, "yes" if words[secret] < text.split('"')[1] else "no") for text in halves]
    meaning: list[tuple[str, Answer]] = [
        (universe.table.questions[column].text, rng.choice(["yes", "no", "probably"]))
        for column in rng.choice(np.flatnonzero(universe.askable), size=8, replace=False).tolist()
    ]
    spelled: list[tuple[str, Answer]] = [
        (letter("contains", "a").text, "yes"),
        (letter("starts", "g").text, "no"),
        (letter("longer", "8").text, "probably"),
        (one_of([words[place] for place in rng.integers(size, size=40).tolist()]).text, "no"),
    ]
    lies: list[tuple[str, Answer]] = [
        (text, answer if rng.random() < 0.7 else "yes" if answer == "no" else "no") for text, answer in order
    ]
    yield "handshake accepted, order", accepted + order
    yield "handshake accepted, order, lies", accepted + lies
    yield "handshake declined, meaning", declined + meaning
    yield "letters and lists", accepted + spelled + order[:3]
    yield (
        "all kinds in turn",
        declined + [step for four in zip(order, meaning, spelled * 2, strict=True) for step in four],
    )


def timed_move(
    universe: Universe, state: JointState, text: str, answer: Answer, config: JointConfig, seed: int
) -> tuple[JointState, str, dict[str, float]]:
    """Play one move; return the state, the next question's text, and milliseconds by part, of the fastest of three."""
    tries = [_one_move(universe, state, text, answer, config, np.random.default_rng(seed)) for _ in range(3)]
    return min(tries, key=lambda found: found[2]["move"])


def _one_move(
    universe: Universe, state: JointState, text: str, answer: Answer, config: JointConfig, rng: np.random.Generator
) -> tuple[JointState, str, dict[str, float]]:
    marks = [time.process_time()]
    state = guesser.observe(universe, state, text, answer, config)
    marks.append(time.process_time())
    guess, _ = guesser.choose_guess(universe, state, config)
    marks.append(time.process_time())
    state = guesser.exclude(universe, state, guess)
    marks.append(time.process_time())
    question, _ = guesser.choose_question(universe, state, config, rng)
    marks.append(time.process_time())
    parts = dict(zip(("observe", "guess", "exclude", "question"), np.diff(marks) * 1e3, strict=True))
    return state, question.text, {**parts, "move": (marks[-1] - marks[0]) * 1e3}


def naive_ms(universe: Universe, state: JointState, sample: int) -> tuple[float, int]:
    """Return the time of the naive choice in milliseconds, from a sample of candidates, and how many there are."""
    weights = state.belief.weights
    count = int(universe.askable.sum()) + len(letter_questions()) + 3
    rng = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(sample):
        p_yes = np.where(rng.random(weights.shape[1]) < 0.5, 0.9, 0.1)[None]
        left = 0.0
        for likelihood in (p_yes, 1 - p_yes):
            joint = weights * likelihood
            evidence = joint.sum()
            left += evidence * entropy_bits(joint / evidence)
    return (time.process_time() - start) / sample * count * 1e3, count


def measure(num_words: int, rounds: int, seed: int) -> list[Figure]:
    """Print the figures for one size, and return the chief of them."""
    started = time.perf_counter()
    words = made_up(num_words, seed)
    made = time.perf_counter()
    universe = universe_of(builtin_table(), words)
    config = JointConfig()
    rng = np.random.default_rng(seed)
    print(
        f"{len(universe.words.words):,} words (made up in {made - started:.1f} s, joined to the table in "
        f"{time.perf_counter() - made:.1f} s)"
    )
    times: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, list[float]] = defaultdict(list)
    state = guesser.start(universe, config)
    for name, steps in histories(universe, seed):
        state = guesser.start(universe, config)
        for text, answer in steps:
            state, _, spent = timed_move(universe, state, text, answer, config, seed)
            times[name].append(spent["move"])
            for part, value in spent.items():
                parts[part].append(value)
    for name, accepts in (("own play, handshake accepted", True), ("own play, handshake declined", False)):
        state = guesser.start(universe, config)
        text = guesser.choose_question(universe, state, config, rng)[0].text
        for _ in range(rounds):
            says_yes = accepts if text == HANDSHAKE.text else rng.random() < 0.5
            state, text, spent = timed_move(universe, state, text, "yes" if says_yes else "no", config, seed)
            times[name].append(spent["move"])
            for part, value in spent.items():
                parts[part].append(value)
    for name, values in times.items():
        print(f"  {name:34s} median {statistics.median(values):6.1f} ms   worst {max(values):6.1f} ms")
    print(
        "  of a move, median: " + ", ".join(f"{part} {statistics.median(values):.1f}" for part, values in parts.items())
    )
    worst = max(parts["move"])
    within = "within" if worst <= AIM_MS else "BEYOND"
    print(f"  worst of {len(parts['move'])} moves: {worst:.1f} ms, {within} the {AIM_MS:g} ms aimed at for a million")
    naive, candidates = naive_ms(universe, guesser.start(universe, config), sample=3)
    typical = statistics.median(parts["question"])
    print(f"  naive choice among {candidates} candidates: {naive / 1e3:.1f} s, {naive / typical:.0f} times ours")
    size = f"{num_words:,} words"
    return [
        Figure(
            f"worst of {len(parts['move'])} moves, {size}",
            worst,
            "ms",
            limit=AIM_MS if num_words <= AIM_WORDS else None,
        ),
        Figure(f"a move, {size}, median", statistics.median(parts["move"]), "ms"),
        Figure(
            f"choosing among {candidates} questions, {size}, median",
            *(typical, "ms", naive, "a posterior of all words for each answer, from 3 of them"),
        ),
    ]


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, nargs="+", default=[300_000, 1_000_000, 1_500_000], help="sizes")
    parser.add_argument("--rounds", type=int, default=19, help="rounds of the guesser's own games")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    figures = [figure for size in given.words for figure in measure(size, given.rounds, given.seed)]
    tell_figures(figures)


if __name__ == "__main__":
    main()
