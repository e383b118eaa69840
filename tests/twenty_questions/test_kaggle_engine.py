"""The fast loop plays as the contest's engine does, faults included."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError, WorkError
from twenty_questions import kaggle_engine
from twenty_questions.kaggle_engine import KaggleEngine, has_engine, open_engine
from twenty_questions.match import MatchResult, play
from twenty_questions.players import AgentSpec, build
from twenty_questions.words import Keyword

pytestmark = pytest.mark.kaggle
GAMES = 200

SCRIPTED = '''
"""Does what SCRIPT says at (turn, round), and else something dull."""
SCRIPT = {script}
DULL = {{"ask": "Is it big?", "answer": "no", "guess": "nothing at all"}}

def agent(obs, cfg):
    print("thinking")
    spoken = len(obs.questions) + (obs.turnType == "ask")
    action = SCRIPT.get((obs.turnType, spoken), DULL[obs.turnType])
    if action == "RAISE":
        raise RuntimeError("on purpose")
    if action == "EXCEPTION":
        return ValueError("returned, not raised")
    if action == "GENERATOR":
        return (letter for letter in "yes")
    return action
'''
ODDITIES = ("RAISE", "EXCEPTION", "GENERATOR", "", None, 7, ["yes"], {"items": "yes"}, True, b"yes", "\udc80")
ANSWERS = ("I do not know", "Yesterday", "YES", "Nope", "maybe", "  ", "", None, "RAISE", 1.5)


@pytest.fixture(scope="module")
def engine() -> Iterator[KaggleEngine]:
    if not has_engine():
        pytest.skip("the dependency group `kaggle` is not installed")
    with open_engine() as opened:
        yield opened


def scripted(path: Path, script: dict[tuple[str, int], object]) -> AgentSpec:
    path.write_text(SCRIPTED.format(script=script))
    return AgentSpec(kind="file", path=str(path))


def both(engine: KaggleEngine, specs: list[AgentSpec], keyword: Keyword) -> tuple[MatchResult, MatchResult]:
    fast = play([build(spec) for spec in specs], keyword)
    return fast, engine.play(specs, keyword).result


def random_script(rng: np.random.Generator, keyword: Keyword) -> dict[tuple[str, int], object]:
    """One or two odd moves, early enough to happen."""
    script: dict[tuple[str, int], object] = {}
    for _ in range(rng.integers(1, 3)):
        turn = str(rng.choice(["ask", "answer", "guess", "guess"]))
        number = int(rng.integers(1, 9))
        naming = [keyword.name.upper(), f"the {keyword.names[-1]}s!", " ".join(["the"] * 60) + keyword.name]
        choices = ANSWERS if turn == "answer" else (*ODDITIES, *naming * 3, "x" * 900)
        script[turn, number] = choices[rng.integers(len(choices))]
    return script


def random_seats(rng: np.random.Generator, keyword: Keyword, table: Path, words: Path, folder: Path) -> list[AgentSpec]:
    seats = []
    for seat in range(4):
        kind = str(rng.choice(["ours", "plain", "alpha", "noisy", "random", "script", "script"]))
        if kind == "script":
            seats.append(scripted(folder / f"seat{seat}.py", random_script(rng, keyword)))
        else:
            seed = int(rng.integers(1000))
            seats.append(AgentSpec(kind=kind, seed=seed, table=str(table), words=str(words), rate=0.15))
    return seats


def test_200_matches_end_alike(engine, toy_table, toy_folder, toy_vocabulary, tmp_path) -> None:
    endings: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for seed in range(GAMES):
        rng = np.random.default_rng(seed)
        keyword = toy_table.keywords[rng.integers(len(toy_table.keywords))]
        folder = tmp_path / str(seed)
        folder.mkdir()
        fast, real = both(engine, random_seats(rng, keyword, toy_folder, toy_vocabulary, folder), keyword)
        assert fast == real, seed
        endings[fast.reason] += 1
        statuses.update(fast.statuses)
    assert set(endings) == {"guessed", "exhausted", "error", "fault"}
    assert set(statuses) >= {"DONE", "ERROR", "INVALID", "ACTIVE", "INACTIVE"}


def test_every_pair_of_moves_in_one_turn_ends_alike(engine, tmp_path) -> None:
    keyword = Keyword("Lamp", ("Light",))
    moves = {"naming": "the lights", "dull": "Is it big?", "empty": "", "none": None, "raise": "RAISE", "number": 7}
    for turn in ("ask", "guess"):
        specs = {name: scripted(tmp_path / f"{turn} {name}.py", {(turn, 1): move}) for name, move in moves.items()}
        plain = scripted(tmp_path / "plain.py", {})
        for one in moves:
            for other in moves:
                fast, real = both(engine, [specs[one], plain, specs[other], plain], keyword)
                assert fast == real, (turn, one, other)


def test_every_pair_of_answers_ends_alike(engine, tmp_path) -> None:
    specs = [scripted(tmp_path / f"{number}.py", {("answer", 1): said}) for number, said in enumerate(ANSWERS)]
    guesser = scripted(tmp_path / "guesser.py", {("guess", 2): "lamp"})
    for one, other in zip(specs, specs[3:] + specs[:3], strict=True):
        fast, real = both(engine, [guesser, one, guesser, other], Keyword("Lamp"))
        assert fast == real, (one, other)


WITNESS = """
import json

