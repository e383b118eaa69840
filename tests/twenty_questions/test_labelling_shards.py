"""All pairs are labelled once, whatever stops the work, and nothing is taken for what it is not."""

from __future__ import annotations

import errno
import gc
import importlib.util
import json
import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError, WorkError
from twenty_questions.labelling.grid import LabelSource, PairGrid, asked_questions
from twenty_questions.labelling.label_progress import LabelProgress, LabelReport, require_labelled
from twenty_questions.labelling.shard_files import ShardContent, encode_shard, is_whole, read_shard, write_shard
from twenty_questions.labelling.shard_store import spent_on
from twenty_questions.labelling.shards import GIVE_UP_AFTER, label_pairs
from twenty_questions.questions import Question, letter


@pytest.fixture(scope="module")
def fakes():
    spec = importlib.util.spec_from_file_location("labelling_process", Path(__file__).with_name("labelling_process.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(root: Path) -> dict[str, bytes]:
    """Everything but what begins with a dot."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def hidden(root: Path) -> list[str]:
    """What is left over of claims and half-written files."""
    return sorted(path.name for path in root.glob("*/.*") if path.parent.name != ".settings")


def events(steps: Sequence[LabelProgress]) -> list[str]:
    return [step.event for step in steps]


def test_every_pair_of_every_model_is_a_row_with_its_provenance(fakes, tmp_path: Path) -> None:
    grid = fakes.grid_of(10, per_shard=4)
    report = label_pairs(grid, [fakes.source_of("a"), fakes.source_of("b/c")], tmp_path)
    assert not report.failures
    frame = pl.read_parquet(tmp_path / "*" / "*.parquet")
    assert frame.columns == ["model", "keyword", "question", "p_yes"]
    assert frame.height == 2 * 10 * len(fakes.QUESTIONS) == report.labelled
    assert frame.select("model", "keyword", "question").is_unique().all()
    for model, keyword, question, p_yes in frame.iter_rows():
        np.testing.assert_equal(np.float32(p_yes), fakes.told(model + "w", keyword, question))
    for store in require_labelled(report):
        rows = np.concatenate([store.read(number) for number in range(grid.num_shards)])
        assert rows.shape == (10, len(fakes.QUESTIONS))
        assert rows.dtype == np.float32
        assert [len(store.read(number)) for number in range(3)] == [4, 4, 2]


def test_what_is_there_is_neither_labelled_again_nor_needs_its_model(fakes, tmp_path: Path) -> None:
    grid = fakes.grid_of(10)
    first = label_pairs(grid, [fakes.source_of("a")], tmp_path)
    before = contents(tmp_path)

    def refuse() -> object:
        raise AssertionError("opened for nothing")

    closed = LabelSource(name="a", settings={"model": "a", "more": ""}, open=refuse)  # type: ignore[arg-type]
    steps: list[LabelProgress] = []
    again = label_pairs(grid, [closed], tmp_path, on_progress=steps.append)
    assert contents(tmp_path) == before
    assert events(steps) == ["found"] * 3
    assert (steps[-1].done, steps[-1].rate) == (70, 0.0)
    assert again.labelled == 0
    assert again.stores == first.stores


def test_what_holds_a_connection_is_closed_even_where_it_fails(fakes, tmp_path: Path) -> None:
    closed: list[str] = []

    def opened(name: str, *before: object) -> LabelSource:
        source = fakes.source_of(name, *before)

        def open_it() -> object:
            labeller = source.open()
            labeller.close = lambda: closed.append(name)
            return labeller

        return LabelSource(name=name, settings=source.settings, open=open_it)  # type: ignore[arg-type]

    def fail(keywords: Sequence[str]) -> None:
        raise WorkError("no answer")

    report = label_pairs(fakes.grid_of(8), [opened("a"), opened("b", fail)], tmp_path, retries=0)
    assert len(report.failures) == 2
    assert closed == ["a", "b"]


def test_progress_counts_pairs_and_foretells_the_rest(fakes, tmp_path: Path) -> None:
    steps: list[LabelProgress] = []
    label_pairs(fakes.grid_of(8), [fakes.source_of("a"), fakes.source_of("b")], tmp_path, on_progress=steps.append)
    assert events(steps) == ["opening", "labelled", "labelled"] * 2
    assert [step.done for step in steps] == [0, 28, 56, 56, 84, 112]
    assert {step.total for step in steps} == {112}
    assert steps[0].left == np.inf
    assert steps[1].left == pytest.approx(84 / steps[1].rate)
    assert steps[-1].left == 0
    assert steps[-1].rate == pytest.approx(112 / steps[-1].seconds)


@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_stopped_by_ctrl_c_it_goes_on_to_the_same_bytes(fakes, tmp_path: Path, stop_at: int) -> None:
    grid = fakes.grid_of(14)
    label_pairs(grid, [fakes.source_of("a")], tmp_path / "alone")
    begun: list[str] = []

    def stop(keywords: Sequence[str]) -> None:
        begun.append(keywords[0])
        if len(begun) == stop_at + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_pairs(grid, [fakes.source_of("a", stop)], tmp_path / "stopped")
    assert hidden(tmp_path / "stopped") == []
    label_pairs(grid, [fakes.source_of("a", lambda keywords: begun.append(keywords[0]))], tmp_path / "stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "alone")
    assert len(begun) == grid.num_shards + 1


@pytest.fixture(scope="module")
def small_shard() -> ShardContent:
    p_yes = np.asarray([[0.25, np.nan], [1.0, 1e-7]], dtype=np.float32)
    return ShardContent("model", {"weights": "w"}, "mark", 3, ("a", "b"), ("Is it x?", "Is it y?"), p_yes)


def test_a_shard_comes_back_as_it_was(small_shard: ShardContent, tmp_path: Path) -> None:
    write_shard(tmp_path / "s.parquet", small_shard)
    read = read_shard(tmp_path / "s.parquet", "mark", 3, (2, 2))
    np.testing.assert_array_equal(read, small_shard.p_yes)
    assert encode_shard(small_shard) == (tmp_path / "s.parquet").read_bytes()
    assert read_shard(tmp_path / "s.parquet", "other", 3, (2, 2)) is None
    assert read_shard(tmp_path / "s.parquet", "mark", 4, (2, 2)) is None
    assert read_shard(tmp_path / "s.parquet", "mark", 3, (1, 2)) is None
    assert read_shard(tmp_path / "absent.parquet", "mark", 3, (2, 2)) is None


def test_no_byte_of_a_shard_can_change_unnoticed(small_shard: ShardContent, tmp_path: Path) -> None:
    content, file = encode_shard(small_shard), tmp_path / "s.parquet"
    file.write_bytes(content)
    assert is_whole(file, "mark", 3)
    for place in (*range(0, len(content) - 300, 11), *range(len(content) - 300, len(content))):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert not is_whole(file, "mark", 3), place


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_part_of_a_shard_passes_for_the_whole(small_shard: ShardContent, tmp_path_factory, data) -> None:
    content, file = encode_shard(small_shard), tmp_path_factory.mktemp("shard") / "s.parquet"
    cut = data.draw(st.integers(0, len(content) - 1))
    file.write_bytes(content[:cut] if data.draw(st.booleans()) else content[cut + 1 :])
    assert not is_whole(file, "mark", 3)


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: b"", lambda content: b"x" * 900])
def test_a_damaged_shard_is_made_again(fakes, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    grid, begun = fakes.grid_of(10), []
    source = fakes.source_of("a", lambda keywords: begun.append(keywords[0]))
    (store,) = require_labelled(label_pairs(grid, [source], tmp_path))
    before = contents(tmp_path)
    file = store.folder / "000001.parquet"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(WorkError, match=r"000001\.parquet: is missing or damaged"):
        store.read(1)
    label_pairs(grid, [source], tmp_path)
    assert contents(tmp_path) == before
    assert begun == ["thing 0", "thing 4", "thing 8", "thing 4"]


def test_a_shard_that_was_moved_is_not_taken_for_another(fakes, tmp_path: Path) -> None:
    grid = fakes.grid_of(8)
    (store,) = require_labelled(label_pairs(grid, [fakes.source_of("a")], tmp_path))
    before = contents(tmp_path)
    (store.folder / "000001.parquet").write_bytes((store.folder / "000000.parquet").read_bytes())
    label_pairs(grid, [fakes.source_of("a")], tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("change", ["model", "keywords", "questions", "per_shard", "weights"])
def test_another_recipe_has_a_folder_of_its_own(fakes, tmp_path: Path, change: str) -> None:
    grid = fakes.grid_of(8)
    label_pairs(grid, [fakes.source_of("a")], tmp_path)
    before = contents(tmp_path)
    other = {
        "keywords": PairGrid(keywords=(*grid.keywords, "one more"), questions=grid.questions, per_shard=4),
        "questions": PairGrid(keywords=grid.keywords, questions=grid.questions[:-1], per_shard=4),
        "per_shard": fakes.grid_of(8, per_shard=3),
    }.get(change, grid)
    source = fakes.source_of("b" if change == "model" else "a", weights="v" if change == "weights" else "w")
    if change == "weights":  # the same settings lead to a model with other weights, found out once it is opened
        (folder,) = tmp_path.glob("a-*")
        (folder / "000001.parquet").unlink()
        before.pop(f"{folder.name}/000001.parquet")
    steps: list[LabelProgress] = []
    report = label_pairs(other, [source], tmp_path, on_progress=steps.append)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len({name.partition("/")[0] for name in after}) == 2
    assert steps[-1].done == steps[-1].total == other.num_pairs
    np.testing.assert_array_equal(
        require_labelled(report)[0].read(0),
        source.open().label(other.keywords_of(0), other.questions),
    )


def test_settings_that_decide_nothing_find_the_same_shards(fakes, tmp_path: Path) -> None:
    grid = fakes.grid_of(8)
    label_pairs(grid, [fakes.source_of("a", settings="one server")], tmp_path)
    before = contents(tmp_path)
    report = label_pairs(grid, [fakes.source_of("a", settings="another server")], tmp_path)
    assert report.labelled == 0
    assert contents(tmp_path) == before


def failing(on: set[str], times: int, error: Exception) -> Callable[[Sequence[str]], None]:
    """Fail on the shards that begin with some keywords, each so many times."""
    left = dict.fromkeys(on, times)

    def before(keywords: Sequence[str]) -> None:
        if left.get(keywords[0], 0) > 0:
            left[keywords[0]] -= 1
            raise error

    return before


def test_a_shard_that_fails_comes_again_after_the_others(fakes, tmp_path: Path) -> None:
    grid, steps = fakes.grid_of(12), []
    source = fakes.source_of("a", failing({"thing 0"}, 2, WorkError("the server hangs")))
    report = label_pairs(grid, [source], tmp_path / "failed", retries=2, on_progress=steps.append)
    assert [(step.event, step.shard) for step in steps[1:]] == [
        ("retried", 0),
        ("labelled", 1),
        ("labelled", 2),
        ("retried", 0),
        ("labelled", 0),
    ]
    assert steps[1].error == "the server hangs"
    assert not report.failures
    label_pairs(grid, [fakes.source_of("a")], tmp_path / "alone")
    assert contents(tmp_path / "failed") == contents(tmp_path / "alone")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (WorkError("HTTP 500", fix="Start it again"), "HTTP 500. Start it again"),
        (RuntimeError("CUDA\n error"), "RuntimeError: CUDA error"),
        (ValueError("nonsense"), "ValueError: nonsense"),
    ],
)
def test_a_shard_that_keeps_failing_is_reported_and_the_rest_goes_on(
    fakes, tmp_path: Path, error: Exception, told: str
) -> None:
    grid = fakes.grid_of(12)
    sources = [fakes.source_of("a", failing({"thing 4"}, 9, error)), fakes.source_of("b")]
    report = label_pairs(grid, sources, tmp_path, retries=1)
    (failure,) = report.failures
    assert failure == ("a", 1, grid.keywords[4:8], 2, told)
    assert report.labelled == 2 * grid.num_pairs - grid.pairs_of(1)
    with pytest.raises(WorkError, match=r"a: shard 1 \(keywords 'thing 4' to 'thing 7'\) could not be labelled: "):
        require_labelled(report)
    begun: list[str] = []
    mended = [fakes.source_of("a", lambda keywords: begun.append(keywords[0])), fakes.source_of("b")]
    require_labelled(label_pairs(grid, mended, tmp_path))
    assert begun == ["thing 4"]


def test_a_labeller_that_only_fails_is_given_up(fakes, tmp_path: Path) -> None:
    begun: list[str] = []

    def fail(keywords: Sequence[str]) -> None:
        begun.append(keywords[0])
        raise WorkError("refused")

    grid = fakes.grid_of(40)
    report = label_pairs(grid, [fakes.source_of("dead", fail), fakes.source_of("b")], tmp_path)
    assert len(begun) == GIVE_UP_AFTER
    assert [failure.shard for failure in report.failures] == list(range(10))
    assert report.labelled == grid.num_pairs


def test_a_labeller_that_cannot_be_reached_does_not_keep_the_others_from_work(fakes, tmp_path: Path) -> None:
    def unreachable() -> object:
        raise WorkError("no server there")

    grid = fakes.grid_of(8)
    dead = LabelSource(name="dead", settings={}, open=unreachable)  # type: ignore[arg-type]
    report = label_pairs(grid, [dead, fakes.source_of("b")], tmp_path)
    assert report.stores[0] is None
    assert [(failure.model, failure.attempts) for failure in report.failures] == [("dead", 0)] * 2
    assert report.labelled == grid.num_pairs


def test_wrong_input_stops_at_once(fakes, tmp_path: Path) -> None:
    source = fakes.source_of("a", failing({"thing 0"}, 1, InputError("the key is refused")))
    with pytest.raises(InputError, match="the key is refused"):
        label_pairs(fakes.grid_of(8), [source], tmp_path)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda p: p[:1], r"expected P\(yes\) of shape \(4, 7\), got \(1, 7\)"),
        (lambda p: p + 2, r"expected P\(yes\) in \[0, 1\], got"),
        (lambda p: np.full_like(p, np.inf), r"expected P\(yes\) in \[0, 1\], got inf"),
    ],
)
def test_a_labeller_that_talks_nonsense_fails(fakes, tmp_path: Path, wrong, told: str) -> None:
    class Nonsense(fakes.TextLabeller):
        def label(self, keywords, questions):
            return wrong(super().label(keywords, questions))

    source = LabelSource(name="a", settings={}, open=lambda: Nonsense("a"))
    report = label_pairs(fakes.grid_of(4), [source], tmp_path, retries=0)
    with pytest.raises(WorkError, match=told):
        require_labelled(report)


def test_labellers_are_let_go_before_the_next_is_opened(fakes, tmp_path: Path) -> None:
    alive: list[weakref.ref[object]] = []

    def open_one(name: str) -> object:
        gc.collect()
        assert [reference() for reference in alive if reference() is not None] == []
        labeller = fakes.TextLabeller(name)
        alive.append(weakref.ref(labeller))
        return labeller

    sources = [LabelSource(name=name, settings={"m": name}, open=lambda name=name: open_one(name)) for name in "abc"]
    label_pairs(fakes.grid_of(8), sources, tmp_path)
    assert len(alive) == 3
    assert all(reference() is None for reference in alive)


def test_two_labellers_of_one_name_are_refused(fakes, tmp_path: Path) -> None:
    sources = [fakes.source_of("a", settings="x"), fakes.source_of("a", settings="y", weights="v")]
    with pytest.raises(InputError, match="two of the models are called 'a'"):
        label_pairs(fakes.grid_of(8), sources, tmp_path)


def test_a_full_disk_stops_the_work_and_loses_nothing(fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid, begun = fakes.grid_of(16), []
    source = fakes.source_of("a", lambda keywords: begun.append(keywords[0]))
    label_pairs(grid, [source], tmp_path / "alone")
    begun.clear()
    sync, shards = os.fsync, tmp_path / "full"

    def full(descriptor: int) -> None:
        if len(begun) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(WorkError, match=r"000002\.parquet: the disk is full"):
            label_pairs(grid, [source], shards)
    assert len(begun) == 3
    assert hidden(shards) == []
    label_pairs(grid, [source], shards)
    assert contents(shards) == contents(tmp_path / "alone")
    assert begun[3:] == ["thing 8", "thing 12"]


ODD = (
    "a \"quoted\" 'thing'",
    "two\nlines\r\n",
    "\ttab, comma; and = {braces}",
    "🐙 octopus 👩‍🚀",
    "x" * 10_000,
    "0" * 64,
    "furikaeri:sha256@" + "0" * 64,
    "NULL",
    "",
    "\0",
)


def test_any_text_can_be_a_keyword_or_a_question(fakes, tmp_path: Path) -> None:
    grid = PairGrid(keywords=ODD, questions=ODD[:7], per_shard=3)
    (store,) = require_labelled(label_pairs(grid, [fakes.source_of("a")], tmp_path))
    frame = pl.concat([pl.read_parquet(file) for file in sorted(store.folder.glob("*.parquet"))])
    assert tuple(frame["keyword"].unique(maintain_order=True)) == ODD
    expected = [fakes.told("aw", keyword, question) for keyword in ODD for question in ODD[:7]]
    np.testing.assert_array_equal(frame["p_yes"].to_numpy(), np.asarray(expected))
    assert label_pairs(grid, [fakes.source_of("a")], tmp_path).labelled == 0


@pytest.mark.parametrize("name", ["keywords", "questions"])
def test_a_text_that_comes_twice_is_refused(name: str) -> None:
    lists = {"keywords": ("a", "b"), "questions": ("x?", "y?")}
    with pytest.raises(ValueError, match=f"expected distinct {name}, got 'b' twice"):
        PairGrid(**{**lists, name: ("a", "b", "b")})
    with pytest.raises(ValueError, match="per_shard >= 1"):
        PairGrid(**lists, per_shard=0)


def test_models_are_asked_no_question_of_spelling_and_no_text_twice() -> None:
    questions = [Question("k", "Is it alive?"), letter("starts", "a"), Question("l", "Is it alive?")]
    assert asked_questions(questions) == ("Is it alive?",)


def test_without_a_question_nothing_is_opened(tmp_path: Path) -> None:
    grid = PairGrid(keywords=("a",), questions=())
    never = LabelSource(name="a", settings={}, open=lambda: pytest.fail("opened for nothing"))
    report = label_pairs(grid, [never], tmp_path)
    assert report == LabelReport((None,), (), 0, report.seconds, {})


def test_what_servers_were_asked_is_added_up_over_calls(fakes, tmp_path: Path) -> None:
    class Metered(fakes.TextLabeller):
        def __init__(self, *given) -> None:
            super().__init__(*given)
            self.usage = {"requests": 100, "cost": 1.0, "note": "text is no number"}

        def label(self, keywords, questions):
            p_yes = super().label(keywords, questions)
            self.usage = {**self.usage, "requests": self.usage["requests"] + p_yes.size, "cost": self.usage["cost"] + 2}
            return p_yes

    def metered(before: Callable[[Sequence[str]], None]) -> LabelSource:
        return LabelSource(name="a", settings={}, open=lambda: Metered("a", before))

    grid = fakes.grid_of(12)
    first = label_pairs(grid, [metered(failing({"thing 4"}, 1, WorkError("x")))], tmp_path, retries=0)
    assert first.usage == {"requests": 56, "cost": 4}
    second = label_pairs(grid, [metered(lambda keywords: None)], tmp_path)
    assert second.usage == {"requests": 28, "cost": 2}
    spent = spent_on(tmp_path, require_labelled(second))
    assert (spent.shards, spent.pairs, spent.usage) == (3, 84, {"requests": 84, "cost": 6})


def test_the_shards_are_told_by_no_path_and_no_clock(fakes, tmp_path: Path) -> None:
    for name in ("one", "another"):
        label_pairs(fakes.grid_of(8), [fakes.source_of("a")], tmp_path / name)
        time.sleep(0.01)
    assert contents(tmp_path / "one") == contents(tmp_path / "another")
    recipe = json.loads(next((tmp_path / "one").glob("*/recipe.json")).read_text())
    assert recipe["identity"] == {"model": "a", "weights": "w"}
    assert (recipe["keywords"], recipe["questions"], recipe["shards"]) == (8, 7, 2)
