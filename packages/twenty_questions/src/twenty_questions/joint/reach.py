"""Which words the rest of the game can still find, for the choice of questions.

A word of probability p is found once the answers have told log2 1/p bits of it. Words that need more than the rest of
the game can tell are lost whatever is asked, so questions are chosen as if the secret were none of them. What was heard
still moves the belief about all words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twenty_questions.information import binary_entropy
from twenty_questions.joint.belief import CHUNK, JointBelief, local
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.partners import error_rates
from twenty_questions.joint.universe import Universe

__all__ = ["within_reach", "words_within"]

Floats = NDArray[np.float64]


def within_reach(
    universe: Universe, belief: JointBelief, type_mass: Floats, rounds_left: int, config: JointConfig
) -> tuple[JointBelief, Floats]:
    """Return the belief given that the rest of the game can tell enough of the secret, and its mass by type.

    An answer of a type that errs at a rate e tells at most 1 - h(e) bits, the capacity of the channel. Lists are left
    out: they reach the most probable words alone, which are within reach anyhow.
    """
    bits = {
        kind: rounds_left * (1 - binary_entropy(error_rates(config.population, kind)))
        for kind in ("alphabetical", "letter", "table")
    }
    spelled = np.maximum(bits["alphabetical"], bits["letter"]) if config.letters else bits["alphabetical"]
    known = np.maximum(spelled, bits["table"])
    slack = config.reach_bits or 0.0
    places = local(belief, universe.rowed)
    return words_within(belief, type_mass, places, spelled + slack, known + slack)


def words_within(
    belief: JointBelief, type_mass: Floats, places: NDArray[np.intp], bits: Floats, bits_of_rows: Floats
) -> tuple[JointBelief, Floats]:
    """Return the belief given that the secret needs no more bits than there are.

    Args:
        belief: what is known.
        type_mass: shape (T,), the probability of each type.
        places: where the words with a row are held.
        bits: shape (T,), what the rest of the game can tell of a word, if the partner is of that type.
        bits_of_rows: the same for words with a row, at least as much.

    Returns:
        The belief, with the weights of words out of reach set to 0, unchanged if all or none are; and its mass by type.
    """
    least = type_mass * 2.0 ** -np.maximum(bits, 0.0)
    least_of_rows = type_mass * 2.0 ** -np.maximum(bits_of_rows, 0.0)
    weights = np.empty_like(belief.weights)
    mass = np.zeros(type_mass.size)
    for first in range(0, belief.support.size, CHUNK):
        part = slice(first, first + CHUNK)
        for kind, row in enumerate(belief.weights[:, part]):
            kept = np.multiply(row, row >= least[kind], out=weights[kind, part])
            mass[kind] += kept.sum()
    for kind, row in enumerate(belief.weights[:, places]):
        back = (row >= least_of_rows[kind]) & (row < least[kind])
        weights[kind, places[back]] = row[back]
        mass[kind] += row[back].sum()
    total = float(mass.sum())
    if not total > 0:
        return belief, type_mass
    weights /= total
    return belief._replace(weights=weights), mass / total
