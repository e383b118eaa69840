"""Rules for order: does the keyword come before, after or between words?

A word is compared as the contest's protocol compares it: the keyword in lower case against the word exactly as given,
in code-point order, strictly. So every keyword that starts with a letter comes after "Melon", as it does for the
protocol's own agents. The one exception is a lone capital letter, where nothing says "lowercase": it is the letter.
"""

from __future__ import annotations

import re

from twenty_questions.rules.clauses import Clause
from twenty_questions.rules.patterns import pattern
from twenty_questions.rules.reading import QUOTED
from twenty_questions.rules.rewriting import ORDER

__all__ = ["bisection", "order", "order_between", "order_first", "order_reversed"]

_BISECTION = re.compile(
    r'Does the keyword \(in lowercase\) (?:precede|come before) "(?P<word>.+)" in alphabetical order\?', re.DOTALL
)

_PLACED = (
    r"(?:(?:come|appear|occur|rank|sort|fall|go|land|sit|stand|lie|be|is|are)(?:s|es)? )?"
    r"(?:(?:first )?(?:listed|placed|located|positioned|found|sorted|ordered|ranked|situated) )?"
)
_BEFORE = (
    r"before|ahead of|earlier than|sooner than|prior to|precedes?|preceding|in front of"
    r"|first,? (?:(?:when|if) )?compared (?:to|with|against)"
)
_AFTER = r"after|later than|(?:further|farther)(?: on)? than|follows?|following|succeeds?|behind|subsequent to|beyond"
_RELATION = (
    rf"(?:(?P<before>{_BEFORE})|(?P<after>{_AFTER})"
    r"|(?P<less>(?:less|smaller|lower) than)|(?P<greater>(?:greater|larger|bigger|higher|more) than))"
    r"(?P<equal> or (?:is )?(?:equal to|the same as|equals|equal))?"
)
_NOUN = r"(?:(?:the |an? )?(?:word|term|string|name|entry|phrase|⟨keyword⟩) )?"
_PLAIN = r"[\w' -]{1,60}"

_RELATED = pattern(
    rf"{_PLACED}{_RELATION} {_NOUN}(?P<letter>(?:the )?(?:letter|character) )?"
    rf"(?P<word>{{q}}|[^{QUOTED[1:-1]},;:?()]{{1,80}}?)(?: in ⟨it⟩)?$"
)
_FIRST = pattern(
    rf"{_PLACED}(?:first|(?:before|earlier than) (?:it|⟨it⟩|(?:this|that|the given) (?:word|one)))"
    r"|precede (?:it|this word|that word)"
)
_REVERSED = pattern(
    rf"^(?:does|do|is|would|will|can) {_NOUN}(?P<word>{{q}}) {{not}}{_PLACED}{_RELATION} ⟨keyword⟩$",
)
_BETWEEN = pattern(
    rf"{_PLACED}(?:somewhere )?(?:"
    rf"between {_NOUN}(?P<low>{{q}}|{_PLAIN}?) and {_NOUN}(?P<high>{{q}}|{_PLAIN})"
    rf"|(?:after|follows?|later than) {_NOUN}(?P<low2>{{q}}|{_PLAIN}?),? (?:and|but)(?: also)? {_PLACED}"
    rf"(?:before|precedes?|earlier than) {_NOUN}(?P<high2>{{q}}|{_PLAIN})"
    rf"|(?:before|precedes?|earlier than) {_NOUN}(?P<high3>{{q}}|{_PLAIN}?),? (?:and|but)(?: also)? {_PLACED}"
    rf"(?:after|follows?|later than) {_NOUN}(?P<low3>{{q}}|{_PLAIN}))(?P<inclusive>,? \(?inclusive\)?)?$"
)


def bisection(question: str, name: str) -> bool | None:
    """The protocol's own wording, read exactly, whatever the word holds, even one double quote.

    `Does the keyword (in lowercase) precede "X" in alphabetical order?`, or "come before"; nothing before or after it.
    """
    match = _BISECTION.fullmatch(question.strip())
    if match is None or match["word"].count('"') > 1 or '" in alphabetical order?' in match["word"]:
        return None
    return name.lower() < match["word"]


