"""20 Questions on a real Ray cluster of two nodes: the same bytes as on this machine, stopped and gone on with."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from furikaeri_cli.output import Output
from furikaeri_cli.tq.simulate import Setting, simulate_settings
from furikaeri_common.ray_cluster import RayCluster
from twenty_questions.labelling.grid import PairGrid
from twenty_questions.labelling.label_progress import LabelProgress
from twenty_questions.labelling.label_sources import source_of
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.opening import open_labeller
from twenty_questions.labelling.shards import label_pairs

TESTS = Path(__file__).parents[1]
KEYWORDS = tuple(f"thing {number}" for number in range(12))
QUESTIONS = ("Is it alive?", "Is it made of metal?", "Can you eat it?")


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SERVER = module_at(TESTS / "common" / "model_server.py")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two nodes, each with room for one task."""
    with module_at(TESTS / "ray_nodes.py").two_nodes() as nodes:
        yield nodes.address


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = module_at(TESTS / "common" / "tiny_language_model.py").save_tiny(
        tmp_path_factory.mktemp("m") / "tiny"
    )
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Let this process compute as workers do."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def test_a_model_that_only_this_machine_sees_labels_on_all_to_the_same_bytes(
    address: str, tiny: Path, tmp_path: Path
) -> None:
    prompt = tmp_path / "mine.toml"
    prompt.write_text('system = "Say yes or no."\nuser = "{keyword}: {question}"\n')
    source = source_of(LabellerConfig(model=str(tiny), prompt=str(prompt), device="cpu"), open_labeller)
    grid = PairGrid(keywords=KEYWORDS, questions=QUESTIONS, per_shard=2)
    label_pairs(grid, [source], tmp_path / "alone")
    notes: list[str] = []
    engine = RayCluster(address=address, storage="collected", on_note=notes.append)
    report = label_pairs(grid, [source], tmp_path / "shards", engine=engine)
    assert report.labelled == grid.num_pairs
    assert contents(tmp_path / "shards") == contents(tmp_path / "alone")
    assert sorted(path.name for path in (tmp_path / "shards").glob(".*")) == [".journal.jsonl", ".settings"]
    assert len(notes) == 1  # it is opened and asked by the same workers


def test_begun_here_and_stopped_it_goes_on_there_and_ends_here(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    fakes = importlib.import_module("labelling_process")
    grid, log, root = fakes.grid_of(40), tmp_path / "log", tmp_path / "shards"
    label_pairs(grid, [fakes.source_of("a")], tmp_path / "alone")
    here = fakes.source_elsewhere("a", log)
    there = fakes.source_elsewhere("a", log, workers=3)  # this process among them

    def stop_at(shards: int) -> object:
        def stop(step: LabelProgress) -> None:
            if step.done == shards * grid.pairs_of(0) and step.event == "labelled":
                raise KeyboardInterrupt

        return stop

    for source, engine, shards in ((here, None, 2), (there, RayCluster(address=address), 8)):
        with pytest.raises(KeyboardInterrupt):
            label_pairs(grid, [source], root, engine=engine, on_progress=stop_at(shards))
        assert len(list(root.glob("*/*.parquet"))) == shards
        assert list(root.glob("*/.*.claim")) == []
    lines = log.read_text().splitlines()
    opened = Counter(line.split()[1] for line in lines if line.startswith("opened"))
    labelling = {line.split()[-1] for line in lines if line.startswith("begun")} - {str(os.getpid())}
    assert len(labelling) == 2  # a worker on each node
    assert all(opened[worker] == 1 for worker in labelling)
    label_pairs(grid, [here], root)
    assert contents(root) == contents(tmp_path / "alone")


def furikaeri(arguments: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    code = "import sys; from furikaeri_cli.main import run; sys.exit(run(sys.argv[1], sys.argv[2:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(request: Any) -> Any:
    """Say yes to some questions and no to others."""
    time.sleep(0.02)
    p_yes = SERVER.opinion(request.body["messages"][-1]["content"])
    return SERVER.said("yes", first=SERVER.alternatives(yes=math.log(p_yes), no=math.log(1 - p_yes)))


def test_a_table_is_made_by_the_command_which_ctrl_c_stops_there_and_a_second_start_ends_here(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("".join(f"{name}\n" for name in KEYWORDS))
    (tmp_path / "questions.txt").write_text("".join(f"{text}\n" for text in QUESTIONS))
    with SERVER.ScriptedServer(answer) as server:
        given = ("--keywords", "words.txt", "--questions", "questions.txt", "--model", "m", "--shard", 1)
        here = ("tq", "precompute", "table", "out", *given, "--base-url", server.url, "--concurrency", 1)
        there = (*here, "--engine", "ray", "--address", address)
        with furikaeri(there, tmp_path) as stopped:
            deadline = time.monotonic() + 120
            while not list(tmp_path.glob("out/shards/*/*.parquet")):
                assert stopped.poll() is None, stopped.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            stopped.send_signal(signal.SIGINT)
            _, told = stopped.communicate(timeout=60)
        assert stopped.returncode == 130
        assert told.splitlines()[-1] == "tq: interrupted; what was finished is kept"
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/shards/*/*.parquet")}
        assert 1 <= len(kept) < len(KEYWORDS)
        assert not (tmp_path / "out" / "manifest.json").exists()
        with furikaeri((*here, "--json"), tmp_path) as again:
            out, told = again.communicate(timeout=120)
        assert again.returncode == 0, told
        result = json.loads(out)
        assert result["pairs"] == len(KEYWORDS) * len(QUESTIONS)
        # The stop may come when a shard is written and what it took is not yet noted.
        assert result["spent"]["usage"]["requests"] in (result["pairs"], result["pairs"] - len(QUESTIONS))
        assert result["labelled_now"] == (len(KEYWORDS) - len(kept)) * len(QUESTIONS)
        assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
        source = source_of(LabellerConfig(model="m", base_url=server.url), open_labeller)
        grid = PairGrid(keywords=KEYWORDS, questions=QUESTIONS, per_shard=1)
        label_pairs(grid, [source], tmp_path / "alone")
    assert contents(tmp_path / "out" / "shards") == contents(tmp_path / "alone")


def test_games_are_simulated_there_as_here_and_a_table_goes_without_its_shards(
    address: str, toy_folder: Path, toy_vocabulary: Path, tmp_path: Path
) -> None:
    table, notes = tmp_path / "table", list[str]()
    shutil.copytree(toy_folder, table)
    (table / "shards").mkdir()
    (table / "shards" / "000000.parquet").write_bytes(bytes(5 * 2**20))
    results = []
    for name, engine in (
        ("here", None),
        ("there", RayCluster(address=address, storage="collected", on_note=notes.append)),
    ):
        _, folder = simulate_settings(
            [Setting("table", "table", 0.0), Setting("one-belief", "alpha", 0.05)],
            table=table,
            labels=None,
            words=str(toy_vocabulary),
            secrets="prior",
            games=30,
            rounds=8,
            seed=4,
            runs=tmp_path / name,
            engine=engine,
            output=Output("quiet"),
        )
        results.append((folder / "results.json").read_bytes())
    assert results[0] == results[1]
    sizes = [float(size) for note in notes for size in re.findall(r"([\d.]+) MiB of inputs go", note)]
    assert len(sizes) == 1
    assert sizes[0] < 5
