"""Run the programs inside the test's own process."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from furikaeri_cli.main import run
from twenty_questions.questions import Question, answer_by_spelling, letter
from twenty_questions.table import AnswerTable, code_of, save_table
from twenty_questions.words import Keyword


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `program arguments...` with `input` on stdin."""

    def call(program: str, *arguments: object, input: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(input))
        capsys.readouterr()
        code = run(program, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


YES = {
    "alive": "dog cat eagle salmon",
    "animal": "dog cat eagle salmon",
    "edible": "salmon apple bread cheese",
    "tool": "hammer saw chisel",
    "furniture": "armchair bookcase bench",
    "fly": "eagle kite",
    "bark": "dog",
    "kitchen": "apple bread cheese kettle teapot",
    "electric": "kettle",
    "loud": "dog hammer saw drum",
    "wood": "bookcase bench drum",
    "sharp": "saw chisel eagle",
    "round": "apple drum",
    "seat": "armchair bench",
}
TEXTS = {
    "alive": "Is it a living thing?",
    "animal": "Is it an animal?",
    "edible": "Is it something people eat or drink?",
    "tool": "Is it a tool?",
    "furniture": "Is it a piece of furniture?",
    "fly": "Can it fly?",
    "bark": "Does it bark?",
    "kitchen": "Is it commonly found in a kitchen?",
    "electric": "Does it use electricity?",
    "loud": "Is it loud?",
    "wood": "Is it made mostly of wood?",
    "sharp": "Is it sharp?",
    "round": "Is it round?",
    "seat": "Can you sit on it?",
}


@pytest.fixture(scope="session")
def things_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of sixteen things on disk, sure of every answer."""
    names = sorted({name for told in YES.values() for name in told.split()})
    spelled = [letter("starts", "s"), letter("contains", "e"), letter("longer", "5")]
    questions = [Question(key, text) for key, text in TEXTS.items()] + spelled
    p_yes = np.full((len(names), len(questions)), 0.03)
    for column, question in enumerate(questions):
        for row, name in enumerate(names):
            if name in YES.get(question.key, "").split() or answer_by_spelling(question, name):
                p_yes[row, column] = 0.97
    keywords = [Keyword(name, ("couch",) if name == "armchair" else ()) for name in names]
    folder = tmp_path_factory.mktemp("things") / "table"
    prior = np.full(len(names), 1 / len(names))
    save_table(AnswerTable(tuple(keywords), tuple(questions), code_of(p_yes), prior), folder)
    return folder
