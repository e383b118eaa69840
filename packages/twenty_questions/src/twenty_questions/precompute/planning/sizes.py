"""How much work a recipe is, before any of it is done (io: lists are read, no model is asked).

What lists and WordNet give is counted. What models will write is not known, so it is bounded: by the recipe's limit of
keywords and budget of questions, and by the names and questions that are asked for. The bound is what is planned for,
so that no work is forgotten; the low end of its range takes one new name or question from each text.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.planning import Amount, Pace, Sample, amount, fitted_pace, scaled
from twenty_questions.labelling.grid import asked_questions
from twenty_questions.precompute.keywords import keywords_of
from twenty_questions.precompute.planning.labels import Clock
from twenty_questions.precompute.questions import Collected, collected_questions
from twenty_questions.precompute.recipe import ListedWords, PrecomputeRecipe, WrittenQuestions, WrittenWords
from twenty_questions.question_sources.letters import splitting_letters
from twenty_questions.question_sources.question_lists import CountedQuestion, write_questions
from twenty_questions.questions import answer_by_spelling
from twenty_questions.sources.keyword_lists import KeywordList, write_keyword_list
from twenty_questions.sources.named_lists import BUILT_IN, is_public
from twenty_questions.sources.public_list import read_public_list

__all__ = ["LineBytes", "RecipeSizes", "Spelling", "sizes_of"]

_SURELY = 2
"""So many times the budget must be known for the budget to be sure, for near-duplicates are yet to go."""


_TRIED_WORDS = 300


class Spelling(NamedTuple):
    """What questions of spelling take.

    Attributes:
        letters: those that split the keywords.
        finding: seconds for each keyword, to find those.
        answering: seconds for each keyword, to answer those in the table.
    """

    letters: tuple[CountedQuestion, ...]
    finding: float
    answering: float


class LineBytes(NamedTuple):
    """Bytes of a line of a list: of a keyword, of a question with its count and source, and of a question alone."""

    word: float
    counted: float
    question: float


class RecipeSizes(NamedTuple):
    """How large the parts of a recipe are.

    Attributes:
        keywords: of the table.
        collected: questions of meaning before they are ranked.
        asked: questions of meaning in the table.
        spelling: what questions of spelling take; None where there are none.
        lines: how long lines of lists are.
        pool: questions before near-duplicates are merged.
        ranked: keywords on which all questions are labelled to rank them; 0 where they need no ranking.
        words: keywords to measure with: the recipe's own, or the built-in ones in place of what models will write.
        texts: questions to measure with, likewise.
        list_seconds: reading the lists of keywords took so long.
        merging: the pace at which questions are read and near-duplicates merged.
        notes: how each size was got, by what it is of: "keywords", "questions", "sample".
    """

    keywords: Amount
    collected: Amount
    asked: Amount
    spelling: Spelling | None
    lines: LineBytes
    pool: Amount
    ranked: int
    words: KeywordList
    texts: tuple[str, ...]
    list_seconds: float
    merging: Pace
    notes: dict[str, str]


def sizes_of(recipe: PrecomputeRecipe, *, scale: float = 1.0, clock: Clock = time.perf_counter) -> RecipeSizes:
    """Return the sizes of a recipe, for `scale` times as many keywords.

    Args:
        recipe: the recipe.
        scale: above 0.
        clock: what is measured.

    Raises:
        InputError: if a list that the recipe names is missing, or WordNet is. The contest's list may be missing, where
            the recipe limits its keywords or takes none from it.
    """
    if not scale > 0:
        raise ValueError(f"expected scale > 0, got {scale}")
    began = clock()
    given_words = _known_words(recipe)
    words, known = given_words.words, given_words.known
    list_seconds = clock() - began
    notes: dict[str, str] = {}
    keywords, notes["keywords"] = _keywords(recipe, given_words)
    found, given, merging = _known_questions(recipe, words, clock)
    spelling = _spelling(recipe, words, clock)
    lines = _line_bytes(words, found.meaning if spelling is None else [*found.meaning, *spelling.letters])
    texts = asked_questions([one.question for one in found.meaning])
    written = sum(source.requests * source.wanted for source in recipe.questions.llm)
    listed, pooled = (len(texts), found.given) if given else (0, 0)
    collected, asked, notes["questions"] = _questions(recipe, listed, written)
    if not given or not known:
        missing = [what for what, there in (("keywords", known), ("questions", given)) if not there]
        notes["sample"] = f"the built-in {' and '.join(missing)} stand for those that models will write"
    if scale != 1:
        keywords = scaled(keywords, max(scale, 1 / keywords.likely))
        notes["keywords"] = f"{scale:g} times: {notes['keywords']}"
    is_ranked = 0 < recipe.questions.budget < collected.likely
    return RecipeSizes(
        keywords=keywords,
        collected=collected,
        asked=asked,
        spelling=spelling,
        lines=lines,
        pool=_bounded(pooled + written, pooled, recipe.questions.llm) if written else amount(pooled, "counted"),
        ranked=min(recipe.questions.sample, round(keywords.likely)) if is_ranked else 0,
        words=words,
        texts=texts,
        list_seconds=list_seconds,
        merging=merging,
        notes=notes,
    )


class _Listed(NamedTuple):
    """Keywords to measure with, how many the recipe's lists give, what was left out, and whether that may add some."""

    words: KeywordList
    known: int
    left_out: str
    may_grow: bool


