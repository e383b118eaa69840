"""A small table of real-looking things, built by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twenty_questions.bisection import word_list
from twenty_questions.questions import Question, answer_by_spelling, letter
from twenty_questions.table import AnswerTable, code_of, save_table
from twenty_questions.vocabulary.packed import write_vocabulary
from twenty_questions.words import Keyword

THINGS = {
    "animal": "horse otter falcon salmon beetle tiger rabbit camel pigeon lizard",
    "food": "noodle carrot cheese muffin walnut pickle banana yogurt onion biscuit",
    "tool": "hammer chisel wrench shovel ladder pliers sander trowel mallet crowbar",
    "furniture": "armchair bookcase dresser hammock cradle ottoman wardrobe bench desk cabinet",
    "clothing": "mitten scarf sandal raincoat apron sweater helmet jeans slipper bonnet",
    "place": "harbor meadow library quarry airport temple vineyard canyon bakery stadium",
}
TRAITS = {
    "large": "Is it larger than a person?",
    "soft": "Is it soft to the touch?",
    "metal": "Is it mostly made of metal?",
    "wood": "Is it mostly made of wood?",
    "indoors": "Is it usually found indoors?",
    "wet": "Is it often wet?",
    "loud": "Is it loud?",
    "round": "Is it round?",
    "bought": "Can you buy it in a supermarket?",
    "old": "Did it exist a thousand years ago?",
    "carried": "Can you carry it in one hand?",
    "summer": "Is it used mostly in summer?",
    "moves": "Does it move by itself?",
}


@pytest.fixture(scope="session")
def toy_table() -> AnswerTable:
    """60 things x 26 questions: kinds, made-up traits, and spelling; every two things differ on some question."""
    rng = np.random.default_rng(11)
    keywords = [Keyword(name) for names in THINGS.values() for name in names.split()]
    keywords[1] = Keyword("otter", ("river otter",))
    kinds = [kind for kind, names in THINGS.items() for _ in names.split()]
    questions = [Question(kind, f"Is it a kind of {kind}?") for kind in THINGS]
    questions += [Question(key, text) for key, text in TRAITS.items()]
    spelled = [letter("starts", "s"), letter("contains", "a"), letter("longer", "6"), letter("before", "h")]
    spelled += [letter("ends", "r"), letter("contains", "o"), letter("contains", "e")]
    p_yes = np.empty((len(keywords), len(questions) + len(spelled)))
    p_yes[:, : len(THINGS)] = [[0.97 if kind == other else 0.03 for other in THINGS] for kind in kinds]
    p_yes[:, len(THINGS) : len(questions)] = rng.choice([0.04, 0.5, 0.96], p=[0.5, 0.1, 0.4], size=(60, len(TRAITS)))
    for column, question in enumerate(spelled, start=len(questions)):
        p_yes[:, column] = [bool(answer_by_spelling(question, keyword.name)) for keyword in keywords]
    prior = rng.uniform(1, 3, size=len(keywords))
    return AnswerTable(tuple(keywords), (*questions, *spelled), code_of(p_yes), prior / prior.sum())


@pytest.fixture(scope="session")
def toy_folder(toy_table: AnswerTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same table on disk."""
    folder = tmp_path_factory.mktemp("toy") / "table"
    save_table(toy_table, folder)
    return folder


@pytest.fixture(scope="session")
def toy_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary of most of the things, and of compounds that the table lacks."""
    things = [name for names in THINGS.values() for name in names.split()]
    names = [*things[5:], *(f"{first} {second}" for first, second in zip(things, things[7:], strict=False))]
    path = tmp_path_factory.mktemp("vocabulary") / "toy.bin"
    write_vocabulary(path, word_list(names, range(1, len(names) + 1)), {})
    return path
