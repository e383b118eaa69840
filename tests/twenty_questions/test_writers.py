"""Models that write wherever workers are, and the files that they are given by."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from furikaeri_common.asking_workers import ask_worker
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models import writing
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.tasks import Engine, Pool, require_all, run_tasks
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.model_files import files_of, with_absolute_files
from twenty_questions.sources import language_model
from twenty_questions.sources.language_model import LlmConfig, shards_of, write_shard
from twenty_questions.words import Keyword
from twenty_questions.writers import KnownWriter, find_writer, known_writer, let_writer_go, writer_for, written


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("common", "twenty_questions"):
        monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / name))
    yield
    let_writer_go()


@pytest.fixture
def tools() -> ModuleType:
    pytest.importorskip("openai")
    return importlib.import_module("model_server")


def test_a_worker_tells_what_the_model_is_and_this_process_opens_nothing(tools: ModuleType, tmp_path: Path) -> None:
    given = [Keyword("fern"), Keyword("harp")]
    how = LlmConfig(requests=3, shown=1, asked=2, shard=2)
    with tools.ScriptedServer(lambda request: tools.said(f"- lamp {request.body['seed'] % 97}\n- kite")) as server:
        model, values = ModelConfig(model="m", base_url=server.url), []
        for engine in (LocalProcesses(0), LocalProcesses(1)):
            let_writer_go()
            store = tmp_path / str(engine.workers)
            writer = known_writer(model, store, engine)
            assert (writer.name, writer.model, writer.reads) == ("m", model, [])
            tasks = shards_of(given, how, writer.model, identity=writer.identity, seed=5)
            values.append(require_all(run_tasks(write_shard, tasks, store=store, engine=engine)))
            assert len(list(store.iterdir())) == len(tasks)
            assert writing.open_once.cache_info().currsize == (0 if engine.workers else 1)
    for one, other in zip(*values, strict=True):
        assert (one["texts"], one["samples"]) == (other["texts"], other["samples"])
        assert one["usage"]["requests"] == other["usage"]["requests"] > 0


def test_what_goes_wrong_tells_on_which_machine(tmp_path: Path) -> None:
    model = ModelConfig(model="no-such-model-anywhere")
    with pytest.raises(
        InputError, match=rf"^machine {socket.gethostname()}: there is no model 'no-such-model-anywhere'"
    ):
        ask_worker(
            find_writer,
            {"model": {"model": model.model}},
            folder=tmp_path / "asked",
            engine=LocalProcesses(0),
        )
    assert list(tmp_path.iterdir()) == []
    # In this process nobody else is to blame.
    with pytest.raises(InputError, match=r"^there is no model"):
        known_writer(model, tmp_path, LocalProcesses(0))


def test_another_model_does_not_go_on_with_a_task(tools: ModuleType) -> None:
    with tools.ScriptedServer(lambda request: tools.said("x")) as server:
        inputs = {"model": {"model": "m", "base_url": server.url}, "identity": {"model": "another"}}
        with pytest.raises(
            WorkError, match=rf"^machine {socket.gethostname()}: the model m is not the one that this run began"
        ):
            writer_for(inputs)


def test_only_what_is_given_by_a_path_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))
    for folder in ("here", "models/named"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text("{}")
    (tmp_path / "model-1.gguf").write_bytes(b"GGUF")
    (tmp_path / "link.gguf").symlink_to("model-1.gguf")
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "mine.toml").write_text("")
    (tmp_path / "leanings.json").write_text("{}")
    (tmp_path / "original").write_text("a file that is called like a prompt")

    def found(**given: str) -> dict[str, str]:
        return {name: path.relative_to(tmp_path).as_posix() for name, path in files_of(LabellerConfig(**given)).items()}

    assert found(model="here") == found(model="./here") == found(model="link") == {"model": "here"}
    assert found(model="model-1.gguf") == {"model": "model-1.gguf"}
    assert found(model="link.gguf") == {"model": "link.gguf"}  # it is known by this name
    assert found(model="named") == found(model="nowhere") == {}
    assert found(model="here", base_url="http://one:1/v1") == {}
    assert found(model="named", prompt="mine.toml", leanings="leanings.json") == {
        "prompt": "mine.toml",
        "leanings": "leanings.json",
    }
    assert found(model="named", prompt="original") == {}
    placed = with_absolute_files(LabellerConfig(model="here", prompt="mine.toml", samples=3))
    assert (placed.model, placed.prompt) == (str(tmp_path / "here"), str(tmp_path / "mine.toml"))
    assert (placed.leanings, placed.samples) == ("", 3)
    assert with_absolute_files(placed) == placed


@dataclass
class Counting:
    """Counts how often its workers are started."""

    engine: Engine
    starts: int = 0

    def start(self, function: str, **given: Any) -> AbstractContextManager[Pool]:
        self.starts += 1
        return self.engine.start(function, **given)


def test_the_workers_that_tell_what_a_model_is_write_with_it(tools: ModuleType, tmp_path: Path) -> None:
    def write(engine: Engine) -> tuple[KnownWriter, list[Any]]:
        return written(
            write_shard,
            lambda known: shards_of([Keyword("fern")], how, known.model, identity=known.identity, seed=5),
            ModelConfig(model="m", base_url=server.url),
            most=how.num_tasks,
            store=tmp_path / "store",
            engine=engine,
        )

    how, engine = LlmConfig(requests=3, shard=2), Counting(LocalProcesses(1))
    with tools.ScriptedServer(lambda request: tools.said("kite")) as server:
        writer, values = write(engine)
    assert writer.name == "m"
    assert [value["texts"] for value in values] == [["kite"] * 2, ["kite"]]
    assert engine.starts == 1


def test_a_worker_that_refuses_the_model_ends_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how, asked = LlmConfig(requests=3, shard=1), list[object]()

    def refuse(inputs: object) -> object:
        asked.append(inputs)
        raise InputError("the model cannot read so much", fix="Take another")

    monkeypatch.setattr(writing, "open_once", lru_cache(lambda config: Silent()))
    monkeypatch.setattr(language_model, "writer_for", refuse)
    with pytest.raises(InputError, match=r"^the model cannot read so much\. Take another$"):
        written(
            write_shard,
            lambda known: shards_of([Keyword("fern")], how, known.model, identity=known.identity, seed=5),
            ModelConfig(model="m"),
            most=how.num_tasks,
            store=tmp_path / "store",
            engine=LocalProcesses(0),
        )
    assert len(asked) == 1


class Silent:
    """A writer that is known, and never asked."""

    name = "silent"
    identity: Mapping[str, Any] = {"kind": "silent"}
