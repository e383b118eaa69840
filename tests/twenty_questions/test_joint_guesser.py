"""Play from the joint belief: what is asked, what is guessed, and what contradictions do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from twenty_questions import guesser as table_guesser
from twenty_questions.belief import Answer, posterior
from twenty_questions.bisection import word_list
from twenty_questions.endgame import reward_to_go
from twenty_questions.evaluation import fewest_rounds
from twenty_questions.guesser_config import GuesserConfig
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint import guesser, partners
from twenty_questions.joint.answering import answers_to
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.guesser import JointState
from twenty_questions.joint.partners import ALPHA, LANGUAGE_MODEL, LIAR, PartnerType
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, answer_by_spelling, letter
from twenty_questions.table import AnswerTable, builtin_table, code_of, probability_of
from twenty_questions.words import Keyword, names_match

MADE_UP = sorted({"".join(parts) for parts in product(("ba", "co", "du", "fle", "gri", "mo"), repeat=5)})[:5000]
ALL_ALPHA = JointConfig(population=((ALPHA, 1.0),))
MIXED = JointConfig(population=partners.MIXED)


@pytest.fixture(scope="module")
def universe(toy_table: AnswerTable) -> Universe:
    """5,000 made-up words and the 60 things of the toy table."""
    prior = np.random.default_rng(2).pareto(1.2, size=len(MADE_UP)) + 0.05
    return universe_of(toy_table, word_list(MADE_UP, prior))


def honest(universe: Universe, secret: str, question: Question) -> Answer:
    """Answer by spelling, or by the table; no to what it does not know, yes to the handshake."""
    if question.kind == "handshake":
        return "yes"
    answer = answer_by_spelling(question, secret)
    if answer is None:
        row = int(universe.row_of_word[universe.words.words.index(secret)])
        column = universe.table.questions.index(question)
        answer = row >= 0 and bool(probability_of(universe.table.codes[row, column]) > 0.5)
    return "yes" if answer else "no"


def play(
    universe: Universe, config: JointConfig, secret: str, *, lies: float = 0.0, declines: bool = False, seed: int = 0
) -> tuple[int, list[Question], JointState]:
    """Play one game; return the round of the hit (0: none), what was asked, and the last state."""
    rng = np.random.default_rng([7, seed])
    state, asked = guesser.start(universe, config), []
    for number in range(1, config.rounds + 1):
        question, _ = guesser.choose_question(universe, state, config, np.random.default_rng([seed, number]))
        asked.append(question)
        answer = honest(universe, secret, question)
        if question.kind == "handshake":
            answer = "no" if declines else "yes"
        elif rng.random() < lies:
            answer = "no" if answer == "yes" else "yes"
        state = guesser.observe(universe, state, question.text, answer, config)
        guess, _ = guesser.choose_guess(universe, state, config)
        if names_match(guess, secret):
            return number, asked, state
        state = guesser.exclude(universe, state, guess)
    return 0, asked, state


def test_a_mixed_population_is_asked_for_the_protocol_first(universe: Universe) -> None:
    for config in (MIXED, JointConfig(population=partners.MIXED, reach_bits=None)):
        state = guesser.start(universe, config)
        question, info = guesser.choose_question(universe, state, config, np.random.default_rng(0))
        assert question == HANDSHAKE
    assert info.partner_bits > 0.5
    assert info.keyword_bits == pytest.approx(0, abs=1e-9)
    assert info.p_yes == pytest.approx(0.5 * 0.999 + 0.3 * 0.05 + 0.2 * 0.95)


def test_where_all_keep_the_protocol_it_is_not_asked_for_unless_that_is_the_opening(universe: Universe) -> None:
    _, asked, _ = play(universe, ALL_ALPHA, MADE_UP[1234])
    assert HANDSHAKE not in asked
    polite = JointConfig(population=ALL_ALPHA.population, opening="handshake")
    _, asked, _ = play(universe, polite, MADE_UP[1234])
    assert asked[0] == HANDSHAKE
    assert HANDSHAKE not in asked[1:]


def test_a_partner_that_keeps_the_protocol_is_bisected(universe: Universe) -> None:
    found, asked, state = play(universe, MIXED, MADE_UP[1234])
    assert 0 < found <= 16
    assert [question.kind for question in asked[1:6]] == ["alphabetical"] * 5
    at_first = guesser.observe(universe, guesser.start(universe, MIXED), HANDSHAKE.text, "yes", MIXED)
    assert guesser.type_posterior(at_first, MIXED)["alpha"] > 0.7
    assert guesser.type_posterior(state, MIXED)["language model"] < 0.1


def test_a_partner_that_declines_is_asked_about_meaning(universe: Universe) -> None:
    state = guesser.observe(universe, guesser.start(universe, MIXED), HANDSHAKE.text, "no", MIXED)
    assert guesser.type_posterior(state, MIXED)["language model"] > 0.9
    own = universe_of(universe.table)
    found, asked, _ = play(own, JointConfig(lists=False), "otter", declines=True)
    assert found
    assert {question.kind for question in asked[1:4]} == {"table"}


def test_contradictions_move_the_belief_to_the_liar_and_play_goes_on(universe: Universe) -> None:
    words = universe.words.words
    state = guesser.observe(universe, guesser.start(universe, MIXED), HANDSHAKE.text, "yes", MIXED)
    shares = [guesser.type_posterior(state, MIXED)["liar"]]
    # Before an early word, and yet not before later ones.
    for place, answer in ((1000, "yes"), (2000, "no"), (3000, "no"), (4000, "no")):
        state = guesser.observe(universe, state, alphabetical(words[place]).text, answer, MIXED)  # type: ignore[arg-type]
        shares.append(guesser.type_posterior(state, MIXED)["liar"])
    assert shares[0] < 0.3
    assert shares[-1] > 0.8
    _, info = guesser.choose_question(universe, state, MIXED, np.random.default_rng(0))
    assert info.information_bits > 0.1
    guess, _ = guesser.choose_guess(universe, state, MIXED)
    assert guess in words


def test_a_liar_does_not_sink_the_game(universe: Universe) -> None:
    small = universe_of(universe.table, word_list(MADE_UP[:200]))
    found = [play(small, MIXED, small.words.words[13 * game], lies=0.2, seed=game)[0] for game in range(16)]
    assert sum(number > 0 for number in found) >= 8


def test_rounds_are_near_the_limit_where_the_answers_are_exact(universe: Universe) -> None:
    rng = np.random.default_rng(3)
    secrets = rng.choice(len(universe.words.words), size=60, p=universe.words.prior)
    found = [play(universe, ALL_ALPHA, universe.words.words[place])[0] for place in secrets]
    assert min(found) > 0
    order = np.sort(universe.words.prior)[::-1]
    # The mean of the limit over the same secrets: their ranks decide it.
    ranks = [1 + int((universe.words.prior > universe.words.prior[place]).sum()) for place in secrets]
    limit = float(np.mean([np.floor(np.log2(rank + 1)) for rank in ranks]))
    assert np.mean(found) < limit + 0.6
    assert fewest_rounds(order) == pytest.approx(limit, abs=1.0)


@pytest.mark.parametrize("secret", ["otter", "hammer", "bakery"])
def test_with_one_type_and_no_vocabulary_it_plays_as_the_table_does(toy_table: AnswerTable, secret: str) -> None:
    own = universe_of(toy_table)
    speller_of_nothing = PartnerType(
        name="model", handshake_yes=0.05, alphabetical_error=0.5, letter_error=0.5, list_error=0.5, table_error=0.05
    )
    config = JointConfig(
        population=((speller_of_nothing, 1.0),),
        letters=False,
        lists=False,
        tie_bits=0.0,
        endgame_words=1,
        reach_bits=None,
    )
    old = GuesserConfig(handshake=False, noise=0.05, letters=False, tie_bits=0.0, endgame_words=1)
    state, old_state = guesser.start(own, config), table_guesser.start(toy_table, old)
    row = [keyword.name for keyword in toy_table.keywords].index(secret)
    for number in range(8):
        question, info = guesser.choose_question(own, state, config, np.random.default_rng(number))
        old_question, old_info = table_guesser.choose_question(toy_table, old_state, old, np.random.default_rng(number))
        assert question == old_question
        assert info.partner_bits == pytest.approx(0, abs=1e-9)
        assert info.information_bits == pytest.approx(old_info.information_bits, abs=1e-5)
        assert info.entropy_bits == pytest.approx(old_info.entropy_bits)
        column = toy_table.questions.index(question)
        answer: Answer = "yes" if probability_of(toy_table.codes[row, column]) > 0.5 else "no"
        state = guesser.observe(own, state, question.text, answer, config)
        old_state = table_guesser.observe(toy_table, old_state, question.text, answer, old)
        guess, top = guesser.choose_guess(own, state, config)
        old_guess, old_top = table_guesser.choose_guess(toy_table, old_state, old)
        assert guess == old_guess
        assert dict(top.top) == pytest.approx(dict(old_top.top), rel=1e-6)
        state = guesser.exclude(own, state, guess)
        old_state = table_guesser.exclude(toy_table, old_state, guess)
        by_name = dict(zip(own.words.words, beliefs.word_posterior(state.belief), strict=True))
        old_p = posterior(old_state.belief)
        assert [by_name[keyword.name] for keyword in toy_table.keywords] == pytest.approx(old_p, abs=1e-9)


def test_the_end_game_asks_what_the_look_ahead_values_most(toy_table: AnswerTable) -> None:
    own = universe_of(toy_table)
    config = JointConfig(endgame_words=64, endgame_miss=0.0, rounds=6)
    history: list[tuple[str, Answer, str | None]] = [(HANDSHAKE.text, "yes", "otter"), ("Is it loud?", "no", "desk")]
    state = guesser.replay(own, config, history)
    question, info = guesser.choose_question(own, state, config, np.random.default_rng(0))
    positions = state.belief.support
    others = [alphabetical(word) for word in own.words.words[5:60:6]] + [letter("contains", "a"), letter("longer", "6")]
    p_yes = np.stack([answers_to(own, one, positions, config) for one in (question, *others)])
    worth = reward_to_go(state.belief.weights, p_yes, rounds_left=4, depth=1)
    assert info.reward is not None
    assert info.reward == pytest.approx(worth[0], abs=0.05)
    assert worth[0] >= worth.max() - 0.02
    _, greedy = guesser.choose_question(own, state, JointConfig(endgame_words=1), np.random.default_rng(0))
    assert greedy.reward is None


def test_where_spelling_is_hopeless_it_plays_for_the_words_that_it_knows(universe: Universe) -> None:
    # Words without a row cannot be found with a partner who is next to random on letters.
    even = universe_of(universe.table, word_list(MADE_UP))
    population = ((LANGUAGE_MODEL, 1.0),)
    kinds = {}
    for reach_bits in (6.0, None):
        config = JointConfig(population=population, lists=False, reach_bits=reach_bits)
        question, _ = guesser.choose_question(even, guesser.start(even, config), config, np.random.default_rng(0))
        kinds[reach_bits] = question.kind
    assert kinds == {6.0: "table", None: "letter"}


def test_an_earlier_state_is_untouched_by_what_follows(universe: Universe) -> None:
    state = guesser.observe(universe, guesser.start(universe, MIXED), HANDSHAKE.text, "yes", MIXED)
    before = state.belief.weights.copy()
    later = state
    for text in (alphabetical("grimo").text, letter("contains", "u").text, universe.table.questions[0].text):
        later = guesser.observe(universe, later, text, "yes", MIXED)
        later = guesser.exclude(universe, later, guesser.choose_guess(universe, later, MIXED)[0])
    assert (state.belief.weights == before).all()
    assert (state.rounds, state.guesses) == (1, ())


def test_a_history_is_replayed_to_the_same_belief(universe: Universe) -> None:
    history: list[tuple[str, Answer, str | None]] = [
        (HANDSHAKE.text, "yes", "badu"),
        ('does the keyword (in lowercase) PRECEDE "grimo" in alphabetical order? ', "yes", MADE_UP[7]),
        ("is the keyword one of the following? otter, hammer", "probably not", None),
        ("What colour is it?", "yes", ""),
    ]
    state = guesser.start(universe, MIXED)
    for text, answer, guess in history:
        state = guesser.observe(universe, state, text, answer, MIXED)
        if guess:
            state = guesser.exclude(universe, state, guess)
    again = guesser.replay(universe, MIXED, history)
    assert (again.belief.weights == state.belief.weights).all()
    assert again.rounds == 4
    assert [key for key, _ in again.asked] == ["handshake", "before-word:grimo", "one-of:otter, hammer"]
    assert again.guesses == ("badu", MADE_UP[7])


def test_the_same_answer_again_tells_nothing_but_one_after_unknown_does(universe: Universe) -> None:
    text = alphabetical("grimo").text
    once = guesser.replay(universe, MIXED, [(text, "yes", None)])
    twice = guesser.replay(universe, MIXED, [(text, "yes", None), (text, "no", None)])
    late = guesser.replay(universe, MIXED, [(text, "unknown", None), (text, "yes", None)])
    assert (twice.belief.weights == once.belief.weights).all()
    assert (late.belief.weights == once.belief.weights).all()
    assert twice.rounds == late.rounds == 2


@pytest.mark.parametrize("config", [MIXED, ALL_ALPHA, JointConfig(population=((LANGUAGE_MODEL, 0.5), (LIAR, 0.5)))])
def test_no_question_is_asked_twice_and_no_guess_is_made_twice(universe: Universe, config: JointConfig) -> None:
    # A secret that no list holds: every guess is wrong, and answers soon contradict the belief.
    rng = np.random.default_rng(5)
    state, keys = guesser.start(universe, config), []
    names = {word.lower() for word in universe.words.words}
    for _ in range(40):
        question, _ = guesser.choose_question(universe, state, config, rng)
        keys.append(question.key)
        assert question.text.lower() not in names
        state = guesser.observe(universe, state, question.text, "yes" if rng.random() < 0.5 else "no", config)
        state = guesser.exclude(universe, state, guesser.choose_guess(universe, state, config)[0])
    assert len(set(keys)) == len(keys)
    assert len(set(state.guesses)) == len(state.guesses)


def test_when_all_words_are_ruled_out_it_guesses_a_text_like_none_before(toy_table: AnswerTable) -> None:
    own = universe_of(toy_table)
    state = guesser.start(own, MIXED)
    for keyword in toy_table.keywords:
        state = guesser.exclude(own, state, keyword.name)
    assert set(guesser.type_posterior(state, MIXED).values()) == {0.0}
    guess, info = guesser.choose_guess(own, state, MIXED)
    state = guesser.exclude(own, state, guess)
    assert info.top == ((guess, 0.0),)
    assert guesser.choose_guess(own, state, MIXED)[0] != guess
    question, _ = guesser.choose_question(own, state, MIXED, np.random.default_rng(0))
    state = guesser.observe(own, state, question.text, "yes", MIXED)
    assert not state.belief.weights.any()


def test_there_is_always_a_question() -> None:
    table = AnswerTable((Keyword("anvil"),), (Question("big", "Is it big?"),), code_of([[0.5]]), np.ones(1))
    tiny = universe_of(table, word_list(["anvil", "zebra"]))
    for words in (1, 48):
        config = JointConfig(letters=False, lists=False, endgame_words=words)
        state = guesser.start(tiny, config)
        for _ in range(8):
            question, _ = guesser.choose_question(tiny, state, config, np.random.default_rng(0))
            state = guesser.observe(tiny, state, question.text, "no", config)
        assert {key for key, _ in state.asked} == {"handshake", "big", "before-word:anvil", "before-word:zebra"}


def test_a_wrong_guess_tells_about_the_partner(universe: Universe) -> None:
    # An honest partner has all but named the word; if it is wrong after all, the partner is hardly honest.
    small = universe_of(universe.table, word_list(["badu", "bafi", "bagri", "zz"]))
    history: list[tuple[str, Answer, str | None]] = [
        (HANDSHAKE.text, "yes", None),
        (alphabetical("bagri").text, "yes", None),
        (alphabetical("bafi").text, "no", None),
        (alphabetical("bafi!").text, "yes", None),
    ]
    state = guesser.replay(small, MIXED, history)
    guess, _ = guesser.choose_guess(small, state, MIXED)
    assert guess == "bafi"
    after = guesser.exclude(small, state, guess)
    assert guesser.type_posterior(after, MIXED)["alpha"] < guesser.type_posterior(state, MIXED)["alpha"] / 4


def test_the_choice_is_that_of_the_generator_alone(universe: Universe) -> None:
    state = guesser.observe(universe, guesser.start(universe, MIXED), HANDSHAKE.text, "no", MIXED)
    loose = JointConfig(tie_bits=0.2, lists=False)
    keys = [
        guesser.choose_question(universe, state, loose, np.random.default_rng(seed))[0].key
        for seed in (*range(6), *range(6))
    ]
    assert keys[:6] == keys[6:]
    assert len(set(keys)) > 1


def test_pruning_changes_no_choice_and_loses_no_liars_secret() -> None:
    table = builtin_table()
    lists = word_list(["".join(parts) for parts in product("bcdfgklm", "aeiou", "bdfgkl", "aeio", "mnrst", "ay")])
    big = universe_of(table, lists)
    assert big.words.prior.size > beliefs.LEAST_KEPT // 2
    free = JointConfig(population=partners.MIXED, negligible=0.0)
    secret = big.words.words[4321]
    _, asked, state = play(big, MIXED, secret, lies=0.2, seed=3)
    _, asked_free, _ = play(big, free, secret, lies=0.2, seed=3)
    assert asked == asked_free
    assert big.words.words.index(secret) in state.belief.support


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opening": "hello"}, "opening"),
        ({"shrink": 1.5}, "shrink"),
        ({"negligible": 0.5}, "negligible"),
        ({"rounds": 0}, "rounds"),
        ({"reach_bits": -1.0}, "reach_bits"),
        ({"tie_bits": -1}, "tie_bits"),
        ({"population": ()}, "type of partner"),
    ],
)
def test_a_configuration_out_of_range_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointConfig(**change)  # type: ignore[arg-type]
