"""Which language model is meant, and how it is run or reached."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

__all__ = [
    "Addresses",
    "Conversation",
    "Message",
    "ModelConfig",
    "Weights",
    "Writer",
    "how_reached",
    "model_part",
    "what_decides",
]

_REACHING = (
    "base_url",
    "api_key_variable",
    "concurrency",
    "timeout",
    "attempts",
    "requests_per_minute",
    "price_in",
    "price_out",
)

Addresses: TypeAlias = str | tuple[str, ...]
"""One server's address, or several; "" or none for a model in this process."""

Message: TypeAlias = Mapping[str, str]
"""One turn: `role` (system, user or assistant) and `content`."""

Conversation: TypeAlias = Sequence[Message]

Weights = Literal["full", "8bit", "4bit"]
"""How weights are held: in the device's number format, or quantised by bitsandbytes (LLM.int8, NF4)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """A model in this process, or behind a server that speaks OpenAI's protocol.

    Attributes:
        model: a folder, a GGUF file, a name in the models' folder or in the hub's cache; with `base_url`, the name
            that the server knows.
        base_url: of the server, such as "http://localhost:8000/v1"; of several that have the same model, which share
            the requests, a list, or a text with commas or spaces between; "" for a model in this process.
        weights: how the weights are held in this process.
        device: as `choose_device` takes it.
        dtype: "auto" (what the device computes best), "float32", "bfloat16" or "float16".
        api_key_variable: the environment variable that holds the server's key.
        concurrency: requests under way at once, at least 1; of several servers, at each.
        timeout: seconds until a request counts as lost, above 0.
        attempts: how often a request is tried in all, at least 1; of several servers, a try may ask each once.
        requests_per_minute: at most; 0: no limit; of several servers, to each.
        price_in: money per million tokens read.
        price_out: money per million tokens written.
    """

    model: str
    base_url: Addresses = ""
    weights: Weights = "full"
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    api_key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout: float = 60.0
    attempts: int = 5
    requests_per_minute: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError("expected the name of a model, got none")
        addresses = _addresses_in(self.base_url)
        # One address stays a text, however it was given, for what was made with it is known by it.
        object.__setattr__(self, "base_url", addresses if len(addresses) > 1 else "".join(addresses))
        for name, least in (("concurrency", 1), ("attempts", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} >= {least}, got {getattr(self, name)}")
        if not self.timeout > 0:
            raise ValueError(f"expected timeout > 0, got {self.timeout}")
        for name in ("requests_per_minute", "price_in", "price_out"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} >= 0, got {getattr(self, name)}")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers that share the requests; none for a model in this process."""
        return _addresses_in(self.base_url)


def _addresses_in(base_url: str | Sequence[str]) -> tuple[str, ...]:
    """Return each address once, as it was first spelled."""
    texts = (base_url,) if isinstance(base_url, str) else base_url
    found: dict[str, str] = {}
    for address in (part for text in texts for part in re.split(r"[\s,]+", text) if part):
        found.setdefault(address.rstrip("/"), address)
    return tuple(found.values())


def model_part(config: ModelConfig) -> ModelConfig:
    """Return a configuration that says more as one of the model alone."""
    return ModelConfig(**{field.name: getattr(config, field.name) for field in fields(ModelConfig)})


Config = TypeVar("Config", bound=ModelConfig)


def what_decides(config: Config) -> Config:
    """Return a configuration that tells what a model says from what others say, whatever way it is reached.

    The settings by which a server is reached have their defaults, but for whether there is a server: `base_url` is then
    "server".
    """
    usual: dict[str, Any] = {field.name: field.default for field in fields(ModelConfig) if field.name in _REACHING}
    return replace(config, **{**usual, "base_url": "server" if config.base_url else ""})


def how_reached(config: ModelConfig) -> dict[str, Any]:
    """Return the settings that `what_decides` leaves out, by name; none for a model in this process."""
    return {name: getattr(config, name) for name in _REACHING} if config.base_url else {}


class Writer(Protocol):
    """Writes the next turn of conversations."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything its texts depend on beside the call's arguments; JSON values, without paths."""
        ...

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        """Return the next turn of each conversation.

        Args:
            conversations: each ends with a user's turn.
            seeds: one a conversation; the same seed gives the same text in this process (a server may promise less).
            max_tokens: longest text, in tokens.
            temperature: 0 for the likeliest text.

        Raises:
            WorkError: if a text cannot be had.
        """
        ...
