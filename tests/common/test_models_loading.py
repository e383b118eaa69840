"""Opening language models: what they compute, what is refused and why, and that their memory comes free."""

from __future__ import annotations

import gc
import importlib.util
import json
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_common.devices import DeviceChoice
from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.models.config import ModelConfig, Weights
from furikaeri_common.models.folders import bytes_held, folder_fingerprint, read_folder
from furikaeri_common.models.loading import LanguageModel, open_language_model

pytest.importorskip("transformers")
TEXT = "is the cat a tool or the hammer an animal that lives in the house"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep a model of two layers from waiting for threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from tiny_language_model import save_tiny

    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return save_tiny(tmp_path / "models" / "tiny")


def opened(folder: Path, **options: Any) -> LanguageModel:
    return open_language_model(ModelConfig(model=str(folder), device="cpu", **options))


def logits_of(model: LanguageModel) -> Any:
    import torch

    ids = torch.tensor([model.tokenizer(TEXT)["input_ids"]])
    with torch.inference_mode():
        return model.model(ids).logits[0].float()


def test_a_folder_computes_what_was_saved(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tiny_language_model import tiny_model

    model = opened(tiny, dtype="float32")
    assert capfd.readouterr() == ("", "")
    saved = LanguageModel(
        name="", tokenizer=model.tokenizer, model=tiny_model(), device="cpu", dtype="float32", weights="full",
        reason="", num_bytes=0, fingerprint="",
    )  # fmt: skip
    np.testing.assert_allclose(logits_of(model), logits_of(saved), atol=1e-5)
    assert not model.model.training
    assert (model.name, model.device, model.dtype, model.weights) == ("tiny", "cpu", "float32", "full")
    assert model.num_bytes == 4 * sum(array.numel() for array in tiny_model().parameters()) + 2 * 4 * 8
    assert model.reason.startswith("cpu in float32 as asked, weights in full: it was asked for")


def test_the_dtype_is_the_devices_unless_one_is_asked_for(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    choice = DeviceChoice("cpu", "bfloat16", "for a test", None, None)
    monkeypatch.setattr("furikaeri_common.models.loading.choose_device", lambda requested: choice)
    model = open_language_model(ModelConfig(model="tiny"))
    assert model.model.dtype == torch.bfloat16
    assert model.reason == "cpu in bfloat16, weights in full: for a test"
    assert open_language_model(ModelConfig(model="tiny", dtype="float16")).model.dtype == torch.float16


def test_capped_attention_scores_are_capped(tmp_path: Path) -> None:
    import torch
    from tiny_language_model import tiny_tokenizer, vocabulary
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    shape = Gemma2Config(
        vocab_size=len(vocabulary()), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, attn_logit_softcapping=0.5, initializer_range=1.0, pad_token_id=None,
    )  # fmt: skip
    saved = Gemma2ForCausalLM._from_config(shape, attn_implementation="eager").eval()
    saved.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = open_language_model(ModelConfig(model=str(tmp_path), device="cpu", dtype="float32"))
    ids = torch.tensor([[5, 9, 12, 40, 41, 77]])
    with torch.inference_mode():
        np.testing.assert_allclose(model.model(ids).logits, saved(ids).logits, atol=1e-4)


@pytest.mark.parametrize(("weights", "furthest"), [("8bit", 0.05), ("4bit", 0.3)])
def test_quantised_weights_take_less_and_say_nearly_the_same(
    tiny: Path, weights: Weights, furthest: float, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch

    pytest.importorskip("bitsandbytes")
    full, model = opened(tiny, dtype="float32"), opened(tiny, weights=weights, dtype="float32")
    shares = [torch.softmax(logits_of(one), dim=-1) for one in (full, model)]
    distance = float((shares[0] - shares[1]).abs().sum(dim=-1).mean() / 2)
    assert 1e-4 < distance < furthest
    assert capfd.readouterr() == ("", "")
    linear = read_folder(tiny).num_linear
    least = full.num_bytes - linear * (4 - {"8bit": 1, "4bit": 0.5}[weights])
    # The rest is scales, and the code books that every matrix has of its own.
    assert least < model.num_bytes < least + 14 * (256 + 256 + 200) * 4


def test_the_estimate_counts_what_the_headers_say(tiny: Path) -> None:
    from tiny_language_model import tiny_model

    contents = read_folder(tiny)
    arrays = dict(tiny_model().named_parameters())
    assert contents.num_parameters == sum(array.numel() for array in arrays.values())
    inner = sum(array.numel() for name, array in arrays.items() if name.endswith("proj.weight"))
    assert contents.num_linear == inner
    assert contents.dtypes == {"float32": contents.num_parameters}
    assert bytes_held(contents, "full", "bfloat16") == 2 * contents.num_parameters
    assert bytes_held(contents, "8bit", "bfloat16") == 2 * (contents.num_parameters - inner) + inner


def test_the_fingerprint_is_the_weights_and_not_the_folders(tiny: Path, tmp_path: Path) -> None:
    from tiny_language_model import save_tiny

    def of(folder: Path) -> str:
        return folder_fingerprint(folder, read_folder(folder))

    first = of(tiny)
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "transformers_version": "4.50.0", "_name_or_path": "x"}))
    (copy / "README.md").write_text("a copy")
    assert of(copy) == first == opened(copy).fingerprint
    (copy / "chat_template.jinja").write_text("another")
    assert of(copy) != first
    assert of(save_tiny(tmp_path / "other", seed=1)) != first


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "not JSON"),
        ("config.json", "[]", "expected a JSON object"),
        ("config.json", "{}", "not a language model that can be opened"),
        ("config.json", '{"model_type": "t5"}', "not a language model that can be opened"),
        ("config.json", '{"model_type": "llama", "hidden_size": 7}', "not a language model that can be opened"),
        ("model.safetensors", "damaged", "is not a whole safetensors file"),
        ("model.safetensors", "", "is not a whole safetensors file"),
        ("model.safetensors", None, "holds no weights"),
        ("tokenizer.json", "{", "not a language model that can be opened"),
        ("tokenizer.json", None, "not a language model that can be opened"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tiny: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (tiny / file).unlink()
        if file == "tokenizer.json":
            (tiny / "tokenizer_config.json").unlink()
    else:
        (tiny / file).write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        opened(tiny)
    assert str(tiny) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_of_weights_that_was_cut_is_told_from_a_whole_one(tiny: Path) -> None:
    content = (tiny / "model.safetensors").read_bytes()
    (tiny / "model.safetensors").write_bytes(content[:-100])
    with pytest.raises(InputError, match=rf"cut short: expected {len(content):,} bytes, got {len(content) - 100:,}"):
        opened(tiny)
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"only pytorch_model\.bin, which may run code"):
        opened(tiny)


