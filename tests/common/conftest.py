"""Let worker processes find this folder's functions, as they find any importable module."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def tools() -> ModuleType:
    """Servers that speak as a model's does."""
    return importlib.import_module("model_server")


@pytest.fixture
def at_once() -> Iterator[None]:
    """Send again without waiting, as often as the configuration says."""
    stamina = pytest.importorskip("stamina")
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
