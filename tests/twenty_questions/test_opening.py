"""From a configuration to a labeller: every setting takes effect, and what is missing is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.leaning_files import write_leanings
from twenty_questions.labelling.leanings import Leanings, without_leanings
from twenty_questions.labelling.opening import open_labeller

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")), reason="torch is not installed"
)

QUESTIONS = ["Is it alive?", "Is it made of metal?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "common"))
    from tiny_language_model import save_tiny

    return save_tiny(tmp_path_factory.mktemp("model") / "tiny")


def asked(folder: Path, **settings: object) -> LabellerConfig:
    return LabellerConfig(model=str(folder), device="cpu", dtype="float32", **settings)  # type: ignore[arg-type]


def test_a_model_is_opened_and_labels(folder: Path) -> None:
    labeller = open_labeller(asked(folder))
    found = labeller.label(["kettle", "horse"], QUESTIONS)
    assert found.shape == (2, 2)
    assert ((found > 0) & (found < 1)).all()
    assert labeller.name == "tiny"
    assert str(folder) not in str(labeller.identity)


def test_every_setting_is_part_of_the_identity(folder: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "mine.toml"
    prompt.write_text('system = "Yes or no?"\n')
    configs = [asked(folder), asked(folder, prompt=str(prompt)), asked(folder, centring=True)]
    assert len({str(open_labeller(config).identity) for config in configs}) == 3


def test_centring_and_leanings_are_taken_out_in_turn(folder: Path, tmp_path: Path) -> None:
    centred = open_labeller(asked(folder, centring=True))
    learned = Leanings(
        slope=1.5, intercept=0.2, spread=1.0, other_slope=1.0, other_middle=0.1, questions={QUESTIONS[0]: -1.0}
    )
    file = tmp_path / "leanings.json"
    write_leanings(file, {centred.name: (centred.identity, learned)})
    both = open_labeller(asked(folder, centring=True, leanings=str(file)))
    expected = without_leanings(learned, centred.label(["kettle"], QUESTIONS), QUESTIONS)
    np.testing.assert_allclose(both.label(["kettle"], QUESTIONS), expected, rtol=1e-5)
    with pytest.raises(InputError, match="asked otherwise"):
        open_labeller(asked(folder, leanings=str(file)))


def test_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-model"):
        open_labeller(LabellerConfig(model="no-such-model"))
    with pytest.raises(InputError, match="there is no prompt 'nowhere'"):
        open_labeller(asked(folder, prompt="nowhere"))
    with pytest.raises(InputError, match="cannot be read"):
        open_labeller(asked(folder, leanings=str(tmp_path / "none.json")))
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/v1"):
        open_labeller(LabellerConfig(model="x", base_url="http://127.0.0.1:9/v1", attempts=1))
