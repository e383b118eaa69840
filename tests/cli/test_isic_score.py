"""`isic score`: the library's figures whatever the order of the rows, and one clear line for what is wrong."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from furikaeri_cli.isic.score import Score, score
from furikaeri_common.errors import InputError
from isic_lesion import auc, number_needed_to_treat, partial_auc, se_top_k

TRUTH = "isic_id,target\nISIC_1,1\nISIC_2,0\nISIC_3,0\nISIC_4,0\n"
SCORES = "isic_id,target\nISIC_1,0.5\nISIC_2,0.9\nISIC_3,0.5\nISIC_4,0.1\n"


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write a solution and a submission."""

    def write(truth: str | bytes = TRUTH, scores: str | bytes = SCORES) -> tuple[Path, Path]:
        paths = tmp_path / "solution.csv", tmp_path / "submission.csv"
        for path, content in zip(paths, (truth, scores), strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return paths

    return write


def test_figures_by_hand(invoke, files) -> None:
    code, out, err = invoke("isic", "score", *files(), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "partial_auc": pytest.approx(0.2 * (2 / 3 - 0.9 / 3)),
        "auc": pytest.approx(0.5),
        "nnt80": 3.0,
        "nnt90": 3.0,
        "se_top_15": None,
        "lesions": 4,
        "malignant": 1,
        "calibration": {
            "brier": pytest.approx((0.25 + 0.81 + 0.25 + 0.01) / 4),
            "log_loss": pytest.approx(-(2 * np.log(0.5) + np.log(0.1) + np.log(0.9)) / 4),
            "expected_calibration_error": pytest.approx((0.1 + 0.9) / 4),
            "observed_to_expected": pytest.approx(0.5),
            "slope": pytest.approx(0, abs=0.2),
            "intercept": pytest.approx(-1.1, abs=0.1),
        },
        "groups": {},
    }


def test_text_in_a_pipe_and_quiet(invoke, files) -> None:
    code, out, err = invoke("isic", "score", *files())
    assert code == 0
    rows = dict(line.split("\t") for line in out.splitlines())
    assert rows["pAUC above 80 % TPR"] == "0.07333"
    assert rows["NNT at 80 % sensitivity"] == "3.0"
    assert "malignant in their patient's top 15" not in rows
    assert "no column patient_id" in err
    assert invoke("isic", "score", *files(), "--quiet").err == ""
    assert invoke("furikaeri", "isic", "score", *files()).out == out


def test_any_order_more_columns_and_patients(files) -> None:
    rng = np.random.default_rng(3)
    names = [f"ISIC_{number}" for number in range(300)]
    target = np.arange(300) % 10 == 0
    scores = rng.normal(size=300).round(1) + target
    patient = [f"IP_{number % 9}" for number in range(300)]
    truth = [f"{n},{p},x,{int(t)}" for n, p, t in zip(names, patient, target, strict=True)]
    rows = [f"{s!r},{n}" for n, s in zip(names, scores.tolist(), strict=True)]
    lines = (
        ["isic_id,patient_id,other,target", *truth],
        ["target,isic_id", *(rows[row] for row in rng.permutation(300))],
    )
    solution, submission = files("\n".join(lines[0]), "\r\n".join(lines[1]) + "\r\n\r\n")
    assert score(solution, submission) == Score(
        partial_auc=partial_auc(target, scores),
        auc=auc(target, scores),
        nnt80=number_needed_to_treat(target, scores, sensitivity=0.8),
        nnt90=number_needed_to_treat(target, scores, sensitivity=0.9),
        se_top_15=se_top_k(target, scores, patient),
        lesions=300,
        malignant=30,
        calibration=None,
        groups={},
    )


def grouped_files(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    hospitals, sites = ["Basel", "ACEMID MIA"], ["leg", "NA"]
    lines, scores = ["isic_id,target,patient_id,attribution,anatom_site_general,age_approx"], ["isic_id,target"]
    for row in range(200):
        target = int(row % 5 == 0)
        lines.append(f"L{row},{target},P{row % 20},{hospitals[row % 2]},{sites[row % 3 == 0]},{20 + row % 50}.0")
        scores.append(f"L{row},{(rng.random() + target / 2) / 1.5}")
    lines.append("L200,0,P1,Nowhere,leg,NA")
    scores.append("L200,0.5")
    solution, submission = tmp_path / "solution.csv", tmp_path / "submission.csv"
    solution.write_text("\n".join(lines))
    submission.write_text("\n".join(scores))
    return solution, submission


def test_hospitals_and_sites_one_by_one(invoke, tmp_path: Path) -> None:
    files = grouped_files(tmp_path)
    document = json.loads(invoke("isic", "score", *files, "--json").out)
    assert [row["group"] for row in document["groups"]["hospital"]] == ["ACEMID MIA", "Basel", "Nowhere"]
    assert [row["group"] for row in document["groups"]["site"]] == ["leg", None]
    assert sum(row["lesions"] for row in document["groups"]["site"]) == document["lesions"] == 201
    nowhere = document["groups"]["hospital"][2]
    assert (nowhere["lesions"], nowhere["partial_auc"], nowhere["nnt80"]) == (1, None, None)
    even = next(row for row in document["groups"]["hospital"] if row["group"] == "Basel")
    truth = np.array([int(row % 5 == 0) for row in range(0, 200, 2)])
    values = np.array([float(line.split(",")[1]) for line in files[1].read_text().split()[1:201:2]])
    assert even["partial_auc"] == pytest.approx(partial_auc(truth, values))
    assert document["calibration"]["slope"] > 0
    out = invoke("isic", "score", *files).out
    assert "hospital\tNowhere\t1\t0\t\t\t\t\t" in out
    assert "site\tnot known\t67" in out
    assert "hospital" not in invoke("isic", "score", *files, "--quiet").out


def test_other_groups_on_request(invoke, tmp_path: Path) -> None:
    files = grouped_files(tmp_path)
    document = json.loads(invoke("isic", "score", *files, "--by", "age", "--by", "age", "--json").out)
    assert {name: [row["group"] for row in rows] for name, rows in document["groups"].items()} == {
        "age": ["20-39", "40-59", "60-79", None]
    }
    code, _, err = invoke("isic", "score", *files, "--by", "sex")
    assert (code, err) == (2, f"isic: {files[0]}: no column 'sex', which --by sex needs\n")
    code, _, err = invoke("isic", "score", *files, "--by", "mood")
    assert (code, err) == (
        2,
        "isic: lesions are not grouped by 'mood'. Choose among: hospital, site, sex, age, tile\n",
    )


def test_byte_order_mark_spaces_exponents_and_gzip(files) -> None:
    expected = score(*files())
    spaced = SCORES.replace("0.5", " 5e-1").replace("0.9", '"0.90"')
    solution, submission = files("\ufeff" + TRUTH.replace(",1\n", ",1.0\n"), gzip.compress(spaced.encode()))
    assert score(solution, submission) == expected


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd on this system")
def test_a_pipe_can_be_read(files) -> None:
    reading, writing = os.pipe()
    os.write(writing, SCORES.encode())
    os.close(writing)
    try:
        assert score(files()[0], Path(f"/dev/fd/{reading}")) == score(*files())
    finally:
        os.close(reading)


def test_real_out_of_fold_scores_give_the_reference_value(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "isic" / "oof"
    if not folder.is_dir():
        pytest.skip(f"no real out-of-fold scores: {folder} is not a folder")
    lines = gzip.decompress((folder / "gbdt_fold1.csv.gz").read_bytes()).decode().split()[1:]
    rows = [(f"ISIC_{number}", *line.split(",")) for number, line in enumerate(lines)]
    solution, submission = tmp_path / "solution.csv", tmp_path / "submission.csv"
    solution.write_text("isic_id,target\n" + "".join(f"{name},{label}\n" for name, _, label in rows))
    submission.write_text("isic_id,target\n" + "".join(f"{name},{value}\n" for name, value, _ in reversed(rows)))
    assert score(solution, submission).partial_auc == pytest.approx(0.16132415030332778, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        pytest.param("", SCORES, "solution.csv: is empty", id="empty"),
        pytest.param(TRUTH, "\n\n", "submission.csv: is empty", id="blank"),
        pytest.param(TRUTH, "isic_id,target\n", "submission.csv: has a header but no rows", id="header only"),
        pytest.param(TRUTH, b"\x89PNG\r\n\x1a\n\x00\xff", "submission.csv, line 1: not a CSV in UTF-8", id="image"),
        pytest.param(
            TRUTH, (SCORES + "ISIC_é,1\n").encode("latin-1"), "submission.csv, line 6: not a CSV in UTF-8", id="Latin"
        ),
        pytest.param(TRUTH, SCORES.encode("utf-16"), "submission.csv, line 1: not a CSV in UTF-8", id="UTF-16"),
        pytest.param(TRUTH, '{"a": 1}\n', "submission.csv: no column 'isic_id' among '{\"a\": 1}'", id="JSON"),
        pytest.param(TRUTH, gzip.compress(b"x" * 99)[:-9], "submission.csv: damaged gzip", id="damaged gzip"),
        pytest.param(
            TRUTH, SCORES + "ISIC_5,0.5,9\n", "submission.csv, line 6: 3 fields, but the header has 2", id="ragged"
        ),
        pytest.param(
            TRUTH, SCORES + '"ISIC_5,0.5\n', "submission.csv, line 6: not a CSV: unexpected end", id="open quote"
        ),
        pytest.param(
            "isic_id,label\nISIC_1,1\n",
            SCORES,
            "solution.csv: no column 'target' among 'isic_id', 'label'",
            id="column",
        ),
        pytest.param(
            TRUTH,
            "a,b,c,d,e,f,g,h,i,j\n",
            "submission.csv: no column 'isic_id' among 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more",
            id="many columns",
        ),
        pytest.param(
            TRUTH, "isic_id,target,target\nISIC_1,1,1\n", "submission.csv: more than one column 'target'", id="columns"
        ),
        pytest.param(
            TRUTH,
            SCORES + "ISIC_2,0.4\nISIC_3,0.4\n",
            "submission.csv, line 6: ISIC_2 was already on line 3 (2 of the ids are not unique)",
            id="duplicate score",
        ),
        pytest.param(
            TRUTH + "ISIC_1,1\n", SCORES, "solution.csv, line 6: ISIC_1 was already on line 2", id="duplicate"
        ),
        pytest.param(
            TRUTH + "ISIC_8,0\nISIC_9,0\n",
            SCORES,
            "submission.csv: lacks ISIC_8, line 6 of {solution} (2 of its 6 ids are missing)",
            id="missing ids",
        ),
        pytest.param(
            TRUTH,
            SCORES + "ISIC_9,0.4\n",
            "submission.csv, line 6: ISIC_9 is not in {solution} (1 of 5 ids are not)",
            id="extra ids",
        ),
        pytest.param(
            TRUTH, SCORES + ",0.4\n", "submission.csv, line 6: expected an id in isic_id, it is empty", id="no id"
        ),
        pytest.param(
            TRUTH,
            SCORES.replace("0.9", "").replace("0.1", "x"),
            "submission.csv, line 3 (ISIC_2): expected a finite number in target, it is empty (2 rows in all)",
            id="no score",
        ),
        pytest.param(
            TRUTH,
            SCORES.replace("0.9", "NaN"),
            "submission.csv, line 3 (ISIC_2): expected a finite number in target, got 'NaN'",
            id="NaN",
        ),
        pytest.param(
            TRUTH,
            "isic_id,target\n\n\nISIC_1,0,5\n",
            "submission.csv, line 4: 3 fields, but the header has 2",
            id="decimal comma",
        ),
        pytest.param(
            TRUTH,
            "isic_id,target\n\n\nISIC_1,inf\n",
            "submission.csv, line 4 (ISIC_1): expected a finite number in target, got 'inf'",
            id="infinite after blank lines",
        ),
        pytest.param(
            TRUTH.replace("ISIC_3,0", "ISIC_3,0.5"),
            SCORES,
            "solution.csv, line 4 (ISIC_3): expected 0 or 1 in target, got '0.5'",
            id="not 0 or 1",
        ),
        pytest.param(
            "isic_id,target,patient_id\nISIC_1,1,\n",
            SCORES,
            "solution.csv, line 2 (ISIC_1): expected a patient in patient_id, it is empty",
            id="no patient",
        ),
        pytest.param(
            TRUTH.replace(",1", ",0"), SCORES, "solution.csv: every target is 0. A score", id="none malignant"
        ),
        pytest.param(TRUTH.replace(",0", ",1"), SCORES, "solution.csv: every target is 1. A score", id="none benign"),
    ],
)
def test_what_is_wrong_is_one_line(invoke, files, truth: str, scores: str, message: str) -> None:
    solution, submission = files(truth, scores)
    code, out, err = invoke("isic", "score", solution, submission, "--json")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"{solution.parent}{os.sep}{message.replace('{solution}', str(solution))}" in err


def test_files_that_are_not_there(invoke, files, tmp_path: Path) -> None:
    solution, _ = files()
    code, _, err = invoke("isic", "score", solution, tmp_path / "none.csv")
    assert (code, err) == (2, f"isic: {tmp_path / 'none.csv'}: no such file\n")
    code, _, err = invoke("isic", "score", tmp_path, solution)
    assert code == 2
    assert f"{tmp_path}: cannot be read" in err
    assert invoke("isic", "score", solution).code == 2


def test_the_function_raises_what_the_command_prints(files) -> None:
    with pytest.raises(InputError, match="line 3"):
        score(*files(scores=SCORES.replace("0.9", "high")))


def test_debug_shows_where(invoke, files) -> None:
    _, _, err = invoke("isic", "score", *files(scores=""), "--debug")
    assert "Traceback" in err


def test_help_imports_neither_tables_nor_models() -> None:
    code = (
        "import sys\nfrom furikaeri_cli.main import run\n"
        "assert run('isic', ['score', '--help']) == 0\n"
        "print(sorted({'polars', 'numpy', 'sklearn', 'isic_lesion'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "isic score solution.csv submission.csv" in done.stdout
    assert done.stderr == "[]\n"
