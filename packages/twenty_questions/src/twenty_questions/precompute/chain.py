"""The stages of a recipe, in order (io): keywords, questions, ranking, table.

folder/keywords.jsonl    the keywords with their prior
folder/collected.jsonl   every question that was found, without near-duplicates
folder/questions.jsonl   those that are asked
folder/table             the answer table, and every model's own P(yes) in table/shards
folder/requests          what models wrote
folder/sample            the labels that rank the questions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.documents import jsonable
from furikaeri_common.models.config import what_decides
from furikaeri_common.stages import Stage
from furikaeri_common.tasks import Engine, Progress
from twenty_questions.experiments import read_labels
from twenty_questions.labelling.grid import LabelSource, PairGrid, asked_questions
from twenty_questions.labelling.label_progress import LabelProgress, require_labelled
from twenty_questions.labelling.label_sources import source_of
from twenty_questions.labelling.labelled_table import ConsensusConfig, labelled_table, require_fitting
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.shards import label_pairs
from twenty_questions.precompute.keywords import keywords_of
from twenty_questions.precompute.questions import best_questions, collected_questions, sample_of
from twenty_questions.precompute.recipe import NeighbourWords, PrecomputeRecipe, WrittenWords
from twenty_questions.question_sources.question_lists import read_questions, write_questions
from twenty_questions.questions import Question
from twenty_questions.sources.keyword_lists import read_keyword_list, write_keyword_list
from twenty_questions.sources.named_lists import is_public, place_of
from twenty_questions.table import AnswerTable, save_table
from twenty_questions.words import Keyword

__all__ = ["Layout", "Listener", "data_of", "decisive", "stages_of"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies in a run's folder."""

    folder: Path

    @property
    def keywords(self) -> Path:
        """The keyword list."""
        return self.folder / "keywords.jsonl"

    @property
    def collected(self) -> Path:
        """All questions."""
        return self.folder / "collected.jsonl"

    @property
    def questions(self) -> Path:
        """The questions that are asked."""
        return self.folder / "questions.jsonl"

    @property
    def table(self) -> Path:
        """The answer table."""
        return self.folder / "table"

    @property
    def requests(self) -> Path:
        """What models wrote."""
        return self.folder / "requests"

    @property
    def sample(self) -> Path:
        """Labels of a sample of keywords."""
        return self.folder / "sample"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """Who is told of progress.

    Attributes:
        requests: of what models are asked to write.
        labels: of pairs.
    """

    requests: Callable[[Progress], None] = lambda progress: None
    labels: Callable[[LabelProgress], None] = lambda progress: None


def decisive(recipe: PrecomputeRecipe) -> dict[str, Any]:
    """Return a recipe as JSON has it, but for how servers are reached; see `models.config.what_decides`."""
    document: dict[str, Any] = jsonable(recipe)
    document["models"] = jsonable([what_decides(model) for model in recipe.models])
    document["keywords"]["llm"] = jsonable([what_decides(source) for source in recipe.keywords.llm])
    document["questions"]["llm"] = jsonable([what_decides(source) for source in recipe.questions.llm])
    return document


def data_of(recipe: PrecomputeRecipe) -> dict[str, str]:
    """Return the SHA-256 of every file and folder that a recipe reads, by the name that the recipe gives it.

    Raises:
        InputError: if one is missing.
    """
    words = [source.given for source in recipe.keywords.sources if isinstance(source, WrittenWords | NeighbourWords)]
    words += [source.list for source in recipe.keywords.file]
    lists = [name for name in (*words, recipe.keywords.exclude) if name and not is_public(name)]
    files = {name: place_of(name) for name in (*lists, *recipe.questions.file)}
    others = [name for source in recipe.questions.games for name in source.games]
    others += [recipe.table.gold] if recipe.table.gold else []
    others += [model.leanings for model in recipe.models if model.leanings]
    files |= {name: Path(name).expanduser() for name in others}
    return {name: fingerprint_of(path) for name, path in files.items()}