def order(clause: Clause, name: str) -> bool | None:
    """Before or after one word: "precede", "come after", "is lexicographically less than", "follows".

    Without any word of alphabetical order it applies only to the keyword and a quoted word, and not to sizes
    ("smaller than"), since "before dinner" and "smaller than a car" are about the thing.
    """
    if not _is_of_name(clause) or clause.subject is None:
        return None
    match = _RELATED.match(clause.object)
    if match is None:
        return None
    word = _given(match["word"], clause)
    quoted = bool(re.fullmatch(QUOTED, match["word"]))
    if not quoted and not _is_plain_word(word, most=3 if clause.subject.sure else 1):
        return None
    sized = (match["less"] or match["greater"] or "").lower() not in ("", "less than", "greater than")
    spelled = quoted and clause.subject.sure and bool(re.match(r"(?!an? |the |my |your )[^\W\d]", word))
    lettered = bool(match["letter"]) and len(word.strip()) == 1
    if not (clause.ordered or ((spelled or lettered) and not sized)):
        return None
    lowered = name.lower()
    if len(word) == 1 and (match["letter"] or not clause.lowercase):
        word = word.lower()
    if match["letter"] and (match["after"] or match["greater"]):
        lowered = lowered[:1]
    strictly = lowered < word if match["before"] or match["less"] else lowered > word
    return strictly or (bool(match["equal"]) and lowered == word)


def order_first(clause: Clause, name: str) -> bool | None:
    """ "Comes first", or before "this word", where the text quotes just one word and speaks of alphabetical order."""
    if not _is_of_name(clause) or len(clause.literals) != 1 or not _FIRST.fullmatch(clause.object):
        return None
    if not clause.ordered and not any(ORDER.search(sentence) for sentence in clause.before):
        return None
    return name.lower() < clause.literals[0]


def order_reversed(clause: Clause, name: str) -> bool | None:
    """The same, told from the word's side: "Does "melon" come after the keyword?"; the word must be quoted."""
    match = _REVERSED.match(clause.sentence) if clause.subject is None else None
    if match is None or ((match["less"] or match["greater"]) and not clause.ordered):
        return None
    word, lowered = clause.literal(match["word"]), name.lower()
    strictly = word < lowered if match["before"] or match["less"] else lowered < word
    return (strictly or (bool(match["equal"]) and word == lowered)) != bool(match["no"])


def order_between(clause: Clause, name: str) -> bool | None:
    """Between two words, neither of them meant unless the question says "inclusive".

    Applies when both are quoted, or the question speaks of alphabetical order. Two lone letters bound the first letter,
    both included. "Between a mouse and a horse in size" is not mine.
    """
    match = _BETWEEN.match(clause.object) if _is_of_name(clause) else None
    if match is None or clause.subject is None or (clause.negated and not match["low"]):
        return None
    low = match["low"] or match["low2"] or match["low3"]
    high = match["high"] or match["high2"] or match["high3"]
    quoted = all(re.fullmatch(QUOTED, word) for word in (low, high))
    if not clause.ordered and not (quoted and clause.subject.sure):
        return None
    low, high, lowered = _given(low, clause), _given(high, clause), name.lower()
    if len(low) == len(high) == 1 and match["low"]:
        return low.lower() <= lowered[:1] <= high.lower()
    return low < lowered < high or (bool(match["inclusive"]) and lowered in (low, high))


def _is_of_name(clause: Clause) -> bool:
    return clause.subject is not None and clause.subject.kind == "name" and clause.verb in ("be", "other")


def _given(word: str, clause: Clause) -> str:
    return clause.literal(word) if re.fullmatch(QUOTED, word) else word.strip()


def _is_plain_word(text: str, most: int) -> bool:
    """Whether an unquoted text is short and without digits, as a word of a list would be."""
    return len(text.split()) <= most and not any(character.isdigit() for character in text)
