"""Pairs a second: token trees against the plain batched loop, on the same model and machine.

    uv run python benchmarks/scoring.py MODEL [--keywords 8] [--questions 80] [--dtype auto]

The plain loop puts every pair's whole prompt into left-padded batches, as most people would write it. The prompt is the
shipped one of twelve examples. Also printed: how far both are from asking each pair alone.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.models.chat import render
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.loading import LanguageModel, open_language_model
from twenty_questions.labelling.local_labeller import local_labeller
from twenty_questions.labelling.prompts import PROMPTS, Prompt
from twenty_questions.labelling.yes_no import p_yes_of, tokens_of
from twenty_questions.table import builtin_table

FASTER = 6  # than the plain loop at least, after twelve examples
LARGEST_GAPS = {"float32": (1e-5, 1e-5), "bfloat16": (5e-3, 3e-2)}  # the mean and the largest, from asking alone


def plain_loop(model: LanguageModel, prompt: Prompt, pairs: list[tuple[str, str]], batch: int) -> NDArray[np.float32]:
    """Ask in batches of whole prompts, padded on the left."""
    import torch

    tokenizer = model.tokenizer
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    answers = tokens_of({token: tokenizer.decode([token]) for token in _short(tokenizer)})
    yes, no = (torch.from_numpy(tokens).to(model.device) for tokens in answers)
    found = []
    for first in range(0, len(pairs), batch):
        texts = [render(tokenizer, prompt.conversation(*pair), open_turn=True) for pair in pairs[first : first + batch]]
        inputs = tokenizer(texts, padding=True, add_special_tokens=False, return_tensors="pt").to(model.device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            logits = model.model(**inputs, use_cache=False, logits_to_keep=1).logits[:, -1].float()
        masses = (torch.logsumexp(logits[:, ids], dim=1).cpu().numpy() for ids in (yes, no))
        found.append(p_yes_of(*masses))
    return np.concatenate(found).astype(np.float32)


def _short(tokenizer: object) -> list[int]:
    names: dict[str, int] = tokenizer.get_vocab()  # type: ignore[attr-defined]
    return [token for name, token in names.items() if any(word in name.casefold() for word in ("yes", "no"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--keywords", type=int, default=8)
    parser.add_argument("--questions", type=int, default=80)
    parser.add_argument("--plain-pairs", type=int, default=64, help="pairs that the plain loop is timed on")
    parser.add_argument("--batch", type=int, default=16, help="of the plain loop")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--prompt", default="examples")
    given = parser.parse_args()
    model = open_language_model(ModelConfig(model=given.model, dtype=given.dtype))
    prompt = PROMPTS[given.prompt]
    table = builtin_table()
    step = len(table.keywords) // given.keywords
    keywords = [keyword.name for keyword in table.keywords[::step]][: given.keywords]
    questions = [question.text for question in table.questions if question.kind == "table"][: given.questions]
    pairs = [(keyword, question) for keyword in keywords for question in questions]
    labeller = local_labeller(model, prompt)
    labeller.label(keywords[:1], questions[:4])

    begin = time.perf_counter()
    trees = labeller.label(keywords, questions).ravel()
    tree_rate = len(pairs) / (time.perf_counter() - begin)
    some = pairs[:: max(1, len(pairs) // given.plain_pairs)][: given.plain_pairs]
    plain_loop(model, prompt, some[: given.batch], given.batch)
    begin = time.perf_counter()
    plain = plain_loop(model, prompt, some, given.batch)
    plain_rate = len(some) / (time.perf_counter() - begin)
    alone = labeller.label_one_by_one(some)
    place = {pair: number for number, pair in enumerate(pairs)}
    chosen = trees[[place[pair] for pair in some]]

    print(f"{model.name}, {model.device} {model.dtype}, {len(prompt.turns)} examples, {len(pairs)} pairs")
    print(f"token trees         {tree_rate:8.2f} pairs/s")
    print(f"plain batched loop  {plain_rate:8.2f} pairs/s ({len(some)} pairs, batches of {given.batch})")
    print(f"ratio               {tree_rate / plain_rate:8.1f}")
    gaps = []
    for name, values in (("token trees", chosen), ("plain batched loop", plain)):
        gap = np.abs(values - alone)
        gaps.append((float(gap.mean()), float(gap.max())))
        print(f"{name} against one by one: mean {gap.mean():.2e}, largest {gap.max():.2e}")
    title = f"{model.name} in {str(model.dtype).removeprefix('torch.')} on {model.device}, {len(prompt.turns)} examples"
    other = "left-padded batches"
    limits = LARGEST_GAPS.get(str(model.dtype).removeprefix("torch."), (None, None))
    least = FASTER * plain_rate if given.prompt == "examples" else None
    tell_figures(
        [
            Figure(f"labelling, {title}", tree_rate, "pairs/s", plain_rate, other, limit=least, better="more"),
            *(
                Figure(f"P(yes) beside asking each pair alone, {kind} gap, {title}", own, "", plain, other, limit=limit)
                for kind, own, plain, limit in zip(("mean", "largest"), *gaps, limits, strict=True)
            ),
        ]
    )


if __name__ == "__main__":
    main()
