"""The prior over a vocabulary: the logit's optimum, features that do not flatter what is known, and figures by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.alphabetical_players import halve_and_guess_best
from twenty_questions.vocabulary.candidates import COLUMNS, Selection, Sources, candidate_frame
from twenty_questions.vocabulary.conditional_logit import fit_conditional_logit, log_softmax
from twenty_questions.vocabulary.prior_features import features_of, kinship
from twenty_questions.vocabulary.prior_model import PriorConfig, fit_prior, rows_of_keywords
from twenty_questions.vocabulary.prior_study import baselines, study_priors
from twenty_questions.vocabulary.written_lists import WrittenName
from twenty_questions.words import Keyword

HEADS = ("lamp", "table", "rack", "bag", "cake", "tree", "brush", "pump", "panel", "cover")
MODIFIERS = ("desk", "floor", "bike", "water", "apple", "garden", "steel", "paper", "solar", "mud", "zinc", "odd")


def frame(rng: np.random.Generator) -> tuple[pl.DataFrame, list[Keyword]]:
    """Return candidates of which the written ones are likelier, and keywords drawn so."""
    names = [*HEADS, *(f"{modifier} {head}" for modifier in MODIFIERS for head in HEADS)]
    written = {name: WrittenName(1, 2, 2, 0) for name in names[::3]}
    zipf = {word: float(rng.uniform(2, 6)) for word in (*HEADS, *MODIFIERS)}
    sources = Sources(written=written, zipf=zipf, concreteness=dict.fromkeys(names, 4.5))
    candidates = candidate_frame(sources, Selection(), [name for name in names if " " in name], {})
    held = candidates["name"].to_list()
    likely = [name for name in held if name in written]
    drawn = [*rng.choice(likely, size=24, replace=False), *rng.choice(held, size=8, replace=False)]
    return candidates, [Keyword(name) for name in dict.fromkeys(map(str, drawn))]


@pytest.fixture(scope="module")
def given_frame() -> tuple[pl.DataFrame, list[Keyword]]:
    return frame(np.random.default_rng(0))


SMALL = PriorConfig(trees=20, ridge=1.0)


def test_a_logit_of_indicators_gives_each_group_the_share_that_was_seen() -> None:
    group = np.repeat([0, 1, 2], [50, 30, 20])
    features = np.eye(3, dtype=np.float32)[group]
    rows = np.array([0, 1, 50, 51, 52, 53, 80, 81])
    b = fit_conditional_logit(features, rows, np.ones(8), ridge=1e-6)
    p = np.exp(log_softmax(features.astype(float) @ b))
    np.testing.assert_allclose(np.bincount(group, p), [2 / 8, 4 / 8, 2 / 8], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_at_the_optimum_the_penalised_gradient_is_zero(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(60, 4)).astype(np.float32)
    rows, weights = rng.integers(60, size=9), rng.uniform(0.5, 2, size=9)
    b = fit_conditional_logit(features, rows, weights, ridge=ridge)
    p = np.exp(log_softmax(features.astype(float) @ b))
    gradient = weights @ features[rows] - weights.sum() * (p @ features) - ridge * b
    np.testing.assert_allclose(gradient, 0, atol=2e-3 * weights.sum())


def test_a_heavy_penalty_leaves_the_uniform_distribution_and_what_cannot_be_fitted_is_refused() -> None:
    features = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    b = fit_conditional_logit(features, np.array([1, 2]), np.ones(2), ridge=1e9)
    np.testing.assert_allclose(b, 0, atol=1e-6)
    with pytest.raises(ValueError, match="ridge > 0"):
        fit_conditional_logit(features, np.array([1]), np.ones(1), ridge=0)
    with pytest.raises(ValueError, match="a weight each"):
        fit_conditional_logit(features, np.array([1, 2]), np.ones(1), ridge=1)


def test_a_known_keyword_is_not_its_own_kin(given_frame) -> None:
    candidates, _ = given_frame
    names = candidates["name"].to_list()
    known = np.array([names.index("desk lamp"), names.index("floor lamp"), names.index("lamp")])
    kin = kinship(candidates, known)
    heads = dict(zip(names, np.expm1(kin.values[:, kin.columns.index("kin_head")]), strict=True))
    assert heads["bike lamp"] == pytest.approx(3, abs=1e-5)
    assert heads["desk lamp"] == heads["lamp"] == pytest.approx(2, abs=1e-5)
    assert heads["desk table"] == 0
    modifiers = dict(zip(names, np.expm1(kin.values[:, kin.columns.index("kin_modifier")]), strict=True))
    assert (modifiers["desk table"], modifiers["desk lamp"], modifiers["lamp"]) == (pytest.approx(1, abs=1e-5), 0, 0)


def test_what_was_written_in_sight_of_known_keywords_counts_for_others_alone() -> None:
    names = ("fan", "hat", "mug", "tub")
    written = {
        "fan": WrittenName(0, 0, 0, 1),
        "hat": WrittenName(0, 0, 0, 1),
        "mug": WrittenName(1, 2, 2, 1),
        "tub": WrittenName(2, 1, 1, 0),
    }
    candidates = candidate_frame(Sources(written=written), Selection(), [], {})
    assert candidates["name"].to_list() == list(names)
    features = features_of(candidates, np.array([0]))

    def column(name: str) -> list[float]:
        return features.values[:, features.columns.index(name)].tolist()

    assert column("written_tier_1") == [0, 0, 1, 0]
    assert column("written_tier_2") == [0, 1, 0, 1]
    assert column("written_by_2") == [0, 0, 1, 0]
    features = features_of(candidates, np.array([0]), in_sight=np.array([0, 1]))
    assert column("written_tier_2") == [0, 0, 0, 1]


def test_what_judges_said_is_a_feature_a_level() -> None:
    judged = {"fan": 3, "hat": 1, "mug": 2}
    written = {name: WrittenName(2, 1, 1, 0) for name in ("fan", "hat", "mug", "tub")}
    features = features_of(candidate_frame(Sources(written=written, judged=judged), Selection(), [], {}), np.array([0]))
    levels = [features.values[:, features.columns.index(f"judged_{level}")].tolist() for level in (1, 2, 3)]
    assert levels == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]


def test_features_are_finite_whatever_is_missing(given_frame) -> None:
    candidates, _ = given_frame
    assert set(COLUMNS) == set(candidates.columns)
    features = features_of(candidates, np.array([3, 4]))
    assert features.values.shape == (len(candidates), len(features.columns))
    assert len(set(features.columns)) == len(features.columns)
    assert np.isfinite(features.values).all()


def test_keywords_are_found_by_letters_first_and_then_as_the_game_matches() -> None:
    names = ["apple", "apples", "coffee maker", "tv"]
    keywords = [Keyword("Apples"), Keyword("Coffee Machine", ("Coffee Makers",)), Keyword("Boat"), Keyword("T.V.")]
    seen = rows_of_keywords(names, keywords)
    assert seen.rows.tolist() == [1, 2, 3]
    assert seen.found.tolist() == [True, True, False, True]


def test_the_prior_prefers_what_keywords_have_and_bounds_what_a_word_can_lose(given_frame) -> None:
    candidates, known = given_frame
    p = fit_prior(candidates, known, SMALL, 0)
    assert p.sum() == pytest.approx(1)
    written = candidates["written_tier"].to_numpy() > 0
    assert p[written].mean() > 2 * p[~written].mean()
    assert p.min() >= 0.99 * SMALL.uniform_share / len(p)
    np.testing.assert_array_equal(p, fit_prior(candidates, known, SMALL, 0))
    with pytest.raises(InputError, match="none of the known keywords"):
        fit_prior(candidates, [Keyword("no such thing")], SMALL, 0)


def test_a_study_judges_each_keyword_by_the_others_and_beside_baselines(given_frame) -> None:
    candidates, known = given_frame
    missing = [*known, Keyword("no such thing")]
    study = study_priors(candidates, missing, SMALL, 0, parts=4)
    by_name = {figures.name: figures for figures in study.figures}
    assert list(by_name) == ["learned", "uniform", "frequency", "counts"]
    assert by_name["uniform"].bits.value == pytest.approx(np.log2(len(candidates)))
    assert by_name["learned"].bits.value < by_name["uniform"].bits.value
    assert by_name["uniform"].losers == 0
    assert by_name["learned"].find_rate == pytest.approx(len(known) / len(missing))
    assert sum(band.seen for band in study.bands) == len(known)
    assert sum(band.expected for band in study.bands) == pytest.approx(len(known))
    rewards = np.where(study.rounds["learned"] > 0, 21 - study.rounds["learned"], -1)
    assert by_name["learned"].reward.value == pytest.approx(rewards.mean())


def test_lists_in_sight_of_all_known_keywords_do_not_flatter_those_judged() -> None:
    names = [f"{first}{second}t" for first in "bcdfghjklm" for second in "aeiou"]
    known = [Keyword(name) for name in names[::5]]
    in_sight = {name: WrittenName(0, 0, 0, 1) for name in names[::5]}
    plain, seen = (
        study_priors(
            candidate_frame(Sources(written=written, zipf=dict.fromkeys(names, 3.0)), Selection(), [], {}),
            known,
            SMALL,
            0,
            parts=5,
        )
        for written in ({}, in_sight)
    )
    assert seen.figures == plain.figures
    assert seen.bands == plain.bands


def test_a_study_needs_parts_that_hold_keywords(given_frame) -> None:
    candidates, known = given_frame
    for parts in (1, len(known) + 1):
        with pytest.raises(ValueError, match="expected parts"):
            study_priors(candidates, known, SMALL, 0, parts=parts)


def test_held_out_keywords_are_judged_by_all_that_are_known(given_frame) -> None:
    candidates, known = given_frame
    study = study_priors(candidates, known[:20], SMALL, 0, held_out=known[20:])
    p = fit_prior(candidates, known[:20], SMALL, 0)
    rows = rows_of_keywords(candidates["name"].to_list(), known[20:]).rows
    assert study.figures[0].bits.value == pytest.approx(-np.log2(p[rows]).mean())
    np.testing.assert_array_equal(study.rounds["learned"], halve_and_guess_best(p)[rows])


def test_baselines_are_what_they_say(given_frame) -> None:
    candidates, _ = given_frame
    priors = baselines(candidates)
    assert all(values.sum() == pytest.approx(1) for values in priors.values())
    names = candidates["name"].to_list()
    zipf = dict(zip(names, candidates["zipf"].to_list(), strict=True))
    lamp = priors["frequency"][names.index("lamp")] / priors["frequency"][names.index("rack")]
    assert lamp == pytest.approx(10 ** (zipf["lamp"] - zipf["rack"]), rel=1e-5)
    assert priors["frequency"][names.index("desk lamp")] < priors["frequency"][names.index("lamp")]
    assert set(np.round(priors["counts"] / priors["counts"].min())) == {1, 3}
