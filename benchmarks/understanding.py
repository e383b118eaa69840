"""How well people's own words are understood as the questions of the built-in table.

    uv run python benchmarks/understanding.py tests/twenty_questions/paraphrases_dev.tsv [--json] [--wrong]

The file has a line for each text: the text, a tab, and the key of the question it means, `!key` where yes to the text
means no to the question, or `-` where the table has no such question. Lines that start with # are skipped. Understood
counts as right only with the right key and the right sign.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.embedders import DEFAULT_EMBEDDER, open_embedder
from furikaeri_common.errors import InputError
from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.builtin.build import KNOWLEDGE_FOLDER
from twenty_questions.builtin.knowledge import read_questions
from twenty_questions.builtin.phrasing import read_wordings
from twenty_questions.understanding import BY_MEANING, BY_WORDS, Index, Thresholds, Wording, index_wordings, understand


class Figures(NamedTuple):
    """How one way of understanding did.

    Args:
        coverage: share of the texts with a question that were understood as some question.
        accuracy: share of those that were understood as the right one, with the right sign.
        abstention: share of the texts without a question that were not understood.
        index_seconds: to make the index.
        query_milliseconds: for each text.
    """

    coverage: float
    accuracy: float
    abstention: float
    thresholds: Thresholds
    index_seconds: float
    query_milliseconds: float
    wrong: list[tuple[str, str, str]]


def read_texts(path: Path) -> list[tuple[str, str]]:
    """Return the texts of a file and what they mean: a key, alternatives parted by a bar, or `-`."""
    texts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            text, tab, key = line.partition("\t")
            if not tab or not key.strip():
                raise InputError(f"{path.name}, line {number}: expected text, tab, key; got {line[:60]!r}")
            texts.append((text.strip(), key.strip()))
    return texts


def built_in_wordings() -> tuple[list[str], list[Wording]]:
    """Return the keys of the built-in questions and all their wordings."""
    groups = read_questions(KNOWLEDGE_FOLDER / "questions.txt")
    questions = [question for group in groups for question in group.questions]
    others = read_wordings()
    wordings = []
    for column, question in enumerate(questions):
        wordings.append(Wording(column, question.text))
        wordings.extend(Wording(column, text, opposite) for text, opposite in others.get(question.key, []))
    return [question.key for question in questions], wordings


def measure(index: Index, keys: list[str], texts: list[tuple[str, str]], index_seconds: float) -> Figures:
    """Return how well an index understands texts."""
    start = time.perf_counter()
    meant = [understand(index, text) for text, _ in texts]
    seconds = time.perf_counter() - start
    said = ["-" if one is None else "!" * one.opposite + keys[one.column] for one in meant]
    with_question = [(got, key) for got, (_, key) in zip(said, texts, strict=True) if key != "-"]
    without = [got for got, (_, key) in zip(said, texts, strict=True) if key == "-"]
    answered = [(got, key.split("|")) for got, key in with_question if got != "-"]
    return Figures(
        coverage=len(answered) / max(1, len(with_question)),
        accuracy=sum(got in key for got, key in answered) / max(1, len(answered)),
        abstention=without.count("-") / max(1, len(without)),
        thresholds=BY_WORDS if index.encoder is None else BY_MEANING,
        index_seconds=round(index_seconds, 3),
        query_milliseconds=round(1000 * seconds / max(1, len(texts)), 2),
        wrong=[
            (text, key, got) for got, (text, key) in zip(said, texts, strict=True) if got not in ("-", *key.split("|"))
        ],
    )


def _figures(found: Mapping[str, Figures]) -> list[Figure]:
    """Return what is told: by words as the game does without an embedder, beside by meaning where there is one."""
    own, other = found["by words"], found.get("by meaning")
    told = []
    for what, title in (
        ("coverage", "texts with a question that are answered"),
        ("accuracy", "answered texts that are answered rightly"),
        ("abstention", "texts without a question that are declined"),
    ):
        beside = (None, "") if other is None else (100 * getattr(other, what), "by meaning, with embeddings")
        told.append(Figure(f"{title}, by words", 100 * getattr(own, what), "%", *beside, better="more", exact=True))
    beside = (None, "") if other is None else (other.query_milliseconds, "by meaning, with embeddings")
    return [*told, Figure("understanding a text, by words", own.query_milliseconds, "ms", *beside)]


def main() -> None:
    """Measure by words, and by meaning too if the embedder is on this machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--wrong", action="store_true", help="show every text that was understood wrongly")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER, help="name or folder")
    options = parser.parse_args()
    texts = read_texts(options.file)
    keys, wordings = built_in_wordings()
    if unknown := {one.removeprefix("!") for _, key in texts for one in key.split("|")} - {*keys, "-"}:
        raise SystemExit(f"{options.file}: no questions have the keys {', '.join(sorted(unknown))}")
    found: dict[str, Figures] = {}
    start = time.perf_counter()
    index = index_wordings(wordings)
    found["by words"] = measure(index, keys, texts, time.perf_counter() - start)
    models = Path(os.environ.get("FURIKAERI_MODELS", Path.home() / ".cache/furikaeri/models"))
    note = ""
    try:
        encoder = open_embedder(options.embedder, folders=[models])
        start = time.perf_counter()
        index = index_wordings(wordings, encoder)
        found["by meaning"] = measure(index, keys, texts, time.perf_counter() - start)
    except InputError as error:
        note = str(error)
    tell_figures(_figures(found))
    if options.json:
        figures = {way: {**one._asdict(), "thresholds": one.thresholds._asdict()} for way, one in found.items()}
        with_question = sum(key != "-" for _, key in texts)
        print(json.dumps({"texts": len(texts), "with_question": with_question, **figures, "note": note}, indent=2))
        return
    for way, one in found.items():
        print(
            f"{way:11} coverage {one.coverage:.1%}  accuracy among answered {one.accuracy:.1%}  "
            f"abstention {one.abstention:.1%}  index {one.index_seconds} s  query {one.query_milliseconds} ms"
        )
        if options.wrong:
            for text, key, got in one.wrong:
                print(f"    {text}  meant {key}, understood {got}")
    if note:
        print(note)


if __name__ == "__main__":
    main()
