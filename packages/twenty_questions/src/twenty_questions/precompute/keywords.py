"""The keywords of a recipe (io: models are asked, files are read)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from furikaeri_common.errors import WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models.config import model_part
from furikaeri_common.tasks import Engine, Progress
from twenty_questions.precompute.recipe import (
    KeywordsPart,
    NeighbourWords,
    WordNetWords,
    WrittenWords,
)
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.language_model import keywords_of_shards, shards_of, write_shard
from twenty_questions.sources.merging import merge_lists
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.shaping import Shaping, shaped
from twenty_questions.sources.wordnet import read_wordnet
from twenty_questions.sources.wordnet_lists import words_below, words_near
from twenty_questions.writers import written

__all__ = ["keywords_of"]


def keywords_of(
    part: KeywordsPart,
    store: Path,
    *,
    seed: int,
    engine: Engine | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> KeywordList:
    """Return the keywords of a recipe.

    Args:
        part: what the recipe says of them.
        store: the folder that keeps what models wrote.
        seed: of everything random.
        engine: where models write; None: this process.
        on_progress: told of requests.

    Raises:
        InputError: if a source cannot be read, or nothing is left.
        WorkError: if a model cannot be asked, or writes no name.
    """
    lists, weights = [], []
    for number, source in enumerate(part.sources):
        if isinstance(source, WordNetWords):
            lists.append(words_below(read_wordnet(), source.synset, lemmas=source.lemmas, instances=source.instances))
        elif isinstance(source, NeighbourWords):
            given = read_named_list(source.given).keywords
            lists.append(
                words_near(read_wordnet(), given, steps=source.steps, num_senses=source.senses, lemmas=source.lemmas)
            )
        elif isinstance(source, WrittenWords):
            named = _written(source, store / f"keywords-{number}", seed, engine or LocalProcesses(0), on_progress)
            if named is None:
                continue
            lists.append(named)
        else:
            lists.append(read_named_list(source.list))
        weights.append(source.weight)
    if not lists:
        raise WorkError("no model wrote anything that is a name", fix=f"Look at the texts in {store}")
    return shaped(merge_lists(lists, weights), _shaping(part))


def _shaping(part: KeywordsPart) -> Shaping:
    return Shaping(
        exclude=read_named_list(part.exclude).keywords if part.exclude else (),
        least=part.least,
        smoothing=None if part.prior == "mixed" else part.smoothing,
        limit=part.limit,
        cap=part.cap,
    )


def _written(
    source: WrittenWords, store: Path, seed: int, engine: Engine, on_progress: Callable[[Progress], None] | None
) -> KeywordList | None:
    """Return what a model wrote; None if none of it is a name."""
    given = read_named_list(source.given).keywords
    writer, values = written(
        write_shard,
        lambda writer: shards_of(given, source.how, writer.model, identity=writer.identity, seed=seed),
        model_part(source),
        most=source.how.num_tasks,
        store=store,
        engine=engine,
        on_progress=on_progress,
    )
    named_any = any(sample for value in values for sample in value["samples"])
    return keywords_of_shards(values, source=writer.name) if named_any else None
