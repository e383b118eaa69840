"""What questions about letters need to know of a million names, in a few numbers each.

`questions.answer_by_spelling` judges one name. Here the same answers come from five arrays that are built once, by
array operations over the bytes of all names; names with letters beyond ASCII are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.questions import Question, answer_by_spelling
from twenty_questions.spelling import bare, characters, letters, plain, words

__all__ = ["Spelled", "holds", "spelled"]

_MOST = 65_535
_SPACES = np.zeros(256, dtype=np.bool_)
_SPACES[[9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = True


class Spelled(NamedTuple):
    """The spelling of N names; letters count without their accents.

    Attributes:
        first: int8, shape (N,), the letter that the name starts with, 0 for "a" to 25; -1 for anything else.
        last: int8, shape (N,), the same for the end.
        held: uint32, shape (N,), bit i is set if the name holds letter i.
        num_letters: uint16, shape (N,), how many letters it has.
        num_words: uint16, shape (N,), how many words.
    """

    first: NDArray[np.int8]
    last: NDArray[np.int8]
    held: NDArray[np.uint32]
    num_letters: NDArray[np.uint16]
    num_words: NDArray[np.uint16]


def spelled(names: Sequence[str]) -> Spelled:
    """Return the spelling of names."""
    odd = [place for place, name in enumerate(names) if not name.isascii() or "\n" in name]
    simple = list(names)
    for place in odd:
        simple[place] = ""
    found = _of_bytes(np.frombuffer(("\n".join(simple) + "\n").lower().encode("ascii"), dtype=np.uint8))
    for place in odd:
        name = names[place]
        edges = bare(name)
        found.first[place] = _letter(edges[:1])
        found.last[place] = _letter(edges[-1:])
        found.held[place] = sum({1 << _letter(one) for one in characters(name) if _letter(one) >= 0})
        found.num_letters[place] = min(len(letters(name)), _MOST)
        found.num_words[place] = min(len(words(name)), _MOST)
    return found


def holds(
    question: Question, spelling: Spelled, names: Sequence[str], at: NDArray[np.integer] | slice
) -> NDArray[np.bool_]:
    """Return the honest answers to a letter question.

    Args:
        question: of kind "letter".
        spelling: of all names.
        names: all names.
        at: the names to answer for.
    """
    test, value = question.argument.split(":", 1)
    if test == "longer":
        return np.asarray(spelling.num_letters[at] > min(int(value), _MOST))
    if test == "words":
        return np.asarray(spelling.num_words[at] > min(int(value), _MOST))
    number = ord(value) - 97 if len(value) == 1 else -1
    if not 0 <= number < 26:
        places = np.arange(len(names))[at].tolist()
        return np.fromiter((bool(answer_by_spelling(question, names[place])) for place in places), np.bool_)
    match test:
        case "starts":
            return np.asarray(spelling.first[at] == number)
        case "ends":
            return np.asarray(spelling.last[at] == number)
        case "contains":
            return np.asarray(spelling.held[at] & np.uint32(1 << number) != 0)
        case _:
            # As an unsigned byte, "no letter" comes after every letter.
            return np.asarray(spelling.first.view(np.uint8)[at] < number)


def _of_bytes(text: NDArray[np.uint8]) -> Spelled:
    """Return the spelling of lower-case ASCII names, each ended by a line feed."""
    ends = np.flatnonzero(text == 10)
    starts = np.append(0, ends[:-1] + 1)
    number = text - np.uint8(97)
    is_letter = number < 26
    space = _SPACES[text]
    opens = ~space
    opens[1:] &= space[:-1]
    bits = np.where(is_letter, np.left_shift(np.uint32(1), number & np.uint8(31), dtype=np.uint32), np.uint32(0))
    solid = np.flatnonzero(is_letter | (text - np.uint8(48) < 10))
    numbers = np.where(is_letter, number, np.uint8(255)).view(np.int8)
    before, after = np.searchsorted(solid, starts), np.searchsorted(solid, ends)
    inside = after > before
    places = np.append(solid, 0)
    return Spelled(
        first=np.where(inside, numbers[places[before]], np.int8(-1)),
        last=np.where(inside, numbers[places[after - 1]], np.int8(-1)),
        held=np.bitwise_or.reduceat(bits, starts),
        num_letters=np.minimum(np.add.reduceat(is_letter, starts, dtype=np.int64), _MOST).astype(np.uint16),
        num_words=np.minimum(np.add.reduceat(opens, starts, dtype=np.int64), _MOST).astype(np.uint16),
    )


def _letter(character: str) -> int:
    letter = plain(character) if character else ""
    return ord(letter) - 97 if len(letter) == 1 and "a" <= letter <= "z" else -1
