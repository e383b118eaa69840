"""How far a table's questions and cells can be trusted, learned from games whose secret came to light.

A table errs in two ways. It may be wrong about a question as a whole, when partners read the wording in another way
than its labels do; and about a single cell. With p_kq the table's P(yes), y_kq and n_kq the yes and no heard:

    r_q ~ Beta(c e, c (1 - e)),                                 a question's answers are flipped against the table
    theta_kq ~ Beta(s m_kq, s (1 - m_kq)),  m = r_q + (1 - 2 r_q) p_kq,     a cell's true P(yes), about what they say
    y_kq, n_kq: answers with P(yes) = theta_kq.

So r near 0 trusts the table, 1/2 makes the question tell nothing, and near 1 turns it round; e is the noise that
guessers reckon with. A small strength s says that cells are wrong, and disagree in every game; a large one that answers
are noisy, and disagree now and then. With theta integrated out, a cell counts as a Beta-binomial,

    L_kq(r) = B(s m + y, s (1 - m) + n) / B(s m, s (1 - m)),

under which ten games about one thing doubt a question little more than one does, and games about ten things do. It is
a polynomial of degree y + n in r, so Gauss-Jacobi quadrature over the Beta prior is exact up to some 250 answers to a
question, and its nodes are close enough for thousands. Given s the posterior mean of a cell is exact, too, since m is
linear in r:

    E[theta_kq] = (s E[m_kq] + y) / (s + y + n),    E[m] = E[r] + (1 - 2 E[r]) p.

And s is the most probable one given all games, by prod_q E_r[prod_k L_kq(r)] and a log-normal prior (empirical Bayes:
Robbins 1956; for a table of counts: Casella 1985). Games in which no cell came twice say nothing about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.learning import COUNTS, Lesson, learn, things_told
from twenty_questions.table import UNLABELLED, AnswerTable, code_of, probability_of

__all__ = ["USUAL_NOISE", "Heard", "cell_strength", "heard_in", "question_errors", "relearn"]

USUAL_NOISE = 0.05
"""How often an answer differs from the table's where nothing is wrong: what guessers reckon with anyhow."""

_PRIOR_ANSWERS = 6.0
"""c: a handful of surprises is enough to doubt a question. With 2 or 20 games taught as much, within 0.02 of reward."""

_NODES = 128
_USUAL_STRENGTH, _STRENGTH_SPREAD = 3.0, 1.0
_STRENGTHS = _USUAL_STRENGTH * 2.0 ** (np.arange(-10, 11) / 2)
_BLOCK_ROWS = 256
_BLOCK_CELLS = 8192

Floats = NDArray[np.float64]


class Heard(NamedTuple):
    """What was answered about cells of a table: alike cells of one question taken together, in order of the question.

    Attributes:
        columns: intp, shape (n,), the question.
        codes: uint8, shape (n,), the table's code of the cells.
        yes: float64, shape (n,), how many yes each of the cells was given.
        no: the same of no.
        cells: float64, shape (n,), how many cells are alike in this.
    """

    columns: NDArray[np.intp]
    codes: NDArray[np.uint8]
    yes: Floats
    no: Floats
    cells: Floats


def heard_in(table: AnswerTable, lessons: Iterable[Lesson]) -> Heard:
    """Return what lessons about known things say; things that the table lacks tell nothing about its cells.

    Args:
        table: what the lessons are compared with.
        lessons: in any order.
    """
    heard = [(row, column, *COUNTS[answer]) for row, told in things_told(table, lessons) for column, answer in told]
    rows, columns, yes, no = np.array(heard, dtype=np.float64).reshape(-1, 4).T
    places, cell_of = np.unique(
        rows.astype(np.int64) * len(table.questions) + columns.astype(np.int64), return_inverse=True
    )
    row_of, column_of = np.divmod(places, len(table.questions))
    counts = [np.bincount(cell_of, weights=one, minlength=places.size) for one in (yes, no)]
    told = np.flatnonzero(counts[0] + counts[1])
    cells = np.column_stack([column_of, table.codes[row_of, column_of], *counts])[told]
    alike, number = np.unique(cells, axis=0, return_counts=True)
    return Heard(
        alike[:, 0].astype(np.intp), alike[:, 1].astype(np.uint8), alike[:, 2], alike[:, 3], number.astype(np.float64)
    )


def question_errors(
    heard: Heard, num_questions: int, *, strength: float = _USUAL_STRENGTH, noise: float = USUAL_NOISE
) -> Floats:
    """Return how often each question's answers differ from the table's: the posterior mean of r.

    Args:
        heard: what games told.
        num_questions: Q, the table's number of questions.
        strength: s, how many answers a cell is worth, positive.
        noise: e, the prior's mean, in [0, 1/2).

    Returns:
        float64, shape (Q,), in [0, 1); the prior's mean where a question was not asked.
    """
    errors = np.full(num_questions, noise)
    if heard.columns.size:
        rates, shares = _prior(noise)
        log_posterior = np.log(shares) + _log_likelihood(heard, rates, strength)
        posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
        errors[np.unique(heard.columns)] = posterior @ rates / posterior.sum(axis=1)
    return errors


