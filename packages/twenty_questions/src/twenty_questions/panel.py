"""The models that vote, from their names to a voter (io); and the same where the contest runs a packed agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from furikaeri_common.artifacts import read_json
from furikaeri_common.configs import config_from
from furikaeri_common.devices import choose_device
from furikaeri_common.errors import InputError
from furikaeri_common.models.budget import default_budget, predicted_bytes
from furikaeri_common.models.config import Addresses, Weights
from furikaeri_common.models.places import find_model
from furikaeri_common.models.pool import ModelPool, Opened
from furikaeri_common.models.rotation import MOST_MODELS
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.leaning_files import read_leanings
from twenty_questions.labelling.prompts import PROMPTS, read_prompt
from twenty_questions.labelling.wrapping import WrappedLabeller
from twenty_questions.votes import VoteConfig
from twenty_questions.voting import Voter

__all__ = [
    "MODELS_FOLDER",
    "PANEL_FILE",
    "PanelConfig",
    "open_member",
    "open_packed_panel",
    "open_panel",
    "panel_of",
]

PANEL_FILE = "panel.json"
"""What a packed agent knows of its models."""

MODELS_FOLDER = "models"
"""Where a packed agent's models lie, if they came with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelConfig:
    """Models that vote.

    Attributes:
        models: each once, at most `rotation.MOST_MODELS`.
        vote: how votes are taken.
        budget: bytes of memory that the models may take together; 0: what the device has free, less some headroom.
    """

    models: tuple[LabellerConfig, ...]
    vote: VoteConfig = field(default_factory=VoteConfig)
    budget: int = 0

    def __post_init__(self) -> None:
        names = [model.model for model in self.models]
        if not 1 <= len(names) <= MOST_MODELS:
            raise ValueError(f"expected 1 to {MOST_MODELS} models, got {len(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"expected each model once, got {', '.join(names)}")
        if self.budget < 0:
            raise ValueError(f"expected budget >= 0, got {self.budget}")


def panel_of(
    models: list[str],
    *,
    base_url: Addresses = "",
    weights: Weights = "full",
    device: str = "auto",
    prompt: str = "original",
    leanings: str = "",
) -> PanelConfig | None:
    """Return the panel that options name, all of its models asked alike; None without a model.

    Raises:
        InputError: if a model is named twice, is not on this machine, or there is no such prompt or file of leanings.
    """
    if not models:
        return None
    read_prompt(prompt)
    if leanings:
        read_leanings(Path(leanings))
    if not base_url:
        for model in models:
            find_model(model)
    asked = [
        LabellerConfig(model=model, base_url=base_url, weights=weights, device=device, prompt=prompt, leanings=leanings)
        for model in models
    ]
    try:
        return PanelConfig(models=tuple(asked))
    except ValueError as error:
        raise InputError(f"--model: {error}") from error


def open_member(config: LabellerConfig) -> Opened[Labeller]:
    """Open one model for the pool.

    Raises:
        InputError: if it is not here, or cannot be used.
        MissingExtraError: if it needs what is not installed.
    """
    from twenty_questions.labelling.local_labeller import LocalLabeller
    from twenty_questions.labelling.opening import open_labeller

    labeller = open_labeller(config)
    asked: Labeller = labeller
    while isinstance(asked, WrappedLabeller):
        asked = asked.labeller
    if isinstance(asked, LocalLabeller):
        return Opened(labeller, asked.model.num_bytes, (asked.model.model,))
    # What is behind a server takes no memory here, but holds connections.
    close: Callable[[], object] = getattr(labeller, "close", lambda: None)
    return Opened(labeller, 0, close=close)


def open_panel(config: PanelConfig, opener: Callable[[LabellerConfig], Opened[Labeller]] | None = None) -> Voter:
    """Return the voter of a panel; its models are opened when they are first needed.

    Args:
        config: which models, and how they vote.
        opener: opens one; by default `open_member`.
    """
    by_name = {model.model: model for model in config.models}

    def open_pool() -> ModelPool[Labeller]:
        local = [model for model in config.models if not model.base_url]
        choice = choose_device(local[0].device) if local else None

        def predict(name: str) -> int:
            model = by_name[name]
            if choice is None or model.base_url:
                return 0
            dtype = choice.dtype if model.dtype == "auto" else model.dtype
            return predicted_bytes(find_model(model.model), model.weights, dtype)

        budget = config.budget or (1 if choice is None else default_budget(choice))
        return ModelPool(budget, lambda name: (opener or open_member)(by_name[name]), predict=predict)

    return Voter(tuple(by_name), open_pool, config=config.vote)


def open_packed_panel(folder: Path) -> Voter:
    """Return the voter of an unpacked agent.

    A model that is in neither of the places is found missing when it is first needed, and has no vote.

    Args:
        folder: holds `PANEL_FILE` (`models_at`: a folder of the contest in which the models' folders lie, "" if they
            are packed; `panel`: a `PanelConfig` whose models, prompts and leanings are names of what lies in there or
            here), and the models in `MODELS_FOLDER`, unless the file names another place.

    Raises:
        InputError: if the file is missing or does not fit.
    """
    path = folder / PANEL_FILE
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("models_at"), str):
        raise InputError(f"{path}: holds no panel", fix="Pack the agent again")
    config = config_from(PanelConfig, document.get("panel"), source=str(path), place="panel")
    models_at = Path(document["models_at"])

    def placed(model: LabellerConfig) -> LabellerConfig:
        packed = folder / MODELS_FOLDER / model.model
        there = packed if packed.exists() else models_at / model.model
        prompt = model.prompt if model.prompt in PROMPTS else str(folder / model.prompt)
        leanings = str(folder / model.leanings) if model.leanings else ""
        return replace(model, model=str(there), prompt=prompt, leanings=leanings)

    return open_panel(replace(config, models=tuple(map(placed, config.models))))
