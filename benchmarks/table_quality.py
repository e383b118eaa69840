"""How good the built-in table is, against labels and a word list that were not made with it.

    uv run python benchmarks/table_quality.py [--real-data DIR] [--json]

Labels: `tq/gold_answers.csv` of the real data, keywords split in two halves by the parity of their SHA-256. The even
half settled how literally the wordings are read; the odd half was held out. Words: the public list in the installed
contest engine, read as data.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.builtin.build import KNOWLEDGE_FOLDER
from twenty_questions.builtin.knowledge import read_knowledge
from twenty_questions.experiments import read_labels
from twenty_questions.quality import definite, difference_counts, gold_agreement, majority_shares, recall_of
from twenty_questions.table import builtin_table


def contest_words() -> list[list[str]]:
    package = importlib.util.find_spec("kaggle_environments")
    if package is None or package.origin is None:
        return []
    source = Path(package.origin).parent / "envs" / "llm_20_questions" / "keywords.py"
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "KEYWORDS_JSON":
            categories = json.loads(ast.literal_eval(node.value))
            return [[entry["keyword"], *entry["alts"]] for category in categories for entry in category["words"]]
    return []


def held_out(keyword: str) -> bool:
    return int(hashlib.sha256(keyword.encode()).hexdigest(), 16) % 2 == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real-data", type=Path, default=Path(os.environ.get("FURIKAERI_REAL_DATA", "../shared/data")))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = builtin_table()
    meaning = [column for column, question in enumerate(table.questions) if question.kind == "table"]
    different = difference_counts(table, meaning)
    known = read_knowledge(KNOWLEDGE_FOLDER)
    figures: dict[str, Any] = {
        "things": len(table.keywords),
        "questions of meaning": len(meaning),
        "questions of spelling": len(table.questions) - len(meaning),
        "uncertain cells": round(float((definite(table) == 0).mean()), 4),
        "most common share of one answer": round(float(majority_shares(table).max()), 5),
        "fewest differing questions of meaning": int(different[different > 0].min() if different.any() else 0),
        "pairs that differ on none": int((different == 0).sum() - len(table.keywords)) // 2,
        "least share of stated cells": round(float(known.stated.mean(axis=1).min()), 3),
        "mean share of stated cells": round(float(known.stated.mean()), 3),
    }
    labels_file = arguments.real_data / "tq" / "gold_answers.csv"
    if labels_file.exists():
        labels = read_labels(labels_file)
        for name, half in (("half used for reading", False), ("held-out half", True)):
            part = gold_agreement(table, [label for label in labels if held_out(label.keyword) == half])
            figures[f"labels, {name}"] = {
                "balanced accuracy": round(part.balanced_accuracy, 4),
                "yes": round(part.yes_recall, 4),
                "no": round(part.no_recall, 4),
                "shared keywords": f"{part.shared_keywords} of {part.keywords}",
                "cells": part.cells,
            }
    words = contest_words()
    if words:
        recall = recall_of(table, words)
        figures["recall of the public list"] = {
            "words": recall.words,
            "exact": round(recall.exact, 4),
            "by the game's matching": round(recall.by_the_game, 4),
        }
    told = [
        Figure(
            "pairs of things that no question of meaning tells apart",
            *(float(str(figures["pairs that differ on none"])), ""),
            exact=True,
        )
    ]
    if "labels, held-out half" in figures:
        told.append(
            Figure(
                "balanced accuracy against other labels, held-out half",
                *(100 * figures["labels, held-out half"]["balanced accuracy"], "%"),
                *(100 * figures["labels, half used for reading"]["balanced accuracy"], "the half used for reading"),
                limit=95,
                better="more",
                exact=True,
            )
        )
    if words:
        told.append(
            Figure("recall of the public list by the game", 100 * recall.by_the_game, "%", better="more", exact=True)
        )
    tell_figures(told)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        shown = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        print(f"{name}: {shown}")


if __name__ == "__main__":
    main()
