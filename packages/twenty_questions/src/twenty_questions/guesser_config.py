"""How the guesser plays, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from twenty_questions.belief import PROBABLY
from twenty_questions.information import Kernel

__all__ = ["GuesserConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GuesserConfig:
    """How the guesser plays.

    Attributes:
        handshake: whether the first round asks about the partner instead of the keyword.
        noise: how often a partner's answer differs from the table's, in [0, 1/2].
        letter_noise: the same for letter and alphabetical questions, which language models often get wrong.
        letters: whether spelling questions are asked outside bisection.
        letters_from: the first round, counted from 1, in which they are.
        probably: what "probably" counts for, as a share of "yes" (see `belief.PROBABLY`).
        tie_bits: questions within so many bits of the best are equals, and the generator picks one.
        endgame_words: once the keywords left are as good as so many (2 to the entropy), the guess that follows an
            answer is counted too (see `lookahead`); 1 leaves it to the questions alone.
        endgame_bits: the end game chooses among the questions within so many bits of the best.
        top: how many of the best guesses are reported.
        kernel: what computes the information (see `information.expected_posterior_entropy`).
    """

    handshake: bool = True
    noise: float = 0.05
    letter_noise: float = 0.25
    letters: bool = True
    letters_from: int = 1
    probably: float = PROBABLY
    tie_bits: float = 0.01
    endgame_words: int = 256
    endgame_bits: float = 0.1
    top: int = 5
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        for name, highest in (("noise", 0.5), ("letter_noise", 0.5), ("probably", 1.0)):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(f"expected {name} in [0, {highest:g}], got {getattr(self, name)}")
        for name, least in (
            ("tie_bits", 0),
            ("endgame_bits", 0),
            ("letters_from", 1),
            ("endgame_words", 1),
            ("top", 1),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")
