"""`tq table`: what it says of a table, and of what is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from twenty_questions.table import open_table


@pytest.fixture
def table(things_folder: Path, tmp_path: Path) -> Path:
    """The small table, to be damaged at will."""
    return Path(shutil.copytree(things_folder, tmp_path / "table"))


def test_info(invoke, table) -> None:
    result = invoke("tq", "table", "info", "--table", table)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("17 keywords x 17 questions (14 table, 3 letter)\n")
    facts = json.loads(invoke("tq", "table", "info", "--table", table, "--json").out)
    assert (facts["keywords"], facts["questions"], facts["cells"]) == (17, 17, 289)
    assert facts["uncertain_share"] == 0
    assert facts["prior_ratio"] == pytest.approx(1)


def test_info_of_the_built_in_table(invoke) -> None:
    facts = json.loads(invoke("tq", "table", "info", "--json").out)
    assert facts["keywords"] >= 2000
    assert facts["questions"] >= 300
    assert facts["bytes"] < 3_000_000


def test_show_a_keyword_by_any_of_its_names(invoke, table) -> None:
    result = invoke("tq", "table", "show", "The Couches", "--table", table)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("armchair (also: couch): prior ")
    assert "  Can you sit on it? [seat]\n" in result.out
    shown = json.loads(invoke("tq", "table", "show", "couch", "--table", table, "--json").out)
    assert (shown["name"], shown["alts"]) == ("armchair", ["couch"])
    assert shown["answers"]["seat"] > 0.9 > 0.1 > shown["answers"]["alive"]


def test_show_a_question_by_its_key(invoke, table) -> None:
    result = invoke("tq", "table", "show", "seat", "--table", table)
    assert result.out.startswith("Can you sit on it? [seat, table]\n\nyes (2): armchair, bench\n")
    shown = json.loads(invoke("tq", "table", "show", "seat", "--table", table, "--json").out)
    assert shown["yes"] == ["armchair", "bench"]
    assert len(shown["no"]) == 15


def test_show_something_that_is_not_there(invoke, table) -> None:
    result = invoke("tq", "table", "show", "zorgle", "--table", table)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "'zorgle' is neither a keyword nor a question's key" in result.err


def test_check_of_a_sound_table_against_labels_and_words(invoke, table, tmp_path) -> None:
    labels, words = tmp_path / "labels.csv", tmp_path / "words.txt"
    labels.write_text("keyword,question,answer\ndog,Is it an animal?,yes\ndrum,Is it an animal?,no\n", encoding="utf-8")
    words.write_text("Dog\nsettee; couch\n\nzorgle\nzebra\n", encoding="utf-8")
    result = invoke("tq", "table", "check", "--table", table, "--labels", labels, "--words", words, "--json")
    found = json.loads(result.out)
    assert found["agreement"]["balanced_accuracy"] == 1
    assert found["agreement"]["cells"] == 2
    assert found["recall"]["words"] == 4
    assert found["recall"]["by_the_game"] == pytest.approx(0.5)
    assert found["sound"] == (found["lookalikes"] == [] and found["lopsided"] == [])
    assert result.code == (0 if found["sound"] else 1)


@pytest.mark.parametrize("file", ["keywords.jsonl", "questions.jsonl", "answers.safetensors"])
def test_check_finds_a_changed_file(invoke, table, file) -> None:
    content = bytearray((table / file).read_bytes())
    content[-3] ^= 1
    (table / file).write_bytes(bytes(content))
    result = invoke("tq", "table", "check", "--table", table)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"{table / file}: differs from the manifest's SHA-256" in result.err


@pytest.mark.parametrize("command", ["info", "check"])
@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("manifest.json", "{", "manifest.json, line 1: not JSON"),
        ("manifest.json", "[]", "expected the format"),
        ("keywords.jsonl", "", "keywords.jsonl"),
        ("keywords.jsonl", '{"name": "dog", "prior": 1}\n{"name": "Dog", "prior": 1}\n', "keywords.jsonl"),
        ("answers.safetensors", "short", "answers.safetensors"),
    ],
)
def test_a_damaged_table_is_one_clear_line(invoke, table, command, file, content, words) -> None:
    (table / file).write_text(content, encoding="utf-8")
    result = invoke("tq", "table", command, "--table", table)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err


@pytest.mark.parametrize("arguments", [("info",), ("check",), ("show", "dog")])
def test_a_missing_table_is_one_clear_line(invoke, tmp_path, arguments) -> None:
    result = invoke("tq", "table", *arguments, "--table", tmp_path / "nowhere")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"{tmp_path / 'nowhere'}: there is no table folder here" in result.err


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--labels", "a,b\n1,2\n"),
        ("--labels", "keyword,question,answer\ndog,Is it loud?,perhaps\n"),
        ("--words", "\n\n"),
    ],
)
def test_check_refuses_files_it_cannot_use(invoke, table, tmp_path, option, content) -> None:
    path = tmp_path / "given"
    path.write_text(content, encoding="utf-8")
    result = invoke("tq", "table", "check", "--table", table, option, path)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert str(path) in result.err
    path.unlink()
    missing = invoke("tq", "table", "check", "--table", table, option, path)
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def knowledge(folder: Path, things: str, questions: str = "[is]\nalive  Is it alive?\nmade  Is it man-made?\n") -> Path:
    """Write a folder of knowledge."""
    (folder / "things").mkdir(parents=True)
    (folder / "questions.txt").write_text(questions, encoding="utf-8")
    (folder / "things" / "some.txt").write_text(things, encoding="utf-8")
    return folder


def test_build_refuses_knowledge_it_cannot_read(invoke, tmp_path) -> None:
    missing = invoke("tq", "table", "build", tmp_path / "out", "--knowledge", tmp_path / "none")
    assert (missing.code, missing.out, missing.err.count("\n")) == (2, "", 1)
    bad = knowledge(tmp_path / "bad", "this is no entry at all: :: nonsense_key\n")
    result = invoke("tq", "table", "build", tmp_path / "out", "--knowledge", bad)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "some.txt" in result.err
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_build_of_what_ships_makes_a_whole_table(invoke, tmp_path) -> None:
    result = invoke("tq", "table", "build", tmp_path / "out", "--json")
    assert result.code == 0
    told = json.loads(result.out)
    built = open_table(tmp_path / "out", verify=True)
    assert (told["keywords"], told["questions"]) == (len(built.keywords), len(built.questions))


def test_build_where_nothing_can_be_written(invoke, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = invoke("tq", "table", "build", tmp_path / "file" / "out")
    assert result.code != 0
    assert (result.out, result.err.count("\n")) == ("", 1)
