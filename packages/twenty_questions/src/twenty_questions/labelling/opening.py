"""From a configuration to a labeller that is ready (io)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from furikaeri_common.configs import config_from
from furikaeri_common.processes import note_on_stderr
from twenty_questions.labelling.centring import centred
from twenty_questions.labelling.definitions import NO_DEFINITIONS, physical_definitions
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.leaning_files import corrected
from twenty_questions.labelling.prompts import read_prompt

__all__ = ["labeller_of", "open_labeller"]


def labeller_of(settings: Mapping[str, Any]) -> Labeller:
    """Open what the document of a `LabellerConfig` says; see `open_labeller`. A worker's notes go to its stderr."""
    return open_labeller(config_from(LabellerConfig, settings, source="the labeller"), on_note=note_on_stderr)


def open_labeller(config: LabellerConfig, *, on_note: Callable[[str], None] | None = None) -> Labeller:
    """Open a model, here or behind a server, and return what labels with it.

    Args:
        config: which model, and how it is asked.
        on_note: told what takes long, such as the conversion of a GGUF file, and which of several servers is set aside.

    Raises:
        InputError: if the model, the prompt, the leanings or WordNet cannot be had, or the model cannot say yes or no.
        MissingExtraError: without the packages that run or reach models.
        WorkError: if there is not enough memory for the model, or the server fails.
    """
    prompt = read_prompt(config.prompt)
    definitions = physical_definitions() if config.definitions else NO_DEFINITIONS
    labeller: Labeller
    if config.base_url:
        from furikaeri_common.models.servers import open_server
        from twenty_questions.labelling.server_labeller import server_labeller

        server = open_server(config, on_note=on_note)
        try:
            labeller = server_labeller(server, config, prompt, definitions)
        except Exception:
            server.close()
            raise
    else:
        from furikaeri_common.models.loading import open_language_model
        from twenty_questions.labelling.local_labeller import local_labeller

        model = open_language_model(config, on_note=on_note)
        labeller = local_labeller(model, prompt, definitions, words=config.words)
    if config.centring:
        labeller = centred(labeller)
    return corrected(labeller, Path(config.leanings).expanduser()) if config.leanings else labeller
