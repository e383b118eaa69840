"""Gold sets: what a stronger model answers again and again, and where it does not agree with itself.

A vote is a labelling of all pairs like any other (`shards`), so votes are kept, resumed and shared alike. There are two
ways to vote several times: answers drawn at a temperature with seeds of their own, from anything that writes; and one
answer to each of several wordings of the prompt, from anything that tells P(yes).

A pair is ambiguous when the 95 % interval of its share of yes (Wilson, 1927) holds 1/2: with 4 to 7 votes unless all
agree, with 8 to 10 unless all but one do. Votes to several wordings are not independent draws; for them the interval is
a yardstick, not a promise.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.documents import jsonable
from furikaeri_common.models.config import Writer
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.prompts import ORIGINAL, Prompt
from twenty_questions.labelling.wrapping import WrappedLabeller
from twenty_questions.labelling.yes_no import ENGLISH, YesNoWords, read_answer
from twenty_questions.simulation import wilson_interval

__all__ = [
    "FEWEST_VOTES",
    "WORDINGS",
    "GoldRow",
    "SampledVote",
    "WordedVote",
    "ambiguous_file",
    "gold_rows",
    "write_gold",
]

FEWEST_VOTES = 4
"""With fewer, even votes that all agree leave a pair ambiguous."""

_ANSWER_TOKENS = 8
_COLUMNS = ("keyword", "question", "answer", "votes_yes", "votes")

_JUDGE = "You answer questions about a thing. Think of what is usual for it, and answer with one word: yes or no."

WORDINGS: tuple[Prompt, ...] = (
    ORIGINAL,
    Prompt(system=_JUDGE, user="The thing is: {keyword}\n{question}"),
    Prompt(system=_JUDGE, user='About "{keyword}": {question} Answer yes or no.'),
    Prompt(
        system="You are the answerer in a game of 20 Questions and answer truthfully, by yes or no alone.",
        user="The secret word is {keyword}. The guesser asks: {question}",
    ),
    Prompt(system="", user="Consider {keyword}. {question} Reply with yes or no only."),
    Prompt(
        system="You check facts. Answer yes if the statement that the question implies is true, no if it is not.",
        user="Subject: {keyword}. Question: {question} Answer (yes/no):",
    ),
    Prompt(
        system="You are an encyclopedia that answers in one word, yes or no.",
        user="Entry: {keyword}. Query: {question}",
    ),
)
"""Ways to ask the same, for models that tell P(yes): as many votes as there are."""


class SampledVote:
    """One vote on every pair, as a `labeller.Labeller`: 1 for yes, 0 for no, NaN for neither.

    Args:
        writer: what answers.
        prompt: how it is asked.
        vote: which vote this is, from 0.
        temperature: of the draw, above 0.
        seed: of all votes; a pair's own comes from it, the vote, and the pair.
        words: what counts as yes and as no.
    """

    def __init__(
        self,
        writer: Writer,
        prompt: Prompt,
        *,
        vote: int,
        temperature: float,
        seed: int,
        words: YesNoWords = ENGLISH,
    ) -> None:
        if vote < 0 or not temperature > 0:
            raise ValueError(f"expected vote >= 0 and temperature > 0, got {vote} and {temperature}")
        self._writer, self._prompt = writer, prompt
        self._vote, self._temperature, self._seed, self._words = vote, temperature, seed, words

    @property
    def name(self) -> str:
        """The writer's name and which vote."""
        return f"{self._writer.name} vote {self._vote + 1}"

    @property
    def identity(self) -> Mapping[str, Any]:
        """The writer, the prompt and the draw."""
        return {
            "writer": dict(self._writer.identity),
            "prompt": jsonable(self._prompt),
            "vote": self._vote,
            "temperature": self._temperature,
            "seed": self._seed,
            "tokens": _ANSWER_TOKENS,
            "words": jsonable(self._words._asdict()),
        }

    @property
    def usage(self) -> object:
        """What the writer's server was asked, if it counts that."""
        return getattr(self._writer, "usage", None)

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return one drawn answer a pair; see `labeller.Labeller`."""
        pairs = [(keyword, question) for keyword in keywords for question in questions]
        texts = self._writer.write(
            [self._prompt.conversation(*pair) for pair in pairs],
            seeds=[_seed_of(self._seed, self._vote, *pair) for pair in pairs],
            max_tokens=_ANSWER_TOKENS,
            temperature=self._temperature,
        )
        said = [read_answer(text, self._words) for text in texts]
        votes = [np.nan if answer is None else float(answer) for answer in said]
        return np.asarray(votes, dtype=np.float32).reshape(len(keywords), len(questions))


class WordedVote(WrappedLabeller):
    """The vote of a labeller that was asked in one of several wordings: its own labels, under a name of its own.

    Args:
        labeller: asked in that wording, which its identity tells.
        vote: which vote this is, from 0.
    """

    def __init__(self, labeller: Labeller, *, vote: int) -> None:
        super().__init__(labeller, {})
        self._vote = vote

    @property
    def name(self) -> str:
        """The labeller's name and which wording."""
        return f"{self.labeller.name} wording {self._vote + 1}"

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair; see `labeller.Labeller`."""
        return self.labeller.label(keywords, questions)


class GoldRow(NamedTuple):
    """What the votes on a pair come to.

    Attributes:
        keyword: of the pair.
        question: of the pair.
        answer: "yes" or "no", what more votes were for; "" where they were equal or there were none.
        votes_yes: votes for yes.
        votes: votes for yes or no.
        ambiguous: whether the votes leave the answer open.
    """

    keyword: str
    question: str
    answer: str
    votes_yes: int
    votes: int
    ambiguous: bool


def gold_rows(keywords: Sequence[str], questions: Sequence[str], p_yes: NDArray[np.float32]) -> list[GoldRow]:
    """Return what the votes on every pair come to, keyword by keyword.

    Args:
        keywords: the K names.
        questions: the Q texts.
        p_yes: of every vote, shape (V, K, Q); above 1/2 is a vote for yes, below for no, else there is no vote.
    """
    yes, votes = (p_yes > 0.5).sum(axis=0), ((p_yes > 0.5) | (p_yes < 0.5)).sum(axis=0)
    rows = []
    for row, keyword in enumerate(keywords):
        for column, question in enumerate(questions):
            rows.append(_row(keyword, question, int(yes[row, column]), int(votes[row, column])))
    return rows


def _row(keyword: str, question: str, yes: int, votes: int) -> GoldRow:
    answer = "" if 2 * yes == votes else "yes" if 2 * yes > votes else "no"
    low, high = wilson_interval(yes / votes, votes) if votes else (0.0, 1.0)
    return GoldRow(keyword, question, answer, yes, votes, low <= 0.5 <= high)


def ambiguous_file(path: Path) -> Path:
    """Return where a gold set's ambiguous pairs go, beside it: no reader of labels takes them for answers."""
    return path.with_name(f"{path.stem}.ambiguous{path.suffix}")


def write_gold(path: Path, rows: Sequence[GoldRow]) -> None:
    """Write a gold set as two CSVs, atomically: what is settled as `experiments.read_labels` reads it, and the rest.

    Raises:
        InputError: if a file cannot be written there.
        WorkError: if the disk is full.
    """
    write_bytes(ambiguous_file(path), _csv([row for row in rows if row.ambiguous]))
    write_bytes(path, _csv([row for row in rows if not row.ambiguous]))


def _csv(rows: Sequence[GoldRow]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((row.keyword, row.question, row.answer, row.votes_yes, row.votes) for row in rows)
    return stream.getvalue().encode()


def _seed_of(seed: int, vote: int, keyword: str, question: str) -> int:
    """Return a seed of 31 bits that depends on the pair and not on where it stands."""
    text = "\0".join((str(seed), str(vote), keyword, question))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") >> 1
