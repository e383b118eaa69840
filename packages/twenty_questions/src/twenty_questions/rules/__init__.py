"""Questions that spelling alone answers, in the many wordings of partners: yes, no, or "not mine".

A text is read in three steps: `reading` finds the asked sentence; `naming`, `rewriting` and `clauses` turn it into
subject, verb and object; the rules of `order`, `letters`, `shape` and `lists` judge that. A rule that is unsure leaves
the question alone: a wrong answer costs a game, and others can still answer.

Spelling questions are about the keyword's name alone, whatever other names would win. The name's case never matters,
except to questions about capitals. A question put in the negative is answered as put: "does it not contain an e" is yes
when it does not; "doesn't it" is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from twenty_questions.rules.clauses import Clause, read_clauses
from twenty_questions.rules.handshake import handshake
from twenty_questions.rules.letters import (
    contains,
    double_letter,
    edge,
    letter_at,
    letter_times,
    repeated_letter,
    run_of_letters,
    same_edges,
)
from twenty_questions.rules.lists import guessed, listed
from twenty_questions.rules.order import bisection, order, order_between, order_first, order_reversed
from twenty_questions.rules.reading import read_prompt
from twenty_questions.rules.shape import capital, compound, count, marks, parity, plural

__all__ = ["LONGEST", "NOT_MINE", "RULES", "TEXT_RULES", "Verdict", "answer_by_rule"]

LONGEST = 2_000
"""Longer texts are no questions of the game, which cuts them at 750 characters; no rule reads them."""


class Verdict(NamedTuple):
    """What the rules make of a question.

    Attributes:
        answer: yes, no, or None for "not mine".
        rule: the name of the rule that answered, "" when none did.
    """

    answer: bool | None
    rule: str = ""


NOT_MINE = Verdict(None)

TEXT_RULES: tuple[Callable[[str, str], bool | None], ...] = (handshake, bisection)
"""Rules that read the text itself: text, name -> yes, no, or not mine."""

RULES: tuple[Callable[[Clause, str], bool | None], ...] = (
    order,
    order_between,
    order_first,
    order_reversed,
    count,
    parity,
    capital,
    marks,
    double_letter,
    repeated_letter,
    letter_times,
    same_edges,
    edge,
    letter_at,
    run_of_letters,
    contains,
    compound,
    plural,
    listed,
    guessed,
)
"""Rules that judge one clause: clause, name -> yes, no, or not mine. The first that answers counts."""


def answer_by_rule(question_text: str, keyword: str) -> Verdict:
    """Answer a question if spelling alone can.

    Total over any text, and linear in its length up to `LONGEST`, beyond which it is not read.

    Args:
        question_text: the question as the partner sent it.
        keyword: the secret's name.
    """
    for text_rule in TEXT_RULES:
        answer = text_rule(question_text, keyword)
        if answer is not None:
            return Verdict(answer, text_rule.__name__)
    verdicts = [_join([_judge(clause, keyword) for clause in clauses], join) for clauses, join in _read(question_text)]
    answers = {verdict.answer for verdict in verdicts}
    return verdicts[0] if len(answers) == 1 else NOT_MINE


@lru_cache(maxsize=1024)
def _read(question_text: str) -> tuple[tuple[tuple[Clause, ...], str], ...]:
    """Return the clauses of each sentence that may be asked, with the word that joins them; nothing when unsure.

    Cached, since one question is often put about many keywords.
    """
    if len(question_text) > LONGEST:
        return ()
    prompt = read_prompt(question_text)
    sentences = []
    for sentence in prompt.asked:
        clauses, join = read_clauses(sentence, prompt.before, prompt.literals)
        if not prompt.plain and any(clause.subject and not clause.subject.sure for clause in clauses):
            return ()
        sentences.append((tuple(clauses), join))
    return tuple(sentences)


def _judge(clause: Clause, keyword: str) -> Verdict:
    for rule in RULES:
        answer = _judge_parts(rule, clause, keyword)
        if answer is not None:
            return Verdict(answer != clause.negated, rule.__name__)
    return NOT_MINE


def _judge_parts(rule: Callable[[Clause, str], bool | None], clause: Clause, keyword: str) -> bool | None:
    """Judge the name, or the words of it that the clause is about."""
    if clause.subject is None or clause.subject.word is None:
        return rule(clause, keyword)
    parts = clause.subject.parts(keyword)
    answers = [rule(clause, part) for part in parts]
    if not parts or None in answers or (clause.negated and len(parts) != 1):
        # A word that the name lacks: no, provided that the rule could have judged it.
        return False if not parts and not clause.negated and rule(clause, "x") is not None else None
    return all(answers) if clause.subject.word == "every" else any(answers)


def _join(verdicts: Sequence[Verdict], join: str) -> Verdict:
    if not verdicts or any(verdict.answer is None for verdict in verdicts):
        return NOT_MINE
    answers = [bool(verdict.answer) for verdict in verdicts]
    return Verdict(any(answers) if join == "or" else all(answers), "+".join(dict.fromkeys(v.rule for v in verdicts)))
