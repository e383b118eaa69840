"""The answer table (io): for every keyword and question, the probability that a partner says yes.

On disk a table is a folder:

- `manifest.json`: format version, sizes, provenance, and the SHA-256 of each other file;
- `keywords.jsonl`: `{"name", "alts", "prior"}` a line, one line per row of the matrix;
- `questions.jsonl`: `{"key", "text", "kind", "argument"}` a line, one line per column;
- `answers.safetensors`: the array `codes`, uint8, keywords x questions, memory-mapped on opening.

Code c in 0..254 stands for P(yes) = (c + 0.5) / 255: never 0 or 1, so that no answer can make a keyword impossible, and
exactly 1/2 at c = 127. Code 255 stands for "not labelled" and reads as 1/2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from furikaeri_common.artifacts import (
    map_tensor,
    read_json,
    read_json_lines,
    sha256_of,
    write_json,
    write_json_lines,
    write_tensors,
)
from furikaeri_common.errors import InputError
from twenty_questions.questions import Question
from twenty_questions.words import Keyword, normalise

__all__ = [
    "FORMAT",
    "UNCERTAIN",
    "UNLABELLED",
    "AnswerTable",
    "builtin_table",
    "code_of",
    "open_table",
    "probability_of",
    "save_table",
    "table_alone",
    "table_fingerprint",
]

FORMAT = "furikaeri answer table 1"
UNLABELLED = 255
UNCERTAIN = 127

_MANIFEST = "manifest.json"
_FILES = ("keywords.jsonl", "questions.jsonl", "answers.safetensors")
_PROBABILITIES = np.append((np.arange(255) + 0.5) / 255, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTable:
    """Keywords, questions, and P(yes) for every pair.

    Attributes:
        keywords: the K things that can be guessed.
        questions: the Q questions that can be asked; keys are unique.
        codes: uint8, shape (K, Q), a row per keyword; see the module for the code.
        prior: float64, shape (K,), positive, sums to 1.
        provenance: where the table comes from, free-form, kept in the manifest.
    """

    keywords: tuple[Keyword, ...]
    questions: tuple[Question, ...]
    codes: NDArray[np.uint8]
    prior: NDArray[np.float64]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.keywords), len(self.questions))
        if self.codes.dtype != np.uint8:
            raise TypeError(f"expected codes of dtype uint8, got {self.codes.dtype}")
        if self.codes.shape != expected:
            raise ValueError(f"expected codes of shape (keywords, questions) = {expected}, got {self.codes.shape}")
        if self.prior.shape != (len(self.keywords),):
            raise ValueError(f"expected a prior of shape ({len(self.keywords)},), got {self.prior.shape}")
        if not len(self.keywords) or not len(self.questions):
            raise ValueError("expected at least one keyword and one question, got an empty table")
        if not (np.isfinite(self.prior).all() and (self.prior > 0).all() and abs(self.prior.sum() - 1) < 1e-9):
            raise ValueError("expected a prior of positive numbers that sum to 1")
        if len({question.key for question in self.questions}) != len(self.questions):
            raise ValueError("expected question keys to be unique")


def probability_of(codes: ArrayLike) -> NDArray[np.float64]:
    """Return P(yes) of each 8-bit code, same shape."""
    return np.asarray(_PROBABILITIES[np.asarray(codes)])


def code_of(probabilities: ArrayLike) -> NDArray[np.uint8]:
    """Return the nearest 8-bit code of each probability in [0, 1]; NaN becomes "not labelled".

    The round trip is within 1/510 of the probability.

    Raises:
        ValueError: if a number lies outside [0, 1].
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if ((values < 0) | (values > 1)).any():
        raise ValueError("expected probabilities in [0, 1]")
    codes = np.clip(np.floor(values * 255), 0, 254)
    return np.where(np.isnan(values), UNLABELLED, codes).astype(np.uint8)


def save_table(table: AnswerTable, folder: Path) -> None:
    """Write a table as a folder; the manifest, which makes it whole, goes first and comes last."""
    folder = Path(folder)
    manifest = folder / _MANIFEST
    if manifest.is_file() and FORMAT.rsplit(" ", 1)[0] not in manifest.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{manifest}: belongs to something else", fix="Choose another folder")
    manifest.unlink(missing_ok=True)
    write_json_lines(
        folder / "keywords.jsonl",
        (
            {"name": keyword.name, "alts": list(keyword.alts), "prior": float(prior)}
            for keyword, prior in zip(table.keywords, table.prior, strict=True)
        ),
    )
    write_json_lines(
        folder / "questions.jsonl",
        (
            {"key": question.key, "text": question.text, "kind": question.kind, "argument": question.argument}
            for question in table.questions
        ),
    )
    write_tensors(folder / "answers.safetensors", {"codes": np.asarray(table.codes)})
    write_json(
        folder / _MANIFEST,
        {
            "format": FORMAT,
            "keywords": len(table.keywords),
            "questions": len(table.questions),
            "provenance": dict(table.provenance),
            "sha256": {name: sha256_of(folder / name) for name in _FILES},
        },
    )


