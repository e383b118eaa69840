"""The joint belief: one weight for every pair of partner type and word.

Answers are independent given the pair, so Bayes' rule multiplies each weight by the likelihood of the answer under it:

    w_tk <- w_tk P(a | t, k) / P(a),    P(a) = sum_tk w_tk P(a | t, k).

A wrong guess is certain: it sets the weights of the words that it matches to 0, under every type. The types differ in
how much they held there, so it moves the belief about the partner as well.

**Pruning.** `prune` drops words whose weight, summed over the types, is below `negligible` / S, S being how many words
are held. Together they hold less than `negligible`, which is the belief's own probability that the secret was among
them. The sum over types is what counts: a word that an honest partner would have ruled out keeps the weight that it has
if the partner lies. Nor could such a word still be found, since an answer of probability P(a) multiplies a weight by at
most 1 / P(a): with questions that halve the mass it takes 27 answers to come from 1e-8 / S to the mean weight 1 / S,
more than a game has. And because one word may hold nearly all the mass and then turn out a wrong guess, the most
probable `LEAST_KEPT` words are always kept.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from twenty_questions.asking import largest
from twenty_questions.belief import Answer
from twenty_questions.joint.partners import Population, shares

__all__ = [
    "CHUNK",
    "LEAST_KEPT",
    "JointBelief",
    "after_boundary",
    "after_members",
    "after_partner",
    "after_rows",
    "exclude",
    "likeliest",
    "local",
    "only",
    "prune",
    "start",
    "type_posterior",
    "word_posterior",
]

LEAST_KEPT = 16_384
"""Pruning leaves at least so many words."""

CHUNK = 32_768
"""So many words stay in the processor's cache for all types."""

_STRIDE = 64

Floats = NDArray[np.float64]


class JointBelief(NamedTuple):
    """What is known about the partner and the secret.

    Attributes:
        support: int32, shape (S,), positions of the words that are held, ascending.
        weights: float64, shape (T, S), P(type, word | what was heard); sums to 1, unless every word is ruled out: to 0.
    """

    support: NDArray[np.int32]
    weights: Floats


def start(prior: Floats, population: Population) -> JointBelief:
    """Return the belief before any answer: the shares of the types times the prior of the words, shape (N,)."""
    return JointBelief(np.arange(prior.size, dtype=np.int32), shares(population)[:, None] * (prior / prior.sum()))


def type_posterior(belief: JointBelief) -> Floats:
    """Return the probability of each type, shape (T,); all 0 if every word is ruled out."""
    return np.asarray(belief.weights.sum(axis=1))


def word_posterior(belief: JointBelief) -> Floats:
    """Return the probability of each word held, shape (S,)."""
    return np.asarray(belief.weights.sum(axis=0))


def likeliest(p: Floats, count: int) -> NDArray[np.intp]:
    """Return the positions of the largest of many numbers, the largest first and the first of equals first.

    Zeros are left out. A sample tells below which number there is no need to look.
    """
    if p.size > 64 * count:
        rank = -2 * count // _STRIDE - 8
        least = np.partition(p[::_STRIDE], rank)[rank]
        near = np.flatnonzero(p >= least) if least > 0 else np.flatnonzero(p)
        if near.size < count:
            near = np.flatnonzero(p)
    else:
        near = np.flatnonzero(p)
    return np.asarray(near[largest(p[near], count)])


