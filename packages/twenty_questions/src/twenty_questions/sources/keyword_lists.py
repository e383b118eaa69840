"""Keyword lists as files (io): the things that can be the secret, how often each was named, and a prior.

A list is a file of one JSON object a line, `{"name", "alts", "prior", "count", "sources"}`, as an answer table's own
`keywords.jsonl` with two fields more. Reading also takes a plain text file with a word a line (its alts after `;`), and
the folder of an answer table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from furikaeri_common.artifacts import read_json_lines, write_json_lines
from furikaeri_common.errors import InputError
from twenty_questions.words import Keyword, normalise

__all__ = ["KeywordList", "keyword_list", "read_keyword_list", "require_writable", "write_keyword_list"]

_TABLE_MARK = "furikaeri answer table"
_MOST = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class KeywordList:
    """Keywords, how often each was named, and how probable each is.

    Attributes:
        keywords: the K things; no two names have the same normal form.
        counts: int64, shape (K,), at least 1: how many times each was named, by whatever made the list.
        prior: float64, shape (K,), positive, sums to 1.
        sources: shape (K,): what named each, such as "wordnet"; may be empty.
    """

    keywords: tuple[Keyword, ...]
    counts: NDArray[np.int64]
    prior: NDArray[np.float64]
    sources: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        size = len(self.keywords)
        if not size:
            raise ValueError("expected at least one keyword, got an empty list")
        for name in ("counts", "prior"):
            if getattr(self, name).shape != (size,):
                raise ValueError(f"expected {name} of shape ({size},), got {getattr(self, name).shape}")
        if len(self.sources) != size:
            raise ValueError(f"expected sources of {size} keywords, got {len(self.sources)}")
        if self.counts.dtype != np.int64 or (self.counts < 1).any():
            raise ValueError("expected counts of dtype int64 and at least 1")
        if not (np.isfinite(self.prior).all() and (self.prior > 0).all() and abs(self.prior.sum() - 1) < 1e-9):
            raise ValueError("expected a prior of positive numbers that sum to 1")
        if len({_identity(keyword.name) for keyword in self.keywords}) != size:
            raise ValueError("expected names with different normal forms")

    def __len__(self) -> int:
        return len(self.keywords)


def keyword_list(
    keywords: Sequence[Keyword],
    counts: ArrayLike | None = None,
    prior: ArrayLike | None = None,
    sources: Sequence[Sequence[str]] | str = (),
) -> KeywordList:
    """Return a list with what is left out filled in.

    Args:
        keywords: the things.
        counts: at least 1 each; all 1 if None.
        prior: positive weights, which need not sum to 1; the counts if None.
        sources: of each keyword, or one name for all.

    Raises:
        ValueError: if the parts do not fit together.
    """
    size = len(keywords)
    held = np.ones(size, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    weights = np.asarray(held if prior is None else prior, dtype=np.float64)
    named = ((sources,),) * size if isinstance(sources, str) else tuple(map(tuple, sources)) or ((),) * size
    return KeywordList(tuple(keywords), held, _summing_to_one(weights), named)


def read_keyword_list(path: Path) -> KeywordList:
    """Read a list: JSON lines, plain text, or the folder of an answer table.

    In plain text, later lines that name a thing again are passed over, and every word is equally probable. In JSON
    lines a count that is left out is 1, and priors may be left out in all lines together: then they follow the counts.

    Raises:
        InputError: if it cannot be read, is empty, or a row is no keyword or a duplicate; the message names the row.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "keywords.jsonl").is_file():
            raise InputError(f"{path}: holds no keywords.jsonl", fix="Give a table's folder, or a file of keywords")
        path = path / "keywords.jsonl"
    if path.suffix == ".jsonl" or _starts_with(path, b"{"):
        return _from_rows(path, read_json_lines(path))
    return _from_text(path)


def write_keyword_list(path: Path, keywords: KeywordList) -> None:
    """Write a list as JSON lines, atomically; reading it gives the same bits.

    Raises:
        InputError: if something else than a keyword list stands there, or the file cannot be written.
    """
    path = Path(path)
    require_writable(path)
    rows = zip(keywords.keywords, keywords.prior, keywords.counts, keywords.sources, strict=True)
    write_json_lines(
        path,
        (
            {
                "name": keyword.name,
                "alts": list(keyword.alts),
                "prior": float(prior),
                "count": int(count),
                "sources": list(sources),
            }
            for keyword, prior, count, sources in rows
        ),
    )


