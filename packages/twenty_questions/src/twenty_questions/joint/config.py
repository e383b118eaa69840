"""How the guesser of the joint belief plays, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from twenty_questions.belief import PROBABLY
from twenty_questions.information import Kernel
from twenty_questions.joint.partners import WARY, Population, check_population

__all__ = ["JointConfig", "Opening"]

Opening = Literal["criterion", "handshake"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JointConfig:
    """How to play.

    Attributes:
        population: the types of partner that are reckoned with, and the share of each.
        opening: "criterion" asks the handshake when it tells most, like any question; "handshake" asks it first.
        rounds: how many rounds a game has.
        letters: whether questions about letters are asked.
        lists: whether questions that list names are asked.
        shrink: how far P(yes) of a word without a row of the table, the table's mean of the column, is moved towards
            1/2: 0 leaves it, 1 makes such a word tell nothing.
        probably: what "probably" counts for, as a share of "yes" (see `belief.PROBABLY`).
        tie_bits: questions within so many bits of the best are equals, and the generator picks one.
        reach_bits: a question is chosen as if the secret were none of the words that need so many bits more than the
            rest of the game can tell of them (see `joint.reach`), once the handshake has no more to tell; None takes
            all words into account.
        negligible: mass that may be dropped after an answer, in all (see `joint.belief.prune`); 0 drops nothing.
        endgame_words: the look-ahead for the reward is over so many words; 1: there is none.
        endgame_miss: it begins once they hold all but this much of the mass that is within reach.
        endgame_depth: how many rounds are looked ahead, at least 1.
        top: how many of the best guesses are reported.
        kernel: what sums a large table (see `information.expected_posterior_entropy`).
    """

    population: Population = WARY
    opening: Opening = "criterion"
    rounds: int = 20
    letters: bool = True
    lists: bool = True
    shrink: float = 0.25
    probably: float = PROBABLY
    tie_bits: float = 0.01
    reach_bits: float | None = 9.0
    negligible: float = 1e-8
    endgame_words: int = 48
    endgame_miss: float = 0.1
    endgame_depth: int = 1
    top: int = 5
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        check_population(self.population)
        if self.opening not in get_args(Opening):
            raise ValueError(f"expected an opening among {', '.join(get_args(Opening))}, got {self.opening!r}")
        for name in ("shrink", "probably", "endgame_miss"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"expected {name} in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.negligible < 0.01:
            raise ValueError(f"expected negligible in [0, 0.01), got {self.negligible}")
        if self.reach_bits is not None and not self.reach_bits >= 0:
            raise ValueError(f"expected reach_bits of at least 0, got {self.reach_bits}")
        for name, least in (("rounds", 1), ("tie_bits", 0), ("endgame_words", 1), ("endgame_depth", 1), ("top", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")
