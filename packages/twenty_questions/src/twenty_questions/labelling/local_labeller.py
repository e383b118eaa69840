"""P(yes) from the next-token logits of a model in this process.

What all prompts share (the system's turn, the examples) is computed once and its keys and values are kept; the rest is
computed as token trees (`token_tree`), so that a keyword, and the words with which several questions begin, cost once.
The numbers are those of asking every pair alone, up to the rounding of sums taken in another order.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.chat import break_tokens, control_tokens, render
from furikaeri_common.models.loading import LanguageModel
from twenty_questions.labelling.definitions import NO_DEFINITIONS, Definitions
from twenty_questions.labelling.prompts import Prompt
from twenty_questions.labelling.token_tree import TokenTree, ancestors, trees
from twenty_questions.labelling.yes_no import ENGLISH, YesNoTokens, YesNoWords, p_yes_of, tokens_of

__all__ = ["LocalLabeller", "local_labeller"]

NODES = {"cpu": 512, "cuda": 4096}
"""Tokens of one forward pass: on a processor a cache's worth, on a GPU as many as fill it."""

_TURN = "\u2063turn\u2063"  # stands for what is asked while the form around it is made
_AGREEMENT = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 5e-2}


class _Form(NamedTuple):
    """A prompt's text around the last turn, cut where no token can reach across.

    Attributes:
        head: token ids of what comes before, computed once.
        before: the text between the head and what is asked.
        after: the text behind it, where the model's answer begins.
    """

    head: list[int]
    before: str
    after: str


