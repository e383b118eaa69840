"""The models that answer questions in `tq play` and `tq match`, as options name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from furikaeri_cli.output import Output
from furikaeri_common.models.config import Addresses, Weights
from twenty_questions.panel import open_panel, panel_of
from twenty_questions.voting import Voter

__all__ = ["opened_voter", "tell_failures"]


def opened_voter(
    models: Sequence[str] | None,
    output: Output,
    *,
    base_url: Addresses,
    weights: Weights,
    prompt: str,
    leanings: Path | None,
) -> Voter | None:
    """Return the voter of the models that were named, each of them opened; None if none was.

    Raises:
        FurikaeriError: if a model is not here or cannot be opened, or there is no such prompt.
    """
    panel = panel_of(
        list(models or ()), base_url=base_url, weights=weights, prompt=prompt, leanings=str(leanings or "")
    )
    if panel is None:
        return None
    output.note(f"Opening {', '.join(model.model for model in panel.models)}.")
    voter = open_panel(panel)
    voter.prepare()
    return voter


def tell_failures(voter: Voter, output: Output) -> None:
    """Note which models failed, and why last."""
    for name, failure in voter.failures.items():
        output.note(f"{name} had no vote at times: {failure}")
