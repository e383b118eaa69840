"""The lines of a recipe's plan: what each stage of `chain` takes, from sizes, samples and what is reckoned."""

from __future__ import annotations

import math
from dataclasses import replace

from furikaeri_common.gpu_kinds import GPU_KINDS
from furikaeri_common.planning import (
    ANY,
    HERE,
    Amount,
    Pace,
    PlannedStage,
    amount,
    given_rate,
    multiplied,
    pace_of_rate,
    scaled,
    summed,
)
from twenty_questions.labelling.centring import REFERENCE_THINGS
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.prompts import read_prompt
from twenty_questions.precompute.planning.known import (
    Known,
    PlanOptions,
    WritingSource,
    conversations_of,
    short_name,
)
from twenty_questions.precompute.planning.labels import Clock, LabelSample
from twenty_questions.precompute.planning.models import ModelSize, size_of_model
from twenty_questions.precompute.planning.reckoning import (
    PairTokens,
    label_pace,
    tokens_of_pairs,
    tokens_of_turns,
    writing_pace,
)
from twenty_questions.precompute.planning.servers import server_paces, with_fee
from twenty_questions.precompute.planning.table import choosing_pace
from twenty_questions.precompute.planning.writing import WritingSample
from twenty_questions.precompute.recipe import WrittenWords
from twenty_questions.question_sources.language_model import REQUESTS_PER_TASK

__all__ = ["stages_of_plan"]

_RANKING_SHARD = 4
_TOKENS_A_NAME, _TOKENS_A_QUESTION = 4, 14
_BYTES_A_TOKEN = 4


def stages_of_plan(known: Known, *, clock: Clock) -> list[PlannedStage]:
    """Return the lines of a plan, in the order of `chain`; choosing questions is measured on the way."""
    recipe, sizes = known.recipe, known.sizes
    stages = []
    if any(not isinstance(source, WrittenWords) for source in recipe.keywords.sources):
        pace = Pace(amount(0.0, "counted"), opening=amount(sizes.list_seconds, "measured"))
        stages.append(
            PlannedStage(
                name="keywords: lists",
                count=sizes.keywords,
                unit="keywords",
                paces={ANY: pace},
                disk=multiplied(sizes.keywords, amount(sizes.lines.word, "measured")),
            )
        )
    scale = known.options.scale
    stages += [_writing(known, one, f"keywords: {short_name(one)}", times=scale) for one in recipe.keywords.llm]
    stages += [_writing(known, one, f"questions: {short_name(one)}") for one in recipe.questions.llm]
    letters = amount(0 if sizes.spelling is None else len(sizes.spelling.letters), "measured")
    stages.append(
        PlannedStage(
            name="questions: merging",
            count=sizes.pool,
            unit="questions",
            paces={ANY: sizes.merging},
            disk=summed(
                (
                    scaled(summed((sizes.collected, letters)), sizes.lines.counted),
                    scaled(summed((sizes.asked, letters)), sizes.lines.question),
                )
            ),
        )
    )
    if sizes.spelling is not None:
        pace = Pace(amount(sizes.spelling.finding, "measured"))
        stages.append(
            PlannedStage(name="questions: spelling", count=sizes.keywords, unit="keywords", paces={ANY: pace})
        )
    if sizes.ranked:
        stages += _ranking(known, clock)
    shard = min(recipe.table.shard, round(sizes.keywords.likely))
    for config in recipe.models:
        pairs = multiplied(sizes.keywords, sizes.asked)
        stages.append(
            _labels(known, config, f"labels: {short_name(config)}", pairs, shard=shard, questions=sizes.asked)
        )
    stages.append(_table(known))
    return _distinct(stages)


def _writing(known: Known, source: WritingSource, name: str, *, times: float = 1.0) -> PlannedStage:
    sample, size = known.writing.get(source), None if source.base_url else size_of_model(source)
    requests = max(1, round(source.requests * times))
    each_task = source.how.shard if isinstance(source, WrittenWords) else REQUESTS_PER_TASK
    turns = conversations_of(source, known.sizes, seed=known.recipe.seed)
    is_measured = sample is not None and sample.tokens_in > 0
    if sample is not None and is_measured:
        tokens_in, tokens_out = amount(sample.tokens_in, "measured"), amount(sample.tokens_out, "measured")
    else:
        tokens_in = amount(sum(map(tokens_of_turns, turns)) / len(turns), "estimated")
        wanted = (
            source.asked * _TOKENS_A_NAME if isinstance(source, WrittenWords) else source.wanted * _TOKENS_A_QUESTION
        )
        tokens_out = amount(wanted, "estimated")
    shown = sum(len(turn["content"].encode()) for each in turns for turn in each) / len(turns)
    written = tokens_out.likely * _BYTES_A_TOKEN if sample is None else sample.bytes
    made = PlannedStage(
        name=name,
        count=amount(requests, "counted"),
        unit="texts",
        # A server does not go faster for more who wait for it.
        tasks=1 if source.base_url else math.ceil(requests / each_task),
        paces=_writing_paces(known, source, sample, size, tokens_in.likely, tokens_out.likely),
        memory=_memory(sample, size, known.options),
        disk=amount(requests * (shown + written), "estimated" if sample is None else "measured"),
    )
    return with_fee(made, source, made.count, tokens_in, tokens_out) if source.base_url else made


def _writing_paces(
    known: Known,
    source: WritingSource,
    sample: WritingSample | None,
    size: ModelSize | None,
    tokens_in: float,
    tokens_out: float,
) -> dict[str, Pace]:
    if source.base_url:
        return server_paces(known.options, source, None if sample is None else sample.pace)
    paces = {} if sample is None else {HERE: sample.pace}
    for kind in known.options.kinds:
        if kind in GPU_KINDS and size is not None:
            paces[kind] = writing_pace(GPU_KINDS[kind], size, tokens_in, tokens_out)
    return paces


