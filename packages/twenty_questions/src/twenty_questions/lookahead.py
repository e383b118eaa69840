"""The end game: what each question leaves to find once its answer is known and the guess that follows has failed.

A round asks and then guesses, and the guess is a question too: whether it is the most probable keyword. Being told
"yes" wins. So what a round leaves is not the posterior's entropy but that of the keywords without the guess, if it was
wrong:

    sum_a P(a) (1 - g_a) H(K | a, K is not the guess),    g_a = max_k P(k | a),

which is the expected posterior entropy less the expected information of the guess, sum_a P(a) h(g_a). While thousands
of keywords are left the guess tells next to nothing and the two agree; over the few that hold the mass at the end they
do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.belief import through_noise
from twenty_questions.table import probability_of

__all__ = ["entropy_left_after_guess"]

_NEGLIGIBLE = 1e-6
_CELLS_AT_ONCE = 1 << 20


def entropy_left_after_guess(
    codes: NDArray[np.uint8],
    posterior: NDArray[np.float64],
    *,
    noise: ArrayLike = 0.0,
    columns: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Return the entropy in bits that is left, on average, after each question, its answer and a guess.

    A game that the guess has won has none left.

    Args:
        codes: uint8, shape (K, Q), the table's codes.
        posterior: shape (K,), sums to 1, zero for what may not be guessed. Keywords less than a millionth as probable
            as the first are left out of account.
        noise: flip rate of the partner in [0, 1/2]; one number or shape (Q,).
        columns: which questions, shape (C,); all if None. A few at a time are in memory as floats.

    Returns:
        float64, shape (C,), between 0 and the expected posterior entropy.
    """
    held = np.flatnonzero(posterior > _NEGLIGIBLE * posterior.max())
    wanted = np.arange(codes.shape[1]) if columns is None else columns
    rates = np.broadcast_to(np.asarray(noise, dtype=np.float64), codes.shape[1:])
    parts = np.array_split(wanted, max(1, -(-held.size * wanted.size // _CELLS_AT_ONCE)))
    left = [
        _left(posterior[held], through_noise(probability_of(codes[held[:, None], part]), rates[part])) for part in parts
    ]
    return np.maximum(np.concatenate(left), 0.0)


def _left(posterior: NDArray[np.float64], p_yes: NDArray[np.float64]) -> NDArray[np.float64]:
    left = np.zeros(p_yes.shape[1])
    for likelihood in (p_yes, 1 - p_yes):
        joint = posterior[:, None] * likelihood
        guess = joint.max(axis=0)
        missed = joint.sum(axis=0) - guess
        # With j_k = P(a) P(k | a): sum over all but the guess of j_k log2(missed / j_k).
        left += _x_log_x(missed) - (_x_log_x(joint).sum(axis=0) - _x_log_x(guess))
    return left


def _x_log_x(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x * np.log2(x, out=np.zeros_like(x), where=x > 0)
