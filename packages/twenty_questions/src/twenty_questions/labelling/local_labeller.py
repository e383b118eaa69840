"""P(yes) from the next-token logits of a model in this process.

What all prompts share (the system's turn, the examples) is computed once and its keys and values are kept; the rest is
computed as token trees (`token_tree`), so that a keyword, and the words with which several questions begin, cost once.
The numbers are those of asking every pair alone, up to the rounding of sums taken in another order. A pair that is
longer than the window to which some layers are bound is asked alone: a tree's mask stands for all layers alike.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.chat import break_tokens, control_tokens, render
from furikaeri_common.models.loading import LanguageModel
from furikaeri_common.models.opening import is_out_of_memory
from twenty_questions.labelling.answer_head import AnswerHead
from twenty_questions.labelling.definitions import NO_DEFINITIONS, Definitions
from twenty_questions.labelling.fine_sums import fine_sums, may_be_fine
from twenty_questions.labelling.prompts import Prompt
from twenty_questions.labelling.token_tree import TokenTree, ancestors, trees
from twenty_questions.labelling.yes_no import ENGLISH, YesNoWords, tokens_of

__all__ = ["LocalLabeller", "local_labeller"]

NODES = {"cpu": 512, "gpu": 4096}
"""Tokens of one forward pass: on a processor a cache's worth, on a GPU of any kind as many as fill it."""

_TURN = "\u2063turn\u2063"  # stands for what is asked while the form around it is made
_AGREEMENT, _ROUGH_AGREEMENT = 1e-3, 5e-2
"""How far P(yes) of a tree may be from P(yes) alone: in float32; in shorter formats, LLM.int8 among them."""

_TRIED = (("kettle", "Is it alive?"), ("kettle", "Is it made of metal?"), ("horse", "Is it alive?"))
_NOT_TAKEN = (TypeError, ValueError, RuntimeError, IndexError, WorkError)
"""What a model raises whose code takes no token trees, or no float32 between its matrices."""


