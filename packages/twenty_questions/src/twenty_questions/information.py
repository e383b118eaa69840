"""How much every question of a table would tell, all of them at once.

The question worth asking leaves the least entropy behind, on average over its answer A (yes or no):

    expected posterior entropy = sum_a P(a) H(K | a) = H(K) - I(K; A).

The textbook computes a posterior and its entropy for each question and answer. The information can be had without any
posterior, because A is binary: with f_kq = P(yes | k, q), noise included, and h the binary entropy,

    I(K; A_q) = H(A_q) - H(A_q | K) = h(sum_k p_k f_kq) - sum_k p_k h(f_kq).

A table stores P(yes) as a code c of 8 bits. So f is affine in the code, and the first sum needs only sum_k p_k c_kq;
and h(f) takes 256 values for each noise, so the second is a sum of table look-ups. One walk over the rows of the table
serves every question: a multiply-add for each sum and cell, no logarithm, and the table's bytes are read once.

**Precision.** Codes are summed in float64 or as integers of 32 bits, since the slope of h magnifies their error;
entropies in float32 over at most 32 rows, in float64 beyond. The result is within 1e-6 bits of the textbook's.

**Cost falls as the posterior concentrates.** The least probable keywords are passed over, as many as hold a mass of at
most m. That moves the mean of numbers in an interval by at most m times its length, so the means of h and of f by at
most m. Where f lives, in [l, 1 - l] with l = e + (1 - 2e) / 510 at noise e, the slope of h is at most
log2((1 - l) / l). So the information moves by at most m (1 + log2((1 - l) / l)), less than 10 m without noise, and m is
chosen to keep that under `negligible_bits`.

**Reproducible.** Rows are summed in blocks of fixed size and the blocks in order, so the result does not depend on how
many threads shared them.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from furikaeri_common.errors import MissingExtraError
from twenty_questions._numpy_kernel import Sums, SumsOfRows, numpy_sums
from twenty_questions.belief import entropy_bits, through_noise
from twenty_questions.table import probability_of

__all__ = [
    "COMPILED_FROM",
    "Kernel",
    "binary_entropy",
    "choose",
    "expected_posterior_entropy",
    "information_gain",
    "textbook_posterior_entropy",
]

Kernel = Literal["auto", "numpy", "numba"]

COMPILED_FROM = 20_000_000
"""From how many cells (keywords that hold mass, times questions) `auto` takes the compiled kernel."""

SAME_BITS = 1e-6
"""Scores so close are equal: kernels differ by less, through rounding."""

NEGLIGIBLE_BITS = 1e-9
"""How far leaving out keywords may move a score, if nothing else is asked for."""

_BLOCK_ROWS = 2048
_THREADS_FROM = 4_000_000
_ALL_CODES = np.arange(256, dtype=np.uint8)


def binary_entropy(p: ArrayLike) -> NDArray[np.float64]:
    """Return h(p) = -p log2 p - (1 - p) log2 (1 - p) in bits, with h(0) = h(1) = 0; same shape."""
    p = np.asarray(p, dtype=np.float64)
    logs = [np.log2(x, out=np.zeros_like(p), where=x > 0) for x in (p, 1 - p)]
    return np.asarray(-p * logs[0] - (1 - p) * logs[1])


def expected_posterior_entropy(
    codes: NDArray[np.uint8],
    posterior: NDArray[np.float64],
    *,
    noise: ArrayLike = 0.0,
    negligible_bits: float = NEGLIGIBLE_BITS,
    kernel: Kernel = "auto",
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Return the entropy in bits that is left, on average, after each question is answered.

    Args:
        codes: uint8, shape (K, Q), the table's codes; 255 (not labelled) reads as P(yes) = 1/2.
        posterior: shape (K,), non-negative, sums to 1.
        noise: flip rate of the partner in [0, 1/2]; one number, or one for each question, shape (Q,).
        negligible_bits: how far keywords with next to no mass may be left out of account, in bits, at least 0. A game
            that takes questions within 0.01 bits for equal can allow 0.001, which saves most of the work late in it.
        kernel: "numpy"; "numba", compiled (the extra `fast`); "auto" takes the latter if it is installed and the table
            so large that its start-up, about a second once a process, is worth it.
        threads: how many share the work; by default one, and for large tables all cores of this process. The result
            does not depend on it.

    Returns:
        float64, shape (Q,), each in [0, H(K)].

    Raises:
        TypeError: if codes are not uint8.
        ValueError: if a shape or number is out of range.
        MissingExtraError: if "numba" is asked for and not installed.
    """
    posterior = np.asarray(posterior, dtype=np.float64)
    information = information_gain(
        codes, posterior, noise=noise, negligible_bits=negligible_bits, kernel=kernel, threads=threads
    )
    return np.asarray(entropy_bits(posterior) - information)


