"""P(yes) from a model behind a server: by its log-probabilities where it gives them, by sampled answers where not.

From log-probabilities, P is the share of yes in what the likeliest first tokens (20 at most) give to yes and no. A pair
falls back to sampled answers where none of them says yes or no, where their numbers are none, and where the likeliest
opens markup ("<think>"), for then the answer comes later.

From n answers that can be read, y of them yes, drawn at temperature 1 with seeds fixed by the pair,

    P = (y + 1/2) / (n + 1)

the posterior mean under Jeffreys' prior, which never says 0 or 1 for certain. NaN where none can be read. A server that
does not sample (`transformers serve`, unless the model's own generation settings say so) gives the same answer n times,
and P says little more than which; the note tells of it.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import WorkError
from furikaeri_common.models.config import Conversation
from furikaeri_common.models.replies import Reply
from furikaeri_common.models.servers import ChatServer, LostRequestError
from furikaeri_common.models.usage import Usage
from twenty_questions.labelling.definitions import NO_DEFINITIONS, Definitions
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.prompts import Prompt
from twenty_questions.labelling.yes_no import YesNoWords, p_yes_from_texts, read_answer

__all__ = ["ServerLabeller", "server_labeller"]

_ANSWER_TOKENS = 16
_REASONING_TOKENS = 2048
_ENOUGH_PAIRS = 10

_REASONING = re.compile(r"\A.*</think>|\A\s*<(think\w*|reasoning)>.*?(</\1>|\Z)", re.S | re.I)

_CONTROL = re.compile(r"<(?=[|/A-Za-z_])|\[(?=/?INST)")

_TRIAL = ("cat", "Is it alive?")


def server_labeller(
    server: ChatServer, config: LabellerConfig, prompt: Prompt, definitions: Definitions = NO_DEFINITIONS
) -> ServerLabeller:
    """Return a labeller that asks a server, or several; one request to each finds out what they give.

    Args:
        server: of the model.
        config: `samples` and the words that answer are used.
        prompt: how a pair is put.
        definitions: what a prompt with a place for definitions says of each keyword.

    Raises:
        InputError: if no server is there, one knows no such model or refuses the key, or only some give
            log-probabilities.
        WorkError: if it answers nothing that can be used.
    """
    with _naming_pairs([_TRIAL]):
        by_probabilities = server.gives_probabilities(prompt.conversation(*_TRIAL))
    return ServerLabeller(
        server, prompt, definitions, samples=config.samples, words=config.words, by_probabilities=by_probabilities
    )


class ServerLabeller:
    """A `Labeller` whose model is behind a server; see the module. Made by `server_labeller`."""

    def __init__(
        self,
        server: ChatServer,
        prompt: Prompt,
        definitions: Definitions,
        *,
        samples: int,
        words: YesNoWords,
        by_probabilities: bool,
    ) -> None:
        self._server = server
        self._prompt = prompt
        self._definitions = definitions
        self._samples = samples
        self._words = words
        self._by_probabilities = by_probabilities
        self._sampled_pairs = 0
        self._varied_pairs = 0

    @property
    def name(self) -> str:
        """The model's name, as the server knows it."""
        return self._server.name

    @property
    def identity(self) -> dict[str, Any]:
        """The model, the prompt, and how answers are read; a server promises no bits beyond that."""
        return {
            **self._server.identity,
            "prompt": fingerprint(self._prompt),
            "definitions": self._definitions.identity,
            "read_from": "log-probabilities" if self._by_probabilities else "samples",
            "samples": self._samples,
            "words": [list(self._words.yes), list(self._words.no)],
        }

    @property
    def usage(self) -> Usage:
        """What asking has cost since the server was opened."""
        return self._server.usage

    def close(self) -> None:
        """Let the connections to the server go; nothing can be labelled after it."""
        self._server.close()

    @property
    def note(self) -> str:
        """How the answers were read so far, in a sentence, and how many each of several servers gave."""
        if self._by_probabilities:
            text = f"{self.name} gives log-probabilities"
            if self._sampled_pairs:
                text += f"; pairs without yes and no among them, read from sampled answers: {self._sampled_pairs}"
        else:
            text = f"{self.name} gives no log-probabilities: P(yes) comes from {self._samples} sampled answers a pair"
        if self._sampled_pairs >= _ENOUGH_PAIRS and self._samples > 1 and not self._varied_pairs:
            text += "; no pair's answers differed, so the server may not sample at all"
        if by_server := self.usage.by_server:
            text += "; requests: " + ", ".join(f"{count} to {url}" for url, count in by_server.items())
        return text

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair, as `Labeller` has it; raises what `label_pairs` does."""
        return self.label_pairs(list(itertools.product(keywords, questions))).reshape(len(keywords), len(questions))

    def label_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return P(yes) of (keyword, question) pairs.

        Returns:
            float32 in [0, 1], shape (pairs,); NaN where no answer was yes or no.

        Raises:
            InputError: if the server is no longer there, or refuses the key.
            WorkError: if a pair is refused or fails too often; it names the pair.
        """
        conversations = [self._conversation(*pair) for pair in pairs]
        p_yes = np.full(len(pairs), np.nan)
        if self._by_probabilities:
            with _naming_pairs(pairs):
                firsts = self._server.next_tokens(conversations)
            for position, first in enumerate(firsts):
                if first and not _opens_markup(first):
                    p_yes[position] = p_yes_from_texts(first, self._words)
        rest = [int(position) for position in np.flatnonzero(np.isnan(p_yes))]
        if rest:
            p_yes[rest] = self._sampled([pairs[one] for one in rest], [conversations[one] for one in rest])
        return p_yes.astype(np.float32)

    def _conversation(self, keyword: str, question: str) -> Conversation:
        definition = self._definitions.of(keyword)
        # What a template would read as the end of a turn is only spelled.
        return self._prompt.conversation(*(_CONTROL.sub(r"\g<0> ", part) for part in (keyword, question, definition)))

    def _sampled(self, pairs: Sequence[tuple[str, str]], conversations: Sequence[Conversation]) -> list[float]:
        times = range(self._samples)
        texts = self._draw(
            [pair for pair in pairs for _ in times],
            [turns for turns in conversations for _ in times],
            [_seed(pair, sample) for pair in pairs for sample in times],
        )
        found = []
        for start in range(0, len(texts), self._samples):
            drawn = texts[start : start + self._samples]
            read = [answer for text in drawn if (answer := read_answer(text, self._words)) is not None]
            found.append((sum(read) + 0.5) / (len(read) + 1) if read else math.nan)
            self._varied_pairs += len(set(drawn)) > 1
        self._sampled_pairs += len(pairs)
        return found

    def _draw(
        self, pairs: Sequence[tuple[str, str]], conversations: Sequence[Conversation], seeds: Sequence[int]
    ) -> list[str]:
        """Return a sampled answer to each conversation, without the reasons that may come before it."""

        def drawn(positions: Sequence[int], max_tokens: int) -> list[Reply]:
            with _naming_pairs([pairs[position] for position in positions]):
                return self._server.reply(
                    [conversations[position] for position in positions],
                    seeds=[seeds[position] for position in positions],
                    max_tokens=max_tokens,
                    temperature=1.0,
                )

        replies = drawn(range(len(pairs)), _ANSWER_TOKENS)
        texts = [_REASONING.sub("", reply.text).strip() for reply in replies]
        # Cut off before a word of the answer: the model reasons, seen or unseen, and is given room for it.
        longer = [position for position, reply in enumerate(replies) if reply.cut and not texts[position]]
        for position, reply in zip(longer, drawn(longer, _REASONING_TOKENS), strict=True):
            texts[position] = _REASONING.sub("", reply.text).strip()
        return texts


def _opens_markup(first: Mapping[str, float]) -> bool:
    return max(first, key=lambda text: first[text]).lstrip().startswith("<")


def _seed(pair: tuple[str, str], sample: int) -> int:
    """Return a seed of 31 bits, which every server takes."""
    digest = hashlib.sha256("\0".join((*pair, str(sample))).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@contextmanager
def _naming_pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Say which pair a lost request was about."""
    try:
        yield
    except LostRequestError as error:
        keyword, question = (text if len(text) <= 60 else text[:60] + "..." for text in pairs[error.position])
        raise WorkError(f"keyword {keyword!r}, question {question!r}: {error.message}", fix=error.fix) from error