def require_writable(path: Path) -> None:
    """Refuse a place where a keyword list would replace something else.

    A table's own `keywords.jsonl` is such a thing: its rows belong to the matrix beside it.

    Raises:
        InputError: if it is a folder, another file, or part of a table.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder", fix=f"Name a file, such as {path / 'keywords.jsonl'}")
    if path.name == "keywords.jsonl" and _is_table_manifest(path.with_name("manifest.json")):
        raise InputError(f"{path}: belongs to the answer table in {path.parent}", fix="Choose another place")
    if path.is_file() and path.stat().st_size:
        try:
            first = next(iter(read_json_lines(path)), {})
        except InputError:
            first = {}
        if not isinstance(first.get("name"), str):
            raise InputError(f"{path}: holds something else than keywords", fix="Choose another place")


def _from_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> KeywordList:
    keywords: list[Keyword] = []
    counts: list[int] = []
    priors: list[float | None] = []
    sources: list[tuple[str, ...]] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        try:
            keyword, count, prior, named = _keyword_of(row)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}, row {number}: not a keyword ({reason})") from error
        earlier = first_row.setdefault(_identity(keyword.name), number)
        if earlier != number:
            raise InputError(f"{path}, row {number}: {keyword.name!r} is already in row {earlier}", fix="Remove one")
        if priors and (prior is None) != (priors[0] is None):
            raise InputError(
                f"{path}, row {number}: has {'no' if prior is None else 'a'} prior, unlike row 1",
                fix="Give every keyword a prior, or none",
            )
        keywords.append(keyword)
        counts.append(count)
        priors.append(prior)
        sources.append(named)
    if not keywords:
        raise InputError(f"{path}: holds no keyword")
    given = [prior for prior in priors if prior is not None]
    return keyword_list(keywords, counts, given or None, sources)


def _keyword_of(row: Mapping[str, Any]) -> tuple[Keyword, int, float | None, tuple[str, ...]]:
    alts, sources, count = row.get("alts") or [], row.get("sources") or [], row.get("count", 1)
    for name, value in (("alts", alts), ("sources", sources)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"expected {name} as a list of texts")
    if not isinstance(row["name"], str):
        raise ValueError("expected a name that is text")
    for name in (row["name"], *alts):
        name.encode()
    if type(count) is not int or not 1 <= count < _MOST:
        raise ValueError(f"expected a count that is a whole number of at least 1, got {count!r}")
    prior = None
    if row.get("prior") is not None:
        prior = float(row["prior"])
        if not (np.isfinite(prior) and prior > 0):
            raise ValueError(f"expected a positive prior, got {prior}")
    return Keyword(row["name"], tuple(alts)), count, prior, tuple(sources)


def _from_text(path: Path) -> KeywordList:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})", fix="Save it as UTF-8") from error
    if path.suffix.lower() == ".csv" and lines and "," in lines[0]:
        raise InputError(f"{path}: has columns, not a word a line", fix="Give the column of names as a text file")
    named: dict[str, Keyword] = {}
    for line in lines:
        names = [name.strip() for name in line.split(";") if name.strip()]
        if names:
            named.setdefault(_identity(names[0]), Keyword(names[0], tuple(dict.fromkeys(names[1:]))))
    if not named:
        raise InputError(f"{path}: holds no word", fix="Write one word a line")
    return keyword_list(tuple(named.values()))


def _summing_to_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights as probabilities; what sums to 1 already keeps its bits."""
    total = float(weights.sum())
    return weights if abs(total - 1) < 1e-9 or not total > 0 else weights / total


def _identity(name: str) -> str:
    """Return what makes two names one keyword of a list, as in an answer table."""
    return normalise(name) or name


def _is_table_manifest(path: Path) -> bool:
    return path.is_file() and _TABLE_MARK in path.read_text(encoding="utf-8", errors="replace")


def _starts_with(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(mark)) == mark
    except OSError:
        return False
