"""Models that write wherever workers are, the files that they are given by, and workers that stay up."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models import writing
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.processes import is_running
from furikaeri_common.tasks import Task, require_all, run_tasks
from twenty_questions.asking_workers import ask_worker
from twenty_questions.kept_workers import kept_workers
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.model_files import files_of, with_absolute_files
from twenty_questions.sources.language_model import LlmConfig, shards_of, write_shard
from twenty_questions.words import Keyword
from twenty_questions.writers import find_writer, known_writer, let_writer_go, writer_for


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
    with pytest.raises(InputError, match=rf"^{socket.gethostname()}: there is no model 'no-such-model-anywhere'"):
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
            WorkError, match=rf"^{socket.gethostname()}: the model m is not the one that this run began"
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


def test_kept_workers_serve_call_after_call_and_end_with_the_block(tmp_path: Path) -> None:
    functions = importlib.import_module("labelling_process")
    pids: list[int] = []
    with kept_workers(LocalProcesses(1), 2) as engine:
        for call in range(3):
            task = Task(f"call {call}", {})
            report = run_tasks(functions.own_pid, [task], store=tmp_path / "store", engine=engine)
            pids += require_all(report)
        assert is_running(pids[0])
        with pytest.raises(ValueError, match="expected workers of"):
            run_tasks(functions.other_pid, [Task("x", {})], store=tmp_path / "store", engine=engine)
    assert len(set(pids)) == 1
    assert not is_running(pids[0])