def local(belief: JointBelief, positions: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return where the words at these positions of the universe are held; those that are not are left out."""
    places = np.searchsorted(belief.support, positions)
    places = places[places < belief.support.size] if positions.size else places
    return np.asarray(places[belief.support[places] == positions[: places.size]], dtype=np.intp)


def after_partner(belief: JointBelief, p_yes: Floats, answer: Answer, probably: float) -> JointBelief:
    """Return the belief after an answer that depends on the partner alone.

    Args:
        belief: what was known.
        p_yes: shape (T,), P(yes | type), strictly between 0 and 1; so in the functions below.
        answer: the answer.
        probably: exponent of the likelihood for "probably" and "probably not", in [0, 1].
    """
    if (factors := _likelihood(p_yes, answer, probably)) is None:
        return belief
    return _scaled(belief, belief.weights.sum(axis=1), factors)


def after_boundary(belief: JointBelief, boundary: int, errors: Floats, answer: Answer, probably: float) -> JointBelief:
    """Return the belief after the answer whether the word is among the first `boundary` words held.

    Args:
        belief: what was known.
        boundary: how many of the words held precede the question's word.
        errors: shape (T,), how often each type errs.
        answer: the answer.
        probably: as above.
    """
    before, behind = _likelihood(1 - errors, answer, probably), _likelihood(errors, answer, probably)
    if before is None or behind is None:
        return belief
    left, right = belief.weights[:, :boundary], belief.weights[:, boundary:]
    total = float(before @ left.sum(axis=1) + behind @ right.sum(axis=1))
    if not total > 0:
        return belief
    weights = np.empty_like(belief.weights)
    np.multiply(left, (before / total)[:, None], out=weights[:, :boundary])
    np.multiply(right, (behind / total)[:, None], out=weights[:, boundary:])
    return belief._replace(weights=weights)


def after_members(
    belief: JointBelief, members: NDArray[np.bool_], errors: Floats, answer: Answer, probably: float
) -> JointBelief:
    """Return the belief after the answer whether the word is a member: bool, shape (S,)."""
    inside, outside = _likelihood(1 - errors, answer, probably), _likelihood(errors, answer, probably)
    if inside is None or outside is None:
        return belief
    weights = np.empty_like(belief.weights)
    total = 0.0
    for first in range(0, members.size, CHUNK):
        part = slice(first, first + CHUNK)
        flag = members[part].astype(np.float64)
        for kind in range(len(errors)):
            factor = flag * (inside[kind] - outside[kind])
            factor += outside[kind]
            np.multiply(belief.weights[kind, part], factor, out=weights[kind, part])
            total += float(weights[kind, part].sum())
    if not total > 0:
        return belief
    weights /= total
    return belief._replace(weights=weights)


def after_rows(
    belief: JointBelief, places: NDArray[np.intp], p_yes: Floats, p_rest: Floats, answer: Answer, probably: float
) -> JointBelief:
    """Return the belief after the answer to a question of meaning.

    Args:
        belief: what was known.
        places: where the words with a row are held.
        p_yes: shape (T, len(places)), P(yes) of these words.
        p_rest: shape (T,), P(yes) of all the others.
        answer: the answer.
        probably: as above.
    """
    factors, rest = _likelihood(p_yes, answer, probably), _likelihood(p_rest, answer, probably)
    if factors is None or rest is None:
        return belief
    weights = belief.weights * rest[:, None]
    weights[:, places] = belief.weights[:, places] * factors
    total = float(weights.sum())
    if not total > 0:
        return belief
    weights /= total
    return belief._replace(weights=weights)


def exclude(belief: JointBelief, places: NDArray[np.intp]) -> JointBelief:
    """Return the belief without the words held at these places, which a wrong guess has ruled out."""
    if not places.size:
        return belief
    ruled_out = float(belief.weights[:, places].sum())
    if ruled_out < 0.5:
        # The weights sum to 1, so the rest need not be summed.
        weights = belief.weights / (1 - ruled_out)
        weights[:, places] = 0.0
        return belief._replace(weights=weights)
    weights = belief.weights.copy()
    weights[:, places] = 0.0
    total = float(weights.sum())
    if total > 0:
        weights /= total
    return belief._replace(weights=weights)


def only(belief: JointBelief, places: NDArray[np.intp]) -> JointBelief:
    """Return the belief given that the secret is one of the words held at these places, ascending; one has mass."""
    weights = belief.weights[:, places]
    return JointBelief(belief.support[places], weights / weights.sum())


def prune(belief: JointBelief, negligible: float, *, least: int = LEAST_KEPT) -> JointBelief:
    """Return the belief without its improbable words, which together hold less than `negligible`; see the module.

    Args:
        belief: what is known.
        negligible: mass that may be dropped, in [0, 1).
        least: how many words are kept at least, at least 1.
    """
    size = belief.support.size
    if size <= least or not negligible > 0:
        return belief
    if size > 4 * least and (belief.weights[:, ::_STRIDE].sum(axis=0) >= negligible / size).mean() > 0.9:
        # A sample tells that there is little to drop.
        return belief
    p = word_posterior(belief)
    kept = p >= negligible / size
    count = int(np.count_nonzero(kept))
    if count < least:
        kept = p >= np.partition(p, size - least)[size - least]
    elif count > 0.9 * size:
        # Moving the weights costs as much as a few updates of what would be dropped.
        return belief
    weights = belief.weights[:, kept]
    return JointBelief(belief.support[kept], weights / weights.sum())


def _likelihood(p_yes: Floats, answer: Answer, probably: float) -> Floats | None:
    """Return P(answer) to the power that the answer counts for; None if it tells nothing."""
    if answer not in get_args(Answer):
        raise ValueError(f"expected an answer among {', '.join(get_args(Answer))}, got {answer!r}")
    if answer == "unknown":
        return None
    p = p_yes if answer in ("yes", "probably") else 1 - p_yes
    return np.asarray(p**probably) if answer.startswith("probably") else np.asarray(p)


def _scaled(belief: JointBelief, mass: Floats, factors: Floats) -> JointBelief:
    total = float(mass @ factors)
    return belief._replace(weights=belief.weights * (factors / total)[:, None]) if total > 0 else belief
