"""Word lists by name (io): the vocabulary that comes with the package, a vocabulary file, or words as text."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.bisection import WordList
from twenty_questions.vocabulary.packed import builtin_vocabulary, is_vocabulary, read_vocabulary
from twenty_questions.word_files import read_words

__all__ = ["BUILT_IN", "WordsPrior", "words_named", "words_place"]

BUILT_IN = "built-in"
"""The name of the vocabulary that comes with the package."""

WordsPrior = Literal["own", "uniform", "frequency"]
"""Which prior a word list is taken with: its own, all alike, or how often the words are written."""

_LEAST_FREQUENCY = 1e-9


def words_named(name: str, prior: WordsPrior = "own") -> WordList:
    """Return a word list; the last two stay in memory, until their file changes.

    Args:
        name: `built-in`, a vocabulary file, or a text file (see `word_files`).
        prior: which prior it is taken with. A name of several words is as frequent as words that must meet: one over
            the sum of one over their frequencies.

    Raises:
        InputError: if it cannot be read.
        MissingExtraError: for frequencies, without wordfreq.
    """
    if prior not in get_args(WordsPrior):
        raise InputError(
            f"no prior of words is called {prior!r}", fix=f"Choose among {', '.join(get_args(WordsPrior))}"
        )
    place = words_place(name)
    try:
        stated = place.stat() if place else None
    except OSError:
        stated = None  # whoever reads it tells why
    return _words(place, (stated.st_mtime_ns, stated.st_size, stated.st_ino) if stated else None, prior)


@lru_cache(maxsize=2)
def _words(place: Path | None, stamp: tuple[int, ...] | None, prior: WordsPrior) -> WordList:
    if place is None:
        words = builtin_vocabulary()
    else:
        words = read_vocabulary(place) if is_vocabulary(place) else read_words(place)
    if prior == "own":
        return words
    weights = np.ones(len(words.words)) if prior == "uniform" else _frequencies(words.words)
    return WordList(words.words, weights / weights.sum())


def words_place(name: str) -> Path | None:
    """Return the file of a word list, for records; None for the one that comes with the package."""
    return None if name == BUILT_IN else Path(name).expanduser()


def _frequencies(words: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        raise MissingExtraError(
            "How often words are written", distribution="furikaeri-twenty-questions", extra="vocabulary"
        ) from error
    of_word = get_frequency_dict("en", "large")
    return np.fromiter(
        (1 / sum(1 / of_word.get(part, _LEAST_FREQUENCY) for part in word.split()) for word in words),
        np.float64,
        len(words),
    )
