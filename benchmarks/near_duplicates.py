"""How well a cosine threshold finds questions that mean the same, and which threshold is the default.

    uv run python benchmarks/near_duplicates.py [--json] [--embedder NAME]

Texts are the built-in table's questions and people's paraphrases of them (tests/twenty_questions/paraphrases_*.tsv).
Every two texts make a pair; two that mean one question, or its opposite, are duplicates. Pairs of two texts that mean
no question of the table are left out, for nobody said whether they mean the same. The threshold is chosen on the first
file by F0.5, which counts precision twice, and then measured on the second. The table tells apart 437 questions, many
of them alike ("made mostly of wood", "any of it made of wood"), so this is a harder list than most.
Nothing here is random.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.embedders import DEFAULT_EMBEDDER, Encoder, open_embedder
from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.english import read
from twenty_questions.question_sources.near_duplicates import THRESHOLD, apart, same_words
from twenty_questions.table import builtin_table
from understanding import read_texts

FOLDER = Path(__file__).parents[1] / "tests" / "twenty_questions"
THRESHOLDS = np.round(np.arange(0.65, 0.96, 0.01), 2)
BETA = 0.5


class Pairs(NamedTuple):
    """Pairs of texts that may count as duplicates.

    Args:
        cosines: float64, shape (P,), of their embeddings; those below the least threshold are not here.
        comparable: whether numbers, scales and things compared do not keep the two apart.
        same: whether they are the same words.
        duplicates: whether they mean one question.
        total: duplicates among all pairs.
    """

    cosines: NDArray[np.float64]
    comparable: NDArray[np.bool_]
    same: NDArray[np.bool_]
    duplicates: NDArray[np.bool_]
    total: int


class Figures(NamedTuple):
    """What a threshold finds."""

    threshold: float
    found: int
    precision: float
    recall: float
    f: float


def pairs_of(texts: Sequence[tuple[str, frozenset[str]]], encoder: Encoder) -> Pairs:
    """Return the pairs of texts, each with the keys it means (none: no question of the table)."""
    vectors = encoder([text for text, _ in texts])
    cosines = (vectors @ vectors.T).astype(np.float64)
    readings = [read(text) for text, _ in texts]
    total, rows = 0, []
    for one, other in itertools.combinations(range(len(texts)), 2):
        keys, others = texts[one][1], texts[other][1]
        if not keys and not others:
            continue
        duplicate = not keys.isdisjoint(others)
        total += duplicate
        same = readings[one].words == readings[other].words and same_words(readings[one], readings[other])
        if cosines[one, other] >= THRESHOLDS[0] or same:
            comparable = not apart(readings[one], readings[other])
            rows.append((cosines[one, other], comparable, same, duplicate))
    likeness, comparable, same, duplicates = zip(*rows, strict=True)
    return Pairs(np.array(likeness), np.array(comparable), np.array(same), np.array(duplicates), total)


def measure(pairs: Pairs, threshold: float, *, by_cosine_alone: bool = False) -> Figures:
    """Return precision and recall of duplicates."""
    found = pairs.cosines >= threshold
    if not by_cosine_alone:
        found = (found | pairs.same) & pairs.comparable
    right = int((found & pairs.duplicates).sum())
    precision, recall = right / max(1, int(found.sum())), right / pairs.total
    f = (1 + BETA**2) * precision * recall / max(1e-12, BETA**2 * precision + recall)
    return Figures(float(threshold), int(found.sum()), precision, recall, f)


def main() -> None:
    """Choose the threshold on one file and measure it on the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER, help="name or folder")
    options = parser.parse_args()
    models = Path(os.environ.get("FURIKAERI_MODELS", Path.home() / ".cache/furikaeri/models"))
    encoder = open_embedder(options.embedder, folders=[models])
    questions = [(one.text, frozenset({one.key})) for one in builtin_table().questions if one.kind == "table"]
    began = time.perf_counter()
    pairs = {}
    for name in ("dev", "heldout"):
        told = read_texts(FOLDER / f"paraphrases_{name}.tsv")
        meant = [(text, frozenset(key.replace("!", "").split("|")) - {"-"}) for text, key in told]
        pairs[name] = pairs_of([*questions, *meant], encoder)
    curve = [measure(pairs["dev"], threshold) for threshold in THRESHOLDS]
    best = max(curve, key=lambda one: one.f)
    held = measure(pairs["heldout"], best.threshold)
    alone = measure(pairs["heldout"], best.threshold, by_cosine_alone=True)
    default = measure(pairs["heldout"], THRESHOLD)
    tell_figures(
        [
            Figure(
                f"{what} of near-duplicates, held-out wordings",
                *(100 * getattr(default, what), "%", 100 * getattr(alone, what), "the cosine alone"),
                better="more",
                exact=True,
            )
            for what in ("precision", "recall")
        ]
    )
    if options.json:
        named = {"best_on_dev": best, "heldout": held, "heldout_by_cosine_alone": alone, "heldout_default": default}
        print(json.dumps({"curve": [one._asdict() for one in curve]} | {k: v._asdict() for k, v in named.items()}))
        return
    print(f"{'threshold':>9} {'pairs':>6} {'precision':>9} {'recall':>7} {'F0.5':>6}   (dev)")
    for one in curve[::3]:
        print(f"{one.threshold:9.2f} {one.found:6} {one.precision:9.3f} {one.recall:7.3f} {one.f:6.3f}")
    print(f"best on dev: {best.threshold:.2f} (the default is {THRESHOLD})")
    for title, one in (("held out", held), ("by cosine alone", alone), ("held out, default", default)):
        print(
            f"{title:>18}: {one.found} pairs, precision {one.precision:.3f}, recall {one.recall:.3f}, F0.5 {one.f:.3f}"
        )
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
