"""`tq evaluate`: answerers on a gold set, guessers with partners, players by their games."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from furikaeri_cli.tq.pair_progress import PairLines
from furikaeri_common.errors import InputError
from twenty_questions.labelling import opening
from twenty_questions.studies.predictions import PairProgress
from twenty_questions.table import builtin_table

KAGGLE_REPLAY = Path(__file__).parents[1] / "twenty_questions" / "kaggle_replay.json"
EMBEDDINGS_OFF = ("--embeddings", "off")


class Knowing:
    """A labeller that knows the truth as well as its name says: "knows-0.9"."""

    def __init__(self, config, truth: dict[tuple[str, str], bool], asked: list[str]) -> None:
        self.name, self.identity = config.model, {"model": config.model, "prompt": config.prompt}
        self._right = float(config.model.rpartition("-")[2])
        self._truth, self._asked = truth, asked

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> np.ndarray:
        told = np.empty((len(keywords), len(questions)), dtype=np.float32)
        for row, keyword in enumerate(keywords):
            for column, question in enumerate(questions):
                self._asked.append(f"{self.name}: {keyword}, {question}")
                rng = np.random.default_rng([ord(letter) for letter in f"{self.name}{keyword}{question}"])
                knows = rng.random() < self._right
                told[row, column] = (
                    rng.uniform(0.5, 1) if self._truth[keyword, question] == knows else rng.uniform(0, 0.5)
                )
        return told


@pytest.fixture(scope="module")
def truth() -> dict[tuple[str, str], bool]:
    """What the built-in table says."""
    table = builtin_table()
    said = (np.asarray(table.codes) > 127).tolist()
    return {
        (keyword.name, question.text): answer
        for keyword, row in zip(table.keywords, said, strict=True)
        for question, answer in zip(table.questions, row, strict=True)
    }


@pytest.fixture
def asked(truth: dict[tuple[str, str], bool], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put models in place that know the built-in table, and tell what they are asked."""
    told: list[str] = []

    def open_labeller(config, *, on_note=None) -> Knowing:
        if not config.model.startswith("knows-"):
            raise InputError(f"there is no model {config.model!r} on this machine")
        return Knowing(config, truth, told)

    monkeypatch.setattr(opening, "open_labeller", open_labeller)
    return told


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty things of the built-in table and twelve of its questions, without the uncertain."""
    table = builtin_table()
    rows = np.random.default_rng(0).choice(len(table.keywords), size=30, replace=False)
    columns = [column for column, question in enumerate(table.questions) if question.kind == "table"][:12]
    path = tmp_path_factory.mktemp("gold") / "gold.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["keyword", "question", "answer"])
        for row in rows:
            writer.writerow([table.keywords[row].name, 'Does the keyword start with the letter "b"?', "no"])
            for column in columns:
                if abs(int(table.codes[row, column]) - 127) > 50:
                    answer = "yes" if table.codes[row, column] > 127 else "no"
                    writer.writerow([table.keywords[row].name, table.questions[column].text, answer])
    return path


def models(*names: str) -> list[str]:
    return [part for name in names for part in ("--model", f"knows-{name}")]


def test_models_and_their_vote_are_measured(invoke, asked, gold: Path, tmp_path: Path) -> None:
    names = ("0.6", "0.7", "0.8", "0.85")
    code, out, err = invoke(
        "tq", "evaluate", "answerer", gold, *models(*names), "--choose", 3, "--json", "--runs", tmp_path
    )
    assert code == 0, err
    document = json.loads(out)
    figures = {one["name"]: one for one in document["answerers"]}
    said = [*(f"knows-{name}" for name in names), "vote (majority)"]
    assert list(figures) == [*said, "vote (mean)", *(f"{name} + leanings" for name in said)]
    for name in names:
        low, high = figures[f"knows-{name}"]["accuracy"]["low"], figures[f"knows-{name}"]["accuracy"]["high"]
        assert low - 0.05 < float(name) < high + 0.05
    assert figures["vote (mean)"]["auc"]["value"] > figures["knows-0.7"]["auc"]["value"]
    assert document["by_rule"] == 30
    assert document["chosen"]["tried"] == 4
    assert "knows-0.85" in document["chosen"]["members"]
    assert len(document["by_question"]) == 13 * 6
    assert document["paces"][0]["labelled"] == document["pairs"] - 30
    assert not any("start with" in pair for pair in asked)
    run = Path(document["run"])
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    assert len((run / "disagreements.jsonl").read_text().splitlines()) == document["disagreeing_or_surely_wrong"]
    assert json.loads((run / "results.json").read_text())["identities"]["knows-0.6"]["prompt"] == "original"
    assert (run / "predictions.parquet").is_file()


def test_a_second_command_asks_nothing_and_says_the_same(invoke, asked, gold: Path, tmp_path: Path) -> None:
    command = ("tq", "evaluate", "answerer", gold, *models("0.7", "0.9"), "--json", "--runs", tmp_path)
    first = json.loads(invoke(*command).out)
    count = len(asked)
    second = json.loads(invoke(*command).out)
    assert len(asked) == count
    assert [pace["labelled"] for pace in second["paces"]] == [0, 0]
    for document in (first, second):
        del document["run"], document["paces"]
    assert first == second


def test_an_interrupted_run_goes_on(invoke, asked, gold: Path, tmp_path: Path, monkeypatch) -> None:
    command = ("tq", "evaluate", "answerer", gold, *models("0.8"), "--json", "--runs", tmp_path)
    label, calls = Knowing.label, []

    def label_some(self, keywords, questions):
        calls.append(keywords)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return label(self, keywords, questions)

    monkeypatch.setattr(Knowing, "label", label_some)
    assert invoke(*command).code == 130
    monkeypatch.setattr(Knowing, "label", label)
    asked.clear()
    document = json.loads(invoke(*command).out)
    assert len({pair.partition(",")[0] for pair in asked}) == 20
    assert len([path for path in tmp_path.iterdir() if not path.name.startswith(".")]) == 1
    alone = json.loads(invoke(*command[:-1], tmp_path / "elsewhere").out)
    assert alone["answerers"] == document["answerers"]


def test_in_a_pipe_there_are_tables_of_tabs(invoke, asked, gold: Path, tmp_path: Path) -> None:
    code, out, err = invoke(
        *("tq", "evaluate", "answerer", gold, *models("0.6", "0.7", "0.8"), "--keywords", 10, "--runs", tmp_path),
        *("--questions", 3, "--disagreements", 4, "--choose", 2, "--fit"),
    )
    assert code == 0, err
    answerers, chosen, questions, disputes = [block.splitlines() for block in out.strip("\n").split("\n\n")]
    assert answerers[0] == "answerer\taccuracy\tbalanced (95 %)\tAUC (95 %)\tfitted (95 %)"
    assert [line.split("\t")[0] for line in answerers[4:6]] == ["vote (majority)", "vote (mean)"]
    assert (len(questions), len(disputes)) == (4, 5)
    assert "pairs are answered by rule" in err
    assert chosen[0].startswith("Best of 3 votes: knows-")
    assert "Kept in" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no model is named. Name one with --model"),
        ([*models("0.7", "0.8"), "--choose", "3"], "--choose 3 needs as many models, got 2"),
        ([*models("0.7", "0.7")], "--model names 'knows-0.7' twice"),
        (["--model", "nowhere"], "there is no model 'nowhere'"),
        ([*models("0.7"), "--save-leanings", "{gold}"], "not JSON"),
        ([*models("0.7"), "--rule", "luck"], "'--rule'"),
        ([*models("0.7"), "--keywords", "1"], "expected at least 2 keywords, got 1"),
    ],
)
def test_what_is_wrong_with_a_command_is_one_line(invoke, asked, gold: Path, tmp_path: Path, arguments, words) -> None:
    before, arguments = gold.read_bytes(), [part.format(gold=gold) for part in arguments]
    code, out, err = invoke("tq", "evaluate", "answerer", gold, "--runs", tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert gold.read_bytes() == before
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keyword,question,answer\na,Big?,yes\na,Big?,no\nb,Big?,no\n", "expected one answer about 'a' to 'Big?'"),
        ("keyword,question,answer\na,Big?,maybe\n", "line 2: expected keyword, question and an answer yes or no"),
        ("", "holds no answers"),
    ],
)
def test_what_is_wrong_with_a_gold_set_is_one_line(invoke, asked, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(text, encoding="utf-8")
    code, out, err = invoke("tq", "evaluate", "answerer", path, *models("0.7"), "--runs", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert f"{path}" in err
    assert words in err
    assert not (tmp_path / "runs").exists()


def test_lines_of_progress_tell_pace_and_time_left() -> None:
    lines = PairLines("a model")
    assert lines.line_for(PairProgress(50, 1000, 0, 0.0)) == ""
    assert lines.line_for(PairProgress(400, 1000, 0, 0.0)) == "a model: 400 of 1,000 pairs, from earlier runs"
    assert lines.line_for(PairProgress(420, 1000, 20, 10.0)) == ""
    told = "a model: 430 of 1,000 pairs after 31 s, 1.0 pairs/s, 10 min left"
    assert lines.line_for(PairProgress(430, 1000, 30, 31.0)) == told
    assert (
        lines.line_for(PairProgress(1000, 1000, 600, 60.0)) == "a model: 1,000 of 1,000 pairs after 60 s, 10.0 pairs/s"
    )


def test_a_guesser_is_measured_with_its_guesses(invoke, tmp_path: Path) -> None:
    command = ("tq", "evaluate", "guesser", "--games", 12, "--noise", 0, "--noise", 0.3, "--rounds", 8, *EMBEDDINGS_OFF)
    document = json.loads(invoke(*command, "--json", "--runs", tmp_path).out)
    sure, noisy = (result["figures"]["summary"] for result in document["results"])
    assert sure["find_rate"] > noisy["find_rate"]
    (first, *_) = sorted((Path(document["run"]) / "parts").iterdir())
    assert json.loads((first / "result.json").read_text())["value"]["guesses"]
    code, out, err = invoke(*command, "--runs", tmp_path)
    assert code == 0, err
    assert out.splitlines()[0] == "setting\tgames\tfound (95 %)\trounds\treward (95 %)\tscore\twhere lost"


def test_models_answer_the_guesser(invoke, asked, tmp_path: Path) -> None:
    command = ("tq", "evaluate", "guesser", "--partner", "answerer", "--strategy", "meaning", *EMBEDDINGS_OFF, "--json")
    command += ("--games", 6, "--rounds", 15, "--base-url", "http://here/v1")
    good = json.loads(invoke(*command, *models("1.0"), "--runs", tmp_path).out)["results"][0]["figures"]["summary"]
    bad = json.loads(invoke(*command, *models("0.5"), "--runs", tmp_path).out)["results"][0]["figures"]["summary"]
    assert good["find_rate"] > 0.8
    assert bad["find_rate"] < 0.4
    assert any(pair.startswith("knows-1.0") for pair in asked)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--partner", "answerer"), "the partner `answerer` answers with models, and none is named"),
        (("--partner", "labels"), "needs --labels"),
        (
            ("--partner", "answerer", "--model", "a", "--base-url", "http://here/v1", "--leanings", "/nowhere.json"),
            "/nowhere.json",
        ),
        (("--partner", "mum"), "no partner is called 'mum'"),
        (("--embeddings", "/nowhere"), "there is no embedder '/nowhere'"),
        (("--embeddings", "auto", "--device", "abacus"), "unknown device 'abacus'"),
    ],
)
def test_a_guesser_that_cannot_be_measured(invoke, tmp_path: Path, arguments, words: str) -> None:
    code, out, err = invoke("tq", "evaluate", "guesser", "--runs", tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_players_are_measured_by_matches_and_replays(invoke, tmp_path: Path) -> None:
    folder = tmp_path / "replays"
    (folder / "deep").mkdir(parents=True)
    saved = folder / "deep" / "matches.json"
    words = tmp_path / "words.txt"
    words.write_text("gasometer\n", encoding="utf-8")
    played = invoke("tq", "match", "--answerer2", "alpha", "--games", 6, "--words", words, "--save", saved)
    assert played.code == 0
    (folder / "kaggle.json").write_bytes(KAGGLE_REPLAY.read_bytes())
    (folder / "kaggle (1).json").write_bytes(KAGGLE_REPLAY.read_bytes())
    (folder / "cut.json").write_bytes(KAGGLE_REPLAY.read_bytes()[:500])
    code, out, err = invoke(
        "tq", "evaluate", "games", folder, saved, *EMBEDDINGS_OFF, "--json", "--runs", tmp_path / "runs"
    )
    assert code == 0, err
    document = json.loads(out)
    assert (document["games"], document["files"], document["repeated_files"]) == (14, 2, 1)
    assert [one["file"] for one in document["damaged"]] == [str(folder / "cut.json")]
    assert "cut.json, line" in err
    by_name = {player["player"]: player for player in document["players"]}
    assert set(by_name) == {"ours", "alpha", "Asa", "Bea", "Cid", "Dov"}
    assert by_name["ours"]["bisection"]["games"] + by_name["ours"]["others"]["games"] == 12
    assert (Path(document["run"]) / "players.png").read_bytes().startswith(b"\x89PNG")
    code, out, err = invoke(
        "tq", "evaluate", "games", folder, *EMBEDDINGS_OFF, "--no-plot", "--runs", tmp_path / "runs"
    )
    assert code == 0
    assert out.startswith("player\tfound\treward\tbisecting\treward\n")
    assert "14 games of 2 files" in err


def test_games_that_are_not_there(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("tq", "evaluate", "games", tmp_path / "nowhere", "--runs", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert "nowhere: there is no such file or folder" in err
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    code, out, err = invoke("tq", "evaluate", "games", tmp_path, "--runs", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert "broken.json" in err
    (tmp_path / "broken.json").write_text("[]", encoding="utf-8")
    assert invoke("tq", "evaluate", "games", tmp_path, "--runs", tmp_path / "runs").code == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.models
def test_guesses_are_scored_by_a_real_embedder(invoke, tmp_path: Path) -> None:
    from furikaeri_common.embedders import DEFAULT_EMBEDDER
    from furikaeri_common.models.places import models_folder

    if not (models_folder() / DEFAULT_EMBEDDER).is_dir():
        pytest.skip(f"no {DEFAULT_EMBEDDER} in {models_folder()}; set FURIKAERI_MODELS")
    document = json.loads(
        invoke("tq", "evaluate", "games", KAGGLE_REPLAY, "--no-plot", "--json", "--runs", tmp_path).out
    )
    asa = next(player for player in document["players"] if player["player"] == "Asa")
    assert 0.8 < asa["guesser_score"]["value"] <= 1  # it said "Kettles"
    assert document["scored"] == 1


def test_options_of_models_reach_them(invoke, asked, gold: Path, tmp_path: Path, monkeypatch) -> None:
    seen = []
    open_labeller = opening.open_labeller

    def remember(config, **options):
        seen.append(dataclasses.asdict(config))
        return open_labeller(config, **options)

    monkeypatch.setattr(opening, "open_labeller", remember)
    code, _, err = invoke(
        *("tq", "evaluate", "answerer", gold, *models("0.7"), "--runs", tmp_path, "--keywords", 3, "--quiet"),
        *("--base-url", "http://here/v1", "--weights", "4bit", "--device", "cpu", "--definitions", "--centring"),
        *("--samples", 3, "--concurrency", 2, "--requests-per-minute", 90, "--price-in", 0.5, "--price-out", 2),
    )
    assert (code, err) == (0, "")
    expected = {
        "base_url": "http://here/v1", "weights": "4bit", "device": "cpu",
        "definitions": True, "centring": True, "prompt": "original", "samples": 3,
        "concurrency": 2, "requests_per_minute": 90.0, "price_in": 0.5, "price_out": 2.0,
    }  # fmt: skip
    assert {name: seen[0][name] for name in expected} == expected


def test_leanings_are_saved_for_every_model(invoke, asked, gold: Path, tmp_path: Path) -> None:
    file = tmp_path / "leanings.json"
    code, _, err = invoke(
        *("tq", "evaluate", "answerer", gold, *models("0.6", "0.8"), "--runs", tmp_path, "--save-leanings", file)
    )
    assert code == 0, err
    document = json.loads(file.read_text())
    assert set(document["models"]) == {"knows-0.6", "knows-0.8"}
    code, _, err = invoke(
        *("tq", "evaluate", "answerer", gold, *models("0.6"), "--runs", tmp_path),
        *("--save-leanings", file, "--leanings", file),
    )
    assert code == 2
    assert "learns from what a model says by itself" in err


def test_the_worst_questions_of_one_model_are_shown(invoke, asked, gold: Path, tmp_path: Path) -> None:
    code, out, err = invoke(
        *("tq", "evaluate", "answerer", gold, *models("0.6"), "--keywords", 10, "--runs", tmp_path),
        *("--questions", 3, "--disagreements", 0),
    )
    assert code == 0, err
    answerers, questions = [block.splitlines() for block in out.strip("\n").split("\n\n")]
    assert [line.split("\t")[0] for line in answerers[1:]] == ["knows-0.6", "knows-0.6 + leanings"]
    assert len(questions) == 4


def test_leanings_that_these_keywords_taught_are_told(
    invoke, asked, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "leanings.json"
    arguments = ("tq", "evaluate", "answerer", gold, *models("0.6"), "--runs", tmp_path)
    assert invoke(*arguments, "--save-leanings", file).code == 0
    code, out, err = invoke(*arguments, "--leanings", file, "--keywords", 10)
    assert code == 0, err
    assert f"warning: {file} was learned on 10 of these 10 keywords: figures on them are too good" in err
    assert "+ leanings" not in out
