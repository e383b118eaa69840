"""How fast a model labels on this machine, from a short sample of the real work (io).

A shard's labels are computed as token trees, so what they take goes with the tokens that are computed, not with the
pairs: those are counted for a whole shard without the model, and timed for pieces of it. Pieces of two sizes tell what
a shard costs beside its tokens. A server's labels go by pairs.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.memory import watching_memory
from furikaeri_common.models.usage import usage_of
from furikaeri_common.planning import Amount, Pace, Sample, amount, fitted_pace, scaled
from twenty_questions.labelling.centring import REFERENCE_THINGS, CentredLabeller
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.shard_files import ShardContent, encode_shard
from twenty_questions.labelling.wrapping import WrappedLabeller

__all__ = ["Clock", "LabelSample", "sample_labels", "shard_bytes"]

Clock = Callable[[], float]
"""Tells seconds: `time.perf_counter`, or `time.process_time` where other work disturbs the machine."""

_LEAST_PIECES = 3
_PART = 4
"""A small piece is so many times smaller than a large one."""

_TRIED_PAIRS = 8
_NUMBER_BYTES = 4
_COUNTED_KEYWORDS = 8
_COUNTED_PAIRS = 20_000


class LabelSample(NamedTuple):
    """What a sample of labelling shows.

    Attributes:
        name: the labeller's.
        pace: of pairs; a task is a shard.
        reference: seconds of each question about the things that answers are centred by; 0 where they are not.
        tokens: that are computed for a pair of a whole shard; 0 for a server.
        shard_bytes: of a whole shard's file.
        memory: bytes at the peak, the whole process counted.
        tokens_in, tokens_out: of each pair, as a server counts; 0 for a model in this process.
        pairs: that were labelled.
        processor_share: processors that the sample kept busy; below 1 where it waited: for others, a GPU, or a server.
    """

    name: str
    pace: Pace
    reference: float
    tokens: float
    shard_bytes: float
    memory: float
    tokens_in: float
    tokens_out: float
    pairs: int
    processor_share: float


class _Piece(NamedTuple):
    keywords: tuple[str, ...]
    questions: tuple[str, ...]
    p_yes: NDArray[np.float32]
    seconds: float
    is_timed: bool

    @property
    def pairs(self) -> int:
        return len(self.keywords) * len(self.questions)


def sample_labels(
    open_model: Callable[[], Labeller],
    keywords: Sequence[str],
    questions: Sequence[str],
    *,
    shard: tuple[int, int],
    seconds: float,
    seed: int,
    clock: Clock = time.perf_counter,
) -> LabelSample:
    """Open a labeller and label pieces of a shard with it.

    Args:
        open_model: opens it.
        keywords: to draw from; at least one.
        questions: to label with; at least one. Fewer than a shard has are taken to go on as they began.
        shard: keywords and questions of a whole shard.
        seconds: how long to go on, beside opening it and a first piece or two; three pieces of each size at least.
        seed: of the draw.
        clock: what is measured.

    Raises:
        InputError, WorkError: as opening and labelling do.
    """
    rng = np.random.default_rng([seed, 3])
    drawn = itertools.cycle(rng.permutation(len(keywords)).tolist())
    asked = [questions[place] for place in rng.permutation(len(questions))[: shard[1]].tolist()]
    with watching_memory() as watch:
        began = clock()
        opened = open_model()
        opening = clock() - began
        try:
            labeller, is_centred = opened, False
            while isinstance(labeller, WrappedLabeller):
                is_centred |= isinstance(labeller, CentredLabeller)
                labeller = labeller.labeller
            before, started = usage_of(labeller), (time.process_time(), time.perf_counter())
            pieces = list(_pieces(labeller, drawn, keywords, asked, shard[0], seconds, clock))
            share = (time.process_time() - started[0]) / max(time.perf_counter() - started[1], 1e-9)
            used = {name: value - before.get(name, 0) for name, value in usage_of(labeller).items()}
            reference = _reference_seconds(labeller, asked, clock) if is_centred else 0.0
            tokens = _tokens_of_shard(labeller, [keywords[next(drawn)] for _ in range(shard[0])], asked, shard)
            pace = _pace(labeller, [piece for piece in pieces if piece.is_timed], tokens, amount(opening, "measured"))
            size = _bytes_of_shard(labeller, pieces, shard)
        finally:
            getattr(opened, "close", lambda: None)()
    pairs = sum(piece.pairs for piece in pieces)
    return LabelSample(
        name=opened.name,
        pace=pace,
        reference=reference,
        tokens=tokens,
        shard_bytes=size,
        memory=watch.peak,
        tokens_in=used.get("tokens_in", 0) / pairs,
        tokens_out=used.get("tokens_out", 0) / pairs,
        pairs=pairs,
        processor_share=share,
    )


def _pieces(
    labeller: Labeller,
    drawn: Iterator[int],
    keywords: Sequence[str],
    asked: Sequence[str],
    per_shard: int,
    seconds: float,
    clock: Clock,
) -> Iterator[_Piece]:
    """Yield small and large pieces by turns until the time is over; what warms up and tells their size is none."""

    def piece(num_keywords: int, num_questions: int, *, is_timed: bool = True) -> _Piece:
        names = tuple(dict.fromkeys(keywords[next(drawn)] for _ in range(num_keywords)))
        texts = tuple(asked[:num_questions])
        began = clock()
        p_yes = labeller.label(names, texts)
        return _Piece(names, texts, p_yes, max(clock() - began, 1e-9), is_timed)

    first = piece(1, min(_TRIED_PAIRS, len(asked)), is_timed=False)
    yield first
    if first.seconds < seconds / _PART:
        first = piece(1, min(_PART * _TRIED_PAIRS, len(asked)), is_timed=False)
        yield first
    ends, rate = clock() + seconds, first.pairs / first.seconds
    # A server takes many requests at once, and shows its pace only when it has them.
    least = 1 if hasattr(labeller, "tokens_computed") else _PART * _PART
    wanted = max(rate * seconds / (_LEAST_PIECES * (1 + 1 / _PART)) / 1.2, _PART * least)
    large = _shape(wanted, per_shard, len(asked))
    small = _shape(large[0] * large[1] / _PART, per_shard, len(asked))
    lasting: dict[tuple[int, int], float] = {}
    for number in itertools.count():
        shape = large if number % 2 else small
        if number >= 2 * _LEAST_PIECES and clock() + lasting[shape] > ends:
            return
        made = piece(*shape)
        lasting[shape] = made.seconds
        yield made


def _shape(pairs: float, per_shard: int, num_questions: int) -> tuple[int, int]:
    """Return keywords and questions of a piece: all questions if they fit, so that it is made as a shard is."""
    if pairs >= num_questions:
        return max(1, min(per_shard, int(pairs / num_questions))), num_questions
    return 1, max(1, int(pairs))


def _tokens_of(labeller: Labeller, names: Sequence[str], texts: Sequence[str]) -> float:
    count = getattr(labeller, "tokens_computed", None)
    return float(count(list(itertools.product(names, texts)))) if count else 0.0


def _tokens_of_shard(labeller: Any, names: Sequence[str], asked: Sequence[str], shard: tuple[int, int]) -> float:
    """Return the tokens that are computed for each pair of a whole shard; 0 where tokens are not counted.

    A few keywords stand for all. Where there are too few questions, tokens grow with questions as a power does
    (the more questions, the more of their beginnings are known: Heaps' law), fitted between half of them and all.
    """
    few = names[: max(1, min(_COUNTED_KEYWORDS, _COUNTED_PAIRS // max(len(asked), 1)))]
    whole = _tokens_of(labeller, few, asked)
    pairs = len(few) * len(asked)
    if len(asked) >= shard[1] or len(asked) < 2 or not whole:
        return whole / pairs
    half = asked[: len(asked) // 2]
    power = np.log(whole / _tokens_of(labeller, few, half)) / np.log(len(asked) / len(half))
    return float(whole / pairs * (shard[1] / len(asked)) ** (min(power, 1.0) - 1))


def _pace(labeller: Labeller, pieces: Sequence[_Piece], tokens: float, opening: Amount) -> Pace:
    """Return the pace of pairs of a whole shard."""
    sizes = [_tokens_of(labeller, piece.keywords, piece.questions) or piece.pairs for piece in pieces]
    # Pieces of one shape differ by a few tokens; each stands for the middle of its shape.
    middle: dict[tuple[int, int], float] = {}
    shapes = [(len(piece.keywords), len(piece.questions)) for piece in pieces]
    for shape in dict.fromkeys(shapes):
        middle[shape] = statistics.median(size for size, one in zip(sizes, shapes, strict=True) if one == shape)
    samples = [
        Sample(middle[shape], piece.seconds * middle[shape] / size)
        for piece, size, shape in zip(pieces, sizes, shapes, strict=True)
    ]
    fitted = fitted_pace(samples, opening=opening)
    factor = tokens or 1.0
    return fitted._replace(per_unit=scaled(fitted.per_unit, factor))


def _reference_seconds(labeller: Labeller, asked: Sequence[str], clock: Clock) -> float:
    """Return what one question costs about the things that answers are centred by."""
    tried = asked[:_LEAST_PIECES]
    began = clock()
    for question in tried:
        labeller.label(REFERENCE_THINGS, [question])
    return (clock() - began) / len(tried)


def _bytes_of_shard(labeller: Labeller, pieces: Sequence[_Piece], shard: tuple[int, int]) -> float:
    """Return the bytes of a whole shard: pieces of all that was labelled, and of half of it, tell how they grow."""
    questions = max((piece.questions for piece in pieces), key=len)
    rows = [(piece.keywords, piece.p_yes) for piece in pieces if len(piece.questions) == len(questions)]
    # No more than a shard has: what is packed does not shrink as it grew.
    names = [name for keywords, _ in rows for name in keywords][: shard[0]]
    p_yes = np.concatenate([p_yes for _, p_yes in rows])[: shard[0]]
    return shard_bytes(labeller.name, dict(labeller.identity), names, questions, p_yes, shard)


def shard_bytes(
    name: str,
    identity: dict[str, Any],
    keywords: Sequence[str],
    questions: Sequence[str],
    p_yes: NDArray[np.float32],
    shard: tuple[int, int],
) -> float:
    """Return the bytes that a whole shard's file will take.

    Args:
        name, identity: the labeller's.
        keywords, questions: of a part of a shard.
        p_yes: of the part, shape (keywords, questions).
        shard: keywords and questions of the whole.
    """

    def size(rows: int, columns: int) -> int:
        part = p_yes[:rows, :columns]
        return len(encode_shard(ShardContent(name, identity, "0" * 64, 0, keywords[:rows], questions[:columns], part)))

    rows, columns = p_yes.shape
    whole = size(rows, columns)
    if rows * columns == 1:
        return float(whole)
    half = (rows // 2, columns) if rows > 1 else (1, columns // 2)
    each = max(whole - size(*half), 0) / (rows * columns - half[0] * half[1])
    if rows == 1:
        # What a question adds is its text and a number; the text stands in a file once.
        more = max(shard[1] - columns, 0) * each
        return float(whole + more + _NUMBER_BYTES * (shard[0] - 1) * shard[1])
    # The texts of questions that are not in the part stand in the file once, packed to about half.
    texts = max(shard[1] - columns, 0) * sum(len(text.encode()) for text in questions) / len(questions) / 2
    return float(whole + each * (shard[0] * shard[1] - rows * columns) + texts)
