"""What keeps pictures and rows from being imported: rows without a picture, and what comes twice. (io)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.artifacts import write_json
from furikaeri_common.errors import InputError
from isic_lesion.importing.tables import ImportTable

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Problem", "match_images", "refuse"]

_SHOWN = 3


class Problem(NamedTuple):
    """One kind of thing that is wrong.

    Attributes:
        kind: what, in the plural: "rows without a picture".
        names: which ones, each with its place or reason.
    """

    kind: str
    names: tuple[str, ...]


def match_images(table: ImportTable, found: Mapping[str, list[Path]], images: Path) -> tuple[DataFrame, list[Problem]]:
    """Return the rows that have a picture, none of them twice, and what is wrong with the others.

    Args:
        table: the rows.
        found: isic_id -> its pictures.
        images: the folder that was searched, for the message.

    Raises:
        InputError: if no row has a picture.
    """
    ids = table.frame["isic_id"].to_list()
    places = [f"{name} ({place})" if place else name for name, place in zip(ids, table.places, strict=True)]
    missing = [name not in found for name in ids]
    if all(missing):
        raise InputError(
            f"{images}: holds no picture of any of the {len(ids)} rows, such as {ids[0]}.jpg"
            f" (it has {next(iter(found.values()))[0].name})",
            fix="Give the folder of their pictures, named after the table's ids",
        )
    twice = [place for place, again in zip(places, table.repeated, strict=True) if again]
    lost = [place for place, gone, again in zip(places, missing, table.repeated, strict=True) if gone and not again]
    several = [" and ".join(map(str, found[name])) for name in dict.fromkeys(ids) if len(found.get(name, ())) > 1]
    problems = [
        Problem(kind, tuple(names))
        for kind, names in (
            ("repeated ids", twice),
            ("rows without a picture", lost),
            ("ids with several pictures", several),
        )
        if names
    ]
    sound = [not gone and not again for gone, again in zip(missing, table.repeated, strict=True)]
    return table.frame.filter(sound), problems


def refuse(problems: Sequence[Problem], work: Path) -> None:
    """Raise about problems, if there are any.

    Args:
        problems: of each kind, the first few are named in the message.
        work: where `problems.json` names all of them if they are more.

    Raises:
        InputError: if there are problems.
    """
    if not problems:
        return
    told = []
    for kind, names in problems:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        told.append(f"{kind} ({len(names)}): {shown}")
    listed = ""
    if any(len(names) > _SHOWN for _, names in problems):
        file = work / "problems.json"
        write_json(file, [problem._asdict() for problem in problems])
        listed = f" (all of them: {file})"
    raise InputError("; ".join(told) + listed, fix="Mend them, or leave them out with --skip")
