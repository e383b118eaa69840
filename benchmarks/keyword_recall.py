"""How much of the contest's public list keywords out of WordNet cover, beside the original's 46 % at 35,000 words.

    uv run python benchmarks/keyword_recall.py [--wordnet DIR] [--json]

Descendants of `physical_entity.n.01`: by the first word of each synset and by all, with and without instances, by the
letter (in lower case) and by the game's matching; a public word's alts count where "alts" is said. Neighbours: of half
of the public list, in so many steps, judged on the other half; means over five splits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.sources.merging import merge_samples
from twenty_questions.sources.neighbours import wordnet_neighbours
from twenty_questions.sources.public_list import read_public_list
from twenty_questions.sources.recall import evaluate_list, split_words
from twenty_questions.sources.wordnet import WordNet, descendants, find_synset, lemma_names, read_wordnet
from twenty_questions.words import Keyword, normalise, spellings

ROOT = "physical_entity.n.01"
ORIGINAL = 46.0  # per cent, as the team told of its 35,000 words
SPLITS = range(5)


def descendant_figures(wordnet: WordNet, public: Sequence[Keyword]) -> list[dict[str, object]]:
    """Return a row for each definition of what a descendant's words are."""
    rows: list[dict[str, object]] = []
    for instances in (False, True):
        below = descendants(wordnet, find_synset(wordnet, ROOT), instances=instances)
        for lemmas in ("first", "all"):
            words = {name.lower() for name in lemma_names(below, lemmas)}
            forms = {normalise(word) for word in words}
            exact = [[name.lower() in words for name in keyword.names] for keyword in public]
            game = [[any(form in forms for form in spellings(name)) for name in keyword.names] for keyword in public]
            rows.append(
                {
                    "lemmas": lemmas,
                    "instances": instances,
                    "words": len(words),
                    "exact": mean(hits[0] for hits in exact),
                    "exact, alts": mean(any(hits) for hits in exact),
                    "game": mean(hits[0] for hits in game),
                    "game, alts": mean(any(hits) for hits in game),
                }
            )
    return rows


def neighbour_figures(wordnet: WordNet, public: Sequence[Keyword]) -> list[dict[str, object]]:
    """Return a row for each number of steps."""
    rows: list[dict[str, object]] = []
    for steps in (1, 2, 3):
        found = []
        for seed in SPLITS:
            train, validation = split_words(public, train_share=0.5, seed=seed)
            listed = merge_samples(wordnet_neighbours(wordnet, train, steps=steps))
            found.append(evaluate_list(listed, validation, train, cut_offs=[1])[0])
        rows.append(
            {
                "steps": steps,
                "words": round(mean(row.size for row in found)),
                "exact, alts": mean(row.recall_exact for row in found),
                "game, alts": mean(row.recall for row in found),
                "game, alts, by split": [round(row.recall, 3) for row in found],
            }
        )
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    public = read_public_list().keywords
    wordnet = read_wordnet(arguments.wordnet)
    figures = {"descendants": descendant_figures(wordnet, public), "neighbours": neighbour_figures(wordnet, public)}
    tell_figures(
        [
            *(
                Figure(
                    f"recall of the public list by {row['words']:,} words below {ROOT} ({row['lemmas']} lemmas"
                    f"{', instances too' if row['instances'] else ''})",
                    *(100 * float(str(row["game, alts"])), "%", ORIGINAL, "the original's at 35,000 words, as told"),
                    better="more",
                    exact=True,
                )
                for row in figures["descendants"]
            ),
            *(
                Figure(
                    f"recall of the other half by neighbours of one half, {row['steps']} steps",
                    *(100 * float(str(row["game, alts"])), "%"),
                    better="more",
                    exact=True,
                )
                for row in figures["neighbours"]
            ),
        ]
    )
    if arguments.json:
        print(json.dumps({"public words": len(public), **figures}, indent=2))
        return
    for name, rows in figures.items():
        print(f"{name}, {len(public)} public words")
        for row in rows:
            print("  " + ", ".join(f"{key} {_shown(value)}" for key, value in row.items()))


def _shown(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
