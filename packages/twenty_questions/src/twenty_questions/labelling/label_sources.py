"""From the configuration of a labeller to what is opened when there is something to label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from furikaeri_common.artifacts import sha256_of
from furikaeri_common.documents import jsonable
from furikaeri_common.models.config import what_decides
from furikaeri_common.models.places import find_model
from twenty_questions.labelling.grid import Elsewhere, LabelSource
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.model_files import files_of
from twenty_questions.labelling.prompts import read_prompt

__all__ = ["source_of"]

_OPENER = "twenty_questions.labelling.opening:labeller_of"


def source_of(
    config: LabellerConfig, open_model: Callable[[LabellerConfig], Labeller], *, is_here: bool = True
) -> LabelSource:
    """Return a source that opens a configured labeller.

    Its settings are what decides labels: the prompt and the leanings by their content and not by their names, and
    nothing of how a server is reached.

    Args:
        config: the model and how it is asked.
        open_model: opens it (`opening.open_labeller`).
        is_here: whether the model must be on this machine; where others label, it need not.

    Raises:
        InputError: if there is no such prompt, no such file of leanings, or no such model on this machine.
    """
    settings = jsonable(what_decides(config))
    settings["prompt"] = jsonable(read_prompt(config.prompt))
    settings["leanings"] = sha256_of(Path(config.leanings).expanduser()) if config.leanings else None
    if is_here and not config.base_url:
        find_model(config.model)
    elsewhere = Elsewhere(function=_OPENER, settings=jsonable(config), files=files_of(config))
    return LabelSource(name=config.model, settings=settings, open=lambda: open_model(config), elsewhere=elsewhere)
