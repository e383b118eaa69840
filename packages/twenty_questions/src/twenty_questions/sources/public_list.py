"""The contest's public keywords (io), where the contest's engine is installed: for studies, never for play."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList, keyword_list
from twenty_questions.words import Keyword, normalise

__all__ = ["read_public_list"]

_FIX = "Install it with: uv sync --group kaggle"


def read_public_list() -> KeywordList:
    """Read the public list out of the engine's source, which is parsed, never run.

    Things that the source names twice are one keyword, with the alts of both.

    Raises:
        InputError: if the engine is not installed, or its source is not as expected.
    """
    package = importlib.util.find_spec("kaggle_environments")
    if package is None or package.origin is None:
        raise InputError("the public list needs the contest's engine (dependency group `kaggle`)", fix=_FIX)
    source = Path(package.origin).parent / "envs" / "llm_20_questions" / "keywords.py"
    try:
        named: dict[str, Keyword] = {}
        for entry in _entries(source.read_text(encoding="utf-8")):
            known = named.get(normalise(entry.name), entry)
            named[normalise(entry.name)] = Keyword(known.name, tuple(dict.fromkeys((*known.alts, *entry.alts))))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{source}: the public list cannot be read ({error})", fix=_FIX) from error
    return keyword_list(tuple(named.values()), sources="public")


def _entries(source: str) -> list[Keyword]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "KEYWORDS_JSON":
            categories = json.loads(ast.literal_eval(node.value))
            return [Keyword(entry["keyword"], tuple(entry["alts"])) for part in categories for entry in part["words"]]
    raise ValueError("it assigns no KEYWORDS_JSON")
