"""How good a keyword list is: recall, precision and size by the count from which on words are kept.

A known list is split in two. One part may make the list ("train"); the other ("validation") stands for the keywords
that nobody knows. The split goes by a hash of each word, so that it is the same wherever it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.words import Keyword, normalise, spellings

__all__ = ["AtCutOff", "Split", "evaluate_list", "split_words"]

_MOST_ROWS = 30


class Split(NamedTuple):
    """Two parts of a list of words, each in the list's order."""

    train: tuple[Keyword, ...]
    validation: tuple[Keyword, ...]


class AtCutOff(NamedTuple):
    """What a list is worth if only words with at least some count are kept.

    Attributes:
        least: the count.
        size: how many words are kept.
        recall: share of the validation words that a kept word's name or alt wins, by the game's matching.
        recall_exact: the same, letter for letter in lower case, against the validation word's name or alt.
        precision: share of the kept words that are validation words, by the game's matching. Words of the train part
            count on neither side, for they cannot be validation words.
        precision_here: the same of the words whose count is at least this one and below the next row's: what the count
            itself says of a word.
        words_here: how many these are; NaN precision where there is none.
    """

    least: int
    size: int
    recall: float
    recall_exact: float
    precision: float
    precision_here: float
    words_here: int


def split_words(words: Sequence[Keyword], *, train_share: float, seed: int = 0) -> Split:
    """Split words by a hash of their normal form: about `train_share` of them, in [0, 1], go to the train part.

    A larger share only adds words to the train part, and a word's part does not depend on the other words.
    """
    if not 0 <= train_share <= 1:
        raise ValueError(f"expected a train_share in [0, 1], got {train_share}")
    train = [_place(word, seed) < train_share for word in words]
    return Split(
        tuple(word for word, ours in zip(words, train, strict=True) if ours),
        tuple(word for word, ours in zip(words, train, strict=True) if not ours),
    )


def evaluate_list(
    keywords: KeywordList,
    validation: Sequence[Keyword],
    train: Sequence[Keyword] = (),
    *,
    cut_offs: Sequence[int] | None = None,
) -> list[AtCutOff]:
    """Return what a list is worth at each cut-off, the lowest first.

    Args:
        keywords: the list, with counts.
        validation: the words to cover; at least one.
        train: the words that made the list.
        cut_offs: counts from which on words are kept; None: every count that occurs, thinned out to some thirty.

    Raises:
        ValueError: if there is no validation word.
    """
    if not validation:
        raise ValueError("expected at least one validation word, got none")
    names = [{name.lower() for name in keyword.names} for keyword in keywords.keywords]
    wanted = _forms_of(validation)
    left_out = _forms_of(train)
    forms = [[normalise(name) for name in keyword.names] for keyword in keywords.keywords]
    is_hit = np.asarray([any(form in wanted for form in several) for several in forms])
    is_train = np.asarray([any(form in left_out for form in several) for several in forms]) & ~is_hit
    by_game = _counts_of_hits(validation, forms, keywords, exact=False)
    by_letter = _counts_of_hits(validation, names, keywords, exact=True)
    kept = sorted(set(cut_offs)) if cut_offs is not None else _cut_offs(keywords)
    rows = []
    for least, above in zip(kept, [*kept[1:], None], strict=True):
        inside = keywords.counts >= least
        here = inside if above is None else inside & (keywords.counts < above)
        rows.append(
            AtCutOff(
                least=least,
                size=int(inside.sum()),
                recall=float((by_game >= least).mean()),
                recall_exact=float((by_letter >= least).mean()),
                precision=_share(is_hit, inside & ~is_train),
                precision_here=_share(is_hit, here & ~is_train),
                words_here=int(here.sum()),
            )
        )
    return rows


def _place(word: Keyword, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{normalise(word.name) or word.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _forms_of(words: Sequence[Keyword]) -> set[str]:
    """Return every normal form that wins against one of the words."""
    return {form for word in words for name in word.names for form in spellings(name)}


def _counts_of_hits(
    words: Sequence[Keyword], names: Sequence[Sequence[str] | set[str]], keywords: KeywordList, *, exact: bool
) -> NDArray[np.int64]:
    """Return, per word, the largest count of a keyword that covers it; 0 if none does."""
    best: dict[str, int] = {}
    for several, count in zip(names, keywords.counts.tolist(), strict=True):
        for name in several:
            best[name] = max(best.get(name, 0), count)
    return np.asarray(
        [
            max(best.get(form, 0) for name in word.names for form in ((name.lower(),) if exact else spellings(name)))
            for word in words
        ],
        dtype=np.int64,
    )


def _cut_offs(keywords: KeywordList) -> list[int]:
    """Return counts that occur, thinned out to evenly spaced ranks; the lowest and the highest stay."""
    counts = np.unique(keywords.counts)
    places = np.unique(np.linspace(0, len(counts) - 1, min(len(counts), _MOST_ROWS)).round().astype(int))
    return [int(count) for count in counts[places]]


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")
