"""What a whole recipe will take, before it is run (io: lists are read, models on this machine are tried for a while).

The stages are those of `chain`, cut where their figures come from different places:

    keywords     lists, and a line for each model that writes
    questions    a line for each model that writes, and merging near-duplicates
    ranking      labels of a sample by the first model, and choosing by them
    labels       a line for each model
    table        what all models say, as one table

A model that is on this machine is measured on it. A kind of GPU goes at the rate that is given for it, or at one that
is reckoned (`reckoning`). Servers are asked only where that is wished, for it may cost money; else their tokens
are reckoned from the prompts.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

from furikaeri_common.errors import WorkError
from furikaeri_common.gpu_kinds import GPU_KINDS, reckoned_note, unfit_notes
from furikaeri_common.models.config import ModelConfig, Writer, model_part
from furikaeri_common.planning import HERE, Plan, amount, given_rate, memory_note
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.precompute.planning.known import (
    SERVER,
    Known,
    PlanOptions,
    WritingSource,
    conversations_of,
    short_name,
    writers_of,
)
from twenty_questions.precompute.planning.labels import Clock, LabelSample, sample_labels
from twenty_questions.precompute.planning.models import is_here, size_of_model
from twenty_questions.precompute.planning.sizes import RecipeSizes, sizes_of
from twenty_questions.precompute.planning.stages import stages_of_plan
from twenty_questions.precompute.planning.table import sample_table
from twenty_questions.precompute.planning.writing import WritingSample, sample_writing
from twenty_questions.precompute.recipe import PrecomputeRecipe, WrittenWords
from twenty_questions.sources.language_model import draw_words, write_texts

__all__ = ["SERVER", "PlanOptions", "is_tried", "models_of", "plan_recipe"]

_QUIET = 0.8


def models_of(recipe: PrecomputeRecipe) -> tuple[str, ...]:
    """Return the names of all models of a recipe, each once."""
    return tuple(dict.fromkeys(one.model for one in (*recipe.models, *writers_of(recipe))))


def is_tried(config: ModelConfig, *, seconds: float, asks_servers: bool) -> bool:
    """Return whether a model is measured: one that is on this machine, or a server's where that is wished."""
    if not seconds:
        return False
    return asks_servers if config.base_url else is_here(config)


def plan_recipe(
    recipe: PrecomputeRecipe,
    options: PlanOptions,
    *,
    open_model: Callable[[LabellerConfig], Labeller],
    on_step: Callable[[str], None] = lambda text: None,
    clock: Clock = time.perf_counter,
) -> Plan:
    """Return the plan of a recipe.

    Args:
        recipe: the recipe.
        options: what to plan for, and how long to measure.
        open_model: opens a labeller (`labelling.opening.open_labeller`).
        on_step: told what is measured next, in a line.
        clock: what is measured.

    Raises:
        InputError: if a list, a prompt or WordNet is missing, or a model is damaged or cannot be asked.
    """
    on_step("reading lists")
    sizes = sizes_of(recipe, scale=options.scale, clock=clock)
    shard = (min(recipe.table.shard, round(sizes.keywords.likely)), round(sizes.asked.likely))

    def tried(config: ModelConfig) -> bool:
        return is_tried(config, seconds=options.seconds, asks_servers=options.asks_servers)

    writers = [source for source in writers_of(recipe) if tried(source)]
    labellers = [config for config in recipe.models if tried(config)]
    share = options.seconds / max(len(writers) + 2 * len(labellers), 1)
    table = sample_table(sizes.words.keywords, sizes.texts, shard=shard, models=len(recipe.models), clock=clock)
    writing: dict[WritingSource, WritingSample] = {}
    labels: dict[LabellerConfig, LabelSample] = {}
    failed: dict[str, str] = {}
    for source in writers:
        on_step(f"{source.model} writes for {share:.0f} s")
        with _noting(source, failed):
            writing[source] = sample_writing(
                model_part(source),
                _request_of(source, sizes, recipe.seed),
                requests=len(conversations_of(source, sizes, seed=recipe.seed)),
                seconds=share,
                clock=clock,
            )
    names = [keyword.name for keyword in sizes.words.keywords]
    for config in labellers:
        on_step(f"{config.model} labels for {2 * share:.0f} s")
        with _noting(config, failed):
            labels[config] = sample_labels(
                lambda config=config: open_model(config),  # type: ignore[misc]
                names,
                sizes.texts,
                shard=shard,
                seconds=2 * share,
                seed=recipe.seed,
                clock=clock,
            )
    known = Known(recipe=recipe, options=options, sizes=sizes, table=table, labels=labels, writing=writing)
    notes = [*_notes(known), *(f"not measured: {text}" for text in failed.values())]
    times = "" if options.scale == 1 else f" x {options.scale:g}"
    what = f"{recipe.name}{times}: {sizes.keywords.likely:,.0f} keywords x {sizes.asked.likely:,.0f} questions"
    return Plan(
        what=f"{what}, {len(recipe.models)} model{'s' * (len(recipe.models) > 1)}",
        stages=tuple(stages_of_plan(known, clock=clock)),
        kinds=options.kinds,
        prices=dict(options.prices),
        currency=options.currency,
        devices=options.devices,
        notes=tuple(notes),
    )


