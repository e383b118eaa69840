"""The compact file: what goes in comes out, every damaged byte is noticed, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.bisection import WordList, word_list
from twenty_questions.vocabulary.packed import (
    is_vocabulary,
    read_vocabulary,
    read_vocabulary_facts,
    write_vocabulary,
)

NAMES = ("air", "air filter", "air fryer", "air pump", "jack-in-the-box", "\u00e9clair", "\u00e9clairs")


def some_words(spread: float = 5.0) -> WordList:
    return word_list(NAMES, np.exp(-np.linspace(0, spread, len(NAMES))))


names = st.text(st.sampled_from("ab -\u00e9\u4e2d"), min_size=1, max_size=6).filter(lambda name: name == name.lower())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, st.floats(1e-12, 1.0), min_size=1, max_size=30))
def test_names_come_back_and_the_prior_within_half_a_step(
    tmp_path_factory: pytest.TempPathFactory, weights: dict[str, float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.bin"
    words = word_list(weights, list(weights.values()))
    facts = write_vocabulary(path, words, {})
    back = read_vocabulary(path)
    assert back.words == words.words
    # Renormalising shifts all alike, by at most half a step too.
    assert np.abs(np.log(back.prior / words.prior)).max() <= facts.step * 1.01
    ranges = np.log(words.prior.max() / words.prior.min())
    assert facts.step <= max(ranges / 255 * 1.0001, 1e-6)


def test_equal_priors_come_back_equal(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "v.bin", word_list(NAMES), {})
    assert np.allclose(read_vocabulary(tmp_path / "v.bin").prior, 1 / len(NAMES), rtol=1e-12)


def test_the_same_words_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.bin", "two.bin"):
        write_vocabulary(tmp_path / name, some_words(), {"made": "here"})
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()


def test_facts_are_told_without_the_names(tmp_path: Path) -> None:
    written = write_vocabulary(tmp_path / "v.bin", some_words(), {"sources": {"wordnet": 3}, "by": ("a", "b")})
    facts = read_vocabulary_facts(tmp_path / "v.bin")
    assert facts == written
    assert facts.names == len(NAMES)
    assert facts.facts == {"sources": {"wordnet": 3}, "by": ["a", "b"]}


def test_the_fingerprint_is_of_names_and_prior_alone(tmp_path: Path) -> None:
    def mark(words: WordList, told: str) -> str:
        return write_vocabulary(tmp_path / "v.bin", words, {"told": told}).fingerprint

    same = mark(some_words(), "x")
    assert mark(some_words(), "y") == same
    assert mark(word_list(NAMES[1:]), "x") != same
    reverse = WordList(some_words().words, some_words().prior[::-1].copy())
    assert mark(reverse, "x") != same


@pytest.mark.parametrize("name", ["Air", "two\nlines", "a\rb"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="lower case without line breaks"):
        write_vocabulary(tmp_path / "v.bin", word_list([name]), {})
    assert not list(tmp_path.iterdir())


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path, broken = tmp_path / "v.bin", tmp_path / "broken.bin"
    write_vocabulary(path, some_words(), {})
    whole = path.read_bytes()
    words, body = read_vocabulary(path), whole.index(b"\n", 21) + 1
    for place in range(len(whole)):
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if place >= body:
            with pytest.raises(InputError, match=r"broken\.bin: is damaged"):
                read_vocabulary(broken)
            continue
        with contextlib.suppress(InputError):  # In the header, a digit of the step makes another whole vocabulary.
            assert read_vocabulary(broken).words == words.words


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    write_vocabulary(path, some_words(), {})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"v\.bin"):
            read_vocabulary(path)


def test_foreign_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    with pytest.raises(InputError, match="cannot be read"):
        read_vocabulary(path)
    assert not is_vocabulary(path)
    path.write_text("apple\npear\n")
    assert not is_vocabulary(path)
    with pytest.raises(InputError, match="is no vocabulary"):
        read_vocabulary(path)
    write_vocabulary(path, some_words(), {})
    assert is_vocabulary(path)
    magic, header, parts = path.read_bytes().split(b"\n", 2)
    for change, complaint in (
        ({"version": 2}, "has format 2"),
        ({"names": 3}, "is damaged"),
        ({"parts": {}}, "is damaged"),
        ({"step": "wide"}, "is damaged"),
        ({"step": -1e9}, "is damaged"),
        ({"step": 1e9}, "is damaged"),
    ):
        path.write_bytes(b"\n".join([magic, json.dumps(json.loads(header) | change).encode(), parts]))
        with pytest.raises(InputError, match=complaint):
            read_vocabulary(path)


def test_a_number_of_names_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    write_vocabulary(path, some_words(), {})
    path.write_bytes(path.read_bytes().replace(b'"names": 7', b'"names": 1e999'))
    for read in (read_vocabulary, read_vocabulary_facts):
        with pytest.raises(InputError, match="is damaged"):
            read(path)


def test_a_prior_of_too_wide_a_range_is_refused_when_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"within e\^510"):
        write_vocabulary(tmp_path / "v.bin", word_list(["a", "b"], [1.0, 1e-300]), {})
    words = word_list(["a", "b"], [1.0, 1e-220])
    write_vocabulary(tmp_path / "v.bin", words, {})
    assert np.allclose(np.log(read_vocabulary(tmp_path / "v.bin").prior), np.log(words.prior), rtol=1e-5)


def test_a_part_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    write_vocabulary(path, some_words(), {})
    magic, header, parts = path.read_bytes().split(b"\n", 2)
    told = json.loads(header)
    first = told["parts"]["shared"]["bytes"]
    wide = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    part = lzma.compress(lzma.decompress(parts[:first]), filters=wide)
    told["parts"]["shared"]["bytes"] = len(part)
    told["sha256"] = hashlib.sha256(part + parts[first:]).hexdigest()
    path.write_bytes(b"\n".join([magic, json.dumps(told).encode(), part + parts[first:]]))
    with pytest.raises(InputError, match=r"is damaged .*[Mm]emory"):
        read_vocabulary(path)


def test_a_claim_of_size_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    write_vocabulary(path, some_words(), {})
    magic, header, parts = path.read_bytes().split(b"\n", 2)
    told = json.loads(header)
    for part in told["parts"]:
        for size in (told["parts"][part]["raw"] - 1, 1 << 40, -1, None):
            changed = json.loads(header)
            changed["parts"][part]["raw"] = size
            path.write_bytes(b"\n".join([magic, json.dumps(changed).encode(), parts]))
            with pytest.raises(InputError, match="is damaged"):
                read_vocabulary(path)
