"""The guesser, in whole games against partners that are honest, lie, or say anything at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions import belief, guesser
from twenty_questions.bisection import word_list
from twenty_questions.guesser import GuesserConfig
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, answer_by_spelling, letter
from twenty_questions.spelling_questions import halving_question, honest_answers, letter_questions, recognise
from twenty_questions.table import AnswerTable, code_of
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.words import Keyword, find, matches, names_match

NAMES = ("apple", "bridge", "candle", "drum", "eagle", "fork", "guitar", "hammer")
FACTS = ("Is it alive?", "Is it a tool?", "Does it make a sound?", "Is it found in a house?", "Is it round?")
TABLE = GuesserConfig(handshake=False, tie_bits=0.0)
ANSWERS = ("yes", "probably", "unknown", "probably not", "no")


def make_table(names=NAMES, facts=FACTS, extra=(), prior=None, seed: int = 3) -> AnswerTable:
    """Return a table in which every two things differ, and letter questions tell the truth."""
    rng = np.random.default_rng(seed)
    meaning = (np.arange(len(names))[:, None] >> np.arange(len(facts))) & 1 if len(facts) >= 3 else None
    honest = rng.integers(0, 2, (len(names), len(facts))) if meaning is None else meaning
    keywords = tuple(name if isinstance(name, Keyword) else Keyword(name) for name in names)
    spelled = np.array([[bool(answer_by_spelling(q, k.name)) for q in extra] for k in keywords])
    codes = np.hstack([honest, spelled.reshape(len(keywords), len(extra))])
    weights = np.ones(len(keywords)) if prior is None else np.asarray(prior, dtype=np.float64)
    return AnswerTable(
        keywords=keywords,
        questions=(*(Question(f"fact {i}", fact) for i, fact in enumerate(facts)), *extra),
        codes=code_of(codes),
        prior=weights / weights.sum(),
    )


def honest_answer(table: AnswerTable, question: Question, secret: str, alpha: bool) -> str:
    if question.kind == "handshake":
        return "yes" if alpha else "no"
    spelled = answer_by_spelling(question, secret)
    if spelled is None:
        row = index_of(table).names.index(secret) if secret in index_of(table).names else 0
        spelled = table.codes[row, index_of(table).column_of_key[question.key]] > 127
    return "yes" if spelled else "no"


def play(table, config, secret: str, *, alpha: bool = False, words=None, rounds: int = 20, seed: int = 0):
    """Play until the guess is right; return the round, and the history of question, answer and guess."""
    state, rng, history = guesser.start(table, config, words), np.random.default_rng(seed), []
    for number in range(1, rounds + 1):
        question, _ = guesser.choose_question(table, state, config, rng)
        answer = honest_answer(table, question, secret, alpha)
        state = guesser.observe(table, state, question.text, answer, config)
        guess, _ = guesser.choose_guess(table, state, config)
        history.append((question.text, answer, guess))
        if names_match(guess, secret):
            return number, history
        state = guesser.exclude(table, state, guess)
    return 0, history


def same_belief(one, other) -> bool:
    return np.array_equal(one.belief.log_posterior, other.belief.log_posterior) and np.array_equal(
        one.belief.excluded, other.belief.excluded
    )


@pytest.mark.parametrize("handshake", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_secret_is_found_in_time(handshake: bool, alpha: bool) -> None:
    table = make_table()
    config = dataclasses.replace(TABLE, handshake=handshake, noise=0.01)
    rounds = [play(table, config, secret, alpha=alpha)[0] for secret in NAMES]
    # Three exact answers tell eight things apart, the handshake is a fourth round, and every round guesses.
    assert 0 not in rounds
    assert max(rounds) <= 3 + handshake
    assert sum(rounds) <= sum([1, 1, 2, 2, 2, 2, 3, 3]) + 8 * handshake


def test_it_opens_with_the_handshake() -> None:
    table, config, rng = make_table(), GuesserConfig(), np.random.default_rng(0)
    state = guesser.start(table, config)
    question, info = guesser.choose_question(table, state, config, rng)
    assert question is HANDSHAKE
    assert info.information_bits == 0
    assert info.entropy_bits == pytest.approx(3)
    accepted = guesser.observe(table, state, HANDSHAKE.text, "yes", config)
    assert accepted.mode == "bisection"
    assert guesser.choose_question(table, accepted, config, rng)[0].kind == "alphabetical"
    for answer in ("no", "unknown", "probably not"):
        declined = guesser.observe(table, state, HANDSHAKE.text, answer, config)
        assert declined.mode == "table"
        assert guesser.choose_question(table, declined, config, rng)[0].kind == "table"
    assert guesser.choose_question(table, guesser.start(table, TABLE), TABLE, rng)[0].kind == "table"


def test_the_best_question_is_asked_and_explained() -> None:
    table = make_table(prior=[1, 1, 1, 1, 1, 1, 1, 1])
    question, info = guesser.choose_question(table, guesser.start(table, TABLE), TABLE, np.random.default_rng(0))
    assert question.key in ("fact 0", "fact 1", "fact 2")
    heard = 0.05 + 0.9 / 510
    expected = 1 + heard * np.log2(heard) + (1 - heard) * np.log2(1 - heard)
    assert info.information_bits == pytest.approx(expected)
    assert info.p_yes == pytest.approx(0.5)
    assert info.entropy_bits == pytest.approx(3)


def test_ties_are_broken_by_the_seed() -> None:
    table, state = make_table(), guesser.start(make_table(), TABLE)
    asked = [guesser.choose_question(table, state, TABLE, np.random.default_rng(seed))[0].key for seed in range(30)]
    assert set(asked) == {"fact 0", "fact 1", "fact 2"}
    assert asked == [
        guesser.choose_question(table, state, TABLE, np.random.default_rng(seed))[0].key for seed in range(30)
    ]


def test_an_answer_moves_the_belief_by_its_noise() -> None:
    table = make_table(extra=[letter("starts", "a")])
    config = dataclasses.replace(TABLE, noise=0.1, letter_noise=0.3)
    for question, noise, yes in ((table.questions[0], 0.1, [1, 3, 5, 7]), (table.questions[-1], 0.3, [0])):
        state = guesser.observe(table, guesser.start(table, config), question.text, "yes", config)
        likelihood = np.full(8, noise + (1 - 2 * noise) / 510)
        likelihood[yes] = 1 - likelihood[yes]
        np.testing.assert_allclose(belief.posterior(state.belief), likelihood / likelihood.sum(), rtol=1e-9)
        softly = guesser.observe(table, guesser.start(table, config), question.text, "probably", config)
        np.testing.assert_allclose(
            belief.posterior(softly.belief), likelihood**0.5 / (likelihood**0.5).sum(), rtol=1e-9
        )


def test_an_unknown_question_counts_only_as_a_round() -> None:
    table = make_table()
    state = guesser.start(table, TABLE)
    after = guesser.observe(table, state, "Would you marry it?", "yes", TABLE)
    assert after == state._replace(rounds=1)


@pytest.mark.parametrize("mangle", [str, str.upper, lambda text: f"  {text}\n"])
def test_own_wordings_are_recognised(mangle) -> None:
    table = make_table(extra=[letter("contains", "e")])
    own = [*table.questions, HANDSHAKE, letter("words", "1"), letter("longer", "7"), alphabetical("drum")]
    for question in own:
        recognised = guesser.recognise(table, mangle(question.text))
        assert recognised is not None
        if mangle is not str.upper or question.kind != "alphabetical":
            assert recognised == question
    # The word of an alphabetical question is compared as it is given.
    assert guesser.recognise(table, alphabetical("Straße").text).argument == "Straße"
    assert guesser.recognise(table, 'Does the keyword (in lowercase) precede "" in alphabetical order?') is None


def test_a_wrong_guess_rules_out_whatever_it_would_have_matched() -> None:
    table = make_table((Keyword("cup", ("mug",)), Keyword("mugs"), Keyword("the mug!"), Keyword("jug")))
    state = guesser.exclude(table, guesser.start(table, TABLE), "Mug")
    assert state.belief.excluded.tolist() == [True, True, True, False]
    assert guesser.choose_guess(table, state, TABLE)[0] == "jug"


@given(st.lists(st.text("theas ", min_size=1).filter(str.strip), min_size=1, max_size=8), st.text("theas "))
def test_positions_are_found_as_by_the_games_rule(names, guess: str) -> None:
    keywords = tuple(Keyword(name, (name + "s",)) for name in names)
    table = make_table(keywords, seed=1)
    assert positions_matching(index_of(table), guess) == find(guess, keywords)


def test_the_guesses_are_the_most_probable() -> None:
    table = make_table(prior=[5, 1, 7, 1, 1, 7, 1, 2])
    guess, info = guesser.choose_guess(table, guesser.start(table, TABLE), dataclasses.replace(TABLE, top=3))
    assert guess == "candle"
    assert [name for name, _ in info.top] == ["candle", "fork", "apple"]
    np.testing.assert_allclose([p for _, p in info.top], [0.28, 0.28, 0.2])


@pytest.mark.parametrize("alpha", [False, True])
def test_replay_is_the_game_itself(alpha: bool) -> None:
    table = make_table([*NAMES, *(f"{name} shop" for name in NAMES)])
    config = GuesserConfig(noise=0.2)
    _, history = play(table, config, "eagle shop", alpha=alpha)
    state = guesser.start(table, config)
    for position, (question, answer, guess) in enumerate(history):
        state = guesser.exclude(table, guesser.observe(table, state, question, answer, config), guess)
        replayed = guesser.replay(table, config, history[: position + 1])
        assert same_belief(replayed, state)
        assert replayed[1:5] == state[1:5]
        assert replayed.interval == state.interval
    still_guessing = guesser.replay(table, config, [*history[:-1], (*history[-1][:2], None)])
    assert guesser.choose_guess(table, still_guessing, config)[0] == history[-1][2]


def test_bisection_takes_a_list_of_its_own() -> None:
    table, words = make_table(), word_list(["ant", "bee", "cow", "dog", "elk", "fox"])
    config = GuesserConfig()
    for secret in words.words:
        number, history = play(table, config, secret, alpha=True, words=words)
        assert 1 <= number <= 4
        assert all("precede" in question for question, *_ in history[1:2])
        assert all(guess in words.words for *_, guess in history)


def test_bisection_explains_itself() -> None:
    table, config, rng = make_table(), GuesserConfig(), np.random.default_rng(0)
    words = word_list(["ant", "bee", "cow"], [1, 1, 2])
    state = guesser.observe(table, guesser.start(table, config, words), HANDSHAKE.text, "yes", config)
    question, info = guesser.choose_question(table, state, config, rng)
    assert question == alphabetical("cow")
    assert info == pytest.approx((1.0, 0.5, 1.5))
    guess, told = guesser.choose_guess(table, state, config)
    assert guess == "cow"
    assert told.top == (("cow", 0.5), ("ant", 0.25), ("bee", 0.25))


def test_when_the_list_lacks_the_secret_the_table_goes_on() -> None:
    table, words = make_table(), word_list(["ant", "bee", "cow", "dog", "elk", "fox"])
    number, history = play(table, GuesserConfig(), "guitar", alpha=True, words=words)
    assert 0 < number <= 8
    kinds = ["precede" in question for question, *_ in history[1:]]
    assert kinds == sorted(kinds, reverse=True)
    assert not kinds[-1]
    # What bisection heard counts in the table: everything before "fox" has become less likely.
    state = guesser.replay(table, GuesserConfig(), history[:-1], words)
    assert state.mode == "table"
    p = belief.posterior(state.belief)
    assert p[NAMES.index("hammer")] > p[NAMES.index("apple")]


def test_a_partner_that_accepts_and_then_lies_does_not_sink_the_game() -> None:
    table, config = make_table(), GuesserConfig(noise=0.02, letter_noise=0.4)
    state, rng = guesser.start(table, config), np.random.default_rng(0)
    state = guesser.observe(table, state, HANDSHAKE.text, "yes", config)
    for _ in range(8):
        question, _ = guesser.choose_question(table, state, config, rng)
        answer = honest_answer(table, question, "hammer", alpha=True)
        if question.kind == "alphabetical":
            answer = "yes" if answer == "no" else "no"
        state = guesser.observe(table, state, question.text, answer, config)
        guess, _ = guesser.choose_guess(table, state, config)
        if guess == "hammer":
            break
        state = guesser.exclude(table, state, guess)
    assert state.mode == "table"
    assert guess == "hammer"


def test_contradictory_alphabetical_answers_end_bisection() -> None:
    table, config = make_table(), GuesserConfig()
    history = [
        (HANDSHAKE.text, "yes", None),
        (alphabetical("d").text, "yes", None),
        (alphabetical("f").text, "no", None),
    ]
    assert guesser.replay(table, config, history[:2]).mode == "bisection"
    state = guesser.replay(table, config, history)
    assert state.mode == "table"
    assert state.interval.high <= state.interval.low
    assert guesser.choose_guess(table, state, config)[0] in NAMES


def test_a_partner_that_does_not_know_the_order_is_no_alpha() -> None:
    table, config = make_table(), GuesserConfig()
    history = [(HANDSHAKE.text, "yes", None), (alphabetical("d").text, "unknown", None)]
    assert guesser.replay(table, config, history).mode == "table"


def test_guesses_before_the_handshake_count_in_bisection() -> None:
    table, config = make_table(), GuesserConfig()
    state = guesser.exclude(table, guesser.start(table, config), "apples")
    state = guesser.observe(table, state, HANDSHAKE.text, "yes", config)
    assert guesser.choose_guess(table, state, config)[0] == "bridge"


def test_letters_are_asked_if_and_when_the_config_says() -> None:
    letters = [letter("before", value) for value in "bcdefgh"]
    table = make_table(facts=(), extra=[Question("fact 0", "Is it a tool?"), *letters])

    def kinds(config) -> list[str]:
        state, rng = guesser.start(table, config), np.random.default_rng(0)
        asked = []
        for _ in range(4):
            question, _ = guesser.choose_question(table, state, config, rng)
            asked.append(question.kind)
            state = guesser.observe(table, state, question.text, "unknown", config)
        return asked

    assert "letter" not in kinds(dataclasses.replace(TABLE, letters=False))
    assert kinds(dataclasses.replace(TABLE, letters_from=2))[:2] == ["table", "letter"]
    assert kinds(TABLE) == ["letter"] * 4


def test_a_question_that_is_a_keyword_is_never_asked() -> None:
    table = make_table(facts=("Is it alive?", "Drum", "hammer ", "Is it odd?"))
    state, rng = guesser.start(table, TABLE), np.random.default_rng(0)
    for _ in range(20):
        question, _ = guesser.choose_question(table, state, TABLE, rng)
        assert question.text.strip().lower() not in NAMES
        state = guesser.observe(table, state, question.text, "unknown", TABLE)


def test_when_all_was_asked_it_asks_again_what_was_left_open_or_makes_something_up() -> None:
    table = make_table()
    config = dataclasses.replace(TABLE, letters=False)
    answers = {"fact 0": "unknown", "fact 1": "yes", "fact 2": "no", "fact 3": "no", "fact 4": "no"}
    state = guesser.replay(table, config, [(q.text, answers[q.key], None) for q in table.questions])
    question, info = guesser.choose_question(table, state, config, np.random.default_rng(0))
    assert question.key == "fact 0"
    assert info.information_bits > 0.5
    state = guesser.observe(table, state, question.text, "yes", config)
    question, info = guesser.choose_question(table, state, config, np.random.default_rng(0))
    assert question.kind == "alphabetical"
    # "drum" holds most of the mass: the boundary falls beside it.
    assert question.argument in ("drum", "eagle")
    with_letters = guesser.choose_question(table, state, TABLE, np.random.default_rng(0))[1]
    assert with_letters.information_bits >= info.information_bits


def test_the_smallest_table_never_runs_dry() -> None:
    table = make_table(("cup",), ("Is it a cup shape?",))
    for config in (TABLE, dataclasses.replace(TABLE, letters=False), GuesserConfig()):
        state, rng = guesser.start(table, config), np.random.default_rng(0)
        guesses = []
        for _ in range(30):
            question, info = guesser.choose_question(table, state, config, rng)
            assert question.text.strip()
            assert info.information_bits >= 0
            state = guesser.observe(table, state, question.text, "yes", config)
            guess, told = guesser.choose_guess(table, state, config)
            assert told.top[0][0] == guess
            assert not any(names_match(guess, earlier) for earlier in guesses)
            guesses.append(guess)
            state = guesser.exclude(table, state, guess)
        assert guesses[0] == "cup"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_answered_the_game_goes_on(data) -> None:
    names = ["cup", "cups", "the cup", "mug", "drum", "drum kit", "kits", "Is it alive?"]
    table = make_table(tuple(names), extra=[letter("starts", "c"), alphabetical("dog")])
    config = GuesserConfig(
        handshake=data.draw(st.booleans()), letters=data.draw(st.booleans()), noise=data.draw(st.floats(0, 0.5))
    )
    words = word_list(["Ant", "bee", "cup"]) if data.draw(st.booleans()) else None
    state, rng = guesser.start(table, config, words), np.random.default_rng(data.draw(st.integers(0, 99)))
    guesses: list[str] = []
    for _ in range(25):
        question, info = guesser.choose_question(table, state, config, rng)
        assert 0 < len(question.text.strip()) <= 750
        assert question.text.lower() not in names
        assert guesser.recognise(table, question.text) == question
        assert 0 <= info.information_bits <= 1 + 1e-9
        assert 0 <= info.p_yes <= 1
        text = question.text if data.draw(st.integers(0, 9)) else data.draw(st.text())
        state = guesser.observe(table, state, text, data.draw(st.sampled_from(ANSWERS)), config)
        guess, _ = guesser.choose_guess(table, state, config)
        assert guess.strip()
        assert not any(names_match(guess, earlier) for earlier in guesses)
        guesses.append(guess)
        state = guesser.exclude(table, state, guess)
        p = belief.posterior(state.belief)
        assert np.isfinite(state.belief.log_posterior).all()
        assert p.sum() == pytest.approx(1)
    assert state.rounds == 25


def test_the_end_game_counts_the_guess() -> None:
    """One question halves the mass but keeps the two likeliest together; one is a little worse and parts them."""
    table = AnswerTable(
        keywords=tuple(Keyword(name) for name in NAMES[:7]),
        questions=(Question("halves", "Halves?"), Question("parts", "Parts?"), Question("poor", "Poor?")),
        codes=code_of([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        prior=np.array([0.25, 0.25, 0.1, 0.1, 0.1, 0.1, 0.1]),
    )

    def asked(endgame_words: int, endgame_bits: float = 0.1) -> str:
        config = dataclasses.replace(TABLE, noise=0.0, endgame_words=endgame_words, endgame_bits=endgame_bits)
        return guesser.choose_question(table, guesser.start(table, config), config, np.random.default_rng(0))[0].key

    # The seven are worth 2 to the 2.66, or 6.3.
    assert asked(1) == asked(6) == "halves"
    assert asked(7) == asked(1000) == "parts"
    assert asked(7, 0.001) == "halves"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": 0.6}, "noise in"),
        ({"letter_noise": -0.1}, "letter_noise in"),
        ({"probably": 2.0}, "probably in"),
        ({"tie_bits": -1.0}, "tie_bits of at least 0"),
        ({"endgame_bits": float("nan")}, "endgame_bits"),
        ({"endgame_words": 0}, "endgame_words of at least 1"),
        ({"letters_from": 0}, "letters_from of at least 1"),
        ({"top": 0}, "top of at least 1"),
    ],
)
def test_bad_settings_are_named(changes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GuesserConfig(**changes)


def test_letter_questions_know_their_words() -> None:
    questions = letter_questions()
    assert len(questions) == 4 * 26 + 19 + 4
    for text, question in questions.items():
        assert recognise(text) == question
        assert answer_by_spelling(question, "apple pie") in (True, False)
    assert recognise("Does the keyword start with a smile?") is None


def test_honest_answers_follow_the_spelling() -> None:
    p = honest_answers(letter("starts", "d"), ["drum", "Dog", "cup"])
    np.testing.assert_allclose(p, [509 / 510, 509 / 510, 1 / 510])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_the_halving_question_halves(given_weights) -> None:
    names = ["Kiwi", "apple", "Fig", "pear", "date", "lime", "Plum", "nut", "melon", "berry"][: len(given_weights)]
    p = np.array(given_weights) / sum(given_weights)
    argument = halving_question(names, p).argument
    before = sum(share for name, share in zip(names, p, strict=True) if name.lower() < argument)
    every = [sum(share for name, share in zip(names, p, strict=True) if name.lower() < word.lower()) for word in names]
    assert abs(before - 0.5) == pytest.approx(min(abs(share - 0.5) for share in every))


def test_matching_is_symmetric_where_the_guesser_relies_on_it() -> None:
    for guess, name in (("cups", "cup"), ("box", "boxes"), ("theatre", "atre")):
        assert matches(guess, Keyword(name))
        assert matches(name, Keyword(guess))
