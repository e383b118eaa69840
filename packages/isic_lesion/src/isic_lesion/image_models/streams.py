"""Where randomness comes from: a seed for every purpose and place, none of them the next of another.

What a step draws (rows, augmentations, dropout) is a function of the model's seed, the round and the place in training.
So training that was interrupted needs no generator's state to go on with the same bits, and processes that share a step
draw what one process would have drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["generator_of", "seed_of"]


def seed_of(*place: str | int) -> int:
    """Return the seed of a place, such as `seed_of("augment", 42, 0, 3, 17)`: in [0, 2^63), the same on any machine."""
    digest = hashlib.sha256("\n".join(map(repr, place)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*place: str | int) -> np.random.Generator:
    """Return a generator that begins at the seed of a place."""
    return np.random.default_rng(seed_of(*place))
