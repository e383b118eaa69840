"""In how many rounds alphabetical strategies find a word drawn from the prior, beside the limit that none can beat.

    uv run python benchmarks/alphabetical_play.py [--words FILE [--secrets FILE]] [--seeds 3] [--draws 20000]

The prior is that of a vocabulary or a word file (a word, a tab and a weight a line), or made up: a million words at
random alphabetical places, of which 3,000 hold 60 % of the mass, 30,000 hold 25 %, 100,000 hold 10 % and the rest 5 %,
with log-normal weights within. Every game opens with the handshake, and the limit counts it:
sum_i p_(i) (floor(log2 i) + 1).

The rivals' means are exact. Ours is estimated from games with secrets drawn from the prior; what is averaged is how
much later than its rank allows a word is found, which varies far less than the round itself, and the limit is added.
The reward is the contest's: 21 - r for a hit in round r of 20, and -1 for none. With `--secrets`, a name on each line,
these are played as well: `of_secrets` is the share found in 20 rounds and the mean reward over all, those that the list
lacks included. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.alphabetical_players import (
    find_soonest,
    guess_the_split_word,
    halve_and_guess_best,
    public_agent_alpha,
    rounds_of_secrets,
)
from twenty_questions.bisection import WordList, forms_of
from twenty_questions.evaluation import fewest_rounds
from twenty_questions.named_words import words_named
from twenty_questions.word_files import read_words

GROUPS = ((3_000, 0.60), (30_000, 0.25), (100_000, 0.10), (867_000, 0.05))
ROUNDS = 20
LOST_AT_MOST = 0.15  # rounds above the limit, for a vocabulary's own prior
RIVALS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.int64]]] = {
    "public_agent_alpha": public_agent_alpha,
    "guess_the_split_word": guess_the_split_word,
    "halve_and_guess_best": halve_and_guess_best,
}


def made_up(seed: int) -> NDArray[np.float64]:
    """Return a prior with a heavy tail, in random order."""
    rng = np.random.default_rng(seed)
    weights = [rng.lognormal(0.0, 1.0, count) for count, _ in GROUPS]
    prior = np.concatenate([share * w / w.sum() for w, (_, share) in zip(weights, GROUPS, strict=True)])
    rng.shuffle(prior)
    return prior / prior.sum()


def reward(found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the contest's reward for a hit in each round."""
    return np.where(found <= ROUNDS, ROUNDS + 1.0 - found, -1.0)


def of_secrets(
    play: Callable[[NDArray[np.int64]], NDArray[np.int64]], words: WordList, secrets: Sequence[str]
) -> dict[str, float]:
    """Return the share of secrets that a strategy finds in 20 rounds, and its mean reward.

    Args:
        play: positions in the list to the rounds in which they are found.
        words: the list.
        secrets: names.
    """
    forms = forms_of(words)
    near = np.unique(np.concatenate([forms.positions(secret) for secret in secrets]))
    found = np.zeros(len(words.words), dtype=np.int64)
    found[near] = play(near)
    rounds = rounds_of_secrets(found, forms, secrets)
    rounds[rounds == 0] = ROUNDS + 1
    return {
        "found_in_20": round(float((rounds <= ROUNDS).mean()), 4),
        "reward": round(float(reward(rounds).mean()), 4),
        "rounds_of_found": round(float(rounds[rounds <= ROUNDS].mean()), 4),
    }


