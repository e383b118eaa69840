"""Near-duplicates: who is kept, what is never merged, and what the default threshold means for real sentences."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from furikaeri_common.embedders import open_embedder
from furikaeri_common.errors import InputError
from twenty_questions.question_sources import near_duplicates
from twenty_questions.question_sources.near_duplicates import merge_near_duplicates
from twenty_questions.question_sources.question_lists import CountedQuestion, question_of

# Words that `read` knows nothing of, so that only the vectors speak.
NAMES = ["Is it xa?", "Is it xb?", "Is it xc?", "Is it xd?", "Is it xe?", "Is it xf?", "Is it xg?", "Is it xh?"]


def at_degrees(angles: dict[str, float]):
    """Return an encoder that turns each text into the unit vector at its angle."""

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        told = np.radians([angles[text] for text in texts])
        return np.stack([np.cos(told), np.sin(told)], axis=1).astype(np.float32)

    return encode


def counted(counts: dict[str, int]) -> list[CountedQuestion]:
    return [CountedQuestion(question_of(text), count, "here") for text, count in counts.items()]


def kept(counts: dict[str, int], encoder=None, threshold: float = 0.9) -> dict[str, int]:
    merged = merge_near_duplicates(counted(counts), encoder, threshold=threshold)
    return {one.question.text: one.count for one in merged.questions}


def test_the_more_frequent_is_kept_and_counts_add_up() -> None:
    encoder = at_degrees({"Is it xa?": 0, "Is it xb?": 10, "Is it xc?": 90})
    assert kept({"Is it xa?": 2, "Is it xb?": 5, "Is it xc?": 1}, encoder) == {"Is it xb?": 7, "Is it xc?": 1}
    assert kept({"Is it xa?": 5, "Is it xb?": 5, "Is it xc?": 1}, encoder) == {"Is it xa?": 10, "Is it xc?": 1}


def test_likeness_does_not_pass_along_a_chain() -> None:
    encoder = at_degrees({"Is it xa?": 0, "Is it xb?": 20, "Is it xc?": 40})
    assert kept({"Is it xa?": 3, "Is it xb?": 2, "Is it xc?": 1}, encoder) == {"Is it xa?": 5, "Is it xc?": 1}


def test_a_question_joins_the_likest_of_those_kept() -> None:
    encoder = at_degrees({"Is it xa?": 0, "Is it xb?": 30, "Is it xc?": 17})
    assert kept({"Is it xa?": 9, "Is it xb?": 3, "Is it xc?": 1}, encoder) == {"Is it xa?": 9, "Is it xb?": 4}


def test_pairs_on_either_side_of_the_threshold_are_told() -> None:
    encoder = at_degrees({"Is it xa?": 0, "Is it xb?": 25, "Is it xc?": 27, "Is it xd?": 5})
    counts = {"Is it xa?": 4, "Is it xb?": 3, "Is it xc?": 2, "Is it xd?": 1}
    merged = merge_near_duplicates(counted(counts), encoder, threshold=0.92)
    texts = [one.question.text for one in merged.all]
    cosine = {degrees: pytest.approx(math.cos(math.radians(degrees)), abs=1e-4) for degrees in (2, 5, 25)}
    assert [(texts[pair.kept], texts[pair.other], pair.cosine) for pair in merged.merged] == [
        ("Is it xa?", "Is it xd?", cosine[5]),
        ("Is it xb?", "Is it xc?", cosine[2]),
    ]
    below = [(texts[pair.kept], texts[pair.other], pair.cosine) for pair in merged.below]
    assert below == [("Is it xa?", "Is it xb?", cosine[25])]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 180), st.integers(1, 4)), min_size=1, max_size=8), st.floats(0.3, 1))
def test_what_is_kept_is_what_the_slow_way_keeps(told: list[tuple[int, int]], threshold: float) -> None:
    angles = dict(zip(NAMES, [float(angle) for angle, _ in told], strict=False))
    counts = dict(zip(NAMES, [count for _, count in told], strict=False))
    expected: dict[str, int] = {}
    for text in sorted(counts, key=lambda text: -counts[text]):
        cosines = {other: round(math.cos(math.radians(angles[text] - angles[other])), 4) for other in expected}
        near = {other: cosine for other, cosine in cosines.items() if cosine >= threshold}
        if any(abs(cosine - threshold) < 2e-4 for cosine in cosines.values()):
            return
        if near:
            expected[max(near, key=lambda other: near[other])] += counts[text]
        else:
            expected[text] = counts[text]
    assert kept(counts, at_degrees(angles), threshold) == expected


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    texts = [f"Is it x{chr(97 + one)}{chr(97 + other)}?" for one in range(12) for other in range(10)]
    encoder = at_degrees(dict(zip(texts, rng.uniform(0, 360, len(texts)), strict=True)))
    counts = dict(zip(texts, rng.integers(1, 9, len(texts)).tolist(), strict=True))
    whole = kept(counts, encoder, 0.99)
    assert 1 < len(whole) < len(texts)
    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    assert kept(counts, encoder, 0.99) == whole


def all_alike(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.ones((len(texts), 1), dtype=np.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Does it cost more than 50 dollars?", "Does it cost more than 100 dollars?"),
        ("Is it bigger than a car?", "Is it bigger than a shoe box?"),
        ("Is it heavier than a car?", "Is it older than a car?"),
        ("Is it < 5 kg?", "Is it < 10 kg?"),
    ],
)
def test_other_numbers_things_and_scales_are_kept_apart(one: str, other: str) -> None:
    merged = merge_near_duplicates(counted({one: 1, other: 1}), all_alike)
    assert len(merged.questions) == 2
    assert [pair.cosine for pair in merged.apart] == [1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is it heavier than a car?", "Is it lighter than a car?"),
        ("Is it found indoors?", "Is it never found indoors?"),
        ("Does it cost more than 50 dollars?", "Does it cost less than $50?"),
    ],
)
@pytest.mark.parametrize("encoder", [None, all_alike])
def test_opposites_are_merged_and_marked(one: str, other: str, encoder) -> None:
    merged = merge_near_duplicates(counted({one: 1, other: 1}), encoder)
    assert [one.question.text for one in merged.questions] == [one]
    assert [pair.opposite for pair in merged.merged] == [True]


def test_questions_of_spelling_are_never_merged() -> None:
    texts = {
        'Does the keyword start with the letter "a"?': 1,
        'Does the keyword start with the letter "b"?': 1,
        "Does it begin with a C?": 1,
        "Does it begin with a D?": 1,
    }
    assert kept(texts, all_alike) == texts


def test_by_words_alone_the_same_words_are_merged() -> None:
    counts = {
        "Is it larger than a shoe box?": 2,
        "Is it usually bigger than a shoebox?": 1,
        "Can it eat?": 1,
        "Can you eat it?": 1,
    }
    assert kept(counts) == {"Is it larger than a shoe box?": 3, "Can it eat?": 1, "Can you eat it?": 1}


def test_sources_are_joined() -> None:
    ones = [
        CountedQuestion(question_of("Is it xa?"), 2, "games"),
        CountedQuestion(question_of("Is it xb?"), 1, "a model"),
    ]
    assert merge_near_duplicates(ones, all_alike).questions[0].source == "games, a model"


def test_the_threshold_is_checked() -> None:
    with pytest.raises(ValueError, match=r"threshold in \(0, 1\]"):
        merge_near_duplicates([], None, threshold=0)
    assert merge_near_duplicates([], None).questions == []


@pytest.mark.models
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")), reason="torch is not installed"
)
def test_real_sentences_at_the_default_threshold() -> None:
    models = Path(os.environ.get("FURIKAERI_MODELS", Path.home() / ".cache/furikaeri/models"))
    try:
        encoder = open_embedder(folders=[models])
    except InputError as missing:
        pytest.skip(str(missing))
    counts = {
        "Is it commonly found in a kitchen?": 5,
        "Would you usually find it in a kitchen?": 1,
        "Is it found in the ocean?": 4,
        "Do you find it in the sea?": 1,
        "Is it bigger than a car?": 4,
        "Is it bigger than a shoe box?": 3,
        "Is it smaller than a car?": 2,
        "Can it fly?": 1,
    }
    assert kept(counts, encoder, near_duplicates.THRESHOLD) == {
        "Is it commonly found in a kitchen?": 6,
        "Is it bigger than a car?": 6,
        "Is it found in the ocean?": 5,
        "Is it bigger than a shoe box?": 3,
        "Can it fly?": 1,
    }
