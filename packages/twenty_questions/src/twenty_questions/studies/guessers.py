"""What a guesser is worth with partners of known behaviour (io): games with their guesses, and how near these came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from furikaeri_common.configs import config_from
from furikaeri_common.embedders import Encoder
from furikaeri_common.errors import WorkError
from twenty_questions.answerer import answer
from twenty_questions.belief import Answer
from twenty_questions.experiments import outcome_of
from twenty_questions.panel import PanelConfig, open_panel
from twenty_questions.questions import Question
from twenty_questions.simulated_partners import Partner
from twenty_questions.simulation import Outcome, Summary, summarise
from twenty_questions.studies.intervals import Estimate, mean_estimate
from twenty_questions.studies.similarities import best_similarities
from twenty_questions.voting import Voter, make_fallback
from twenty_questions.words import Keyword

__all__ = ["ANSWERER", "GuesserFigures", "answering_partner", "play_and_keep", "study_guesser"]

ANSWERER = "answerer"
"""The partner that answers as ours does in the contest: rules of spelling first, then models that vote."""


class GuesserFigures(NamedTuple):
    """How well a guesser does with a partner.

    Attributes:
        summary: find rate, rounds and rewards.
        score: mean over the games of the largest cosine similarity of a guess with the keyword; NaN without embedder.
        score_where_lost: the same over the games in which the keyword was not found.
    """

    summary: Summary
    score: Estimate
    score_where_lost: Estimate


def answering_partner(voter: Voter) -> Partner:
    """Return a partner that answers by the rules of spelling, and else as models vote; no where none of them can tell.

    Args:
        voter: of the models; it may take as long as it needs.
    """
    fallback = make_fallback(voter)

    def say(keyword: Keyword, question: Question, rng: np.random.Generator) -> Answer:
        told = answer(question.text, keyword.name, fallback).answer
        if voter.failures:
            name, reason = next(iter(voter.failures.items()))
            raise WorkError(f"{name}: {reason}")
        return "yes" if told else "no"

    return say


def play_and_keep(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Play one part of a simulation; a task (see `furikaeri_common.tasks`).

    Args:
        inputs: see `experiments.outcome_of`; for the partner `ANSWERER` also `panel`, the document of a `PanelConfig`.
        folder: not used.

    Returns:
        `found_in`: the round of the hit of each game, 0 for none; `guesses`: what was guessed in each.
    """
    partner = None
    if inputs["partner"] == ANSWERER:
        partner = answering_partner(_voter(json.dumps(inputs["panel"], sort_keys=True)))
    outcome = outcome_of(inputs, partner)
    return {"found_in": outcome.found_in.tolist(), "guesses": outcome.guesses}


@lru_cache(maxsize=1)
def _voter(panel: str) -> Voter:
    """Open the models once for all parts that a process plays."""
    voter = open_panel(config_from(PanelConfig, json.loads(panel), source="the panel"))
    voter.prepare()
    return voter


def study_guesser(
    found_in: Sequence[int],
    guesses: Sequence[Sequence[str]],
    keywords: Sequence[str],
    *,
    rounds: int,
    encoder: Encoder | None = None,
) -> GuesserFigures:
    """Return the figures of games.

    Args:
        found_in: the round of each hit, from 1; 0 for none.
        guesses: what was guessed in each game.
        keywords: the secret of each game.
        rounds: how many rounds a game had.
        encoder: of sentences; None: no scores.

    Raises:
        ValueError: if there is no game.
    """
    found = np.asarray(found_in, dtype=np.int64)
    best = np.full(len(found), np.nan)
    if encoder is not None:
        best = best_similarities(encoder, keywords, guesses)
    told = np.isfinite(best)
    return GuesserFigures(
        summary=summarise(Outcome(found, ()), rounds=rounds),
        score=mean_estimate(best[told]),
        score_where_lost=mean_estimate(best[told & (found == 0)]),
    )
