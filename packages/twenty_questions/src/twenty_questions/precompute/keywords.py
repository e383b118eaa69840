"""The keywords of a recipe (io: models are asked, files are read)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models.config import model_part
from furikaeri_common.models.writing import open_once
from furikaeri_common.tasks import Progress, require_all, run_tasks
from twenty_questions.precompute.recipe import (
    KeywordsPart,
    NeighbourWords,
    WordNetWords,
    WrittenWords,
)
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.language_model import LlmConfig, keywords_of_shards, shards_of, write_shard
from twenty_questions.sources.merging import cut_off, merge_lists, merge_samples, without_words
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.neighbours import wordnet_neighbours
from twenty_questions.sources.priors import cap_ratio, prior_of_counts
from twenty_questions.sources.wordnet import descendants, find_synset, lemma_names, read_wordnet

__all__ = ["keywords_of", "shaped"]


def keywords_of(
    part: KeywordsPart, store: Path, *, seed: int, on_progress: Callable[[Progress], None] | None = None
) -> KeywordList:
    """Return the keywords of a recipe.

    Args:
        part: what the recipe says of them.
        store: the folder that keeps what models wrote.
        seed: of everything random.
        on_progress: told of requests.

    Raises:
        InputError: if a source cannot be read, or nothing is left.
        WorkError: if a model cannot be asked, or writes no name.
    """
    lists, weights = [], []
    for number, source in enumerate(part.sources):
        if isinstance(source, WordNetWords):
            wordnet = read_wordnet()
            below = descendants(wordnet, find_synset(wordnet, source.synset), instances=source.instances)
            samples = [lemma_names([one], source.lemmas) for one in below]
            lists.append(_merged(samples, "wordnet"))
        elif isinstance(source, NeighbourWords):
            given = read_named_list(source.given).keywords
            samples = wordnet_neighbours(
                read_wordnet(), given, steps=source.steps, num_senses=source.senses, lemmas=source.lemmas
            )
            lists.append(_merged(samples, "neighbours"))
        elif isinstance(source, WrittenWords):
            written = _written(source, store / f"keywords-{number}", seed, on_progress)
            if written is None:
                continue
            lists.append(written)
        else:
            lists.append(read_named_list(source.list))
        weights.append(source.weight)
    if not lists:
        raise WorkError("no model wrote anything that is a name", fix=f"Look at the texts in {store}")
    return shaped(merge_lists(lists, weights), part)


def shaped(keywords: KeywordList, part: KeywordsPart) -> KeywordList:
    """Return what a recipe keeps of a list, with the prior that it asks for."""
    try:
        if part.exclude:
            keywords = without_words(keywords, read_named_list(part.exclude).keywords)
        keywords = cut_off(keywords, part.least)
    except ValueError as error:
        raise InputError(f"no keyword is left: {error}", fix="Lower least, or exclude less") from error
    prior = keywords.prior if part.prior == "mixed" else prior_of_counts(keywords.counts, smoothing=part.smoothing)
    kept = np.argsort(-prior, kind="stable")[: part.limit or None]
    chosen = prior[kept] / prior[kept].sum()
    return dataclasses.replace(
        keywords,
        keywords=tuple(keywords.keywords[row] for row in kept),
        counts=keywords.counts[kept],
        prior=cap_ratio(chosen, part.cap) if part.cap else chosen,
        sources=tuple(keywords.sources[row] for row in kept),
    )


def _merged(samples: list[list[str]], source: str) -> KeywordList:
    try:
        return merge_samples(samples, source=source)
    except ValueError as error:
        raise InputError(
            f"the source {source} gives no keyword ({error})", fix="Name a wider synset, or more words"
        ) from error


def _written(
    source: WrittenWords, store: Path, seed: int, on_progress: Callable[[Progress], None] | None
) -> KeywordList | None:
    """Return what a model wrote; None if none of it is a name."""
    given = read_named_list(source.given).keywords
    config = LlmConfig(requests=source.requests, shown=source.shown, asked=source.asked, temperature=source.temperature)
    writer = open_once(model_part(source))
    try:
        tasks = shards_of(given, config, model_part(source), identity=writer.identity, seed=seed)
        report = run_tasks(write_shard, tasks, store=store, engine=LocalProcesses(0), on_progress=on_progress)
        values = require_all(report)
        return keywords_of_shards(values, source=writer.name)
    except ValueError:
        return None
    finally:
        open_once.cache_clear()
