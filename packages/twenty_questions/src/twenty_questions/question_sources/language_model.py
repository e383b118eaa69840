"""Questions from a language model: it is shown some keywords and asked for questions that are true of about half.

Each request draws its keywords from a list by the list's prior, so that what is asked about is what is likely to be
played. A request's draw and its text depend on the seed and its number alone. Requests are done in batches of fixed
size, each a task of the engine, so that a killed run goes on and comes to the same questions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.documents import jsonable
from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.models.usage import usage_of, usage_since
from furikaeri_common.tasks import Task
from twenty_questions.question_sources.letters import answered_by_rules
from twenty_questions.question_sources.question_lists import CountedQuestion, clean, normal_form, question_of, unique
from twenty_questions.words import normalise, spellings
from twenty_questions.writers import writer_for

__all__ = [
    "REQUESTS_PER_TASK",
    "HalvingConfig",
    "Made",
    "collect",
    "conversation_of",
    "draw_names",
    "halving_tasks",
    "parse",
    "shown_names",
    "write_part",
]

REQUESTS_PER_TASK = 8
"""The unit of work that can be lost."""

_REQUEST = (
    "These are {number} secret words of the game 20 Questions, one a line:\n\n{names}\n\n"
    'Write {wanted} different yes/no questions about "it", the secret. Each should split these words in half: yes for '
    "about {half} of them, and no for the others. Ask about what it is, what it is made of, where it is found, how big "
    "it is, who uses it and what for. Name none of the words, and do not ask about letters or spelling. Write each "
    "question on a line of its own, such as: Is it used indoors?"
)

_BULLET = re.compile(
    r"^\s*(?:[-*+•–—>]+|\(?[0-9]{1,3}[.):]+|\(?[a-zA-Z][.)]|#+|Q(?:uestion)?\s*[0-9]*\s*[:.)])\s*", re.I
)
_QUESTION = re.compile(
    r"(?:^|(?<=[\s\"'“”‘’`*:(]))((?:is|are|was|were|does|do|did|has|have|can|could|would|will|should|might|may)"
    r"(?:n't)?\s[^?\n:|]{3,600}\?)",
    re.IGNORECASE,
)
_QUOTES = "\"'“”‘’`*_ "


@dataclass(frozen=True, kw_only=True, slots=True)
class HalvingConfig:
    """How many questions are asked for, and how.

    Attributes:
        requests: how often the model is asked, at least 1.
        names: keywords shown in each request, at least 2.
        wanted: questions asked for in each, at least 1.
        temperature: of the texts, at least 0; 0 writes the likeliest.
        max_tokens: of a text, at least 1.
    """

    requests: int = 200
    names: int = 20
    wanted: int = 5
    temperature: float = 0.8
    max_tokens: int = 256

    def __post_init__(self) -> None:
        for name, least in (("requests", 1), ("names", 2), ("wanted", 1), ("temperature", 0), ("max_tokens", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"expected {name} >= {least}, got {getattr(self, name)}")

    @property
    def num_tasks(self) -> int:
        """How many batches the requests go in."""
        return -(-self.requests // REQUESTS_PER_TASK)


class Made(NamedTuple):
    """What came of the requests.

    Attributes:
        questions: the most often written first; of equally often written ones the earliest.
        texts: how many texts the model wrote.
        empty: how many of them held no question.
        left_out: how many of the questions were left out, by reason: "spelling", "names a thing", "rare".
    """

    questions: list[CountedQuestion]
    texts: int
    empty: int
    left_out: dict[str, int]


def draw_names(
    names: Sequence[str], prior: NDArray[np.float64], number: int, *, seed: int, request: int
) -> tuple[str, ...]:
    """Return the keywords of one request: different ones, drawn by the prior.

    Args:
        names: one for each keyword.
        prior: shape (K,), positive, sums to 1.
        number: how many; all of them where there are fewer.
        seed: of all requests.
        request: the number of this one.
    """
    # Gumbel's trick draws without replacement in one pass, and like successive draws (Yellott 1977).
    noise = np.random.default_rng([seed, request]).gumbel(size=len(names))
    order = np.argsort(-(np.log(prior) + noise), kind="stable")
    return tuple(names[row] for row in order[:number].tolist())


def conversation_of(names: Sequence[str], wanted: int) -> Conversation:
    """Return what the model is asked about some keywords; line breaks within a name become spaces.

    All of it is a user's turn, since not every chat template knows a system's.
    """
    listed = "\n".join(" ".join(name.split()) for name in names)
    parts = {"number": len(names), "names": listed, "wanted": wanted, "half": max(1, len(names) // 2)}
    return ({"role": "user", "content": _REQUEST.format(**parts)},)


def parse(text: str) -> list[str]:
    """Return the questions in a model's text, tidied; they may be numbered, quoted, in bold, or within sentences."""
    found = []
    for line in text.splitlines():
        for part in _QUESTION.findall(_BULLET.sub("", line)):
            try:
                found.append(clean(part.strip(_QUOTES)))
            except ValueError:
                continue
    return list(dict.fromkeys(found))


