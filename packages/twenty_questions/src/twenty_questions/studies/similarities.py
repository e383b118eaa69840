"""How near guesses come to the secret in meaning: the original solution's measure of a game.

A game's score is the largest cosine similarity between any of its guesses and the keyword under a sentence embedder, in
[-1, 1]. It tells a guesser that said "teapot" for the kettle from one that said "horse", where both lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.embedders import Encoder

__all__ = ["best_similarities"]

_AT_ONCE = 8192  # texts


def best_similarities(
    encoder: Encoder, keywords: Sequence[str], guesses: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Return the largest cosine similarity of each game's guesses with its keyword.

    Args:
        encoder: texts to unit vectors; each text is encoded once.
        keywords: one a game.
        guesses: those of each game.

    Returns:
        float64, shape (games,), in [-1, 1]; NaN for a game without a keyword or without guesses.
    """
    texts = sorted({_said(text) for said in ([*keywords], *guesses) for text in said} - {""})
    place = {text: row for row, text in enumerate(texts)}
    vectors = [encoder(texts[first : first + _AT_ONCE]) for first in range(0, len(texts), _AT_ONCE)]
    rows = np.concatenate(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)
    best = np.full(len(keywords), np.nan)
    for game, (keyword, said) in enumerate(zip(keywords, guesses, strict=True)):
        around = [place[_said(guess)] for guess in said if _said(guess)]
        if _said(keyword) and around:
            best[game] = float(np.clip(rows[around] @ rows[place[_said(keyword)]], -1, 1).max())
    return best


def _said(text: str) -> str:
    return " ".join(text.split())
