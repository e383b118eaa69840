"""What a question of any kind is expected to tell about the partner and the secret together.

With weights w_tk over types t and words k, and p_tk = P(yes | t, k), the information of the answer A in bits is

    I(A; (T, K)) = h(sum_tk w_tk p_tk) - sum_tk w_tk h(p_tk),

and by the chain rule it parts into what the answer tells about the partner and, the partner known, about the keyword:

    I(A; T) = h(P(yes)) - sum_t W_t h(P_t),    I(A; K | T) = sum_t W_t h(P_t) - sum_tk w_tk h(p_tk),

where W_t = sum_k w_tk is the probability of a type and P_t = sum_k w_tk p_tk / W_t its P(yes). So three things are
needed of a question, its outlook: P(yes) jointly with each type, W_t P_t, and the noise sum_tk w_tk h(p_tk).

- **The handshake** depends on the type alone.
- **Spelling** (order, letters, lists): p_tk = e_t or 1 - e_t, so the noise is sum_t W_t h(e_t) for every such question
  of one kind, and the best is the one whose P(yes) = sum_t e_t W_t + (1 - 2 e_t) C_t is nearest to 1/2, C_t being the
  mass of the words of which the honest answer is yes.
- **Meaning**: words with a row answer by their cell, the others all by one number for each question, the column's mean
  shrunk towards 1/2. A row's weight is that of all its words. Both sums are matrix products over the rows.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError
from twenty_questions._numpy_kernel import SumsOfRows, numpy_sums
from twenty_questions.belief import through_noise
from twenty_questions.information import COMPILED_FROM, Kernel, binary_entropy
from twenty_questions.joint.belief import JointBelief, local
from twenty_questions.joint.universe import Universe
from twenty_questions.table import AnswerTable, probability_of

__all__ = [
    "Information",
    "Outlook",
    "information",
    "marginal_yes",
    "outlook_of_handshake",
    "outlook_of_spelling",
    "outlook_of_table",
    "prepare",
]

Floats = NDArray[np.float64]

_WIDENED = 4_000_000
"""Tables of at most so many cells are kept as floats."""

_PASSED_OVER = 1e-8
"""Of a larger table, rows that together hold less than this of a type's weight count as words without a row."""

_BLOCK_ROWS = 2048


class Outlook(NamedTuple):
    """What n questions are expected to be answered.

    Attributes:
        yes: shape (n, T), the probability of the type and the answer yes together.
        noise: shape (n,), the entropy in bits of the answer to one who knows type and word.
    """

    yes: Floats
    noise: Floats


class Information(NamedTuple):
    """What the answers to n questions are expected to tell, in bits.

    Attributes:
        partner: shape (n,), about the type of partner.
        keyword: shape (n,), about the keyword, once the type is known.
        p_yes: shape (n,), P(yes).
    """

    partner: Floats
    keyword: Floats
    p_yes: Floats

    @property
    def total(self) -> Floats:
        """About both together."""
        return self.partner + self.keyword


def information(type_mass: Floats, outlook: Outlook) -> Information:
    """Return the information of questions.

    Args:
        type_mass: shape (T,), the probability of each type, which sum to 1.
        outlook: of the questions.
    """
    p_yes = outlook.yes.sum(axis=1)
    share = np.divide(outlook.yes, type_mass, out=np.zeros_like(outlook.yes), where=type_mass > 0)
    knowing_type = binary_entropy(np.clip(share, 0.0, 1.0)) @ type_mass
    partner = binary_entropy(np.clip(p_yes, 0.0, 1.0)) - knowing_type
    return Information(np.maximum(partner, 0.0), np.maximum(knowing_type - outlook.noise, 0.0), p_yes)


def outlook_of_handshake(type_mass: Floats, p_yes: Floats) -> Outlook:
    """Return the outlook of the handshake, n = 1; `p_yes` of shape (T,) is P(yes | type)."""
    return Outlook((type_mass * p_yes)[None], np.atleast_1d(type_mass @ binary_entropy(p_yes)))


def outlook_of_spelling(type_mass: Floats, inside: Floats, errors: Floats) -> Outlook:
    """Return the outlook of questions of spelling, all of one kind.

    Args:
        type_mass: shape (T,).
        inside: shape (n, T), the mass of the words of which the honest answer is yes.
        errors: shape (T,), how often each type errs.
    """
    yes = errors * type_mass + (1 - 2 * errors) * inside
    return Outlook(yes, np.full(len(inside), type_mass @ binary_entropy(errors)))


