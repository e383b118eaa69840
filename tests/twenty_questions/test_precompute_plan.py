"""Plans of recipes: their sizes, what samples show, what is reckoned, and what a run then makes."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.gpu_kinds import GPU_KINDS
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.planning import HERE, Plan, PlannedStage, bill_of, wall_seconds
from twenty_questions.labelling.centring import centred
from twenty_questions.labelling.grid import PairGrid
from twenty_questions.labelling.labelled_table import ConsensusConfig, labelled_table
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.labelling.leaning_files import CorrectedLabeller
from twenty_questions.labelling.leanings import Leanings
from twenty_questions.labelling.prompts import EXAMPLES, ORIGINAL, Prompt
from twenty_questions.labelling.shard_files import ShardContent, encode_shard
from twenty_questions.precompute.planning.labels import Clock, sample_labels, shard_bytes
from twenty_questions.precompute.planning.models import size_of_model
from twenty_questions.precompute.planning.recipe_plan import SERVER, PlanOptions, plan_recipe
from twenty_questions.precompute.planning.reckoning import tokens_in_text, tokens_of_pairs
from twenty_questions.precompute.planning.sizes import sizes_of
from twenty_questions.precompute.recipe import (
    ListedWords,
    PrecomputeRecipe,
    WrittenQuestions,
    WrittenWords,
    read_precompute_recipe,
)
from twenty_questions.question_sources.language_model import halving_tasks
from twenty_questions.questions import Question
from twenty_questions.sources.language_model import shards_of
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.table import builtin_table, save_table
from twenty_questions.words import Keyword

RECIPE = """
[[keywords.file]]
list = "{place}/words.txt"
[questions]
file = ["{place}/questions.txt"]
letters = false
embeddings = "off"
[[models]]
model = "{model}"
prompt = "original"
[table]
shard = 8
"""
WORDS = [keyword.name for keyword in builtin_table().keywords[:40]]
TEXTS = [question.text for question in builtin_table().questions if question.kind == "table"][:20]


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def recipe_in(folder: Path, *, model: str = "nobody-7b", text: str = RECIPE) -> PrecomputeRecipe:
    (folder / "words.txt").write_text("\n".join(WORDS))
    (folder / "questions.txt").write_text("\n".join(TEXTS))
    file = folder / "mine.toml"
    file.write_text(text.format(place=folder, model=model))
    return read_precompute_recipe(str(file))


def planned(
    recipe: PrecomputeRecipe, open_model: Any = None, *, clock: Clock = time.perf_counter, **options: Any
) -> Plan:
    return plan_recipe(recipe, PlanOptions(**options), open_model=open_model, clock=clock)


def ticking(step: float) -> Clock:
    """A clock that goes on with every look, so that what is sampled does not depend on the machine."""
    ticks = itertools.count(1)
    return lambda: step * next(ticks)


def stage_of(plan: Plan, name: str) -> PlannedStage:
    return next(stage for stage in plan.stages if stage.name == name)


@pytest.fixture(scope="module")
def original() -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FURIKAERI_MODELS", "/nowhere")
        patch.setenv("HF_HUB_CACHE", "/nowhere")
        rates = {("", "mine"): 400.0, ("google/gemma-2-9b-it", "mine"): 100.0}
        recipe = read_precompute_recipe("original")
        recipe = replace(recipe, questions=replace(recipe.questions, embeddings="off"))
        return planned(recipe, kinds=("mine", "a100"), rates=rates, prices={"mine": 3.6})


def test_the_original_is_planned_without_its_models(original: Plan) -> None:
    labels = [stage for stage in original.stages if stage.name.startswith("labels: ")]
    assert [stage.count.likely for stage in labels] == [32e6] * 4
    assert [stage.tasks for stage in labels] == [500] * 4
    seconds = [wall_seconds(stage, "mine") for stage in labels]
    assert [one.likely for one in seconds if one] == [320_000, 80_000, 80_000, 80_000]
    assert {one.basis for one in seconds if one} == {"estimated"}, "the number of keywords is a bound"
    assert not any("--task-memory" in note for note in original.notes), "the memory of this machine is not known"
    written = [stage for stage in original.stages if stage.tokens_in is not None]
    assert [(stage.name, stage.count.likely) for stage in written] == [
        ("keywords: gemini-1.5-pro", 20_000),
        ("questions: gemini-1.5-pro", 4_000),
    ]
    assert bill_of(original, "mine").unknown == tuple(stage.name for stage in written)
    assert any("at most, the recipe's limit" in note for note in original.notes)


def test_what_no_rate_is_given_for_is_reckoned_from_the_gpu(original: Plan) -> None:
    gemma = stage_of(original, "labels: gemma-2-9b-it")
    pace = gemma.paces["a100"]
    assert pace.per_unit.basis == "estimated"
    # 8.32 billion numbers in matrices, 2 operations each, at 30 % of the peak.
    tokens = pace.per_unit.likely * 0.3 * GPU_KINDS["a100"].flops / (2 * 8.32e9)
    assert 5 < tokens < 20
    assert pace.per_unit.low < pace.per_unit.likely < pace.per_unit.high
    assert gemma.memory is not None
    # 4 bits for each number of the matrices, 16 for those that embed; and room to compute in.
    assert gemma.memory.likely == pytest.approx((8.32e9 * 0.5159 + 0.92e9 * 2) / 0.8, rel=0.01)


def test_ten_times_the_keywords_are_ten_times_the_pairs(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    rates = {("", "mine"): 10.0}
    one, ten = (planned(recipe, kinds=("mine",), rates=rates, scale=scale) for scale in (1.0, 10.0))
    assert stage_of(one, "labels: nobody-7b").count.likely == 40 * 20
    assert stage_of(ten, "labels: nobody-7b").count.likely == 400 * 20
    small, large = (wall_seconds(stage_of(plan, "labels: nobody-7b"), "mine") for plan in (one, ten))
    assert small is not None
    assert large == (10 * small.likely, 10 * small.low, 10 * small.high, "given")


def test_the_range_of_a_bound_grows_with_the_scale(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    writer = WrittenWords(model="w-1b", given=f"{tmp_path}/words.txt", requests=5, asked=4)
    written = replace(recipe, keywords=replace(recipe.keywords, llm=(writer,)))
    assert sizes_of(written, scale=10).keywords == (600, 450, 600, "estimated")
    labels = stage_of(planned(written, kinds=("mine",), rates={("", "mine"): 10.0}), "labels: nobody-7b")
    assert wall_seconds(labels, "mine") == (120, 90, 120, "estimated")
    assert sizes_of(recipe, scale=1e-6).keywords == (1, 1, 1, "counted")


def test_devices_share_writing_but_not_a_server(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    far = {"base_url": "http://localhost:1/v1", "requests_per_minute": 60.0}
    words = WrittenWords(model="w-1b", given=f"{tmp_path}/words.txt", requests=20, asked=4)
    asked = WrittenQuestions(model="q-1b", requests=17)
    recipe = replace(
        recipe,
        keywords=replace(recipe.keywords, llm=(words, replace(words, model="w-far", **far))),
        questions=replace(recipe.questions, llm=(asked,)),
        models=(replace(recipe.models[0], model="far", **far),),
    )
    plan = planned(recipe, kinds=("a100",))
    given = read_named_list(f"{tmp_path}/words.txt").keywords
    tasks = shards_of(given, words.how, words, identity={}, seed=0)
    assert stage_of(plan, "keywords: w-1b").tasks == len(tasks) == 3
    halves = halving_tasks(WORDS, np.full(len(WORDS), 1 / len(WORDS)), asked.how, asked, identity={}, seed=0)
    assert stage_of(plan, "questions: q-1b").tasks == len(halves) == 3
    for name in ("keywords: w-far", "labels: far"):
        stage = stage_of(plan, name)
        assert wall_seconds(stage, "a100", 8) == wall_seconds(stage, "a100") is not None


def test_sizes_that_lists_tell_are_counted_and_others_bounded(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    sizes = sizes_of(recipe)
    assert sizes.keywords == (40, 40, 40, "counted")
    assert sizes.asked.basis == "counted"
    assert sizes.ranked == 0
    writer = WrittenWords(model="w-1b", given=f"{tmp_path}/words.txt", requests=5, asked=4)
    written = replace(recipe, keywords=replace(recipe.keywords, llm=(writer,)))
    assert sizes_of(written).keywords == (60, 45, 60, "estimated")
    limited = replace(written, keywords=replace(written.keywords, limit=30))
    assert sizes_of(limited).keywords == (30, 30, 30, "counted")
    few = replace(recipe, questions=replace(recipe.questions, budget=5, sample=12))
    assert (sizes_of(few).asked.likely, sizes_of(few).ranked) == (5, 12)
    asked = WrittenQuestions(model="w-1b", requests=3, wanted=4)
    found = sizes_of(replace(recipe, questions=replace(recipe.questions, llm=(asked,), budget=25)))
    listed = sizes.asked.likely
    assert found.collected == (listed + 12, listed + 3, listed + 12, "estimated")
    assert found.asked == (25, listed + 3, 25, "estimated")


def test_the_contests_list_may_be_missing_but_a_users_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_in(tmp_path)
    gone = InputError("the public list needs the contest's engine", fix="Install it")
    monkeypatch.setattr("twenty_questions.precompute.planning.sizes._public_error", lambda: gone)
    public = replace(recipe, keywords=replace(recipe.keywords, exclude="public"))
    assert "not on this machine" in sizes_of(public).notes["keywords"]
    only = replace(recipe, keywords=replace(recipe.keywords, file=(ListedWords(list="public"),)))
    with pytest.raises(InputError, match="public: the contest's list is not on this machine") as told:
        sizes_of(only)
    assert told.value.fix == "Install it; or give the recipe a limit of keywords"
    limited = replace(only, keywords=replace(only.keywords, limit=300))
    assert sizes_of(limited).keywords == (300, 0, 300, "estimated")
    missing = replace(recipe, keywords=replace(recipe.keywords, file=(ListedWords(list="no-such.txt"),)))
    with pytest.raises(InputError, match=r"no-such\.txt"):
        sizes_of(missing)


class Timed:
    """A labeller that takes 2 s to open, 0.5 s a call and 1/100 s a token, of which there are three a pair."""

    name = "timed"
    identity: Mapping[str, Any] = {"weights": "none"}

    def __init__(self) -> None:
        self.now = 0.0

    def open(self) -> Labeller:
        self.now += 2.0
        return self

    def tokens_computed(self, pairs: Sequence[tuple[str, str]]) -> int:
        return 3 * len(pairs)

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        self.now += 0.5 + 0.03 * len(keywords) * len(questions)
        return np.random.default_rng(0).random((len(keywords), len(questions)), dtype=np.float32)


def test_a_sample_tells_what_grows_from_what_does_not() -> None:
    timed = Timed()
    found = sample_labels(
        timed.open, WORDS, TEXTS, shard=(16, len(TEXTS)), seconds=0.5, seed=0, clock=lambda: timed.now
    )
    assert found.pace.opening.likely == pytest.approx(2.0)
    assert found.pace.per_task.likely == pytest.approx(0.5)
    assert found.pace.per_unit == pytest.approx((0.03, 0.95 * 0.03, 1.05 * 0.03, "measured"))
    assert found.tokens == 3
    assert found.reference == 0


def test_what_answers_are_centred_by_is_asked_once_a_question_of_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = Timed()
    leanings = Leanings(slope=1, intercept=0, spread=1, other_slope=1, other_middle=0, questions={})

    def open_model(config: LabellerConfig) -> Labeller:
        return CorrectedLabeller(centred(timed.open()), leanings)

    monkeypatch.setattr("twenty_questions.precompute.planning.recipe_plan.is_here", lambda config: True)
    monkeypatch.setattr("twenty_questions.precompute.planning.models.is_here", lambda config: False)
    recipe = recipe_in(tmp_path)
    recipe = replace(
        recipe,
        questions=replace(recipe.questions, budget=5, sample=12),
        models=(replace(recipe.models[0], centring=True),),
    )
    plan = planned(recipe, open_model, clock=lambda: timed.now, seconds=0.5)
    # A question about twelve things takes 0.5 + 12 x 0.03 s; all are ranked, and five are asked.
    ranking, labels = (stage_of(plan, f"{name}: nobody-7b").paces[HERE].opening for name in ("ranking", "labels"))
    collected = sizes_of(recipe).collected.likely
    assert ranking.likely == pytest.approx(2.0 + 0.86 * collected)
    assert labels.likely == pytest.approx(2.0 + 0.86 * 5)


def test_a_model_that_fails_here_is_planned_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(config: LabellerConfig) -> Labeller:
        raise WorkError("nobody-7b: its weights need 14 GiB")

    monkeypatch.setattr("twenty_questions.precompute.planning.recipe_plan.is_here", lambda config: True)
    monkeypatch.setattr("twenty_questions.precompute.planning.models.is_here", lambda config: False)
    plan = planned(recipe_in(tmp_path), no_room, kinds=(HERE, "a100"))
    assert "not measured: nobody-7b: its weights need 14 GiB" in plan.notes
    labels = stage_of(plan, "labels: nobody-7b")
    assert wall_seconds(labels, HERE) is None
    assert wall_seconds(labels, "a100") is not None


def test_a_shards_bytes_are_foretold_from_a_part_of_it() -> None:
    p_yes = np.random.default_rng(0).random((len(WORDS), len(TEXTS)), dtype=np.float32)
    identity = {"weights": "0" * 64}
    whole = len(encode_shard(ShardContent("m", identity, "0" * 64, 0, WORDS, TEXTS, p_yes)))
    by_rows = shard_bytes("m", identity, WORDS[:10], TEXTS, p_yes[:10], p_yes.shape)
    assert by_rows == pytest.approx(whole, rel=0.1)
    by_columns = shard_bytes("m", identity, WORDS[:1], TEXTS, p_yes[:1], p_yes.shape)
    assert by_columns == pytest.approx(whole, rel=0.25)
    assert shard_bytes("m", identity, WORDS, TEXTS, p_yes, p_yes.shape) == whole


def test_what_does_not_fit_a_gpu_is_told_by_the_memory_that_the_bill_tells(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path, model="nobody-7b")
    plan = planned(recipe, kinds=("t4", "l4"))
    memory = stage_of(plan, "labels: nobody-7b").memory
    # 7 billion weights of 2 bytes alone would fit 16 GB.
    assert memory is not None and memory.likely == pytest.approx(14e9 / 0.8)  # noqa: PT018
    told = [note for note in plan.notes if note.startswith("too large")]
    assert len(told) == 1
    assert told[0].startswith("too large: nobody-7b (17.5 GB) may not fit the 16 GB of t4;")


def test_a_model_of_unknown_size_is_not_said_to_be_reckoned(tmp_path: Path) -> None:
    notes = planned(recipe_in(tmp_path, model="nobody"), kinds=("t4",)).notes
    assert any(note.startswith("unknown: nobody is not here") for note in notes)
    assert not any(note.startswith("reckoned") for note in notes)


def test_sizes_of_models_come_from_their_names() -> None:
    def parameters(name: str) -> float | None:
        size = size_of_model(ModelConfig(model=name))
        return None if size is None else size.parameters

    assert parameters("meta-llama/Llama-3.1-8B-Instruct") == 8.03e9
    assert parameters("org/something-1.5b-chat") == 1.5e9
    assert parameters("smollm2-135m-instruct") == 135e6
    assert parameters("gpt-4o-mini") is None


def test_prompts_are_counted_by_words_and_shared_beginnings_once() -> None:
    assert tokens_in_text("Is it alive?") == pytest.approx(4 * 1.1)
    plain = Prompt(system="", user="{keyword} {question}")
    # dog, Is it (shared), alive ? and big ?: seven words and marks in two pairs.
    found = tokens_of_pairs(plain, ["dog"], ["Is it alive?", "Is it big?"])
    assert found.computed == pytest.approx(7 * 1.1 / 2 + 5)
    assert found.whole == pytest.approx(5 * 1.1 + 10)
    long, short = (tokens_of_pairs(prompt, ["dog"], ["Is it alive?"]) for prompt in (EXAMPLES, ORIGINAL))
    assert long.computed == short.computed
    assert long.whole > short.whole


def test_a_server_is_planned_from_its_prices_and_never_asked(tmp_path: Path) -> None:
    text = RECIPE.replace(
        '"original"', '"original"\nbase_url = "http://localhost:1/v1"\nprice_in = 2.0\nprice_out = 8.0'
    )
    recipe = recipe_in(tmp_path, model="far", text=text)
    labels = stage_of(planned(recipe), "labels: far")
    assert labels.tokens_in is not None and labels.fee is not None  # noqa: PT018
    assert labels.fee.likely == pytest.approx(labels.tokens_in.likely * 2 / 1e6 + 800 * 8 / 1e6)
    # Without log-probabilities eight answers are drawn for each pair.
    assert labels.fee == pytest.approx((labels.fee.likely, labels.fee.likely, 8 * labels.fee.likely, "estimated"))
    assert any("without log-probabilities is asked 8 times a pair" in note for note in planned(recipe).notes)
    assert wall_seconds(labels, HERE) is None
    rated = planned(recipe, rates={("far", SERVER): 4.0})
    assert wall_seconds(stage_of(rated, "labels: far"), HERE) == (200, 200, 1600, "given")
    limited = recipe_in(tmp_path, model="far", text=text.replace("price_in", "requests_per_minute = 60\nprice_in"))
    assert wall_seconds(stage_of(planned(limited), "labels: far"), HERE) == (800, 800, 6400, "given")


@pytest.mark.skipif(importlib.util.find_spec("openai") is None, reason="openai is not installed")
def test_a_server_is_measured_where_that_is_wished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "common"))
    server = importlib.import_module("model_server")
    answer = server.said("yes", first=server.alternatives(yes=-0.2, no=-1.7), usage=(70, 1))
    with server.ScriptedServer(lambda request: answer) as far:
        text = RECIPE.replace('"original"', f'"original"\nbase_url = "{far.url}"\nprice_in = 2.0')
        recipe = recipe_in(tmp_path, model="far", text=text)
        assert planned(recipe, opened, seconds=0.2).stages
        assert far.asked() == []
        plan = planned(recipe, opened, seconds=0.2, asks_servers=True)
        assert len(far.asked()) > 40
    labels = stage_of(plan, "labels: far")
    assert labels.tokens_in == pytest.approx((800 * 70, 0.95 * 800 * 70, 1.05 * 800 * 70, "measured"))
    assert labels.fee == pytest.approx((0.112, 0.95 * 0.112, 1.05 * 0.112, "measured"))
    seconds = wall_seconds(labels, "any kind")
    assert seconds is not None
    assert 0 < seconds.likely < 100


needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")), reason="torch is not installed"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "common"))
    from tiny_language_model import save_tiny

    yield save_tiny(tmp_path_factory.mktemp("models") / "tiny")
    sys.path.pop(0)


def opened(config: LabellerConfig) -> Labeller:
    from twenty_questions.labelling.opening import open_labeller

    return open_labeller(config)


@needs_torch
def test_tokens_that_are_counted_are_those_that_are_computed(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twenty_questions.labelling import local_labeller

    monkeypatch.setitem(local_labeller.NODES, "cpu", 64)
    labeller: Any = opened(LabellerConfig(model=str(tiny), device="cpu", dtype="float32"))
    pairs = list(itertools.product(WORDS[:5], TEXTS[:7]))
    computed: list[int] = []

    def noted(self: Any, tree: Any) -> Any:
        computed.append(len(tree.tokens))
        return plain(self, tree)

    plain = local_labeller.LocalLabeller._logits
    monkeypatch.setattr(local_labeller.LocalLabeller, "_logits", noted)
    labeller.label_pairs(pairs)
    assert len(computed) > 1
    assert labeller.tokens_computed(pairs) == sum(computed)


@needs_torch
def test_a_model_that_is_here_is_measured_and_its_files_are_as_large_as_foretold(tmp_path: Path, tiny: Path) -> None:
    from twenty_questions.labelling.label_progress import require_labelled
    from twenty_questions.labelling.label_sources import source_of
    from twenty_questions.labelling.shards import label_pairs

    recipe = recipe_in(tmp_path, model=str(tiny))
    plan = planned(recipe, opened, clock=ticking(0.02), seconds=1.0, kinds=(HERE, "a100"), devices=2)
    labels, table = stage_of(plan, "labels: tiny"), stage_of(plan, "table")
    seconds = wall_seconds(labels, HERE)
    assert seconds is not None and seconds.basis == "measured"  # noqa: PT018
    assert labels.tasks == 5
    assert labels.memory is not None and labels.memory.basis == "measured"  # noqa: PT018
    assert labels.memory.likely > 1e8
    gib = math.ceil(2 * labels.memory.high / 2**30) / 2
    assert f"Set aside for a task of a cluster, in GiB (--task-memory): {gib:g} for labels." in plan.notes
    assert labels.paces["a100"].per_unit.basis == "estimated"
    keywords, questions = [Keyword(name) for name in WORDS], [Question(text, text) for text in TEXTS]
    grid = PairGrid(keywords=tuple(WORDS), questions=tuple(TEXTS), per_shard=8)
    (store,) = require_labelled(label_pairs(grid, [source_of(recipe.models[0], opened)], tmp_path / "shards"))
    made = sum(file.stat().st_size for file in store.folder.glob("*.parquet"))
    assert labels.disk is not None
    assert labels.disk.likely == pytest.approx(made, rel=0.2)
    prior = np.full(len(WORDS), 1 / len(WORDS))
    held = labelled_table(
        keywords, prior, questions, grid, [(store.model, store.identity)], lambda number: store.read(number)[None],
        config=ConsensusConfig(calibration="none"),
    ).table  # fmt: skip
    save_table(held, tmp_path / "table")
    size = sum(file.stat().st_size for file in (tmp_path / "table").iterdir() if file.name != "manifest.json")
    assert table.disk is not None
    assert table.disk.likely == pytest.approx(size, rel=0.2)


@needs_torch
def test_a_writer_that_is_here_is_measured(tmp_path: Path, tiny: Path) -> None:
    recipe = recipe_in(tmp_path, model="nobody-7b")
    writer = WrittenWords(model=str(tiny), given=f"{tmp_path}/words.txt", requests=30, shown=2, asked=1)
    recipe = replace(recipe, keywords=replace(recipe.keywords, llm=(writer,)))
    plan = planned(recipe, seconds=0.5)
    stage = stage_of(plan, "keywords: tiny")
    seconds = wall_seconds(stage, HERE)
    assert seconds is not None and seconds.basis == "measured"  # noqa: PT018
    assert math.isclose(seconds.likely, 30 * stage.paces[HERE].per_unit.likely + stage.paces[HERE].opening.likely)
    assert any("tiny wrote" in note for note in plan.notes)
    assert any("nobody-7b is not on this machine" in note for note in plan.notes)
