"""Heads, what they are to tell, and by how much they miss it."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.data.schema import HOSPITALS
from isic_lesion.image_models.config import AUXILIARY, ImageConfig
from isic_lesion.image_models.heads import CATEGORIES, KINDS, Head, heads_of
from isic_lesion.image_models.objectives import Scale, losses, total_loss, totals_of, truths_of, untaught
from isic_lesion.image_models.rows import ImageRows, row_schema

torch = pytest.importorskip("torch")

ALL = heads_of(ImageConfig(name="all", backbone="x", auxiliary=dict.fromkeys(AUXILIARY, 0.5)))


def rows_of(**columns: list[Any]) -> ImageRows:
    number = len(next(iter(columns.values())))
    given = {"isic_id": [f"ISIC_{k}" for k in range(number)], "source": [0] * number, "is_past": [False] * number}
    given |= {"target": [0] * number, **columns}
    schema = row_schema()
    frame = pl.DataFrame({name: given.get(name, [None] * number) for name in schema}, schema=schema)
    return ImageRows(frame, (Path("none.hdf5"),))


def labels_of(name: str, rows: ImageRows, train: list[int] | None = None) -> list[float]:
    head = next(head for head in ALL if head.name == name)
    chosen = np.arange(len(rows.frame)) if train is None else np.array(train, dtype=np.int64)
    truths = truths_of(rows, [head], chosen)
    assert np.array_equal(truths.weights[:, 0], 1.0 - np.isnan(truths.labels[:, 0]))
    return [float(label) for label in truths.labels[:, 0]]


def test_the_target_comes_first_and_the_others_in_the_order_given() -> None:
    config = ImageConfig(name="a", backbone="x", auxiliary={"past": 1e-4, "lesion_id": 0.1, "site": 0.2})
    assert heads_of(config) == (
        Head("target", "binary", 1, 1.0),
        Head("past", "binary", 1, 1e-4),
        Head("lesion_id", "binary", 1, 0.1),
        Head("site", "category", 5, 0.2),
    )


def test_every_auxiliary_name_has_a_head_and_only_categories_are_wide() -> None:
    assert set(KINDS) == {"target", *AUXILIARY}
    assert {head.name for head in ALL if head.width > 1} == {name for name, kind in KINDS.items() if kind == "category"}
    assert all(head.width == len(CATEGORIES.get(head.name, [0])) for head in ALL)


def test_a_lesion_id_is_known_of_this_contest_alone() -> None:
    rows = rows_of(lesion_id=["IL_1", None, "IL_2", None], is_past=[False, False, True, True])
    assert labels_of("lesion_id", rows) == pytest.approx([1, 0, math.nan, math.nan], nan_ok=True)
    assert labels_of("past", rows) == [0, 0, 1, 1]


def test_a_table_without_lesion_ids_says_nothing_of_them() -> None:
    assert np.isnan(labels_of("lesion_id", rows_of(lesion_id=[None, None]))).all()


@pytest.mark.parametrize(
    ("head", "column", "values", "expected"),
    [
        ("sex", "sex", ["female", "male", None], [0, 1, math.nan]),
        ("tile", "tbp_tile_type", ["3D: white", "3D: XP", None], [1, 0, math.nan]),
        ("site", "anatom_site_general", ["upper extremity", None, "anterior torso"], [4, math.nan, 0]),
        ("location", "tbp_lv_location_simple", ["Unknown", "Head & Neck", "Torso Front"], [math.nan, 0, 6]),
        ("hospital", "attribution", [HOSPITALS[3], "Elsewhere", None], [3, math.nan, math.nan]),
        ("diagnosis", "iddx_1", ["Malignant", "Benign", "Indeterminate"], [2, 0, 1]),
    ],
)
def test_facts_and_categories_are_read_from_their_columns(
    head: str, column: str, values: list[Any], expected: list[float]
) -> None:
    assert labels_of(head, rows_of(**{column: values})) == pytest.approx(expected, nan_ok=True)


def test_numbers_are_scaled_by_the_training_rows_alone() -> None:
    rows = rows_of(age_approx=[40.0, 60.0, None, 500.0], clin_size_long_diam_mm=[math.e, math.e**3, 0.0, None])
    assert labels_of("age", rows, train=[0, 1, 2]) == pytest.approx([-1, 1, math.nan, 45], nan_ok=True)
    assert labels_of("size", rows, train=[0, 1]) == pytest.approx([-1, 1, math.nan, math.nan], nan_ok=True)
    age = next(head for head in ALL if head.name == "age")
    assert truths_of(rows, [age], np.array([0, 1])).scales == {"age": Scale(50.0, 10.0)}


@pytest.mark.parametrize("ages", [[None, None], [50.0, 50.0]])
def test_numbers_that_do_not_differ_make_no_infinite_labels(ages: list[Any]) -> None:
    labels = labels_of("age", rows_of(age_approx=ages))
    assert labels == ([0, 0] if ages[0] else pytest.approx([math.nan] * 2, nan_ok=True))


def test_the_target_is_soft_where_that_is_asked_for() -> None:
    rows = rows_of(target=[0, 1, 0, None], iddx_1=["Indeterminate", "Malignant", "Benign", "Indeterminate"])
    hard = truths_of(rows, ALL[:1], np.arange(4))
    assert hard.labels[:, 0] == pytest.approx([0, 1, 0, math.nan], nan_ok=True)
    assert hard.weights[:, 0].tolist() == [1, 1, 1, 0]
    soft = truths_of(rows, ALL[:1], np.arange(4), soft=True)
    assert soft.labels[:, 0] == pytest.approx([1, 1, 0, math.nan], nan_ok=True)
    assert soft.weights[:, 0].tolist() == [0.5, 1, 1, 0]


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="ISIC_1: expected target 0 or 1, got 2"):
        truths_of(rows_of(target=[0, 2]), ALL[:1], np.arange(2))


def test_columns_are_in_the_order_of_the_heads() -> None:
    rows = rows_of(target=[1, 0], sex=["female", "male"], is_past=[False, True])
    truths = truths_of(rows, ALL, np.arange(2))
    assert truths.labels.shape == truths.weights.shape == (2, len(ALL))
    assert truths.labels.dtype == truths.weights.dtype == np.float32
    for place, head in enumerate(ALL):
        assert truths.labels[:, place].tolist() == pytest.approx(labels_of(head.name, rows), nan_ok=True)


def batch_of(number: int, seed: int) -> tuple[dict[str, Any], Any, Any]:
    """Return outputs of all heads, and labels and weights of which a part is unknown."""
    rng = np.random.default_rng(seed)
    outputs = {
        head.name: torch.tensor(rng.normal(0, 2, (number, head.width)), dtype=torch.float32, requires_grad=True)
        for head in ALL
    }
    labels = np.stack(
        [
            rng.normal(size=number) if head.kind == "number" else rng.integers(0, max(2, head.width), number)
            for head in ALL
        ],
        axis=1,
    ).astype(np.float32)
    weights = rng.choice([0.5, 1.0], labels.shape).astype(np.float32)
    is_unknown = rng.random(labels.shape) < 0.4
    labels[is_unknown], weights[is_unknown] = np.nan, 0
    return outputs, torch.from_numpy(labels), torch.from_numpy(weights)


def slow_losses(outputs: dict[str, Any], labels: Any, weights: Any) -> dict[str, float]:
    found = {}
    for place, head in enumerate(ALL):
        total = weight = 0.0
        for row in range(len(labels)):
            label, w = float(labels[row, place]), float(weights[row, place])
            if w == 0:
                continue
            z = outputs[head.name][row].detach().double().numpy()
            if head.kind == "binary":
                p = 1 / (1 + math.exp(-z[0]))
                loss = -math.log(p if label == 1 else 1 - p)
            elif head.kind == "number":
                d = abs(z[0] - label)
                loss = d * d / 2 if d < 1 else d - 0.5
            else:
                loss = -math.log(math.exp(z[int(label)]) / sum(math.exp(v) for v in z))
            total, weight = total + w * loss, weight + w
        found[head.name] = total / weight if weight else 0.0
    return found


@pytest.mark.parametrize("seed", range(4))
def test_losses_are_those_of_a_loop_over_known_rows(seed: int) -> None:
    outputs, labels, weights = batch_of(9, seed)
    found = losses(outputs, labels, weights, weights.sum(0))
    assert list(found) == [head.name for head in ALL]
    assert {name: loss.item() for name, loss in found.items()} == pytest.approx(
        slow_losses(outputs, labels, weights), rel=1e-5
    )


def test_losses_of_a_network_that_tells_nothing_are_those_of_a_guess() -> None:
    outputs = {head.name: torch.zeros(4, head.width) for head in ALL}
    labels = torch.ones(4, len(ALL))
    found = losses(outputs, labels, torch.ones(4, len(ALL)), torch.full((len(ALL),), 4.0))
    for head in ALL:
        expected = {"binary": math.log(2), "number": 0.5, "category": math.log(head.width)}[head.kind]
        assert float(found[head.name]) == pytest.approx(expected, rel=1e-6)


def test_an_unknown_label_moves_nothing() -> None:
    outputs, labels, weights = batch_of(12, 0)
    total_loss(losses(outputs, labels, weights, weights.sum(0)), ALL).backward()
    for place, head in enumerate(ALL):
        gradient = outputs[head.name].grad
        is_known = weights[:, place] > 0
        assert (gradient[~is_known] == 0).all()
        assert (gradient[is_known] != 0).any(dim=1).all()
        assert 0 < int(is_known.sum()) < 12


def test_a_head_of_which_nothing_is_known_has_no_loss_and_no_gradient() -> None:
    outputs, labels, weights = batch_of(5, 1)
    labels[:], weights[:] = math.nan, 0
    loss = total_loss(losses(outputs, labels, weights, weights.sum(0)), ALL)
    loss.backward()
    assert loss.item() == 0
    assert all((output.grad == 0).all() for output in outputs.values())


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 13), max_size=4))
@settings(max_examples=30, deadline=None)
def test_the_losses_and_gradients_of_pieces_add_up_to_those_of_the_step(seed: int, cuts: list[int]) -> None:
    outputs, labels, weights = batch_of(13, seed)
    totals = weights.sum(0)
    whole = losses(outputs, labels, weights, totals)
    total_loss(whole, ALL).backward()
    expected = {name: output.grad.clone() for name, output in outputs.items()}
    for output in outputs.values():
        output.grad = None
    added = dict.fromkeys(whole, 0.0)
    bounds = [0, *sorted(cuts), 13]
    for low, high in itertools.pairwise(bounds):
        piece = {name: output[low:high] for name, output in outputs.items()}
        parts = losses(piece, labels[low:high], weights[low:high], totals)
        total_loss(parts, ALL).backward()
        added = {name: added[name] + parts[name].item() for name in added}
    assert added == pytest.approx({name: loss.item() for name, loss in whole.items()}, rel=1e-5, abs=1e-6)
    for name, output in outputs.items():
        assert torch.allclose(output.grad, expected[name], atol=1e-7)


def test_the_total_weighs_the_heads() -> None:
    heads = (Head("target", "binary", 1, 1.0), Head("past", "binary", 1, 1e-4), Head("sex", "binary", 1, 0.0))
    parts = {"target": torch.tensor(2.0), "past": torch.tensor(3.0), "sex": torch.tensor(7.0)}
    assert float(total_loss(parts, heads)) == pytest.approx(2.0003)


def test_totals_count_what_is_known_in_the_step() -> None:
    rows = rows_of(target=[0, 1, None, 0], iddx_1=["Indeterminate", None, None, None], sex=["male", None, None, "male"])
    truths = truths_of(rows, [ALL[0], ALL[[head.name for head in ALL].index("sex")]], np.arange(4), soft=True)
    totals = totals_of(truths, np.array([0, 0, 1, 2]))
    assert totals.tolist() == [2.0, 2.0]
    assert totals.dtype == np.float32


def test_columns_that_are_not_the_outputs_are_refused() -> None:
    outputs, labels, weights = batch_of(3, 2)
    with pytest.raises(ValueError, match="expected 11 columns, got 10"):
        losses(outputs, labels[:, 1:], weights, weights.sum(0))


def test_heads_that_no_row_tells_anything_of_are_named() -> None:
    config = ImageConfig(name="a", backbone="b", auxiliary={"lesion_id": 0.1, "sex": 0.1, "age": 0.1})
    assert untaught(rows_of(target=[0, 1], sex=["male", None]), config) == ("lesion_id", "age")
    assert (
        untaught(rows_of(target=[0, 1], sex=["male", None], age_approx=[5.0, None], lesion_id=["x", None]), config)
        == ()
    )
