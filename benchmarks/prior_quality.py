"""Priors over a vocabulary beside each other: log-loss, rounds, find rate, losers, and whether the numbers hold.

The candidates are those of a run of `tq precompute vocabulary` (its candidates.parquet); where none are given, the
recipe `standard` is run for them, which takes two minutes. The learned prior is judged
twice: by cross-validation by word over the half of the public list that it learns from, and on the other half, which
neither it nor the vocabulary has seen. The first flatters a little: the judges, whose word is one of the features, were
asked about known keywords more often than about new ones. Rounds are those of a bisection with each prior against exact
answers, the handshake first; a secret that is not found counts -1 in the reward.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import polars as pl

from furikaeri_cli.output import Output
from furikaeri_cli.tq.precompute_vocabulary import precompute_vocabulary
from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.precompute.vocabulary import VocabularyLayout
from twenty_questions.precompute.vocabulary_recipe import read_vocabulary_recipe
from twenty_questions.sources.public_list import read_public_list
from twenty_questions.sources.recall import split_words
from twenty_questions.vocabulary.prior_model import PriorConfig
from twenty_questions.vocabulary.prior_plot import plot_reliability
from twenty_questions.vocabulary.prior_study import PriorStudy, study_priors

MOST_LOSERS = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=Path, nargs="?", help="candidates.parquet of a run")
    parser.add_argument("--folder", type=Path, help="keeps the run that is made where no candidates are given")
    parser.add_argument("--parts", type=int, default=10, help="parts of the cross-validation (10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="draw reliability on the training half, cross-validated")
    parser.add_argument("--only", choices=("train", "held-out"), help="judge on one half alone")
    options = parser.parse_args()
    frame = pl.read_parquet(options.candidates) if options.candidates else _made(options.folder)
    split = split_words(read_public_list().keywords, train_share=0.5, seed=0)
    config = PriorConfig()
    figures: list[Figure] = []
    if options.only != "held-out":
        study = study_priors(frame, split.train, config, options.seed, parts=options.parts)
        title = f"{len(split.train)} keywords of the training half, {options.parts}-fold by word"
        _print(title, study)
        figures += _figures(title, study)
        if options.plot:
            plot_reliability(study.bands, options.plot)
    if options.only != "train":
        study = study_priors(frame, split.train, config, options.seed, held_out=split.validation)
        title = f"{len(split.validation)} keywords of the other half"
        _print(title, study)
        figures += _figures(title, study)
    tell_figures(figures)


def _made(folder: Path | None) -> pl.DataFrame:
    """Return the candidates of the standard recipe, run in a folder that is kept or goes afterwards."""
    with tempfile.TemporaryDirectory() as passing:
        place = folder or Path(passing)
        made = precompute_vocabulary(
            read_vocabulary_recipe("standard"), place / "vocabulary.bin", runs=place / "runs", output=Output("quiet")
        )
        return pl.read_parquet(VocabularyLayout(made.folder).candidates)


def _figures(title: str, study: PriorStudy) -> list[Figure]:
    """Return the learned prior's figures, beside the best of the others by each."""
    learned, *others = study.figures
    bits = min(others, key=lambda one: one.bits.value)
    reward = max(others, key=lambda one: one.reward.value)
    return [
        Figure(f"log-loss, {title}", learned.bits.value, "bits", bits.bits.value, bits.name, exact=True),
        Figure(
            f"reward of halving, {title}",
            *(learned.reward.value, "", reward.reward.value, reward.name),
            better="more",
            exact=True,
        ),
        Figure(
            f"those that lose more than two rounds against a uniform prior, {title}",
            *(100 * learned.losers, "%"),
            limit=100 * MOST_LOSERS,
            exact=True,
        ),
    ]


def _print(title: str, study: PriorStudy) -> None:
    print(
        f"\n{title}\n{'prior':<10} {'bits (95 %)':>22} {'rounds':>7} {'found':>7} {'reward (95 %)':>22} {'losers':>7}"
    )
    for one in study.figures:
        print(
            f"{one.name:<10} {one.bits.value:8.2f} [{one.bits.low:5.2f}, {one.bits.high:5.2f}] {one.rounds.value:7.2f} "
            f"{one.find_rate:7.1%} {one.reward.value:8.2f} [{one.reward.low:5.2f}, {one.reward.high:5.2f}] "
            f"{one.losers:7.1%}"
        )
    print("probability from   expected   seen")
    for band in study.bands:
        print(f"{band.low:16.2e} {band.expected:10.1f} {band.seen:6d}")


if __name__ == "__main__":
    main()
