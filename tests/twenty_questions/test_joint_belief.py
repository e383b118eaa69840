"""The joint belief against Bayes' rule in plain loops: every kind of question, exclusions, pruning."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.belief import Answer
from twenty_questions.bisection import word_list
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint import guesser
from twenty_questions.joint.answering import answers_to
from twenty_questions.joint.belief import JointBelief
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.criterion import information, outlook_of_handshake, outlook_of_spelling, outlook_of_table
from twenty_questions.joint.partners import (
    ALPHA,
    LANGUAGE_MODEL,
    LIAR,
    MIXED,
    PartnerType,
    Population,
    check_population,
    error_rates,
    handshake_yes,
)
from twenty_questions.joint.reach import words_within
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, answer_by_spelling, letter, one_of
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword, names_match

NAMES = ("apple", "bear", "cars", "car", "dune", "elm", "fox", "gate", "hat", "ivy")
PLAIN = (
    HANDSHAKE,
    alphabetical("bee"),
    alphabetical("elm"),
    alphabetical("aaa"),
    alphabetical("zzz"),
    letter("starts", "c"),
    letter("contains", "a"),
    letter("longer", "3"),
    one_of(["car"]),
    one_of(["elm", "hats", "quartz"]),
    Question("living", "Is it alive?"),
    Question("large", "Is it large?"),
)
TABLE = AnswerTable(
    keywords=tuple(map(Keyword, ("apple", "bear", "elm", "gate"))),
    questions=PLAIN[-2:],
    codes=code_of([[0.8, 0.1], [0.99, 0.7], [0.97, np.nan], [0.02, 0.6]]),
    prior=np.array([0.4, 0.3, 0.2, 0.1]),
)
ANSWERS: tuple[Answer, ...] = ("yes", "probably", "unknown", "probably not", "no")

errors = st.floats(0.001, 0.5)
partners = st.builds(
    PartnerType,
    name=st.just("x"),
    handshake_yes=st.floats(0.01, 0.99),
    alphabetical_error=errors,
    letter_error=errors,
    list_error=errors,
    table_error=errors,
)


@st.composite
def populations(draw: st.DrawFn) -> Population:
    """One to three types with shares."""
    found = draw(st.lists(st.tuples(partners, st.floats(0.1, 1)), min_size=1, max_size=3))
    total = sum(share for _, share in found)
    named = [
        PartnerType(**{f: getattr(one, f) for f in PartnerType.__slots__ if f != "name"}, name=f"type {number}")
        for number, (one, _) in enumerate(found)
    ]
    return tuple((one, share / total) for one, (_, share) in zip(named, found, strict=True))


class Pair(NamedTuple):
    """One partner type and one word."""

    partner: PartnerType
    word: str


def plain_p_yes(universe: Universe, pair: Pair, question: Question, shrink: float) -> float:
    """Return P(yes) of one pair, by the book."""
    if question.kind == "handshake":
        return pair.partner.handshake_yes
    error = float(getattr(pair.partner, f"{question.kind}_error"))
    spelled = answer_by_spelling(question, pair.word)
    if spelled is not None:
        honest = float(spelled)
    else:
        column = TABLE.questions.index(question)
        rows = [row for row, keyword in enumerate(TABLE.keywords) if keyword.name == pair.word]
        cells = probability_of(TABLE.codes[:, column])
        honest = float(cells[rows[0]]) if rows else 0.5 + (1 - shrink) * (float(TABLE.prior @ cells) - 0.5)
    return error + (1 - 2 * error) * honest


def plain_posterior(
    universe: Universe, config: JointConfig, history: list[tuple[Question, Answer]], guesses: list[str]
) -> dict[Pair, float]:
    """Return the posterior of every pair by Bayes' rule, one at a time; each question counts once."""
    weights = {}
    for partner, share in config.population:
        for word, prior in zip(universe.words.words, universe.words.prior.tolist(), strict=True):
            pair, weight, seen = Pair(partner, word), share * prior, set()
            for question, answer in history:
                if question.key in seen:
                    continue
                if answer != "unknown":
                    seen.add(question.key)
                p = plain_p_yes(universe, pair, question, config.shrink)
                weight *= {"yes": p, "probably": p**0.5, "unknown": 1.0, "probably not": (1 - p) ** 0.5, "no": 1 - p}[
                    answer
                ]
            weights[pair] = 0.0 if any(names_match(guess, word) for guess in guesses) else weight
    total = sum(weights.values())
    return {pair: weight / total for pair, weight in weights.items()}