def shown_names(
    names: Sequence[str], prior: NDArray[np.float64], config: HalvingConfig, *, seed: int
) -> list[tuple[str, ...]]:
    """Return the keywords of every request, in order; see `draw_names`."""
    return [draw_names(names, prior, config.names, seed=seed, request=one) for one in range(config.requests)]


def halving_tasks(
    names: Sequence[str],
    prior: NDArray[np.float64],
    config: HalvingConfig,
    model: ModelConfig,
    *,
    identity: Mapping[str, Any],
    seed: int,
) -> list[Task]:
    """Return the requests as tasks for `write_part`.

    Args:
        names: one for each keyword.
        prior: shape (K,), positive, sums to 1.
        config: what is asked for.
        model: which model writes, and how it is reached: a place, for what it is the identity tells.
        identity: what its texts depend on (`Writer.identity`).
        seed: of everything random.
    """
    conversations = [
        jsonable(conversation_of(shown, config.wanted)) for shown in shown_names(names, prior, config, seed=seed)
    ]
    width = len(str(config.requests))
    tasks = []
    for first in range(0, config.requests, REQUESTS_PER_TASK):
        requests = range(first, min(first + REQUESTS_PER_TASK, config.requests))
        inputs = {
            "identity": jsonable(identity),
            "conversations": conversations[first : requests.stop],
            "seeds": [_seed_of(seed, one) for one in requests],
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
        }
        tasks.append(Task(f"requests-{first:0{width}d}", inputs, {"model": jsonable(model)}))
    return tasks


def _seed_of(seed: int, request: int) -> int:
    return int(np.random.SeedSequence([seed, request, 1]).generate_state(1)[0]) >> 1


def write_part(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Have one batch of requests written; a task (see `furikaeri_common.tasks`).

    Args:
        inputs: as `halving_tasks` gives them.
        folder: not used.

    Returns:
        `texts`: what the model wrote; `usage`: what a server counted meanwhile.
    """
    writer = writer_for(inputs)
    before = usage_of(writer)
    texts = writer.write(
        inputs["conversations"],
        seeds=inputs["seeds"],
        max_tokens=inputs["max_tokens"],
        temperature=inputs["temperature"],
    )
    return {"texts": texts, "usage": usage_since(writer, before)}


def collect(
    texts: Sequence[str], shown: Sequence[Sequence[str]], *, least_count: int = 1, source: str = "model"
) -> Made:
    """Return the questions that a model wrote.

    Args:
        texts: one for each request.
        shown: the keywords of each request; a question that names one of them is left out.
        least_count: in how many texts a question must stand, at least 1.
        source: what to write beside the questions.
    """
    wordings: dict[str, Counter[str]] = {}
    left_out: Counter[str] = Counter()
    empty = 0
    for text, names in zip(texts, shown, strict=True):
        forms = {form for name in names for form in spellings(name)}
        questions = {normal_form(question): question for question in parse(text)}
        empty += not questions
        for form, question in questions.items():
            if answered_by_rules(question):
                left_out["spelling"] += 1
            elif _names_any(question, forms):
                left_out["names a thing"] += 1
            else:
                wordings.setdefault(form, Counter())[question] += 1
    often = [(counter.most_common(1)[0][0], counter.total()) for counter in wordings.values()]
    left_out["rare"] = sum(count for _, count in often if count < least_count)
    counted = [
        CountedQuestion(question_of(text), count, source)
        for text, count in sorted(often, key=lambda one: -one[1])
        if count >= least_count
    ]
    return Made(unique(counted), len(texts), empty, {reason: count for reason, count in left_out.items() if count})


_MOST_WORDS = 4


def _names_any(question: str, forms: set[str]) -> bool:
    """Say whether some words in a row name a thing by the game's matching."""
    words = question.rstrip("?").split()
    runs = (
        normalise(" ".join(words[first:last]))
        for first in range(len(words))
        for last in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1)
    )
    return any(run in forms for run in runs if run)
