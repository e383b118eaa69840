"""Sentence embedders: texts to unit vectors whose dot product says how alike they are in meaning (io).

A model is a folder in the layout of sentence-transformers: a transformer, and a note on how the vectors of its tokens
become one. Only the commonest note is followed, their mean (Reimers & Gurevych 2019, "Sentence-BERT"). Nothing is ever
downloaded, and weights are read from safetensors alone.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.models.opening import first_line, quietly

__all__ = ["DEFAULT_EMBEDDER", "Encoder", "open_embedder"]

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors: float32, shape (texts, dimensions), in the order of the texts."""

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
"""A small English embedder: 22 million parameters, 384 dimensions."""

_ORGANISATION = "sentence-transformers"


def open_embedder(
    name: str | Path = DEFAULT_EMBEDDER, *, folders: Sequence[Path] = (), device: str = "cpu", batch: int = 64
) -> Encoder:
    """Open an embedder that is on this machine.

    Args:
        name: a folder, the name of one inside `folders`, or a model's name in the hub's cache on this machine
            ("all-MiniLM-L6-v2" is short for "sentence-transformers/all-MiniLM-L6-v2").
        folders: where models are kept.
        device: as torch names it.
        batch: texts at a time, at least 1.

    Raises:
        MissingExtraError: without torch and transformers.
        InputError: if the model is nowhere to be found, is damaged, or does not take the mean of its tokens.
        ValueError: if `batch` is less than 1.
    """
    if batch < 1:
        raise ValueError(f"expected a batch of at least 1, got {batch}")
    if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers")):
        raise MissingExtraError("comparing sentences by embeddings", distribution="furikaeri-common", extra="llm")
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    folder = _find(str(name), folders)
    _require_mean_pooling(folder)
    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, report = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: not a model that can be opened ({first_line(error)})") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise InputError(f"{folder}: the weights lack {len(missing)} of the model's arrays, such as {missing[0]}")
    model = model.to(device).eval()
    positions = int(model.config.max_position_embeddings)
    length = min(int(_note(folder / "sentence_bert_config.json").get("max_seq_length") or positions), positions)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        vectors = np.empty((len(texts), int(model.config.hidden_size)), dtype=np.float32)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            vectors[chosen] = _encode_batch(tokenizer, model, [texts[position] for position in chosen], length)
        return vectors

    return encode


def _encode_batch(tokenizer: Any, model: Any, texts: list[str], length: int) -> NDArray[np.float32]:
    import torch

    tokens = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        means = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        unit = torch.nn.functional.normalize(means, dim=1)
    return np.asarray(unit.cpu().numpy(), dtype=np.float32)


def _find(name: str, folders: Sequence[Path]) -> Path:
    """Return the folder of a model: the name as a path, in the folders, then in the hub's cache."""
    short = name.rsplit("/", 1)[-1]
    places = [Path(name).expanduser(), *(folder / kept for folder in folders for kept in dict.fromkeys((name, short)))]
    for place in places:
        if (place / "config.json").is_file():
            return place
    hub_name = name if "/" in name else f"{_ORGANISATION}/{name}"
    if (cached := _in_hub_cache(hub_name)) is not None:
        return cached
    looked = ", ".join(str(place) for place in places)
    raise InputError(
        f"there is no embedder {name!r} on this machine; looked at {looked} and in the hub's cache",
        fix=f"Get it with `hf download {hub_name}`, or give the folder that holds it",
    )


def _in_hub_cache(hub_name: str) -> Path | None:
    from transformers.utils import cached_file

    try:
        found = cached_file(hub_name, "config.json", local_files_only=True)
    except (OSError, ValueError):
        return None
    return None if found is None else Path(found).parent


def _require_mean_pooling(folder: Path) -> None:
    note = _note(folder / "1_Pooling" / "config.json")
    ways = [key for key, value in note.items() if key.startswith("pooling_mode_") and value is True]
    if ways not in ([], ["pooling_mode_mean_tokens"]):
        raise InputError(
            f"{folder}: this embedder does not take the mean of its tokens ({', '.join(ways)})",
            fix=f"Use one that does, such as {DEFAULT_EMBEDDER}",
        )


def _note(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file; an empty one if there is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({first_line(error)})") from error
    return document if isinstance(document, dict) else {}
