"""The part of a model's output layer that answers: the logits of yes and of no, and nothing else of the vocabulary."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.models.loading import LanguageModel
from twenty_questions.labelling.yes_no import YesNoTokens, p_yes_of

__all__ = ["AnswerHead"]


class AnswerHead:
    """The rows of a model's output layer that say yes or no, computed in float32.

    The whole layer in a short format would round a logit of 20 to steps of 1/8, that is P(yes) to steps of 1/32. A
    quantised layer, whose rows cannot be read one by one, is computed whole as it is.

    Args:
        model: of transformers.
        tokens: that say yes or no.
    """

    def __init__(self, model: Any, tokens: YesNoTokens) -> None:
        import torch

        layer = model.get_output_embeddings()
        weight = layer.weight
        chosen = torch.from_numpy(np.concatenate(tokens)).to(weight.device)
        if weight.dtype in (torch.float32, torch.bfloat16, torch.float16):
            has_bias = getattr(layer, "bias", None) is not None
            rows = torch.nn.Linear(weight.shape[1], len(chosen), bias=has_bias, device=chosen.device)
            rows.weight.data = weight.detach()[chosen].float()
            if has_bias:
                rows.bias.data = layer.bias.detach()[chosen].float()
            rows.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        else:
            rows = torch.nn.Sequential(layer)
            rows.register_forward_hook(lambda _, inputs, logits: logits[..., chosen].float())
        self._rows = rows
        self._num_yes = len(tokens.yes)

    @contextlib.contextmanager
    def in_place(self, model: LanguageModel) -> Iterator[None]:
        """Let the model compute these rows alone; what it does to logits afterwards, it does to them."""
        with model.in_turn:
            layer = model.model.get_output_embeddings()
            model.model.set_output_embeddings(self._rows)
            try:
                yield
            finally:
                model.model.set_output_embeddings(layer)

    def p_yes(self, logits: Any) -> NDArray[np.float32]:
        """Return P(yes) of each row of logits."""
        import torch

        parts = logits.float().tensor_split([self._num_yes], dim=1)
        log_yes, log_no = (torch.logsumexp(part, dim=1).cpu().numpy() for part in parts)
        return p_yes_of(log_yes, log_no).astype(np.float32)