def information_gain(
    codes: NDArray[np.uint8],
    posterior: NDArray[np.float64],
    *,
    noise: ArrayLike = 0.0,
    negligible_bits: float = NEGLIGIBLE_BITS,
    kernel: Kernel = "auto",
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Return the information in bits that each question's answer is expected to give about the keyword.

    Arguments and errors are those of `expected_posterior_entropy`.

    Returns:
        float64, shape (Q,), each between 0 and min(1, H(K)).
    """
    posterior = np.asarray(posterior, dtype=np.float64)
    if codes.dtype != np.uint8:
        raise TypeError(f"expected codes of dtype uint8, got {codes.dtype}")
    if codes.ndim != 2 or posterior.shape != codes.shape[:1] or not posterior.size:
        raise ValueError(f"expected codes (K, Q) and a posterior (K,), got {codes.shape} and {posterior.shape}")
    if not ((posterior >= 0).all() and abs(posterior.sum() - 1) < 1e-6):
        raise ValueError("expected a posterior of non-negative numbers that sum to 1")
    rate = np.asarray(noise, dtype=np.float64)
    if rate.shape not in ((), codes.shape[1:]):
        raise ValueError(f"expected noise to be one number or of shape {codes.shape[1:]}, got shape {rate.shape}")
    if not ((rate >= 0) & (rate <= 0.5)).all():
        raise ValueError("expected noise in [0, 1/2]")
    if not negligible_bits >= 0:
        raise ValueError(f"expected negligible_bits of at least 0, got {negligible_bits}")
    if not codes.shape[1]:
        return np.zeros(0)

    rates, classes = np.unique(np.broadcast_to(rate, codes.shape[1:]), return_inverse=True)
    entropies = binary_entropy(through_noise(probability_of(_ALL_CODES), rates[:, None])).astype(np.float32)
    rows = _rows_that_matter(posterior, negligible_bits, float(rates[0]))
    weights = posterior[rows] / posterior[rows].sum()
    sums_of_rows = _kernel(kernel, codes, entropies, classes.reshape(-1).astype(np.intp), rows.size)
    if threads is None:
        threads = _num_cores() if rows.size * codes.shape[1] >= _THREADS_FROM else 1
    entropy_sums, code_sums = _sum_in_blocks(sums_of_rows, rows, weights, threads)
    p_yes = through_noise((code_sums + 0.5) / 255, rate)
    information = binary_entropy(p_yes) - entropy_sums
    return np.asarray(np.clip(information, 0.0, min(1.0, entropy_bits(posterior))))


def textbook_posterior_entropy(
    codes: NDArray[np.uint8], posterior: NDArray[np.float64], *, noise: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Return what `expected_posterior_entropy` returns, the long way: a posterior for each question and answer.

    This is the definition, one question at a time in float64, to check the rest against.
    """
    rates = np.broadcast_to(np.asarray(noise, dtype=np.float64), codes.shape[1:])
    left = np.zeros(codes.shape[1])
    for question, rate in enumerate(rates):
        p_yes = through_noise(probability_of(codes[:, question]), rate)
        for likelihood in (p_yes, 1 - p_yes):
            joint = posterior * likelihood
            evidence = joint.sum()
            left[question] += evidence * entropy_bits(joint / evidence)
    return left


def choose(scores: NDArray[np.float64], rng: np.random.Generator, *, tolerance: float = 0.0) -> int:
    """Return the position of the smallest score; near-ties are broken by the generator, evenly.

    Scores within a millionth of a bit are always ties: so close, kernels may differ by rounding.

    Args:
        scores: shape (Q,), in bits; infinity marks what must not be chosen.
        rng: the source of randomness; drawn from only if there is a tie.
        tolerance: how far above the smallest a score may lie, in bits, at least 0.

    Raises:
        ValueError: if no score is finite, one is NaN, or the tolerance is negative.
    """
    if not tolerance >= 0:
        raise ValueError(f"expected a tolerance of at least 0, got {tolerance}")
    if np.isnan(scores).any() or not np.isfinite(scores).any():
        raise ValueError("expected at least one finite score, and no NaN")
    near = np.flatnonzero(scores <= scores.min() + max(tolerance, SAME_BITS))
    return int(near[0] if near.size == 1 else rng.choice(near))


def _rows_that_matter(posterior: NDArray[np.float64], negligible_bits: float, least_noise: float) -> NDArray[np.intp]:
    """Return the rows of all but the least probable keywords, which cannot move any information further than that."""
    nearest = float(through_noise(1 / 510, least_noise))
    mass = negligible_bits / (1 + np.log2((1 - nearest) / nearest))
    ascending = np.sort(posterior[posterior <= mass])
    passed_over = int(np.searchsorted(np.cumsum(ascending), mass, side="right"))
    least = ascending[passed_over] if passed_over < ascending.size else np.nextafter(mass, np.inf)
    return np.flatnonzero(posterior >= min(least, posterior.max()))


def _kernel(
    kernel: Kernel,
    codes: NDArray[np.uint8],
    entropies: NDArray[np.float32],
    classes: NDArray[np.intp],
    num_rows: int,
) -> Callable[[], SumsOfRows]:
    """Return what makes the chosen kernel, once for each thread."""
    if kernel not in get_args(Kernel):
        raise ValueError(f"expected a kernel among {', '.join(get_args(Kernel))}, got {kernel!r}")
    if kernel == "numba" or (kernel == "auto" and num_rows * codes.shape[1] >= COMPILED_FROM):
        if importlib.util.find_spec("numba") is not None:
            from twenty_questions._numba_kernel import numba_sums

            return lambda: numba_sums(codes, entropies, classes)
        if kernel == "numba":
            raise MissingExtraError("The compiled kernel", distribution="furikaeri-twenty-questions", extra="fast")
    return lambda: numpy_sums(codes, entropies, classes, num_rows=min(num_rows, _BLOCK_ROWS))


def _sum_in_blocks(
    make_sums: Callable[[], SumsOfRows], rows: NDArray[np.intp], weights: NDArray[np.float64], threads: int
) -> Sums:
    """Sum blocks of rows in threads, and the blocks in their order."""
    blocks = [slice(start, start + _BLOCK_ROWS) for start in range(0, rows.size, _BLOCK_ROWS)]
    threads = max(1, min(threads, len(blocks)))
    makers = [make_sums() for _ in range(threads)]

    def share(first: int) -> list[Sums]:
        return [makers[first](rows[block], weights[block]) for block in blocks[first::threads]]

    if threads == 1:
        shares = [share(0)]
    else:
        with ThreadPoolExecutor(threads - 1) as pool:
            others = pool.map(share, range(1, threads))
            shares = [share(0), *others]
    in_order = [shares[block % threads][block // threads] for block in range(len(blocks))]
    return sum(entropy for entropy, _ in in_order), sum(code for _, code in in_order)  # type: ignore[return-value]


def _num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
