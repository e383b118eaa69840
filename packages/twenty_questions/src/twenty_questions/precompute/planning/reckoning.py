"""What models that are not on this machine are reckoned to take, from their size and the texts they are given.

Their tokenizers are not here either, so tokens are counted by a rule: a word or a mark is a token, and a tenth more for
words in pieces. On the built-in keywords and questions that is within a tenth of what a small model's tokenizer gives.
Around each turn a chat template puts about five tokens more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from furikaeri_common.gpu_kinds import GpuKind, reckoned_seconds
from furikaeri_common.models.config import Conversation
from furikaeri_common.planning import Amount, Pace, scaled, summed
from twenty_questions.labelling.prompts import Prompt
from twenty_questions.labelling.token_tree import trees
from twenty_questions.precompute.planning.models import ModelSize

__all__ = [
    "GPU_NODES",
    "PairTokens",
    "label_pace",
    "tokens_in_text",
    "tokens_of_pairs",
    "tokens_of_turns",
    "writing_pace",
]

GPU_NODES = 4096
"""Tokens of one pass of a labeller on a GPU."""

_PIECE = re.compile(r"\w+|[^\w\s]")
_MORE = 1.1
_AROUND = 5
_TREES = 8
"""Keywords that stand for all."""

_FROM_DISK = (0.2e9, 1e9, 3e9)
"""Bytes of weights a second on their way to a GPU: at least, likely, at most."""


class PairTokens(NamedTuple):
    """Tokens of a pair.

    Attributes:
        computed: where what prompts share at their beginnings is computed once.
        whole: in the whole prompt, as a server reads it.
    """

    computed: float
    whole: float


def tokens_in_text(text: str) -> float:
    """Return the tokens of a text, by the rule."""
    return len(_PIECE.findall(text)) * _MORE


def tokens_of_turns(conversation: Conversation) -> float:
    """Return the tokens of a conversation, by the rule."""
    return sum(tokens_in_text(turn["content"]) + _AROUND for turn in conversation) + _AROUND


def tokens_of_pairs(prompt: Prompt, keywords: Sequence[str], questions: Sequence[str]) -> PairTokens:
    """Return the tokens of a pair, by the rule.

    Args:
        prompt: how pairs are put.
        keywords: at least one; a few of them stand for all.
        questions: at least one.
    """
    pairs = list(itertools.product(keywords[:_TREES], questions))
    turns = [prompt.conversation(*pair) for pair in pairs]
    numbers: dict[str, int] = {}
    asked = [[numbers.setdefault(word, len(numbers)) for word in _PIECE.findall(turn[-1]["content"])] for turn in turns]
    nodes = sum(len(tree.tokens) for _, tree in trees(sorted(asked), GPU_NODES))
    whole = sum(map(tokens_of_turns, turns)) / len(turns)
    return PairTokens(nodes * _MORE / len(pairs) + _AROUND, whole)


def label_pace(kind: GpuKind, size: ModelSize, tokens: float) -> Pace:
    """Return the pace of pairs on a GPU that was not measured.

    Args:
        kind: of GPU.
        size: of the model.
        tokens: that are computed for a pair.
    """
    each = reckoned_seconds(kind, flops=size.flops * tokens, read=size.held * tokens / GPU_NODES)
    return Pace(each, opening=_opening(size))


def writing_pace(kind: GpuKind, size: ModelSize, tokens_in: float, tokens_out: float) -> Pace:
    """Return the pace of requests that are written one at a time, each token after a pass over all weights."""
    computed = reckoned_seconds(kind, flops=size.flops * tokens_in)
    written = reckoned_seconds(kind, flops=size.flops, read=size.held)
    return Pace(summed((computed, scaled(written, tokens_out))), opening=_opening(size))


def _opening(size: ModelSize) -> Amount:
    least, likely, most = _FROM_DISK
    return scaled(Amount(1 / likely, 1 / most, 1 / least, "estimated"), size.held)
