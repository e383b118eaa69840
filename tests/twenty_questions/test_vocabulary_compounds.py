"""New compounds: hidden names come back, the regression is what it claims to be, and one input has one output."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("lightgbm")

from scipy.sparse import csr_array

from furikaeri_common.errors import MissingExtraError
from twenty_questions.vocabulary.compounds import CompoundConfig, WordFacts, new_compounds
from twenty_questions.vocabulary.pair_matrix import (
    BestPlaces,
    Regression,
    best_factors,
    pair_matrix,
    trait_columns,
)

SMALL = CompoundConfig(number=60, pool=300, heads=50, penalty=1.0, rank=3, rounds=20, negatives=200, trait_words=2)
KITCHEN = ("knife", "table", "towel", "sink", "shelf", "mat", "lamp", "stool", "scale", "timer", "brush", "rack")
GARDEN = ("hose", "gnome", "shed", "rake", "path", "bed", "fork", "glove", "gate", "spade", "bench", "pond")
ROOMS, PLACES = ("kitchen", "bathroom", "pantry", "laundry"), ("garden", "yard", "park", "farm")


def two_worlds() -> dict[str, float]:
    """Return all pairs within a world, and none between them."""
    worlds = ((ROOMS, KITCHEN), (PLACES, GARDEN))
    return {f"{modifier} {head}": 1.0 for modifiers, heads in worlds for modifier in modifiers for head in heads}


def test_what_is_missing_within_a_world_comes_before_what_is_between_them() -> None:
    known = two_worlds()
    missing = {"kitchen lamp", "pantry mat", "yard gate", "farm pond", "laundry rack", "park hose"}
    made = new_compounds({name: 1.0 for name in known if name not in missing}, WordFacts(), config=SMALL)
    assert set(made.names[: len(missing)]) == missing
    assert (np.diff(made.scores) <= 0).all()


def test_names_are_new_and_of_two_words() -> None:
    known = two_worlds() | {"bench bench": 0.5, "gate bench": 1.0}
    made = new_compounds(known, WordFacts(), modifiers=["sauna", "bench"], exclude={"bench gate"}, config=SMALL)
    assert len(made.names) == len(set(made.names)) == len(made.scores) == SMALL.number
    assert not set(made.names) & (known.keys() | {"bench gate"})
    assert all(modifier != head for modifier, head in (name.split() for name in made.names))


def test_order_of_the_input_changes_nothing() -> None:
    known = two_worlds()
    facts = WordFacts(zipf={"kitchen": 4.0, "pond": 3.1}, concreteness={"gnome": 4.9})
    one = new_compounds(known, facts, config=SMALL, seed=3)
    two = new_compounds(dict(reversed(known.items())), facts, config=SMALL, seed=3)
    assert one.names == two.names
    assert np.array_equal(one.scores, two.scores)


def test_a_word_that_modified_nothing_is_judged_by_its_kind() -> None:
    traits = dict.fromkeys((*ROOMS, "scullery"), (1,)) | dict.fromkeys((*PLACES, "meadow"), (2,))
    matrix = pair_matrix(two_worlds(), ["scullery", "meadow"])
    columns = trait_columns(matrix.modifiers, traits, least_words=2, weight=0.5)
    scored = Regression.of_heads(matrix, columns, most=50, penalty=1.0)
    row = scored.rows(0, len(matrix.modifiers))[matrix.modifiers.index("scullery")]
    best = np.argsort(-row)[: len(KITCHEN)]
    assert {matrix.heads[place] for place in best} == set(KITCHEN)
    assert row[best].min() > 2 * abs(np.delete(row, best)).max()


def test_the_regression_is_a_ridge_regression_on_the_other_columns() -> None:
    rng = np.random.default_rng(0)
    heads, modifiers = [f"h{number}" for number in range(6)], [f"m{number:02}" for number in range(20)]
    known = {f"{m} {h}": float(rng.choice([0.5, 1.0])) for m in modifiers for h in heads if rng.random() < 0.5}
    matrix = pair_matrix(known, ())
    penalty = 2.5
    scores = Regression.of_heads(matrix, None, most=6, penalty=penalty).rows(0, len(matrix.modifiers))
    x = matrix.weights.toarray().astype(np.float64)
    for column in range(len(heads)):
        others = np.delete(x, column, axis=1)
        weights = np.linalg.solve(others.T @ others + penalty * np.eye(others.shape[1]), others.T @ x[:, column])
        assert np.allclose(scores[:, column], others @ weights, atol=1e-5)


def test_traits_are_columns_that_enough_words_share_and_not_most() -> None:
    traits = {"a": (7, 9), "b": (7, 9), "c": (9, 5), "d": (9,)}
    made = trait_columns(("a", "b", "c", "d"), traits, least_words=2, weight=0.5)
    assert made is not None
    assert made.toarray().tolist() == [[0.5], [0.5], [0.0], [0.0]]
    assert trait_columns(("a", "b"), {}, least_words=2, weight=0.5) is None


def test_single_places_are_those_of_whole_rows() -> None:
    matrix = pair_matrix(two_worlds(), ())
    regression = Regression.of_modifiers(matrix, most=50, penalty=1.0)
    whole = regression.rows(0, len(matrix.heads))
    rows, columns = (grid.ravel() for grid in np.indices((len(matrix.modifiers), len(matrix.heads))))
    assert np.allclose(regression.at(rows, columns), whole[columns, rows], atol=1e-6)


@pytest.mark.parametrize("block", [1, 3, 40])
def test_the_best_places_do_not_depend_on_the_blocks(block: int) -> None:
    scores = np.random.default_rng(1).integers(0, 30, (40, 9)).astype(np.float32)
    scores[3] = -np.inf
    best = BestPlaces(25)
    for first in range(0, len(scores), block):
        best.add(first, scores[first : first + block])
    rows, columns, values = best.found()
    least = np.sort(scores.ravel())[-25]
    expected = np.argwhere(scores >= least)
    assert np.array_equal(np.column_stack([rows, columns]), expected)
    assert np.array_equal(values, scores[rows, columns])


def test_the_factors_are_those_of_the_best_approximation() -> None:
    x = np.random.default_rng(2).random((30, 12)) * np.linspace(1, 3, 12)
    left, right = best_factors(csr_array(x), 4)
    u, values, vt = np.linalg.svd(x, full_matrices=False)
    assert np.allclose(left @ right.T, (u[:, :4] * values[:4]) @ vt[:4], atol=1e-3)


def test_few_names_may_all_be_chosen_to_be_hidden() -> None:
    config = CompoundConfig(number=5, pool=9, heads=5, rank=1, rounds=1, negatives=5, hidden=0.999)
    made = new_compounds({"tea cup": 1.0, "egg spoon": 1.0}, WordFacts(), config=config)
    assert set(made.names) == {"tea spoon", "egg cup"}
    assert new_compounds({"tea cup": 1.0}, WordFacts(), config=config).names == ()


def test_nothing_known_and_nothing_wanted() -> None:
    with pytest.raises(ValueError, match="at least one known"):
        new_compounds({}, WordFacts())
    assert new_compounds({"tea cup": 1.0}, WordFacts(), config=CompoundConfig(number=0)).names == ()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"furikaeri-twenty-questions\[vocabulary\]"):
        new_compounds({"tea cup": 1.0}, WordFacts(), config=SMALL)


@pytest.mark.parametrize(
    "wrong",
    [{"number": 5, "pool": 4}, {"penalty": 0.0}, {"hidden": 1.0}, {"rank": 0}, {"trait_words": 1}, {"push": -1}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        CompoundConfig(**wrong)
