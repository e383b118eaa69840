"""The frame of every command: help, options from everywhere, lazy import."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from furikaeri_cli import main
from furikaeri_cli.commands import Command, Group, build, load
from furikaeri_cli.main import FURIKAERI
from furikaeri_cli.settings import options_from, read_settings

SAMPLE = Command("sample", "sample_commands", "sample_cli", "Try every kind of option.")
OTHER = Command("other", "sample_commands", "other_cli", "Have another option.")
TQ = Group("tq", "The game.", (SAMPLE, Group("deep", "Below.", (OTHER,))))
ROOT = Group("furikaeri", "Everything.", (TQ, Group("runs", "Runs.", (OTHER,)), SAMPLE))


@pytest.fixture(autouse=True)
def _sample_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(main, "FURIKAERI", ROOT)
    monkeypatch.setattr(main, "_PROGRAMS", {"tq": TQ, "furikaeri": ROOT})
    for name in ("TQ_SEED", "FURIKAERI_SEED", "FURIKAERI_CONFIG", "FURIKAERI_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(tmp_path: Path):
    def write(text: str) -> Path:
        (tmp_path / "settings.toml").write_text(text)
        return tmp_path / "settings.toml"

    return write


def result(invoke, *arguments: object) -> dict[str, Any]:
    ended = invoke(*arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_help_of_a_group_lists_commands_and_imports_none(invoke) -> None:
    sys.modules.pop("sample_commands", None)
    for arguments in ((), ("-h",), ("--help",)):
        code, out, err = invoke("tq", *arguments)
        assert (code, err) == (0, "")
        assert "sample  Try every kind of option." in out
        assert "deep    Below." in out
    assert "other  Have another option." in invoke("furikaeri", "tq", "deep").out
    assert "sample_commands" not in sys.modules


def test_help_of_a_command_ends_with_examples_and_exit_codes(invoke) -> None:
    code, out, _ = invoke("tq", "sample", "-h")
    assert code == 0
    assert "Examples:\n  tq sample --games 3\n  tq sample --json | head\n" in out
    assert "TQ_SAMPLE_<OPTION>" in out
    assert "[tq.sample]" in out
    assert out.rstrip().splitlines()[-2].startswith("Exit codes: 0 done")
    assert out.count("Examples:") == 1
    assert "env var" not in out


def test_version(invoke) -> None:
    assert invoke("tq", "--version").out.startswith("furikaeri 0.")


def test_the_same_command_in_both_programs(invoke) -> None:
    assert result(invoke, "tq", "sample", "--seed", "5") == result(invoke, "furikaeri", "tq", "sample", "--seed", "5")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("smaple",), "tq: No such command 'smaple'. Did you mean 'sample'? (see: tq --help)"),
        (("sample", "--gmaes"), "tq: No such option: --gmaes (Possible options: --games) (see: tq sample --help)"),
        (("sample", "--games", "0"), "--games': Input should be greater than or equal to 1"),
        (("sample", "--engine", "x"), "'x' is not one of 'fast', 'kaggle'"),
        (("sample", "--games"), "Option '--games' requires an argument"),
        (("sample", "a", "b"), "unexpected extra argument"),
        (("deep",), None),
        (("sample", "--config", "/nowhere.toml"), "tq: /nowhere.toml: cannot be read (No such file or directory)"),
    ],
)
def test_usage_errors_are_one_line(invoke, arguments: tuple[str, ...], line: str | None) -> None:
    code, out, err = invoke("tq", *arguments)
    if line is None:
        assert (code, err) == (0, "")
        return
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


def test_a_failing_command(invoke) -> None:
    assert invoke("tq", "sample", "--fail") == (1, "", "tq: it broke. Mend it\n")
    for arguments in (("sample", "--fail", "--debug"), ("--debug", "sample", "--fail")):
        code, _, err = invoke("tq", *arguments)
        assert code == 1
        assert err.startswith("Traceback")
        assert err.endswith("\ntq: it broke. Mend it\n")


def test_notes_go_to_stderr(invoke) -> None:
    assert invoke("tq", "sample").err == "a note\n"
    assert invoke("tq", "sample", "--quiet").err == ""


def test_options_come_from_the_environment_the_nearest_first(invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, expected in (
        ("FURIKAERI_SEED", "1", 1),
        ("TQ_SEED", "2", 2),
        ("TQ_SAMPLE_SEED", "3", 3),
        ("TQ_DEEP_OTHER_SEED", "4", 3),
    ):
        monkeypatch.setenv(name, value)
        assert result(invoke, "tq", "sample")["seed"] == expected
    assert result(invoke, "tq", "sample", "--seed", "9")["seed"] == 9
    assert result(invoke, "furikaeri", "sample")["seed"] == 1
    monkeypatch.setenv("FURIKAERI_RUNS_OTHER_DEPTH", "7")
    assert result(invoke, "furikaeri", "runs", "other")["depth"] == 7
    monkeypatch.setenv("TQ_TIE_BITS", "0.25")
    monkeypatch.setenv("TQ_ENGINE", "kaggle")
    monkeypatch.setenv("TQ_NOISE", "0.1 0.2")
    found = result(invoke, "tq", "sample")
    assert (found["tie_bits"], found["engine"], found["noise"]) == (0.25, "kaggle", [0.1, 0.2])


def test_a_bad_value_in_the_environment_names_the_variable(invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQ_SEED", "many")
    code, _, err = invoke("tq", "sample")
    assert code == 2
    assert "'--seed'" in err
    assert "(from the environment: TQ_SEED)" in err


EVERYTHING = """
[all]
seed = 1
[tq.all]
games = 7
tie-bits = 0.125
[tq.sample]
engine = "kaggle"
kind = "bad"
folder = "a/b"
noise = [0.5, 0.25]
[tq.deep.all]
depth = 3
[sample]
games = 8
"""


def test_options_come_from_a_file(invoke, settings) -> None:
    file = settings(EVERYTHING)
    assert result(invoke, "tq", "sample", "--config", file) == {
        "name": "nobody", "games": 7, "engine": "kaggle", "kind": "bad", "tie_bits": 0.125, "folder": "a/b",
        "noise": [0.5, 0.25], "seed": 1,
    }  # fmt: skip
    assert result(invoke, "tq", "deep", "other", "--config", file) == {"depth": 3}
    found = result(invoke, "furikaeri", "sample", "--config", file)
    assert (found["games"], found["seed"], found["engine"]) == (8, 1, "fast")


def test_the_command_line_beats_the_environment_beats_the_file(
    invoke, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings(EVERYTHING)
    monkeypatch.setenv("FURIKAERI_SEED", "2")
    assert result(invoke, "tq", "sample", "--config", file)["seed"] == 2
    assert result(invoke, "tq", "sample", "--config", file, "--seed", 3)["seed"] == 3


def test_the_file_may_be_named_anywhere(invoke, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings("[tq.sample]\nseed = 4\n")
    assert result(invoke, "tq", "--config", file, "sample")["seed"] == 4
    assert result(invoke, "furikaeri", "--config", file, "tq", "sample")["seed"] == 4
    monkeypatch.setenv("FURIKAERI_CONFIG", str(file))
    assert result(invoke, "tq", "sample")["seed"] == 4
    other = file.with_name("other.toml")
    other.write_text("[tq.sample]\nseed = 5\n")
    assert result(invoke, "tq", "sample", "--config", other)["seed"] == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tq.sample]\nsedd = 3", "unknown option 'sedd' in [tq.sample]. Did you mean seed?"),
        ("[all]\nsedd = 3", "unknown option 'sedd' in [all]. Did you mean seed?"),
        ("[tq.all]\nqqq = 3", "unknown option 'qqq' in [tq.all]. Known here: depth, engine"),
        ("[tq.smaple]", "unknown section 'smaple' in [tq]. Did you mean sample?"),
        ("[tqq]", "unknown section 'tqq'. Did you mean tq?"),
        ("[tq.deep.otter]", "unknown section 'otter' in [tq.deep]. Did you mean other?"),
        ("tq = 3", "tq is a value where a section is expected. Write [tq]"),
        ("[all]\nseed = ", "not TOML"),
        ('[tq.sample]\nseed = "x"', "'--seed'"),
        ("[tq.sample]\nname = 'x'", "unknown option 'name'"),
        ("[tq.sample]\nconfig = 'x'", "unknown option 'config'"),
    ],
)
def test_a_bad_settings_file_is_one_line_with_file_and_key(invoke, settings, text: str, line: str) -> None:
    file = settings(text)
    code, out, err = invoke("tq", "sample", "--config", file)
    assert (code, out) == (2, "")
    assert line in err
    assert str(file) in err
    assert err.count("\n") == 1


def test_a_key_of_a_sibling_command_may_stand_in_a_shared_section(invoke, settings) -> None:
    file = settings("[tq.all]\ndepth = 5\n[all]\ntie-bits = 1.0\n")
    assert result(invoke, "tq", "sample", "--config", file)["tie_bits"] == 1.0
    assert result(invoke, "tq", "deep", "other", "--config", file)["depth"] == 5


def every_command(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for member in group.members:
        place = (*path, member.name)
        if isinstance(member, Group):
            yield from every_command(member, place)
        else:
            yield place, member


REAL = dict(every_command(FURIKAERI))


@pytest.mark.parametrize("path", REAL, ids=" ".join)
def test_every_real_command_loads_and_shows_examples_of_itself(path: tuple[str, ...]) -> None:
    loaded = load(REAL[path], path, FURIKAERI)
    usual = " ".join(path if path[0] in ("tq", "isic") else ("furikaeri", *path))
    assert loaded.help
    assert usual in loaded.examples
    names = [parameter.name for parameter in loaded.params]
    assert len(names) == len(set(names))


def test_a_command_called_like_the_shared_section_has_a_section_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[tq.precompute.all]\nrecipe = "mine"\n[tq.all]\nseed = 3\n')
    settings = read_settings(file)
    known = {(): ["tq"], ("tq",): ["precompute"], ("tq", "precompute"): ["all", "gold"]}
    options = {("tq", "precompute", "all"): ["recipe"], ("tq", "precompute", "gold"): ["seed"]}

    def found(*path: str) -> dict[str, object]:
        return options_from(
            settings,
            path,
            file=file,
            options_of=lambda path: options.get(tuple(path), ["seed", "recipe"]),
            commands_of=lambda path: known.get(tuple(path), []),
        )

    assert found("tq", "precompute", "all") == {"recipe": "mine"}
    assert found("tq", "precompute", "gold") == {"seed": 3}
    assert [path for path in REAL if "all" in path] == [("tq", "precompute", "all")]


def test_a_program_is_built_from_the_real_table() -> None:
    program = build(FURIKAERI, FURIKAERI, version=lambda: "x")
    assert program.name == "furikaeri"


@pytest.mark.parametrize(
    ("words", "expected"), [("tq ", ["sample", "deep"]), ("tq deep ", ["other"]), ("tq sample --en", ["--engine"])]
)
def test_the_shell_completes_commands_and_options(
    invoke, monkeypatch: pytest.MonkeyPatch, words: str, expected: list[str]
) -> None:
    monkeypatch.setenv("_TQ_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    code, out, err = invoke("tq")
    assert (code, out.split(), err) == (0, expected, "")
