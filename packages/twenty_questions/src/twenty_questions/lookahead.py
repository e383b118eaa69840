"""The end game: how likely the next guess is right after each question.

A round asks and then guesses, so near the end the question worth asking is the one that lets the next guess win, which
the entropy of what is left only hints at. After the answer the guess is the most probable keyword, so a question wins
at once with probability

    sum_a max_k p_k P(a | k, q).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.belief import through_noise
from twenty_questions.table import probability_of

__all__ = ["win_chances"]


def win_chances(
    codes: NDArray[np.uint8], posterior: NDArray[np.float64], *, noise: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Return the probability that the guess after each question's answer is right.

    Args:
        codes: uint8, shape (K, Q), the table's codes.
        posterior: shape (K,), sums to 1, zero for what may not be guessed.
        noise: flip rate of the partner in [0, 1/2]; one number or shape (Q,).

    Returns:
        float64, shape (Q,), between max_k p_k and 1.
    """
    # Likelihoods lie in [1/510, 1], so below a 510th of the largest probability no keyword can come out on top.
    held = np.flatnonzero(posterior >= posterior.max() / 510)
    p_yes = through_noise(probability_of(codes[held]), noise)
    p = posterior[held, None]
    return np.asarray((p * p_yes).max(axis=0) + (p * (1 - p_yes)).max(axis=0))