def cell_strength(heard: Heard, *, noise: float = USUAL_NOISE) -> float:
    """Return how many answers a cell is worth: the most probable s given what games told, on a grid from 0.1 to 100.

    Args:
        heard: what games told.
        noise: e, in [0, 1/2).
    """
    rates, shares = _prior(noise)
    scores = []
    for strength in _STRENGTHS:
        score = -((math.log(strength / _USUAL_STRENGTH) / _STRENGTH_SPREAD) ** 2) / 2
        if heard.columns.size:
            log_joint = np.log(shares) + _log_likelihood(heard, rates, float(strength))
            largest = log_joint.max(axis=1)
            score += float((largest + np.log(np.exp(log_joint - largest[:, None]).sum(axis=1))).sum())
        scores.append(score)
    return float(_STRENGTHS[int(np.argmax(scores))])


def relearn(table: AnswerTable, lessons: Iterable[Lesson], *, noise: float = USUAL_NOISE) -> AnswerTable:
    """Return the table after lessons: its questions trusted as far as they proved right, and its cells moved.

    The table holds P(yes) of an answer without the noise that guessers reckon with on top, so that is taken out: a
    question's column is flipped at the rate that its error exceeds the noise, (r - e) / (1 - 2 e) or 0 if it does not,
    and the cells that answers are about are then moved by `learning.learn`, which also makes the rows of new things.

    Args:
        table: what was known before; it is not changed.
        lessons: all lessons that are to count, in any order; a game learned from twice counts twice.
        noise: e, what the guesser reckons with, in [0, 1/2).

    Raises:
        ValueError: if the noise is out of range.
    """
    if not 0 <= noise < 0.5:
        raise ValueError(f"expected a noise in [0, 1/2), got {noise}")
    taught = list(lessons)
    heard = heard_in(table, taught)
    strength = cell_strength(heard, noise=noise)
    errors = question_errors(heard, len(table.questions), strength=strength, noise=noise)
    flips = np.clip((errors - noise) / (1 - 2 * noise), 0.0, 1.0)
    return learn(_flipped(table, flips), taught, strength=strength, noise=noise)


def _flipped(table: AnswerTable, flips: Floats) -> AnswerTable:
    """Return the table with the answers of each column flipped at a rate; the table itself if none is."""
    columns = np.flatnonzero(flips)
    if not columns.size:
        return table
    # What happens to a code depends on the column alone, so a large table needs no floats.
    rate = flips[columns, None]
    after = code_of(rate + (1 - 2 * rate) * probability_of(np.arange(256)))
    after[:, UNLABELLED] = UNLABELLED
    first = 256 * np.arange(columns.size, dtype=np.int32)
    codes = np.array(table.codes)
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = codes[start : start + _BLOCK_ROWS]
        block[:, columns] = after.ravel()[first + block[:, columns]]
    return AnswerTable(table.keywords, table.questions, codes, table.prior, table.provenance)


@lru_cache(maxsize=8)
def _prior(noise: float) -> tuple[Floats, Floats]:
    """Return nodes and weights of the Beta prior of r: the Gauss-Jacobi quadrature, by Golub and Welsch (1969)."""
    least = 1e-3  # a noise of 0 would leave no room for doubt
    a = _PRIOR_ANSWERS * max(noise, least)
    b = _PRIOR_ANSWERS - a
    k = np.arange(_NODES, dtype=np.float64)
    total = 2 * k + a + b
    # The recurrence of the Jacobi polynomials with weight x^(a-1) (1-x)^(b-1) on [0, 1].
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = 0.5 + (a - b) * (a + b - 2) / (2 * (total - 2) * total)
        beside = k * (k + a - 1) * (k + b - 1) * (k + a + b - 2) / ((total - 2) ** 2 * (total - 1) * (total - 3))
    middle[0] = a / (a + b)
    beside[1] = a * b / ((a + b) ** 2 * (a + b + 1))
    off = np.sqrt(beside[1:])
    nodes, vectors = np.linalg.eigh(np.diag(middle) + np.diag(off, 1) + np.diag(off, -1))
    return np.clip(nodes, 1e-12, 1 - 1e-12), np.maximum(vectors[0] ** 2, 1e-300)


def _log_likelihood(heard: Heard, rates: Floats, strength: float) -> Floats:
    """Return sum_k log L_kq(r) of each question that was asked, in order, at each rate: shape (asked, rates)."""
    # Many cells are alike but for the question, and log gamma is slow.
    kinds, kind_of = np.unique(np.column_stack([heard.codes, heard.yes, heard.no]), axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    m = rates + (1 - 2 * rates) * probability_of(kinds[:, :1].astype(np.uint8))
    yes, no = kinds[:, 1], kinds[:, 2]
    of_kind = _log_rising(strength * m, yes) + _log_rising(strength * (1 - m), no)
    of_kind -= _log_rising(np.full((len(kinds), 1), strength), yes + no)
    starts = np.flatnonzero(np.diff(heard.columns, prepend=-1))
    ends = np.append(starts[1:], heard.columns.size)
    found = np.empty((starts.size, rates.size))
    first = 0
    while first < starts.size:
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _BLOCK_CELLS, side="right")))
        part = slice(starts[first], ends[last - 1])
        values = heard.cells[part, None] * of_kind[kind_of[part]]
        found[first:last] = np.add.reduceat(values, starts[first:last] - starts[first], axis=0)
        first = last
    return found


def _log_rising(x: Floats, count: Floats) -> Floats:
    """Return log(Gamma(x + count) / Gamma(x)) row by row: `count` has one number for each row of x, at least 0."""
    result = np.zeros_like(x)
    some = np.flatnonzero(count)
    if some.size:
        log_gamma = np.frompyfunc(math.lgamma, 1, 1)
        result[some] = log_gamma(x[some] + count[some, None]) - log_gamma(x[some])
    return result
