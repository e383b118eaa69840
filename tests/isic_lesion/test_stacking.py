"""A stack: weights and estimates that can be recomputed by hand, for known hospitals and unknown ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.scores import write_scores
from isic_lesion.stack.blending import choose_weights
from isic_lesion.stack.files import read_stack, write_stack
from isic_lesion.stack.fitting import (
    EQUAL,
    NESTED,
    STACK,
    STACK_BLIND,
    STACK_UNKNOWN,
    Stack,
    StackConfig,
    apply_stack,
    fit_stack,
    stack_held_out,
)
from isic_lesion.stack.ranks import rank_shares

ROWS = 900
RNG = np.random.default_rng(11)
METADATA = pl.DataFrame(
    {
        "isic_id": [f"ISIC_{number:04d}" for number in RNG.permutation(ROWS)],
        "patient_id": [f"IP_{number % 90}" for number in range(ROWS)],
        "target": (RNG.random(ROWS) < 0.12).astype(np.int8),
        "attribution": [f"H{number % 90 % 4}" for number in range(ROWS)],
    }
)
QUICK = StackConfig(trials=40)
WORTH = {"gbdt": 1.4, "image": 1.0, "mlp": 0.6}


def held_out(folds: Folds, worth: dict[str, float] | None = None) -> pl.DataFrame:
    """Return scores of models that are worth more or less, in every round that held a lesion out."""
    rows = folds.frame.select("isic_id", "fold")
    if folds.scheme == "hospitals":
        elsewhere = folds.frame.filter(pl.col("fold") != pl.col("hospital_fold"))
        rows = pl.concat([rows, elsewhere.select("isic_id", fold="hospital_fold")])
    target = rows.join(METADATA, on="isic_id", maintain_order="left")["target"].to_numpy()
    rng = np.random.default_rng(5)
    common = rng.normal(size=len(rows)) * 0.5
    return pl.concat(
        rows.with_columns(model=pl.lit(model), score=pl.Series(by * target + common + rng.normal(size=len(rows))))
        for model, by in (worth or WORTH).items()
    )


def new_lesions() -> pl.DataFrame:
    """Return scores of lesions that nobody trained on."""
    rng = np.random.default_rng(8)
    ids = [f"TEST_{number:03d}" for number in range(60)]
    nobody = pl.lit(None, pl.UInt8)
    return pl.concat(
        pl.DataFrame({"isic_id": ids, "score": rng.normal(size=len(ids))}).select(
            "isic_id", "score", fold=nobody, model=pl.lit(model)
        )
        for model in WORTH
    )


@pytest.fixture(scope="module")
def folds() -> Folds:
    return assign_patient_folds(METADATA)


@pytest.fixture(scope="module")
def stack(folds: Folds) -> Stack:
    return fit_stack(held_out(folds), METADATA, folds, QUICK)


@pytest.mark.parametrize("rank_within", ["all", "fold"])
@pytest.mark.parametrize("objective", ["pooled", "mean"])
def test_every_figure_can_be_recomputed(folds: Folds, rank_within: str, objective: str) -> None:
    config = StackConfig(trials=30, objective=objective, rank_within=rank_within)
    made = fit_stack(held_out(folds), METADATA, folds, config)
    rows = folds.frame.sort("isic_id").join(METADATA.drop("patient_id"), on="isic_id", maintain_order="left")
    malignant, fold = rows["target"].to_numpy() == 1, rows["fold"].to_numpy()
    groups = fold if rank_within == "fold" else None
    shares = np.array(
        [
            rank_shares(scores.sort("isic_id")["score"], groups)
            for _, scores in held_out(folds).sort("model").group_by("model", maintain_order=True)
        ]
    )

    def weights_on(chosen: np.ndarray) -> np.ndarray:
        return choose_weights(
            shares[:, chosen], malignant[chosen], fold[chosen], objective=objective, trials=30, seed=42
        )

    weights = weights_on(np.full(ROWS, True))
    assert made.known is not None
    assert made.known.models == tuple(sorted(WORTH))
    assert made.known.weights == pytest.approx(weights)
    nested = np.empty(ROWS)
    for k in range(5):
        of_others = weights_on(fold != k)
        assert made.known.fold_weights[k] == pytest.approx(of_others)
        nested[fold == k] = of_others @ shares[:, fold == k]
    expected = {**dict(zip(made.known.models, shares, strict=True)), EQUAL: shares.mean(axis=0)}
    expected |= {STACK: weights @ shares, NESTED: nested}
    assert [line.name for line in made.known.lines] == list(expected)
    for line in made.known.lines:
        values = expected[line.name]
        assert line.estimate.pooled == pytest.approx(partial_auc(malignant, values))
        per_fold = [partial_auc(malignant[fold == k], values[fold == k]) for k in range(5)]
        assert line.estimate.per_fold == pytest.approx(per_fold)
        assert line.estimate.mean == pytest.approx(np.mean(per_fold))
        assert line.estimate.spread == pytest.approx(np.std(per_fold, ddof=1))
    own = stack_held_out(made, held_out(folds), folds)
    assert own["score"].to_numpy() == pytest.approx(nested)
    assert own["isic_id"].equals(rows["isic_id"])


def test_the_order_of_rows_does_not_matter_and_a_seed_repeats(folds: Folds, stack: Stack) -> None:
    shuffled = held_out(folds).sample(fraction=1, shuffle=True, seed=2)
    again = fit_stack(shuffled, METADATA.reverse(), folds, QUICK)
    assert again == stack
    assert stack_held_out(again, shuffled, folds).equals(stack_held_out(stack, held_out(folds), folds))


def test_the_best_model_counts_most_and_the_choice_pays(stack: Stack) -> None:
    assert max(stack.weights_known, key=stack.weights_known.__getitem__) == "gbdt"
    assert stack.known is not None
    figures = {line.name: line.estimate.pooled for line in stack.known.lines}
    assert figures[STACK] >= max(figures[name] for name in (*WORTH, EQUAL))
    assert figures[NESTED] <= figures[STACK]
    assert stack.unknown == stack.known
    assert stack.models == tuple(sorted(stack.weights_known))


def test_models_by_pattern(folds: Folds) -> None:
    config = StackConfig(trials=10, known_models=("g*", "mlp"), unknown_models=("im?ge",))
    made = fit_stack(held_out(folds), METADATA, folds, config)
    assert made.known is not None
    assert made.unknown is not None
    assert made.known.models == ("gbdt", "mlp")
    assert made.weights_unknown == {"image": 1.0}
    own = stack_held_out(made, held_out(folds), folds)
    assert own["model"].value_counts().sort("model").rows() == [(STACK, ROWS), (STACK_BLIND, ROWS)]
    with pytest.raises(InputError, match=r"no model matches 'lgb\*'. There are: gbdt, image, mlp"):
        fit_stack(held_out(folds), METADATA, folds, StackConfig(unknown_models=("lgb*",)))


def test_unknown_hospitals_are_judged_where_they_were_held_out() -> None:
    folds = assign_hospital_folds(METADATA, num_folds=4)
    scores = held_out(folds)
    made = fit_stack(scores, METADATA, folds, QUICK)
    place_of = folds.frame.join(METADATA.select("isic_id", "target"), on="isic_id")
    together = place_of["fold"] == place_of["hospital_fold"]
    assert made.known is not None
    assert made.unknown is not None
    assert made.known.lesions == int((~together).sum())
    assert made.unknown.lesions == ROWS
    own = stack_held_out(made, scores, folds)
    unseen = own.filter(pl.col("model") == STACK_UNKNOWN).join(place_of, on="isic_id", suffix="_of_patient")
    assert unseen["fold"].equals(unseen["hospital_fold"].rename("fold"))
    seen = own.filter(pl.col("model") == STACK).join(place_of, on="isic_id", suffix="_of_patient")
    assert seen["fold"].equals(seen["fold_of_patient"].rename("fold"))
    assert (seen["fold"] != seen["hospital_fold"]).all()
    of_unseen = made.unknown.estimate_of(NESTED)
    assert of_unseen is not None
    assert of_unseen.pooled == pytest.approx(partial_auc(unseen["target"], unseen["score"]))

    only_patients = scores.join(folds.frame.select("isic_id", "fold"), on=["isic_id", "fold"], how="semi").join(
        folds.frame.select("isic_id", fold="hospital_fold"), on=["isic_id", "fold"], how="anti"
    )
    made = fit_stack(only_patients, METADATA, folds, QUICK)
    assert made.unknown is None
    assert made.weights_unknown == {}
    with pytest.raises(InputError, match="TEST_001 is of an unknown hospital, for which the stack has no weights"):
        apply_stack(made, new_lesions(), pl.Series(["TEST_000", "TEST_001"]), np.array([True, False]))


def test_lesions_that_a_model_lacks_are_left_out(folds: Folds) -> None:
    scores = held_out(folds)
    some = scores.filter((pl.col("model") != "image") | (pl.col("isic_id") < "ISIC_0500"))
    made = fit_stack(some, METADATA, folds, QUICK)
    assert made.known is not None
    assert (made.known.lesions, made.known.left_out) == (500, 400)
    assert len(stack_held_out(made, some, folds)) == 500
    benign = METADATA.filter(pl.col("target") == 0)["isic_id"]
    none = scores.filter((pl.col("model") != "image") | pl.col("isic_id").is_in(benign.implode()))
    with pytest.raises(InputError, match=r"have scored lack a class. Leave out 'image', which has scored the fewest"):
        fit_stack(none, METADATA, folds, QUICK)


def test_without_nesting_and_with_a_fold_that_has_no_malignant(folds: Folds) -> None:
    made = fit_stack(held_out(folds), METADATA, folds, StackConfig(trials=10, nested=False))
    assert made.known is not None
    assert made.known.fold_weights == ()
    assert made.known.estimate_of(NESTED) is None
    assert len(stack_held_out(made, held_out(folds), folds)) == ROWS
    third = folds.frame.filter(pl.col("fold") == 3)["isic_id"].implode()
    bare = METADATA.with_columns(target=pl.when(pl.col("isic_id").is_in(third)).then(0).otherwise("target"))
    made = fit_stack(held_out(folds), bare, folds, QUICK)
    assert made.known is not None
    per_fold = made.known.lines[0].estimate.per_fold
    assert [value is None for value in per_fold] == [False, False, False, True, False]
    one = folds.frame.filter(pl.col("fold") == 0)["isic_id"].implode()
    alone = METADATA.with_columns(target=pl.when(pl.col("isic_id").is_in(one)).then("target").otherwise(0))
    made = fit_stack(held_out(folds), alone, folds, QUICK)
    assert made.known is not None
    assert made.known.estimate_of(NESTED) is None
    assert made.known.lines[0].estimate.spread is None


def test_what_cannot_be_stacked_is_told(folds: Folds) -> None:
    scores = held_out(folds)
    with pytest.raises(InputError, match="no score is of a lesion that was held out"):
        fit_stack(new_lesions(), METADATA, folds)
    with pytest.raises(InputError, match=r"ISIC_0000 has scores, but no target of 0 or 1 \(1 lesions in all\)"):
        fit_stack(scores, METADATA.filter(pl.col("isic_id") != "ISIC_0000"), folds)
    with pytest.raises(InputError, match="was held out in fold"):
        fit_stack(scores, METADATA, assign_patient_folds(METADATA, seed=1))
    for wrong in ({"trials": 0}, {"least_weight": 1.0}, {"objective": "auc"}, {"rank_within": "patient"}):
        with pytest.raises(ValueError, match="expected"):
            StackConfig(**wrong)


def test_a_set_is_scored_by_the_weighted_mean_of_its_ranks(stack: Stack) -> None:
    scores = new_lesions()
    ids = scores["isic_id"].unique().sample(fraction=1, shuffle=True, seed=1)
    known = np.full(len(ids), True)
    wide = scores.pivot("model", index="isic_id", values="score")
    mean = sum(weight * rank_shares(wide[model]) for model, weight in stack.weights_known.items())
    expected = dict(zip(wide["isic_id"], rank_shares(mean), strict=True))
    found = apply_stack(stack, scores, ids, known)
    assert found == pytest.approx([expected[name] for name in ids])
    bent = scores.with_columns(pl.col("score").exp() * 7)
    assert apply_stack(stack, bent, ids, known) == pytest.approx(found)
    more = pl.concat([scores, new_lesions().filter(model="mlp").with_columns(model=pl.lit("unasked"))])
    assert apply_stack(stack, more, ids, known) == pytest.approx(found)
    assert apply_stack(stack, scores, ids[:5], known[:5]) == pytest.approx(found[:5])


def test_known_and_unknown_hospitals_have_weights_of_their_own(folds: Folds) -> None:
    config = StackConfig(trials=10, known_models=("gbdt",), unknown_models=("image",), nested=False)
    made = fit_stack(held_out(folds), METADATA, folds, config)
    scores = new_lesions()
    wide = scores.pivot("model", index="isic_id", values="score")
    known = np.arange(len(wide)) % 3 > 0
    expected = np.where(known, rank_shares(wide["gbdt"]), rank_shares(wide["image"]))
    assert apply_stack(made, scores, wide["isic_id"], known) == pytest.approx(expected)
    needed = scores.filter(pl.col("model") != "mlp")
    assert apply_stack(made, needed, wide["isic_id"], known) == pytest.approx(expected)


def test_a_lesion_can_come_alone(folds: Folds, stack: Stack) -> None:
    scores = new_lesions()
    ids, known = scores["isic_id"].unique().sort(), np.full(60, True)
    together = apply_stack(stack, scores, ids, known, ranks="reference")
    for name, expected in list(zip(ids, together, strict=True))[:5]:
        alone = scores.filter(pl.col("isic_id") == name)
        found = apply_stack(stack, alone, pl.Series([name]), np.array([True]), ranks="reference")
        assert found == pytest.approx([expected])
    assert ((together > 0) & (together < 1)).all()
    assert len(set(together.tolist())) == 60
    # What was held out, scored as if it were new, is in the order of the final weights.
    as_new = held_out(folds).with_columns(fold=pl.lit(None, pl.UInt8), isic_id="T" + pl.col("isic_id"))
    names = as_new["isic_id"].unique().sort()
    by_set = apply_stack(stack, as_new, names, np.full(ROWS, True))
    by_reference = apply_stack(stack, as_new, names, np.full(ROWS, True), ranks="reference")
    assert by_reference == pytest.approx(by_set - 0.5 / ROWS, abs=1e-6)


def test_a_model_that_lacks_a_lesion_leaves_its_weight_to_the_others(stack: Stack) -> None:
    scores = new_lesions()
    lacking = scores.filter((pl.col("model") != "image") | (pl.col("isic_id") != "TEST_003"))
    ids, known = pl.Series(["TEST_003", "TEST_004"]), np.array([True, True])
    for ranks in ("set", "reference"):
        assert np.isfinite(apply_stack(stack, lacking, ids, known, ranks=ranks)).all()
        with pytest.raises(InputError, match="TEST_004 has no score of any model that counts for it"):
            apply_stack(stack, scores.filter(pl.col("isic_id") != "TEST_004"), ids, known, ranks=ranks)


def test_scores_that_cannot_be_used_are_told(folds: Folds, stack: Stack) -> None:
    with pytest.raises(ValueError, match=r"expected known of shape \(1,\), got \(2,\)"):
        apply_stack(stack, new_lesions(), pl.Series(["TEST_000"]), np.array([True, True]))
    with pytest.raises(InputError, match="was held out when models were trained"):
        apply_stack(stack, held_out(folds), METADATA["isic_id"], np.full(ROWS, True))
    assert apply_stack(stack, new_lesions(), pl.Series([], dtype=pl.String), np.array([], dtype=bool)).shape == (0,)


def test_a_file_comes_back_as_it_went(tmp_path: Path, folds: Folds, stack: Stack) -> None:
    write_stack(stack, tmp_path / "stack.json")
    again = read_stack(tmp_path / "stack.json")
    assert again == stack
    write_stack(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "stack.json").read_bytes()
    only = Stack(known=None, unknown=stack.known, config=QUICK, scheme="hospitals", folds="x")
    write_stack(only, tmp_path / "only.json")
    assert read_stack(tmp_path / "only.json") == only
    write_scores(tmp_path / "own.parquet", stack_held_out(stack, held_out(folds), folds), folds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("format"), "holds no stack. Make it with `isic stack`"),
        (lambda document: document.pop("scheme"), "scheme is missing"),
        (lambda document: document.update(folds=3), "folds: expected a text, got 3"),
        (lambda document: document["config"].update(trial=3), "config.trial: no such setting. Did you mean trials?"),
        (lambda document: document["known"].update(weights=[0.5, 0.6, 0.0]), "known: expected 3 weights of at least 0"),
        (lambda document: document["known"].update(weights=[2.0, -1.0, 0.0]), "known: expected 3 weights"),
        (lambda document: document["known"].update(weights=[1.0]), "known: expected a weight and a reference"),
        (lambda document: document["known"]["reference"]["scores"].reverse(), "strictly increasing scores"),
    ],
)
def test_files_that_hold_no_stack(tmp_path: Path, stack: Stack, change, message: str) -> None:
    file = tmp_path / "stack.json"
    write_stack(stack, file)
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        read_stack(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)


def test_real_scores_of_two_models(real_data: Path) -> None:
    """The rows of the two files correspond: their labels agree in every fold, and their scores correlate."""
    parts = {}
    for name in ("gbdt", "mlp"):
        files = [real_data / "isic" / "oof" / f"{name}_fold{k}.csv.gz" for k in (1, 3)]
        if not all(file.is_file() for file in files):
            pytest.skip("no real out-of-fold scores")
        parts[name] = [pl.read_csv(file, schema_overrides={"preds": pl.Float64}) for file in files]
    labels = pl.concat(parts["gbdt"])["labels"]
    assert labels.equals(pl.concat(parts["mlp"])["labels"])
    fold = np.repeat([0, 1], [len(part) for part in parts["gbdt"]]).astype(np.uint8)
    ids = pl.Series("isic_id", [f"ISIC_{number:07d}" for number in range(len(labels))])
    nothing = {"patient_id": pl.lit(None, pl.String), "hospital_fold": pl.lit(None, pl.UInt8)}
    frame = ids.to_frame().with_columns(fold=pl.Series(fold), **nothing)
    folds = Folds(
        frame=frame.select("isic_id", "patient_id", "fold", "hospital_fold"), scheme="patients", num_folds=2, seed=0
    )
    scores = pl.concat(
        frame.select("isic_id", "fold", model=pl.lit(name), score=pl.concat(of)["preds"]) for name, of in parts.items()
    )
    made = fit_stack(scores, pl.DataFrame({"isic_id": ids, "target": labels}), folds, StackConfig(trials=20))
    assert made.known is not None
    figures = {line.name: line.estimate for line in made.known.lines}
    assert figures["gbdt"].per_fold == pytest.approx([0.16132415030332778, 0.17584563167278894])
    assert figures[STACK].pooled >= figures["gbdt"].pooled > figures["mlp"].pooled


def test_equal_weights_look_at_no_label(folds: Folds, tmp_path: Path) -> None:
    scores = held_out(folds)
    equal = fit_stack(scores, METADATA, folds, StackConfig(weights="equal"))
    assert equal.weights_known == pytest.approx(dict.fromkeys(WORTH, 1 / 3))
    assert equal.known is not None
    assert equal.known.fold_weights == ()
    estimates = {line.name: line.estimate for line in equal.known.lines}
    assert estimates[STACK].pooled == pytest.approx(estimates[EQUAL].pooled, abs=1e-3)  # ties but for rounding
    assert NESTED not in estimates
    shuffled = METADATA.with_columns(pl.col("target").shuffle(seed=3))
    assert fit_stack(scores, shuffled, folds, StackConfig(weights="equal")).weights_known == equal.weights_known
    stacked = stack_held_out(equal, scores, folds)
    ranked = scores.with_columns(rank=pl.col("score").rank().over("model"))
    joined = stacked.sort("score").join(
        ranked.group_by("isic_id").agg(pl.col("rank").sum()), on="isic_id", maintain_order="left"
    )
    assert joined["rank"].is_sorted()
    write_stack(equal, tmp_path / "stack.json")
    assert read_stack(tmp_path / "stack.json") == equal
    with pytest.raises(ValueError, match="expected weights of"):
        StackConfig(weights="some")  # type: ignore[arg-type]
