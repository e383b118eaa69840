"""What a plan is asked for, and what is known when its lines are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.planning import HERE
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.precompute.planning.labels import LabelSample
from twenty_questions.precompute.planning.sizes import RecipeSizes
from twenty_questions.precompute.planning.table import TableSample
from twenty_questions.precompute.planning.writing import WritingSample
from twenty_questions.precompute.recipe import PrecomputeRecipe, WrittenQuestions, WrittenWords
from twenty_questions.question_sources.language_model import conversation_of, shown_names
from twenty_questions.sources.language_model import conversation_for, draw_words

__all__ = ["SERVER", "Known", "PlanOptions", "WritingSource", "conversations_of", "short_name", "writers_of"]

SERVER = "server"
"""The kind under which a server's rate is given."""

WritingSource = WrittenWords | WrittenQuestions

_TRIED_REQUESTS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions:
    """How a plan is made.

    Attributes:
        kinds: of devices to plan for; `HERE` for this machine.
        rates: (model, or "" for all; kind) -> pairs a second; requests a second for the kind `SERVER`.
        prices: money an hour, by kind.
        currency: of all money.
        devices: how many at once, beside one, at least 1.
        scale: so many times the recipe's keywords, above 0.
        seconds: how long to measure models here, in all; 0: not at all.
        asks_servers: whether servers are measured, too.
    """

    kinds: tuple[str, ...] = (HERE,)
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    currency: str = "$"
    devices: int = 1
    scale: float = 1.0
    seconds: float = 60.0
    asks_servers: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the lines are made from, once everything is measured.

    Attributes:
        recipe: the recipe.
        options: what it is planned for.
        sizes: how large its parts are.
        table: what tables cost.
        labels: what samples of labelling showed; none of a model that was not tried.
        writing: what samples of writing showed, likewise.
    """

    recipe: PrecomputeRecipe
    options: PlanOptions
    sizes: RecipeSizes
    table: TableSample
    labels: Mapping[LabellerConfig, LabelSample]
    writing: Mapping[WritingSource, WritingSample]


def writers_of(recipe: PrecomputeRecipe) -> tuple[WritingSource, ...]:
    """Return the sources of a recipe that models write."""
    return (*recipe.keywords.llm, *recipe.questions.llm)


def short_name(config: ModelConfig) -> str:
    """Return a model's name without the folders, the organisation, or the ending that may stand around it."""
    return config.model.rstrip("/").rpartition("/")[2].removesuffix(".gguf")


def conversations_of(source: WritingSource, sizes: RecipeSizes, *, seed: int) -> list[Conversation]:
    """Return the conversations of a source's first requests, about the keywords that are known."""
    words, requests = sizes.words, min(source.requests, _TRIED_REQUESTS)
    if isinstance(source, WrittenWords):
        drawn = (draw_words(words.keywords, source.shown, seed=seed, request=one) for one in range(requests))
        return [conversation_for(shown, source.asked) for shown in drawn]
    names = [keyword.name for keyword in words.keywords]
    shown = shown_names(names, words.prior, replace(source.how, requests=requests), seed=seed)
    return [conversation_of(each, source.wanted) for each in shown]
