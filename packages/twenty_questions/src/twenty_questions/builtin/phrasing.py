"""How the built-in table's questions are understood (io): their own wordings, and the others people use for them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import map_tensor, write_tensors
from furikaeri_common.errors import FurikaeriError, InputError
from twenty_questions.table import AnswerTable
from twenty_questions.understanding import Encoder, Wording

__all__ = ["WORDINGS_FILE", "embed_wordings", "read_wordings", "wordings_of"]

WORDINGS_FILE = Path(__file__).parent / "knowledge" / "wordings.txt"


def read_wordings(path: Path = WORDINGS_FILE) -> dict[str, list[tuple[str, bool]]]:
    """Read other wordings by question key: (text, whether it asks the opposite).

    A line is `key: wording; wording`, or `!key: wording` for wordings to which yes means no to the question.

    Raises:
        InputError: for a line of another form, naming it.
    """
    found: dict[str, list[tuple[str, bool]]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key, colon, texts = line.partition(":")
        wordings = [text.strip() for text in texts.split(";")]
        if not colon or not key.strip() or not all(wordings):
            raise InputError(f"{path.name}, line {number}: expected `key: wording; wording`, got {line[:60]!r}")
        name = key.strip()
        found.setdefault(name.removeprefix("!"), []).extend((text, name.startswith("!")) for text in wordings)
    return found


def wordings_of(table: AnswerTable, others: dict[str, list[tuple[str, bool]]] | None = None) -> list[Wording]:
    """Return the wordings of a table's questions of meaning: their own, then the others by key."""
    extra = read_wordings() if others is None else others
    wordings = []
    for column, question in enumerate(table.questions):
        if question.kind == "table":
            wordings.append(Wording(column, question.text))
            wordings.extend(Wording(column, text, opposite) for text, opposite in extra.get(question.key, []))
    return wordings


def embed_wordings(wordings: Sequence[Wording], encoder: Encoder, model: str, folder: Path) -> NDArray[np.float32]:
    """Return the embeddings of wordings, kept in a folder from the first time on, for they take seconds to make.

    Args:
        wordings: what `index_wordings` gets.
        encoder: makes the embeddings that are not kept yet.
        model: the encoder's name; other models and other wordings are kept in other files.
        folder: is made if need be; where nothing can be kept, the embeddings are made anew.

    Returns:
        Unit vectors, shape (wordings, dimensions), as `index_wordings` takes them.
    """
    texts = [wording.text for wording in wordings]
    digest = hashlib.sha256("\0".join((model, *texts)).encode()).hexdigest()
    file = folder / f"wordings-{digest[:16]}.safetensors"
    if file.exists():
        with contextlib.suppress(FurikaeriError):
            kept = map_tensor(file, "embeddings")
            if kept.dtype == np.float32 and kept.ndim == 2 and len(kept) == len(texts):
                return kept
    embeddings = encoder(texts)
    with contextlib.suppress(FurikaeriError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(file, {"embeddings": embeddings})
    return embeddings
