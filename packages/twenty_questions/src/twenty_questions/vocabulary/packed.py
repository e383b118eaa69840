"""A vocabulary in one compact file (io): about two bytes a name, and read in about a second at a million names.

The file is a line of magic, a line of JSON, and three parts, each compressed by LZMA:

    shared     uint8 per name: how many characters it shares with the name before it, at most 255
    endings    what follows them, UTF-8, a line a name
    codes      uint8 per name: log p = constant - step * code, renormalised

Names are sorted, so that most of a name is shared with its neighbour (front coding). The step is 1/255 of the range of
log p, so that a log-probability is off by at most half a step before all are renormalised alike. The JSON tells the
format's version, how many names there are, the step, the sizes and SHA-256 of the parts, and the facts that the maker
gave.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from twenty_questions.bisection import WordList

__all__ = [
    "BUILTIN_VOCABULARY",
    "VocabularyFacts",
    "builtin_vocabulary",
    "is_vocabulary",
    "read_vocabulary",
    "read_vocabulary_facts",
    "write_vocabulary",
]

BUILTIN_VOCABULARY = Path(__file__).parents[1] / "builtin" / "vocabulary.bin"

_MAGIC = b"furikaeri vocabulary\n"
_VERSION = 1
_PARTS = ("shared", "endings", "codes")
_LARGEST_CODE = 255
_LARGEST_STEP = 2.0  # nats: beyond it the smallest prior would not be a positive float64
_LONGEST_HEADER = 1 << 20
_LARGEST_PART = 1 << 29
_MOST_MEMORY = 1 << 28  # bytes that reading a part may take: a dictionary of 64 MiB takes a fourth of it
_AGAIN = "Copy or build it again"


class VocabularyFacts(NamedTuple):
    """What a file says of itself.

    Attributes:
        names: how many it holds.
        step: between neighbouring codes, in nats.
        fingerprint: SHA-256 of the parts, in hexadecimal: of the names and their prior.
        facts: what the maker said of it.
    """

    names: int
    step: float
    fingerprint: str
    facts: Mapping[str, Any]


def write_vocabulary(path: Path, words: WordList, facts: Mapping[str, object]) -> VocabularyFacts:
    """Write a vocabulary, atomically.

    Args:
        path: the file.
        words: names in lower case, without line breaks.
        facts: whatever is worth telling: JSON values.

    Raises:
        ValueError: if a name is not in lower case or holds a line break, or the largest prior is more than e^510 times
            the smallest.
        InputError: if it cannot be written there.
    """
    for word in words.words:
        if word != word.lower() or "\n" in word or "\r" in word:
            raise ValueError(f"expected names in lower case without line breaks, got {word!r}")
    codes, step = _quantised(words.prior)
    shared, endings = _front_coded(words.words)
    raw = dict(zip(_PARTS, (shared, "\n".join(endings).encode(), codes.tobytes()), strict=True))
    parts = {name: _compressed(part) for name, part in raw.items()}
    header = {
        "version": _VERSION,
        "names": len(words.words),
        "step": step,
        "parts": {name: {"bytes": len(parts[name]), "raw": len(raw[name])} for name in _PARTS},
        "sha256": _digest(parts.values()),
        "facts": jsonable(facts),
    }
    line = json.dumps(header, ensure_ascii=True, allow_nan=False).encode() + b"\n"
    write_bytes(path, _MAGIC + line + b"".join(parts.values()))
    return _facts_of(header)


def read_vocabulary(path: Path) -> WordList:
    """Read a vocabulary.

    Raises:
        InputError: if the file is missing, no vocabulary, or damaged.
    """
    header, body = _opened(path)
    try:
        parts = _parts(header, body)
        words = _front_decoded(parts["shared"], parts["endings"].decode("utf-8").split("\n"))
        codes = np.frombuffer(parts["codes"], dtype=np.uint8)
        if len(words) != header["names"] or len(codes) != header["names"]:
            raise ValueError("the parts differ in length")
        step = float(header["step"])
        if not 0 < step <= _LARGEST_STEP:
            raise ValueError(f"its step is {step}")
        prior = np.exp(-step * codes)
        return WordList(tuple(words), prior / prior.sum())
    except (ValueError, KeyError, TypeError, OverflowError, lzma.LZMAError) as error:
        raise InputError(f"{path}: is damaged ({error})", fix=_AGAIN) from error


def read_vocabulary_facts(path: Path) -> VocabularyFacts:
    """Read what a vocabulary says of itself, without its names.

    Raises:
        InputError: if the file is missing or no vocabulary.
    """
    header, _ = _opened(path)
    try:
        return _facts_of(header)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: is damaged ({error})", fix=_AGAIN) from error


def is_vocabulary(path: Path) -> bool:
    """Return whether a file begins as a vocabulary does; False for one that cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


