"""The contest's engine in a process of its own (io): one JSON request a line in, one JSON reply a line out.

Run as a file, not as a part of the package: `python -P kaggle_worker.py`. It imports nothing of ours until a request
asks for one of our agents, so that a packed agent which brings the same package with it runs its own code.

First it says `{"ready": version}`, or `{"missing": why}` and ends. Then each request

    {"agents": [specification, ...], "keyword": name, "alts": [...], "category": text}

is one match, with four specifications as `players.AgentSpec` has them; agents of kind "file" are given to the engine as
a path, for it to load them as the contest does. The reply holds `rewards`, `statuses`, `pairs` (questions, answers and
guesses of each), `fault` (what the engine raised, or null) and `slowest` (seconds of the longest act).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["main"]

_ENVIRONMENT = "llm_20_questions"


def main() -> None:
    """Answer requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the engine prints while it is imported, and agents print when they like

    def reply(value: object) -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    try:
        engine = importlib.import_module("kaggle_environments")
        game = importlib.import_module(f"kaggle_environments.envs.{_ENVIRONMENT}.{_ENVIRONMENT}")
        engine.make(_ENVIRONMENT)
    except Exception as error:
        reply({"missing": f"{type(error).__name__}: {error}"})
        return
    reply({"ready": engine.__version__})
    for line in sys.stdin:
        reply(_play(engine, game, json.loads(line)))


def _play(engine: Any, game: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    # The engine draws its keyword once, when it is imported, and reads it from its module ever after.
    game.keyword, game.alts, game.category = request["keyword"], request["alts"], request["category"]
    agents = [_agent(specification) for specification in request["agents"]]
    environment = engine.make(_ENVIRONMENT)
    fault = None
    try:
        environment.run(agents)
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    seats = environment.state
    return {
        "rewards": [seat.reward for seat in seats],
        "statuses": [seat.status for seat in seats],
        "pairs": [[seat.observation[name] for name in ("questions", "answers", "guesses")] for seat in seats[::2]],
        "fault": fault,
        "slowest": max((log.get("duration", 0) for step in environment.logs for log in step), default=0),
    }


def _agent(specification: Mapping[str, Any]) -> Any:
    if specification["kind"] == "file":
        return specification["path"]
    players = importlib.import_module("twenty_questions.players")
    return players.build(players.AgentSpec(**specification))


if __name__ == "__main__":
    main()