def measure(prior: NDArray[np.float64], draws: int, seed: int) -> dict[str, Any]:
    """Return each strategy's mean rounds, loss against the limit, find rate within 20 rounds, reward and seconds."""
    limit = fewest_rounds(prior, handshake=True)
    at_best = np.empty(prior.size, dtype=np.int64)
    at_best[np.argsort(-prior, kind="stable")] = np.frexp(np.arange(1.0, prior.size + 1))[1]
    report: dict[str, Any] = {"words": prior.size, "limit": round(limit, 4)}
    report["reward_limit"] = round(float(prior @ reward(at_best)), 4)
    for name, play in RIVALS.items():
        started = time.perf_counter()
        found = play(prior)
        report[name] = {
            "rounds": round(float(prior @ found), 4),
            "lost": round(float(prior @ found) - limit, 4),
            "found_in_20": round(float(prior[found <= ROUNDS].sum()), 4),
            "reward": round(float(prior @ reward(found)), 4),
            "seconds": round(time.perf_counter() - started, 1),
        }
    secrets = np.random.default_rng([seed, 1]).choice(prior.size, size=draws, p=prior)
    for name, end in (("find_soonest", None), ("find_soonest_in_20", ROUNDS)):
        started = time.perf_counter()
        found = find_soonest(prior, secrets, rounds=end)
        later = found - at_best[secrets]
        gained = reward(found) - reward(at_best[secrets])
        report[name] = {
            "rounds": round(limit + float(later.mean()), 4),
            "lost": round(float(later.mean()), 4),
            "standard_error": round(float(later.std() / np.sqrt(draws)), 4),
            "found_in_20": round(float((found <= ROUNDS).mean()), 4),
            "reward": round(report["reward_limit"] + float(gained.mean()), 4),
            "seconds": round(time.perf_counter() - started, 1),
        }
    return report


def main() -> None:
    """Measure all strategies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--words", help="`built-in`, a vocabulary or a word file with weights; made-up priors by default"
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many priors are made up")
    parser.add_argument("--draws", type=int, default=20_000, help="how many games are played for ours")
    parser.add_argument("--secrets", type=Path, help="a file of names to play as well; needs --words")
    options = parser.parse_args()
    if options.secrets and not options.words:
        parser.error("--secrets needs --words")
    if options.words:
        words = words_named(options.words)
        reports = [measure(words.prior, options.draws, 0)]
        if options.secrets:
            secrets = read_words(options.secrets).words
            for name, play in RIVALS.items():
                found = play(words.prior)
                reports[0][name]["of_secrets"] = of_secrets(found.__getitem__, words, secrets)
            reports[0]["find_soonest_in_20"]["of_secrets"] = of_secrets(
                lambda positions: find_soonest(words.prior, positions, rounds=ROUNDS), words, secrets
            )
    else:
        reports = [measure(made_up(seed), options.draws, seed) for seed in range(options.seeds)]
    print(json.dumps(reports, indent=2))
    tell_figures(_figures(reports, LOST_AT_MOST if options.words else None))


def _figures(reports: Sequence[dict[str, Any]], lost_at_most: float | None) -> list[Figure]:
    """Return what is told of the reports: their means, beside the rival that comes nearest to ours."""
    size = f"{reports[0]['words']:,} words"

    def mean(name: str, value: str) -> float:
        return float(np.mean([report[name][value] for report in reports]))

    figures = []
    for what, ours, value, unit, better in (
        ("rounds above the limit", "find_soonest", "lost", "rounds", "less"),
        ("found in 20 rounds", "find_soonest_in_20", "found_in_20", "%", "more"),
        ("mean reward", "find_soonest_in_20", "reward", "", "more"),
    ):
        by, times = ("lost", 1) if value == "lost" else ("rounds", 100 if unit == "%" else 1)
        rival = min(RIVALS, key=lambda name: mean(name, by))
        for name in (rival, "public_agent_alpha"):
            against = name.replace("_", " ")
            title = f"{what}, {size} drawn from the prior" + ("" if name == rival else ", beside the public agent")
            values = (times * mean(ours, value), unit, times * mean(name, value), against)
            limit = lost_at_most if value == "lost" and name == rival else None
            figures.append(Figure(title, *values, limit=limit, better=better, exact=True))
    if "of_secrets" in reports[0]["find_soonest_in_20"]:
        own, theirs = (reports[0][name]["of_secrets"] for name in ("find_soonest_in_20", "halve_and_guess_best"))
        figures.append(
            Figure(
                f"mean reward, the given names among {size}",
                *(own["reward"], "", theirs["reward"], "halve and guess best"),
                better="more",
                exact=True,
            )
        )
    return figures


if __name__ == "__main__":
    main()
