"""Language models in this process (io): opened from what is on this machine, and held as the device computes best."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from furikaeri_common.artifacts import read_json
from furikaeri_common.devices import DeviceChoice, choose_device
from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.models.config import ModelConfig, Weights
from furikaeri_common.models.folders import FolderContents, bytes_held, folder_fingerprint, read_folder
from furikaeri_common.models.gguf import SOURCE, converted_folder
from furikaeri_common.models.opening import first_line, is_out_of_memory, quietly
from furikaeri_common.models.places import find_model

__all__ = ["LanguageModel", "open_language_model"]

_HELD = {
    "full": "weights in full",
    "8bit": "weights in 8 bits (LLM.int8)",
    "4bit": "weights in 4 bits (NF4, scales quantised too)",
}
_BLOCK = 64  # weights that share a scale in 4 bits


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LanguageModel:
    """A causal language model, ready to compute. Its memory is free once the last reference to it is gone.

    Attributes:
        name: what reports call it.
        tokenizer: of transformers.
        model: of transformers, in evaluation mode.
        device: as torch names it.
        dtype: in which it computes: "float32", "bfloat16" or "float16".
        weights: how they are held.
        reason: why this device, number format and weights, in one sentence.
        num_bytes: what the weights take in memory.
        fingerprint: a SHA-256 that tells the model's weights from others; the same wherever they lie.
        in_turn: held by who computes with the model, for some change a part of it while they do.
    """

    name: str
    tokenizer: Any
    model: Any
    device: str
    dtype: str
    weights: Weights
    reason: str
    num_bytes: int
    fingerprint: str
    in_turn: AbstractContextManager[Any] = field(default_factory=threading.RLock, repr=False)


def open_language_model(config: ModelConfig, *, on_note: Callable[[str], None] | None = None) -> LanguageModel:
    """Open a model that is on this machine; nothing is downloaded, and none of its own code is run.

    Args:
        config: which model, where and how.
        on_note: told, in one line, when something takes long.

    Raises:
        MissingExtraError: without torch and transformers, or without bitsandbytes where weights are to be quantised.
        InputError: if the model is nowhere, damaged, incomplete, or no causal language model; or the device is none.
        WorkError: if the memory does not suffice.
        ValueError: if the model is behind a server.
    """
    if config.base_url:
        raise ValueError(f"expected a model in this process, got one behind {config.base_url}")
    needed = ["torch", "transformers", *(["bitsandbytes", "accelerate"] if config.weights != "full" else [])]
    if any(importlib.util.find_spec(package) is None for package in needed):
        what = "a language model" if config.weights == "full" else f"a language model with {config.weights} weights"
        raise MissingExtraError(what, distribution="furikaeri-common", extra="llm")
    place = find_model(config.model)
    choice = choose_device(config.device)
    dtype = choice.dtype if config.dtype == "auto" else config.dtype
    folder = place.path if place.kind == "folder" else converted_folder(place.path, on_note=on_note)
    contents = read_folder(folder)
    weights = config.weights
    if contents.quantised and weights != "full":
        raise InputError(
            f"{place.name}: its weights are quantised already ({contents.quantised})", fix="Leave --weights at full"
        )
    _require_memory(place.name, bytes_held(contents, weights, dtype), choice, weights)
    try:
        with quietly():
            tokenizer, model = _load(folder, choice, dtype, weights, quantised=bool(contents.quantised))
    except Exception as error:  # a folder from a stranger may fail in any way
        if is_out_of_memory(error):
            raise _no_memory(place.name, bytes_held(contents, weights, dtype), choice, weights) from error
        raise InputError(f"{folder}: not a language model that can be opened ({first_line(error)})") from error
    how = contents.quantised and f"weights as they were quantised ({contents.quantised})"
    chosen = f"{dtype}, " if config.dtype == "auto" else f"{dtype} as asked, "
    return LanguageModel(
        name=place.name,
        tokenizer=tokenizer,
        model=model,
        device=choice.device,
        dtype=dtype,
        weights=weights,
        reason=f"{choice.device} in {chosen}{how or _HELD[weights]}: {choice.reason}",
        num_bytes=_bytes_of(model),
        fingerprint=_fingerprint(folder, contents),
    )


def _load(folder: Path, choice: DeviceChoice, dtype: str, weights: Weights, *, quantised: bool) -> tuple[Any, Any]:
    import torch
    import transformers

    number = getattr(torch, dtype)
    newer = int(transformers.__version__.partition(".")[0]) >= 5
    options: dict[str, Any] = {
        "dtype" if newer else "torch_dtype": number,
        "attn_implementation": _attention(folder),
        "local_files_only": True,
        "trust_remote_code": False,
    }
    if weights != "full":
        options["quantization_config"] = _quantisation(weights, number)
        _silence_casts()
    if weights != "full" or quantised or choice.device != "cpu":
        options["device_map"] = {"": choice.device}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, output_loading_info=True, **options
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"the weights lack {len(missing)} of the model's arrays, such as {missing[0]}")
    embedded = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > embedded:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens, the model {embedded}: they do not belong together"
        )
    if weights == "4bit" and choice.device == "cpu":
        odd = [name for name, part in model.named_modules() if type(part).__name__ == "Linear4bit" and _is_odd(part)]
        if odd:
            raise ValueError(f"{odd[0]} reads no multiple of {_BLOCK} numbers, which 4 bits on a processor take")
    return tokenizer, model.eval()


def _attention(folder: Path) -> str:
    """Return how attention is computed: fused, but for models that it would compute wrongly.

    Some architectures (Gemma 2) cap the scores before the softmax, which torch's fused attention cannot. Some versions
    of transformers refuse it for them, some leave the cap out without an error.
    """
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    is_capped = getattr(config.get_text_config(), "attn_logit_softcapping", None) is not None
    kind = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return "sdpa" if not is_capped and getattr(kind, "_supports_sdpa", True) else "eager"


def _is_odd(part: Any) -> bool:
    return bool(part.in_features % _BLOCK)


def _quantisation(weights: Weights, number: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if weights == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=number,
    )


def _silence_casts() -> None:
    """Keep bitsandbytes from telling, at every layer of every pass, that LLM.int8 computes in float16, as it must."""
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(_tells_no_cast)
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_tells_no_kernel)


def _tells_no_cast(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in str(record.msg)


def _tells_no_kernel(record: logging.LogRecord) -> bool:
    # It would download a faster kernel if it could.
    return "Failed to load CPU gemm_4bit_forward" not in str(record.msg)


def _require_memory(name: str, need: int, choice: DeviceChoice, weights: Weights) -> None:
    # The system of a processor does not refuse memory: it ends the process that uses too much. So it is asked before.
    if choice.memory_free is not None and need > choice.memory_free:
        raise _no_memory(name, need, choice, weights)


def _no_memory(name: str, need: int, choice: DeviceChoice, weights: Weights) -> WorkError:
    free = "unknown" if choice.memory_free is None else f"{choice.memory_free / 2**30:.2f} GiB"
    smaller = {"full": "Try --weights 4bit or 8bit, ", "8bit": "Try --weights 4bit, ", "4bit": "Use "}[weights]
    return WorkError(
        f"{name}: its weights need {need / 2**30:.2f} GiB on {choice.device}, where {free} are free",
        fix=f"{smaller}a smaller model, or another device",
    )


def _bytes_of(model: Any) -> int:
    """Return what parameters and buffers take, the scales of quantised ones among them; tied ones count once."""
    seen: dict[int, int] = {}

    def count(tensor: Any) -> None:
        if hasattr(tensor, "untyped_storage"):
            seen[tensor.data_ptr()] = int(tensor.numel() * tensor.element_size())

    for tensor in [*model.parameters(), *model.buffers()]:
        count(tensor)
        for name in ("SCB", "quant_state"):
            state = getattr(tensor, name, None)
            count(state)
            for inner in (state, getattr(state, "state2", None)):
                for part in ("absmax", "code", "offset"):
                    count(getattr(inner, part, None))
    return sum(seen.values())


def _fingerprint(folder: Path, contents: FolderContents) -> str:
    """Return the SHA-256 of the GGUF file that a folder was converted from, or the folder's own."""
    if (folder / SOURCE).is_file():
        source = read_json(folder / SOURCE)
        if isinstance(source, dict) and isinstance(source.get("sha256"), str):
            return str(source["sha256"])
    return folder_fingerprint(folder, contents)
