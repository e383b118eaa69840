"""How fast servers are, and what they take for it."""

from __future__ import annotations

from dataclasses import replace

from furikaeri_common.models.config import ModelConfig
from furikaeri_common.planning import (
    ANY,
    Amount,
    Pace,
    PlannedStage,
    given_rate,
    multiplied,
    pace_of_rate,
    scaled,
    summed,
)
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.precompute.planning.known import SERVER, PlanOptions

__all__ = ["server_paces", "with_fee"]


def server_paces(options: PlanOptions, config: ModelConfig, measured: Pace | None) -> dict[str, Pace]:
    """Return the pace of what a server is asked, whatever the device: as given, measured, or else as it is limited.

    Args:
        options: of the plan.
        config: the model.
        measured: what a sample showed; None for a model that was not tried.
    """
    rate = given_rate(options.rates, (config.model,), SERVER)
    if rate is None and measured is not None:
        return {ANY: measured}
    rate = rate or config.requests_per_minute / 60 * len(config.addresses)
    # A labeller that was not tried may ask once for a pair, or draw samples.
    most = config.samples if isinstance(config, LabellerConfig) and measured is None else 1
    return {ANY: pace_of_rate(rate, "given", low=rate / most)} if rate else {}


def with_fee(
    stage: PlannedStage, config: ModelConfig, asked: Amount, tokens_in: Amount, tokens_out: Amount
) -> PlannedStage:
    """Return a stage with what a server reads, writes and takes for it.

    Args:
        stage: what is done.
        config: the model, with its prices.
        asked: pairs or texts that it is asked for.
        tokens_in, tokens_out: of each.
    """
    read, written = multiplied(asked, tokens_in), multiplied(asked, tokens_out)
    fee = None
    if config.price_in or config.price_out:
        fee = summed((scaled(read, config.price_in / 1e6), scaled(written, config.price_out / 1e6)))
    return replace(stage, tokens_in=read, tokens_out=written, fee=fee, memory=None, is_rented=False)
