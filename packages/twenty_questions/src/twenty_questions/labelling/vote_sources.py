"""From a model's configuration to the votes of a gold set (io): drawn at a temperature, or in several wordings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.models.config import ModelConfig, Writer, model_part, what_decides
from furikaeri_common.models.places import find_model
from twenty_questions.labelling.gold import WORDINGS, SampledVote, WordedVote
from twenty_questions.labelling.grid import LabelSource
from twenty_questions.labelling.label_sources import source_of
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.prompts import read_prompt

__all__ = ["drawn_votes", "worded_votes"]


def drawn_votes(
    config: LabellerConfig,
    votes: int,
    *,
    temperature: float,
    seed: int,
    open_text: Callable[[ModelConfig], Writer],
) -> list[LabelSource]:
    """Return a source for each vote; all draw from one writer, which is opened with the first that is missing.

    Args:
        config: the model and its prompt.
        votes: how many, at least 1.
        temperature: of the draws, above 0.
        seed: of all draws.
        open_text: opens the writer (`models.writing.open_writer`).

    Raises:
        InputError: if there is no such prompt, or no such model on this machine.
    """
    prompt = read_prompt(config.prompt)
    if not config.base_url:
        find_model(config.model)

    @cache
    def writer() -> Writer:
        return open_text(config)

    settings = jsonable(what_decides(model_part(config)))
    settings |= {"words": jsonable(config.words), "prompt": jsonable(prompt), "temperature": temperature, "seed": seed}

    def source(vote: int) -> LabelSource:
        return LabelSource(
            name=f"{config.model} vote {vote + 1}",
            settings={**settings, "vote": vote},
            open=lambda: SampledVote(
                writer(), prompt, vote=vote, temperature=temperature, seed=seed, words=config.words
            ),
        )

    return [source(vote) for vote in range(votes)]


def worded_votes(
    config: LabellerConfig, votes: int, folder: Path, open_model: Callable[[LabellerConfig], Labeller]
) -> list[LabelSource]:
    """Return a source for each of several wordings, which are written as prompts that can be read.

    Args:
        config: the model; its prompt must be the original one, for the wordings take its place.
        votes: how many, at most as many as there are wordings.
        folder: where the prompts go.
        open_model: opens a labeller (`opening.open_labeller`).

    Raises:
        InputError: if there are not so many wordings, a prompt was chosen, or there is no such model on this machine.
    """
    if votes > len(WORDINGS):
        raise InputError(f"there are {len(WORDINGS)} wordings, got --votes {votes}", fix="Give fewer, or --by sampling")
    if config.prompt != "original":
        raise InputError("--by wording has prompts of its own, got --prompt", fix="Leave --prompt out")

    def source(vote: int) -> LabelSource:
        file = folder / f"{vote + 1}.toml"
        parts = {"system": WORDINGS[vote].system, "user": WORDINGS[vote].user}
        # JSON's texts are TOML's, for these hold no control characters but line breaks.
        lines = [f"{name} = {json.dumps(text)}" for name, text in parts.items()]
        write_bytes(file, ("\n".join(lines) + "\n").encode())
        worded = source_of(dataclasses.replace(config, prompt=str(file)), open_model)
        return LabelSource(
            name=f"{config.model} wording {vote + 1}",
            settings=worded.settings,
            open=lambda: WordedVote(worded.open(), vote=vote),
        )

    return [source(vote) for vote in range(votes)]
