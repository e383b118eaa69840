"""Texts of a model in this process: what they depend on, and where they end."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.chat import render
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.loading import LanguageModel, open_language_model
from furikaeri_common.models.writing import LocalWriter, _draw, local_writer, open_writer

pytest.importorskip("transformers")
TALKS = [
    [{"role": "user", "content": "name a thing"}],
    [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the cat or the hammer?"}],
    [{"role": "user", "content": "x"}],
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep a model of two layers from waiting for threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "tiny"


@pytest.fixture
def model(folder: Path) -> LanguageModel:
    from tiny_language_model import save_tiny

    if not folder.exists():
        save_tiny(folder)
    return open_language_model(ModelConfig(model=str(folder), device="cpu", dtype="float32"))


def test_a_text_depends_on_its_own_conversation_and_seed_alone(model: LanguageModel) -> None:
    writer = local_writer(model)
    together = writer.write(TALKS, seeds=[1, 2, 3], max_tokens=12, temperature=1.0)
    alone = [
        writer.write([talk], seeds=[seed], max_tokens=12, temperature=1.0)[0]
        for talk, seed in zip(TALKS, (1, 2, 3), strict=True)
    ]
    assert together == alone
    assert writer.write(TALKS[:1], seeds=[2], max_tokens=12, temperature=1.0) != together[:1]
    assert writer.write([], seeds=[], max_tokens=12, temperature=1.0) == []


def test_greedy_texts_are_those_of_transformers_own_generation(model: LanguageModel) -> None:
    import torch

    writer = local_writer(model)
    assert isinstance(writer, LocalWriter)
    for talk in TALKS:
        ids = model.tokenizer(
            render(model.tokenizer, talk, open_turn=True), add_special_tokens=False, return_tensors="pt"
        )
        with torch.inference_mode():
            whole = model.model.generate(
                **ids, max_new_tokens=20, do_sample=False, eos_token_id=sorted(writer.stops), pad_token_id=0
            )
        expected = model.tokenizer.decode(whole[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        assert writer.write([talk], seeds=[9], max_tokens=20, temperature=0) == [expected]


def test_tokens_are_drawn_in_proportion() -> None:
    logits, rng = np.array([0.0, 1.0, -np.inf, 2.0]), np.random.default_rng(0)
    for temperature in (0.5, 1.0, 2.0):
        drawn = collections.Counter(_draw(logits, temperature, rng, "a model") for _ in range(4000))
        shares = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        found = np.array([drawn[token] for token in range(4)]) / 4000
        np.testing.assert_allclose(found, shares, atol=0.03)
        assert drawn[2] == 0
    assert _draw(logits, 0, rng, "a model") == 3
    with pytest.raises(WorkError, match="a model: gives numbers that are none"):
        _draw(np.array([0.0, np.nan]), 1.0, rng, "a model")


class Scripted:
    """A model that writes given tokens, whatever it reads."""

    def __init__(self, tokens: list[int], size: int) -> None:
        self.tokens, self.size = iter(tokens), size
        self.config = type("Config", (), {"max_position_embeddings": 200, "get_text_config": lambda config: config})()

    def forward(self, input_ids: Any, past_key_values: Any, use_cache: bool) -> Any:
        import torch

        logits = torch.zeros(1, int(input_ids.shape[1]), self.size)
        logits[0, -1, next(self.tokens)] = 100
        return type("Out", (), {"logits": logits, "past_key_values": None})()

    def __call__(self, **options: Any) -> Any:
        return self.forward(**options)


def scripted(model: LanguageModel, tokens: list[int]) -> LanguageModel:
    return dataclasses.replace(model, model=Scripted(tokens, len(model.tokenizer)))


def test_a_text_ends_with_the_turn_even_where_the_model_names_another_end(model: LanguageModel) -> None:
    # As with Gemma: the end of a text is one token, the end of a turn another, and only the template knows it.
    ids = model.tokenizer("yes<|im_end|>no<|endoftext|>", add_special_tokens=False)["input_ids"]
    assert local_writer(scripted(model, ids)).write(TALKS[:1], seeds=[0], max_tokens=50, temperature=0) == ["yes"]
    ids = model.tokenizer("no<|endoftext|>yes", add_special_tokens=False)["input_ids"]
    assert local_writer(scripted(model, ids)).write(TALKS[:1], seeds=[0], max_tokens=50, temperature=0) == ["no"]


def test_without_a_template_a_text_ends_where_another_turn_begins(model: LanguageModel) -> None:
    model.tokenizer.chat_template = None
    ids = model.tokenizer(" a spoon\nor two\nuser: and then?", add_special_tokens=False)["input_ids"]
    text = local_writer(scripted(model, ids)).write(TALKS[:1], seeds=[0], max_tokens=99, temperature=0)
    assert text == ["a spoon\nor two"]


def test_what_is_out_of_range_is_refused(model: LanguageModel) -> None:
    writer = local_writer(model)
    with pytest.raises(ValueError, match="expected 3 seeds, got 1"):
        writer.write(TALKS, seeds=[1], max_tokens=5, temperature=0)
    with pytest.raises(ValueError, match="max_tokens >= 1"):
        writer.write(TALKS[:1], seeds=[1], max_tokens=0, temperature=0)
    for temperature in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="temperature of 0 or more"):
            writer.write(TALKS[:1], seeds=[1], max_tokens=5, temperature=temperature)
    with pytest.raises(InputError, match="tiny: reads at most 512 tokens"):
        writer.write([[{"role": "user", "content": "a" * 600}]], seeds=[1], max_tokens=5, temperature=0)


def test_the_identity_names_no_path(model: LanguageModel, folder: Path) -> None:
    writer = open_writer(ModelConfig(model=str(folder), device="cpu", dtype="float32"))
    assert writer.name == "tiny"
    assert writer.identity == {
        "model": model.fingerprint,
        "weights": "full",
        "dtype": "float32",
        "device": "cpu",
    }
