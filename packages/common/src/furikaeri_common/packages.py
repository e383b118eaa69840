"""What is installed: the members, their extras, and the versions of what they stand on (io).

Read from the installed distributions' own metadata; nothing is imported.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

__all__ = ["MEMBERS", "Extra", "Member", "installed_members", "package_versions"]

MEMBERS = ("furikaeri-common", "furikaeri-twenty-questions", "furikaeri-isic-lesion", "furikaeri-cli")

_REQUIREMENT = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


class Extra(NamedTuple):
    """An optional part of a member.

    Args:
        name: the extra's name.
        packages: each distribution it needs and the installed version, None where it is missing.
    """

    name: str
    packages: dict[str, str | None]

    @property
    def complete(self) -> bool:
        """Whether everything it needs is installed."""
        return None not in self.packages.values()


class Member(NamedTuple):
    """One distribution of the project; `version` is None where it is not installed."""

    name: str
    version: str | None
    packages: dict[str, str | None]
    extras: tuple[Extra, ...]


def installed_members() -> tuple[Member, ...]:
    """Return every member of the project with what it needs, in the order of `MEMBERS`."""
    return tuple(_member(name) for name in MEMBERS)


def package_versions() -> dict[str, str]:
    """Return Python's version and that of every installed distribution the members name, sorted by name."""
    versions: dict[str, str | None] = {}
    for member in installed_members():
        versions[member.name] = member.version
        versions.update(member.packages)
        for extra in member.extras:
            versions.update(extra.packages)
    found = {name: version for name, version in sorted(versions.items()) if version is not None}
    return {"python": platform.python_version(), **found}


def _member(name: str) -> Member:
    version = _version(name)
    if version is None:
        return Member(name, None, {}, ())
    extras = metadata.metadata(name).get_all("Provides-Extra") or []
    return Member(
        name, version, _needs(name, ""), tuple(Extra(extra, _needs(name, extra)) for extra in sorted(set(extras)))
    )


def _needs(name: str, extra: str) -> dict[str, str | None]:
    """Return the distributions that a member or one of its extras needs, following extras of other members."""
    found: dict[str, str | None] = {}
    for required, required_extras in _requirements(name, extra):
        if required not in MEMBERS or not required_extras:
            found[required] = _version(required)
        for inner in required_extras if required in MEMBERS else ():
            found.update(_needs(required, inner))
    return dict(sorted(found.items()))


def _requirements(name: str, extra: str) -> Iterator[tuple[str, list[str]]]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        specifier, _, marker = line.partition(";")
        condition = _EXTRA.search(marker)
        matched = _REQUIREMENT.match(specifier)
        if matched and (condition.group(1) if condition else "") == extra:
            inner = [name for name in re.split(r"[\s,]+", matched["extras"] or "") if name]
            yield matched["name"].lower().replace("_", "-"), inner


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