@contextlib.contextmanager
def _noting(config: ModelConfig, failed: dict[str, str]) -> Iterator[None]:
    """Let a model that cannot work here, such as one that is too large, be planned without a sample."""
    try:
        yield
    except WorkError as error:
        failed[config.model] = error.message


def _request_of(source: WritingSource, sizes: RecipeSizes, seed: int) -> Callable[[Writer, int], str]:
    """Return what has a writer write the request of a number, as the recipe has it."""
    if isinstance(source, WrittenWords):
        how = source.how

        def names(writer: Writer, number: int) -> str:
            shown = draw_words(sizes.words.keywords, how.shown, seed=seed, request=number)
            return write_texts(writer, [shown], asked=how.asked, seeds=[number], temperature=how.temperature)[0]

        return names
    conversations, asked = conversations_of(source, sizes, seed=seed), source.how

    def questions(writer: Writer, number: int) -> str:
        return writer.write(
            [conversations[number]], seeds=[number], max_tokens=asked.max_tokens, temperature=asked.temperature
        )[0]

    return questions


def _notes(known: Known) -> list[str]:
    """Return where the figures come from, a sentence each."""
    options, recipe = known.options, known.recipe
    notes = [f"{what}: {text}" for what, text in known.sizes.notes.items()]
    done = [f"{sample.name} labelled {sample.pairs:,} pairs" for sample in known.labels.values()]
    written = Counter[str]()
    for source, sample in known.writing.items():
        written[short_name(source)] += sample.requests
    done += [f"{name} wrote {count} texts" for name, count in written.items()]
    notes += [f"measured: {'; '.join(done)}"] if done else []
    slow = [one for one in known.labels.values() if one.tokens and one.processor_share < _QUIET]
    if slow and HERE in options.kinds:
        share = min(one.processor_share for one in slow)
        notes.append(f"busy: the sample got {share:.0%} of a processor, for others work here; alone it would be faster")
    local = [config for config in (*recipe.models, *writers_of(recipe)) if not config.base_url]
    reckoned = [
        kind for kind in options.kinds if kind in GPU_KINDS and any(_is_reckoned(known, kind, one) for one in local)
    ]
    if reckoned:
        notes.append(reckoned_note(reckoned, "pairs"))
    notes += _unfit(known)
    servers = [one for one in (*recipe.models, *writers_of(recipe)) if one.base_url and not _is_sampled(known, one)]
    if servers:
        names = ", ".join(dict.fromkeys(one.model for one in servers))
        notes.append(
            f"servers: {names} not asked; tokens are reckoned from the prompts, prices are the recipe's price_in and "
            f"price_out, and a rate is --throughput NAME@{SERVER}=REQUESTS"
        )
    sampled = {one.samples for one in servers if isinstance(one, LabellerConfig)}
    if sampled:
        times = " or ".join(f"{number}" for number in sorted(sampled))
        notes.append(
            f"servers: one without log-probabilities is asked {times} times a pair; the high ends are for that"
        )
    return [*notes, *_task_notes(known)]


def _task_notes(known: Known) -> tuple[str, ...]:
    """Return what to set aside for a task on a cluster, of models that were tried on this machine."""
    held = {
        "labels": [sample.memory for config, sample in known.labels.items() if not config.base_url],
        "texts": [sample.memory for source, sample in known.writing.items() if not source.base_url],
    }
    return memory_note({what: amount(max(sizes), "measured") for what, sizes in held.items() if sizes})


def _is_sampled(known: Known, config: ModelConfig) -> bool:
    return config in known.labels or config in known.writing


def _is_reckoned(known: Known, kind: str, config: ModelConfig) -> bool:
    if size_of_model(config) is None:
        return False
    return not isinstance(config, LabellerConfig) or given_rate(known.options.rates, (config.model,), kind) is None


def _unfit(known: Known) -> list[str]:
    """Return what does not fit a kind of GPU, and what is not known of models."""
    notes, needed, absent = [], {}, list[str]()
    configs = {one.model: one for one in (*known.recipe.models, *writers_of(known.recipe)) if not one.base_url}
    for name, config in configs.items():
        size = size_of_model(config)
        if size is None:
            notes.append(f"unknown: {name} is not here and its name tells no size; give --throughput {name}@KIND=PAIRS")
            continue
        needed[name] = size.needed
        if not is_here(config):
            absent.append(name)
        if HERE in known.options.kinds and not _is_sampled(known, config):
            notes.append(f"not here: {name} is not on this machine or was not tried, so its time here is not known")
    if absent:
        notes.append(f"by name: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on this machine")
    return [*notes, *unfit_notes(needed, known.options.kinds, 'set weights = "8bit" or "4bit" in the recipe')]
