"""Several models' answers to one question become one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Rule", "Vote", "VoteConfig", "vote_of"]

Rule = Literal["majority", "mean"]
"""Each model one vote, ties by their mean probability; or the mean probability alone."""


class Vote(NamedTuple):
    """A vote that was counted.

    Attributes:
        answer: yes or no; None if nobody voted.
        p_yes: mean P(yes) of those who voted; NaN if nobody did.
        given: P(yes) by the name of each model that voted.
        missing: models without a vote, for they abstained, failed or were late; those that could not have changed the
            answer any more are not among them.
    """

    answer: bool | None
    p_yes: float
    given: Mapping[str, float]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteConfig:
    """How votes are taken.

    Attributes:
        rule: how they are counted.
        threshold: a P(yes) above it is a yes, in [0, 1].
        stop_when_decided: whether a majority that the missing votes cannot change ends the asking.
        rounds: how many questions a game may hold, at least 1; the order of loading looks so far ahead.
    """

    rule: Rule = "majority"
    threshold: float = 0.5
    stop_when_decided: bool = True
    rounds: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"expected threshold in [0, 1], got {self.threshold}")
        if self.rounds < 1:
            raise ValueError(f"expected rounds >= 1, got {self.rounds}")


def vote_of(p_yes: Sequence[float], *, rule: Rule = "majority", threshold: float = 0.5) -> bool | None:
    """Return the answer of several models; None if all abstain.

    Args:
        p_yes: each model's P(yes) in [0, 1]; NaN abstains and does not count.
        rule: how they are counted.
        threshold: a P(yes), or mean, above it is a yes.
    """
    given = [p for p in p_yes if not math.isnan(p)]
    if not given:
        return None
    balance = sum(1 if p > threshold else -1 for p in given)
    if rule == "majority" and balance != 0:
        return balance > 0
    return math.fsum(given) / len(given) > threshold
