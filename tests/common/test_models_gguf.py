"""GGUF files: what their headers say, what is refused, and the copy that is made once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from furikaeri_common.devices import DeviceChoice
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models import gguf as conversion
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.gguf import SOURCE, converted_folder, gguf_digest
from furikaeri_common.models.gguf_header import _BLOCKS, read_gguf_header
from furikaeri_common.models.loading import open_language_model

pytest.importorskip("transformers")
pytest.importorskip("gguf")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("FURIKAERI_MODELS", str(folder))
    return folder


@pytest.fixture
def tiny(models: Path) -> Path:
    from tiny_language_model import save_tiny_gguf

    return save_tiny_gguf(models / "tiny.gguf")


def test_the_header_tells_what_the_reader_of_the_format_tells(tiny: Path) -> None:
    from gguf import GGUFReader

    header, reader = read_gguf_header(tiny), GGUFReader(tiny)
    assert header.num_parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert header.types == {"F32": header.num_parameters}
    assert header.architecture == "llama"
    assert header.notes["llama.context_length"] == 512
    assert header.notes["tokenizer.ggml.tokens"] == len(reader.fields["tokenizer.ggml.tokens"].data)
    assert header.notes["tokenizer.chat_template"] == reader.fields["tokenizer.chat_template"].contents()


def test_block_sizes_are_the_formats_own() -> None:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    for number, (name, block, size) in _BLOCKS.items():
        kind = GGMLQuantizationType(number)
        assert (kind.name, *GGML_QUANT_SIZES[kind]) == (name, block, size)


def test_a_file_cut_anywhere_is_refused_in_one_line(tiny: Path) -> None:
    content = tiny.read_bytes()
    rng = np.random.default_rng(0)
    for length in {0, 3, 4, 10, 24, len(content) - 1, *rng.integers(0, len(content), 40).tolist()}:
        tiny.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"tiny\.gguf: is ") as raised:
            converted_folder(tiny)
        assert "\n" not in str(raised.value)


def test_nonsense_raises_nothing_but_an_input_error(tiny: Path) -> None:
    content = bytearray(tiny.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = content.copy()
        for place in rng.integers(4, 2000, 20):
            damaged[place] = int(rng.integers(256))
        tiny.write_bytes(damaged)
        with contextlib.suppress(InputError):  # nothing else may come out
            read_gguf_header(tiny)
    tiny.write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(InputError, match="is no GGUF file"):
        read_gguf_header(tiny)


def test_a_part_of_a_model_is_refused(tiny: Path) -> None:
    part = tiny.rename(tiny.with_name("big-00001-of-00003.gguf"))
    with pytest.raises(InputError, match=r"one of 3 parts.*llama-gguf-split --merge"):
        converted_folder(part)
    whole = part.rename(tiny.with_name("small-00001-of-00001.gguf"))
    assert read_gguf_header(whole).architecture == "llama"


def test_the_copy_computes_what_the_weights_say_and_is_made_once(
    tiny: Path, models: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from tiny_language_model import CHATML, tiny_model

    said: list[str] = []
    first = open_language_model(ModelConfig(model="tiny", device="cpu", dtype="float32"), on_note=said.append)
    assert said == ["converting tiny.gguf once, for faster loading: 0 M weights"]
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(conversion, "_unpacked", lambda path: pytest.fail("converted again"))
    second = open_language_model(ModelConfig(model="tiny", device="cpu", dtype="float32"), on_note=said.append)
    assert len(said) == 1
    ids = torch.tensor([first.tokenizer("the cat")["input_ids"]])
    rounded = tiny_model()
    with torch.inference_mode():
        for array in rounded.parameters():
            array.copy_(array.to(torch.bfloat16))
        expected = rounded(ids).logits
        for model in (first, second):
            np.testing.assert_allclose(model.model(ids).logits, expected, atol=1e-4)
    assert first.tokenizer.chat_template == CHATML
    assert first.fingerprint == second.fingerprint == gguf_digest(tiny)
    (copy,) = (models / "converted").glob("tiny-*")
    assert copy.name == f"tiny-{gguf_digest(tiny)[:12]}"
    by_copy = open_language_model(ModelConfig(model=f"converted/{copy.name}", device="cpu"))
    assert by_copy.fingerprint == first.fingerprint


def test_another_content_is_another_copy(tiny: Path) -> None:
    from tiny_language_model import save_tiny_gguf

    first = converted_folder(tiny)
    save_tiny_gguf(tiny, seed=1)
    second = converted_folder(tiny)
    assert first != second
    assert (first / "model.safetensors").read_bytes() != (second / "model.safetensors").read_bytes()


def test_a_digest_is_computed_again_only_for_another_file(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = gguf_digest(tiny)
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "sha256_of", lambda path: pytest.fail("read again"))
        assert gguf_digest(tiny) == first
    with tiny.open("ab") as stream:
        stream.write(b"more")
    assert gguf_digest(tiny) != first
    for memo in (tiny.parent / "converted/.digests").iterdir():
        memo.write_text("damaged")
    assert gguf_digest(tiny) != first


def test_a_copy_that_does_not_fit_on_the_disk_leaves_nothing(
    tiny: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError
    from transformers import PreTrainedModel

    def full(self: Any, folder: Path, **options: Any) -> None:
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedModel, "save_pretrained", full)
        with pytest.raises(WorkError, match="the disk is full"):
            converted_folder(tiny)
    assert [path.name for path in (models / "converted").iterdir() if path.is_dir()] == [".digests"]
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(WorkError, match=r"tiny\.gguf needs 0\.00 GB, and 0\.00 GB are free"):
            converted_folder(tiny)
    assert (converted_folder(tiny) / SOURCE).is_file()


def test_a_conversion_that_does_not_fit_into_the_memory_is_not_begun(
    tiny: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = DeviceChoice("cpu", "bfloat16", "for a test", 2000, 1000)
    monkeypatch.setattr(conversion, "choose_device", lambda requested: choice)
    with pytest.raises(WorkError, match=r"converting it takes 0\.00 GiB of memory, and 0\.00 GiB are free"):
        converted_folder(tiny)
    assert not list((models / "converted").glob("*tiny*"))


def test_a_folder_that_cannot_be_written_is_named(tiny: Path, models: Path) -> None:
    (models / "converted").write_text("in the way")
    with pytest.raises(InputError, match=r"converted.*cannot be written"):
        converted_folder(tiny)


CONVERT = """
import sys, time
from pathlib import Path
from furikaeri_common.models import gguf

