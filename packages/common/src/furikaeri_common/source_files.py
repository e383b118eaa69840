"""Which files of some packages a program needs (io), so that it can be packed with them and nothing else."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["SourceFile", "modules_needed"]


class SourceFile(NamedTuple):
    """One file of a package: where it is, and where it belongs below the folder that holds the package."""

    path: Path
    name: str


def modules_needed(source: str, packages: Collection[str]) -> list[SourceFile]:
    """Return the modules of some packages that a text imports, and that these import, anywhere in them.

    Args:
        source: a Python program.
        packages: names of top-level packages that can be imported here.
    """
    files: dict[str, Path] = {}
    pending = [ast.parse(source)]
    while pending:
        for name in _imported(pending.pop()):
            if name in files or name.partition(".")[0] not in packages:
                continue
            with contextlib.suppress(ModuleNotFoundError):  # `from module import function` names no module
                spec = importlib.util.find_spec(name)
                if spec is not None and spec.origin is not None:
                    files[name] = Path(spec.origin)
                    pending.append(ast.parse(files[name].read_text(encoding="utf-8")))
    return [SourceFile(path, _name_of(module, path)) for module, path in files.items()]


def _name_of(module: str, path: Path) -> str:
    parts = module.split(".")
    folders = parts if path.stem == "__init__" else parts[:-1]
    return "/".join([*folders, path.name])


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield every dotted name that an import statement may mean, and the packages above it."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name}" for name in names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