def test_missing_weights_are_not_made_up(tiny: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(tiny / "model.safetensors")
    lost = weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, tiny / "model.safetensors", metadata={"format": "pt"})
    assert lost.size
    with pytest.raises(InputError, match=r"lack 1 of the model's arrays, such as model\.layers\.1\.mlp\.up_proj"):
        opened(tiny)


def test_a_part_of_several_weight_files_that_lacks_is_named(tiny: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tiny / "model.safetensors").rename(tiny / "model-00001-of-00002.safetensors")
    (tiny / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"lacks model-00002-of-00002\.safetensors"):
        opened(tiny)


def test_a_tokenizer_of_another_model_is_refused(tiny: Path) -> None:
    from tiny_language_model import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"word{number}" for number in range(9)])
    tokenizer.save_pretrained(tiny)
    with pytest.raises(InputError, match="do not belong together"):
        opened(tiny)


def test_too_little_memory_says_what_is_needed_and_what_helps(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = DeviceChoice("cpu", "bfloat16", "for a test", 2**30, 1000)
    with monkeypatch.context() as patch:
        patch.setattr("furikaeri_common.models.loading.choose_device", lambda requested: choice)
        with pytest.raises(WorkError, match=r"tiny: its weights need 0\.00 GiB on cpu.*Try --weights 4bit or 8bit"):
            open_language_model(ModelConfig(model="tiny"))
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):
        monkeypatch.setattr("furikaeri_common.models.loading._load", _raising(error))
        with pytest.raises(WorkError, match="a smaller model, or another device"):
            opened(tiny)


def _raising(error: Exception) -> Any:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_quantised_weights_are_not_quantised_again(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(InputError, match=r"quantised already \(gptq\)"):
        opened(tiny, weights="4bit")


def test_what_lacks_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="behind http://localhost"):
        open_language_model(ModelConfig(model="x", base_url="http://localhost"))
    there = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "bitsandbytes" else there(name))
    assert opened(tiny).name == "tiny"
    with pytest.raises(MissingExtraError, match=r"4bit weights needs the extra `llm` of furikaeri-common"):
        opened(tiny, weights="4bit")


def test_the_memory_is_free_once_the_model_is_dropped(tiny: Path) -> None:
    model = opened(tiny)
    logits_of(model)
    arrays = [weakref.ref(array) for array in model.model.parameters()]
    del model
    gc.collect()
    assert [array() for array in arrays] == [None] * len(arrays)