@cache
def builtin_vocabulary() -> WordList:
    """Return the vocabulary that comes with the package.

    Raises:
        InputError: if it is missing or damaged.
    """
    return read_vocabulary(BUILTIN_VOCABULARY)


def _quantised(prior: NDArray[np.float64]) -> tuple[NDArray[np.uint8], float]:
    below = np.log(prior.max()) - np.log(prior)
    # Rounded for the header's sake; a prior of one value still needs a step.
    step = max(float(f"{below.max() / _LARGEST_CODE:.6g}"), 1e-6)
    if step > _LARGEST_STEP:
        raise ValueError(f"expected a prior within e^{_LARGEST_STEP * _LARGEST_CODE:g}, got e^{below.max():.0f}")
    return np.minimum(np.rint(below / step), _LARGEST_CODE).astype(np.uint8), step


def _compressed(part: bytes) -> bytes:
    dictionary = min(1 << 26, max(1 << 12, len(part)))
    best = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary, "lc": 4, "pb": 0}
    return lzma.compress(part, check=lzma.CHECK_CRC32, filters=[best])


def _front_coded(words: Sequence[str]) -> tuple[bytes, list[str]]:
    shared, endings, before = bytearray(), [], ""
    for word in words:
        most = min(len(word), len(before), 255)
        number = 0
        while number < most and word[number] == before[number]:
            number += 1
        shared.append(number)
        endings.append(word[number:])
        before = word
    return bytes(shared), endings


def _front_decoded(shared: bytes, endings: Sequence[str]) -> list[str]:
    words, word = [], ""
    for number, ending in zip(shared, endings, strict=True):
        word = word[:number] + ending
        words.append(word)
    return words


def _opened(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    end = content.find(b"\n", len(_MAGIC), len(_MAGIC) + _LONGEST_HEADER)
    if not content.startswith(_MAGIC) or end < 0:
        raise InputError(f"{path}: is no vocabulary", fix="Make one with `tq precompute vocabulary`")
    try:
        header = json.loads(content[len(_MAGIC) : end])
        version = header["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is damaged (its header cannot be read)", fix=_AGAIN) from error
    if version != _VERSION:
        raise InputError(f"{path}: has format {version!r}, this version reads {_VERSION}", fix="Build it again")
    return header, content[end + 1 :]


def _parts(header: Mapping[str, Any], body: bytes) -> dict[str, bytes]:
    """Return the parts, decompressed; one of the errors that `read_vocabulary` knows if they are not as told."""
    if hashlib.sha256(body).hexdigest() != header["sha256"]:
        raise ValueError("its content does not fit its SHA-256")
    found, start = {}, 0
    for name in _PARTS:
        length, size = header["parts"][name]["bytes"], header["parts"][name]["raw"]
        if not (0 <= length <= len(body) and 0 <= size <= _LARGEST_PART):
            raise ValueError(f"the part {name} has no possible size")
        found[name] = _decompressed(body[start : start + length], size + 1)
        if len(found[name]) != size:
            raise ValueError(f"the part {name} has another size than it says")
        start += length
    return found


def _decompressed(part: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY).decompress(part, max_length=most)


def _digest(parts: Any) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _facts_of(header: Mapping[str, Any]) -> VocabularyFacts:
    return VocabularyFacts(int(header["names"]), float(header["step"]), str(header["sha256"]), dict(header["facts"]))
