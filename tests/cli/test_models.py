"""`furikaeri models`: what is listed and shown, and what may be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from furikaeri_cli.models import show
from furikaeri_common.errors import InputError


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("FURIKAERI_MODELS", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


@pytest.fixture
def chat(models: Path) -> Path:
    folder = models / "chat"
    folder.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (folder / "LICENSE.txt").write_text("free")
    arrays = {
        "model.embed_tokens.weight": np.zeros((10, 64), np.float32),
        "model.layers.0.up_proj.weight": np.zeros((640, 64), np.float32),
        "model.norm.weight": np.zeros(64, np.float16),
    }
    save_file(arrays, folder / "model.safetensors")
    return folder


def test_an_empty_machine_lists_nothing(invoke: Callable[..., Any]) -> None:
    result = invoke("furikaeri", "models", "list", "--json")
    assert (result.code, json.loads(result.out)) == (0, [])


def test_models_are_listed_for_people_and_for_programs(invoke: Callable[..., Any], chat: Path) -> None:
    (chat.parent / "b.gguf").write_bytes(b"GGUF")
    result = invoke("furikaeri", "models", "list")
    assert result.out.splitlines()[:2] == ["name\tkind\tsize\twhere", "b.gguf\tgguf\t4 B\tmodels folder"]
    assert result.out.splitlines()[2].startswith("chat\tlanguage\t")
    assert result.err.startswith("2 models, ")
    entries = json.loads(invoke("furikaeri", "models", "list", "--json").out)
    assert [(entry["name"], entry["removable"]) for entry in entries] == [("b.gguf", False), ("chat", True)]
    assert entries[1]["path"] == str(chat)


def test_a_model_is_described_without_its_weights(invoke: Callable[..., Any], chat: Path) -> None:
    facts = json.loads(invoke("furikaeri", "models", "show", "chat", "--device", "cpu", "--json").out)
    number = {"float32": 4, "bfloat16": 2}[facts["dtype"]]
    assert facts["architecture"] == "LlamaForCausalLM"
    assert facts["parameters"] == 640 + 40960 + 64
    assert facts["stored_as"] == {"float32": 41600, "float16": 64}
    assert facts["bytes_on_disk"] == 4 * 41600 + 2 * 64
    assert (facts["chat_template"], facts["context"], facts["licence"]) == (True, 2048, "LICENSE.txt")
    assert facts["bytes_in_memory"]["full"] == number * 41664
    assert facts["bytes_in_memory"]["8bit"] == number * 704 + 40960
    text = invoke("furikaeri", "models", "show", "chat", "--device", "cpu").out
    assert "chat: LlamaForCausalLM, 0.0417 million weights" in text
    assert "context: 2,048 tokens" in text


def test_a_gguf_file_is_described(models: Path) -> None:
    gguf = pytest.importorskip("gguf")
    models.mkdir()
    writer = gguf.GGUFWriter(models / "small.gguf", "llama")
    writer.add_context_length(512)
    writer.add_license("apache-2.0")
    writer.add_tensor("token_embd.weight", np.zeros((10, 64), np.float32))
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((20, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    facts = show("small", "cpu")
    assert (facts.kind, facts.architecture, facts.parameters) == ("gguf", "llama", 1920)
    assert (facts.context, facts.licence, facts.chat_template) == (512, "apache-2.0", False)
    assert facts.stored_as == {"F32": 1920}
    (models / "small.gguf").write_bytes(b"")
    with pytest.raises(InputError, match=r"small\.gguf: is empty"):
        show("small", "cpu")


def test_a_missing_model_is_told_in_one_line(invoke: Callable[..., Any], chat: Path) -> None:
    result = invoke("furikaeri", "models", "show", "chatt")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "there is chat" in result.err


def test_nothing_is_deleted_unasked(invoke: Callable[..., Any], chat: Path) -> None:
    result = invoke("furikaeri", "models", "remove", "chat")
    assert result.code == 2
    assert "--yes" in result.err
    assert chat.is_dir()
    assert invoke("furikaeri", "models", "remove", "chat", "--yes").err.startswith("deleted chat, freed ")
    assert not chat.exists()
    assert invoke("furikaeri", "models", "remove", "chat", "--yes").code == 2


@pytest.mark.parametrize(("answer", "stays"), [("n\n", True), ("\n", True), ("", True), ("y\n", False)])
def test_a_person_is_asked(
    invoke: Callable[..., Any], chat: Path, monkeypatch: pytest.MonkeyPatch, answer: str, stays: bool
) -> None:
    monkeypatch.setattr("furikaeri_cli.models._can_ask", lambda: True)
    result = invoke("furikaeri", "models", "remove", "chat", input=answer)
    assert result.code == 0
    assert "Delete chat (" in result.err
    assert chat.exists() == stays


def test_what_somebody_brought_is_left_alone(invoke: Callable[..., Any], models: Path) -> None:
    models.mkdir()
    (models / "b.gguf").write_bytes(b"GGUF")
    result = invoke("furikaeri", "models", "remove", "b.gguf", "--yes")
    assert result.code == 2
    assert "which is left alone" in result.err
    assert (models / "b.gguf").is_file()
