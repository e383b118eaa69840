"""The parts of a report: curves, lists, sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.artifacts import write_json
from furikaeri_common.errors import InputError
from isic_lesion import auc, number_needed_to_treat
from isic_lesion.report.curves import histogram, nnt_curve, roc_curve
from isic_lesion.report.lists import make_lists
from isic_lesion.report.sources import Sources, read_importances, read_inputs, sources_of_run, stacked_scores


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), max_size=30))
    target, score = np.array([(1, draw(st.integers(-3, 3))), (0, draw(st.integers(-3, 3))), *rows]).T
    return target.astype(np.int8), score.astype(float)


@given(cases())
def test_the_roc_curve_holds_the_auc(case) -> None:
    curve = roc_curve(*case)
    assert (np.diff(curve.fpr) >= -1e-15).all()
    assert (np.diff(curve.tpr) >= -1e-15).all()
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auc(*case))


@given(cases())
def test_the_nnt_curve_holds_the_number_needed(case) -> None:
    curve = nnt_curve(*case)
    assert curve.sensitivity[-1] == 1
    for sensitivity, number in zip(*curve, strict=True):
        assert number == pytest.approx(number_needed_to_treat(*case, sensitivity=sensitivity))


@given(cases(), st.booleans())
def test_shares_of_a_histogram(case, probabilities: bool) -> None:
    target, score = case
    drawn = histogram(target, 1 / (1 + np.exp(-score)) if probabilities else score)
    assert drawn.on_log_odds == (probabilities or bool((score >= 0).all() and (score <= 1).all()))
    assert drawn.malignant.sum() == pytest.approx(1)
    assert drawn.benign.sum() == pytest.approx(1)
    assert (np.diff(drawn.edges) > 0).all()
    assert histogram(None, score).benign.sum() == pytest.approx(1)


def test_lists() -> None:
    frame = pl.DataFrame(
        {
            "isic_id": list("abcdef"),
            "owner": [1, 1, 2, 2, 2, 3],
            "patient_id": ["p", "p", "q", "q", "q", None],
            "score": [0.9, 0.1, 0.5, 0.5, 0.2, 0.3],
            "target": [0, 1, 1, 0, 0, 1],
            "iddx_full": ["Benign", "Malignant::X::Melanoma", "", None, "Benign", None],
        }
    )
    lists = make_lists(frame, has_truth=True, num_patients=2, num_first=2, num_misses=2)
    assert [(patient.patient, patient.lesions, patient.malignant) for patient in lists.patients] == [
        ("p", 2, 1),
        ("q", 3, 1),
    ]
    assert [lesion.isic_id for lesion in lists.patients[1].first] == ["c", "d"]
    assert lists.num_patients == 3
    assert [(lesion.isic_id, lesion.place) for lesion in lists.misses] == [("b", 6), ("f", 4)]
    assert [lesion.isic_id for lesion in lists.false_alarms] == ["a", "d", "e"]
    tied = lists.false_alarms[1]
    assert (tied.place, tied.place_in_patient, tied.of_patient) == (2.5, 1.5, 3)
    assert [lesion.diagnosis for lesion in lists.misses] == ["Melanoma", None]
    blind = make_lists(frame.drop("target"), has_truth=False)
    assert blind.misses == blind.false_alarms == ()
    assert blind.patients[0].malignant is None
    assert blind.patients[0].first[0].malignant is None


def table(path: Path, **columns) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)
    return path


def scores_at(path: Path, model: str) -> Path:
    return table(path, isic_id=["a", "b"], fold=[None, None], model=[model] * 2, score=[0.1, 0.2])


def test_a_run_s_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        sources_of_run(tmp_path / "none")
    with pytest.raises(InputError, match="holds no scores"):
        sources_of_run(tmp_path)
    lesions = table(tmp_path / "data" / "train.parquet", isic_id=["a", "b"], target=[0, 1])
    scores = scores_at(tmp_path / "scores" / "gbdt.parquet", "gbdt")
    table_model = scores_at(tmp_path / "models" / "xgb" / "oof.parquet", "xgb")
    image = scores_at(tmp_path / "data" / "image-scores.parquet", "convnext")
    stacked = scores_at(tmp_path / "stack" / "scores.parquet", "stack")
    gains = table(tmp_path / "models" / "gbdt" / "importances.parquet", feature=["x"], gain=[1.0])
    found = sources_of_run(tmp_path)
    assert found == Sources(lesions=lesions, scores=(scores, table_model, image, stacked), importances=(gains,))
    inputs = read_inputs(found, num_resamples=0)
    assert inputs.metadata["isic_id"].to_list() == ["a", "b"]
    assert inputs.importances is not None
    assert inputs.importances.row(0) == ("x", 1.0, "gbdt")
    assert inputs.scores["model"].unique().sort().to_list() == ["convnext", "gbdt", "stack", "xgb"]


def test_the_stack_s_own_scores_are_read_once(tmp_path: Path) -> None:
    file = scores_at(tmp_path / "stack" / "scores.parquet", "stack")
    assert stacked_scores(tmp_path / "stack", []) == (file,)
    assert stacked_scores(tmp_path / "stack", [file]) == ()
    assert stacked_scores(tmp_path / "stack", [tmp_path / "stack"]) == ()
    assert stacked_scores(tmp_path / "elsewhere", []) == ()
    assert stacked_scores(None, []) == ()


def test_members_are_averaged_and_test_rows_left_out(tmp_path: Path) -> None:
    lesions = table(tmp_path / "lesions.parquet", isic_id=["a", "b"])
    scores = table(
        tmp_path / "scores.parquet",
        isic_id=["a", "a", "t", "t"],
        fold=[0, 0, None, None],
        model=["m#1", "m#2", "m#1", "m#2"],
        score=[0.1, 0.3, 0.5, 0.5],
    )
    inputs = read_inputs(Sources(lesions=lesions, scores=(scores,)))
    assert inputs.scores.rows() == [("a", 0, "m", pytest.approx(0.2))]


def test_importances_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no columns feature and importance"):
        read_importances([table(tmp_path / "x.parquet", feature=["a"])])
    with pytest.raises(InputError, match="a column is not of its type"):
        read_importances([table(tmp_path / "y.parquet", feature=["a"], gain=["much"])])


def test_lesions_are_needed(tmp_path: Path) -> None:
    scores = scores_at(tmp_path / "scores.parquet", "m")
    with pytest.raises(InputError, match="no lesions to report on"):
        read_inputs(Sources(scores=(scores,)))
    odd = table(tmp_path / "odd.parquet", name=["a"])
    with pytest.raises(InputError, match="no column 'isic_id'"):
        read_inputs(Sources(scores=(scores,), lesions=odd))
    write_json(tmp_path / "stack.json", {"format": "other"})
    with pytest.raises(InputError, match="holds no stack"):
        read_inputs(Sources(scores=(scores,), lesions=odd, stack=tmp_path / "stack.json"))
