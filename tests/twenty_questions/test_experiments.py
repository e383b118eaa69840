"""Simulations by name: what is played for, who plays, and what a part is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.bisection import word_list
from twenty_questions.experiments import (
    LABELLED_PARTNERS,
    MIXTURE,
    PARTNERS,
    STRATEGIES,
    outcome_of,
    play_part,
    read_labels,
    secrets_of,
)
from twenty_questions.joint.partners import MIXED
from twenty_questions.questions import HANDSHAKE
from twenty_questions.words import Keyword

WORDS = word_list([f"word{number:03}" for number in range(60)], range(1, 61))


@pytest.fixture(scope="module")
def labels_file(toy_table, tmp_path_factory) -> Path:
    """Labels of every second thing, for the questions of meaning but one."""
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["keyword", "question", "answer"])
        for row in range(0, len(toy_table.keywords), 2):
            for column, question in enumerate(toy_table.questions):
                if question.kind == "table" and question.key != "animal":
                    said = "yes" if toy_table.codes[row, column] > 127 else "no"
                    writer.writerow([toy_table.keywords[row].name.upper(), question.text, said])
    return path


def part(folder: Path, **changed: object) -> dict[str, object]:
    """A part as the task engine gives it."""
    return {
        "table": str(folder),
        "labels": None,
        "words": None,
        "strategy": "one-belief",
        "partner": "alpha",
        "noise": 0.0,
        "secrets": [["horse"], ["otter", "river otter"], ["banana"]],
        "first": 0,
        "rounds": 20,
        "seed": 3,
        **changed,
    }


def test_the_mixture_is_the_population_that_the_belief_reckons_with() -> None:
    assert list(MIXTURE.values()) == [share for _, share in MIXED]
    assert [name.replace("-", " ") for name in MIXTURE] == [kind.name for kind, _ in MIXED]
    assert set(MIXTURE) <= set(PARTNERS)


def test_secrets_are_the_keywords_each_once_or_drawn_by_the_prior(toy_table) -> None:
    every = secrets_of(toy_table, "table", None, 0, seed=0)
    assert list(every.played) == [keyword.names for keyword in toy_table.keywords]
    np.testing.assert_array_equal(every.prior, toy_table.prior)
    drawn = secrets_of(toy_table, "table", None, 5000, seed=0)
    assert drawn.played == secrets_of(toy_table, "alpha", None, 5000, seed=0).played
    assert drawn.played != secrets_of(toy_table, "table", None, 5000, seed=1).played
    shares = [drawn.played.count(keyword.names) / 5000 for keyword in toy_table.keywords]
    np.testing.assert_allclose(shares, toy_table.prior, atol=0.012)


def test_secrets_may_be_given_or_drawn_from_words(toy_table) -> None:
    given = [Keyword("gasometer"), Keyword("otter", ("river otter",))]
    found = secrets_of(toy_table, "table", None, 0, seed=0, given=given)
    assert list(found.played) == [("gasometer",), ("otter", "river otter")]
    assert found.prior.tolist() == [0.5, 0.5]
    drawn = secrets_of(toy_table, "table", None, 4000, seed=0, drawn_from=WORDS)
    shares = [drawn.played.count((word,)) / 4000 for word in WORDS.words]
    np.testing.assert_allclose(shares, WORDS.prior, atol=0.012)


@pytest.mark.parametrize("partner", ["labels", "alpha"])
def test_with_labels_only_labelled_things_are_played_for(toy_table, labels_file, partner: str) -> None:
    labels = read_labels(labels_file)
    found = secrets_of(toy_table, partner, labels, 0, seed=0)
    assert list(found.played) == [keyword.names for keyword in toy_table.keywords[::2]]
    np.testing.assert_allclose(found.prior, toy_table.prior[::2] / toy_table.prior[::2].sum())
    with pytest.raises(InputError, match="none of the secrets is a labelled keyword"):
        secrets_of(toy_table, partner, labels, 0, seed=0, given=[Keyword("gasometer")])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("partner", PARTNERS)
def test_every_strategy_plays_with_every_partner(toy_folder, labels_file, strategy: str, partner: str) -> None:
    labels = str(labels_file) if partner in LABELLED_PARTNERS else None
    played = part(toy_folder, strategy=strategy, partner=partner, labels=labels, secrets=[["horse"], ["banana"]])
    outcome = outcome_of(played)
    assert play_part(played, Path("unused")) == {"found_in": outcome.found_in.tolist()}
    if partner in ("table", "alpha") or (partner == "labels" and strategy != "meaning"):
        assert (outcome.found_in > 0).all()
    opens = strategy in ("opening", "specialist")
    assert all((questions[0] == HANDSHAKE.key) == opens for questions in outcome.questions) or strategy == "one-belief"


def test_parts_make_the_whole(toy_folder) -> None:
    whole = outcome_of(part(toy_folder, partner="liar", noise=0.1, rounds=6))
    names = part(toy_folder)["secrets"]
    parts = [
        outcome_of(part(toy_folder, partner="liar", noise=0.1, rounds=6, secrets=[names[number]], first=number))
        for number in range(3)
    ]
    assert whole.questions == tuple(one.questions[0] for one in parts)
    assert whole.found_in.tolist() == [one.found_in[0] for one in parts]


def test_questions_that_nobody_has_answered_are_not_asked(toy_folder, labels_file) -> None:
    for strategy in ("table", "one-belief"):
        without = outcome_of(part(toy_folder, strategy=strategy, partner="labels", labels=str(labels_file)))
        assert not any("animal" in questions for questions in without.questions)


def test_words_that_the_table_lacks_are_found(toy_folder, tmp_path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS.words), encoding="utf-8")
    played = part(toy_folder, words=str(path), secrets=[["word007"], ["horse"]])
    assert (outcome_of(played).found_in > 0).all()
    assert (outcome_of({**played, "strategy": "specialist"}).found_in > 0).all()
    assert outcome_of({**played, "words": None}).found_in[0] == 0


def test_a_partner_may_be_given_from_outside(toy_folder) -> None:
    asked = []

    def partner(keyword, question, rng):
        asked.append(question.key)
        return "no"

    for strategy in ("specialist", "one-belief"):
        outcome = outcome_of(part(toy_folder, strategy=strategy, partner="answerer", rounds=2), partner)
        assert outcome.found_in.shape == (3,)
    assert HANDSHAKE.key in asked


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("keyword,question\n", "line 1: lacks the column 'answer'"),
        ("keyword,question,answer\na,b?,yes\na,c?,maybe\n", "line 3: expected keyword, question and an answer yes"),
        ("keyword,question,answer\n,b?,yes\n", "line 2: expected keyword, question and an answer yes"),
        ("keyword,question,answer\n", "holds no answers"),
        ("", "holds no answers"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, text: str, complaint: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_labels(path)
