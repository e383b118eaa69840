"""Keywords from a language model, the original's way: show it some known words, ask for more of the kind, count.

Each request shows N words, drawn with replacement, and asks for M others. What comes back is cleaned (`written_names`)
and merged by the game's matching (`merging.merge_samples`); how many requests named a word is its count. Requests go in
shards, whose size is part of the recipe, so that a model that writes several texts at once gives the same bits again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.documents import jsonable
from furikaeri_common.models.config import Conversation, ModelConfig, Writer
from furikaeri_common.models.usage import usage_of, usage_since
from furikaeri_common.tasks import Task
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.merging import merge_samples
from twenty_questions.sources.written_names import clean_names, names_in
from twenty_questions.words import Keyword
from twenty_questions.writers import writer_for

__all__ = [
    "LlmConfig",
    "conversation_for",
    "draw_words",
    "keywords_of_shards",
    "shards_of",
    "names_of",
    "write_shard",
    "write_texts",
]

_TOKENS_PER_NAME = 8
_TOKENS_BESIDE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class LlmConfig:
    """How a language model is asked for keywords.

    Attributes:
        requests: how many requests, at least 1.
        shown: N, the words that a request shows, at least 1.
        asked: M, the words that a request asks for, at least 1; no more are taken.
        shard: requests that the model gets at once, at least 1.
        temperature: of the model, at least 0.
    """

    requests: int = 200
    shown: int = 10
    asked: int = 20
    shard: int = 8
    temperature: float = 0.8

    def __post_init__(self) -> None:
        for name in ("requests", "shown", "asked", "shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not self.temperature >= 0:
            raise ValueError(f"expected temperature >= 0, got {self.temperature}")

    @property
    def num_tasks(self) -> int:
        """How many shards the requests go in."""
        return -(-self.requests // self.shard)


def draw_words(given: Sequence[Keyword], shown: int, *, seed: int, request: int) -> list[Keyword]:
    """Return the words of a request: `shown` draws with replacement, each word once.

    Args:
        given: the words to draw from, at least one.
        shown: how many draws; a word that is drawn again is not shown again.
        seed: of all requests.
        request: which one; its draw does not depend on the others.
    """
    rows = np.random.default_rng([seed, request]).integers(len(given), size=shown)
    return [given[row] for row in dict.fromkeys(rows.tolist())]


def conversation_for(words: Sequence[Keyword], asked: int) -> Conversation:
    """Return what the model is told: the words, and how many others are wanted.

    All of it is a user's turn, since not every chat template knows a system's.
    """
    shown = "\n".join(keyword.name for keyword in words)
    return (
        {
            "role": "user",
            "content": f"These are secret words of the game 20 Questions, one a line:\n\n{shown}\n\n"
            f"Write {asked} other words that could be secret words of the same game: things as different from each "
            "other as these are, and as well known. Write each on a line of its own, without numbers and without "
            "explanations, and repeat none of those above.",
        },
    )


def write_texts(
    writer: Writer, shown: Sequence[Sequence[Keyword]], *, asked: int, seeds: Sequence[int], temperature: float
) -> list[str]:
    """Return what a model writes in answer to each set of words.

    Args:
        writer: the model.
        shown: the words of each request.
        asked: how many others are wanted.
        seeds: one a request.
        temperature: of the model.

    Raises:
        WorkError: if the model cannot be had.
    """
    return writer.write(
        [conversation_for(words, asked) for words in shown],
        seeds=seeds,
        max_tokens=_TOKENS_PER_NAME * asked + _TOKENS_BESIDE,
        temperature=temperature,
    )


def names_of(text: str, shown: Sequence[Keyword], asked: int) -> list[str]:
    """Return the names that a text gives in answer to some words, `asked` at most."""
    return clean_names(names_in(text), given=shown, most=asked)


def shards_of(
    given: Sequence[Keyword], config: LlmConfig, model: ModelConfig, *, identity: Mapping[str, Any], seed: int
) -> list[Task]:
    """Return the requests as tasks of `write_shard`.

    Args:
        given: the known words.
        config: how the model is asked.
        model: which model, and how it is reached: a place, for what it is the identity tells.
        identity: of the model's writer, so that what other weights wrote is not taken for its own.
        seed: of draws and texts.
    """
    if not given:
        raise ValueError("expected at least one known word, got none")
    width = len(str(config.requests))
    tasks = []
    for first in range(0, config.requests, config.shard):
        numbers = range(first, min(first + config.shard, config.requests))
        shown = [draw_words(given, config.shown, seed=seed, request=number) for number in numbers]
        inputs = {
            "identity": jsonable(identity),
            "shown": [[list(keyword.names) for keyword in words] for words in shown],
            "seeds": [_seed_of(seed, number) for number in numbers],
            "asked": config.asked,
            "temperature": config.temperature,
        }
        tasks.append(Task(f"requests-{first:0{width}d}", inputs, {"model": jsonable(model)}))
    return tasks


def write_shard(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Ask the model for one shard; a task (see `furikaeri_common.tasks`).

    Returns:
        `samples`: the names of each request; `texts`: what the model wrote; `usage`: what a server counted meanwhile.

    Raises:
        WorkError: if the model cannot be had, or is another than the one that the task names.
    """
    writer = writer_for(inputs)
    shown = [[Keyword(names[0], tuple(names[1:])) for names in words] for words in inputs["shown"]]
    before = usage_of(writer)
    texts = write_texts(writer, shown, asked=inputs["asked"], seeds=inputs["seeds"], temperature=inputs["temperature"])
    usage = usage_since(writer, before)
    samples = [names_of(text, words, inputs["asked"]) for text, words in zip(texts, shown, strict=True)]
    return {"samples": samples, "texts": texts, "usage": usage}


def keywords_of_shards(values: Sequence[Mapping[str, Any]], *, source: str) -> KeywordList:
    """Merge what all shards named into one list; see `merging.merge_samples`.

    Raises:
        ValueError: if the model named nothing at all.
    """
    return merge_samples([sample for value in values for sample in value["samples"]], source=source)


def _seed_of(seed: int, request: int) -> int:
    """Return a seed that any server takes: 31 bits."""
    return int(np.random.SeedSequence([seed, request]).generate_state(1)[0]) & 0x7FFFFFFF