def stages_of(
    recipe: PrecomputeRecipe,
    folder: Path,
    *,
    open_model: Callable[[LabellerConfig], Labeller],
    engine: Engine | None = None,
    listener: Listener | None = None,
) -> list[Stage]:
    """Return the stages of a recipe.

    Args:
        recipe: what is made.
        folder: the run's.
        open_model: opens a labeller (`labelling.opening.open_labeller`).
        engine: whose workers write and label, and hold the models; None: this process.
        listener: who is told of progress.

    Raises:
        InputError: if a model, a prompt or the gold set is missing.
    """
    layout, told = Layout(folder), listener or Listener()
    sources = [source_of(model, open_model, is_here=engine is None) for model in recipe.models]
    gold = read_labels(Path(recipe.table.gold).expanduser()) if recipe.table.gold else []
    data = data_of(recipe)

    def keywords() -> Mapping[str, object]:
        made = keywords_of(recipe.keywords, layout.requests, seed=recipe.seed, engine=engine, on_progress=told.requests)
        write_keyword_list(layout.keywords, made)
        return {"keywords": len(made), "prior_ratio": float(made.prior.max() / made.prior.min())}

    def questions() -> Mapping[str, object]:
        held = read_keyword_list(layout.keywords)
        found = collected_questions(
            recipe.questions, held, layout.requests, seed=recipe.seed, engine=engine, on_progress=told.requests
        )
        write_questions(layout.collected, [*found.meaning, *found.letters])
        return {
            "given": found.given,
            "written": found.written,
            "meaning": len(found.meaning),
            "letters": len(found.letters),
            "embedder": found.embedder,
        }

    def ranking() -> Mapping[str, object]:
        held, everything = read_keyword_list(layout.keywords), read_questions(layout.collected)
        meaning = [question for question in everything if question.kind == "table"]
        others = [question for question in everything if question.kind != "table"]
        budget, labelled = recipe.questions.budget or len(meaning), 0
        if len(meaning) > budget:
            rows = sample_of(held, recipe.questions.sample, seed=recipe.seed)
            chosen = [held.keywords[row] for row in rows]
            prior = held.prior[rows] / held.prior[rows].sum()
            uncalibrated = ConsensusConfig(calibration="none")
            table = _table(chosen, prior, meaning, sources[:1], layout.sample, uncalibrated, told.labels, engine=engine)
            meaning, labelled = best_questions(table, budget, seed=recipe.seed), table.codes.size
        write_questions(layout.questions, [*meaning, *others])
        return {"questions": len(meaning) + len(others), "meaning": len(meaning), "pairs": labelled}

    def table() -> Mapping[str, object]:
        held, asked = read_keyword_list(layout.keywords), read_questions(layout.questions)
        require_fitting(held.keywords, asked, gold)
        config = ConsensusConfig(
            average=recipe.table.average,
            weights=recipe.table.weights or None,
            calibration=recipe.table.calibration if gold else "none",
            calibrated=recipe.table.calibrated,
        )
        made = _table(
            held.keywords, held.prior, asked, sources, layout.table / "shards", config, told.labels,
            shard=recipe.table.shard, gold=gold, engine=engine,
        )  # fmt: skip
        save_table(made, layout.table)
        return {"keywords": len(held), "questions": len(asked), "pairs": len(held) * len(asked_questions(asked))}

    settings: dict[str, Any] = {"seed": recipe.seed, "data": data}
    first, document = [source.settings for source in sources[:1]], decisive(recipe)
    return [
        Stage("keywords", keywords, {**settings, "part": document["keywords"]}, (layout.keywords,)),
        Stage("questions", questions, {**settings, "part": document["questions"]}, (layout.collected,)),
        Stage("ranking", ranking, {**settings, "labeller": first}, (layout.questions,)),
        Stage(
            "table",
            table,
            {**settings, "part": jsonable(recipe.table), "labellers": [source.settings for source in sources]},
            (layout.table / "manifest.json",),
        ),
    ]


def _table(
    keywords: Sequence[Keyword],
    prior: Any,
    questions: Sequence[Question],
    sources: Sequence[LabelSource],
    shards: Path,
    config: ConsensusConfig,
    on_progress: Callable[[LabelProgress], None],
    *,
    shard: int = 4,
    gold: Sequence[Any] = (),
    engine: Engine | None = None,
) -> AnswerTable:
    names = tuple(keyword.name for keyword in keywords)
    grid = PairGrid(keywords=names, questions=asked_questions(questions), per_shard=shard)
    stores = require_labelled(label_pairs(grid, sources, shards, engine=engine, on_progress=on_progress))
    return labelled_table(
        keywords,
        prior,
        questions,
        grid,
        [(store.model, store.identity) for store in stores],
        lambda number: np.stack([store.read(number) for store in stores]),
        config=config,
        gold=gold,
    ).table
