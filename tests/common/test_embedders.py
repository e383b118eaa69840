"""Sentence embedders: where they are looked for, what they refuse, and what their vectors are."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.embedders import DEFAULT_EMBEDDER, open_embedder
from furikaeri_common.errors import InputError, MissingExtraError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "is", "it", "red", "round", "alive", "?"]
needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")), reason="torch is not installed"
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained embedder of two layers and eleven words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    BertModel(shape).save_pretrained(folder)
    BertTokenizerFast(vocab={word: number for number, word in enumerate(WORDS)}).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 6}', encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


@needs_torch
def test_vectors_are_the_mean_of_the_tokens(tiny: Path) -> None:
    import torch
    from transformers import BertModel

    ids = [WORDS.index(word) for word in ("[CLS]", "is", "it", "red", "[SEP]")]
    model = BertModel.from_pretrained(tiny).eval()
    with torch.inference_mode():
        states = model(torch.tensor([ids])).last_hidden_state[0].numpy()
    mean = states.mean(axis=0)
    found = open_embedder(tiny)(["is it red"])
    np.testing.assert_allclose(found[0], mean / np.linalg.norm(mean), atol=1e-6)


@needs_torch
def test_order_and_batches_do_not_matter(tiny: Path) -> None:
    texts = ["is it red", "red", "is it alive ?", "round round", "it", "is it red"]
    together = open_embedder(tiny)(texts)
    assert together.shape == (6, 8)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.stack([open_embedder(tiny, batch=1)([text])[0] for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(open_embedder(tiny, batch=2)(texts[::-1])[::-1], together, atol=1e-5)
    assert open_embedder(tiny)([]).shape == (0, 8)


@needs_torch
def test_long_texts_are_cut_where_the_folder_says(tiny: Path) -> None:
    embedder = open_embedder(tiny)
    np.testing.assert_allclose(embedder(["is it red ?" + " alive" * 50]), embedder(["is it red ?"]), atol=1e-6)
    assert np.abs(embedder(["is it red alive"]) - embedder(["is it red ?"])).max() > 1e-3


@needs_torch
def test_a_model_is_found_by_its_name_in_the_folders(tiny: Path, tmp_path: Path) -> None:
    by_path = open_embedder(tiny)(["is it red"])
    for name in ("tiny", "somebody/tiny"):
        found = open_embedder(name, folders=[tmp_path, tiny.parent])(["is it red"])
        np.testing.assert_array_equal(found, by_path)


@needs_torch
def test_a_missing_model_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("furikaeri_common.embedders._in_hub_cache", lambda name: None)
    with pytest.raises(InputError) as raised:
        open_embedder("no-such-model", folders=[tmp_path])
    assert str(tmp_path / "no-such-model") in raised.value.message
    assert "hf download sentence-transformers/no-such-model" in raised.value.fix


@needs_torch
def test_the_hub_is_never_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no embedder"):
        open_embedder("nobody-at-all/no-such-model", folders=[tmp_path])


@needs_torch
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", "damaged", "not a model that can be opened"),
        ("config.json", "{}", "not a model that can be opened"),
        ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}', "does not take the mean"),
        ("1_Pooling/config.json", "{", "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_used_is_refused(tiny: Path, tmp_path: Path, file: str, content: str, message: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / file).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        open_embedder(copy)


@needs_torch
def test_missing_weights_are_not_made_up(tiny: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    weights = load_file(copy / "model.safetensors")
    lost = next(name for name in weights if name.endswith("layer.1.output.dense.weight"))
    save_file({name: array for name, array in weights.items() if name != lost}, copy / "model.safetensors")
    with pytest.raises(InputError, match="lack 1 of the model's arrays"):
        open_embedder(copy)


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="extra `llm` of furikaeri-common"):
        open_embedder(tmp_path)


def test_a_batch_holds_a_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        open_embedder(tmp_path, batch=0)


@pytest.mark.models
@needs_torch
def test_sentences_of_one_meaning_are_nearer() -> None:
    models = Path(os.environ.get("FURIKAERI_MODELS", Path.home() / ".cache/furikaeri/models"))
    try:
        embedder = open_embedder(DEFAULT_EMBEDDER, folders=[models])
    except InputError as missing:
        pytest.skip(str(missing))
    car, automobile, soup = embedder(["Is it a car?", "is this an automobile", "Do you eat it with a spoon?"])
    assert car @ automobile > 0.7
    assert car @ soup < 0.4
