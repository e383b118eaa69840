"""The choice of a question: when exact partners are bisected for the least rounds, and which kinds are looked at."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from twenty_questions.belief import Answer
from twenty_questions.bisection import word_list
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint import choosing, guesser
from twenty_questions.joint.candidates import Candidate
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.guesser import JointState
from twenty_questions.joint.partners import ALPHA, LANGUAGE_MODEL, LIAR, Population
from twenty_questions.joint.universe import Universe, universe_of
from twenty_questions.questions import HANDSHAKE, alphabetical, letter
from twenty_questions.split_costs import soonest_boundary
from twenty_questions.table import AnswerTable

MADE_UP = sorted({"".join(parts) for parts in product(("ba", "co", "du", "fle", "gri", "mo"), repeat=4)})
ALL_ALPHA = JointConfig(population=((ALPHA, 1.0),))
MIXED = JointConfig()


@pytest.fixture(scope="module")
def universe(toy_table: AnswerTable) -> Universe:
    """1,296 made-up words and the 60 things of the toy table."""
    prior = np.random.default_rng(2).pareto(1.2, size=len(MADE_UP)) + 0.05
    return universe_of(toy_table, word_list(MADE_UP, prior))


def split_after(universe: Universe, state: JointState, config: JointConfig = ALL_ALPHA) -> Candidate | None:
    asked = {key for key, _ in state.asked}
    mass = beliefs.type_posterior(state.belief)
    return choosing.soonest_split(universe, state.belief, mass, asked, config.rounds - state.rounds, config)


def test_an_exact_partner_is_split_as_the_words_left_are_by_themselves(universe: Universe) -> None:
    names, prior = universe.words.words, universe.words.prior
    history: list[tuple[str, Answer, str | None]] = [
        (alphabetical("dumo").text, "no", names[700]),
        (alphabetical("gri").text, "yes", names[650]),
        (alphabetical("flegri").text, "yes", "flebabaco"),
    ]
    state = guesser.replay(universe, ALL_ALPHA, history)
    left = [
        place
        for place, name in enumerate(names)
        if "dumo" <= name < "flegri" and name not in (names[700], names[650], "flebabaco")
    ]
    assert len(left) > 64
    boundary = soonest_boundary(prior[left], second_looks=8, rounds_left=17)
    found = split_after(universe, state)
    assert found is not None
    assert found.question == alphabetical(names[left[boundary]])
    question, info = guesser.choose_question(universe, state, ALL_ALPHA, np.random.default_rng(0))
    assert question == found.question
    # The outlook is that of all words held, those that contradict an answer included.
    before = state.belief.weights[:, state.belief.support < left[boundary]].sum()
    assert info.p_yes == pytest.approx(0.002 + 0.996 * before, abs=1e-5)


def test_words_that_pruning_dropped_or_a_guess_ruled_out_are_no_boundary(universe: Universe) -> None:
    state = guesser.replay(universe, ALL_ALPHA, [(alphabetical("co").text, "yes", None)])
    belief = state.belief
    kept = np.flatnonzero(np.arange(belief.support.size) % 3 > 0)
    pruned = beliefs.only(belief, kept)
    ruled_out = beliefs.exclude(belief, np.setdiff1d(np.arange(belief.support.size), kept))
    splits = [split_after(universe, state._replace(belief=one)) for one in (pruned, ruled_out)]
    assert splits[0] is not None
    assert splits[1] is not None
    assert splits[0].question == splits[1].question
    assert universe.words.words.index(splits[0].question.argument) in belief.support[kept]
    assert splits[0].outlook.yes == pytest.approx(splits[1].outlook.yes)


def test_two_words_are_parted_and_one_is_not(universe: Universe) -> None:
    belief = beliefs.start(universe.words.prior, ALL_ALPHA.population)
    two = JointState(beliefs.only(belief, np.array([40, 900])), rounds=5)
    found = split_after(universe, two)
    assert found is not None
    assert found.question == alphabetical(universe.words.words[900])
    assert split_after(universe, two._replace(asked=((found.question.key, "unknown"),))) is None
    assert split_after(universe, JointState(beliefs.only(belief, np.array([40])), rounds=5)) is None
    question, _ = guesser.choose_question(
        universe, two._replace(asked=((found.question.key, "unknown"),)), ALL_ALPHA, np.random.default_rng(0)
    )
    assert question != found.question


def test_the_end_of_the_game_parts_the_two_best_words(universe: Universe) -> None:
    state = guesser.replay(universe, ALL_ALPHA, [(alphabetical("co").text, "yes", None)])
    found = split_after(universe, state._replace(rounds=ALL_ALPHA.rounds - 1))
    assert found is not None
    first, second = sorted(beliefs.likeliest(beliefs.word_posterior(state.belief), 2).tolist())
    boundary = state.belief.support.tolist().index(universe.words.words.index(found.question.argument))
    assert first < boundary <= second


@pytest.mark.parametrize(
    "population",
    [((LANGUAGE_MODEL, 1.0),), ((LIAR, 1.0),), ((ALPHA, 0.8), (LIAR, 0.2))],
)
def test_partners_that_may_err_are_not_bisected_for_the_least_rounds(
    universe: Universe, population: Population
) -> None:
    config = JointConfig(population=population)
    assert split_after(universe, guesser.start(universe, config), config) is None


def test_once_most_of_the_mass_contradicts_an_answer_it_is_not_bisected_on(universe: Universe) -> None:
    # What agrees with every answer is one improbable word and its neighbour.
    belief = beliefs.start(universe.words.prior, ALL_ALPHA.population)
    weights = belief.weights * 1e-3
    weights[:, 500:502] *= 100
    few = JointState(belief._replace(weights=weights / weights.sum()), rounds=9)
    assert split_after(universe, few) is None
    weights[:, 500:502] *= 1e6
    many = JointState(belief._replace(weights=weights / weights.sum()), rounds=9)
    assert split_after(universe, many) is not None


def test_a_kind_that_is_not_looked_at_would_not_have_been_chosen(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = universe.words.words
    config = JointConfig(endgame_words=1)
    looks: list[int] = []
    plain = choosing.letter_candidates

    def counted(*given: object) -> list[Candidate]:
        looks.append(1)
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(choosing, "soonest_split", lambda *_: None)
    monkeypatch.setattr(choosing, "letter_candidates", counted)
    numbers = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        texts = [
            HANDSHAKE.text,
            letter("contains", "o").text,
            *(alphabetical(names[place]).text for place in rng.integers(len(names), size=3).tolist()),
            *(universe.table.questions[column].text for column in range(2)),
        ]
        state = guesser.start(universe, config)
        for text in rng.permutation(texts).tolist():
            looks.clear()
            question, _ = guesser.choose_question(universe, state, config, np.random.default_rng(seed))
            numbers.append(len(looks))
            with monkeypatch.context() as patch:
                patch.setattr(choosing, "_may_be_best", lambda *_: True)
                assert guesser.choose_question(universe, state, config, np.random.default_rng(seed))[0] == question
            answer: Answer = "yes" if rng.random() < 0.5 else "no"
            state = guesser.observe(universe, state, text, answer, config)
    assert set(numbers) == {0, 1}


def test_who_answers_is_asked_before_what_can_be_reached_counts(universe: Universe) -> None:
    hopeless = JointConfig(reach_bits=0.0, rounds=12)
    for config in (MIXED, hopeless):
        question, info = guesser.choose_question(
            universe, guesser.start(universe, config), config, np.random.default_rng(0)
        )
        assert question == HANDSHAKE
        # P(yes) over all partners, not over those with whom something can still be found.
        assert info.p_yes == pytest.approx(sum(share * kind.handshake_yes for kind, share in config.population))
    question, _ = guesser.choose_question(
        universe, guesser.start(universe, ALL_ALPHA), ALL_ALPHA, np.random.default_rng(0)
    )
    assert question.kind == "alphabetical"
