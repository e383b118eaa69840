"""What every source file keeps to: no pickle, and no public thing without a word of explanation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def calls_that_unpickle(tree: ast.AST) -> Iterator[str]:
    """Yield what in a module could run a stranger's code by loading data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from (f"line {node.lineno}: imports {name}" for name in names if name.partition(".")[0] in PICKLERS)
        if isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            name = ast.unparse(node.func)
            if "allow_pickle" in keywords and not is_literal(keywords["allow_pickle"], False):
                yield f"line {node.lineno}: {name}(allow_pickle=...)"
            if name == "torch.load" and not is_literal(keywords.get("weights_only"), True):
                yield f"line {node.lineno}: torch.load without weights_only=True"
            if name.endswith((".read_pickle", ".to_pickle")):
                yield f"line {node.lineno}: {name}"


def is_literal(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Yield the public modules, classes, functions and methods that say nothing of themselves."""
    if not ast.get_docstring(tree):
        yield "the module"

    def look(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield f"line {node.lineno}: {prefix}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from look(node.body, f"{prefix}{node.name}.")

    yield from look(tree.body, "")


def modules_of(member) -> list[tuple[Path, ast.Module]]:
    return [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in sorted(member.source.rglob("*.py"))]


def test_nothing_is_pickled(member) -> None:
    assert [f"{file}: {found}" for file, tree in modules_of(member) for found in calls_that_unpickle(tree)] == []


def test_every_public_thing_is_documented(member) -> None:
    assert [f"{file}: {found}" for file, tree in modules_of(member) for found in undocumented(tree)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "import dill.source",
        "np.load(x, allow_pickle=True)",
        "np.load(x, allow_pickle=yes)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "pl.read_pickle(x)",
    ],
)
def test_the_search_for_pickles_finds_them(source: str) -> None:
    assert list(calls_that_unpickle(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["import json", "np.load(x)", "np.load(x, allow_pickle=False)", "torch.load(x, weights_only=True)"]
)
def test_the_search_for_pickles_lets_the_rest_pass(source: str) -> None:
    assert not list(calls_that_unpickle(ast.parse(source)))


def test_the_search_for_silence_finds_it() -> None:
    source = '"""A."""\nclass B:\n    def c(self): ...\n    def _d(self): ...\ndef e(): ...\ndef f():\n    """F."""\n'
    assert list(undocumented(ast.parse(source))) == ["line 2: B", "line 3: B.c", "line 5: e"]
    assert list(undocumented(ast.parse("x = 1"))) == ["the module"]