def open_table(folder: Path, *, verify: bool = False) -> AnswerTable:
    """Open a table folder; the matrix is memory-mapped.

    Args:
        folder: the table's folder.
        verify: also hash every file against the manifest, which reads all of it.

    Raises:
        InputError: if the folder is missing, incomplete, of another format, or damaged; the message names the file, and
            the row where there is one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no table folder here", fix="Give the folder that holds manifest.json")
    manifest = read_json(folder / _MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise InputError(f"{folder / _MANIFEST}: expected the format {FORMAT!r}, got {found!r}")
    if verify:
        _verify(folder, manifest)
    keywords, prior = _read_keywords(folder / "keywords.jsonl")
    questions = _read_questions(folder / "questions.jsonl")
    codes = map_tensor(folder / "answers.safetensors", "codes")
    try:
        return AnswerTable(keywords, questions, codes, prior / prior.sum(), manifest.get("provenance") or {})
    except (ValueError, TypeError) as error:
        raise InputError(f"{folder}: the table does not fit together: {error}", fix="Build it again") from error


def table_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a table's own files, whatever else lies in its folder, such as the shards it was made of.

    Where nothing else does, it is `artifacts.fingerprint_of` the folder.

    Raises:
        InputError: if a file cannot be read.
    """
    digest = hashlib.sha256()
    for name in sorted((*_FILES, _MANIFEST)):
        digest.update(f"{name}\0{sha256_of(Path(folder) / name)}\n".encode())
    return digest.hexdigest()


def table_alone(folder: Path, links: Path) -> Path:
    """Return a folder that holds a table and nothing else, of which machines that lack it can get a copy.

    Args:
        folder: the table's folder, which may hold more, such as the shards of which it was made.
        links: a folder of links to the table's files, which is made if there is more.
    """
    folder = Path(folder).resolve()
    if {path.name for path in folder.iterdir()} <= {*_FILES, _MANIFEST}:
        return folder
    links.mkdir(parents=True, exist_ok=True)
    for name in (*_FILES, _MANIFEST):
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(folder / name)
    return links.resolve()


@cache
def builtin_table() -> AnswerTable:
    """Open the table of everyday things that ships with this package."""
    return open_table(Path(__file__).parent / "builtin" / "table")


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    expected = manifest.get("sha256")
    for name in _FILES:
        if not isinstance(expected, dict) or name not in expected:
            raise InputError(f"{folder / _MANIFEST}: has no SHA-256 of {name}", fix="Build the table again")
        if sha256_of(folder / name) != expected[name]:
            raise InputError(f"{folder / name}: differs from the manifest's SHA-256", fix="Copy or build it again")


def _read_keywords(path: Path) -> tuple[tuple[Keyword, ...], NDArray[np.float64]]:
    keywords: list[Keyword] = []
    prior: list[float] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(read_json_lines(path), start=1):
        try:
            alts = row.get("alts") or []
            if not isinstance(alts, list) or not all(isinstance(name, str) for name in (row["name"], *alts)):
                raise ValueError("expected a name and a list of alts, all text")
            keyword = Keyword(row["name"], tuple(alts))
            weight = float(row["prior"])
            if not (np.isfinite(weight) and weight > 0):
                raise ValueError(f"expected a positive prior, got {weight}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{path}, row {number}: not a keyword ({_reason(error)})") from error
        earlier = first_row.setdefault(normalise(keyword.name) or keyword.name, number)
        if earlier != number:
            raise InputError(f"{path}, row {number}: {keyword.name!r} is already in row {earlier}", fix="Remove one")
        keywords.append(keyword)
        prior.append(weight)
    if not keywords:
        raise InputError(f"{path}: holds no keyword")
    return tuple(keywords), np.asarray(prior, dtype=np.float64)


def _read_questions(path: Path) -> tuple[Question, ...]:
    questions: list[Question] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(read_json_lines(path), start=1):
        try:
            fields = (row["key"], row["text"], row["kind"], row.get("argument", ""))
            if not all(isinstance(value, str) for value in fields):
                raise ValueError("fields must be text")
            question = Question(*fields)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}, row {number}: not a question ({_reason(error)})") from error
        earlier = first_row.setdefault(question.key, number)
        if earlier != number:
            raise InputError(f"{path}, row {number}: {question.key!r} is already in row {earlier}", fix="Remove one")
        questions.append(question)
    if not questions:
        raise InputError(f"{path}: holds no question")
    return tuple(questions)


def _reason(error: Exception) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error)
