"""Agents by name (io), so that two engines, or two processes, build the same one."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.errors import InputError
from twenty_questions.agent import Seen, make_agent, read_observation
from twenty_questions.answerer import answer
from twenty_questions.builtin.phrasing import wordings_of
from twenty_questions.guesser import GuesserConfig
from twenty_questions.joint.config import JointConfig
from twenty_questions.match import Agent
from twenty_questions.named_words import BUILT_IN, words_named, words_place
from twenty_questions.panel import PanelConfig, open_panel
from twenty_questions.questions import HANDSHAKE
from twenty_questions.rules import answer_by_rule
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.voting import Voter, make_fallback

__all__ = ["ASKING_MODELS", "KINDS", "AgentSpec", "build", "parse_player", "voter_of"]

KINDS = {
    "ours": "guesses from vocabulary and table, by one belief over partner and word; answers from the table",
    "plain": "guesses from the table alone, without the handshake, which it also declines",
    "alpha": "as ours, but answers only questions of spelling, and tosses a coin for the rest",
    "noisy:RATE": "as ours, but gives the opposite answer at that rate, such as noisy:0.1",
    "llm": "as ours, but questions of meaning that the table does not know are answered by models: needs --model",
    "llm-only": "the same, but models answer every question of meaning, whatever the table knows",
    "random": "asks, answers and guesses at random",
    "FILE.py": "any agent file, loaded as the contest does: its last callable",
}
"""What can be said for an agent, and who it is."""

ASKING_MODELS = ("llm", "llm-only")
"""The kinds that need models."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """An agent that can be built anywhere.

    Attributes:
        kind: "ours", "plain", "alpha", "noisy", "llm", "llm-only", "random" or "file".
        seed: of everything it leaves to chance.
        table: the folder of its table; "" for the built-in one.
        words: the words that it can guess besides the table's, as `named_words` knows them.
        rate: how often a noisy answerer flips an answer, in [0, 1].
        path: the agent file.
        panel: the models of one that asks models.
    """

    kind: str
    seed: int = 0
    table: str = ""
    words: str = BUILT_IN
    rate: float = 0.0
    path: str = ""
    panel: PanelConfig | None = None


def parse_player(
    text: str,
    *,
    seed: int = 0,
    table: Path | None = None,
    words: str = BUILT_IN,
    panel: PanelConfig | None = None,
) -> AgentSpec:
    """Return the agent that a user names: one of `KINDS`.

    Args:
        text: its name.
        seed: of everything it leaves to chance.
        table: the folder of its table; None for the built-in one.
        words: the words that it can guess besides the table's, as `named_words` knows them.
        panel: the models of one that asks models.

    Raises:
        InputError: if there is no such kind, rate or file, the message lists the choices; or if it lacks models.
    """
    place = words_place(words)
    asked = AgentSpec(
        kind=text,
        seed=seed,
        table="" if table is None else str(Path(table).resolve()),
        words=words if place is None else str(place.resolve()),
    )
    kind, colon, rate = text.partition(":")
    if text.endswith(".py"):
        if not Path(text).is_file():
            raise InputError(f"{text}: there is no such agent file")
        return dataclasses.replace(asked, kind="file", path=str(Path(text).resolve()))
    if kind == "noisy" and colon:
        try:
            flips = float(rate)
        except ValueError:
            flips = -1.0
        if not 0 <= flips <= 1:
            raise InputError(f"expected a rate from 0 to 1 in {text!r}", fix="Write for example noisy:0.1")
        return dataclasses.replace(asked, kind="noisy", rate=flips)
    if text in ASKING_MODELS:
        if panel is None:
            raise InputError(f"the agent {text!r} answers with models, and none was given", fix="Name one with --model")
        return dataclasses.replace(asked, panel=panel)
    if text not in ("ours", "plain", "alpha", "random"):
        raise InputError(f"there is no agent {text!r}", fix=f"Choose one of: {', '.join(KINDS)}")
    return asked


def build(spec: AgentSpec) -> Agent:
    """Return the agent of a specification.

    Raises:
        FurikaeriError: if its table, its words or a model of its cannot be opened.
        ValueError: if its kind is unknown.
    """
    if spec.kind == "file":
        return _file_agent(spec.path)
    table = _table(spec.table)
    if spec.kind == "random":
        return _random_agent(table, spec.seed)
    alone = spec.kind == "plain"
    fallback = make_fallback(voter_of(spec.panel)) if spec.panel is not None else None
    ours = make_agent(
        table,
        GuesserConfig(handshake=False) if alone else JointConfig(),
        spec.seed,
        words=None if alone else words_named(spec.words),
        wordings=wordings_of(table),
        fallback=fallback,
    )
    match spec.kind:
        case "ours" | "llm":
            return ours
        case "llm-only":
            return _answering(ours, lambda question, keyword, *_: _yes_no(answer(question, keyword, fallback).answer))
        case "plain":
            return _answering(ours, lambda question, keyword, said, rng: "no" if question == HANDSHAKE.text else said)
        case "alpha":
            return _answering(ours, _by_rule_or_coin, spec.seed)
        case "noisy":
            return _answering(ours, _flipping(spec.rate), spec.seed)
    raise ValueError(f"expected a kind of agent, got {spec.kind!r}")


@lru_cache(maxsize=2)
def voter_of(panel: PanelConfig) -> Voter:
    """Return the voter of a panel, one and the same for all of its agents in this process; its models have been opened.

    Raises:
        FurikaeriError: if a model cannot be opened.
    """
    voter = open_panel(panel)
    voter.prepare()
    return voter


@lru_cache(maxsize=4)
def _table(folder: str) -> AnswerTable:
    return open_table(Path(folder)) if folder else builtin_table()


Replace = Callable[[str, str, str, np.random.Generator], str]
"""(question, keyword, the answer so far, chance) -> answer."""


def _answering(agent: Agent, replace: Replace, seed: int = 0) -> Agent:
    """Return an agent that answers otherwise."""

    def act(observation: Any, configuration: Any = None) -> str:
        said: str = agent(observation, configuration)
        seen = read_observation(observation)
        return replace(seen.question, seen.keyword, said, _chance(seed, seen)) if seen.turn == "answer" else said

    return act


def _chance(seed: int, seen: Seen) -> np.random.Generator:
    """Return chance that depends on the seed and on the point of the game alone."""
    return np.random.default_rng([seed, ("ask", "answer", "guess").index(seen.turn), len(seen.events)])


def _by_rule_or_coin(question: str, keyword: str, said: str, rng: np.random.Generator) -> str:
    verdict = answer_by_rule(question, keyword).answer
    return _yes_no(rng.random() < 0.5 if verdict is None else verdict)


def _yes_no(answered: bool) -> str:
    return "yes" if answered else "no"


def _flipping(rate: float) -> Replace:
    def flip(question: str, keyword: str, said: str, rng: np.random.Generator) -> str:
        return said if rng.random() >= rate else "no" if said == "yes" else "yes"

    return flip


def _random_agent(table: AnswerTable, seed: int) -> Agent:
    def act(observation: Any, configuration: Any = None) -> str:
        seen = read_observation(observation)
        rng = _chance(seed, seen)
        if seen.turn == "answer":
            return "yes" if rng.random() < 0.5 else "no"
        if seen.turn == "ask":
            return table.questions[rng.integers(len(table.questions))].text
        return table.keywords[rng.integers(len(table.keywords))].name

    return act


def _file_agent(path: str) -> Agent:
    """Return the agent of a file, which is loaded at its first act; its printing is swallowed, as in the engine."""
    loaded: list[Agent] = []

    def act(observation: Any, configuration: Any) -> Any:
        with redirect_stdout(StringIO()):
            if not loaded:
                loaded.append(_last_callable(path))
            configuration["__raw_path__"] = path
            arguments = (observation, configuration)
            return loaded[0](*arguments[: loaded[0].__code__.co_argcount])

    return act


def _last_callable(path: str) -> Any:
    source = Path(path).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    sys.path.append(str(Path(path).parent))
    exec(compile(source, path, "exec"), names)
    sys.path.pop()
    return [value for value in names.values() if callable(value)][-1]
