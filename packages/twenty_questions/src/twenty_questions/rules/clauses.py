"""From a sentence to a clause: subject, verb, object."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from twenty_questions.rules.patterns import pattern
from twenty_questions.rules.reading import changes_the_word, literal
from twenty_questions.rules.rewriting import rewrite, take_out_order
from twenty_questions.spelling import words

__all__ = ["Clause", "Subject", "read_clauses"]

_SubjectKind = Literal["name", "letter", "character", "run", "edges", "number"]
_Verb = Literal["start", "end", "edges", "contain", "be", "other"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a clause is about.

    Attributes:
        kind: the name; one letter or character of it; a run of letters at one end; both outer letters; or a number.
        sure: whether it can only be the word: "it" may be the thing.
        word: which word of the name: a position, "any", "every", or None for the whole name.
        place: where the letter stands, negative from the end; for a run its length.
        unit: what the number counts, such as "letters".
    """

    kind: _SubjectKind = "name"
    sure: bool = True
    word: int | Literal["any", "every"] | None = None
    place: int = 0
    unit: str = ""

    def parts(self, name: str) -> list[str]:
        """Return the words of a name that the clause is about, or the whole name."""
        if self.word is None:
            return [name]
        found = words(name)
        if isinstance(self.word, str):
            return found
        return [found[self.word]] if -len(found) <= self.word < len(found) else []


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement to judge.

    Attributes:
        subject: what it is about; None when only a rule that reads whole sentences can tell.
        verb: start, end, edges (start and end), contain, be; "other" leaves the verb in `object`.
        loosely: whether "contain" is "have", "use" or the like, which a thing does more often than a name.
        object: what follows the verb, in the partner's own letters.
        negated: whether "not" turns the answer round.
        ordered: whether the sentence says that the alphabet orders.
        lowercase: whether it says that the keyword is in lower case.
        sentence: the rewritten sentence.
        before: the sentences before it, as the partner wrote them.
        literals: what the quotes in any of these hold.
    """

    subject: Subject | None
    verb: _Verb
    loosely: bool
    object: str
    negated: bool
    ordered: bool
    lowercase: bool
    sentence: str
    before: tuple[str, ...]
    literals: tuple[str, ...]

    def literal(self, character: str) -> str:
        """Return what one hidden quote held."""
        return literal(character, self.literals)


_NEXT_QUESTION = pattern(r",? (?P<join>or|and) (?=(?:does|is|are) (?:the|it|its|this|your)\b)")
_REMARKS = (
    pattern(r"(?P<remark>[^?:]{0,300}):\s*(?=(?:{aux}|if)\b|[^:]{0,30}\bkeyword\b)"),
    pattern(r"(?P<remark>[^?,]{0,200})[,#]\s*(?={aux}\b)"),
    pattern(
        r"(?P<remark>(?:now|so|ok|okay|alright|well|hmm+|then|next|finally|hi|hello|great|please|first|also|and|but|q\d*"
        r"|question|round \d+|-|\d{1,2}[.)])[,.:;!)]*) "
    ),
    pattern(
        r"(?P<remark>(?:(?:can|could|would|will) you (?:please )?(?:tell me|say|confirm|determine|check)"
        r"|i(?:'d| would) like to know|i want to know|i wonder|i'm wondering|i am wondering"
        r"|(?:please )?(?:tell me|let me know|determine|check|decide|state|confirm)) (?:if|whether|that)) "
    ),
    pattern(
        r"(?P<remark>(?:is it|would it be) (?:true|correct|right|the case|accurate|fair)(?: to say)? that"
        r"|(?:do|would|can|could|should) (?:you|i|we|one) (?:say|agree|think|confirm)(?: that)?) "
    ),
)
_CONDITION = pattern(r"if (?!.*\b(?:sort|order|arrange|compar|list|rank|put|place|writ|spell)).*")
_CLOSING = pattern(
    r"(?:[\s?.!,;:]+"
    r"|,? ?\(?\b(?:yes or no|yes/no|y/n|true or false)\)?"
    r"|,? ?\(?\b(?:case[- ]insensitive(?:ly)?|not case[- ]sensitive|ignoring (?:the )?(?:case|capitali[sz]ation)"
    r"|regardless of (?:the )?case|(?:in )?(?:lower or upper|upper or lower|either|any) ?case)\)?"
    r"|,? ?\(?\b(?:ignoring|excluding|not including|without(?: counting)?|not counting) (?:any )?(?:the )?"
    r"(?:spaces?|hyphens?|punctuation)(?: (?:and|or) (?:spaces?|hyphens?|punctuation))?\)?"
    r"|,? as in {q}|,? please)$"
)
_YES_IF = (
    pattern(
        r"(?:answer|respond|reply|say|output|return)(?: with)? (?P<yes>yes|{q}) if (?P<clause>[^,;]+?)"
        r"(?:[,;.]? ?(?:(?:and|or|otherwise|else|if not),? ?){0,2}(?:(?:answer|respond|reply|say|output|return) )?"
        r"(?:with )?(?:no|{q})(?: otherwise| if not| if it does not| if it doesn't)?)?"
    ),
    pattern(
        r"if (?P<clause>[^,;]+?),? (?:then )?(?:answer|respond|reply|say|output|return)(?: with)? (?P<yes>yes|{q})\b.*",
        re.IGNORECASE | re.DOTALL,
    ),
)
_HEAD = pattern(
    r"(?:(?P<aux>{aux}) )?⟨(?P<what>[a-z]+)(?: (?P<detail>-?\d+|word))?⟩(?: of ⟨(?P<owner>[^⟩]*)⟩)?"
    r"(?P<not> (?:does not|do not|doesn't|don't|is not|isn't|are not|aren't|not))? "
    r"(?P<be>(?:happen to be|happens to be|be equal to|equal to|equals?|be|is|are)(?P<not2> not)? )?(?P<rest>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_VERB = re.compile(r"(?P<verb>start with|end with|edges with|contain|have) (?P<object>.+)$", re.DOTALL)
_VERBS: dict[str, _Verb] = {
    "start with": "start",
    "end with": "end",
    "edges with": "edges",
    "contain": "contain",
    "have": "contain",
}
_AND_VERB = pattern(
    r",? (?P<join>and|or|but)(?: does| do)?(?: it)?(?: also)? (?=(?:start|begin|end|contain|include|have|has)s? )"
)


def read_clauses(sentence: str, before: tuple[str, ...], literals: tuple[str, ...]) -> tuple[list[Clause], str]:
    """Return the clauses of one sentence and the word that joins them: "and", "or", or "" for a single clause.

    A clause that asks the rules nothing has no subject. Clauses joined by both words come back as none at all.
    """
    pieces = _NEXT_QUESTION.split(sentence)
    clauses: list[Clause] = []
    joins = {join.lower() for join in pieces[1::2]}
    for piece in pieces[::2]:
        found, join = _read_simple(piece, before, literals)
        if not found:
            return [], ""
        clauses += found
        joins |= {join} - {""}
    return (clauses, joins.pop() if joins else "") if len(joins) < 2 else ([], "")


def _read_simple(sentence: str, before: tuple[str, ...], literals: tuple[str, ...]) -> tuple[list[Clause], str]:
    lowercase = bool(re.search(r"\blower-? ?case", sentence, re.I))
    unordered, ordered = take_out_order(sentence)
    question = _without_remarks(unordered, literals)
    if question is None:
        return [], ""
    text = rewrite(_without_closing(question))

    def clause(subject: Subject | None, verb: _Verb, rest: str, negated: bool, loosely: bool = False) -> Clause:
        return Clause(subject, verb, loosely, rest, negated, ordered, lowercase, text, before, literals)

    head = _HEAD.match(text)
    subject = _subject(head) if head else None
    if head is None or subject is None:
        return [clause(None, "other", text, False)], ""
    is_being = bool(head["be"]) or (head["aux"] or "").lower() in ("is", "are", "was", "were")
    negated = bool(head["not"]) != bool(head["not2"])
    pieces = _AND_VERB.split(f"⟩ {head['rest']}")
    joins = {join.lower().replace("but", "and") for join in pieces[1::2]}
    if negated and joins:
        return [], ""
    clauses = []
    for piece in pieces[::2]:
        rest = piece.removeprefix("⟩ ")
        if joins:
            rest = rewrite(f"⟨keyword⟩ {rest}").removeprefix("⟨keyword⟩ ")
        is_not = rest.startswith("not ")
        rest = rest.removeprefix("not ")
        if match := _VERB.match(rest):
            verb, loosely = _VERBS[match["verb"]], match["verb"] == "have"
            clauses.append(clause(subject, verb, match["object"], negated != is_not, loosely))
        else:
            clauses.append(clause(subject, "be" if is_being else "other", rest, negated != is_not))
    return (clauses, joins.pop() if joins else "") if len(joins) < 2 else ([], "")


def _subject(head: re.Match[str]) -> Subject | None:
    what, detail, owner = head["what"], head["detail"], head["owner"] or ""
    word: int | Literal["any", "every"] | None = None
    match (owner or f"{what} {detail or ''}").split():
        case ["any", "word"]:
            word = "any"
        case ["every", "word"]:
            word = "every"
        case ["word", position]:
            word = int(position)
    match what:
        case "keyword" | "it" | "word" | "any" | "every":
            return Subject("name", sure=what != "it", word=word)
        case "letter" | "character" | "run":
            return Subject(what, word=word, place=int(detail))
        case "edges":
            return Subject("edges", word=word)
        case "length" | "letters" | "characters" | "words" | "vowels" | "consonants":
            return Subject("number", word=word, unit=what)
    return None


def _without_remarks(sentence: str, literals: tuple[str, ...]) -> str | None:
    """Take off what leads into the question; None when a remark may change what the question is about."""
    for yes_if in _YES_IF:
        if instruction := yes_if.fullmatch(sentence.strip(" .?!")):
            said = instruction["yes"]
            said = said if len(said) > 1 else literal(said, literals)
            return instruction["clause"] if said.strip(" .").lower() == "yes" else None
    for _ in range(4):
        matches = [match for remark in _REMARKS if (match := remark.match(sentence))]
        if not matches:
            break
        match = matches[0]
        if changes_the_word(match["remark"]) or _CONDITION.match(match["remark"]):
            return None
        sentence = sentence[match.end() :].strip()
    return sentence


def _without_closing(sentence: str) -> str:
    for _ in range(6):
        shorter = _CLOSING.sub("", sentence)
        if shorter == sentence:
            break
        sentence = shorter
    return sentence