def slow(path, work):
    (work / "model.safetensors").write_text("half of it")
    Path(sys.argv[2]).write_text("begun")
    time.sleep(float(sys.argv[3]))
    (work / "model.safetensors").write_text("all of it")

gguf._write = slow
print(gguf.converted_folder(Path(sys.argv[1]), on_note=print))
"""


def test_a_killed_conversion_leaves_only_what_the_next_one_clears(tiny: Path, models: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", CONVERT, str(tiny), str(begun), "60"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [path.name for path in (models / "converted").glob(".*.part")]
    assert len(left) == 1
    folder = converted_folder(tiny)
    assert list((models / "converted").glob(".*.part")) == []
    assert (folder / SOURCE).is_file()


def test_of_two_processes_one_converts(tiny: Path, models: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", CONVERT, str(tiny), str(begun), "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.02)
    said: list[str] = []
    folder = converted_folder(tiny, on_note=said.append)
    out, _ = process.communicate(timeout=60)
    assert said == ["waiting for another process that converts a GGUF file"]
    assert out.splitlines()[-1] == str(folder)
    assert (folder / "model.safetensors").read_text() == "all of it"
    assert [path.name for path in (models / "converted").glob("*-*")] == [folder.name]


@pytest.mark.models
def test_a_real_model_is_converted_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    name = "smollm2-135m-instruct-q4_1.gguf"
    monkeypatch.undo()
    source = Path(os.environ.get("FURIKAERI_MODELS") or Path.home() / ".cache/furikaeri/models") / name
    if not source.is_file():
        pytest.skip(f"there is no {source}")
    monkeypatch.setenv("FURIKAERI_MODELS", str(models))
    config = ModelConfig(model=str(source), device="cpu", dtype="float32")
    first = open_language_model(config)
    monkeypatch.setattr(conversion, "_unpacked", lambda path: pytest.fail("converted again"))
    second = open_language_model(config)
    ids = torch.tensor([first.tokenizer("The capital of France is", add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        one, other = (model.model(ids).logits[0, -1] for model in (first, second))
    assert torch.equal(one, other)
    assert first.tokenizer.decode(one.argmax()).strip() == "Paris"
