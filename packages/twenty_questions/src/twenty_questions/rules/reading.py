"""From a partner's text to the sentence it asks.

A text may be a bare question, or a prompt around it: instructions, worked examples, "answer yes or no". Reading hides
what stands in quotes, cuts the text into sentences, and sets aside instructions, examples and what is already
answered. When it cannot tell which of the remaining sentences is asked it keeps them all, and the caller answers only
if they agree.
"""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

__all__ = ["QUOTED", "Prompt", "changes_the_word", "literal", "read_prompt"]

_FIRST = 0xE000
QUOTED = "[\ue000-\uf8ff]"
"""Matches one quoted stretch: each is a single private-use character in the text that the rules read."""

_TYPOGRAPHY = {
    **dict.fromkeys("“”„‟«»＂", '"'),
    **dict.fromkeys("‘’‚‛`´＇", "'"),
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("\t\u00a0\u2009\u202f\u3000", " "),
    **dict.fromkeys("\r\v\f\u2028\u2029\x85", "\n"),
    **dict.fromkeys("⟨⟩" + "".join(map(chr, range(_FIRST, 0xF900))), "\ufffd"),
    **dict(zip("？：，＜＞", "?:,<>", strict=True)),
}
_FOLDS = str.maketrans(_TYPOGRAPHY)
_QUOTES = re.compile(
    r'"(?P<double>[^"\n]{1,300})"'
    r"|(?<![^\W_])'(?P<single>(?:[^'\n]|'(?=\w)){1,300}?)'(?![^\W_])"
    r"|(?<![^\W_])'(?P<plural>[^\W_])'(?=s\b)"
    r"|\*\*?(?P<bold>[^*\s][^*\n]{0,200}?)\*\*?"
)
_START = "does|do|is|are|would|will|can|could|has|have|did|was|were|if"
_WRAPPED = re.compile(rf"[\"'](?=(?:{_START}) (?:the|it|its|this|your|there|any)\b)|(?<=\?)[\"']", re.I)

_SAY = "answer|please|reply|respond|say|think|compare|consider|output|return|only|just|yes|no|let"
# A full stop ends a sentence only before a capital, a quote or a word that starts a question or an instruction.
_BREAK = re.compile(
    rf"(?<![?!])[?!]+[)\]]*(?=\s|$)"
    r"|(?<!e\.g)(?<!i\.e)(?<!\bst)(?<!\bmr)(?<!\n\d)(?<!\n\d\d)(?<!\.)\.+[)\]]*"
    rf"(?=\s+(?:[A-Z{QUOTED[1:-1]}(\[-]|(?:{_START}|{_SAY})\b)|\s*$)|\n+"
)
_QUESTION = re.compile(rf"(?:{_START})\b", re.I)
_INSTRUCTION = re.compile(
    rf"(?:{_SAY})\b(?!.*\?)(?!.* if )(?!.*: (?:{_START})\b).*\b(?:yes|no|answer|think|step|carefully)\b", re.I | re.S
)
_HARMLESS = re.compile(
    r"\b(?:answer|reply|respond|yes|no|please|question|hint|round|think|step|letter by letter|spelling"
    r"|alphabetical(?:ly)?|lexicographic\w*|dictionary|hello|hi|ok|okay|let's|game|guess)\b",
    re.I,
)
_CHANGE = re.compile(
    r"\b(?:opposite|reversed?|inverted?|lie|lying|pretend|imagine|suppose|synonyms?|antonyms?|translat\w+|plural"
    r"|backwards?|ignor\w+ the (?:first|second|last)|skip\w*|remov\w+|replac\w+|french|spanish|german|japanese|latin"
    r"|(?:first|second|last) word|category|colou?r|material|inventor|capital of)\b",
    re.I,
)
_EXAMPLE = re.compile(r"(?:for )?(?:an |one |some )?(?:examples?|instance|e\.g\.|sample|demo)\b", re.I)
_RESUME = re.compile(r"(?:now|question|actual|real|your turn|the question|my question|task|so,|here is)\b", re.I)
_ANSWER = r"(?:(?:a|answer|the answer is|output|result|-+>|=+>|→)[\s:]*)?(?:yes|no|true|false)"
_ANSWERED = re.compile(rf"{_ANSWER}(?:[.!]?$|[,;.] |\.?\n| (?:because|since|as)\b)", re.I)
_CHOICE_OF_ANSWERS = re.compile(r"\(?(?:yes or no|yes/no|true or false|y/n)\)?[\s?.!]*$", re.I)
_RESTATED = re.compile(
    r"\b(?:precede|before|after|follow)s? (?:the|that|this) (?:given |above |other )?(?:word|term|string)\b", re.I
)
_LIST_HEAD = re.compile(r"\b(?:following|these|this (?:list|set)|the list|below)\b[^?:]{0,60}[?:]*$", re.I)


