"""Matches in the contest's own engine (io), with the agents and results of our fast loop.

`kaggle-environments` takes some 20 s to import and prints meanwhile, so it gets a process of its own, which then plays
as many matches as are asked of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NamedTuple

from furikaeri_common.errors import InputError, WorkError
from twenty_questions.match import MatchResult
from twenty_questions.players import AgentSpec
from twenty_questions.transcripts import rounds_of
from twenty_questions.words import Keyword

__all__ = ["EngineMatch", "KaggleEngine", "has_engine", "open_engine"]

_MODULE = "kaggle_environments"
_WORKER = Path(__file__).with_name("kaggle_worker.py")
_FIX = "Install it with: uv sync --group kaggle"


class EngineMatch(NamedTuple):
    """A match in the engine.

    Attributes:
        result: as `match.play` returns it.
        fault: what the engine itself raised; "" if it did not.
        slowest: seconds of the longest act.
    """

    result: MatchResult
    fault: str
    slowest: float


class KaggleEngine:
    """The engine, ready to play; get one from `open_engine`."""

    def __init__(self, process: subprocess.Popen[str], log: IO[bytes]) -> None:
        self._process, self._log = process, log
        greeting = self._receive()
        if "missing" in greeting:
            raise InputError(f"the contest's engine cannot be used: {greeting['missing']}", fix=_FIX)
        self.version: str = greeting["ready"]

    def play(self, agents: Sequence[AgentSpec], keyword: Keyword, *, category: str = "things") -> EngineMatch:
        """Play one match.

        Args:
            agents: guesser, answerer, guesser, answerer.
            keyword: the secret.
            category: what answerers are told of it.

        Raises:
            WorkError: if the engine's process ended.
        """
        if len(agents) != 4:
            raise ValueError(f"expected 4 agents, got {len(agents)}")
        assert self._process.stdin is not None
        request = {"agents": [asdict(agent) for agent in agents], "category": category}
        with contextlib.suppress(BrokenPipeError):  # the reply, or its absence, tells
            self._process.stdin.write(json.dumps(request | {"keyword": keyword.name, "alts": keyword.alts}) + "\n")
            self._process.stdin.flush()
        reply = self._receive()
        one, other = (rounds_of(*said) for said in reply["pairs"])
        result = MatchResult(tuple(reply["rewards"]), tuple(reply["statuses"]), (one, other))
        return EngineMatch(result, reply["fault"] or "", reply["slowest"])

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            last = self._log.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise WorkError(f"the contest's engine ended (exit code {self._process.wait()}): {last or 'no message'}")
        reply: dict[str, Any] = json.loads(line)
        return reply


def has_engine() -> bool:
    """Return whether the contest's engine is installed; it is not imported."""
    return importlib.util.find_spec(_MODULE) is not None


@contextlib.contextmanager
def open_engine() -> Iterator[KaggleEngine]:
    """Start the contest's engine; its process ends with the block.

    Raises:
        InputError: if the dependency group `kaggle` is not installed.
    """
    if not has_engine():
        raise InputError("the contest's engine needs the dependency group `kaggle`", fix=_FIX)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        with process:
            try:
                yield KaggleEngine(process, log)
            finally:
                process.kill()
