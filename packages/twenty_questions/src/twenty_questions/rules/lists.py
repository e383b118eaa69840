"""Rules for lists and outright guesses: is the keyword one of these, is it this?

A member is the keyword when the game would take it for a right guess: `words.names_match`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from twenty_questions.rules.clauses import Clause
from twenty_questions.rules.items import Items, read_items
from twenty_questions.rules.patterns import pattern
from twenty_questions.words import names_match, normalise

__all__ = ["guessed", "listed"]

_NOUN = (
    r"(?:(?:(?:potential|possible|candidate|likely|important) )?(?:(?:key)?words?|items?|things?|names?|terms?|options?"
    r"|objects?|candidates?|possibilities|answers?|guesses|nouns?|phrases?|strings?|ones?))"
)
_THIS = (
    r"(?:the|these|this|those|following|below|list(?: of)?|set(?: of)?|group(?: of)?"
    r"|two|three|four|five|six|seven|eight|nine|ten|\d{1,3})"
)
_LIST = pattern(
    r"(?:(?:match(?:es)?|equals?|exactly|equal to|either|an? member(?= of)|among) "
    r"|(?:appears?|included|contained|found|present|listed|mentioned) "
    r"(?=(?:in|among|on) (?:the|this|these|following|that)\b(?: following| given)?(?: list| set| words)))*"
    r"(?P<need>(?:one|any|either|at least one|none|some) )?(?:of |in |on |from |within |among |amongst )?"
    rf"(?:potential keywords|(?:(?:{_NOUN} (?:in|from|of) )?{_THIS} ?){{1,4}}{_NOUN}?"
    r"(?: (?:in|from) (?:this|the following|the) (?:list|set))?)"
    r"(?:\s*(?:[:?\n]|(?= ?[\[({])|(?= ?{q}))\s*|(?<=potential keywords) )(?P<items>.+)",
    re.IGNORECASE | re.DOTALL,
)
_LIST_BEFORE = pattern(
    r"(?:(?:one|any|none) (?:of|from|in|among) |in |among )(?:them|these|those"
    rf"|(?:the|this|that|the above|the given) (?:list|set|{_NOUN})(?: above)?|(?:{_THIS} ){{1,3}}{_NOUN})"
    r"|listed(?: above)?"
)
_ONE_OF = pattern(
    r"(?:one|any) of:? (?!the |these |those |this |my |your |our |its )(?P<items>.+)", re.IGNORECASE | re.DOTALL
)
_HOLDS = pattern(
    r"^(?:(?:does|do) (?:the following|this|these|the) (?:list|set|words|items)(?: of (?:words|items))? "
    r"(?:contain|include)s? ⟨keyword⟩|is (?:one|any) of (?:the following|these)(?: words| items| things)? "
    r"⟨(?:keyword|it)⟩)[:?]?\s*(?P<items>.+)",
    re.IGNORECASE | re.DOTALL,
)
_KIND = pattern(
    r"(?:an? |the |some )?(?:animals?|plants?|minerals?|persons?|people|places?|things?|objects?|foods?|drinks?|tools?"
    r"|vehicles?|fruits?|vegetables?|furniture|clothing|electronics?|buildings?|machines?"
    r"|(?:types?|kinds?|categor\w+|parts?|pieces?) of .*"
    r"|red|green|blue|yellow|black|white|brown|orange|pink|purple|big|small|large|round|square|hot|cold|hard|soft"
    r"|solid|liquid|gas|metal|wood|plastic|glass|living|man-?made|natural)"
)
_DESCRIBED = pattern(
    r"(?:an?|some|something|used|related|associated|made|found|part|kind|type|usually|typically|commonly|often)\b"
)
_ADVERB = pattern(r"^(?:equals? (?:to )?|exactly |actually |simply |either )")
_THE_WORD = pattern(r"^(?:the |an? )?(?:word|term|name|string) (?={q})")
_ARTICLE = pattern(r"^(?:an?|the) ")


def listed(clause: Clause, name: str) -> bool | None:
    """One of a list: "one of the following? a, b, c", "any of these: ...", "in the list [...]", bullets, quotes.

    When half the members are kinds or qualities ("an animal, a plant or a mineral", "red, green") only a member that is
    the keyword itself is answered, with yes. "One of the largest animals", "any of the above" and "found in any of the
    following" are not mine.
    """
    if clause.subject is None:
        match = _HOLDS.match(clause.sentence)
        return _among(read_items(match["items"], clause.literals), name) if match else None
    if clause.subject.kind != "name" or clause.verb not in ("be", "other"):
        return None
    if match := _LIST.fullmatch(clause.object):
        found = _among(read_items(match["items"], clause.literals), name)
        return found if found is None or (match["need"] or "").strip().lower() != "none" else not found
    if _LIST_BEFORE.fullmatch(clause.object):
        told = next((sentence for sentence in reversed(clause.before) if ":" in sentence), "")
        items = read_items(told.rpartition(":")[2], clause.literals)
    elif clause.subject.sure and (match := _ONE_OF.fullmatch(clause.object)):
        items = read_items(match["items"], clause.literals)
        if not all(_is_short(text) for text in items.texts):
            return None
    else:
        return None
    return _among(items, name) if len(items.texts) > 1 else None


def guessed(clause: Clause, name: str) -> bool | None:
    """The keyword named outright: `Is the keyword "hammer"?`, `Is it the word "hammer"?`, `"a" or "b"`.

    Without quotes only a right guess is answered, with yes: "Is the keyword blue?" asks for a quality. About "it", "Is
    it a hammer?" likewise, with its article; "Is it light?" is not mine.
    """
    if clause.subject is None or clause.subject.kind != "name" or clause.verb not in ("be", "other"):
        return None
    if clause.verb == "other" and not re.match(r"equals? ", clause.object, re.IGNORECASE):
        return None
    wanted = _ADVERB.sub("", clause.object)
    says_word = bool(_THE_WORD.match(wanted))
    wanted = _THE_WORD.sub("", wanted)
    items = read_items(wanted, clause.literals)
    if not items.texts or (items.joined in ("and", "mixed") and len(items.texts) > 1):
        return None
    if items.quoted and (clause.subject.sure or says_word) and not any(_DESCRIBED.match(text) for text in items.texts):
        return _names_any(items.texts, name)
    named = clause.subject.sure or bool(_ARTICLE.match(wanted))
    right = _names_any([_ARTICLE.sub("", text) for text in items.texts], name)
    return True if named and right and not clause.negated else None


def _names_any(texts: Sequence[str], name: str) -> bool:
    return any(normalise(text) and names_match(text, name) for text in texts)


def _among(items: Items, name: str) -> bool | None:
    if not items.texts:
        return None
    if _names_any(items.texts, name):
        return True
    kinds = sum(bool(_KIND.fullmatch(text) or _DESCRIBED.match(text)) for text in items.texts)
    return None if 2 * kinds >= len(items.texts) and not items.quoted else False


def _is_short(text: str) -> bool:
    return len(text.split()) <= 4 and not re.match(r"(?:an?|the|like|such|its|their|some|e\.g)\b", text, re.IGNORECASE)
