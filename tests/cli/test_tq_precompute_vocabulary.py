"""`tq precompute vocabulary` and `tq evaluate vocabulary`: one file from small sources, made once, judged by size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("polars")
pytest.importorskip("lightgbm")

from furikaeri_common.stages import run_stages
from twenty_questions.precompute.vocabulary import VocabularyLayout, vocabulary_stages
from twenty_questions.precompute.vocabulary_recipe import read_vocabulary_recipe
from twenty_questions.vocabulary.packed import read_vocabulary, read_vocabulary_facts

RECIPE = """
known = "known.txt"
train_share = 1
written = "written"
wordnet = "wordnet"
limit = 100000
[selection]
least_productivity = 1
[compounds]
number = 40
pool = 200
heads = 50
rank = 2
rounds = 5
negatives = 100
[prior]
trees = 0
"""
WRITTEN = """[1]
cup: tea, paper, egg, coffee
knife: bread, paper, butter
lamp: desk, floor, table
[3]
hat > stand, box
spoon, desk, floor
"""
DATA = (
    "{0:08d} 03 n 01 entity 0 001 ~ {1:08d} n 0000 | all  \n",
    "{1:08d} 03 n 01 physical_entity 0 002 @ {0:08d} n 0000 ~ {2:08d} n 0000 | what is  \n",
    "{2:08d} 06 n 02 cup 0 tea_cup 0 001 @ {1:08d} n 0000 | one drinks from it  \n",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    module = "twenty_questions.precompute.vocabulary"
    monkeypatch.setattr(f"{module}.zipf_values", lambda: {"cup": 4.5, "spoon": 4.1, "ladle": 2.5, "zzz": 0.1})
    monkeypatch.setattr(f"{module}.concreteness_ratings", lambda: {"cup": 5.0, "hat box": 4.7, "hope": 1.2})
    monkeypatch.setattr(f"{module}.bigram_counts", lambda: {"tea cup": 900, "hat cup": 800, "the cup": 700})
    monkeypatch.setattr(f"{module}.source_versions", lambda: {"wordfreq": "3"})
    (tmp_path / "written").mkdir()
    (tmp_path / "written/home_a.txt").write_text(WRITTEN)
    (tmp_path / "known.txt").write_text("Tea cup\nbread knife\nspoon\nPaper cups\nflagon\n")
    (tmp_path / "mine.toml").write_text(RECIPE)
    (tmp_path / "wordnet").mkdir()
    at = [0, 0, 0]
    for _ in range(2):
        lines = [line.format(*at) for line in DATA]
        at = [sum(map(len, lines[:number])) for number in range(len(lines))]
    (tmp_path / "wordnet/data.noun").write_text("".join(lines))
    entries = {"cup": 2, "entity": 0, "physical_entity": 1, "tea_cup": 2}
    index = [f"{word} n 1 1 @ 1 0 {at[row]:08d}  \n" for word, row in entries.items()]
    (tmp_path / "wordnet/index.noun").write_text("".join(index))
    return tmp_path


def test_a_recipe_makes_a_vocabulary_once(invoke, place: Path) -> None:
    code, out, err = invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml", "--json")
    assert code == 0, err
    made = json.loads(out)
    assert [stage["name"] for stage in made["stages"]] == ["sources", "compounds", "candidates", "prior", "file"]
    words = read_vocabulary(place / "out.bin")
    assert {"tea cup", "hat stand", "spoon", "ladle", "hat box"} <= set(words.words)
    assert not {"zzz", "the cup", "hope"} & set(words.words)
    prior = dict(zip(words.words, words.prior, strict=True))
    assert prior["spoon"] > prior["ladle"]
    new = made["stages"][1]["facts"]["new"]
    assert 0 < new <= 40
    assert made["stages"][4]["facts"]["names"] == len(words.words) > new
    facts = read_vocabulary_facts(place / "out.bin").facts
    assert facts["known"] == 5
    assert facts["sources"]["wordfreq"] == "3"
    first = (place / "out.bin").read_bytes()
    (place / "out.bin").unlink()
    code, out, err = invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml")
    assert code == 0, err
    assert err.count("done before") == 5
    assert "tq evaluate vocabulary out.bin" in out
    assert (place / "out.bin").read_bytes() == first


def test_a_limit_keeps_the_most_probable_names(invoke, place: Path) -> None:
    for limit in ("30", "0"):
        code, _, err = invoke(
            "tq", "precompute", "vocabulary", f"{limit}.bin", "--recipe", "mine.toml", "--limit", limit
        )
        assert code == 0, err
    few, all_words = read_vocabulary(place / "30.bin"), read_vocabulary(place / "0.bin")
    assert len(few.words) == 30
    dropped = dict(zip(all_words.words, all_words.prior, strict=True))
    kept = [dropped.pop(word) for word in few.words]
    assert min(kept) >= max(dropped.values())


@pytest.mark.parametrize("stopped", [0, 1, 2, 3, 4])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(place: Path, stopped: int) -> None:
    recipe = read_vocabulary_recipe("mine.toml")

    class Killed(BaseException):
        pass

    def killed(stage) -> None:
        if stage.name == ("sources", "compounds", "candidates", "prior", "file")[stopped]:
            raise Killed

    for folder in ("whole", "torn"):
        if folder == "torn":
            with pytest.raises(Killed):
                run_stages(place / folder, vocabulary_stages(recipe, place / folder), on_start=killed)
        records = run_stages(place / folder, vocabulary_stages(recipe, place / folder))
    assert sum(record.reused for record in records) == stopped
    whole, torn = VocabularyLayout(place / "whole"), VocabularyLayout(place / "torn")
    for name in ("sources", "compounds", "candidates", "prior", "file"):
        assert getattr(whole, name).read_bytes() == getattr(torn, name).read_bytes(), name


def test_what_is_missing_is_told_before_there_is_a_run(invoke, place: Path) -> None:
    command = ("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml")
    (place / "known.txt").rename(place / "gone.txt")
    code, _, err = invoke(*command)
    assert code == 2
    assert "known.txt" in err
    (place / "gone.txt").rename(place / "known.txt")
    (place / "mine.toml").write_text(RECIPE + "leavs = 3\n")
    assert "no such setting" in invoke(*command).err
    (place / "mine.toml").write_text(RECIPE.replace("number = 40", "number = 400"))
    assert "expected 0 <= number <= pool" in invoke(*command).err
    (place / "mine.toml").write_text(RECIPE)
    (place / "empty").mkdir()
    for setting, complaint in (
        ('written = "empty"', "empty: holds no .txt file of written lists"),
        ('wordnet = "empty"', "as `wordnet` in the recipe"),
        ('judged = "empty"', "empty: holds no .txt file of judgements"),
    ):
        kept = [line for line in RECIPE.splitlines() if not line.startswith(setting.split()[0])]
        (place / "mine.toml").write_text("\n".join([setting, *kept]))
        code, _, err = invoke(*command)
        assert code == 2
        assert complaint in err
        assert len(err.splitlines()) == 1
    (place / "mine.toml").write_text(RECIPE)
    assert invoke("tq", "precompute", "vocabulary", "written", "--recipe", "mine.toml").code == 2
    code, _, err = invoke("tq", "precompute", "vocabulary", "known.txt", "--recipe", "mine.toml")
    assert code == 2
    assert "known.txt: is there and no vocabulary" in err
    assert (place / "known.txt").read_text().startswith("Tea cup")
    assert "no recipe" in invoke("tq", "precompute", "vocabulary", "x", "--recipe", "standrd").err
    assert not (place / "runs").exists()


def test_a_library_of_a_later_stage_is_missed_before_there_is_a_run(
    invoke, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    code, _, err = invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml")
    assert code == 2
    assert "furikaeri-twenty-questions[vocabulary]" in err
    assert not (place / "runs").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(invoke, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.open

    def opened(path: Path, *args, **settings):
        return (
            whole(Path("/dev/full"), "wb")
            if path.name.startswith(".candidates.parquet")
            else whole(path, *args, **settings)
        )

    monkeypatch.setattr(Path, "open", opened)
    code, _, err = invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml")
    assert code == 1
    assert "candidates.parquet: the disk is full" in err


def test_a_bad_line_of_a_written_list_is_told(invoke, place: Path) -> None:
    (place / "written/home_b.txt").write_text("anvil\n???\n")
    code, _, err = invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml")
    assert code == 2
    assert "home_b.txt, line 2" in err
    (place / "written/home_b.txt").write_text("anvil\n")
    assert invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml").code == 0
    assert "anvil" in read_vocabulary(place / "out.bin").words


def test_a_vocabulary_is_judged_by_size(invoke, place: Path) -> None:
    assert invoke("tq", "precompute", "vocabulary", "out.bin", "--recipe", "mine.toml").code == 0
    command = ("tq", "evaluate", "vocabulary", "out.bin", "--against", "known.txt")
    code, out, err = invoke(*command, "--size", "1", "--size", "20", "--json")
    assert code == 0, err
    judged = json.loads(out)
    assert judged["wanted"] == 5
    assert judged["missed"] == ["flagon"]
    rows = judged["sizes"]
    assert [row["size"] for row in rows[:2]] == [1, 20]
    assert rows[-1]["recall"] == pytest.approx(0.8)
    assert rows[-1]["recall_exact"] == pytest.approx(0.6)
    assert rows[-1]["mass"] == pytest.approx(1.0)
    code, out, err = invoke(*command)
    assert "80.0%" in out
    assert "Not found: flagon" in err
    halves = [json.loads(invoke(*command, "--half", half, "--json").out)["wanted"] for half in ("train", "validation")]
    assert sum(halves) == 5
    assert invoke(*command, "--half", "second").code == 2
    assert invoke(*command, "--half", "train", "--train-share", "0").code == 2
    assert invoke("tq", "evaluate", "vocabulary", "none.bin", "--against", "known.txt").code == 2


def test_the_curve_of_recall_is_drawn(invoke, place: Path) -> None:
    pytest.importorskip("matplotlib")
    (place / "words.txt").write_text("spoon\nteacup\nbread knife\n")
    code, _, err = invoke("tq", "evaluate", "vocabulary", "words.txt", "--against", "known.txt", "--plot", "recall.png")
    assert code == 0, err
    assert "Drawn in recall.png" in err
    assert (place / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_that_was_asked_for_needs_its_extra(invoke, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (place / "words.txt").write_text("spoon\n")
    code, _, err = invoke("tq", "evaluate", "vocabulary", "words.txt", "--against", "known.txt", "--plot", "recall.png")
    assert code == 2
    assert "furikaeri-twenty-questions[study]" in err
    assert not (place / "recall.png").exists()