def weights_of(universe: Universe, config: JointConfig, belief: JointBelief) -> dict[Pair, float]:
    return {
        Pair(partner, universe.words.words[position]): float(belief.weights[kind, place])
        for kind, (partner, _) in enumerate(config.population)
        for place, position in enumerate(belief.support.tolist())
    }


def small_universe() -> Universe:
    return universe_of(TABLE, word_list(NAMES, np.linspace(1, 3, len(NAMES))))


histories = st.lists(st.tuples(st.sampled_from(PLAIN), st.sampled_from(ANSWERS)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(populations(), histories, st.lists(st.sampled_from([*NAMES, "quartz"]), max_size=4), st.floats(0, 1))
def test_the_belief_is_that_of_bayes_rule_in_plain_loops(
    population: Population, history: list[tuple[Question, Answer]], guesses: list[str], shrink: float
) -> None:
    universe = small_universe()
    config = JointConfig(population=population, shrink=shrink)
    state = guesser.start(universe, config)
    for number, (question, answer) in enumerate(history):
        state = guesser.observe(universe, state, question.text, answer, config)
        if number < len(guesses):
            state = guesser.exclude(universe, state, guesses[number])
    struck = guesses[: len(history)]
    expected = plain_posterior(universe, config, history, struck)
    assert weights_of(universe, config, state.belief) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def plain_entropy(masses: list[float]) -> float:
    total = sum(masses)
    return -sum(mass / total * math.log2(mass / total) for mass in masses if mass > 0)


@settings(max_examples=40, deadline=None)
@given(populations(), histories, st.sampled_from(PLAIN), st.floats(0, 1))
def test_information_is_the_fall_of_the_joint_entropy_and_parts_by_the_chain_rule(
    population: Population, history: list[tuple[Question, Answer]], question: Question, shrink: float
) -> None:
    universe = small_universe()
    config = JointConfig(population=population, shrink=shrink)
    state = guesser.start(universe, config)
    for one, answer in history:
        state = guesser.observe(universe, state, one.text, answer, config)
    before = weights_of(universe, config, state.belief)
    yes = {pair: weight * plain_p_yes(universe, pair, question, shrink) for pair, weight in before.items()}
    no = {pair: weight - yes[pair] for pair, weight in before.items()}

    def of_types(weights: dict[Pair, float]) -> list[float]:
        return [sum(weight for pair, weight in weights.items() if pair.partner is one) for one, _ in population]

    p_yes = sum(yes.values())
    total = plain_entropy(list(before.values()))
    partner = plain_entropy(of_types(before))
    for share, after in ((p_yes, yes), (1 - p_yes, no)):
        total -= share * plain_entropy(list(after.values()))
        partner -= share * plain_entropy(of_types(after))

    belief, mass = state.belief, beliefs.type_posterior(state.belief)
    if question.kind == "handshake":
        outlook = outlook_of_handshake(mass, handshake_yes(population))
        place = 0
    elif question.kind == "table":
        outlook = outlook_of_table(universe, belief, mass, error_rates(population, "table"), shrink=shrink)
        place = TABLE.questions.index(question)
    else:
        held = [universe.words.words[position] for position in belief.support]
        inside = belief.weights @ np.array([float(bool(answer_by_spelling(question, word))) for word in held])
        outlook = outlook_of_spelling(mass, inside[None], error_rates(population, question.kind))
        place = 0
    found = information(mass, outlook)
    assert found.p_yes[place] == pytest.approx(p_yes)
    assert found.partner[place] == pytest.approx(partner, abs=2e-6)
    assert found.total[place] == pytest.approx(total, abs=2e-6)


def test_a_large_table_is_summed_like_a_small_one(monkeypatch: pytest.MonkeyPatch, toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table, word_list(["anvil", "zebra"]))
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=(3, len(universe.words.words))) ** 3
    belief = JointBelief(np.arange(weights.shape[1], dtype=np.int32), weights / weights.sum())
    small = outlook_of_table(universe, belief, belief.weights.sum(axis=1), np.array([0.1, 0.02, 0.1]), shrink=0.3)
    monkeypatch.setattr("twenty_questions.joint.criterion._WIDENED", 0)
    large = outlook_of_table(universe, belief, belief.weights.sum(axis=1), np.array([0.1, 0.02, 0.1]), shrink=0.3)
    assert large.yes == pytest.approx(small.yes, abs=1e-7)
    assert large.noise == pytest.approx(small.noise, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(populations(), st.sampled_from(PLAIN), st.floats(0, 1))
def test_answers_to_a_question_are_those_of_each_pair(
    population: Population, question: Question, shrink: float
) -> None:
    universe = small_universe()
    config = JointConfig(population=population, shrink=shrink)
    positions = np.array([0, 3, 4, 9], dtype=np.int32)
    expected = [
        [plain_p_yes(universe, Pair(partner, universe.words.words[place]), question, shrink) for place in positions]
        for partner, _ in population
    ]
    found = answers_to(universe, question, positions, config)
    assert found == pytest.approx(np.array(expected), abs=2e-6)


def test_words_out_of_reach_are_those_that_need_more_bits_than_are_left() -> None:
    weights = np.array([[0.4, 0.1, 0.05, 0.05], [0.1, 0.1, 0.1, 0.1]])
    belief, mass, last = JointBelief(np.arange(4, dtype=np.int32), weights), weights.sum(axis=1), np.array([3])
    # Given the type, the first row needs 0.6, 2.6, 3.6 and 3.6 bits, the second 2 bits each; the last word has a row.
    found, of_types = words_within(belief, mass, last, np.array([2.7, 1.0]), np.array([4.0, 2.1]))
    kept = np.array([[0.4, 0.1, 0.0, 0.05], [0.0, 0.0, 0.0, 0.1]])
    assert found.weights == pytest.approx(kept / kept.sum())
    assert of_types == pytest.approx(found.weights.sum(axis=1))
    hopeless, of_types = words_within(belief, mass, last, np.zeros(2), np.zeros(2))
    assert hopeless is belief
    assert of_types is mass


@pytest.mark.parametrize("places", [[], [1], [0, 2], [0, 1, 2, 3]])
def test_what_is_ruled_out_has_no_mass_and_the_rest_sums_to_one(places: list[int]) -> None:
    weights = np.array([[0.35, 0.1, 0.05, 0.1], [0.1, 0.1, 0.1, 0.1]])
    found = beliefs.exclude(JointBelief(np.arange(4, dtype=np.int32), weights), np.array(places, dtype=np.intp))
    left = weights.copy()
    left[:, places] = 0
    assert found.weights == pytest.approx(left / (left.sum() or 1))


@pytest.mark.parametrize("size", [300, 5_000, 100_000])
def test_the_likeliest_of_many_are_the_largest(size: int) -> None:
    rng = np.random.default_rng(size)
    for p in (rng.pareto(1.0, size=size), np.sort(rng.random(size)), rng.integers(0, 3, size=size).astype(float)):
        in_order = np.argsort(-p, kind="stable")
        assert beliefs.likeliest(p, 100).tolist() == in_order[:100].tolist()
        few = np.where(np.arange(size) % 97 == 5, p, 0.0)
        in_order = np.argsort(-few, kind="stable")
        assert beliefs.likeliest(few, 100).tolist() == in_order[few[in_order] > 0][:100].tolist()


def random_belief(size: int, seed: int, sigma: float = 6.0) -> JointBelief:
    weights = np.random.default_rng(seed).lognormal(sigma=sigma, size=(2, size))
    return JointBelief(np.arange(size, dtype=np.int32), weights / weights.sum())


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(50, 3000), st.floats(1e-9, 1e-3), st.integers(1, 60))
def test_pruning_drops_less_than_it_may_and_keeps_the_most_probable(
    seed: int, size: int, negligible: float, least: int
) -> None:
    belief = random_belief(size, seed)
    p = belief.weights.sum(axis=0)
    kept = beliefs.prune(belief, negligible, least=least)
    dropped = np.setdiff1d(belief.support, kept.support)
    assert p[dropped].sum() < negligible
    assert kept.support.size >= min(least, size)
    assert p[kept.support].min() >= p[dropped].max(initial=0.0)
    assert kept.weights == pytest.approx(belief.weights[:, kept.support] / belief.weights[:, kept.support].sum())


def test_pruning_makes_a_concentrated_belief_small() -> None:
    belief = random_belief(50_000, 5, sigma=12.0)
    assert beliefs.prune(belief, 1e-8, least=10).support.size < 25_000
    assert beliefs.prune(belief, 0.0, least=10) is belief
    assert beliefs.prune(belief, 1e-8, least=50_000) is belief


def test_nothing_is_impossible_to_a_type_without_errors() -> None:
    exact = PartnerType(
        name="exact", handshake_yes=1, alphabetical_error=0, letter_error=0, list_error=0, table_error=0
    )
    universe = small_universe()
    config = JointConfig(population=((exact, 1.0),))
    history: list[tuple[str, Answer, str | None]] = [
        (HANDSHAKE.text, "no", None),
        (alphabetical("bee").text, "yes", None),
        (alphabetical("bat").text, "no", None),
        (letter("starts", "e").text, "yes", None),
    ]
    state = guesser.replay(universe, config, history * 3)
    assert np.isfinite(state.belief.weights).all()
    assert state.belief.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "name"),
        ({"handshake_yes": 1.2}, "handshake_yes"),
        ({"letter_error": 0.6}, "letter_error"),
        ({"table_error": -0.1}, "table_error"),
    ],
)
def test_a_partner_out_of_range_is_refused(change: dict[str, float | str], message: str) -> None:
    fields = {field: getattr(ALPHA, field) for field in PartnerType.__slots__}
    with pytest.raises(ValueError, match=message):
        PartnerType(**{**fields, **change})


@pytest.mark.parametrize(
    "population", [(), ((ALPHA, 0.5), (LIAR, 0.4)), ((ALPHA, 1.5), (LIAR, -0.5)), ((ALPHA, 0.5), (ALPHA, 0.5))]
)
def test_a_population_out_of_range_is_refused(population: Population) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_population(population)


def test_the_default_population_is_mixed() -> None:
    assert [(partner.name, share) for partner, share in MIXED] == [
        ("alpha", 0.5),
        ("language model", 0.3),
        ("liar", 0.2),
    ]
    assert LIAR.alphabetical_error > ALPHA.alphabetical_error
    assert LANGUAGE_MODEL.handshake_yes < 0.1 < LIAR.handshake_yes


@pytest.mark.parametrize("answer", ["maybe", "Yes", ""])
def test_other_answers_are_refused(answer: str) -> None:
    universe, config = small_universe(), JointConfig()
    state = guesser.start(universe, config)
    for question in PLAIN[:1] + PLAIN[-1:]:
        with pytest.raises(ValueError, match="expected an answer"):
            guesser.observe(universe, state, question.text, answer, config)  # type: ignore[arg-type]
