"""The questions of a recipe (io: models are asked, files are read): collected, and ranked if they are too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from furikaeri_common.embedders import DEFAULT_EMBEDDER, Encoder, open_embedder
from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models.config import model_part
from furikaeri_common.models.places import models_folder
from furikaeri_common.tasks import Engine, Progress
from twenty_questions.game_files import game_files, read_all_games
from twenty_questions.precompute.recipe import QuestionsPart, WrittenQuestions
from twenty_questions.question_sources.language_model import (
    collect,
    halving_tasks,
    shown_names,
    write_part,
)
from twenty_questions.question_sources.letters import splitting_letters
from twenty_questions.question_sources.mined import mine
from twenty_questions.question_sources.near_duplicates import THRESHOLD, merge_near_duplicates
from twenty_questions.question_sources.question_lists import CountedQuestion, read_counted
from twenty_questions.question_sources.ranking import rank_questions
from twenty_questions.questions import Question
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.named_lists import place_of
from twenty_questions.table import AnswerTable
from twenty_questions.writers import written

__all__ = ["Collected", "best_questions", "collected_questions", "sample_of"]

_NOISE = 0.05


class Collected(NamedTuple):
    """Questions without near-duplicates.

    Attributes:
        meaning: those that models must be asked, the most often met first.
        letters: those that spelling answers.
        given: how many of those that models must be asked there were in all sources together.
        written: how many of all questions models wrote.
        embedder: what compared them; "off" for words alone.
    """

    meaning: list[CountedQuestion]
    letters: list[CountedQuestion]
    given: int
    written: int
    embedder: str


def collected_questions(
    part: QuestionsPart,
    keywords: KeywordList,
    store: Path,
    *,
    seed: int,
    engine: Engine | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Collected:
    """Return the questions of all of a recipe's sources.

    Args:
        part: what the recipe says of them.
        keywords: which things they are about.
        store: the folder that keeps what models wrote.
        seed: of everything random.
        engine: where models write; None: this process.
        on_progress: told of requests.

    Raises:
        InputError: if a source cannot be read, or gives nothing.
        WorkError: if a model cannot be asked.
    """
    counted = [one for name in part.file for one in read_counted(place_of(name))]
    for logs in part.games:
        games = read_all_games(game_files([Path(name).expanduser() for name in logs.games])).games
        counted += mine(games, least_count=logs.least).questions
    listed = len(counted)
    for number, source in enumerate(part.llm):
        counted += _written(
            source, keywords, store / f"questions-{number}", seed, engine or LocalProcesses(0), on_progress
        )
    meaning = [one for one in counted if one.question.kind == "table"]
    if not meaning:
        raise InputError("the recipe's sources give no question of meaning", fix="Give more games or lists")
    encoder, embedder = _encoder(part.embeddings)
    merged = merge_near_duplicates(meaning, encoder, threshold=part.threshold or THRESHOLD)
    names = [keyword.name for keyword in keywords.keywords]
    letters = splitting_letters(names, keywords.prior, least_share=part.least_share) if part.letters else []
    taken = {one.question.key for one in letters}
    return Collected(
        [one for one in merged.questions if one.question.key not in taken],
        letters,
        len(meaning),
        len(counted) - listed,
        embedder,
    )


def sample_of(keywords: KeywordList, number: int, *, seed: int) -> list[int]:
    """Return rows of keywords drawn by the prior without replacement, ascending."""
    chosen = np.random.default_rng([seed, 2]).choice(
        len(keywords), size=min(number, len(keywords)), replace=False, p=keywords.prior
    )
    return sorted(int(row) for row in chosen)


def best_questions(table: AnswerTable, budget: int, *, seed: int) -> list[Question]:
    """Return the questions of a table that tell most together, the best first, `budget` at most."""
    ranking = rank_questions(table.codes, table.prior, budget=budget, seed=seed, noise=_NOISE)
    return [table.questions[step.column] for step in ranking.steps]


def _written(
    source: WrittenQuestions,
    keywords: KeywordList,
    store: Path,
    seed: int,
    engine: Engine,
    on_progress: Callable[[Progress], None] | None,
) -> Sequence[CountedQuestion]:
    names = [keyword.name for keyword in keywords.keywords]
    writer, values = written(
        write_part,
        lambda writer: halving_tasks(
            names, keywords.prior, source.how, writer.model, identity=writer.identity, seed=seed
        ),
        model_part(source),
        most=source.how.num_tasks,
        store=store,
        engine=engine,
        on_progress=on_progress,
    )
    texts = [text for value in values for text in value["texts"]]
    shown = shown_names(names, keywords.prior, source.how, seed=seed)
    return collect(texts, shown, least_count=source.least, source=writer.name).questions


def _encoder(embeddings: str) -> tuple[Encoder | None, str]:
    if embeddings == "off":
        return None, "off"
    name = DEFAULT_EMBEDDER if embeddings == "auto" else embeddings
    try:
        return open_embedder(name, folders=[models_folder()]), name
    except (InputError, MissingExtraError):
        if embeddings != "auto":
            raise
        return None, "off"