@dataclass(frozen=True, slots=True, eq=False)
class LocalLabeller:
    """A `labeller.Labeller` in this process.

    Attributes:
        name: the model's.
        identity: the weights, how they are held and computed with, and the prompt.
        model: the model.
        prompt: how it is asked.
        definitions: of keywords, put into the prompt where it has a place for them.
        as_trees: whether the model takes token trees; else every pair is asked alone.
    """

    name: str
    identity: Mapping[str, Any]
    model: LanguageModel
    prompt: Prompt
    definitions: Definitions
    as_trees: bool
    _form: _Form
    _answers: _AnswerHead
    _control: tuple[str, ...]
    _shared: Any

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair; see `labeller.Labeller`."""
        pairs = list(itertools.product(keywords, questions))
        return self.label_pairs(pairs).reshape(len(keywords), len(questions))

    def label_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return P(yes) of (keyword, question) pairs; float32, shape (pairs,)."""
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        return self._on_trees(pairs) if self.as_trees else self.label_one_by_one(pairs)

    def label_one_by_one(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return the same from a forward pass over each whole prompt: slow, and plain to see."""
        import torch

        found = []
        for tail in self._tails(pairs):
            ids = torch.tensor([[*self._form.head, *tail]], device=self.model.device)
            with torch.inference_mode(), self._answers.in_place(self.model.model):
                found.append(self.model.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0])
        return self._answers.p_yes(torch.cat(found))

    def _on_trees(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        tails = self._tails(pairs)
        order = sorted(range(len(tails)), key=tails.__getitem__)
        nodes = NODES["cpu" if self.model.device == "cpu" else "cuda"]
        p_yes = np.empty(len(pairs), dtype=np.float32)
        for run, tree in trees([tails[place] for place in order], nodes):
            p_yes[[order[place] for place in run]] = self._answers.p_yes(self._logits(tree))
        return p_yes

    def _tails(self, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
        texts = [self._form.before + self._turn(keyword, question) + self._form.after for keyword, question in pairs]
        tails: list[list[int]] = self.model.tokenizer(texts, add_special_tokens=False)["input_ids"]
        longest = max(map(len, tails)) + len(self._form.head)
        room = getattr(self.model.model.config, "max_position_embeddings", None) or longest
        if longest > room:
            raise WorkError(
                f"{self.name}: a prompt of {longest:,} tokens is longer than the model's {room:,}",
                fix="Use shorter keywords, questions or examples",
            )
        return tails

    def _turn(self, keyword: str, question: str) -> str:
        definition = self.definitions.of(keyword)
        turn = self.prompt.conversation(keyword, question, definition)[-1]["content"].strip()
        return break_tokens(turn, self._control)

    def _logits(self, tree: TokenTree) -> Any:
        """Return the answers' logits after each sequence of a tree; shape (sequences, answers)."""
        import torch

        device, dtype = self.model.device, self.model.model.dtype
        head = len(self._form.head)
        allowed = torch.from_numpy(ancestors(tree)).to(device)
        # Additive, for not every kind of attention takes yes and no.
        mask = torch.zeros((len(tree.tokens), head + len(tree.tokens)), dtype=dtype, device=device)
        mask[:, head:].masked_fill_(~allowed, torch.finfo(dtype).min)
        with torch.inference_mode(), self._answers.in_place(self.model.model):
            out = self.model.model(
                input_ids=torch.from_numpy(tree.tokens)[None].to(device),
                attention_mask=mask[None, None],
                position_ids=torch.from_numpy(tree.depths + head)[None].to(device),
                past_key_values=_copy_of(self._shared),
                use_cache=True,
                logits_to_keep=torch.from_numpy(tree.ends).to(device),
            )
        return out.logits[0]


class _AnswerHead:
    """The rows of a model's output layer that say yes or no, computed in float32.

    The whole layer in a short format would round a logit of 20 to steps of 1/8, that is P(yes) to steps of 1/32.
    """

    def __init__(self, model: Any, tokens: YesNoTokens) -> None:
        import torch

        layer = model.get_output_embeddings()
        chosen = torch.from_numpy(np.concatenate(tokens)).to(layer.weight.device)
        has_bias = getattr(layer, "bias", None) is not None
        rows = torch.nn.Linear(layer.weight.shape[1], len(chosen), bias=has_bias, device=chosen.device)
        rows.weight.data = layer.weight.detach()[chosen].float()
        if has_bias:
            rows.bias.data = layer.bias.detach()[chosen].float()
        rows.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        self._rows = rows
        self._num_yes = len(tokens.yes)

    @contextlib.contextmanager
    def in_place(self, model: Any) -> Iterator[None]:
        """Let the model compute these rows alone; what it does to logits afterwards, it does to them."""
        layer = model.get_output_embeddings()
        model.set_output_embeddings(self._rows)
        try:
            yield
        finally:
            model.set_output_embeddings(layer)

    def p_yes(self, logits: Any) -> NDArray[np.float32]:
        """Return P(yes) of each row of logits."""
        import torch

        parts = logits.float().tensor_split([self._num_yes], dim=1)
        log_yes, log_no = (torch.logsumexp(part, dim=1).cpu().numpy() for part in parts)
        return p_yes_of(log_yes, log_no).astype(np.float32)


def local_labeller(model: LanguageModel, prompt: Prompt, definitions: Definitions = NO_DEFINITIONS) -> LocalLabeller:
    """Return a labeller that asks a model in this process.

    Args:
        model: open.
        prompt: how it is asked.
        definitions: what a prompt with a place for definitions says of each keyword.

    Raises:
        InputError: if the model has no tokens for yes or for no, or its template cannot take the prompt.
    """
    try:
        answers = tokens_of(_candidates(model.tokenizer))
    except ValueError as error:
        raise InputError(f"{model.name}: cannot answer yes or no ({error})", fix="Use another model") from error
    form = _form_of(model, prompt)
    identity = {
        "weights": model.fingerprint,
        "held": model.weights,
        "dtype": model.dtype,
        "device": model.device.partition(":")[0],
        "prompt": fingerprint(prompt),
        "definitions": definitions.identity,
    }

    def made(as_trees: bool) -> LocalLabeller:
        return LocalLabeller(
            name=model.name,
            identity={**identity, "as_trees": as_trees},
            model=model,
            prompt=prompt,
            definitions=definitions,
            as_trees=as_trees,
            _form=form,
            _answers=_AnswerHead(model.model, answers),
            _control=tuple(control_tokens(model.tokenizer)),
            _shared=_cache_of(model, form.head) if as_trees else None,
        )

    return made(_takes_trees(made(True)))


def _candidates(tokenizer: Any, words: YesNoWords = ENGLISH) -> dict[int, str]:
    """Return the tokens that may spell an answer and what they decode to: to decode all of them takes a minute."""
    names = tokenizer.get_vocab()
    plain = [word.casefold() for word in (*words.yes, *words.no) if word.isascii()]
    found = [token for name, token in names.items() if any(word in name.casefold() for word in plain)]
    for word in (*words.yes, *words.no):
        spelled = (tokenizer(f"{space}{word}", add_special_tokens=False)["input_ids"] for space in ("", " "))
        found += [ids[0] for ids in spelled if len(ids) == 1]
    return dict(zip(found, tokenizer.batch_decode([[token] for token in found]), strict=True))


def _takes_trees(labeller: LocalLabeller) -> bool:
    """Say whether a model gives for a tree what it gives for each prompt alone: some kinds of attention do not."""
    pairs = [("kettle", "Is it alive?"), ("kettle", "Is it made of metal?"), ("horse", "Is it alive?")]
    try:
        found = labeller.label_pairs(pairs)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return False
    gap = np.abs(found - labeller.label_one_by_one(pairs)).max()
    return bool(gap <= _AGREEMENT.get(labeller.model.dtype, 5e-2))


def _form_of(model: LanguageModel, prompt: Prompt) -> _Form:
    turns = prompt.conversation("a", "b")[:-1]
    text = render(model.tokenizer, [*turns, {"role": "user", "content": _TURN}], open_turn=True)
    before, _, after = text.partition(_TURN)
    # A control token ends what the tokenizer merges, so that the text can be cut behind the last one.
    cut = max(
        (before.rfind(token) + len(token) for token in control_tokens(model.tokenizer) if token in before), default=0
    )

    def ids(part: str) -> list[int]:
        return list(model.tokenizer(part, add_special_tokens=False)["input_ids"])

    head, rest = ids(before[:cut]) if cut else [], before[cut:] + "Keyword: kettle, Question: Is it alive?" + after
    if head + ids(rest) != ids(before[:cut] + rest):
        head, cut = [], 0
    return _Form(head, before[cut:], after)


def _cache_of(model: LanguageModel, head: list[int]) -> Any:
    """Return keys and values of the head, by layer; shape (1, heads, tokens, channels) each."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    if head:
        with torch.inference_mode():
            ids = torch.tensor([head], device=model.device)
            model.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _copy_of(cache: Any) -> Any:
    """Return a cache that grows by itself; the arrays are shared, for growing makes new ones."""
    from transformers import DynamicCache

    copy = DynamicCache()
    for number, layer in enumerate(cache.layers):
        copy.update(layer.keys, layer.values, number)
    return copy
