"""Questions in people's own words: what they say, which question they mean, and which way round."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.builtin.build import KNOWLEDGE_FOLDER
from twenty_questions.builtin.knowledge import read_questions
from twenty_questions.builtin.phrasing import embed_wordings, read_wordings, wordings_of
from twenty_questions.english import agreement, opposed, read, stem
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable
from twenty_questions.understanding import BY_WORDS, Thresholds, Wording, index_wordings, rank, understand
from twenty_questions.wording_index import in_known_words, likeness_by_meaning, likeness_by_words
from twenty_questions.words import Keyword

PARAPHRASES = Path(__file__).parent / "paraphrases_dev.tsv"


def built_in_table() -> AnswerTable:
    """Return a table with the built-in questions, about one thing of which nothing is known."""
    groups = read_questions(KNOWLEDGE_FOLDER / "questions.txt")
    questions = tuple(Question(known.key, known.text) for group in groups for known in group.questions)
    codes = np.full((1, len(questions)), 255, dtype=np.uint8)
    return AnswerTable((Keyword("thing"),), questions, codes, np.ones(1), {})


TABLE = built_in_table()
KEYS = [question.key for question in TABLE.questions]
WORDINGS = wordings_of(TABLE)
INDEX = index_wordings(WORDINGS)


def meaning(text: str, thresholds: Thresholds | None = None) -> str:
    """Return the key that a text is understood as, `!key` for its opposite, `-` for none."""
    meant = understand(INDEX, text, thresholds)
    return "-" if meant is None else "!" * meant.opposite + KEYS[meant.column]


def paraphrases() -> list[tuple[str, str]]:
    lines = PARAPHRASES.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("forms", "same"),
    [
        (("carry", "carries", "carried", "carrying"), "carri"),
        (("worn", "wear", "wearing"), "wear"),
        (("stopped", "stop", "stops"), "stop"),
        (("washable", "washes", "washed"), "wash"),
        (("glass",), "glass"),
        (("children", "child"), "child"),
        (("2000",), "2000"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...], same: str) -> None:
    assert {stem(form) for form in forms} == {same}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Does it cost over twenty thousand bucks?", "does it cost more than $20,000"),
        ("Does it cost over 20k dollars?", "does it cost more than 20000 dollars"),
        ("Is it older than a century?", "is it older than 100 years?"),
        ("Is it bigger than a shoe box?", "is it larger than a shoebox"),
        ("Is it a material, not an object?", "Is it a material?"),
        ("Is it an object rather than a material?", "is it an object"),
        ("Does it have to do with cars?", "is it related to automobiles"),
    ],
)
def test_two_ways_to_say_the_same_have_the_same_words(one: str, other: str) -> None:
    assert read(one).words == read(other).words
    assert not opposed(read(one), read(other))


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("Is it alive?", False),
        ("Isn't it alive?", False),
        ("isnt it alive", False),
        ("Isn’t it alive?", False),
        ("It's alive, isn't it?", False),
        ("Is it not alive?", True),
        ("It is not alive, is it?", True),
        ("It isn't alive, right?", True),
        ("Does it never move?", True),
        ("Is it not without legs?", False),
        ("Does it work without power?", True),
        ("Is it free of sugar?", True),
        ("Does it have no legs?", True),
        ("Can't you eat it?", False),
        ("you can't eat it", True),
    ],
)
def test_negation(text: str, negated: bool) -> None:
    assert read(text).negated is negated


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("Is it bigger than a car?", 1),
        ("Is it smaller than a car?", -1),
        ("Is it more expensive than a car?", 1),
        ("Is it less expensive than a car?", -1),
        ("Is it less heavy than a car?", -1),
        ("Does it cost over 100 dollars?", 1),
        ("Does it cost under $100?", -1),
        ("Does it cost at least 100 dollars?", 1),
        ("Is it as light as a feather?", -1),
        ("Is it as big as a house?", 1),
        ("Was it invented before 1950?", -1),
        ("Was it invented after 1950?", 1),
        ("Is it newer than 1950?", 1),
        ("Is it newer than 1950 years?", -1),
        ("Is it newer than 100 years?", -1),
        ("Is it worn under other clothes?", 0),
        ("Do you eat it before dinner?", 0),
        ("Does it hold more?", 0),
        ("Is it a lighter?", 0),
    ],
)
def test_direction(text: str, direction: int) -> None:
    assert read(text).direction == direction


COMPARATIVES = [("bigger", "smaller"), ("larger", "smaller"), ("heavier", "lighter"), ("older", "younger")]
THINGS = ["a car", "a shoe box", "an adult person", "100 years", "a slice of bread"]


@pytest.mark.parametrize(("up", "down"), COMPARATIVES)
@pytest.mark.parametrize("thing", THINGS)
def test_up_and_down_are_opposed_and_otherwise_the_same(up: str, down: str, thing: str) -> None:
    more, less = read(f"Is it {up} than {thing}?"), read(f"Is it {down} than {thing}?")
    assert more.words == less.words
    assert opposed(more, less)
    assert not opposed(more, read(f"Isn't it {up} than {thing}?"))
    assert not opposed(less, read(f"Is it not {up} than {thing}?"))


@given(
    st.lists(
        st.sampled_from(
            [read(text) for text in ("not big", "bigger than 5", "heavier than a car", "less than 6", "no 5")]
        )
    )
)
def test_agreement_is_a_symmetric_share(readings: list) -> None:
    for one, other in itertools.pairwise(readings):
        assert 0 < agreement(one, other) <= 1
        assert agreement(one, other) == agreement(other, one)
        assert opposed(one, other) == opposed(other, one)
        assert agreement(one, one) == 1
        assert not opposed(one, one)


def test_every_wording_means_its_own_question() -> None:
    wrong = [
        (wording.text, KEYS[wording.column], meaning(wording.text))
        for wording in WORDINGS
        if meaning(wording.text) != "!" * wording.opposite + KEYS[wording.column]
    ]
    assert wrong == []


def test_every_question_of_meaning_has_other_wordings() -> None:
    others = read_wordings()
    assert set(others) == set(KEYS)
    for key, wordings in others.items():
        assert sum(not opposite for _, opposite in wordings) >= 3, key


def test_no_two_questions_share_a_wording() -> None:
    found: dict[str, tuple[int, bool]] = {}
    for wording in WORDINGS:
        words = " ".join("".join(c if c.isalnum() else " " for c in wording.text.lower()).split())
        assert found.setdefault(words, (wording.column, wording.opposite)) == (wording.column, wording.opposite), words


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Is it smaller than a car?", "!over_car"),
        ("Is it bigger than a car?", "over_car"),
        ("Is it lighter than a car?", "!very_heavy"),
        ("Is it heavier than a car?", "very_heavy"),
        ("Is it not heavier than a car?", "!very_heavy"),
        ("Is it bigger than an aircraft carrier?", "-"),
        ("Does it cost more than 100 dollars?", "over_100"),
        ("Does it cost less than $100?", "!over_100"),
        ("Does it cost more than 5 dollars?", "!cheap"),
        ("Does it cost more than 50 dollars?", "-"),
        ("Was it invented before 1950?", "!modern"),
        ("Isn't it alive?", "alive"),
        ("It is not alive, is it?", "!alive"),
        ("Is it unsafe?", "dangerous"),
        ("is it a vehical", "vehicle"),
        ("animal?", "animal"),
        ("What is it made of?", "-"),
        ("how heavy is it", "-"),
        ("", "-"),
        ("???", "-"),
        ("qwertyuiop", "-"),
    ],
)
def test_what_is_meant(text: str, key: str) -> None:
    assert meaning(text) == key


@pytest.mark.parametrize("key", ["wheels", "vehicle", "kitchen", "electronic", "container", "furniture", "dangerous"])
def test_a_dropped_letter_does_not_matter_in_long_words(key: str) -> None:
    question = TABLE.questions[KEYS.index(key)].text
    longest = max(question.rstrip("?").split(), key=len)
    place = len(longest) // 2
    assert meaning(question.replace(longest, longest[:place] + longest[place + 1 :])) == key


def test_paraphrases_are_not_wordings() -> None:
    known = {wording.text.lower().rstrip("?") for wording in WORDINGS}
    assert [text for text, _ in paraphrases() if text.lower().rstrip("?") in known] == []


def test_most_paraphrases_are_understood_and_few_wrongly() -> None:
    said = [(meaning(text), key) for text, key in paraphrases()]
    answered = [(got, key) for got, key in said if key != "-" and got != "-"]
    without = [got for got, key in said if key == "-"]
    assert len(answered) / (len(said) - len(without)) > 0.8
    assert sum(got == key for got, key in answered) / len(answered) > 0.95
    assert without.count("-") / len(without) > 0.88


def test_thresholds_decide() -> None:
    text = "might it be that it has any wheels"
    best, *_ = rank(INDEX, text)
    assert meaning(text, Thresholds(best.score + 0.01, 0)) == "-"
    assert meaning(text, Thresholds(0, best.margin + 0.01)) == "-"
    assert meaning(text, Thresholds(best.score, best.margin)) == "wheels"


SMALL = [
    Wording(0, "Is it a red apple?"),
    Wording(0, "is it a pear"),
    Wording(1, "Is it blunt?", opposite=True),
    Wording(1, "does it have a sharp blade"),
    Wording(2, "Is it red?"),
]


def slow_likeness(texts: list[Wording], text: str) -> list[float]:
    """Return the likeness of a text of known words to every wording, as the formula says, one sum after another."""

    def bag(said: str) -> dict[str, float]:
        reading = read(said)
        kinds = {f"about {reading.about}": 0.2} if reading.about else {}
        for word in reading.words:
            kinds[word] = 0.35 if word == "hav" else 1.0
            if len(word) >= 5:
                kinds[word[:5] + "*"] = 0.15
        kinds.update({f"{one} {two}": 0.3 for one, two in itertools.pairwise(reading.words)})
        return kinds

    columns = {wording.column for wording in texts}
    users = {
        feature: {wording.column for wording in texts if feature in bag(wording.text)}
        for wording in texts
        for feature in bag(wording.text)
    }

    def weights(said: str) -> dict[str, float]:
        return {
            feature: kind * math.sqrt(math.log((1 + len(columns)) / (1 + len(users.get(feature, ())))) + 0.5)
            for feature, kind in bag(said).items()
        }

    def norm(vector: dict[str, float]) -> float:
        return math.sqrt(sum(weight**2 for weight in vector.values()))

    asked = weights(text)
    found = []
    for wording in texts:
        held = weights(wording.text)
        dot = sum(weight * held.get(feature, 0) for feature, weight in asked.items())
        share = sum(weight**2 for feature, weight in asked.items() if wording.column in users.get(feature, ()))
        found.append(0.7 * dot / norm(asked) / norm(held) + 0.3 * math.sqrt(share) / norm(asked))
    return found


@pytest.mark.parametrize("text", ["is it red", "does it have a red blade", "apple pear", "is there a zebra", "sharp"])
def test_likeness_is_the_formula(text: str) -> None:
    found = likeness_by_words(index_wordings(SMALL), read(text))
    np.testing.assert_allclose(found, slow_likeness(SMALL, text), atol=1e-12)


def test_mending_words() -> None:
    index = index_wordings([Wording(0, "is it a vehicle"), Wording(1, "is it safe"), Wording(2, "is it marine")])
    assert in_known_words(index, read("a vehical"))[0].words == read("a vehicle").words
    assert in_known_words(index, read("a vehical"))[1] == {"vehicl"}
    assert in_known_words(index, read("unsafe"))[0] == read("safe")._replace(negated=True)
    assert in_known_words(index, read("marry"))[0].words == read("marry").words


def by_length(texts: object) -> np.ndarray:
    """Encode texts by how many characters they have: unit vectors at that many degrees."""
    angles = np.radians([len(text) for text in texts])  # type: ignore[attr-defined]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_likeness_by_meaning_is_the_formula() -> None:
    index = index_wordings(SMALL, by_length)
    text = "x" * 50
    cosines = [math.cos(math.radians(50 - len(wording.text))) for wording in SMALL]
    means = [np.mean([c for c, w in zip(cosines, SMALL, strict=True) if w.column == one.column]) for one in SMALL]
    expected = [0.7 * cosine + 0.3 * mean for cosine, mean in zip(cosines, means, strict=True)]
    np.testing.assert_allclose(likeness_by_meaning(index, text), expected, atol=1e-6)
    assert likeness_by_meaning(index_wordings(SMALL), text) is None


def test_the_encoder_counts_beside_the_words() -> None:
    by_words, by_both = rank(index_wordings(SMALL), "red pear")[0], rank(index_wordings(SMALL, by_length), "red pear")
    assert by_both[0].score != by_words.score
    assert {one.column for one in by_both} == {0, 1, 2}


def test_embeddings_may_be_given() -> None:
    given_ones = index_wordings(SMALL, by_length, by_length([wording.text for wording in SMALL]))
    assert rank(given_ones, "red pear") == rank(index_wordings(SMALL, by_length), "red pear")
    with pytest.raises(ValueError, match="expected 5 embeddings, got 1"):
        index_wordings(SMALL, by_length, by_length(["one"]))


def test_embeddings_are_kept(tmp_path: Path) -> None:
    calls = []

    def encoder(texts: object) -> np.ndarray:
        calls.append(texts)
        return by_length(texts)

    folder = tmp_path / "kept"
    first = embed_wordings(SMALL, encoder, "by length", folder)
    again = embed_wordings(SMALL, encoder, "by length", folder)
    np.testing.assert_array_equal(first, again)
    assert len(calls) == 1
    embed_wordings(SMALL, encoder, "another model", folder)
    embed_wordings(SMALL[:3], encoder, "by length", folder)
    assert len(calls) == 3
    for file in folder.iterdir():
        file.write_bytes(b"damaged")
    np.testing.assert_array_equal(embed_wordings(SMALL, encoder, "by length", folder), first)


def test_nothing_to_index() -> None:
    with pytest.raises(ValueError, match="at least one wording"):
        index_wordings([])


@settings(max_examples=150)
@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(
            st.sampled_from("is it not than bigger less 100 thousand a car never , isn't as big too to 5k".split())  # noqa: SIM905
        ).map(" ".join),
    )
)
def test_any_text_is_ranked(text: str) -> None:
    ranked = rank(INDEX, text, 4)
    assert len(ranked) <= 4
    assert len({one.column for one in ranked}) == len(ranked)
    assert all(0 < one.score <= 1 + 1e-9 and one.margin >= 0 for one in ranked)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    meant = understand(INDEX, text)
    if meant is not None:
        assert meant == rank(INDEX, text, 1)[0]
        assert meant.score >= BY_WORDS.score
        assert meant.margin >= BY_WORDS.margin


@pytest.mark.parametrize("text", ["9" * 6000 + " thousand", "bigger " * 3000, "x" * 100_000, ", is it" * 2000])
def test_long_texts_are_harmless(text: str) -> None:
    assert meaning(text) in {"-", *KEYS, *("!" + key for key in KEYS)}


def test_wordings_of_other_tables_are_their_own_texts() -> None:
    questions = (Question("x", "Is it xylophonic?"), Question("l", "?", "letter", "starts a"))
    table = AnswerTable((Keyword("thing"),), questions, np.full((1, 2), 255, dtype=np.uint8), np.ones(1), {})
    assert wordings_of(table) == [Wording(0, "Is it xylophonic?")]
    assert wordings_of(table, {"x": [("dull?", True)]}) == [
        Wording(0, "Is it xylophonic?"),
        Wording(0, "dull?", opposite=True),
    ]


def test_the_file_of_wordings(tmp_path: Path) -> None:
    file = tmp_path / "wordings.txt"
    file.write_text("# a comment\n\nsharp: keen?; has it an edge\n!sharp: blunt?\n", encoding="utf-8")
    assert read_wordings(file) == {"sharp": [("keen?", False), ("has it an edge", False), ("blunt?", True)]}


@pytest.mark.parametrize("line", ["sharp keen", ": keen", "sharp: keen;; dull", "sharp:"])
def test_a_bad_line_of_wordings_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "wordings.txt"
    file.write_text(f"# first\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"wordings\.txt, line 2"):
        read_wordings(file)


def test_a_missing_file_of_wordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read"):
        read_wordings(tmp_path / "nowhere.txt")
