"""`tq simulate`: figures that do not depend on how the work is done, and clear words for what is wrong."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from furikaeri_common.errors import InputError
from twenty_questions import experiments
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.experiments import MIXTURE, PARTNERS, STRATEGIES
from twenty_questions.named_words import words_named
from twenty_questions.studies import guessers
from twenty_questions.table import builtin_table

BOTH = pytest.mark.parametrize(
    ("command", "games"),
    [
        (("tq", "simulate"), experiments),
        (("tq", "evaluate", "guesser", "--embeddings", "off"), guessers),
    ],
)


def reported(invoke, *arguments: str) -> dict:
    code, out, err = invoke("tq", "simulate", "--json", "--no-plot", *arguments)
    assert code == 0, err
    return json.loads(out)


def figures(invoke, *arguments: str) -> list[dict]:
    return reported(invoke, *arguments)["results"]


def labels_of(names: Sequence[str], path: Path) -> str:
    """Write what the built-in table says of some things."""
    table = builtin_table()
    rows = {keyword.name: row for row, keyword in enumerate(table.keywords)}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["keyword", "question", "answer"])
        for name in names:
            for column, question in enumerate(table.questions):
                if question.kind == "table":
                    said = "yes" if table.codes[rows.get(name, 0), column] > 127 else "no"
                    writer.writerow([name, question.text, said])
    return str(path)


@pytest.fixture
def words_file(tmp_path: Path) -> str:
    """Words with weights: some of the built-in table's keywords, and as many that it lacks."""
    names = [keyword.name for keyword in builtin_table().keywords[:30]] + [f"word{number:02}" for number in range(30)]
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{name}\t{1 + place % 4}\n" for place, name in enumerate(names)), encoding="utf-8")
    return str(path)


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
        *("--partner", "table", "--partner", "alpha", "--games", "4", "--runs", str(tmp_path)),
    )
    assert len(results) == len(STRATEGIES) * 2
    assert all(result["summary"]["find_rate"] == 1 for result in results)
    assert all(result["limit_by_round"][-1] == pytest.approx(1) for result in results)


def test_labels_answer_for_the_things_they_know(invoke, tmp_path: Path) -> None:
    names = ("hammer", "apple", "dog", "umbrella")
    path = labels_of([*names, "no such thing"], tmp_path / "labels.csv")
    (result,) = figures(invoke, "--partner", "labels", "--labels", path, "--runs", str(tmp_path / "runs"))
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


@BOTH
def test_files_may_move_before_an_interrupted_run_goes_on(
    invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], games: ModuleType
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    def given(place: str) -> tuple[object, ...]:
        table, labels = tmp_path / place / "table", tmp_path / place / "labels.csv"
        return (*command, "--table", table, "--labels", labels, "--runs", tmp_path / "runs")

    (tmp_path / "here").mkdir()
    shutil.copytree(TABLE_FOLDER, tmp_path / "here" / "table")
    labels_of(["hammer", "apple", "dog"], tmp_path / "here" / "labels.csv")
    with monkeypatch.context() as patched:
        patched.setattr("furikaeri_common.artifacts.write_json", stop)
        assert invoke(*given("here")).code == 130
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.setattr(games, "outcome_of", lambda *inputs: pytest.fail("played again"))
    code, _, err = invoke(*given("there"))
    assert code == 0, err
    assert len(list((tmp_path / "runs").iterdir())) == 1


@BOTH
def test_what_a_worker_refuses_ends_the_command(
    invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], games: ModuleType
) -> None:
    played: list[object] = []

    def refuse(*inputs: object) -> None:
        played.append(inputs)
        raise InputError("this machine lacks wordfreq", fix="Install it")

    monkeypatch.setattr(games, "outcome_of", refuse)
    code, out, err = invoke(*command, "--games", 500, "--runs", tmp_path)
    assert (code, out) == (2, "")
    assert "this machine lacks wordfreq. Install it" in err
    assert len(played) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy", "luck"), f"no strategy is called 'luck'. Choose among {', '.join(STRATEGIES)}"),
        (("--partner", "mum"), f"no partner is called 'mum'. Choose among {', '.join(PARTNERS)}"),
        (("--partner", "mum"), "liar, mixed"),
        (("--partner", "labels"), "needs --labels"),
        (("--partner", "mixed"), "the partner `language-model` needs --labels CSV"),
        (("--secrets", "prior"), "Give --words and the number of games with --games"),
        (("--secrets", "prior", "--games", "5"), "--secrets prior draws from the words' prior"),
        (("--secrets", "prior", "--words", "built-in"), "--secrets prior draws from the words' prior"),
        (("--secrets", "/nowhere.txt"), "/nowhere.txt: cannot be read"),
        (("--words", "/nowhere.txt"), "/nowhere.txt: cannot be read"),
        (("--words-prior", "best"), "'--words-prior'"),
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