class Prompt(NamedTuple):
    """What a text asks.

    Attributes:
        asked: the sentences that may be the question, quotes hidden; several when reading cannot tell.
        before: the sentences that stand before the last of them.
        literals: what the hidden quotes held, exactly as written.
        plain: whether the rest only says how to answer, so that "it" can mean nothing but the keyword.
    """

    asked: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    plain: bool = True


def literal(character: str, literals: tuple[str, ...]) -> str:
    """Return what one hidden quote held."""
    return literals[ord(character) - _FIRST]


def changes_the_word(remark: str) -> bool:
    """Return whether a remark beside the question may turn it into one about another word."""
    return bool(_CHANGE.search(remark))


def read_prompt(question: str) -> Prompt:
    """Return the sentences of a text that may be its question, and what the rest of it is like."""
    text, literals = _hide_quotes(question)
    sentences = _join_lists(_sentences(text))
    asked: list[int] = []
    told: list[int] = []
    in_examples = False
    for number, sentence in enumerate(sentences):
        following = sentences[number + 1] if number + 1 < len(sentences) else ""
        if _EXAMPLE.match(sentence):
            in_examples = sentence.rstrip(": ").lower() in ("example", "examples", "for example")
            continue
        in_examples = in_examples and not _RESUME.match(sentence)
        answered = _ANSWERED.match(following) if "?" in sentence else _ANSWERED.match(sentence)
        if not (in_examples or answered or _INSTRUCTION.match(sentence) or _CHOICE_OF_ANSWERS.match(sentence)):
            (asked if "?" in sentence else told).append(number)
    # "So does it precede the word?" asks again what was asked before.
    asked = [n for n in asked if not _RESTATED.search(sentences[n])] or asked
    # Without a question mark, what is worded like a question comes first, then any statement.
    chosen = asked or [n for n in told if _QUESTION.match(sentences[n]) or " if " in sentences[n]] or told
    others = [sentence for number, sentence in enumerate(sentences) if number not in chosen]
    if any(changes_the_word(sentence) for sentence in others):
        return Prompt()
    return Prompt(
        asked=tuple(sentences[number] for number in chosen),
        before=tuple(sentences[: max(chosen, default=0)]),
        literals=literals,
        plain=all(_HARMLESS.search(sentence) or not re.search(r"[a-zA-Z]", sentence) for sentence in others),
    )


def _hide_quotes(question: str) -> tuple[str, tuple[str, ...]]:
    """Fold typography to ASCII and put one private-use character in place of each quoted stretch."""
    folded = question.translate(_FOLDS)
    if _WRAPPED.search(folded):
        question = "".join(question[a:b] for a, b in _gaps(_WRAPPED, folded))
        folded = question.translate(_FOLDS)
    literals: list[str] = []

    def hide(match: re.Match[str]) -> str:
        literals.append(question[slice(*match.span(match.lastgroup or 0))])
        return chr(_FIRST + len(literals) - 1)

    text = _QUOTES.sub(hide, folded).replace('"', "")
    return re.sub(r" +", " ", text), tuple(literals)


def _gaps(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    edges = [0, *(edge for match in pattern.finditer(text) for edge in match.span()), len(text)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _sentences(text: str) -> list[str]:
    edges = [0, *(match.end() for match in _BREAK.finditer(text)), len(text)]
    return [text[a:b].strip() for a, b in itertools.pairwise(edges) if text[a:b].strip()]


def _join_lists(sentences: list[str]) -> list[str]:
    """Join "one of the following?" to the items after it, up to the next question or instruction."""
    joined: list[str] = []
    open_list = False
    for sentence in sentences:
        if open_list and not _QUESTION.match(sentence) and not _INSTRUCTION.match(sentence):
            joined[-1] += "\n" + sentence
            continue
        joined.append(sentence)
        open_list = bool(_LIST_HEAD.search(sentence) and _QUESTION.search(sentence))
    return joined
