"""Lists written for this project (io): names of things in a short notation, with how soon each comes to mind.

    [1]
    lamp: desk, floor, table        a head and its modifiers: lamp, desk lamp, floor lamp, table lamp
    kitchen > sink, knife set       a modifier and its heads: kitchen sink, kitchen knife set
    hammock, garden gnome           names as they are

A section says how soon a thing is thought of: 1 soon, 2 by everybody but later, 3 seldom. Before the first section it
is 2. Files whose names begin alike up to the first `_` come from one writer; the two kinds of samples
(`sample_near_1.txt`, `sample_letters_1.txt`) count as a writer each. That several writers name a thing on their own
says more than one writer's tier.

The samples were written in sight of known keywords. `sample_near` goes round each of them and holds them far more often
than new ones; `sample_letters`, which goes through the alphabet, passes over them. So what both say is kept apart:
whoever learns from the known keywords has to discount it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError
from twenty_questions.vocabulary.naming import spelled

__all__ = [
    "JUDGED_FOLDER",
    "WRITTEN_FOLDER",
    "WrittenName",
    "WrittenPart",
    "joined_lists",
    "parse_written",
    "read_judgements",
    "read_written_lists",
    "writer_of",
]

WRITTEN_FOLDER = Path(__file__).parent / "written"
JUDGED_FOLDER = Path(__file__).parent / "judged"

_SECTION = re.compile(r"\[([123])\]")
_NAME = re.compile(r"[\w'’&%./ -]+")
_MOST_WORDS, _MOST_CHARACTERS = 6, 60
_START_TIER = 2
_IN_SIGHT = ("sample_near", "sample_letters")


class WrittenName(NamedTuple):
    """What the lists say of a name.

    Attributes:
        tier: the best, 1 to 3, of lists that were written without sight of known keywords; 0: none of these names it.
        files: how many such files name it.
        writers: how many independent writers of such files name it.
        shown: the best tier of lists that were written in sight of known keywords; 0: none of these names it.
    """

    tier: int
    files: int
    writers: int
    shown: int = 0


class WrittenPart(NamedTuple):
    """One text, read.

    Attributes:
        tiers: the best tier of each name, in the order of the text.
        faults: what cannot be read, each with its line's number from 1.
    """

    tiers: dict[str, int]
    faults: tuple[tuple[int, str], ...]


def parse_written(text: str) -> WrittenPart:
    """Read a list; items that cannot be names are left out and told."""
    tiers: dict[str, int] = {}
    faults: list[tuple[int, str]] = []
    tier = _START_TIER
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if section := _SECTION.fullmatch(line):
            tier = int(section[1])
            continue
        for item in _items(line):
            if fault := _fault_of(item):
                faults.append((number, fault))
                continue
            name = spelled(item)
            tiers[name] = min(tier, tiers.get(name, tier))
    return WrittenPart(tiers, tuple(faults))


def read_written_lists(files: Iterable[Path]) -> dict[str, WrittenName]:
    """Read lists and join them, names in alphabetical order.

    Args:
        files: at least one.

    Raises:
        InputError: if there is none, one cannot be read, or holds what cannot be a name; the message names the file
            and the line.
    """
    return joined_lists(_read(files))


def read_judgements(files: Iterable[Path]) -> dict[str, int]:
    """Read what judges said of names they were asked about, in the notation of written lists.

    A judge was given names that an earlier prior found probable, and some of the known keywords that it was learned
    from, to show the style. Judges said which names a maker of secrets would quite likely take (1), which might well be
    taken (2), and which not (3); of several judgements the best counts. Those that were shown are left out. Known
    keywords were still asked about a little more often than new ones would be.

    Args:
        files: at least one.

    Raises:
        InputError: as `read_written_lists`.
    """
    judged: dict[str, int] = {}
    for tiers in _read(files).values():
        for name, tier in tiers.items():
            judged[name] = min(tier, judged.get(name, tier))
    return dict(sorted(judged.items()))


def _read(files: Iterable[Path]) -> dict[str, dict[str, int]]:
    """Return the tiers of each file's names, by the stem of the file's name."""
    read = [(path, parse_written(_text_of(path))) for path in sorted(files, key=lambda path: path.name)]
    if not read:
        raise InputError("expected at least one list of names, got none")
    faults = [(path, fault) for path, part in read for fault in part.faults]
    if faults:
        path, (number, told) = faults[0]
        more = f" ({len(faults) - 1} more such places)" if len(faults) > 1 else ""
        raise InputError(f"{path}, line {number}: {told}{more}", fix="Write names with commas between them")
    return {path.stem: part.tiers for path, part in read}


def joined_lists(lists: Mapping[str, Mapping[str, int]]) -> dict[str, WrittenName]:
    """Join lists, names in alphabetical order.

    Args:
        lists: from the stem of each file's name to the tiers of its names.
    """
    tiers: dict[str, int] = {}
    num_files: dict[str, int] = {}
    writers: dict[str, set[str]] = {}
    shown: dict[str, int] = {}
    for stem, names in lists.items():
        writer = writer_of(stem)
        for name, tier in names.items():
            if writer in _IN_SIGHT:
                shown[name] = min(tier, shown.get(name, tier))
                continue
            tiers[name] = min(tier, tiers.get(name, tier))
            num_files[name] = num_files.get(name, 0) + 1
            writers.setdefault(name, set()).add(writer)
    return {
        name: WrittenName(
            tiers.get(name, 0), num_files.get(name, 0), len(writers.get(name, ())), shown=shown.get(name, 0)
        )
        for name in sorted(tiers.keys() | shown.keys())
    }


def writer_of(stem: str) -> str:
    """Return who wrote a file: what its name says before the first `_`, or the second where it begins `sample_`."""
    parts = stem.split("_")
    return "_".join(parts[:2] if parts[0] == "sample" else parts[:1])


def _items(line: str) -> list[str]:
    """Return the names of a line, as they are written; empty items are passed over."""
    if ":" in line:
        head, _, rest = line.partition(":")
        return [head.strip(), *(f"{item} {head.strip()}" for item in _listed(rest))]
    if ">" in line:
        modifier, _, rest = line.partition(">")
        return [f"{modifier.strip()} {item}" for item in _listed(rest)]
    return _listed(line)


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _fault_of(item: str) -> str:
    """Return why an item cannot be a name; "" if it can."""
    if not _NAME.fullmatch(item) or not any(character.isalpha() for character in item):
        return f"{item!r} is no name of letters, digits, spaces and - ' . & % /"
    if len(item) > _MOST_CHARACTERS or len(item.split()) > _MOST_WORDS:
        return f"{item!r} is longer than {_MOST_WORDS} words or {_MOST_CHARACTERS} characters"
    return ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from error