class _Form(NamedTuple):
    """A prompt's text around the last turn, cut where no token can reach across.

    Attributes:
        head: token ids of what comes before, computed once.
        before: the text between the head and what is asked; it begins with the head's last token, if there is a head,
            for some tokenizers put a space before what begins a text.
        after: the text behind it, where the model's answer begins.
    """

    head: list[int]
    before: str
    after: str

    @property
    def overlap(self) -> int:
        """Tokens that stand both in the head and in the text behind it."""
        return 1 if self.head else 0


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
        is_fine: whether it computes in float32 between matrices of bfloat16, see `fine_sums`.
    """

    name: str
    identity: Mapping[str, Any]
    model: LanguageModel
    prompt: Prompt
    definitions: Definitions
    as_trees: bool
    is_fine: bool
    _form: _Form
    _answers: AnswerHead
    _control: tuple[str, ...]
    _shared: Any

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair; see `labeller.Labeller`."""
        pairs = list(itertools.product(keywords, questions))
        return self.label_pairs(pairs).reshape(len(keywords), len(questions))

    def label_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return P(yes) of (keyword, question) pairs; float32, shape (pairs,).

        Raises:
            WorkError: if a prompt is longer than the model reads, or the model gives numbers that are none.
        """
        tails = self._tails(pairs)
        order, alone = self._in_order(tails)
        p_yes = np.empty(len(pairs), dtype=np.float32)
        for run, tree in trees([tails[place] for place in order], self._nodes):
            p_yes[[order[place] for place in run]] = self._p_yes(self._logits(tree))
        for place in alone:
            p_yes[place] = self._p_yes(self._logits_alone(tails[place]))[0]
        return p_yes

    def tokens_computed(self, pairs: Sequence[tuple[str, str]]) -> int:
        """Return for how many tokens `label_pairs` computes the model, without computing it.

        Raises:
            WorkError: if a prompt is longer than the model reads.
        """
        tails = self._tails(pairs)
        order, alone = self._in_order(tails)
        of_trees = sum(len(tree.tokens) for _, tree in trees([tails[place] for place in order], self._nodes))
        return of_trees + sum(len(self._form.head) + len(tails[place]) for place in alone)

    @property
    def _nodes(self) -> int:
        return NODES["cpu" if self.model.device == "cpu" else "gpu"]

    def _in_order(self, tails: list[list[int]]) -> tuple[list[int], list[int]]:
        """Return the places of the tails that become trees, sorted by their tokens, and of those that do not."""
        longest = self._window - len(self._form.head) if self.as_trees else 0
        fit = [place for place, tail in enumerate(tails) if len(tail) <= longest]
        return sorted(fit, key=tails.__getitem__), [place for place, tail in enumerate(tails) if len(tail) > longest]

    def label_one_by_one(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return the same from a forward pass over each whole prompt: slow, and plain to see."""
        found = [self._p_yes(self._logits_alone(tail))[0] for tail in self._tails(pairs)]
        return np.asarray(found, dtype=np.float32)

    @property
    def _window(self) -> float:
        """To how many tokens, itself among them, a token attends in every layer."""
        config = self.model.model.config.get_text_config()
        bounds = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
        return min((bound for bound in bounds if bound), default=np.inf)

    def _p_yes(self, logits: Any) -> NDArray[np.float32]:
        if not bool(logits.isfinite().all()):
            raise WorkError(f"{self.name}: gives numbers that are none", fix="Use another dtype, such as float32")
        return self._answers.p_yes(logits)

    def _tails(self, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
        if not pairs:
            return []
        texts = [self._form.before + self._turn(keyword, question) + self._form.after for keyword, question in pairs]
        ids: list[list[int]] = self.model.tokenizer(texts, add_special_tokens=False)["input_ids"]
        tails = [whole[self._form.overlap :] for whole in ids]
        longest = max(map(len, tails)) + len(self._form.head)
        room = getattr(self.model.model.config.get_text_config(), "max_position_embeddings", None) or longest
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

    def _logits_alone(self, tail: Sequence[int]) -> Any:
        """Return the answers' logits after one sequence; shape (1, answers)."""
        import torch

        ids = torch.tensor([[*self._form.head, *tail]], device=self.model.device)
        with self._computing():
            return self.model.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0]

    def _logits(self, tree: TokenTree) -> Any:
        """Return the answers' logits after each sequence of a tree; shape (sequences, answers)."""
        import torch

        device = self.model.device
        dtype = torch.float32 if self.is_fine else self.model.model.dtype
        head = len(self._form.head)
        allowed = torch.from_numpy(ancestors(tree)).to(device)
        # Additive, for not every kind of attention takes yes and no.
        mask = torch.zeros((len(tree.tokens), head + len(tree.tokens)), dtype=dtype, device=device)
        mask[:, head:].masked_fill_(~allowed, torch.finfo(dtype).min)
        with self._computing():
            out = self.model.model(
                input_ids=torch.from_numpy(tree.tokens)[None].to(device),
                attention_mask=mask[None, None],
                position_ids=torch.from_numpy(tree.depths + head)[None].to(device),
                past_key_values=_copy_of(self._shared),
                use_cache=True,
                logits_to_keep=torch.from_numpy(tree.ends).to(device),
            )
        return out.logits[0]

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        import torch

        sums = fine_sums(self.model.model) if self.is_fine else contextlib.nullcontext()
        with torch.inference_mode(), self._answers.in_place(self.model), sums:
            yield

    def _with_head(self) -> LocalLabeller:
        """Return the labeller with keys and values of what all prompts share, ready to take token trees."""
        with self._computing():
            return replace(self, as_trees=True, _shared=_cache_of(self.model, self._form.head))