def agent(obs, cfg):
    seen = {{"obs": dict(obs), "attributes": sorted(vars(obs) or obs), "cfg": dict(cfg)}}
    with open({log!r}, "a") as log:
        log.write(json.dumps(seen, sort_keys=True) + "\\n")
    asks_the_secret = obs.turnType == "ask" and len(obs.questions) == 1
    return "lamp" if asks_the_secret else "x" * 800 if obs.turnType == "guess" else "Is it? No."
"""


def test_agents_see_the_same(engine, tmp_path) -> None:
    logs = {}
    for name in ("fast", "real"):
        logs[name] = tmp_path / f"{name}.log"
        (tmp_path / "witness.py").write_text(WITNESS.format(log=str(logs[name])))
        specs = [AgentSpec(kind="file", path=str(tmp_path / "witness.py"))] * 4
        if name == "fast":
            fast = play([build(spec) for spec in specs], Keyword("Lamp"), category="furniture")
        else:
            assert engine.play(specs, Keyword("Lamp"), category="furniture").result == fast
    assert fast.reason == "exhausted"
    fast_log, real_log = ([json.loads(line) for line in log.read_text().splitlines()] for log in logs.values())
    assert len(fast_log) == 120
    assert fast_log == real_log


SLOW = """
import shared_clock
import sys

if engine := sys.modules.get("kaggle_environments.agent"):
    engine.perf_counter = lambda: shared_clock.now[0]

def agent(obs, cfg):
    shared_clock.now[0] += {seconds}
    return "no" if obs.remainingOverageTime > 0 else "no, and no time left"
"""


def test_late_agents_end_alike(engine, tmp_path, monkeypatch) -> None:
    (tmp_path / "shared_clock.py").write_text("now = [0.0]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shared_clock

    def slow(seconds: float) -> AgentSpec:
        path = tmp_path / f"slow{seconds}.py"
        path.write_text(SLOW.format(seconds=seconds))
        return AgentSpec(kind="file", path=str(path))

    keyword = Keyword("Lamp")
    quick = [slow(1)] * 4
    engine.play(quick, keyword)  # from its first act on the engine's clock is the shared one
    for seconds in (90, 361):
        for seat in range(4):
            specs = [*quick[:seat], slow(seconds), *quick[seat + 1 :]]
            fast = play([build(spec) for spec in specs], keyword, clock=lambda: shared_clock.now[0])
            assert fast == engine.play(specs, keyword).result, (seconds, seat)
            assert fast.statuses[seat] == ("ERROR" if seat % 2 else "TIMEOUT")


def test_an_engine_that_ends_is_reported(monkeypatch, tmp_path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import sys; print('{\"ready\": \"0\"}', flush=True); input(); sys.exit('out of memory')")
    monkeypatch.setattr(kaggle_engine, "_WORKER", worker)
    monkeypatch.setattr(kaggle_engine, "has_engine", lambda: True)
    with open_engine() as opened, pytest.raises(WorkError, match=r"exit code 1\): out of memory"):
        opened.play([AgentSpec(kind="random")] * 4, Keyword("Lamp"))


def test_an_engine_that_cannot_be_used_says_why(monkeypatch, tmp_path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text('print(\'{"missing": "no module named torch"}\')')
    monkeypatch.setattr(kaggle_engine, "_WORKER", worker)
    monkeypatch.setattr(kaggle_engine, "has_engine", lambda: True)
    with pytest.raises(InputError, match=r"no module named torch.*uv sync --group kaggle"), open_engine():
        pass


def test_a_missing_engine_is_one_clear_line(monkeypatch) -> None:
    monkeypatch.setattr(kaggle_engine, "_MODULE", "kaggle_environments_of_nowhere")
    with pytest.raises(InputError, match=r"dependency group `kaggle`.*uv sync --group kaggle"), open_engine():
        pass
