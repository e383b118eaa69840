"""`tq precompute table` with several servers, of which some die under it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from twenty_questions.table import open_table

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "stamina", "polars")),
    reason="openai is not installed",
)

WORDS = [f"thing {number}" for number in range(24)]
QUESTIONS = ["Is it alive?", "Is it heavy?", "Can it fly?"]


@pytest.fixture
def tools() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "common"))
        yield importlib.import_module("model_server")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "questions.txt").write_text("\n".join(QUESTIONS) + "\n")
    return tmp_path


def command(out: str, *servers: Any) -> list[str]:
    urls = [part for server in servers for part in ("--base-url", server.url)]
    return [
        *("tq", "precompute", "table", out, "--keywords", "words.txt", "--questions", "questions.txt"),
        *("--model", "m", "--shard", "4", *urls),
    ]


def kill_when(holds: Callable[[], bool], *servers: Any) -> threading.Thread:
    def kill() -> None:
        ends = time.monotonic() + 30
        while not holds() and time.monotonic() < ends:
            time.sleep(0.005)
        for server in servers:
            server.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_server_that_is_killed_half_way_costs_nothing_but_time(invoke, tools: ModuleType, place: Path) -> None:
    with tools.ServerProcess(seconds=0.02) as one, tools.ServerProcess(seconds=0.02) as other:
        assert invoke(*command("alone", one))[0] == 0
        shards = place / "shared" / "shards"
        killer = kill_when(lambda: len(list(shards.glob("m-*/0*.parquet"))) >= 2, other)
        code, out, err = invoke(*command("shared", one, other), "--concurrency", 1)
        killer.join()
        assert code == 0, err
        assert err.count(f"{other.url} does not answer; its requests go to the others") == 1
        told = next(line for line in out.splitlines() if line.startswith("requests: "))
        assert f"to {one.url}, " in told
        assert told.endswith(f" to {other.url}")
        np.testing.assert_array_equal(open_table(place / "shared").codes, open_table(place / "alone").codes)
        # The shards are those of one server: the table is made again by either, and nobody is asked for it.
        before = one.answered()
        code, out, err = invoke(*command("shared", one), "--json")
        assert (code, json.loads(out)["labelled_now"]) == (0, 0)
        assert one.answered() <= before + 1
        assert [path.name for path in shards.glob("m-*")] == [
            path.name for path in (place / "alone" / "shards").glob("m-*")
        ]


def test_when_all_are_killed_what_is_finished_is_kept_and_the_same_command_goes_on(
    invoke, tools: ModuleType, place: Path
) -> None:
    with tools.ServerProcess(seconds=0.02) as one, tools.ServerProcess(seconds=0.02) as other:
        shards = place / "made" / "shards"
        killer = kill_when(lambda: len(list(shards.glob("m-*/0*.parquet"))) >= 2, one, other)
        stamina = pytest.importorskip("stamina")
        with stamina.set_testing(True, attempts=100, cap=True):
            code, out, err = invoke(*command("made", one, other))
        killer.join()
        assert (code, out) == (1, "")
        last = err.strip().splitlines()[-1]
        assert "could not be labelled" in last
        assert one.url in last
        assert other.url in last
        assert "same command again" in last
        kept = {path: path.stat().st_mtime_ns for path in shards.glob("m-*/0*.parquet")}
        assert 2 <= len(kept) < 6
        one.start()
        other.start()
        code, out, err = invoke(*command("made", one, other), "--json")
        assert code == 0, err
        assert json.loads(out)["labelled_now"] == (6 - len(kept)) * 4 * 3
        assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_servers_can_be_named_in_the_environment_and_in_a_settings_file(
    invoke, tools: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tools.ServerProcess() as one, tools.ServerProcess() as other:
        listed = json.dumps([one.url, other.url])
        (place / "furikaeri.toml").write_text(f"[tq.precompute.table]\nbase_url = {listed}\n")
        code, out, err = invoke(*command("from-file"), "--config", "furikaeri.toml")
        assert code == 0, err
        assert f"to {other.url}" in out
        monkeypatch.setenv("TQ_PRECOMPUTE_TABLE_BASE_URL", f"{one.url} {other.url}")
        code, out, err = invoke(*command("from-environment"))
        assert code == 0, err
        assert f"to {other.url}" in out


def test_a_wrong_server_among_right_ones_is_one_line(invoke, tools: ModuleType, place: Path) -> None:
    with (
        tools.ServerProcess() as right,
        tools.ServerProcess(model="another") as other,
        tools.ServerProcess(gives="answers") as unlike,
    ):
        code, out, err = invoke(*command("out", right, other), "--quiet")
        assert (code, out) == (2, "")
        assert f"{other.url} has no model 'm'. Choose among another" in err
        code, out, err = invoke(*command("out", right, unlike), "--quiet")
        assert (code, out) == (2, "")
        assert f"{unlike.url} gives no log-probabilities, {right.url} does" in err
        assert len(err.strip().splitlines()) == 1
