"""The members, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Member(NamedTuple):
    """One member of the workspace."""

    folder: Path
    package: str

    @property
    def source(self) -> Path:
        """The folder of its modules."""
        return self.folder / "src" / self.package

    def modules(self) -> list[str]:
        """The dotted names of its public modules."""
        files = sorted(self.source.rglob("*.py"))
        names = [file.relative_to(self.source.parent).with_suffix("").parts for file in files]
        public = [name for name in names if not any(part.startswith("_") and part != "__init__" for part in name)]
        return [".".join(part for part in name if part != "__init__") for name in public]


MEMBERS = (
    Member(ROOT / "packages" / "common", "furikaeri_common"),
    Member(ROOT / "packages" / "twenty_questions", "twenty_questions"),
    Member(ROOT / "packages" / "isic_lesion", "isic_lesion"),
    Member(ROOT / "cli", "furikaeri_cli"),
)


@pytest.fixture
def root() -> Path:
    """The folder of the workspace."""
    return ROOT


@pytest.fixture(params=MEMBERS, ids=[member.package for member in MEMBERS])
def member(request: pytest.FixtureRequest) -> Member:
    """Each member in turn."""
    return request.param


@pytest.fixture(scope="session")
def members() -> tuple[Member, ...]:
    """All members, the common ground first."""
    return MEMBERS
