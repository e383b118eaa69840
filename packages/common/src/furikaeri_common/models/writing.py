"""Texts written by a language model in this process, token by token.

A text depends on its conversation, its seed, the temperature and the longest length alone: conversations are written
one at a time, for in a batch the rounding of each would depend on the others. A server (`base_url`) batches them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.chat import PLAIN_STOPS, has_template, render
from furikaeri_common.models.config import Conversation, ModelConfig, Writer
from furikaeri_common.models.loading import LanguageModel, open_language_model
from furikaeri_common.processes import note_on_stderr

__all__ = ["LocalWriter", "local_writer", "open_once", "open_writer"]

_ANSWER = "furikaeri"


@dataclass(frozen=True, slots=True, eq=False)
class LocalWriter:
    """A `Writer` in this process.

    Attributes:
        model: the model.
        stops: the tokens that end a text.
    """

    model: LanguageModel
    stops: frozenset[int]

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """The weights, how they are held and computed with, and where."""
        return {
            "model": self.model.fingerprint,
            "weights": self.model.weights,
            "dtype": self.model.dtype,
            "device": self.model.device.partition(":")[0],
        }

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        """Return the next turn of each conversation; see `Writer`.

        A token is drawn from softmax(logits / temperature), of all tokens; at temperature 0 it is the likeliest.

        Raises:
            ValueError: if an argument is out of range or there is not one seed a conversation.
            InputError: if a conversation and its text are longer than the model can read.
            WorkError: if the model gives numbers that are none.
        """
        if len(seeds) != len(conversations):
            raise ValueError(f"expected {len(conversations)} seeds, got {len(seeds)}")
        if max_tokens < 1:
            raise ValueError(f"expected max_tokens >= 1, got {max_tokens}")
        if not 0 <= temperature < float("inf"):
            raise ValueError(f"expected a temperature of 0 or more, got {temperature}")
        return [
            self._write(conversation, np.random.default_rng(seed), max_tokens, temperature)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]

    def _write(self, conversation: Conversation, rng: np.random.Generator, max_tokens: int, temperature: float) -> str:
        import torch

        tokenizer, plain = self.model.tokenizer, not has_template(self.model.tokenizer)
        text = render(tokenizer, conversation, open_turn=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        longest = getattr(self.model.model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and len(ids) + max_tokens > longest:
            raise InputError(f"{self.name}: reads at most {longest} tokens, got {len(ids)} and {max_tokens} to write")
        written: list[int] = []
        cache, fed = None, torch.tensor([ids], device=self.model.device)
        with torch.inference_mode():
            while len(written) < max_tokens:
                logits, cache = self._next(fed, cache)
                token = _draw(logits, temperature, rng, self.name)
                if token in self.stops:
                    break
                written.append(token)
                if plain and any(stop in self._decoded(written) for stop in PLAIN_STOPS):
                    break
                fed = torch.tensor([[token]], device=self.model.device)
        answer = self._decoded(written)
        if plain:
            answer = answer[: min((at for stop in PLAIN_STOPS if (at := answer.find(stop)) >= 0), default=None)]
        return answer.strip()

    def _next(self, ids: Any, cache: Any) -> tuple[NDArray[np.float64], Any]:
        """Feed tokens after what the cache holds, and return the logits of the next one, and the cache."""
        options = {"logits_to_keep": 1} if _keeps_logits(self.model.model) else {}
        with self.model.in_turn:
            out = self.model.model(input_ids=ids, past_key_values=cache, use_cache=True, **options)
        return out.logits[0, -1, : len(self.model.tokenizer)].double().cpu().numpy(), out.past_key_values

    def _decoded(self, ids: list[int]) -> str:
        return str(self.model.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def local_writer(model: LanguageModel) -> Writer:
    """Return a writer of a model in this process."""
    return LocalWriter(model, _stops(model))


def open_writer(config: ModelConfig, *, on_note: Callable[[str], None] | None = None) -> Writer:
    """Return a writer of a model in this process, or behind a server if the configuration names one.

    Args:
        config: the model.
        on_note: told when one of several servers is set aside, and when it is back.

    Raises:
        MissingExtraError: without the packages that it takes.
        InputError: if the model or the server's address cannot be used.
        WorkError: if the memory does not suffice.
    """
    if config.base_url:
        from furikaeri_common.models.servers import open_server

        return open_server(config, on_note=on_note)
    return local_writer(open_language_model(config))


@lru_cache(maxsize=1)
def open_once(config: ModelConfig) -> Writer:
    """Open a writer, once for all tasks of this process; `open_once.cache_clear()` lets it go."""
    return open_writer(config, on_note=note_on_stderr)


def _draw(logits: NDArray[np.float64], temperature: float, rng: np.random.Generator, name: str) -> int:
    if not np.isfinite(logits.max()):
        raise WorkError(f"{name}: gives numbers that are none", fix="Use another dtype, such as float32")
    if temperature == 0:
        return int(logits.argmax())
    shares = np.exp((logits - logits.max()) / temperature)
    sums = shares.cumsum()
    # A share of zero is never drawn: the first sum above the draw belongs to a token with a share.
    return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))


def _keeps_logits(model: Any) -> bool:
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def _stops(model: LanguageModel) -> frozenset[int]:
    """Return the tokens that end a turn: those the model names, and the one its template ends an answer with."""
    tokenizer = model.tokenizer
    named = getattr(getattr(model.model, "generation_config", None), "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(named if isinstance(named, list | tuple) else (named,))}
    if has_template(tokenizer):
        turns = [{"role": "user", "content": _ANSWER}, {"role": "assistant", "content": _ANSWER}]
        after = render(tokenizer, turns, open_turn=False).rpartition(_ANSWER)[2]
        following = tokenizer(after.strip(), add_special_tokens=False)["input_ids"]
        if following and following[0] in tokenizer.all_special_ids + _special_added(tokenizer):
            ends.add(following[0])
    return frozenset(int(end) for end in ends if end is not None)


def _special_added(tokenizer: Any) -> list[int]:
    return [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]