def local_labeller(
    model: LanguageModel,
    prompt: Prompt,
    definitions: Definitions = NO_DEFINITIONS,
    *,
    words: YesNoWords = ENGLISH,
) -> LocalLabeller:
    """Return a labeller that asks a model in this process.

    Args:
        model: open.
        prompt: how it is asked.
        definitions: what a prompt with a place for definitions says of each keyword.
        words: what counts as yes and as no.

    Raises:
        InputError: if the model has no tokens for yes or for no, or its template cannot take the prompt.
        WorkError: if the prompt is longer than the model reads, it gives numbers that are none, or there is too little
            memory.
    """
    try:
        answers = tokens_of(_candidates(model.tokenizer, words), words)
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
        "words": [list(words.yes), list(words.no)],
    }

    labeller = LocalLabeller(
        name=model.name,
        identity=identity,
        model=model,
        prompt=prompt,
        definitions=definitions,
        as_trees=False,
        is_fine=may_be_fine(model.model),
        _form=form,
        _answers=AnswerHead(model.model, answers),
        _control=tuple(control_tokens(model.tokenizer)),
        _shared=None,
    )
    try:
        chosen = _as_the_model_takes_it(labeller)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise WorkError(
            f"{model.name}: the memory that is left on {model.device} does not suffice to ask it",
            fix="Free some, or use --weights 4bit, a smaller model or a shorter prompt",
        ) from error
    return replace(chosen, identity={**identity, "as_trees": chosen.as_trees, "is_fine": chosen.is_fine})


def _as_the_model_takes_it(labeller: LocalLabeller) -> LocalLabeller:
    """Return the labeller with fine sums and token trees where the model's own code takes them."""
    alone = _tried(labeller) if labeller.is_fine else None
    if alone is None:
        labeller = replace(labeller, is_fine=False)
        alone = labeller.label_one_by_one(_TRIED)
    try:
        as_trees = labeller._with_head()
        found = as_trees.label_pairs(_TRIED)
    except _NOT_TAKEN as error:
        if is_out_of_memory(error):  # says nothing of the kind of model
            raise
        return labeller
    return as_trees if np.abs(found - alone).max() <= _agreement(labeller.model) else labeller


def _tried(labeller: LocalLabeller) -> NDArray[np.float32] | None:
    """Return what a labeller answers pair by pair; None if the model does not compute so."""
    try:
        return labeller.label_one_by_one(_TRIED)
    except _NOT_TAKEN as error:
        if is_out_of_memory(error):
            raise
        return None


def _agreement(model: LanguageModel) -> float:
    is_fine = model.dtype == "float32" and model.weights == "full" and not getattr(model.model, "is_quantized", False)
    return _AGREEMENT if is_fine else _ROUGH_AGREEMENT


def _candidates(tokenizer: Any, words: YesNoWords) -> dict[int, str]:
    """Return the tokens that may spell an answer and what they decode to: to decode all of them takes a minute."""
    names = tokenizer.get_vocab()
    plain = [word.casefold() for word in (*words.yes, *words.no) if word.isascii()]
    found = [token for name, token in names.items() if any(word in name.casefold() for word in plain)]
    for word in (*words.yes, *words.no):
        spelled = (tokenizer(f"{space}{word}", add_special_tokens=False)["input_ids"] for space in ("", " "))
        found += [ids[0] for ids in spelled if len(ids) == 1]
    return dict(zip(found, tokenizer.batch_decode([[token] for token in found]), strict=True))


def _form_of(model: LanguageModel, prompt: Prompt) -> _Form:
    turns = prompt.conversation("a", "b")[:-1]
    text = render(model.tokenizer, [*turns, {"role": "user", "content": _TURN}], open_turn=True)
    before, _, after = text.partition(_TURN)
    # A control token ends what the tokenizer merges, so that the text can be cut behind the last one.
    begin, end = max(
        (
            (place, place + len(token))
            for token in control_tokens(model.tokenizer)
            if (place := before.rfind(token)) >= 0
        ),
        key=lambda span: span[1],
        default=(0, 0),
    )

    def ids(part: str) -> list[int]:
        return list(model.tokenizer(part, add_special_tokens=False)["input_ids"])

    head, form = ids(before[:end]) if end else [], _Form([], before, after)
    if not head:
        return form
    cut = _Form(head, before[begin:], after)
    asked = "Keyword: kettle, Question: Is it alive?"
    tail = ids(cut.before + asked + after)[cut.overlap :]
    return cut if head + tail == ids(before + asked + after) else form


def _cache_of(model: LanguageModel, head: list[int]) -> Any:
    """Return keys and values of the head, by layer; shape (1, heads, tokens, channels) each."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    if head:
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
