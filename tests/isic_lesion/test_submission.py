"""Reading a submission beside the truth; the faults that files may have are tested through the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.submission import read_submission
from isic_lesion.submission_groups import score_groups


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    path = tmp_path / "submission.csv"
    path.write_text("target,isic_id\n0.25,c\n-1,a\n7e2,b\n")
    return path


def test_rows_follow_the_truth(submission: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text("isic_id,patient_id,target\nb,007,1\nc,p,0\na,007,0\n")
    target, score, patient, groups = read_submission(submission, solution)
    np.testing.assert_array_equal(target, [1, 0, 0])
    np.testing.assert_array_equal(score, [700, 0.25, -1])
    assert (target.dtype, score.dtype) == (np.int8, np.float64)
    assert patient is not None
    assert patient.tolist() == ["007", "p", "007"]
    assert groups.columns == []


def test_what_the_truth_says_of_groups(submission: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text(
        "sex,isic_id,age_approx,target,attribution\nmale,b,NA,1,ACEMID MIA\n,c,45.0,0, \nmale,a,50,0,NA\n"
    )
    groups = read_submission(submission, solution).groups
    assert groups.to_dict(as_series=False) == {
        "attribution": ["ACEMID MIA", None, None],
        "sex": ["male", None, "male"],
        "age_approx": [None, "45.0", "50"],
    }


def test_a_truth_without_patients(submission: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text("isic_id,target\na,0\nb,0\nc,1\n")
    assert read_submission(submission, solution).patient is None


def test_the_submission_comes_first(submission: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text("isic_id,target\na,0\nb,0\nc,1\n")
    with pytest.raises(InputError, match=r"submission\.csv, line 2 \(c\): expected 0 or 1 in target, got '0\.25'"):
        read_submission(solution, submission)


def test_groups_of_a_truth_that_names_none(submission: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text("isic_id,target,age_approx\na,0,41\nb,0,NA\nc,1,59.0\n")
    lesions = read_submission(submission, solution)
    table = score_groups(lesions, "age_approx")
    assert table["group"].to_list() == ["40-59", None]
    assert table["partial_auc"].to_list() == [pytest.approx(0.2), None]
    assert "patients" not in table.columns
    with pytest.raises(ValueError, match=r"expected one of \['age_approx'\], got 'sex'"):
        score_groups(lesions, "sex")
