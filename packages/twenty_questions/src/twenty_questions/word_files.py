"""Word lists as files (io): one word a line, or word, tab and weight."""

from __future__ import annotations

import math
import operator
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from twenty_questions.bisection import WordList, word_list
from twenty_questions.word_forms import lower_case

__all__ = ["read_words"]


def read_words(path: Path) -> WordList:
    """Read a list of words for bisection, in UTF-8.

    Either every line is a word, and all are equally probable, or every line is a word, a tab and a positive weight.
    Words that differ only in case are duplicates, since the alphabetical question lower-cases them.

    Raises:
        InputError: if the file cannot be read or is empty, or a line is empty, malformed or a duplicate; the message
            names the file and the line, or both lines.
    """
    path = Path(path)
    lines = _read_lines(path)
    words, weights = _at_once(lines) or _one_by_one(path, lines)
    return word_list(words, weights)


def _at_once(lines: list[str]) -> tuple[list[str], NDArray[np.float64]] | None:
    """Return words and weights without a Python step for each line, or None if anything is amiss."""
    weighted = bool(lines) and "\t" in lines[0]
    if sum(map(str.count, lines, repeat("\t"))) != weighted * len(lines):
        return None
    if weighted:
        if not all(map(operator.contains, lines, repeat("\t"))):
            return None
        cells = "\t".join(lines).split("\t")
        words = list(map(str.strip, cells[::2]))
        try:
            weights = np.fromiter(map(float, cells[1::2]), dtype=np.float64, count=len(lines))
        except ValueError:
            return None
    else:
        words, weights = list(map(str.strip, lines)), np.ones(len(lines))
    if not words or not all(words) or not (np.isfinite(weights).all() and (weights > 0).all()):
        return None
    return (words, weights) if len(set(lower_case(words))) == len(words) else None


def _one_by_one(path: Path, lines: list[str]) -> tuple[list[str], list[float]]:
    """Return words and weights line by line, so that a mistake can be named."""
    words: list[str] = []
    weights: list[float] = []
    first_line: dict[str, int] = {}
    weighted: bool | None = None
    for number, line in enumerate(lines, start=1):
        word, tab, weight = line.partition("\t")
        word = word.strip()
        if not word:
            raise InputError(f"{path}, line {number}: is empty", fix="Remove the line or write a word")
        if weighted is None:
            weighted = bool(tab)
        if bool(tab) != weighted:
            raise InputError(
                f"{path}, line {number}: {'has no' if weighted else 'has a'} weight, unlike line 1",
                fix="Give every word a weight after a tab, or none",
            )
        earlier = first_line.setdefault(word.lower(), number)
        if earlier != number:
            raise InputError(f"{path}, line {number}: {word!r} is already in line {earlier}", fix="Remove one of them")
        words.append(word)
        weights.append(_weight(path, number, weight) if tab else 1.0)
    if not words:
        raise InputError(f"{path}: holds no word", fix="Write one word a line")
    return words, weights


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})", fix="Save it as UTF-8") from error
    return text.removesuffix("\n").split("\n") if text else []


def _weight(path: Path, number: int, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f"{path}, line {number}: expected a positive weight, got {text.strip()!r}")
    return weight
