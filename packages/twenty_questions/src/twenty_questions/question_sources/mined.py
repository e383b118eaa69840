"""Questions that guessers asked in recorded games: how often each was asked, without what no table needs.

An asking counts once a game, however often a stuck guesser repeats itself. It does not count where it is no yes/no
question, where rules of spelling answer it, or where it names what can be guessed: that game's secret or one of its
guesses, or the secret of any other game that was read. Wordings that differ only in case, spaces and punctuation are
counted together, and the commonest stands for them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from twenty_questions.question_sources.letters import answered_by_rules
from twenty_questions.question_sources.question_lists import CountedQuestion, clean, normal_form, question_of, unique
from twenty_questions.transcripts import Game
from twenty_questions.words import normalise, spellings

__all__ = ["Mined", "mine"]

_NAMED = re.compile(
    r"(?:is|are|was|could|can|might|would|does)\s+"
    r"(?:it|this|that|they|the (?:secret )?(?:keyword|word|answer|thing|object))\s+"
    r"(?:(?:be|mean|equal)\s+)?(?:(?:simply|just|actually|called|named|known as)\s+)?(?:(?:an?|the)\s+)?"
    r"(?P<name>.+?)\W*",
    re.IGNORECASE,
)


class Mined(NamedTuple):
    """The questions of games.

    Attributes:
        questions: the most asked first; of equally often asked ones the earliest.
        asked: how many askings there were, counting a question once a game.
        left_out: how many of the askings did not count, by reason: "no yes/no question", "spelling", "names a thing",
            "rare".
    """

    questions: list[CountedQuestion]
    asked: int
    left_out: dict[str, int]


def mine(games: Sequence[Game], *, least_count: int = 2, source: str = "games") -> Mined:
    """Return the questions that were asked in games.

    Args:
        games: of any partners.
        least_count: in how many games a question must have been asked, at least 1.
        source: what to write beside the questions.

    Raises:
        ValueError: if `least_count` is less than 1.
    """
    if least_count < 1:
        raise ValueError(f"expected least_count >= 1, got {least_count}")
    secrets = {form for game in games if game.keyword.strip() for form in spellings(game.keyword)}
    wordings: dict[str, Counter[str]] = {}
    left_out: Counter[str] = Counter()
    asked = 0
    for game in games:
        guesses = {form for said in game.rounds if said.guess for form in spellings(said.guess)}
        texts = {normal_form(said.question): said.question for said in game.rounds if said.question}
        asked += len(texts)
        for form, text in texts.items():
            if reason := _why_not(text, secrets | guesses):
                left_out[reason] += 1
            else:
                wordings.setdefault(form, Counter())[clean(text)] += 1
    often = [(counter.most_common(1)[0][0], counter.total()) for counter in wordings.values()]
    left_out["rare"] = sum(count for _, count in often if count < least_count)
    counted = [
        CountedQuestion(question_of(text), count, source)
        for text, count in sorted(often, key=lambda one: -one[1])
        if count >= least_count
    ]
    return Mined(unique(counted), asked, {reason: count for reason, count in left_out.items() if count})


def _why_not(text: str, names: set[str]) -> str:
    """Return why an asking does not count, or ""."""
    if answered_by_rules(text):
        return "spelling"
    try:
        tidy = clean(text)
    except ValueError:
        return "no yes/no question"
    # A leading clause ("Considering size, is it a mouse?") may come before the name.
    match = _NAMED.fullmatch(tidy.rpartition(", ")[2]) or _NAMED.fullmatch(tidy)
    return "names a thing" if match and normalise(match["name"].strip("'\"“”‘’")) in names else ""
