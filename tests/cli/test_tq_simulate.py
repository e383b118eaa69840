"""`tq simulate`: figures that do not depend on how the work is done, and clear words for what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from twenty_questions.experiments import PARTNERS, STRATEGIES
from twenty_questions.table import builtin_table


def figures(invoke, *arguments: str) -> list[dict]:
    code, out, err = invoke("tq", "simulate", "--json", "--no-plot", *arguments)
    assert code == 0, err
    return json.loads(out)["results"]


def test_the_same_figures_with_any_number_of_workers(invoke, tmp_path: Path) -> None:
    common = ("--games", "250", "--noise", "0.1", "--seed", "5", "--rounds", "6")
    alone = figures(invoke, *common, "--runs", str(tmp_path / "a"))
    shared = figures(invoke, *common, "--runs", str(tmp_path / "b"), "--workers", "2")
    assert alone == shared
    assert alone[0]["summary"]["games"] == 250
    assert 0 < alone[0]["summary"]["find_rate"] < 1


def test_every_strategy_plays_with_every_partner(invoke, tmp_path: Path) -> None:
    results = figures(
        invoke,
        *(part for strategy in STRATEGIES for part in ("--strategy", strategy)),
        *("--partner", "table", "--partner", "alpha", "--games", "20", "--runs", str(tmp_path)),
    )
    assert len(results) == len(STRATEGIES) * 2
    assert all(result["summary"]["find_rate"] == 1 for result in results)
    assert all(result["limit_by_round"][-1] == pytest.approx(1) for result in results)


def test_labels_answer_for_the_things_they_know(invoke, tmp_path: Path) -> None:
    table = builtin_table()
    names = ("hammer", "apple", "dog", "umbrella")
    questions = [question for question in table.questions if question.kind == "table"]
    path = tmp_path / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["keyword", "question", "answer"])
        rows = {keyword.name: row for row, keyword in enumerate(table.keywords)}
        for name in (*names, "no such thing"):
            for column, question in enumerate(questions):
                said = "yes" if table.codes[rows.get(name, 0), column] > 127 else "no"
                writer.writerow([name, question.text, said])
    (result,) = figures(invoke, "--partner", "labels", "--labels", str(path), "--runs", str(tmp_path / "runs"))
    assert result["summary"]["games"] == len(names)
    assert result["summary"]["find_rate"] == 1


def test_a_run_is_kept_with_its_plot(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("tq", "simulate", "--games", "5", "--runs", str(tmp_path))
    assert code == 0, err
    assert out.startswith("setting\tgames\tfound (95 %)")
    (run,) = tmp_path.iterdir()
    assert (run / "by_round.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[0])["find_rate"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy", "luck"), f"no strategy is called 'luck'. Choose among {', '.join(STRATEGIES)}"),
        (("--partner", "mum"), f"no partner is called 'mum'. Choose among {', '.join(PARTNERS)}"),
        (("--partner", "labels"), "needs --labels"),
        (("--partner", "labels", "--labels", "/nowhere.csv"), "/nowhere.csv: cannot be read"),
        (("--table", "/nowhere"), "/nowhere: there is no table folder here"),
        (("--noise", "0.9"), "'--noise'"),
        (("--games", "-1"), "'--games'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(invoke, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = invoke("tq", "simulate", "--runs", str(tmp_path), *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_setting_named_twice_is_played_once(invoke, tmp_path: Path) -> None:
    results = figures(invoke, "--noise", "0", "--noise", "0", "--games", "2", "--runs", str(tmp_path))
    assert len(results) == 1


def test_a_word_list_is_bisected_and_its_faults_are_named(invoke, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(keyword.name for keyword in builtin_table().keywords[:40]) + "\n", encoding="utf-8")
    common = ("--strategy", "opening", "--partner", "alpha", "--words", str(path), "--runs", str(tmp_path / "runs"))
    (result,) = figures(invoke, *common, "--games", "30", "--rounds", "8")
    assert 0 < result["summary"]["find_rate"] < 1
    faults = {"ring\nRing\n": "line 2: 'Ring' is already in line 1", "ring\n\ncup\n": "line 2: is empty"}
    for text, complaint in faults.items():
        path.write_text(text, encoding="utf-8")
        code, out, err = invoke("tq", "simulate", *common)
        assert (code, out) == (2, "")
        assert complaint in err