def marginal_yes(universe: Universe, shrink: float) -> Floats:
    """Return the honest P(yes) of words without a row for each column, shape (Q,), the mean shrunk towards 1/2."""
    return np.asarray(through_noise(universe.marginal, shrink / 2))


def outlook_of_table(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    errors: Floats,
    *,
    shrink: float,
    kernel: Kernel = "auto",
) -> Outlook:
    """Return the outlook of every column of the table, n = Q.

    Args:
        universe: holds the table.
        belief: what is known.
        type_mass: shape (T,), the probability of each type.
        errors: shape (T,), how often each type's view differs from the table's.
        shrink: see `marginal_yes`.
        kernel: what sums a table that is too large to be kept as floats; see `information.information_gain`.
    """
    places = local(belief, universe.rowed)
    rows = universe.row_of_word[belief.support[places]]
    num_rows = len(universe.table.keywords)
    held = belief.weights[:, places]
    weights = np.stack([np.bincount(rows, weights=one, minlength=num_rows) for one in held]).astype(np.float64)
    rest = np.maximum(type_mass - weights.sum(axis=1), 0.0)
    if universe.table.codes.size <= _WIDENED:
        honest = weights @ _probabilities(universe.table)
        noise = np.zeros(honest.shape[1])
        for error in np.unique(errors):
            of_types = weights[errors == error].sum(axis=0).astype(np.float32)
            noise += of_types @ _entropies(universe.table, float(error))
    else:
        honest, noise, passed_over = _sums(universe.table, weights, errors, kernel)
        rest = rest + passed_over
    marginal = marginal_yes(universe, shrink)
    honest = honest + rest[:, None] * marginal
    yes = errors * type_mass + (1 - 2 * errors) * honest.T
    return Outlook(yes, noise + rest @ binary_entropy(through_noise(marginal, errors[:, None])))


def prepare(table: AnswerTable, errors: Floats) -> None:
    """Widen a table that is kept as floats now, so that the first move does not wait for it."""
    if table.codes.size <= _WIDENED:
        _probabilities(table)
        for error in np.unique(errors):
            _entropies(table, float(error))


@lru_cache(maxsize=2)
def _probabilities(table: AnswerTable) -> Floats:
    return probability_of(table.codes)


@lru_cache(maxsize=8)
def _entropies(table: AnswerTable, error: float) -> NDArray[np.float32]:
    """Return h of every cell under one rate of error; float32, whose rounding is below 1e-6 bits."""
    of_code = binary_entropy(through_noise(probability_of(np.arange(256)), error)).astype(np.float32)
    return of_code[table.codes]


def _sums(table: AnswerTable, weights: Floats, errors: Floats, kernel: Kernel) -> tuple[Floats, Floats, Floats]:
    """Return, for each column of a large table, the sums of P(yes) by type and of the entropies over all types.

    The third is the weight of the rows that were passed over, by type.
    """
    num_types, num_columns = len(errors), table.codes.shape[1]
    honest, noise, passed_over = np.zeros((num_types, num_columns)), np.zeros(num_columns), np.zeros(num_types)
    for kind in range(num_types):
        kept = np.flatnonzero(weights[kind] >= _PASSED_OVER * weights[kind].sum() / weights.shape[1])
        kept = kept[weights[kind, kept] > 0]
        mass = weights[kind, kept]
        passed_over[kind] = max(0.0, float(weights[kind].sum() - mass.sum()))
        if not kept.size:
            continue
        sums_of_rows = _kernel(table, float(errors[kind]), kernel, kept.size)
        for first in range(0, kept.size, _BLOCK_ROWS):
            block = slice(first, first + _BLOCK_ROWS)
            entropies, codes = sums_of_rows(kept[block], mass[block])
            noise += entropies
            honest[kind] += codes / 255
        honest[kind] += 0.5 / 255 * mass.sum()
    return honest, noise, passed_over


def _kernel(table: AnswerTable, error: float, kernel: Kernel, num_rows: int) -> SumsOfRows:
    of_code = binary_entropy(through_noise(probability_of(np.arange(256)), error)).astype(np.float32)[None]
    classes = np.zeros(table.codes.shape[1], dtype=np.intp)
    if kernel == "numba" or (kernel == "auto" and num_rows * table.codes.shape[1] >= COMPILED_FROM):
        if importlib.util.find_spec("numba") is not None:
            from twenty_questions._numba_kernel import numba_sums

            return numba_sums(table.codes, of_code, classes)
        if kernel == "numba":
            raise MissingExtraError("The compiled kernel", distribution="furikaeri-twenty-questions", extra="fast")
    return numpy_sums(table.codes, of_code, classes, num_rows=min(num_rows, _BLOCK_ROWS))