def _ranking(known: Known, clock: Clock) -> list[PlannedStage]:
    sizes, recipe = known.sizes, known.recipe
    pairs = scaled(sizes.collected, sizes.ranked)
    first = recipe.models[0]
    name = f"ranking: {short_name(first)}"
    labels = _labels(known, first, name, pairs, shard=min(_RANKING_SHARD, sizes.ranked), questions=sizes.collected)
    pace = choosing_pace(sizes.ranked, round(sizes.collected.likely), clock=clock)
    choosing = PlannedStage(name="ranking: choosing", count=sizes.asked, unit="questions", paces={ANY: pace})
    return [labels, choosing]


def _labels(
    known: Known, config: LabellerConfig, name: str, pairs: Amount, *, shard: int, questions: Amount
) -> PlannedStage:
    sample, size = known.labels.get(config), None if config.base_url else size_of_model(config)
    shards = max(1, math.ceil(pairs.likely / (shard * questions.likely)))
    keywords = [keyword.name for keyword in known.sizes.words.keywords]
    tokens = tokens_of_pairs(read_prompt(config.prompt), keywords, known.sizes.texts)
    whole = known.sizes.asked.likely * min(known.recipe.table.shard, known.sizes.keywords.likely)
    if sample is None:
        bytes_a_pair = amount(known.table.shard_bytes / whole, "estimated")
    else:
        bytes_a_pair = amount(sample.shard_bytes / whole, "measured")
    references = scaled(questions, len(REFERENCE_THINGS) if config.centring else 0)
    made = PlannedStage(
        name=name,
        count=pairs,
        unit="pairs",
        tasks=shards,
        paces=_label_paces(known, config, sample, size, tokens, references),
        memory=_memory(sample, size, known.options),
        disk=multiplied(pairs, bytes_a_pair),
    )
    if not config.base_url:
        return made
    if sample is not None and sample.tokens_in:
        tokens_in, tokens_out = amount(sample.tokens_in, "measured"), amount(sample.tokens_out, "measured")
    else:
        # One token is written where the server gives log-probabilities.
        tokens_in = amount(tokens.whole, "estimated", high=config.samples * tokens.whole)
        tokens_out = amount(1, "estimated", high=config.samples)
    paces = {kind: pace._replace(per_task=scaled(pace.per_task, shards)) for kind, pace in made.paces.items()}
    alone = replace(made, tasks=1, paces=paces)
    return with_fee(alone, config, summed((pairs, references)), tokens_in, tokens_out)


def _label_paces(
    known: Known,
    config: LabellerConfig,
    sample: LabelSample | None,
    size: ModelSize | None,
    tokens: PairTokens,
    references: Amount,
) -> dict[str, Pace]:
    """Return the paces of labelling; each device asks about the references for itself, at its beginning."""
    options = known.options
    keeping = amount(known.table.writing, "measured")
    measured = None

    def with_references(pace: Pace, each: Amount | None = None) -> Pace:
        return pace._replace(opening=summed((pace.opening, multiplied(references, each or pace.per_unit))))

    if sample is not None:
        measured = with_references(
            sample.pace._replace(per_task=summed((sample.pace.per_task, keeping))),
            amount(sample.reference / len(REFERENCE_THINGS), "measured"),
        )
    paces = {} if measured is None else {HERE: measured}
    computed = sample.tokens if sample is not None and sample.tokens else tokens.computed
    if config.base_url:
        return {
            kind: pace if pace is measured else with_references(pace)
            for kind, pace in server_paces(options, config, measured).items()
        }
    for kind in options.kinds:
        rate = given_rate(options.rates, (config.model,), kind)
        if rate is not None:
            paces[kind] = with_references(pace_of_rate(rate, "given"))
        elif kind in GPU_KINDS and size is not None:
            paces[kind] = with_references(label_pace(GPU_KINDS[kind], size, computed)._replace(per_task=keeping))
    return paces


def _memory(sample: LabelSample | WritingSample | None, size: ModelSize | None, options: PlanOptions) -> Amount | None:
    """Return what a task holds: of this machine as was seen here, or else of a GPU."""
    if sample is not None and HERE in options.kinds:
        return amount(sample.memory, "measured")
    return None if size is None else amount(size.needed, "estimated")


def _table(known: Known) -> PlannedStage:
    sizes, table = known.sizes, known.table
    columns, answering = sizes.asked, 0.0
    if sizes.spelling is not None:
        answering = sizes.spelling.answering / columns.likely
        columns = summed((columns, amount(len(sizes.spelling.letters), "measured")))
    row = summed((columns, amount(table.row_bytes, "measured")))
    disk = summed((multiplied(sizes.keywords, row), scaled(columns, sizes.lines.question)))
    return PlannedStage(
        name="table",
        count=multiplied(sizes.keywords, sizes.asked),
        unit="pairs",
        paces={ANY: table.pace._replace(per_unit=summed((table.pace.per_unit, amount(answering, "measured"))))},
        disk=disk,
    )


def _distinct(stages: list[PlannedStage]) -> list[PlannedStage]:
    """Return the stages with distinct names: a model may write twice, with other settings."""
    seen: dict[str, int] = {}
    named = []
    for stage in stages:
        seen[stage.name] = seen.get(stage.name, 0) + 1
        again = seen[stage.name] > 1
        named.append(replace(stage, name=f"{stage.name} ({seen[stage.name]})") if again else stage)
    return named