def _known_words(recipe: PrecomputeRecipe) -> _Listed:
    """Return what the recipe's lists give; the built-in words if there are none."""
    part, error = recipe.keywords, _public_error()
    gone = [] if error is None else _public_lists(recipe)
    lists = [_named(source) for source in part.sources if not isinstance(source, WrittenWords)]
    missing = [name for name in lists if name in gone]
    if error is not None and missing and not part.limit:
        raise InputError(
            f"{missing[0]}: the contest's list is not on this machine, so the recipe's keywords cannot be counted",
            fix=f"{error.fix}; or give the recipe a limit of keywords",
        )
    listed = replace(
        part,
        limit=0,
        exclude="" if part.exclude in gone else part.exclude,
        neighbours=tuple(source for source in part.neighbours if source.given not in gone),
        # A recipe without any source is none, so the built-in words stand for one.
        file=tuple(source for source in part.file if source.list not in gone) or (ListedWords(list=BUILT_IN),),
        llm=(),
    )
    words = keywords_of(listed, Path(), seed=recipe.seed)
    left_out = f"without the contest's list ({gone[0]}), which is not on this machine" if gone else ""
    return _Listed(words, len(words) if len(lists) > len(missing) else 0, left_out, bool(missing))


def _named(source: object) -> str:
    return str(getattr(source, "given", "") or getattr(source, "list", ""))


def _public_lists(recipe: PrecomputeRecipe) -> list[str]:
    """Return the names by which a recipe asks for the contest's list."""
    named = [_named(source) for source in recipe.keywords.sources]
    return [name for name in (*named, recipe.keywords.exclude) if name and is_public(name)]


def _public_error() -> InputError | None:
    """Return why the contest's list cannot be read; None where it can."""
    try:
        read_public_list()
    except InputError as error:
        return error
    return None


def _keywords(recipe: PrecomputeRecipe, listed: _Listed) -> tuple[Amount, str]:
    part, known = recipe.keywords, listed.known
    named = sum(source.requests * source.asked for source in part.llm)
    text = f"{known:,} by lists" + (f", {named:,} names asked of models" if named else "")
    text += f" ({listed.left_out})" if listed.left_out else ""
    if part.limit and known >= part.limit:
        return amount(part.limit, "counted"), f"the recipe's limit; {text}"
    if not named and not listed.left_out:
        return amount(known, "counted"), text
    most = part.limit if listed.may_grow else known + named
    bound = min(most, part.limit) if part.limit else most
    which = "the recipe's limit" if bound == part.limit else "every name a new one"
    return _bounded(bound, known, part.llm), f"at most, {which}; {text}"


def _bounded(most: int, known: int, written: Sequence[WrittenWords] | Sequence[WrittenQuestions]) -> Amount:
    """Return a number of which some are known, and of which texts to be written may give the others."""
    return amount(most, "estimated", low=min(known + sum(source.requests for source in written), most))


def _known_questions(recipe: PrecomputeRecipe, words: KeywordList, clock: Clock) -> tuple[Collected, bool, Pace]:
    """Return the questions that lists and games give, without near-duplicates; the built-in ones if there are none.

    The second of two passes tells the pace, for the first one opens the embedder.
    """
    part, given = recipe.questions, bool(recipe.questions.file or recipe.questions.games)
    listed = replace(part, llm=(), file=part.file if given else (BUILT_IN,), letters=False)
    times = [clock()]
    for _ in range(2 if part.llm else 1):
        found = collected_questions(listed, words, Path(), seed=recipe.seed)
        times.append(clock())
    passes = [end - begin for begin, end in itertools.pairwise(times)]
    opening = amount(max(passes[0] - passes[-1], 0.0), "measured")
    return found, given, fitted_pace([Sample(max(found.given, 1), max(passes[-1], 1e-9))], opening=opening)


def _spelling(recipe: PrecomputeRecipe, words: KeywordList, clock: Clock) -> Spelling | None:
    """Measure questions of spelling on a few keywords, which stand for all."""
    if not recipe.questions.letters:
        return None
    names = [keyword.name for keyword in words.keywords[:_TRIED_WORDS]]
    prior = words.prior[: len(names)] / words.prior[: len(names)].sum()
    began = clock()
    found = splitting_letters(names, prior, least_share=recipe.questions.least_share)
    middle = clock()
    for one in found:
        for name in names:
            answer_by_spelling(one.question, name)
    ended = clock()
    return Spelling(tuple(found), (middle - began) / len(names), (ended - middle) / len(names))


def _line_bytes(words: KeywordList, counted: Sequence[CountedQuestion]) -> LineBytes:
    """Write the lists that are known, away from everything, to see how long their lines are."""
    with tempfile.TemporaryDirectory(prefix="furikaeri-plan-") as folder:
        files = [Path(folder) / name for name in ("words.jsonl", "counted.jsonl", "questions.jsonl")]
        distinct = {one.question.key: one for one in counted}.values()
        write_keyword_list(files[0], words)
        write_questions(files[1], distinct)
        write_questions(files[2], [one.question for one in distinct])
        sizes = [file.stat().st_size for file in files]
    return LineBytes(sizes[0] / len(words), sizes[1] / len(distinct), sizes[2] / len(distinct))


def _questions(recipe: PrecomputeRecipe, listed: int, written: int) -> tuple[Amount, Amount, str]:
    """Return the questions before ranking and after it, and how they were got."""
    budget, most = recipe.questions.budget, listed + written
    text = f"{listed:,} in lists" + (f", {written:,} asked of models" if written else "")
    collected = _bounded(most, listed, recipe.questions.llm) if written else amount(listed, "counted")
    if budget and listed >= budget * (_SURELY if written else 1):
        return collected, amount(budget, "counted"), f"the recipe's budget; {text}"
    if not written:
        return collected, collected, text
    bound = min(budget, most) if budget else most
    which = "the recipe's budget" if bound == budget else "every question a new one"
    return collected, _bounded(bound, listed, recipe.questions.llm), f"at most, {which}; {text}"