def test_one_belief_stands_beside_a_specialist_with_a_mixed_population(invoke, tmp_path: Path, words_file: str) -> None:
    names = ("hammer", "apple", "dog")
    common = (
        *("--strategy", "one-belief", "--strategy", "specialist", "--partner", "mixed", "--rounds", "12"),
        *("--words", words_file, "--labels", labels_of(names, tmp_path / "labels.csv")),
    )
    whole = reported(invoke, *common, "--runs", str(tmp_path / "a"))
    settings = [(result["setting"]["strategy"], result["setting"]["partner"]) for result in whole["results"]]
    assert settings == [(strategy, partner) for strategy in ("one-belief", "specialist") for partner in MIXTURE]
    assert all(len(result["found_in"]) == len(names) for result in whole["results"])

    for strategy in ("one-belief", "specialist"):
        figures = whole["populations"][f"{strategy}, mixed, 0%"]
        of_partner = {
            result["setting"]["partner"]: result["summary"]
            for result in whole["results"]
            if result["setting"]["strategy"] == strategy
        }
        for name in ("find_rate", "mean_reward"):
            mean = sum(share * of_partner[partner][name] for partner, share in MIXTURE.items())
            assert figures[name] == pytest.approx(mean)
        assert 1 <= figures["mean_rounds"] <= 12

    assert [(beside["strategy"], beside["partner"]) for beside in whole["beside_specialist"]] == settings[:3]
    ours, theirs = (result for result in whole["results"] if result["setting"]["partner"] == "alpha")
    cost = whole["beside_specialist"][0]
    assert cost["games"] == len(names)
    assert set(cost["rewards"]) == {"value", "low", "high"}
    difference = ours["summary"]["mean_reward"] - theirs["summary"]["mean_reward"]
    assert cost["rewards"]["value"] == pytest.approx(difference)

    shown = invoke("tq", "simulate", "--no-plot", *common, "--runs", str(tmp_path / "b"))
    assert shown.code == 0
    assert "one-belief, mixed, 0%" in shown.out
    assert "Beside a specialist" in shown.err
    assert "nan" not in shown.out + shown.err
    # Among more words than are played for, no round is the least for a strategy that does not know what is.
    assert {result["fewest_rounds"] for result in whole["results"]} == {None}
    again = reported(invoke, *common, "--runs", str(tmp_path / "c"), "--workers", "2")
    assert again["results"] == whole["results"]


def test_without_a_specialist_there_is_nothing_beside_it(invoke, tmp_path: Path) -> None:
    whole = reported(invoke, "--games", "2", "--runs", str(tmp_path))
    assert (whole["beside_specialist"], whole["populations"]) == ([], {})


def test_secrets_come_from_a_list(invoke, tmp_path: Path, words_file: str) -> None:
    secrets = tmp_path / "secrets.txt"
    secrets.write_text("word07\ndog\nunheard of\n", encoding="utf-8")
    common = ("--strategy", "one-belief", "--partner", "alpha", "--secrets", str(secrets))
    (result,) = figures(invoke, *common, "--words", words_file, "--runs", str(tmp_path / "a"))
    found = result["found_in"]
    assert found[0] > 0
    assert found[1] > 0
    assert found[2] == 0
    # The list is not what the guesser guesses from, so its size sets no limit.
    assert result["fewest_rounds"] is None
    secrets.write_text("unheard of\n", encoding="utf-8")
    (result,) = figures(invoke, *common, "--words", words_file, "--runs", str(tmp_path / "a"))
    assert result["found_in"] == [0]


def test_secrets_are_drawn_from_the_prior_of_the_words(invoke, tmp_path: Path, words_file: str) -> None:
    common = ("--strategy", "one-belief", "--partner", "alpha", "--words", words_file, "--secrets", "prior")
    results = {}
    for prior in ("own", "uniform"):
        runs = tmp_path / prior
        (results[prior],) = figures(invoke, *common, "--games", "12", "--words-prior", prior, "--runs", str(runs))
        assert all(found > 0 for found in results[prior]["found_in"])
        (parts,) = runs.glob("*/run.json")
        assert json.loads(parts.read_text())["config"]["words_prior"] == prior
    # It need not open with the handshake: floor(log2(i + 1)) for the i-th of 60 equal words, so 2 in round 1, 30 in 5.
    equal = (2 * 1 + 4 * 2 + 8 * 3 + 16 * 4 + 30 * 5) / 60
    assert results["uniform"]["fewest_rounds"] == pytest.approx(equal)
    assert results["own"]["fewest_rounds"] < equal
    assert words_named(words_file, "uniform").prior == pytest.approx([1 / 60] * 60)


def test_the_prior_may_be_how_often_words_are_written(invoke, tmp_path: Path, words_file: str) -> None:
    pytest.importorskip("wordfreq")
    (result,) = figures(
        invoke,
        *("--strategy", "opening", "--partner", "alpha", "--words", words_file, "--words-prior", "frequency"),
        *("--secrets", "prior", "--games", "20", "--runs", str(tmp_path / "runs")),
    )
    # The made-up words are hardly ever the secret, and few of the others often.
    assert result["fewest_rounds"] < 4
    assert result["summary"]["find_rate"] == 1
