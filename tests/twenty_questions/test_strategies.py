"""A strategy is the guesser that it stands for, as one value."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twenty_questions import guesser
from twenty_questions import simulated_partners as partners
from twenty_questions.bisection import word_list
from twenty_questions.guesser import GuesserConfig
from twenty_questions.joint import guesser as joint
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.universe import universe_of
from twenty_questions.questions import HANDSHAKE
from twenty_questions.simulation import simulate
from twenty_questions.strategies import joint_strategy, strategy_of, table_strategy
from twenty_questions.words import Keyword, matches, names_match

WORDS = word_list([f"word{number:03}" for number in range(200)])


@pytest.fixture(scope="module", params=["table", "one belief"])
def strategy(request, toy_table):
    if request.param == "table":
        return table_strategy(toy_table, GuesserConfig(handshake=False))
    return joint_strategy(universe_of(toy_table), JointConfig())


def counting(strategy):
    """The same strategy, with the number of its questions, and of its guesses."""
    asked, guessed = [], []

    def ask(state, rng):
        asked.append(state)
        return strategy.ask(state, rng)

    def guess(state):
        guessed.append(state)
        return strategy.guess(state)

    return strategy._replace(ask=ask, guess=guess), asked, guessed


def by_table(table, config, secret, partner, rounds):
    """A game played by calling the table's guesser."""
    state, rng, heard = guesser.start(table, config), np.random.default_rng([7, 0]), []
    for number in range(rounds):
        question, _ = guesser.choose_question(table, state, config, np.random.default_rng([7, number]))
        state = guesser.observe(table, state, question.text, partner(secret, question, rng), config)
        guess, _ = guesser.choose_guess(table, state, config)
        heard.append((question.key, guess))
        if matches(guess, secret):
            break
        state = guesser.exclude(table, state, guess)
    return heard


def by_one_belief(universe, config, secret, partner, rounds):
    """A game played by calling the guesser with one belief."""
    state, rng, heard = joint.start(universe, config), np.random.default_rng([7, 0]), []
    for number in range(rounds):
        question, _ = joint.choose_question(universe, state, config, np.random.default_rng([7, number]))
        state = joint.observe(universe, state, question.text, partner(secret, question, rng), config)
        guess, _ = joint.choose_guess(universe, state, config)
        heard.append((question.key, guess))
        if matches(guess, secret):
            break
        state = joint.exclude(universe, state, guess)
    return heard


@pytest.mark.parametrize("row", [3, 17, 42])
def test_a_simulated_game_is_the_one_that_the_guesser_plays(toy_table, row: int) -> None:
    secret, partner = toy_table.keywords[row], partners.flipping(partners.alpha_partner(toy_table), 0.1)
    config, believing = GuesserConfig(handshake=False), JointConfig()
    for strategy, expected in (
        (table_strategy(toy_table, config), by_table(toy_table, config, secret, partner, 12)),
        (
            joint_strategy(universe_of(toy_table, WORDS), believing),
            by_one_belief(universe_of(toy_table, WORDS), believing, secret, partner, 12),
        ),
    ):
        # The secret is the only game, so its chance is that of game 0.
        outcome = simulate(strategy, partner, [secret], seed=7, rounds=12)
        assert list(zip(outcome.questions[0], outcome.guesses[0], strict=True)) == expected


def test_both_find_what_an_honest_partner_thinks_of(toy_table, strategy) -> None:
    outcome = simulate(strategy, partners.alpha_partner(toy_table), toy_table.keywords[::7], seed=0)
    assert (outcome.found_in > 0).all()


def test_games_with_equal_histories_share_the_thinking(toy_table, strategy) -> None:
    counted, asked, guessed = counting(strategy)
    partner = partners.alpha_partner(toy_table)
    once = simulate(counted, partner, [toy_table.keywords[5]], seed=0)
    rounds = len(once.questions[0])
    shared = min(rounds, strategy.shared_rounds)
    assert (len(asked), len(guessed)) == (rounds, rounds)
    asked.clear()
    guessed.clear()
    thrice = simulate(counted, partner, [toy_table.keywords[5]] * 3, seed=0)
    assert thrice.questions == once.questions * 3
    # The question after the last shared answer is shared, too.
    assert len(guessed) == shared + 3 * (rounds - shared)
    assert len(asked) == min(rounds, shared + 1) + 3 * max(0, rounds - shared - 1)


def test_what_is_ranked_is_every_word_once_with_the_guess_first(toy_table, strategy) -> None:
    state = strategy.hear(strategy.start(), toy_table.questions[0].text, "yes")
    names = list(dict.fromkeys(strategy.ranked(state)))
    assert names[0] == strategy.guess(state)
    assert sorted(names) == sorted(keyword.name for keyword in toy_table.keywords)
    missed = strategy.miss(state, names[0])
    assert strategy.guess(missed) == names[1]


def test_words_are_known_by_the_rule_of_the_game(toy_table, strategy) -> None:
    assert strategy.is_name("The River Otters!")
    assert not strategy.is_name("word123")
    assert not strategy.is_name(toy_table.questions[0].text)
    for config in (GuesserConfig(), JointConfig()):
        with_words = strategy_of(toy_table, config, WORDS)
        assert with_words.is_name("Word 123")
        assert with_words.is_name("otters")
        assert not with_words.is_name("word 123 456")


def test_a_configuration_tells_which_guesser_it_is_of(toy_table) -> None:
    for config in (None, GuesserConfig()):
        strategy = strategy_of(toy_table, config, WORDS)
        assert strategy.ask(strategy.start(), np.random.default_rng(0)) == HANDSHAKE
        state = strategy.hear(strategy.start(), HANDSHAKE.text, "yes")
        assert strategy.guess(state) in WORDS.words
    strategy = strategy_of(toy_table, JointConfig(), WORDS)
    listed = set(strategy.ranked(strategy.start()))
    assert listed == {*WORDS.words, *(keyword.name for keyword in toy_table.keywords)}


def test_no_guess_is_made_twice_however_a_partner_answers(toy_table, strategy) -> None:
    outcome = simulate(strategy, lambda keyword, question, rng: "yes", [Keyword("nothing there")], seed=0)
    assert outcome.found_in.tolist() == [0]
    assert not any(names_match(a, b) for a, b in itertools.combinations(outcome.guesses[0], 2))
