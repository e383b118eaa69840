"""Kinds of partner: how each answers the handshake, and how often it errs on each kind of question.

An answer of a partner of type t is the honest one, flipped at a rate that depends on the type and on the kind of
question, independently each time. The honest answer to a question about spelling is certain; to one about meaning it is
yes with the table's probability. So a type is five numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALPHA",
    "LANGUAGE_MODEL",
    "LIAR",
    "MIXED",
    "WARY",
    "PartnerType",
    "Population",
    "check_population",
    "error_rates",
    "handshake_yes",
    "shares",
]

_LEAST = 1e-6
"""No type is surer of anything: otherwise one slip would leave a belief in which nothing is possible."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnerType:
    """How one kind of partner answers.

    Attributes:
        name: what the type is called.
        handshake_yes: P(yes) to the handshake, in [0, 1].
        alphabetical_error: how often it flips an alphabetical answer, in [0, 1/2]; so the others for their kinds.
        letter_error: the same for questions about letters.
        list_error: the same for "is the keyword one of the following".
        table_error: how often its view of a question of meaning differs from the table's.
    """

    name: str
    handshake_yes: float
    alphabetical_error: float
    letter_error: float
    list_error: float
    table_error: float

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("expected a name for the type of partner, got an empty one")
        if not 0 <= self.handshake_yes <= 1:
            raise ValueError(f"expected handshake_yes in [0, 1], got {self.handshake_yes}")
        for field in ("alphabetical_error", "letter_error", "list_error", "table_error"):
            if not 0 <= getattr(self, field) <= 0.5:
                raise ValueError(f"expected {field} in [0, 1/2], got {getattr(self, field)}")


Population: TypeAlias = tuple[tuple[PartnerType, float], ...]
"""Types of partner with the share of each; shares are positive and sum to 1."""

ALPHA = PartnerType(
    name="alpha",
    handshake_yes=0.999,
    alphabetical_error=0.002,
    letter_error=0.01,
    list_error=0.05,
    table_error=0.1,
)
"""Keeps the contest's protocol: rules of spelling, and a language model for what they do not answer.

Rules for letters differ a little between authors (spaces, accents, hyphens); the order of words leaves no such room.
"""

LANGUAGE_MODEL = PartnerType(
    name="language model",
    handshake_yes=0.05,
    alphabetical_error=0.45,
    letter_error=0.3,
    list_error=0.1,
    table_error=0.1,
)
"""Has no rules: next to random on the order of words, better on letters, good on meaning."""

LIAR = PartnerType(
    name="liar",
    handshake_yes=0.95,
    alphabetical_error=0.2,
    letter_error=0.21,
    list_error=0.23,
    table_error=0.26,
)
"""Says yes to the handshake, and then lies at a rate of 1/5 on top of the errors of `ALPHA`."""

MIXED: Population = ((ALPHA, 0.5), (LANGUAGE_MODEL, 0.3), (LIAR, 0.2))
"""Half keep the protocol, three tenths are language models, two tenths lie."""

WARY: Population = ((ALPHA, 0.4), (LANGUAGE_MODEL, 0.25), (LIAR, 0.35))
"""What to believe of partners like `MIXED`.

Questions are chosen for what the next answer tells, which pays too little for doubt, so some is added. On 88 things of
the half of the public list that may be learned from, a liar's secret was found in 25 % of 264 games instead of 23 %
(27 % with half of them liars), and Alpha's 0.06 rounds later (0.17).
"""


def check_population(population: Population) -> None:
    """Raise ValueError unless there is a type, names differ, and shares are positive and sum to 1."""
    names = [partner.name for partner, _ in population]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"expected at least one type of partner and different names, got {names}")
    given = [share for _, share in population]
    if not (all(share > 0 for share in given) and abs(sum(given) - 1) < 1e-6):
        raise ValueError(f"expected positive shares that sum to 1, got {given}")


def shares(population: Population) -> NDArray[np.float64]:
    """Return the share of each type, shape (T,), which sum to 1."""
    given = np.array([share for _, share in population], dtype=np.float64)
    return np.asarray(given / given.sum())


def error_rates(
    population: Population, kind: Literal["alphabetical", "letter", "list", "table"]
) -> NDArray[np.float64]:
    """Return how often each type errs on a kind of question, shape (T,), in [1e-6, 1/2]."""
    return _bounded([getattr(partner, f"{kind}_error") for partner, _ in population])


def handshake_yes(population: Population) -> NDArray[np.float64]:
    """Return each type's P(yes) to the handshake, shape (T,), strictly between 0 and 1."""
    return _bounded([partner.handshake_yes for partner, _ in population])


def _bounded(values: Sequence[float]) -> NDArray[np.float64]:
    return np.clip(np.array(values, dtype=np.float64), _LEAST, 1 - _LEAST)
